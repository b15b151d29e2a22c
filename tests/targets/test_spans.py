"""Labelled stretches are read strictly, and frames get what stands at their middle."""

import re

import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.targets import Column, recognise
from layerscope.targets.spans import Spans, frame_accuracy, span_targets, spans_from_frames, spans_of


def test_spans_of_both_spellings_are_read():
    plain = spans_of([[0.0, 1.5, "N"], [1.5, 3.0, "C:maj"]], "x")
    marble = spans_of([{"start_time": 0.0, "end_time": 1.5, "chord_str": "N"},
                       {"start_time": 1.5, "end_time": 3.0, "chord_str": "C:maj"}], "x")  # fmt: skip
    np.testing.assert_array_equal(plain.intervals, marble.intervals)
    assert plain.labels == marble.labels == ("N", "C:maj")


def test_times_of_spans_count_from_the_clip():
    spans = spans_of([[0.0, 9.0, "a"], [9.0, 12.0, "b"], [12.0, 14.0, "c"]], "x", shift=10.0)
    assert spans.intervals.tolist() == [[0.0, 2.0], [2.0, 4.0]]
    assert spans.labels == ("b", "c")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ([], r"expected a list of \[start, end, label\]"),
        ([[0.0, 1.0]], r"is not \[start, end, label\]"),
        ([["a", 1.0, "x"]], "does not begin with two times"),
        ([[0.0, float("nan"), "x"]], "does not begin with two times in seconds"),
        ([[2.0, 1.0, "x"]], r"span 1 \(2–1 s, x\) runs backwards"),
        ([[0.0, 2.0, "x"], [1.0, 3.0, "y"]], r"span 2 \(1–3 s, y\) begins before the one before it ends"),
    ],
)
def test_spans_that_are_none_are_named(cell, words):
    with pytest.raises(DataError, match=f"song.wav: .*{words}"):
        spans_of(cell, "song.wav")


def test_a_frame_belongs_to_the_span_at_its_middle():
    spans = Spans(np.array([[0.1, 0.5], [0.5, 0.7]]), ("a", "b"))
    # Frames at 0.05, 0.15, … 0.85 s.
    assert span_targets(spans, [4, 7], 9, 10.0).tolist() == [-1, 4, 4, 4, 4, 7, 7, -1, -1]


def test_frames_become_spans():
    spans = spans_from_frames(np.array([1, 1, 0, 0, 0, 1]), ("a", "b"), 2.0)
    assert spans.labels == ("b", "a", "b")
    assert spans.intervals.tolist() == [[0.0, 1.0], [1.0, 2.5], [2.5, 3.0]]


def test_frames_without_a_label_are_not_counted():
    assert frame_accuracy(np.array([0, 1, -1, 2]), np.array([0, 2, 1, 2])) == (pytest.approx(2 / 3), 3.0)
    assert frame_accuracy(np.array([-1]), np.array([0])) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ([[0.0, 2.0, "a"], [5.0, 4.0, "b"]], "span 2 .* runs backwards"),
        ([[0.0, 2.0, "a"], [2.0, 2.0, "b"]], "span 2 .* has no length"),
        ([[0.0, 2.0, "a"], [1.0, 4.0, "b"]], "span 2 .* begins before the one before it ends"),
        ([[4.0, 6.0, "a"], [0.0, 4.0, "b"]], "span 2 .* begins before the one before it ends"),
        ([[-1.0, 2.0, "a"]], "span 1 .* begins before the file"),
        ([[0.0, float("nan"), "a"]], "two times in seconds"),
        ([[0.0, 10**400, "a"]], "two times in seconds"),
        ([[0.0, True, "a"]], "two times in seconds"),
        ([[0.0, 2.0, ["a"]]], "is not .start, end, label."),
        ([[0.0, 2.0, None]], "is not .start, end, label."),
        ([[0.0, 1500.0, "a"], [1500.0, 29_000.0, "b"]], "goes on to 1500 s, but the sound ends at 30 s"),
        ([[40.0, 50.0, "a"]], "goes on to 40 s"),
        ([[30.5, 50.0, "a"]], "nothing is annotated inside the clip"),
        ([], "expected a list of"),
    ],
)
def test_a_clip_whose_spans_cannot_be_is_set_aside(cell, words):
    good = [[0.0, 8.0, "verse"], [8.0, 30.2, "chorus"]]
    column = Column("x", [good, cell, good], list("abc"), [0.0] * 3, [30.0] * 3, [False] * 3)
    recognised = recognise(column)
    assert recognised.kind.name == "segments"
    assert list(recognised.faults) == [1]
    assert re.search(words, recognised.faults[1])
    assert recognised.evidence == "segments: 2 of 3 cells; 1 set aside: 'b'"


def test_a_clip_after_all_spans_holds_none():
    assert spans_of([[0.0, 9.0, "a"]], "x", shift=10.0).intervals.shape == (0, 2)
    recognised = recognise(Column("x", [[[0.0, 9.0, "a"]], [[0.0, 20.0, "b"]]], ["1", "2"], [10.0] * 2))
    assert recognised.faults == {0: "'x': nothing is annotated inside the clip"}
