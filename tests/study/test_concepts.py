"""The command: a made encoder whose layers are known, and what cannot be asked."""

import json
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.truth.concepts import SHARES, TOLD, factory
from test_score_table import entry

from layerscope.cli.entry_point import guarded
from layerscope.encoders import load_encoder
from layerscope.errors import UsageError
from layerscope.scores.score_table import Results
from layerscope.scores.tabulate import tabulate
from layerscope.study.concepts import above_twins, concepts, refuse_deaf, run_battery
from layerscope.study.options import Battery
from layerscope.toymusic.concept_battery import battery


@pytest.mark.slow
def test_both_maps_are_right_of_an_encoder_that_is_known_and_the_command_goes_on_with_what_is_kept(tmp_path):
    """Layers that are the pitch class, the instrument, the loudness, noise, and two of them side by side."""
    out, asked, given = tmp_path / "out", Battery(model=["known"]), {"known": factory()}
    few = {name: clips for name, clips in battery().items() if name in ("pitches", "tunes", "changes")}
    said: list[str] = []
    maps = run_battery(asked, out, clips=few, say=said.append, given=given)
    for row in maps.scores.itertuples():
        if row.concept in TOLD[row.layer]:
            assert row.shown
            assert row.share == pytest.approx(1.0)
        else:
            assert not row.shown, row
    for row in maps.invariance.itertuples():
        if row.layer == 4:
            assert not row.shown, row
        else:
            share = SHARES[row.layer].get(row.factor, 0.0)
            assert row.shown
            assert row.total == pytest.approx(share, abs=1e-6)
            assert row.main == pytest.approx(share, abs=1e-6)
    order = ["pitch", "octave", "mode", "key", "tempo", "metre", "rhythm", "instrument", "loudness"]
    assert list(maps.scores.concept.unique()) == order
    names = {"concepts.csv", "concepts.json", "invariance.csv", "provenance.json", "report.html", "figures", "probes"}
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == names
    provenance = json.loads((out / "provenance.json").read_text())
    assert (provenance["clips"], list(provenance["models"])) == (528, ["known"])
    written = {name: (out / name).read_bytes() for name in ("concepts.csv", "invariance.csv")}
    again = run_battery(asked, out, clips=few, say=said.append, given=given)
    assert [said[0].partition(", about")[0], said[1]] == [
        "known (as its own code says): 528 clips, 27 min of sound",
        "known (as its own code says): 0 clips, 0 min of sound, about 0.0 min to encode, 528 are kept",
    ]
    assert again.facts["passes"]["known"]["clips_encoded"] == 0
    assert {name: (out / name).read_bytes() for name in written} == written
    page = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert guarded(["report", str(out)]) == 0
    assert (out / "report.html").read_bytes() == page
    with pytest.raises(UsageError, match="holds another battery of concepts"):
        run_battery(Battery(model=["mel"]), out, clips=few)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ((3,), "takes names or encoders, not int"),
        (([],), "takes names or encoders, not nothing"),
        (("toy-mug",), "did you mean 'toy-muq'"),
    ],
)
def test_what_is_no_encoder_is_refused_in_python_too(asked, words):
    with pytest.raises(UsageError, match=words):
        concepts(*asked)


def test_how_an_encoder_that_is_given_computes_is_not_asked():
    with pytest.raises(UsageError, match="'device' is of models by their names"):
        concepts(factory(), device="cpu")


def test_each_model_stands_beside_its_untrained_twin():
    def names(**given):
        return [encoder.name for encoder in Battery(**given).encoders()]

    assert names(model=["toy-muq", "mfcc"]) == ["toy-muq", "random:toy-muq", "mfcc"]
    assert names(model=["toy-muq", "random:toy-muq"]) == ["toy-muq", "random:toy-muq"]
    assert names(model=["toy-muq"], no_twins=True, layers="0-1") == ["toy-muq"]


def test_an_encoder_that_is_given_stands_without_a_twin():
    given = factory()
    assert list(Battery(model=["known"]).encoders({"known": given})) == [given]


def test_an_encoder_that_hears_no_new_sound_is_refused(tmp_path):
    (tmp_path / "features.json").write_text(json.dumps({"frame_rate": 25.0, "layers": [0], "dim": 8}))
    np.save(tmp_path / "a.npy", np.zeros((1, 4, 8), np.float32))
    with pytest.raises(UsageError, match="holds states of its own files"):
        run_battery(Battery(model=[str(tmp_path)]), tmp_path / "out")
    assert not list((tmp_path / "out").glob("[!.]*"))


def test_an_encoder_that_needs_longer_clips_is_refused():
    encoder = load_encoder("mfcc")
    encoder.minimum_samples = 2 * encoder.sample_rate
    with pytest.raises(UsageError, match=r"mfcc needs 2.00 s of sound, and notes of the battery last 1.5 s"):
        refuse_deaf(encoder)


def test_wrong_options_are_named(tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    assert guarded(["concepts", "--model", "toy-mug", *out]) == 2
    assert "did you mean 'toy-muq'" in capsys.readouterr().err
    assert guarded(["concepts", *out]) == 2
    assert "Missing option '--model'" in capsys.readouterr().err


def test_more_than_the_untrained_twin_is_said_of_all_concepts_together():
    def told(concepts):
        entries = [
            replace(each, label={**each.label, "task": concept})
            for concept in concepts
            for each in (entry(1, 0.6, 0.571, spread=0.03), entry(2, 0.5, 0.5, model="random:m"))
        ]
        kinds = {name: {"baseline": False, "untrained": name != "m"} for name in ("m", "random:m")}
        tasks = {concept: {"primary": "accuracy", "chance": 0.1} for concept in concepts}
        results = Results(*tabulate(entries), {"models": kinds, "tasks": tasks})
        scores = results.summary.assign(concept=results.summary.task, shown=True)
        return above_twins(results, scores)

    assert told(["pitch"]) == ["yes", ""]
    # Each difference by itself would be shown, and of twelve such one is soon.
    assert told([f"concept {number}" for number in range(12)]) == ["no", ""] * 12


def test_a_twin_that_two_models_share_is_the_control_of_both():
    models = {"m": {}, "n": {}, "random:m": {"also": ["random:n"]}}
    kinds = {name: {"baseline": False, "untrained": name not in "mn", **facts} for name, facts in models.items()}
    entries = [entry(1, 0.9, 0.9, model="m"), entry(1, 0.8, 0.8, model="n"), entry(2, 0.5, 0.5, model="random:m")]
    results = Results(*tabulate(entries), {"models": kinds, "tasks": {"demo": {"primary": "accuracy", "chance": 0.1}}})
    scores = results.summary.assign(concept="pitch", shown=True)
    assert dict(zip(scores.model, above_twins(results, scores), strict=True)) == {
        "m": "yes",
        "n": "yes",
        "random:m": "",
    }
