"""Beats are read strictly, wanted of frames with their neighbours, and scored by mir_eval."""

import re

import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.targets import Column, kind_of, recognise
from layerscope.targets.beats import Beats, BeatTimes, beat_positions, beat_targets, beats_of

MEASURES = {metric.name: metric.measure for metric in Beats.metrics}


def test_times_of_beats_count_from_the_clip():
    assert beats_of([9.0, 10.5, 11.0], "x", shift=10.0).beats.tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ({"beats": [1.0]}, "no 'beat'"),
        ({"beat": ["x"]}, "'x' is not a time in seconds"),
        ([1.0, 1.0], r"times do not ascend \(1 s, then 1 s\)"),
        ([1.0, float("inf")], "'inf' is not a time in seconds"),
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


@pytest.mark.parametrize("rows", [
    [[0.5, 1], [1.0, 2], [1.5, 3], [2.0, 4], [2.5, 1]],
    [[0.5, 1.0], [1.0, 2.0], [2.5, 1.0]],
    [[0.5, 1], [2.5, 1]],  # as beats and downbeats, the second would not be among the first
    [[1, 2], [2, 1]],
])  # fmt: skip
def test_rows_of_times_and_positions_are_beats(rows):
    read = beats_of(rows, "x")
    assert read.beats.tolist() == [row[0] for row in rows]
    assert read.downbeats.tolist() == [row[0] for row in rows if row[1] == 1]


def test_two_lists_of_two_are_beats_and_downbeats_where_they_can_be():
    read = beats_of([[1, 2], [1, 2]], "x")
    assert (read.beats.tolist(), read.downbeats.tolist()) == ([1.0, 2.0], [1.0, 2.0])
    assert beats_of([[0.5, 1.0], [0.5]], "x").downbeats.tolist() == [0.5]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ([[0.0, 1.5], [1.5, 3.0], [3.0, 4.25]], "spans need a label each"),
        ([[0.0, 1.5], [1.5, 3.0]], "spans need a label each"),
        ([[0, 1], [1, 2], [2, 3]], "may be spans without labels or beats with positions"),
        ([[0, 1], [1, 2]], "may be spans without labels or beats with positions"),
        ([[0.5, 1], ["x", 2], [1.5, 3]], r"\['x', 2\] is not .time, position in the bar."),
        ([[0.5, 1], [1.0], [1.5, 3]], r"\[1\.0\] is not .time, position in the bar."),
        ([[0.5, 120], [1.0, 121]], "is not .time, position in the bar."),
        ([1.0, 2.0, 2.0], r"times do not ascend \(2 s, then 2 s\)"),
        ([2.0, 1.0], "times do not ascend"),
        ([-0.5, 1.0], r"-0\.5 s is before the start of the file"),
        ([1.0, float("nan")], "'nan' is not a time in seconds"),
        ([1.0, "end"], "'end' is not a time in seconds"),
        ([1.0, 10**400], "is not a time in seconds"),
        ([500.0, 1000.0, 29_500.0], "the annotation goes on to 29500 s, but the sound ends at 30 s"),
        ([], "nothing is annotated inside the clip"),
    ],
)
def test_a_clip_whose_beats_cannot_be_is_set_aside(cell, words):
    good = [0.5, 1.0, 1.5, 2.0, 2.5]
    column = Column("x", [good, cell, good[:-1], good[1:]], list("abcd"), [0.0] * 4, [30.0] * 4, [False] * 4)
    recognised = recognise(column, "beats")
    assert list(recognised.faults) == [1]
    assert re.search(f"^'x': .*{words}", recognised.faults[1])


def test_annotations_of_a_song_go_on_after_its_clip():
    whole = [0.5, 15.0, 29.5, 31.0, 200.0]
    for cut, odd in ((True, {}), (False, [0])):
        assert list(recognise(Column("beats", [whole], ["a"], [0.0], [30.0], [cut])).faults) == list(odd)
    later = recognise(Column("beats", [whole], ["a"], [210.0], [30.0], [True]))
    assert later.faults == {0: "'beats': nothing is annotated inside the clip"}


def test_beats_of_equal_number_are_no_values():
    regular = [[0.5 * beat for beat in range(1, 61)]] * 4
    assert kind_of(Column("beats", regular)).name == "beats"
    assert kind_of(Column("x", [*regular, regular[0][:-1]])).name == "beats"
    assert kind_of(Column("x", [[0.1, 0.2], [0.3, 0.4], [0.5]])).name == "values"


@pytest.mark.parametrize(
    ("name", "cell", "kind"),
    [("sections", [[0, 0.5, 1], [0.5, 1, 2]], "segments"), ("sections", [[0, 8.5, 3], [8.5, 12, 1]], "segments"),
     ("form", [[0.0, 4.0, 1], [4.0, 9.0, 2], [9.0, 12.0, 1]], "segments"),
     ("beats", [[0, 0.5, 1], [0, 0.5, 1]], "beats"),
     ("metre", [[0.5, 1.0, 2.0], [0.5, 1.0, 2.0]], "beats"), ("metre", [[0.5, 1], [1.0, 2]], "beats")],
)  # fmt: skip
def test_triples_with_whole_numbers_are_spans_and_no_times(name, cell, kind):
    assert kind_of(Column(name, [cell] * 3)).name == kind
