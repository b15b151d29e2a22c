import math
import unicodedata

import pytest
from written_tables import write_csv, write_jsonl

from conftest import write_tone
from layerscope.data.dataset import Dataset
from layerscope.errors import DataError


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
    assert reason == (
        f"clips.csv row 3: 'path' audio/x.wav does not exist (looked in {tmp_path}; "
        "if paths start elsewhere, say where: --root)"
    )


@pytest.mark.parametrize("written", ["a", "A.WAV", "a.mp3", "sub/../A"])
def test_a_file_of_nearly_that_name_is_named(tmp_path, written):
    (tmp_path / "sub").mkdir()
    write_tone(tmp_path / "a.wav", 300)
    table = write_csv(tmp_path / "clips.csv", "path,label", f"{written},x")
    with pytest.raises(DataError, match=r"; there is a\.wav: write names as they are, with their endings\)"):
        Dataset.load(table)


def test_a_path_that_starts_in_a_folder_beside_the_table_is_found_for_the_user(tmp_path):
    write_tone(tmp_path / "audio" / "fold1" / "a.wav", 300)
    table = write_csv(tmp_path / "clips.csv", "path,label", "fold1/a.wav,x")
    with pytest.raises(DataError, match=rf"it is below {tmp_path}/audio: if paths start there, say so \(--root\)"):
        Dataset.load(table)
    assert len(Dataset.load(table, root=tmp_path / "audio").clips) == 1


@pytest.mark.parametrize("root", ["absent", "a.wav"])
def test_a_root_that_is_no_directory_is_named(tmp_path, root):
    write_tone(tmp_path / "a.wav", 300)
    table = write_csv(tmp_path / "clips.csv", "path,label", "a.wav,x")
    with pytest.raises(DataError, match=rf"--root .*{root} is no directory"):
        Dataset.load(table, root=tmp_path / root)


@pytest.mark.parametrize("written", ["/music/a.wav", "C:\\music\\a.wav", "\\\\server\\a.wav", "file:///music/a.wav"])
def test_an_absolute_path_was_looked_for_where_it_points_and_nowhere_else(written, tmp_path):
    write_tone(tmp_path / "b.wav", 300)
    table = write_csv(tmp_path / "clips.csv", "path,label", "b.wav,y", f"{written},x")
    reason = Dataset.load(table).skipped[written]
    assert reason.endswith("does not exist (write where it lies now, or what of it follows a --root)")


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
        ("path,split", "a.wav,val1", "row 2: 'split' val1 is none of train, valid, test; write these"),
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
    dataset = Dataset.load(write_csv(tmp_path / "clips.csv", "path,label", "a.wav,x", "a.wav,x"))
    assert dataset.clips.label.tolist() == ["x"]
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
    table = tmp_path / "data" / "GS" / "GS.val.jsonl"
    with pytest.raises(DataError, match=rf"it is below {tmp_path}: if paths start there, say so \(--root\)"):
        Dataset.load(table)
    dataset = Dataset.load(table, root=tmp_path)
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


@pytest.mark.parametrize("written", [r"low\a.wav", " low/a.wav ", "./low/a.wav"])
def test_paths_as_other_systems_write_them_are_found(tmp_path, written):
    write_tone(tmp_path / "low" / "a.wav", 300)
    dataset = Dataset.load(write_jsonl(tmp_path / "t.jsonl", {"path": written, "label": "x"}))
    assert dataset.clips.path.tolist() == [str((tmp_path / "low" / "a.wav").resolve())]


@pytest.mark.parametrize("written", ["~/low/my a.wav", "$HOME/low/my a.wav", "${HOME}/low\\my a.wav", "low/my%20a.wav",
                                     "file://{}/low/my%20a.wav", "file:{}/low/my a.wav"])  # fmt: skip
def test_paths_of_shells_and_browsers_are_read(tmp_path, monkeypatch, written):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_tone(tmp_path / "low" / "my a.wav", 300)
    table = write_jsonl(tmp_path / "t.jsonl", {"path": written.replace("{}", str(tmp_path)), "label": "x"})
    assert Dataset.load(table).clips.path.tolist() == [str((tmp_path / "low" / "my a.wav").resolve())]


@pytest.mark.parametrize("written", ["https://a.b/c.wav", "s3://bucket/c.wav", "gs://bucket/c.wav"])
def test_an_address_is_named_as_one(tmp_path, written):
    write_tone(tmp_path / "a.wav", 300)
    dataset = Dataset.load(write_csv(tmp_path / "t.csv", "path,label", "a.wav,x", f"{written},y"))
    assert dataset.skipped == {
        written: f"t.csv row 3: 'path' {written} is an address; download the file and write where it lies"
    }


@pytest.mark.parametrize(("here", "there"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_in_another_normal_form_are_found(tmp_path, here, there):
    name = "Pavarotti né/Où.wav"
    write_tone(tmp_path / unicodedata.normalize(here, name), 300)
    table = write_csv(tmp_path / "t.csv", "path,label", f"{unicodedata.normalize(there, name)},x")
    assert len(Dataset.load(table).clips) == 1


@pytest.mark.parametrize("written", ["a" * 300 + ".wav", "nul\0.wav", "low", "https://a.b/c.wav"])
def test_a_path_that_no_file_has_is_named(tmp_path, written):
    write_tone(tmp_path / "low" / "a.wav", 300)
    rows = [{"path": "low/a.wav", "label": "x"}, {"path": written, "label": "y"}]
    (reason,) = Dataset.load(write_jsonl(tmp_path / "t.jsonl", *rows)).skipped.values()
    assert reason.startswith(f"t.jsonl line 2: 'path' {written} ")


def test_a_file_of_the_same_name_in_a_folder_above_is_not_taken(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    write_tone(tmp_path / "deep" / "b.wav", 300)
    rows = [{"path": "a.wav", "label": "x"}, {"path": "b.wav", "label": "y"}]
    dataset = Dataset.load(write_jsonl(tmp_path / "deep" / "t.jsonl", *rows))
    assert dataset.clips["clip"].tolist() == ["b.wav"]
    assert f"it is below {tmp_path}" in dataset.skipped["a.wav"]


def write_clips(folder, rows, *, count=40):
    """A table of so many clips with the given rows behind, and one short sound for all of their names."""
    write_tone(folder / "0.wav", 300, seconds=0.1)
    for number in range(1, count):
        (folder / f"{number}.wav").write_bytes((folder / "0.wav").read_bytes())
    return write_csv(
        folder / "t.csv", "path,label", *[f"{number}.wav,{'xy'[number % 2]}" for number in range(count)], *rows
    )


def test_a_clip_with_two_labels_is_set_aside_and_a_row_a_tag_is_refused(tmp_path):
    dataset = Dataset.load(write_clips(tmp_path, ["0.wav,y", "1.wav,y"])).with_target("label")
    assert len(dataset.clips) == 39
    assert dataset.skipped["0.wav"] == "t.csv row 2 and row 42: the same clip with two cells of 'label' (x, y)"
    assert dataset.skipped["1.wav (row 43)"] == "t.csv row 43: the same clip as row 3"
    table = Dataset.load(write_clips(tmp_path, [f"{number}.wav,z" for number in range(40)]))
    with pytest.raises(
        DataError, match=r"so 40 of 40 clips: keep one row a clip, and write several tags into one cell"
    ):
        table.with_target("label")
    with pytest.raises(DataError, match="so 40 of 40 clips"):
        table.labels("label")


def test_rows_of_one_clip_that_agree_are_one(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    rows = ["path,label,mood,by", "a.wav,x,,me", "./a.wav,,sad,you"]
    dataset = Dataset.load(write_csv(tmp_path / "t.csv", *rows))
    assert dataset.with_target("label").clips[["label", "mood"]].values.tolist() == [["x", "sad"]]


@pytest.mark.parametrize(
    ("column", "cells", "read"),
    [("fold", ["1.0", "1"], ["1", "1"]), ("Folds", ["²", " a "], ["²", "a"]), ("group", ["1", "01"], ["1", "01"]),
     ("splits", [" train ", "TEST"], ["train", "test"])],
)  # fmt: skip
def test_sides_are_understood_as_people_write_them(tmp_path, column, cells, read):
    write_tone(tmp_path / "a.wav", 300)
    write_tone(tmp_path / "b.wav", 400)
    table = write_csv(
        tmp_path / "t.csv", f"path,{column}", *[f"{name}.wav,{cell}" for name, cell in zip("ab", cells, strict=True)]
    )
    assert Dataset.load(table).clips[column.lower().removesuffix("s")].tolist() == read


@pytest.mark.parametrize(
    ("words", "splits"),
    [
        (["trn", "DEV", "tst"], ["train", "valid", "test"]),
        (["Training set", "validate", "hold-out"], ["train", "valid", "test"]),
        (["train_split", "development", "Held Out"], ["train", "valid", "test"]),
        (["train", "val", " EVAL"], ["train", "valid", "test"]),
        (["train", "val", "evaluation"], ["train", "valid", "test"]),
    ],
)
def test_words_for_splits(tmp_path, words, splits):
    rows = [f"{name}.wav,{word}" for name, word in zip("abc", words, strict=True)]
    for name in "abc":
        write_tone(tmp_path / f"{name}.wav", 300)
    assert Dataset.load(write_csv(tmp_path / "t.csv", "path,split", *rows)).clips.split.tolist() == splits


def test_of_eval_and_test_either_may_be_tested(tmp_path):
    for name in "abc":
        write_tone(tmp_path / f"{name}.wav", 300)
    table = write_csv(tmp_path / "t.csv", "path,split", "a.wav,train", "b.wav,test", "c.wav,Eval")
    with pytest.raises(DataError, match=r"t.csv row 4: a split is called 'Eval', another 'test' \(t.csv row 3\)"):
        Dataset.load(table)
    write_jsonl(tmp_path / "x.train.jsonl", {"path": "a.wav"})
    write_jsonl(tmp_path / "x.test.jsonl", {"path": "b.wav"})
    write_jsonl(tmp_path / "x.eval.jsonl", {"path": "c.wav"})
    with pytest.raises(DataError, match=r"x.eval.jsonl: a split is called 'eval'"):
        Dataset.load(tmp_path / "x.train.jsonl")


def test_columns_that_the_program_adds_are_not_taken_from_the_user(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    dataset = Dataset.load(write_csv(tmp_path / "t.csv", "path,clip,clip_sound,label", "a.wav,mine,same,x"))
    assert dataset.clips.columns.tolist() == ["label", "path", "clip", "start", "end"]


@pytest.mark.parametrize(
    ("column", "good", "bad", "words"),
    [
        ("end", "0.2", "0", r"'end' 0 is not after 'start' 0"),
        ("start", "0", "n/a", r"'start' n/a is not a time in seconds"),
        ("start", "0", "-1", r"'start' -1 is not a time in seconds"),
        ("start", "0", "0_0", r"'start' 0_0 is not a time in seconds"),
        (
            "split",
            "train",
            "trein",
            r"'split' trein is none of train, valid, test; write these, or call the column otherwise",
        ),
        ("split", "train", "", r"no 'split', others have one"),
        ("fold", "1", "", r"no 'fold', others have one"),
    ],
)
def test_a_row_among_many_that_cannot_be_understood_is_set_aside(tmp_path, column, good, bad, words):
    for number in range(12):
        write_tone(tmp_path / f"{number}.wav", 300)
    rows = [f"{number}.wav,x,{bad if number == 5 else good}" for number in range(12)]
    dataset = Dataset.load(write_csv(tmp_path / "clips.csv", f"path,label,{column}", *rows))
    assert len(dataset.clips) == 11
    assert dataset.skipped == {"5.wav": f"clips.csv row 7: {words}"}


def test_a_folder_beside_that_of_the_table_is_pointed_at(tmp_path):
    write_tone(tmp_path / "audio" / "a.wav", 300)
    (tmp_path / "meta").mkdir()
    table = write_csv(tmp_path / "meta" / "clips.csv", "path,label", "a.wav,x")
    with pytest.raises(DataError, match=f"it is below {tmp_path / 'audio'}: if paths start there, say so"):
        Dataset.load(table)


def test_a_row_without_a_path_is_set_aside_and_many_are_refused(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    spans = [f"a.wav,x,{number / 100}" for number in range(19)]
    dataset = Dataset.load(write_csv(tmp_path / "clips.csv", "path,label,start", *spans, ",x,0"))
    assert dataset.skipped == {"a clip": "clips.csv row 21: no 'path' (nor 'audio_path')"}
    table = write_csv(tmp_path / "clips.csv", "path,label,start", *spans, ",x,0", ",x,1", "a.wav,x,?")
    with pytest.raises(DataError, match=r"row 21: no 'path' .*; so 3 of 22 rows cannot be used: mend these, or take"):
        Dataset.load(table)


@pytest.mark.parametrize(
    ("header", "row", "span"),
    [
        ("start,duration", "0.1,0.1", (0.1, 0.2)),
        ("onset,offset", "0.1,0.2", (0.1, 0.2)),
        ("Onset,Duration", "0.1,0.1", (0.1, 0.2)),
        ("start_time,end_time", "0.1,0.2", (0.1, 0.2)),
        ("start,end,duration", "0.1,0.2,7", (0.1, 0.2)),
        ("start_time,label2", "0.1,y", (0.1, None)),
    ],
)
def test_spans_are_understood_under_other_names(tmp_path, header, row, span):
    write_tone(tmp_path / "a.wav", 300)
    clips = Dataset.load(write_csv(tmp_path / "clips.csv", f"path,label,{header}", f"a.wav,x,{row}")).clips
    assert clips.start[0] == span[0]
    assert math.isnan(clips.end[0]) if span[1] is None else clips.end[0] == span[1]


def test_what_may_be_something_else_is_no_span_and_no_split(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    for column in ("duration", "offset"):
        table = write_csv(tmp_path / "clips.csv", f"path,{column},subset", "a.wav,0.3,small")
        assert Dataset.load(table).targets() == [column, "subset"]


def test_a_column_of_words_for_splits_is_the_split(tmp_path):
    rows = [{"path": f"{word}.wav", "label": "x", "subset": word} for word in ("train", "dev", "test")]
    for row in rows:
        write_tone(tmp_path / row["path"], 300)
    clips = Dataset.load(write_jsonl(tmp_path / "clips.jsonl", *rows)).clips
    assert clips.split.tolist() == ["train", "valid", "test"]


def test_spans_that_differ_by_rounding_are_one_clip(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    rows = [{"path": "a.wav", "label": "x", "start": 0.1, "end": end} for end in (0.1 + 0.2, 0.3)]
    dataset = Dataset.load(write_jsonl(tmp_path / "clips.jsonl", *rows))
    assert dataset.clips["clip"].tolist() == ["a.wav@0.1-0.3"]
    assert dataset.clips.end[0] == 0.3
    assert len(dataset.skipped) == 1


@pytest.mark.parametrize("names", ["start;end", "onset;offset", "start_s;end_s", "Begin;stop", "start_time;end_sec"])
@pytest.mark.parametrize("times", ["0,1;0,25", "0,100;0,25", "0.1;0.25"])
def test_spans_with_decimal_commas_are_spans_whatever_they_are_called(tmp_path, names, times):
    write_tone(tmp_path / "a.wav", 300)
    clips = Dataset.load(write_csv(tmp_path / "clips.csv", f"path;{names};label", f"a.wav;{times};x")).clips
    assert clips[["start", "end"]].values.tolist() == [[0.1, 0.25]]


@pytest.mark.parametrize("names", ["start,end", "onset,offset", "onset,duration"])
@pytest.mark.parametrize("times", ["0,0:02", "0,2 s", "0,500ms", '0,"1,250"', '0.5,"1,5"'])
def test_times_that_cannot_be_read_are_refused_with_the_way_out_and_are_never_a_target(tmp_path, names, times):
    write_tone(tmp_path / "a.wav", 300)
    table = write_csv(tmp_path / "clips.csv", f"path,{names},label", f"a.wav,{times},x")
    with pytest.raises(DataError, match=r"row 2: 'end' .* is not a time in seconds; write a plain number"):
        Dataset.load(table)


def test_milliseconds_are_refused(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    with pytest.raises(DataError, match="'start_ms' is in milliseconds; divide by 1000 and call it 'start'"):
        Dataset.load(write_csv(tmp_path / "clips.csv", "path,start_ms,end_ms,label", "a.wav,100,200,x"))


@pytest.mark.parametrize("side", ["group", "fold"])
@pytest.mark.parametrize("cell", [["x", "y"], {"id": 1}])
def test_a_group_or_fold_of_several_names_is_refused_since_those_that_share_one_would_be_apart(tmp_path, side, cell):
    write_tone(tmp_path / "a.wav", 300)
    table = write_jsonl(tmp_path / "t.jsonl", {"path": "a.wav", "label": "x", side: cell})
    with pytest.raises(DataError, match=rf"line 1: '{side}' .* is no one name; write one, such as its first"):
        Dataset.load(table)


def test_a_group_that_is_1_and_one_that_is_1_0_are_one(tmp_path):
    for number in range(2):
        write_tone(tmp_path / f"{number}.wav", 300)
    rows = [{"path": f"{number}.wav", "label": "x", "group": group} for number, group in enumerate((1, 1.0))]
    assert Dataset.load(write_jsonl(tmp_path / "t.jsonl", *rows)).clips.group.tolist() == ["1", "1"]


@pytest.mark.parametrize("column", ["is_train", "train", "is_test", "Test", "validation"])
@pytest.mark.parametrize("cells", [("True", "False"), ("1", "0"), ("yes", "no")])
def test_a_column_of_flags_for_a_split_is_not_passed_over(tmp_path, column, cells):
    for number in range(2):
        write_tone(tmp_path / f"{number}.wav", 300)
    rows = [f"{number}.wav,x,{cell}" for number, cell in enumerate(cells)]
    with pytest.raises(
        DataError, match=f"column '{column}' looks like a split; write a column 'split' of train, valid"
    ):
        Dataset.load(write_csv(tmp_path / "t.csv", f"path,label,{column}", *rows))
    rows = [f"{row},{split}" for row, split in zip(rows, ("train", "test"), strict=True)]
    assert len(Dataset.load(write_csv(tmp_path / "t.csv", f"path,label,{column},split", *rows)).clips) == 2


def test_a_split_under_another_name_is_one_where_its_cells_are_words_for_splits(tmp_path):
    for number in range(2):
        write_tone(tmp_path / f"{number}.wav", 300)
    table = write_csv(tmp_path / "t.csv", "path,label,partition", "0.wav,x,train", "1.wav,x,test")
    assert Dataset.load(table).clips.split.tolist() == ["train", "test"]
    table = write_csv(tmp_path / "t.csv", "path,label,set", "0.wav,x,A", "1.wav,x,B")
    assert Dataset.load(table).targets() == ["label", "set"]
