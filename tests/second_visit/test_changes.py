"""Commands that are repeated after something has changed: a file, a label, an option, what is on disk."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest

from conftest import write_tone
from layerscope.cli.entry_point import guarded
from layerscope.errors import DataError
from layerscope.scores.score_table import Results
from layerscope.study.compare import compare
from layerscope.study.options import Comparison, make_plan
from layerscope.study.run import run

QUICK = ["--baseline", "mel", "--probe", "closed", "--seeds", "1"]


def write_tones(directory, count=24):
    for number in range(count):
        name, frequency = (("low", 200), ("high", 900))[number % 2]
        write_tone(directory / name / f"{number}.wav", frequency + 10 * number, seconds=0.5, seed=number)
    return directory


def study(data, **given):
    return make_plan({"data": data, "baseline": ["mel"], "probe": ["closed"], "seeds": 1, **given}, "a test")


def test_a_refused_run_leaves_its_directory_to_the_next(tmp_path):
    (tmp_path / "broken" / "a").mkdir(parents=True)
    for name in ("a/1.wav", "2.wav"):
        (tmp_path / "broken" / name).write_bytes(b"no sound")
    with pytest.raises(DataError):
        run(study(tmp_path / "broken"), tmp_path / "run")
    run(study(write_tones(tmp_path / "data")), tmp_path / "run")
    assert Results.read(tmp_path / "run").tasks == ["data"]


def test_a_run_repeated_after_a_file_changed_is_that_of_the_files_as_they_are(tmp_path, monkeypatch):
    data = write_tones(tmp_path / "data")
    run(study(data), tmp_path / "run")
    before = (tmp_path / "run" / "results.csv").read_bytes()
    for number in (0, 2, 4, 6):
        write_tone(data / "low" / f"{number}.wav", 950, seconds=0.5, seed=number)
    run(study(data), tmp_path / "run")
    after = (tmp_path / "run" / "results.csv").read_bytes()
    assert after != before
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "another cache"))
    run(study(data), tmp_path / "anew")
    assert after == (tmp_path / "anew" / "results.csv").read_bytes()


@pytest.mark.slow
def test_a_comparison_repeated_after_a_file_changed_is_that_of_the_files_as_they_are(tmp_path, monkeypatch):
    data = write_tones(tmp_path / "data", count=16)
    asked = Comparison(data=str(data), model=["random:small"])
    compare(asked, tmp_path / "first")
    write_tone(data / "low" / "0.wav", 3000, seconds=0.5)
    compare(asked, tmp_path / "first")
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "another cache"))
    compare(asked, tmp_path / "anew")
    first, anew = (pd.read_csv(tmp_path / name / "similarity.csv") for name in ("first", "anew"))
    # A clip encoded alone and in a batch differ by the rounding of float32.
    np.testing.assert_allclose(first.value, anew.value, atol=1e-4)


@pytest.mark.parametrize(
    "changed", [["--seeds", "2"], ["--probe", "linear"], ["--baseline", "mfcc"], ["--kind", "key"]]
)
def test_another_option_is_another_study_and_is_refused_before_any_work(changed, tmp_path, capsys):
    data = tmp_path / "data"
    (tmp_path / "run").mkdir()
    plan = study(data).model_dump(mode="json")
    (tmp_path / "run" / "study.json").write_text(pd.Series(plan).to_json())
    assert guarded(["run", "--data", str(data), *QUICK, *changed, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "holds another study" in error
    assert changed[0].removeprefix("--") in error


def test_a_file_whose_name_is_no_text_is_set_aside_by_what_can_be_written_of_it(tmp_path):
    data = write_tones(tmp_path / "data")
    odd = os.fsencode(data / "low") + b"/caf\xe9.wav"
    os.rename(data / "low" / "0.wav", odd)  # noqa: PTH104 - a path of bytes
    call = ["run", "--data", str(data), *QUICK, "--out", str(tmp_path / "run")]
    assert guarded(call) == 0
    assert guarded(["report", str(tmp_path / "run")]) == 0
    skipped = (tmp_path / "run" / "skipped.csv").read_text(encoding="utf-8")
    assert r"caf\udce9.wav',its name is not UTF-8; rename it" in skipped


def test_whatever_a_column_is_called_files_stay_inside(tmp_path):
    data = write_tones(tmp_path / "place" / "data")
    targets = ["../../outside", "a/b", ".", "x" * 250, "other"]
    rows = [
        ",".join([f"data/{path.parent.name}/{path.name}", *[path.parent.name] * len(targets)])
        for path in data.rglob("*.wav")
    ]
    table = tmp_path / "place" / "table.csv"
    table.write_text(",".join(["path", *targets]) + "\n" + "\n".join(rows) + "\n")
    out = tmp_path / "place" / "run"
    asked = [word for target in targets for word in ("--target", target)]
    assert guarded(["run", "--data", str(table), *asked, *QUICK, "--out", str(out)]) == 0
    assert guarded(["report", str(out)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"place"}
    assert {path.name for path in (tmp_path / "place").iterdir()} == {"data", "table.csv", "run"}
    figures = [path for path in (out / "figures").rglob("*") if path.suffix == ".png"]
    assert {path.parent for path in figures} == {out / "figures"}
    assert len(figures) >= len(targets)


def test_runs_of_one_model_each_are_put_together(tmp_path, capsys):
    """As an array of jobs makes them, with the plain feature in each."""
    data = write_tones(tmp_path / "data")
    for name in ("mfcc", "chroma"):
        run(study(data, baseline=["mel", name]), tmp_path / name)
    both = ["report", str(tmp_path / "mfcc"), str(tmp_path / "chroma"), "--out", str(tmp_path / "both")]
    assert guarded(both) == 0
    assert set(Results.read(tmp_path / "both").summary.model) == {"mel", "mfcc", "chroma"}
    shutil.copytree(data, tmp_path / "other" / "data")
    write_tone(tmp_path / "other" / "data" / "low" / "0.wav", 3000)
    run(study(tmp_path / "other" / "data"), tmp_path / "changed")
    capsys.readouterr()
    refused = ["report", str(tmp_path / "mfcc"), str(tmp_path / "changed"), "--out", str(tmp_path / "none")]
    assert guarded(refused) in (2, 3)
    assert "different clips" in capsys.readouterr().err


def test_runs_of_one_task_each_are_put_together(tmp_path, capsys):
    """As an array of jobs makes them of one table, of one table each, and of another in the end."""
    clips = sorted(write_tones(tmp_path / "data").rglob("*.wav"))
    table = {"path": clips, "genre": [path.parent.name for path in clips], "mood": ["calm", "wild"] * 12}
    pd.DataFrame(table).to_csv(tmp_path / "songs.csv", index=False)
    for target in ("genre", "mood"):
        run(study(tmp_path / "songs.csv", target=target), tmp_path / target)
    both = ["report", str(tmp_path / "genre"), str(tmp_path / "mood"), "--out", str(tmp_path / "both")]
    assert guarded(both) == guarded(both) == 0
    tasks = ["songs-genre", "songs-mood"]
    for file in ("summary", "predictions", "splits"):
        assert pd.read_csv(tmp_path / "both" / f"{file}.csv").task.unique().tolist() == tasks
    assert len(pd.read_csv(tmp_path / "both" / "splits.csv")) == 2 * len(clips)
    assert all(f">{task}<" in (tmp_path / "both" / "report.html").read_text() for task in tasks)
    (tmp_path / "other").mkdir()
    pd.DataFrame(table).iloc[::-1].to_csv(tmp_path / "other" / "songs.csv", index=False)
    run(study(tmp_path / "other" / "songs.csv", target="genre"), tmp_path / "lr=0.1")
    capsys.readouterr()
    assert guarded([*both[:-1], str(tmp_path / "none"), str(tmp_path / "lr=0.1")]) == 2
    assert "NAME=" in capsys.readouterr().err
    assert guarded([*both[:-1], str(tmp_path / "three"), f"backwards={tmp_path / 'lr=0.1'}"]) == 0
    assert Results.read(tmp_path / "three").tasks == [*tasks, "backwards"]
    assert guarded(["report", f"backwards={tmp_path / 'lr=0.1'}"]) == 2
    assert "give --out" in capsys.readouterr().err
