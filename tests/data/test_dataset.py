import json
import math

import pytest

from conftest import write_tone
from layerscope.data.dataset import Dataset
from layerscope.errors import DataError, UsageError


def write_csv(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_jsonl(path, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_folder_has_a_class_a_sub_folder(tones):
    dataset = Dataset.load(tones)
    assert len(dataset.clips) == 30
    assert dataset.labels("label").names == ("high", "low")
    assert dataset.name == "tones"


def test_folder_counts_what_it_leaves_out(tones):
    (tones / "low" / "notes.txt").write_text("not audio")
    (tones / ".hidden").write_text("")
    write_tone(tones / "stray.wav", 300)
    assert Dataset.load(tones).skipped == {
        "low/notes.txt": "'.txt' is not an audio file's ending",
        "stray.wav": "lies outside the class folders",
    }


def test_empty_folder_and_missing_path_are_refused(tmp_path):
    with pytest.raises(DataError, match="no audio in sub-folders"):
        Dataset.load(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        Dataset.load(tmp_path / "absent")
    (tmp_path / "a.xlsx").write_text("")
    with pytest.raises(DataError, match="neither a folder nor"):
        Dataset.load(tmp_path / "a.xlsx")


def test_csv_is_read_with_its_columns(tmp_path):
    write_tone(tmp_path / "a b.wav", 300)
    table = write_csv(
        tmp_path / "clips.csv",
        "path,start,end,split,group,label,valence",
        "a b.wav,0,0.2,train,x,low,0.5",
        "a b.wav,0.2,,Validation,y,high,-1",
    )
    clips = Dataset.load(table).clips
    assert clips["clip"].tolist() == ["a b.wav@0-0.2", "a b.wav@0.2-"]
    assert clips.split.tolist() == ["train", "valid"]
    assert clips.end[0] == 0.2
    assert math.isnan(clips.end[1])
    assert clips.valence.tolist() == [0.5, -1]


def test_csv_with_a_byte_order_mark_and_tabs(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    (tmp_path / "clips.tsv").write_text("path\tlabel\na.wav\tx\n", encoding="utf-8-sig")
    assert Dataset.load(tmp_path / "clips.tsv").clips.label.tolist() == ["x"]


def test_a_missing_file_is_skipped_with_its_row_and_where_it_was_looked_for(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    table = write_csv(tmp_path / "clips.csv", "path,label", "a.wav,x", "audio/x.wav,y")
    reason = Dataset.load(table).skipped["audio/x.wav"]
    assert reason == f"clips.csv row 3: 'path' audio/x.wav does not exist (looked in {tmp_path})"


def test_a_table_without_any_file_is_an_error(tmp_path):
    table = write_csv(tmp_path / "clips.csv", "path,label", "a.wav,x")
    with pytest.raises(DataError, match=r"no usable row; clips\.csv row 2: 'path' a\.wav does not exist"):
        Dataset.load(table)


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("path,start", "a.wav,abc", "row 2: 'start' abc is not a time"),
        ("path,start", "a.wav,-1", "row 2: 'start' -1 is not a time"),
        ("path,start,end", "a.wav,2,1", "row 2: 'end' 1 is not after 'start' 2"),
        ("path,split", "a.wav,holdout", "row 2: 'split' holdout is none of train, valid, test"),
        ("path,label", ",x", "row 2: no 'path'"),
        ("name,label", "a.wav,x", "no column 'path'"),
    ],
)
def test_a_bad_row_is_an_error_that_names_it(tmp_path, header, row, words):
    write_tone(tmp_path / "a.wav", 300)
    with pytest.raises(DataError, match=words):
        Dataset.load(write_csv(tmp_path / "clips.csv", header, row))


def test_root_says_where_paths_start(tmp_path):
    write_tone(tmp_path / "audio" / "a.wav", 300)
    (tmp_path / "tables").mkdir()
    table = write_csv(tmp_path / "tables" / "clips.csv", "path,label", "a.wav,x")
    assert len(Dataset.load(table, root=tmp_path / "audio").clips) == 1


def test_a_clip_that_is_listed_twice_counts_once(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    dataset = Dataset.load(write_csv(tmp_path / "clips.csv", "path,label", "a.wav,x", "a.wav,y"))
    assert len(dataset.clips) == 1
    assert dataset.skipped == {"a.wav (row 3)": "clips.csv row 3: the same clip as row 2"}


MARBLE = {"duration": 0.4, "sample_rate": 24_000, "num_samples": 9600, "bit_depth": 16, "channels": 1}


def test_marble_records_are_read_as_they_are(tmp_path):
    for name in ("0005061-0", "0005061-1", "0007"):
        write_tone(tmp_path / "data" / "GS" / "giantsteps_clips" / "wav" / f"{name}.wav", 300)
    stem = "data/GS/giantsteps_clips/wav"
    for split, names in (("train", ("0005061-0", "0005061-1")), ("val", ("0007",)), ("test", ())):
        records = [
            {"audio_path": f"{stem}/{name}.wav", "label": "Eb minor", "ori_uid": name.split("-")[0], **MARBLE}
            for name in names
        ]
        if records:
            write_jsonl(tmp_path / "data" / "GS" / f"GS.{split}.jsonl", *records)
    dataset = Dataset.load(tmp_path / "data" / "GS" / "GS.val.jsonl")
    assert dataset.name == "GS"
    assert dataset.clips.split.tolist() == ["train", "train", "valid"]
    assert dataset.clips.group.tolist() == ["0005061", "0005061", "0007"]


@pytest.mark.parametrize(
    ("label", "kind"), [("blues", "classes"), ([-0.2569, 0.2599], "values"), (["classical", "violin"], "tags")]
)
def test_labels_of_marble_tell_their_kind(tmp_path, label, kind):
    write_tone(tmp_path / "a.wav", 300)
    dataset = Dataset.load(write_jsonl(tmp_path / "x.jsonl", {"audio_path": "a.wav", "label": label, **MARBLE}))
    assert dataset.labels("label").kind.name == kind


@pytest.mark.parametrize(
    ("content", "words"),
    [('{"path": "a.wav"}\nnot json\n', "line 2: not JSON"), ("[1]\n", "line 1: expected an object, found list")],
)
def test_a_line_that_is_no_record_is_named(tmp_path, content, words):
    write_tone(tmp_path / "a.wav", 300)
    (tmp_path / "x.jsonl").write_text(content)
    with pytest.raises(DataError, match=words):
        Dataset.load(tmp_path / "x.jsonl")


def test_a_target_that_does_not_exist_suggests_the_nearest(tones):
    with pytest.raises(UsageError, match="unknown target 'lable'; did you mean 'label'"):
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
