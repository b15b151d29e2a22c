"""Beats are read strictly, wanted of frames with their neighbours, and scored by mir_eval."""

import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.targets.beats import Beats, BeatTimes, beat_positions, beat_targets, beats_of

MEASURES = {metric.name: metric.measure for metric in Beats.metrics}


def test_times_of_beats_count_from_the_clip():
    assert beats_of([9.0, 10.5, 11.0], "x", shift=10.0).beats.tolist() == [0.5, 1.0]


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


def test_beats_count_fully_in_their_frame_and_half_beside_it():
    beats = BeatTimes(np.array([0.12, 0.41]), np.array([0.41]))
    targets = beat_targets(beats, 5, 10.0)
    assert targets[:, 0].tolist() == [0.5, 1.0, 0.5, 0.5, 1.0]
    assert targets[:, 1].tolist() == [0.0, 0.0, 0.0, 0.5, 1.0]


def test_beat_f_at_both_tolerances():
    reference = BeatTimes(np.arange(1, 11.0), np.arange(1, 11.0)[::4])
    late = BeatTimes(reference.beats + 0.05, reference.downbeats + 0.05)
    assert MEASURES["beat_f"](reference, late) == (1.0, 1.0)
    assert MEASURES["beat_f_20ms"](reference, late) == (0.0, 1.0)
    half = BeatTimes(reference.beats[::2], reference.downbeats)
    assert MEASURES["beat_f"](reference, half)[0] == pytest.approx(2 * 0.5 / 1.5)
    assert MEASURES["downbeat_f"](reference, half)[0] == 1.0


def test_tracks_without_annotation_have_no_weight_and_empty_answers_score_zero():
    none, some = BeatTimes(np.array([]), np.array([])), BeatTimes(np.array([1.0]), np.array([1.0]))
    assert MEASURES["downbeat_f"](BeatTimes(some.beats, none.beats), some) == (0.0, 0.0)
    assert MEASURES["beat_f"](some, none) == (0.0, 1.0)


def test_beats_are_counted_in_their_bars():
    assert beat_positions([0, 1, 2, 3, 4, 5, 6], {2, 5}) == [2, 3, 1, 2, 3, 1, 2]
    assert beat_positions([0, 1, 2], {1}) == [4, 1, 2]
    assert beat_positions([0, 1], set()) == [1, 2]
