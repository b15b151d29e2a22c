"""What is said of a copy on disk is what a maintainer would have to know."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from miniatures import MINIATURES, gtzan_lists, sound

from layerscope.cli.entry_point import guarded
from layerscope.tasks import TASKS
from layerscope.tasks.copy_check import copy_report, missing_clips


def test_reasons_that_differ_in_names_alone_are_counted_together(tmp_path):
    gtzan_lists(tmp_path)
    genres = tmp_path / "GTZAN" / "genres"
    (genres / "blues" / "blues.00000.wav").unlink()
    (genres / "blues" / "blues.00001.wav").unlink()
    (genres / "jazz" / "jazz.00002.wav").write_bytes(b"")
    (genres / "jazz" / "jazz.00003.wav").write_bytes(b"not audio")
    lines = copy_report(TASKS["gtzan-genre"], tmp_path)
    assert lines[0] == "on disk: test 4, train 8, valid 4; 5 clips of its lists missing or set aside"
    assert sorted(line.split(" such as ")[0].strip() for line in lines[1:5]) == ["1", "1", "1", "2"]
    shown = "\n".join(lines)
    assert (
        "2 such as genres/blues/blues.00000.wav: GTZAN record 1: 'path' genres/blues/blues.00000.wav does not" in shown
    )
    assert "the file is empty (0 bytes)" in shown
    assert "not decodable as audio" in shown
    assert "1 such as genres/jazz/jazz.00054.wav: its file is damaged in every copy" in shown
    assert "this copy is not the published one: train has 8 of 442 clips" in shown
    assert "  genres/blues/: 8 files .wav" in lines


def test_a_layout_that_is_not_known_is_described(tmp_path, capsys):
    (tmp_path / "MTT" / "clips").mkdir(parents=True)
    (tmp_path / "MTT" / "clips" / "a.mp3").touch()
    (tmp_path / "MTT" / "README").touch()
    assert guarded(["data", "mtt", "--root", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "not readable as mtt" in shown
    assert "holds neither MTT.{train,val,test}.jsonl nor annotations_final.csv" in shown
    assert "clips/: 1 files .mp3" in shown
    assert "./: 1 files without an ending" in shown


def test_files_are_held_against_their_records(tmp_path):
    MINIATURES["emo", "marble"](tmp_path)
    table = tmp_path / "EMO" / "EMO.test.jsonl"
    records = [json.loads(line) for line in table.read_text().splitlines()]
    records[0]["duration"] = 45.0
    records[1]["sample_rate"] = 44_100
    records[2]["label"] = [0.5]
    table.write_text("\n".join(map(json.dumps, records)))
    shown = "\n".join(copy_report(TASKS["emo"], tmp_path))
    assert "it lasts 1.00 s, its record says 45.00" in shown
    assert "its sample rate is 22050 Hz, its record says 44100" in shown
    assert "its label [0.5] is not [arousal, valence]" in shown
    assert "test has 0 of 125 clips" in shown


def test_files_that_lie_elsewhere_and_files_of_no_list_are_named(tmp_path):
    gtzan_lists(tmp_path)
    blues = tmp_path / "GTZAN" / "genres" / "blues"
    blues.rename(tmp_path / "GTZAN" / "Blues")
    jazz = tmp_path / "GTZAN" / "genres" / "jazz"
    (jazz / "jazz.00001.wav").rename(jazz / "jazz.00001.flac")
    (jazz / "jazz.00002.wav").rename(jazz / "jazz.00999.wav")
    lines = copy_report(TASKS["gtzan-genre"], tmp_path)
    moved = "genres/blues/blues.00000.wav: Blues/blues.00000.wav"
    assert f"  11 of the missing lie elsewhere or end otherwise, such as {moved}" in lines
    assert "  1 files of sound are in none of its lists, such as genres/jazz/jazz.00999.wav" in lines


def test_the_issue_form_asks_for_what_the_command_prints(tmp_path, capsys):
    form = yaml.safe_load((Path(__file__).parents[2] / ".github" / "ISSUE_TEMPLATE" / "data-set.yml").read_text())
    fields = {field["id"]: field["attributes"] for field in form["body"]}
    assert "layerscope data TASK --root DIRECTORY" in fields["report"]["description"]
    assert fields["report"]["render"] == "text"  # so that nothing pasted is taken for markup
    gtzan_lists(tmp_path)
    assert guarded(["data", "gtzan-genre", "--root", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    # Which program and machine, where the data should come from, and what differs.
    for words in ("layerscope 0.", "m-a-p/GTZAN", "this copy is not the published one", "genres/blues/: 10 files .wav"):
        assert words in shown


def test_a_copy_without_any_audio_is_described(tmp_path):
    gtzan_lists(tmp_path)
    shutil.rmtree(tmp_path / "GTZAN" / "genres")
    lines = copy_report(TASKS["gtzan-genre"], tmp_path)
    assert "no usable row" in lines[0]


@pytest.mark.parametrize(
    ("side", "sizes"), [({}, "data set 3"), ({"fold": "1"}, "fold 1 3"), ({"split": "test"}, "test 3")]
)
def test_a_task_whose_reader_names_folds_or_no_split_is_counted_too(tmp_path, side, sizes):
    for number in range(4):
        sound(tmp_path / "Own" / f"{number}.wav", 0.1, 8_000)
    (tmp_path / "Own" / "3.wav").write_bytes(b"")

    def read(*_):
        return [{"path": f"{number}.wav", "label": "ab"[number % 2], **side} for number in range(4)]

    task = replace(TASKS["gtzan-genre"], folder="Own", target="label", read=read, records="", expected={})
    lines = copy_report(task, tmp_path)
    assert lines[0] == f"on disk: {sizes}; 1 clips of its lists missing or set aside"
    assert lines[-1] == "no counts are published"
    if not side:
        expected = replace(task, expected={"train": 3, "test": 1})
        assert missing_clips(expected, task.load(tmp_path)) == (
            "this copy is not the published one: data set has 3 of 4 clips"
        )
