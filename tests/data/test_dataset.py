import numpy as np
import pandas as pd
import pytest
from benchmarks.hostile.made_audio import RATE, encoded, music, unknown_length
from written_tables import write_csv

from conftest import write_tone
from layerscope.data.dataset import Dataset
from layerscope.errors import DataError, UsageError


def test_a_target_that_does_not_exist_suggests_the_nearest(tones):
    with pytest.raises(
        UsageError, match=r"unknown target 'lable'; did you mean 'label'\? \(--target names the column\)"
    ):
        Dataset.load(tones).with_target("lable")


def test_clips_without_a_label_are_set_aside(tmp_path):
    for name in "ab":
        write_tone(tmp_path / f"{name}.wav", 300)
    dataset = Dataset.load(write_csv(tmp_path / "clips.csv", "path,label", "a.wav,x", "b.wav,"))
    assert dataset.with_target("label").skipped == {"b.wav": "no label in 'label'"}


def test_several_columns_are_one_target(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    dataset = Dataset.load(write_csv(tmp_path / "c.csv", "path,arousal,valence", "a.wav,0.5,1"))
    labels = dataset.labels("arousal,valence")
    assert (labels.kind.name, labels.names, labels.values.tolist()) == ("values", ("arousal", "valence"), [[0.5, 1.0]])


def test_survey_reads_every_file_once_and_keys_clips_by_content_and_span(tmp_path):
    write_tone(tmp_path / "a.wav", 300, seconds=0.5)
    (tmp_path / "copy.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    (tmp_path / "bad.wav").write_text("not audio")
    rows = ["a.wav,,", "a.wav,0.1,0.3", "copy.wav,,", "bad.wav,,"]
    dataset = Dataset.load(write_csv(tmp_path / "c.csv", "path,start,end", *rows))
    counted = []
    dataset = dataset.survey(counted.append)
    assert len(counted) == 3
    assert dataset.clips.clip_key[0] == dataset.clips.clip_key[2] != dataset.clips.clip_key[1]
    assert dataset.clips.clip_seconds.tolist() == pytest.approx([0.5, 0.2, 0.5])
    assert "not decodable as audio" in dataset.skipped["bad.wav"]


def test_without_sets_clips_aside_and_refuses_to_leave_none(tones):
    dataset = Dataset.load(tones)
    rest = dataset.without({"low/0.wav": "why not"})
    assert len(rest.clips) == 29
    assert rest.skipped == {"low/0.wav": "why not"}
    with pytest.raises(DataError, match="no clip is left; first reason: gone"):
        dataset.without(dict.fromkeys(dataset.clips["clip"], "gone"))


def test_a_column_may_be_called_what_musicians_call_things(tmp_path):
    """The names that the program adds are its own: key, seconds and sound are the user's."""
    write_tone(tmp_path / "a.wav", 300)
    write_tone(tmp_path / "b.wav", 400)
    rows = ["path,key,seconds,sound", "a.wav,C major,1.5,dull", "b.wav,D minor,2.5,bright"]
    dataset = Dataset.load(write_csv(tmp_path / "c.csv", *rows)).survey()
    assert dataset.targets() == ["key", "seconds", "sound"]
    assert dataset.labels("key").kind.name == "key"
    assert dataset.labels("key", "classes").names == ("C major", "D minor")


def test_lists_and_records_in_a_csv_are_json(tmp_path):
    cells = ['[[0.0, 1.0, ""C:maj""]]', "[[0.5, 1], [1.0, 2], [1.5, 1]]", '{""beat"": [0.5, 1.0], ""downbeat"": []}',
             "[" * 5000]  # fmt: skip
    for number, cell in enumerate(cells):
        (tmp_path / f"{number}.wav").write_bytes(b"x")
        (tmp_path / "songs.csv").write_text(f'path,x\n{number}.wav,"{cell}"\n')
        kinds = ("chords", "beats", "beats", "classes")
        assert Dataset.load(tmp_path / "songs.csv").labels("x").kind.name == kinds[number]


def test_spans_that_their_file_does_not_hold_are_set_aside_before_anything_is_planned(tmp_path):
    write_tone(tmp_path / "a.wav", 300, seconds=2)
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[:-1000])
    rows = ("a.wav,0,1,x", "a.wav,1,2.05,x", "a.wav,1,1e308,x", "a.wav,1e308,,x", "cut.wav,0,1,x")
    dataset = Dataset.load(write_csv(tmp_path / "c.csv", "path,start,end,label", *rows)).survey()
    assert dataset.clips.clip_seconds.tolist() == [1.0, 1.0]
    reasons = list(dataset.skipped.values())
    assert len(reasons) == 3
    assert sum("a.wav: the span 1–1e+308 s ends after the file (2.00 s)" in reason for reason in reasons) == 1
    assert sum("from 1e+308 s on begins and ends after the file (2.00 s)" in reason for reason in reasons) == 1
    assert sum("cut.wav: truncated" in reason for reason in reasons) == 1


def test_a_flac_without_a_length_plans_what_it_holds(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.flac").write_bytes(unknown_length(encoded("FLAC", music(2), RATE)))
    assert Dataset.load(tmp_path).survey().clips.clip_seconds.tolist() == [2.0]


def test_a_number_that_is_missing_sets_its_clip_aside_and_changes_no_kind(tmp_path):
    for number in range(40):
        write_tone(tmp_path / f"{number}.wav", 300 + number, seconds=0.05)
    cells = ["n/a" if number == 7 else f"{80 + number}.25" for number in range(40)]
    rows = [f"{number}.wav,{cell}" for number, cell in enumerate(cells)]
    dataset = Dataset.load(write_csv(tmp_path / "c.csv", "path,tempo", *rows))
    kept = dataset.with_target("tempo")
    assert (len(kept.clips), kept.labels("tempo").kind.name) == (39, "values")
    assert kept.skipped == {"7.wav": "c.csv row 9: 'tempo' n/a is no number, as 39 of 40 cells are"}
    assert "n/a" in dataset.with_target("tempo", "classes").labels("tempo", "classes").names
    with pytest.raises(DataError, match="row 9: 'tempo' n/a is no number"):
        dataset.labels("tempo")


def test_a_kind_that_is_said_decides_what_cells_are(tmp_path):
    for name in "abc":
        write_tone(tmp_path / f"{name}.wav", 300)
    dataset = Dataset.load(write_csv(tmp_path / "c.csv", "path,x", "a.wav,−1", "b.wav,2", "c.wav,low")).without({})
    clips = pd.DataFrame({"clip": list("abcd"), "x": ["−1", "2,5", "low", "0"]})
    kept = Dataset("c", clips).with_target("x", "values")
    assert kept.clips.x.tolist() == [-1, 2.5, 0]
    assert kept.skipped == {"c": "'x' low is no number"}
    assert dataset.with_target("x").labels("x").kind.name == "classes"


@pytest.mark.parametrize(
    ("kind", "cells", "words"),
    [
        ("beats", ["rock", "jazz"], "no cell of 'x' can be read as beats; .* look like classes: --kind classes"),
        ("chords", ["[0.5, 1.0, 2.0]", "[0.4, 0.9]"], "no cell of 'x' can be read as chords; .*: --kind beats"),
        ("values", ["rock", "jazz"], "no clip has a label of kind values in 'x'; .* is no number; .*: --kind classes"),
        ("key", ["rock", "jazz"], "no cell of 'x' can be read as key; .*: --kind classes"),
        (None, ["[[0, 1], [1, 2]]"] * 2, "no cell of 'x' can be read as beats; .* may be spans without labels"),
        (None, ['{"name": "rock"}'] * 2, "its cells are of no one kind .* write all in one way: names, "),
    ],
)
def test_a_kind_that_no_cell_is_of_is_told_from_labels_that_are_not_there(tmp_path, kind, cells, words):
    rows = [{"path": f"{number}.wav", "x": cell} for number, cell in enumerate(cells)]
    for row in rows:
        (tmp_path / row["path"]).write_bytes(b"RIFF")
    dataset = Dataset.from_dataframe(pd.DataFrame(rows), root=tmp_path)
    with pytest.raises(DataError, match=words):
        dataset.with_target("x", kind)


def test_a_column_with_a_comma_or_without_cells_is_told(tmp_path):
    (tmp_path / "0.wav").write_bytes(b"RIFF")
    frame = pd.DataFrame({"path": ["0.wav"], "a,b": ["x"]})
    with pytest.raises(UsageError, match="column 'a,b' has a comma, which stands between columns; rename it"):
        Dataset.from_dataframe(frame, tmp_path).with_target("a,b")
    empty = pd.DataFrame({"path": ["0.wav"], "label": ["nan"]})
    with pytest.raises(UsageError, match=r"unknown target 'label'; known: none; no column has a label in any row$"):
        Dataset.from_dataframe(empty, tmp_path).with_target("label")


@pytest.mark.parametrize("name", ["nowhere", "drums.csv"])
def test_what_is_no_folder_is_told(tmp_path, name):
    (tmp_path / "drums.csv").write_text("path,label\n")
    with pytest.raises(DataError, match=f"{name}: no folder; Dataset.load reads tables too"):
        Dataset.from_folder(tmp_path / name)


def test_what_describes_clips_is_no_target(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    dataset = Dataset.load(write_csv(tmp_path / "c.csv", "path,group,label", "a.wav,g,x"))
    with pytest.raises(UsageError, match="'group' describes clips and is no target; copy the column"):
        dataset.with_target("group")


def test_a_frame_is_read_as_a_table_is(tmp_path):
    for name in "abc":
        write_tone(tmp_path / f"{name}.wav", 300)
    frame = pd.DataFrame(
        {
            "path": pd.array(["a.wav", "b.wav", "c.wav"], dtype="string"),
            "genre": pd.Categorical(["x", None, "y"]),
            "year": pd.array([1999, None, 2001], dtype="Int64"),
            "level": [1.0, None, 2.0],
            "step": pd.array([1.0, None, 2.0], dtype="Float64"),
            "tags": [np.array(["u", "v"]), [], ["u"]],
            3: [True, False, True],
        },
        index=[5, 5, "z"],
    )
    dataset = Dataset.from_dataframe(frame, root=tmp_path, name="mine")
    assert dataset.clips.genre.tolist() == ["x", None, "y"]
    assert dataset.with_target("year").labels("year").names == ("1999", "2001")
    assert dataset.with_target("level").labels("level").names == ("1", "2")
    assert dataset.with_target("step").labels("step").names == ("1", "2")
    assert dataset.labels("tags").names == ("u", "v")
    assert dataset.labels("3").names == ("False", "True")
    assert (dataset.name, dataset.with_target("genre").skipped) == ("mine", {"b.wav": "no label in 'genre'"})


def test_a_zero_below_zero_is_no_class_of_its_own(tmp_path):
    for name in "ab":
        write_tone(tmp_path / f"{name}.wav", 300)
    frame = pd.DataFrame({"path": ["a.wav", "b.wav"], "side": [-0.0, 0.0]})
    assert set(Dataset.from_dataframe(frame, root=tmp_path).with_target("side", "classes").clips.side) == {0.0}


class Polars:
    """A frame of another library, which calls itself by the same name."""

    __module__, __qualname__ = "polars.dataframe.frame", "DataFrame"

    def to_pandas(self):
        return pd.DataFrame()


Polars.__name__ = "DataFrame"


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ([1], r"expected a pandas DataFrame, found builtins.list; give pandas.DataFrame\(table\)"),
        (Polars(), r"found polars.dataframe.frame.DataFrame; give frame.to_pandas\(\)"),
        (pd.DataFrame({"name": ["a.wav"]}), r"no column 'path' \(found: name\); call the column"),
        (pd.DataFrame([["a.wav", 1, 2]], columns=["path", "x", "x"]), "'x' is the name of columns 2 and 3"),
        (pd.DataFrame({"path": ["a.wav", None]}), "table row 1: no 'path'"),
        (pd.DataFrame({"path": ["a.wav"], "split": ["private"]}), "table row 0: 'split' private is none of"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("path", "x")])), "several levels"),
    ],
)
def test_a_frame_that_is_no_table_of_clips_is_refused(tmp_path, frame, words):
    write_tone(tmp_path / "a.wav", 300)
    with pytest.raises(DataError, match=words):
        Dataset.from_dataframe(frame, root=tmp_path)


@pytest.mark.parametrize("given", [pd.DataFrame({"path": ["a.wav"]}), ["a.wav"], None])
def test_what_is_no_path_is_refused(given):
    with pytest.raises(UsageError, match=r"(?s)Dataset\.load\(\): path is .*; give a text or a path"):
        Dataset.load(given)
