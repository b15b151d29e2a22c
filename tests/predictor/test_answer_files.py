"""Answers as tables, lines and JAMS, and files that cannot be answered."""

import json

import jams
import pandas as pd
import pytest

from conftest import write_tone
from layerscope.cli.entry_point import guarded
from layerscope.features.encoder_pass import Pass
from layerscope.predictor import answer_files as answering
from layerscope.predictor.answer_files import (
    Answered,
    answer_files,
    audio_files,
    jams_of,
    table_of,
    write_answers,
    written_names,
)
from layerscope.predictor.predict import Predictor, load_predictor
from layerscope.study.export import export
from layerscope.study.options import make_plan
from layerscope.study.run import run
from layerscope.targets import KINDS

SHARES = {"a": 0.25, "b": 0.75}


@pytest.fixture
def use(tones, tmp_path):
    """A predictor of the two tones."""
    plan = make_plan({"data": tones, "model": [], "baseline": ["mfcc"], "probe": ["closed"], "seeds": 1}, "test")
    run(plan, tmp_path / "run")
    export(tmp_path / "run", tmp_path / "use", insist=True)
    return tmp_path / "use"


def test_every_kind_of_answer_has_its_columns(tmp_path):
    path = tmp_path / "x.wav"
    for kind, answer, columns, rows in (
        ("classes", {"label": "b", "probabilities": SHARES}, ["path", "label", "a", "b"], 1),
        ("tags", {"tags": ["a", "b"], "probabilities": SHARES}, ["path", "tags", "a", "b"], 1),
        ("values", {"values": {"arousal": 0.5}}, ["path", "arousal"], 1),
        ("chords", {"spans": [(0.0, 1.0, "C:maj"), (1.0, 2.0, "N")]}, ["path", "start", "end", "label"], 2),
        ("beats", {"beats": [0.5, 1.0, 1.5], "downbeats": [1.0]}, ["path", "time", "beat"], 3),
    ):
        table = table_of([Answered(path, answer)], KINDS[kind])
        assert list(table.columns) == columns
        assert len(table) == rows
    assert list(table.beat) == ["beat", "downbeat", "beat"]


@pytest.mark.parametrize("kind", ["classes", "tags"])
def test_names_that_the_table_uses_itself_take_no_column_of_it(kind, tmp_path):
    shares = {"label": 0.1, "p(label)": 0.2, "path": 0.3, "error": 0.25, "tags": 0.15}
    answer = {"label": "path", "tags": ["path", "error"], "probabilities": shares}
    (row,) = table_of([Answered(tmp_path / "x.wav", answer)], KINDS[kind]).to_dict("records")
    assert row["path"] == str(tmp_path / "x.wav")
    assert row["p(path)"] == 0.3
    assert row["p(error)"] == 0.25
    assert row["label" if kind == "classes" else "tags"] == ("path" if kind == "classes" else "path|error")
    assert sorted(value for value in row.values() if isinstance(value, float)) == sorted(shares.values())


def test_a_value_called_path_leaves_the_path(tmp_path):
    answers = [Answered(tmp_path / "x.wav", {"values": {"path": 1.5, "b": 2.0}}), Answered(tmp_path / "y", {}, "no")]
    table = table_of(answers, KINDS["values"])
    assert list(table.columns) == ["path", "value(path)", "b", "error"]
    assert table.path[0] == str(tmp_path / "x.wav")


def test_a_missing_file_does_not_keep_the_others_waiting(use, tones, tmp_path, capsys):
    files = [str(tones / "low" / "0.wav"), str(tmp_path / "nowhere.wav"), str(tones / "high" / "1.wav")]
    assert guarded(["predict", str(use), *files, "--out", str(tmp_path / "answers.csv")]) == 3
    assert "1 of 3 files have no answer" in capsys.readouterr().err
    table = pd.read_csv(tmp_path / "answers.csv")
    assert list(table.path) == files
    assert list(table.error.isna()) == [True, False, True]
    assert "No such file" in table.error[1]


def test_a_file_without_an_answer_keeps_its_row_with_the_reason(use, tones, tmp_path, capsys):
    (tones / "low" / "broken.wav").write_text("not audio")
    assert guarded(["predict", str(use), str(tones), "--out", str(tmp_path / "answers.csv")]) == 3
    assert "1 of 31 files have no answer" in capsys.readouterr().err
    table = pd.read_csv(tmp_path / "answers.csv")
    assert len(table) == 31
    assert table.error.notna().sum() == 1
    assert "broken.wav" in table[table.error.notna()].path.iloc[0]
    right = table.label == table.path.map(lambda path: path.split("/")[-2])
    assert right.mean() > 0.9


def test_sound_that_a_folder_leaves_out_has_a_row_with_the_reason(use, tones, tmp_path, capsys):
    low = tones / "low"
    for name in ("song.m4a", "video.MP4", "t.wave", ".hidden.wav", "cover.jpg", ".DS_Store"):
        (low / name).write_bytes(b"x")
    (low / ".trash").mkdir()
    (low / "0.wav").rename(low / ".trash" / "0.wav")
    assert guarded(["predict", str(use), str(low), "--out", str(tmp_path / "answers.csv")]) == 3
    assert "4 of 18 files have no answer; the first: " in capsys.readouterr().err
    errors = pd.read_csv(tmp_path / "answers.csv").set_index("path").error.dropna()
    assert set(errors.index) == {str(low / name) for name in ("song.m4a", "video.MP4", "t.wave", ".hidden.wav")}
    assert "'.m4a' is none of the endings of audio that is read" in errors[str(low / "song.m4a")]
    assert "hidden: its name begins with a dot" in errors[str(low / ".hidden.wav")]


def test_a_file_that_is_named_is_read_whatever_it_is_called(tones):
    (tones / "low" / "0.wav").rename(tones / "low" / "0.wave")
    assert audio_files([tones / "low"])[1].keys() == {tones / "low" / "0.wave"}
    assert not audio_files([tones / "low", tones / "low" / "0.wave"])[1]


def test_lines_of_json_hold_whole_answers(use, tones, tmp_path):
    assert guarded(["predict", str(use), str(tones / "low"), "--out", str(tmp_path / "answers.jsonl")]) == 0
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert len(lines) == 15
    assert set(lines[0]) == {"path", "label", "probabilities"}


def test_the_terminal_shows_csv(use, tones, capsys):
    assert guarded(["predict", str(use), str(tones / "low" / "0.wav"), str(tones / "high" / "1.wav")]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "path,label,high,low"
    assert len(shown) == 3


def test_what_cannot_be_asked_is_said(use, tones, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        ([str(tmp_path / "empty")], "holds no audio"),
        (["songs.csv"], "songs.csv is a table; give audio files or folders"),
        ([str(tones), "--out", "answers.txt"], "written as .csv or .jsonl"),
    ):
        assert guarded(["predict", str(use), *arguments]) == 2
        assert words in capsys.readouterr().err


def test_jams_are_valid_and_say_what_the_answer_says(use, tones, tmp_path):
    assert guarded(["predict", str(use), str(tones / "low"), "--jams", str(tmp_path / "jams")]) == 0
    read = jams.load(str(tmp_path / "jams" / "0.jams"))
    read.validate()
    assert read.file_metadata.duration == pytest.approx(0.4)
    (annotation,) = read.annotations
    (said,) = annotation.data
    answer = next(iter(answer_files(load_predictor(use), [tones / "low" / "0.wav"]))).answer
    assert (annotation.namespace, said.value) == ("tag_open", answer["label"])
    assert said.confidence == pytest.approx(answer["probabilities"][answer["label"]])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mine.csv", "path,label,split\na.wav,low,train\n"),
        ("mine.csv", "title;year\n"),
        ("mine.csv", "\ntitle,year\n"),
        ("mine.csv", "caf\xe9"),
        ("mine.jsonl", '{"path": "a.wav", "label": "low"}\n'),
        ("mine.jsonl", "path,label,high,low\n"),
        ("mine.jsonl", "3\n"),
    ],
)
def test_a_file_of_the_users_is_not_written_over(name, text, use, tones, tmp_path, capsys):
    (tmp_path / name).write_text(text, encoding="latin-1")
    assert guarded(["predict", str(use), str(tones / "low"), "--out", str(tmp_path / name)]) == 2
    assert f"{name} exists and holds no answers of `predict`" in capsys.readouterr().err
    assert (tmp_path / name).read_text(encoding="latin-1") == text


@pytest.mark.parametrize("name", ["answers.csv", "answers.jsonl"])
def test_a_repeated_command_replaces_its_answers(name, use, tones, tmp_path):
    out = tmp_path / name
    out.write_text("")  # as mktemp leaves it
    (tones / "low" / "00.wav").write_text("not audio")  # so that the first record is an error
    for place, code in (("low", 3), ("low", 3), ("low/00.wav", 3), ("high", 0), ("high", 0)):
        assert guarded(["predict", str(use), str(tones / place), "--out", str(out)]) == code
    assert "00.wav" not in out.read_text()


def test_annotations_of_the_users_are_not_written_over(use, tones, tmp_path, capsys):
    command = ["predict", str(use), str(tones / "low"), "--jams", str(tmp_path)]
    assert guarded(command) == guarded(command) == 0
    theirs = jams.load(str(tmp_path / "3.jams"))
    theirs.annotations.append(jams.Annotation(namespace="beat"))
    theirs.save(str(tmp_path / "3.jams"))
    assert guarded(command) == 2
    assert "3.jams exists and holds no answers of `predict`; give another directory" in capsys.readouterr().err


def test_the_names_that_answers_are_told_by_are_those_of_every_kind():
    columns = {name: written_names(kind, ["C major"])[1] for name, kind in KINDS.items()}
    assert all(columns.values())
    assert columns["chords"] == ["start", "end", "label"]
    assert columns["beats"] == ["time", "beat"]
    assert columns["values"] == ["C major"]


def test_two_songs_of_one_name_are_not_written_over(use, tones, tmp_path, capsys):
    assert guarded(["predict", str(use), str(tones), "--jams", str(tmp_path / "jams")]) == 2
    assert "two files are called '0'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "answer", "namespace", "value"),
    [
        ("beats", {"beats": [0.1, 0.6], "downbeats": [0.6]}, "beat", 1),
        ("chords", {"spans": [(0.0, 0.2, "Bb:min"), (0.2, 0.4, "N")]}, "chord", "N"),
        ("segments", {"spans": [(0.0, 0.4, "verse")]}, "segment_open", "verse"),
        ("key", {"label": "Eb minor", "probabilities": {"Eb minor": 0.5}}, "key_mode", "Eb:minor"),
        ("tags", {"tags": ["b"], "probabilities": SHARES}, "tag_open", "b"),
        ("values", {"values": {"tempo": 93.25}}, "tag_open", "tempo=93.25"),
    ],
)
def test_every_kind_has_a_namespace_of_the_field(kind, answer, namespace, value, use, tmp_path):
    found, rows = KINDS[kind].observations(answer, 0.4)
    assert (found, rows[-1][2]) == (namespace, value)
    predictor = load_predictor(use)
    predictor.kind = KINDS[kind]
    jams_of(predictor, Answered(write_tone(tmp_path / "x.wav", 300.0), answer, seconds=0.4)).validate()


def test_files_are_named_or_found_below_folders(tones, tmp_path):
    found, left_out = audio_files([tones / "high", tones / "low" / "3.wav"])
    assert len(found) == 16
    assert not left_out
    assert found[-1] == tones / "low" / "3.wav"
    write_answers([Answered(found[0], {"label": "a", "probabilities": SHARES})], KINDS["classes"], tmp_path / "one.csv")
    assert (tmp_path / "one.csv").read_text().startswith("path,label,a,b\n")


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["x"], "--threshold x: not a probability, nor NAME=PROBABILITY"),
        (["low=x"], "--threshold low=x: not a probability"),
        (["0.3"], "a threshold is of tags; this predictor answers 2 classes"),
    ],
)
def test_a_threshold_that_is_none_is_refused(use, tones, texts, words, capsys):
    options = [part for text in texts for part in ("--threshold", text)]
    assert guarded(["predict", str(use), str(tones), *options]) == 2
    assert words in capsys.readouterr().err


def test_files_are_decoded_by_processes_where_a_gpu_encodes_and_answered_alike(use, tones, monkeypatch):
    (tones / "high" / "none.wav").write_bytes(b"no sound")
    paths, left_out = audio_files([tones])
    predictor = load_predictor(use)
    alone = list(answer_files(predictor, [*paths, tones / "gone.wav"], left_out))
    monkeypatch.setattr(Pass, "on_gpu", True)
    # Each by itself.
    predictor.one_pass.batch_size.samples = 1
    beside = list(answer_files(predictor, [*paths, tones / "gone.wav"], left_out))
    assert [(one.path, one.error, one.seconds) for one in alone] == [
        (one.path, one.error, one.seconds) for one in beside
    ]
    assert sum(bool(one.error) for one in alone) == 2
    for one, other in zip(alone, beside, strict=True):
        assert one.answer.get("label") == other.answer.get("label")
        assert one.answer.get("probabilities") == pytest.approx(other.answer.get("probabilities"))


def test_sound_that_waits_for_other_files_is_no_open_file(use, tones, monkeypatch):
    write_tone(tones / "low" / "long.wav", 200, 7.0)  # what processes decode of it comes as a file
    monkeypatch.setattr(Pass, "on_gpu", True)
    monkeypatch.setattr(answering, "FEW", 0)
    held = []

    def answers(_, clips):
        held.extend(clips.values())
        return [{} for _ in clips]

    monkeypatch.setattr(Predictor, "answers", answers)
    assert len(list(answer_files(load_predictor(use), [tones / "low" / "long.wav"]))) == 1
    assert held
    assert all(samples.base is None for samples in held)


def test_few_files_do_not_wait_for_processes_that_decode(use, tones, monkeypatch):
    asked = []
    begin = answering.decoders
    monkeypatch.setattr(
        answering, "decoders", lambda workers, *, processes: asked.append(processes) or begin(workers, processes=False)
    )
    monkeypatch.setattr(Pass, "on_gpu", True)
    paths, _ = audio_files([tones])
    for files in (paths[:1], paths):
        assert all(not one.error for one in answer_files(load_predictor(use), files))
    assert asked == [False, True]


def test_long_files_are_looked_at_no_earlier_than_they_are_decoded(use, tones, monkeypatch):
    looked = []
    monkeypatch.setattr(answering, "length", lambda path: looked.append(path) or 3600.0)
    predictor = load_predictor(use)
    predictor.one_pass.batch_size.samples = 1
    next(answer_files(predictor, audio_files([tones])[0]))
    assert len(looked) <= 2


def test_a_name_that_is_no_utf_8_is_answered_where_arrow_would_hold_it(use, tones):
    sound = (tones / "low" / "0.wav").rename(tones / "low" / "\udcff.wav")
    predictor = load_predictor(use)
    with pd.option_context("mode.string_storage", "pyarrow"):
        answers = list(answer_files(predictor, [sound, tones / "\udcfe.wav"]))
        table = table_of(answers, predictor.kind)
    assert list(table.path) == [str(sound), str(tones / "\udcfe.wav")]
    assert [bool(one.error) for one in answers] == [False, True]
