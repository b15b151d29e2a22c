"""Directories that are visited again: after damage, after a change, by another command, from another place."""

import contextlib
import json
import os
import shutil

import numpy as np
import pytest

from conftest import write_tone
from layerscope.atomic_files import new_directory, owned_directory, read_header, read_tensors, write_tensors
from layerscope.cli.entry_point import guarded
from layerscope.errors import DataError, ResourceError, UsageError
from layerscope.scores.score_table import Results
from layerscope.study.demo import demo
from layerscope.study.export import export
from layerscope.study.options import make_plan, read_plan
from layerscope.study.run import run

#: In the order in which a run writes them.
FILES = ("splits.csv", "predictions.csv", "results.csv", "summary.csv", "skipped.csv", "draws.safetensors")


def study(data, **given):
    return make_plan({"data": data, "baseline": ["mel"], "probe": ["closed"], "seeds": 1, **given}, "a test")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the data of a run, and its directory; its cache is kept for all tests of this file."""
    place = tmp_path_factory.mktemp("finished")
    for number in range(24):
        name, frequency = (("low", 200), ("high", 900))[number % 2]
        write_tone(place / "data" / name / f"{number}.wav", frequency + 10 * number, seconds=1, seed=number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERSCOPE_CACHE", str(place / "cache"))
        run(study(place / "data"), place / "run")
    return place


@pytest.fixture
def visited(finished, tmp_path, monkeypatch):
    """Return a copy of a run, of its data and of its cache."""
    for name in ("run", "cache"):
        shutil.copytree(finished / name, tmp_path / name)
    # By a link, so that paths in the record are those of the copy's origin.
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def flip(path, offset):
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def tree(directory):
    """Return every file below a directory with its bytes and the time of its last change; directories as well."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in [directory, *directory.rglob("*")]
    }


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("offset", [-20, 60])
def test_results_of_which_a_byte_was_changed_are_refused_and_mended_by_the_same_run(visited, finished, name, offset):
    before = {file: (visited / "run" / file).read_bytes() for file in FILES}
    if len(before[name]) <= abs(offset):
        pytest.skip("the file is too short")
    flip(visited / "run" / name, offset)
    with pytest.raises(DataError, match="run the study again"):
        Results.read(visited / "run")
    with pytest.raises(DataError, match="run the study again"):
        export(visited / "run", visited / "use", insist=True)
    run(study(finished / "data"), visited / "run")
    assert {file: (visited / "run" / file).read_bytes() for file in FILES[:-1]} == {
        file: before[file] for file in FILES[:-1]
    }
    Results.read(visited / "run")


@pytest.mark.parametrize("stopped_before", FILES[1:])
def test_scores_of_new_labels_are_never_read_beside_draws_of_old_ones(visited, finished, stopped_before):
    other = visited / "data"
    shutil.copytree(finished / "data", other)
    for number in (0, 2, 4):
        (other / "low" / f"{number}.wav").rename(other / "high" / f"{number}.wav")
    run(study(other), visited / "other")
    for name in FILES[: FILES.index(stopped_before)]:  # as a kill between two writes leaves them
        shutil.copy(visited / "other" / name, visited / "run" / name)
    # With equal contents nothing would be mixed.
    assert any((visited / "run" / name).read_bytes() != (finished / "run" / name).read_bytes() for name in FILES)
    assert guarded(["report", str(visited / "run")]) == 3
    with pytest.raises(DataError, match="not of the same run"):
        export(visited / "run", visited / "use", insist=True)


def test_a_kept_training_that_is_damaged_is_named_with_the_way_out(visited, finished):
    for path in (visited / "run" / "probes").iterdir():
        start = 8 + int.from_bytes(path.read_bytes()[:8], "little")
        flip(path, start + 1)
    with pytest.raises(ResourceError, match=r"probes/\w+\.safetensors: damaged .*; delete it and run the same command"):
        run(study(finished / "data"), visited / "run")
    shutil.rmtree(visited / "run" / "probes")
    run(study(finished / "data"), visited / "run")
    assert (visited / "run" / "summary.csv").read_bytes() == (finished / "run" / "summary.csv").read_bytes()


def test_a_header_that_was_changed_is_noticed(tmp_path):
    write_tensors(tmp_path / "kept.safetensors", {"a": np.zeros(3)}, {"penalty": 17})
    content = (tmp_path / "kept.safetensors").read_bytes()
    (tmp_path / "kept.safetensors").write_bytes(content.replace(b"17", b"71"))
    with pytest.raises(ResourceError, match="its header is not what was written"):
        read_header(tmp_path / "kept.safetensors")


def test_a_number_without_axes_is_read_back_as_one(tmp_path):
    write_tensors(tmp_path / "kept.safetensors", {"step": np.float32(3)}, {})
    assert read_tensors(tmp_path / "kept.safetensors")["step"].shape == ()


def test_a_complete_cache_is_only_read(visited, finished):
    before = tree(visited / "cache")
    run(study(finished / "data"), visited / "again")
    export(visited / "again", visited / "use", insist=True)
    assert tree(visited / "cache") == before


@pytest.mark.parametrize("command", ["demo", "report", "export", "pretrain", "other study"])
def test_no_command_writes_over_a_study(visited, finished, command):
    before = tree(visited / "run")
    out = str(visited / "run")
    if command == "demo":
        with pytest.raises(UsageError, match="holds another study"):
            demo(visited / "run", models=["toy-muq"], notes=10, pieces=4)
        before.pop(visited / "run"), (after := tree(visited / "run")).pop(visited / "run")
        assert after == before
        return
    calls = {
        "report": ["report", str(finished / "run"), "--out", out],
        "export": ["export", str(finished / "run"), "--insist", "--out", out],
        "pretrain": ["pretrain", "--steps", "1", "--out", out],
        "other study": [
            "run",
            "--data",
            str(finished / "data"),
            "--baseline",
            "mfcc",
            "--probe",
            "closed",
            "--out",
            out,
        ],
    }
    assert guarded(calls[command]) == 2
    assert {path: told[1] for path, told in tree(visited / "run").items()} == {
        path: told[1] for path, told in before.items()
    }


def test_a_report_of_several_runs_redraws_its_own_directory_and_no_other(visited, finished):
    call = ["report", str(visited / "run"), str(finished / "run"), "--out"]
    assert guarded([*call, str(visited / "both")]) == 0  # equal scores are one row
    assert guarded([*call, str(visited / "both")]) == 0
    assert Results.read(visited / "both").summary.equals(Results.read(finished / "run").summary)
    assert guarded(["report", str(visited / "run"), "--out", str(visited / "both")]) == 2
    (visited / "mine").mkdir()
    (visited / "mine" / "notes.txt").write_text("mine")
    assert guarded([*call, str(visited / "mine")]) == 2
    assert [path.name for path in (visited / "mine").iterdir()] == ["notes.txt"]


def test_an_export_is_whole_or_not_there_and_is_not_made_twice(visited):
    with pytest.raises(NotADirectoryError), new_directory(visited / "use", "predictor") as place:
        (place / "half").write_bytes((visited / "run" / "summary.csv" / "none").read_bytes())
    assert not (visited / "use").exists()
    assert not list(visited.glob(".unfinished-*"))
    export(visited / "run", visited / "use", insist=True)
    with pytest.raises(UsageError, match="use is not empty; choose another --out for the predictor"):
        export(visited / "run", visited / "use", insist=True)


def test_of_two_exports_at_once_the_first_wins(tmp_path):
    with contextlib.ExitStack() as slow:
        (slow.enter_context(new_directory(tmp_path / "use", "predictor")) / "which").write_text("slow")
        with new_directory(tmp_path / "use", "predictor") as quick:
            (quick / "which").write_text("quick")
        with pytest.raises(UsageError, match="is not empty"):
            slow.close()
    assert (tmp_path / "use" / "which").read_text() == "quick"
    assert [path.name for path in tmp_path.iterdir()] == ["use"]


def test_a_pretraining_and_a_study_share_no_directory(tmp_path):
    with owned_directory(tmp_path, "pretraining", {"steps": 1}):
        (tmp_path / "log.jsonl").write_text("")
    with pytest.raises(UsageError, match="holds a pretraining"), owned_directory(tmp_path, "study", {}):
        pass


def test_the_same_study_is_found_from_another_directory(visited, monkeypatch):
    (visited / "models" / "mine").mkdir(parents=True)
    (visited / "study.toml").write_text('data = "data"\nmodel = "models/mine,random:models/mine,toy-muq"\n')
    plans = []
    for directory in (visited, visited / "run"):
        monkeypatch.chdir(directory)
        plans.append(read_plan(type(visited)(os.path.relpath(visited / "study.toml"))))
        model = os.path.relpath(visited / "models" / "mine")
        plans.append(
            make_plan({"data": os.path.relpath(visited / "data"), "model": [model, f"random:{model}", "toy-muq"]}, "t")
        )
    assert all(plan == plans[0] for plan in plans)
    assert plans[0].model == [str(visited / "models/mine"), f"random:{visited / 'models/mine'}", "toy-muq"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("study.json", "directory"), ("results.csv", "directory"), ("report.html", "directory"), ("probes", "file"),
     ("figures", "file"), (".lock", "directory")],
)  # fmt: skip
def test_a_directory_for_a_file_and_the_other_way_round_are_named(visited, finished, name, kind, capsys):
    place = visited / "run" / name
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    place.mkdir() if kind == "directory" else place.write_text("")
    call = ["run", "--data", str(finished / "data"), "--baseline", "mel", "--probe", "closed", "--seeds", "1"]
    assert guarded([*call, "--out", str(visited / "run")]) in (2, 5)
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("lacking", FILES)
def test_a_run_that_lacks_a_file_is_no_finished_one(visited, lacking, capsys):
    (visited / "run" / lacking).unlink()
    assert guarded(["report", str(visited / "run")]) == 3
    assert "not the directory of a finished run" in capsys.readouterr().err


def test_a_record_of_another_version_is_named(visited):
    record = json.loads((visited / "run" / "study.json").read_text())
    results = Results.read(visited / "run")
    (visited / "run" / "study.json").write_text(json.dumps({**record, "of_tomorrow": 1}))
    results.save(visited / "run")
    with pytest.raises(UsageError, match="of_tomorrow"):
        export(visited / "run", visited / "use", insist=True)


@pytest.mark.parametrize("content", [b"\0" * 50, b'{"a": 1}', b""])
@pytest.mark.parametrize("name", ["provenance.json", "study.json", "splits.csv", "predictions.csv"])
def test_a_file_of_a_run_that_is_damaged_or_another_run_s_is_named_by_report_and_export(visited, name, content, capsys):
    (visited / "run" / name).write_bytes(content)
    assert guarded(["report", str(visited / "run")]) == 3
    assert f"run/{name}: not of the same run as" in capsys.readouterr().err
    assert guarded(["export", str(visited / "run"), "--insist", "--out", str(visited / "use")]) in (2, 3)
    assert f"run/{name}: " in capsys.readouterr().err
    assert not (visited / "use").exists()


def test_an_answer_that_is_damaged_is_written_again_by_report(visited, finished):
    (visited / "run" / "answer.json").write_text("{")
    assert guarded(["report", str(visited / "run")]) == 0
    assert (visited / "run" / "answer.json").read_bytes() == (finished / "run" / "answer.json").read_bytes()


def test_a_record_that_is_damaged_refuses_the_run_and_provenance_that_is_damaged_is_written_again(visited, finished):
    (visited / "run" / "provenance.json").write_text("{")
    run(study(finished / "data"), visited / "run")
    assert json.loads((visited / "run" / "provenance.json").read_text())["study"]["data"] == str(finished / "data")
    (visited / "run" / "study.json").write_text("{")
    with pytest.raises(UsageError, match=r"study.json: not readable as JSON .*; choose another --out"):
        run(study(finished / "data"), visited / "run")


def test_predictions_of_several_runs_that_were_changed_are_named(visited, finished):
    out = visited / "both"
    assert guarded(["report", str(visited / "run"), str(finished / "run"), "--out", str(out)]) == 0
    (out / "predictions.csv").write_text((out / "predictions.csv").read_text().replace("high", "low"))
    with pytest.raises(DataError, match=r"predictions.csv: not of the same run"):
        Results.read(out)


def test_predict_says_what_it_wrote(visited, finished, capsys):
    export(visited / "run", visited / "use", insist=True)
    (visited / "odd.wav").write_bytes(b"no sound")
    files = [str(finished / "data" / "low"), str(visited / "odd.wav")]
    out = visited / "answers.csv"
    assert guarded(["predict", str(visited / "use"), *files, "--out", str(out)]) == 3
    said = capsys.readouterr().out
    assert said == f"wrote {out}: 12 of 13 files answered, 1 set aside with the reason\n"
    assert guarded(["predict", str(visited / "use"), files[0], "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"wrote {out}: 12 of 12 files answered\n"
    assert guarded(["predict", str(visited / "use"), files[0]]) == 0
    assert "wrote" not in capsys.readouterr().out  # it may go through a pipe
