"""A kind of target that lies outside the package, that of docs/add-a-target.md, goes the whole way."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from layerscope import Dataset, load_encoder, load_predictor, probe
from layerscope.cli.entry_point import guarded
from layerscope.errors import DataError, UsageError
from layerscope.study.export import export
from layerscope.study.options import make_plan
from layerscope.study.run import run
from layerscope.targets import KINDS, kind_named, register, register_installed

DOCUMENT = Path(__file__).parents[2] / "docs" / "add-a-target.md"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with the document's module and an entry point, on the path."""
    module = re.search(r"```python\n(# claps\.py\n.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)[1]
    (tmp_path / "claps.py").write_text(module)
    facts = tmp_path / "claps-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: claps\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[layerscope.kinds]\nclaps = claps:Claps\n")
    monkeypatch.syspath_prepend(tmp_path)
    register_installed.cache_clear()
    yield kind_named("claps")
    del KINDS["claps"], sys.modules["claps"]
    register_installed.cache_clear()


@pytest.fixture
def clicks(tmp_path):
    """Bursts of noise whose times are known, under a column that nobody recognises."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(12):
        times = np.sort(random.choice(np.arange(0.2, 3.8, 0.2), 8, replace=False))
        sound = 0.001 * random.normal(size=4 * 24_000)
        for time in times:
            sound[int(time * 24_000) :][:1200] += 0.5 * random.normal(size=1200) * np.exp(-np.arange(1200) / 200)
        soundfile.write(tmp_path / f"{number}.wav", sound.clip(-1, 1), 24_000)
        split = "train" if number < 6 else "valid" if number < 8 else "test"
        rows.append({"path": f"{number}.wav", "split": split, "hits": times.round(3).tolist()})
    (tmp_path / "clicks.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "clicks.jsonl"


def test_probing_scores_it(installed, clicks):
    dataset = Dataset.load(clicks)
    results = probe(load_encoder("mel"), dataset, target="hits", kind="claps", probes=["closed"])
    assert results.facts["tasks"]["clicks"]["kind"] == "claps"
    assert results.facts["tasks"]["clicks"]["primary"] == "clap_f"
    assert results.of(metric="clap_f", input="context").value.iloc[0] > 0.9
    assert results.facts["tasks"]["clicks"]["chance"] < 0.1
    assert dataset.labels("hits", "claps").kind is installed


@pytest.mark.usefixtures("installed")
def test_a_run_is_reported_exported_and_predicts(clicks, tmp_path, capsys):
    plan = make_plan({"data": clicks, "target": "hits", "kind": "claps", "model": [], "baseline": ["mel"],
                      "probe": ["closed"], "seeds": 1}, "test")  # fmt: skip
    run(plan, tmp_path / "run")
    assert "clap F" in (tmp_path / "run" / "report.html").read_text()
    export(tmp_path / "run", tmp_path / "use", insist=True)  # of few tracks nothing is shown
    answer = load_predictor(tmp_path / "use").predict_file(tmp_path / "11.wav")
    wanted = json.loads(clicks.read_text().splitlines()[11])["hits"]
    assert np.abs(np.subtract.outer(wanted, answer["claps"])).min(axis=1) == pytest.approx(0, abs=0.05)
    jams = ["--jams", str(tmp_path / "jams")]
    assert guarded(["predict", str(tmp_path / "use"), str(tmp_path / "11.wav"), *jams]) == 0
    assert json.loads((tmp_path / "jams" / "11.jams").read_text())["annotations"][0]["namespace"] == "onset"
    capsys.readouterr()
    assert guarded(["ls", "metrics"]) == 0
    assert re.search(r"claps +clap_f +yes", capsys.readouterr().out)


def test_it_is_recognised_before_those_of_layerscope(installed, clicks):
    dataset = Dataset.load(clicks)
    assert dataset.labels("hits").kind.name == "values"  # as many numbers for every clip
    dataset.clips = dataset.clips.rename(columns={"hits": "claps"})
    assert dataset.labels("claps").kind is installed
    dataset.clips["claps"] = [[2.0, 1.0]] * 12
    with pytest.raises(DataError, match=r"0\.wav: times do not ascend"):
        dataset.labels("claps")


def test_a_kind_without_metrics_is_refused(installed):
    class Nothing(type(installed)):
        name, metrics = "nothing", ()

    with pytest.raises(UsageError, match="'nothing' has no metrics"):
        register(Nothing())
