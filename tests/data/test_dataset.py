import pandas as pd
import pytest
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


@pytest.mark.parametrize("given", [pd.DataFrame({"path": ["a.wav"]}), ["a.wav"], None])
def test_what_is_no_path_is_refused(given):
    with pytest.raises(UsageError, match=r"(?s)Dataset\.load\(\): path is .*; give a text or a path"):
        Dataset.load(given)
