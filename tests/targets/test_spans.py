"""Labelled stretches are read strictly, and frames get what stands at their middle."""

import numpy as np
import pytest

from layerscope.errors import DataError
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
        ([[0.0, float("nan"), "x"]], "not finite"),
        ([[2.0, 1.0, "x"]], r"span 1 \(2–1 s, x\) runs backwards or overlaps"),
        ([[0.0, 2.0, "x"], [1.0, 3.0, "y"]], r"span 2 \(1–3 s, y\)"),
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
