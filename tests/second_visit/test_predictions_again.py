"""Answers for files that change meanwhile, that lie beside answers, or that cannot be written."""

import json
import re
import shutil

import pytest

from conftest import write_tone
from layerscope.cli.entry_point import guarded
from layerscope.features import decoding
from layerscope.study.export import export
from layerscope.study.options import make_plan
from layerscope.study.run import run


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return a place with data and a predictor, which no test changes."""
    place = tmp_path_factory.mktemp("exported")
    for number in range(24):
        name, frequency = (("low", 200), ("high", 900))[number % 2]
        write_tone(place / "data" / name / f"{number}.wav", frequency + 10 * number, seconds=1, seed=number)
    given = {"data": place / "data", "baseline": ["mel"], "probe": ["closed"], "seeds": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERSCOPE_CACHE", str(place / "cache"))
        run(make_plan(given, "a test"), place / "run")
        export(place / "run", place / "use", insist=True)
    return place


@pytest.fixture
def music(tmp_path):
    """Return a folder of four files that a test may change."""
    for number in range(4):
        write_tone(tmp_path / "music" / f"{number}.wav", 300 + 100 * number, seconds=1)
    return tmp_path / "music"


def changing(monkeypatch, change):
    """Change the folder once the first file has been heard."""
    load, heard = decoding.load, []

    def hear(path, *rest):
        samples = load(path, *rest)
        if not heard:
            change()
        heard.append(path)
        return samples

    # By one worker, so that no other file is decoded meanwhile.
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    monkeypatch.setattr(decoding, "load", hear)


def test_a_file_that_goes_while_others_are_answered_is_named_and_the_others_are_answered(
    exported, music, tmp_path, monkeypatch, capsys
):
    changing(monkeypatch, (music / "2.wav").unlink)
    out = tmp_path / "answers.jsonl"
    assert guarded(["predict", str(exported / "use"), str(music), "--out", str(out)]) == 3
    printed = capsys.readouterr()
    assert "3 of 4 files answered, 1 set aside" in printed.out
    assert "2.wav" in printed.err
    assert ["error" in json.loads(line) for line in out.read_text().splitlines()] == [False, False, True, False]


def test_a_file_that_goes_after_it_was_heard_has_its_jams(exported, music, tmp_path, monkeypatch):
    changing(monkeypatch, (music / "0.wav").unlink)
    assert guarded(["predict", str(exported / "use"), str(music), "--jams", str(tmp_path / "jams")]) == 0
    made = json.loads((tmp_path / "jams" / "0.jams").read_text())
    assert made["file_metadata"]["duration"] == pytest.approx(1.0)
    assert len(list((tmp_path / "jams").glob("*.jams"))) == 4


def test_a_folder_that_holds_its_own_answers_is_answered_again_as_before(exported, music):
    call = ["predict", str(exported / "use"), str(music), "--out", str(music / "a.csv"), "--jams", str(music)]
    assert guarded(call) == 0
    before = (music / "a.csv").read_bytes()
    assert guarded(call) == 0
    assert (music / "a.csv").read_bytes() == before
    assert len(before.splitlines()) == 1 + 4


def test_two_files_of_one_name_are_refused_before_the_work(exported, music, tmp_path, monkeypatch, capsys):
    shutil.copytree(music, tmp_path / "other")
    changing(monkeypatch, lambda: pytest.fail("a file was read"))
    call = ["predict", str(exported / "use"), str(music), str(tmp_path / "other"), "--jams", str(tmp_path / "jams")]
    assert guarded(call) == 2
    assert "two files are called" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--out", "--jams"])
def test_a_place_that_cannot_be_written_is_named_before_the_work(
    option, exported, music, tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").write_text("")
    changing(monkeypatch, lambda: pytest.fail("a file was read"))
    place = tmp_path / "file" / "a.csv"
    assert guarded(["predict", str(exported / "use"), str(music), option, str(place)]) == 5
    assert re.search(r"file\S*: cannot be written \(.*\); choose another place", capsys.readouterr().err)


def test_an_export_that_cannot_be_written_is_refused_before_the_work(exported, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("layerscope.study.export.load_tasks", lambda *_: pytest.fail("data were read"))
    assert guarded(["export", str(exported / "run"), "--insist", "--out", str(tmp_path / "file" / "use")]) == 5
    assert re.search(r"file\S*: cannot be written \(.*\); choose another place", capsys.readouterr().err)


def test_a_predictor_is_not_written_over_another(exported, tmp_path, capsys):
    shutil.copytree(exported / "use", tmp_path / "use")
    before = {path.name: path.read_bytes() for path in (tmp_path / "use").iterdir()}
    assert guarded(["export", str(exported / "run"), "--insist", "--out", str(tmp_path / "use")]) == 2
    assert "use is not empty; choose another --out for the predictor" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "use").iterdir()} == before
