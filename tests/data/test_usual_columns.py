"""Columns of spans, splits and folds are understood under the names that they have, or refused."""

import pytest

from layerscope.data.usual_columns import with_usual_names
from layerscope.errors import DataError


def rows_of(**columns):
    count = max(map(len, columns.values()))
    return {
        f"row {row}": {"path": f"{row}.wav", **{name: cells[row % len(cells)] for name, cells in columns.items()}}
        for row in range(count)
    }


@pytest.mark.parametrize(
    "names",
    [
        ("Start (s)", "End (s)"),
        ("startTime", "endTime"),
        ("Begin Time (s)", "End Time (s)"),
        ("begin_time", "stop_s"),
        ("tmin", "tmax"),
        ("t0", "t1"),
        ("from", "to"),
        ("onset_sec", "offset_sec"),
        ("start", "stop_time"),
    ],
)
def test_spans_have_many_names(names):
    rows = with_usual_names(rows_of(**{names[0]: ["0", "1.5"], names[1]: ["1", "2.5"]}))
    assert [(row["start"], row["end"]) for row in rows.values()] == [("0", "1"), ("1.5", "2.5")]


def test_times_through_all_files_are_not_taken_for_those_in_each():
    rows = {"row 2": {"path": "a.wav", "Begin Time (s)": "0.5", "End Time (s)": "1", "File Offset (s)": "0.5"}}
    assert with_usual_names(rows)["row 2"]["start"] == "0.5"
    rows["row 3"] = {"path": "b.wav", "Begin Time (s)": "60.5", "End Time (s)": "61", "File Offset (s)": "0.5"}
    with pytest.raises(DataError, match=r"call 'File Offset \(s\)' 'start'"):
        with_usual_names(rows)


@pytest.mark.parametrize("own", ["1.2346", "1,2346", None])
def test_a_place_in_a_file_may_be_rounded_or_missing(own):
    row = {"path": "a.wav", "Begin Time (s)": "1.234567891", "End Time (s)": "2", "File Offset (s)": own}
    assert with_usual_names({"row 2": row})["row 2"]["start"] == "1.234567891"


@pytest.mark.parametrize("name", ["duration", "dur", "length", "Length (s)", "clip_duration", "duration_seconds"])
def test_a_length_beside_a_start_is_never_dropped(name):
    rows = with_usual_names(rows_of(start=["0", "1,5"], **{name: ["1", "2,25"]}))
    assert [row["end"] for row in rows.values()] == [1.0, 3.75]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("start_sample", "end_sample"), "'start_sample' counts samples or frames"),
        (("start", "duration_samples"), "'duration_samples' counts samples or frames"),
        (("onset_ms", "offset_ms"), "'onset_ms' is in milliseconds; divide by 1000 and call it 'onset'"),
        (("offset", "duration"), "call the offset 'start'"),
    ],
)
def test_spans_that_cannot_be_read_are_refused(names, words):
    with pytest.raises(DataError, match=words):
        with_usual_names(rows_of(**{names[0]: ["0", "1"], names[1]: ["1", "2"]}))


@pytest.mark.parametrize("name", ["dataset", "type", "mode", "tvt", "train_test"])
@pytest.mark.parametrize("words", [["train", "test"], ["Training", "val ", "eval"]])
def test_words_for_splits_under_any_name_are_not_passed_over(name, words):
    with pytest.raises(DataError, match=f"column '{name}' holds words for splits .*; call it 'split'"):
        with_usual_names(rows_of(label=["a", "b"], **{name: words * 3}))


def test_a_column_of_other_words_or_of_one_side_is_left_alone():
    rows = rows_of(type=["train", "car", "test"], mode=["train"], kind=["test", "dev"])
    assert with_usual_names(rows) == rows
    cut = rows_of(segment_start=["40.2", "1.5"], segment_end=["49.6", "8.0"])
    assert with_usual_names(cut) == cut
    sides = rows_of(split=["train", "test"], stage=["train", "test"])
    assert with_usual_names(sides) == sides


def test_a_fold_of_words_for_splits_is_the_split():
    assert with_usual_names(rows_of(fold=["train", "test"])) == rows_of(split=["train", "test"])
    assert with_usual_names(rows_of(kfold=["1", "2", "3"] * 2)) == rows_of(fold=["1", "2", "3"] * 2)
    # Nothing repeats: numbers of clips.
    assert with_usual_names(rows_of(fold_id=list("123456"))) == rows_of(fold_id=list("123456"))


@pytest.mark.parametrize("name", ["istrain", "is_test", "isTest", "in_train", "Train", "for_test"])
def test_flags_of_a_side_are_refused(name):
    with pytest.raises(DataError, match=f"column '{name}' looks like a split"):
        with_usual_names(rows_of(**{name: ["0", "1"]}))
