"""What is said of tracks over time is read strictly, and frames get what stands at their middle."""

import mir_eval
import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.targets.annotations import (
    CHORDS,
    Beats,
    Spans,
    beat_targets,
    beats_of,
    chord_number,
    span_targets,
    spans_of,
)


def test_spans_of_both_spellings_are_read():
    plain = spans_of([[0.0, 1.5, "N"], [1.5, 3.0, "C:maj"]], "x")
    marble = spans_of([{"start_time": 0.0, "end_time": 1.5, "chord_str": "N"},
                       {"start_time": 1.5, "end_time": 3.0, "chord_str": "C:maj"}], "x")  # fmt: skip
    np.testing.assert_array_equal(plain.intervals, marble.intervals)
    assert plain.labels == marble.labels == ("N", "C:maj")


def test_times_count_from_the_clip():
    spans = spans_of([[0.0, 9.0, "a"], [9.0, 12.0, "b"], [12.0, 14.0, "c"]], "x", shift=10.0)
    assert spans.intervals.tolist() == [[0.0, 2.0], [2.0, 4.0]]
    assert spans.labels == ("b", "c")
    assert beats_of([9.0, 10.5, 11.0], "x", shift=10.0).beats.tolist() == [0.5, 1.0]


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


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ({"beats": [1.0]}, "no 'beat'"),
        ({"beat": ["x"]}, "not a list of times"),
        ([1.0, 1.0], r"times do not ascend \(1 s, then 1 s\)"),
        ([1.0, float("inf")], "not a list of times"),
        (3.0, "not a list of times"),
    ],
)
def test_beats_that_are_none_are_named(cell, words):
    with pytest.raises(DataError, match=f"song.wav: .*{words}"):
        beats_of(cell, "song.wav")


LABELS = ["N", "C:maj", "Db:maj", "C#:maj7/5", "Bb:min", "A:7", "G:dim", "D:sus4", "X", "E:min7", "F:maj/3", "B:aug",
          "Gb:min9", "A:hdim7"]  # fmt: skip


@pytest.mark.parametrize("label", LABELS)
def test_chords_are_reduced_as_mir_eval_compares_them(label):
    """A label has a number exactly where mir_eval's majmin scores it, and that number's chord gets full marks."""
    number = chord_number(label)
    if number < 0:
        assert mir_eval.chord.majmin([label], ["C:maj"])[0] == -1
    else:
        assert mir_eval.chord.majmin([label], [CHORDS[number]])[0] == 1
        others = [mir_eval.chord.majmin([label], [other])[0] for other in CHORDS if other != CHORDS[number]]
        assert max(others) == 0


def test_what_is_no_chord_is_refused():
    with pytest.raises(DataError, match="'Q:maj' is not a chord in Harte's syntax"):
        chord_number("Q:maj")


def test_a_frame_belongs_to_the_span_at_its_middle():
    spans = Spans(np.array([[0.1, 0.5], [0.5, 0.7]]), ("a", "b"))
    # Frames at 0.05, 0.15, … 0.85 s.
    assert span_targets(spans, [4, 7], 9, 10.0).tolist() == [-1, 4, 4, 4, 4, 7, 7, -1, -1]


def test_beats_count_fully_in_their_frame_and_half_beside_it():
    beats = Beats(np.array([0.12, 0.41]), np.array([0.41]))
    targets = beat_targets(beats, 5, 10.0)
    assert targets[:, 0].tolist() == [0.5, 1.0, 0.5, 0.5, 1.0]
    assert targets[:, 1].tolist() == [0.0, 0.0, 0.0, 0.5, 1.0]
