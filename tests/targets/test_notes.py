import mir_eval
import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.targets import Column, kind_named, kind_of
from layerscope.targets.notes import NoteSpans, notes_of, pitch_name

RATE = 25.0


def random_notes(seed, count=30):
    random = np.random.default_rng(seed)
    starts = random.uniform(0, 9, count)
    return NoteSpans(
        np.stack([starts, starts + random.uniform(0.05, 1, count)], axis=1), random.integers(40, 60, count)
    )


def sounding(notes, times):
    """As mir_eval wants it: the frequencies that sound at each time."""
    return [
        np.unique(
            440 * 2 ** ((notes.pitches[(notes.intervals[:, 0] <= time) & (time < notes.intervals[:, 1])] - 69) / 12)
        )
        for time in times
    ]


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_frames_are_mir_evals(seed):
    kind, reference, estimate = kind_named("notes"), random_notes(seed), random_notes(seed + 100)
    times = (np.arange(round(10.5 * RATE)) + 0.5) / RATE
    expected = mir_eval.multipitch.evaluate(times, sounding(reference, times), times, sounding(estimate, times))
    precision, recall = expected["Precision"], expected["Recall"]
    (f, _), (accuracy, _) = kind.score_track(reference, estimate, np.empty(0), np.empty(0))
    assert f == pytest.approx(2 * precision * recall / (precision + recall))
    assert accuracy == pytest.approx(expected["Accuracy"])


def test_frames_give_notes_back():
    kind, notes = kind_named("notes"), notes_of([[0.2, 1.0, 60], [0.6, 2.0, 64], [2.4, 3.0, 60]], "x")
    names = kind.names_of([notes])
    assert names == ("C4", "E4")
    targets = kind.frame_targets(notes, names, 100, RATE)
    found = kind.decode([targets], names, RATE, kind.calibrate(targets, targets))[0]
    np.testing.assert_allclose(found.intervals, notes.intervals, atol=0.5 / RATE)
    np.testing.assert_array_equal(found.pitches, notes.pitches)


def test_a_pitch_that_no_probe_names_counts_as_missed():
    kind = kind_named("notes")
    silence = NoteSpans(np.empty((0, 2)), np.empty(0, np.int64))
    assert kind.score_track(random_notes(0), silence, np.empty(0), np.empty(0)) == [(0.0, 1.0), (0.0, 1.0)]
    assert kind.score_track(silence, random_notes(0), np.empty(0), np.empty(0)) == [(0.0, 0.0), (0.0, 0.0)]


def test_a_clip_hears_its_part_of_the_notes():
    notes = notes_of([[0.0, 1.0, 60], [0.5, 4.0, 62], [5.0, 6.0, 64]], "x", shift=1.0)
    np.testing.assert_allclose(notes.intervals, [[0.0, 3.0], [4.0, 5.0]])
    heard = kind_named("notes").heard(notes, 2.0)
    np.testing.assert_allclose(heard.intervals, [[0.0, 2.0]])


@pytest.mark.parametrize(("cell", "words"), [
    ("x", "expected a list of"),
    ([[0.0, 1.0]], "is not .start, end, pitch."),
    ([[1.0, 1.0, 60]], "has no length"),
    ([[-1.0, 1.0, 60]], "begins before the file"),
    ([[0.0, 1.0, 440.0]], "no MIDI number, 0 to 127; is it in Hz"),
    ([[0.0, 1.0, "C4"]], "all of them numbers"),
])  # fmt: skip
def test_what_is_no_note_is_named(cell, words):
    with pytest.raises(DataError, match=words):
        notes_of(cell, "x")


def test_labelled_stretches_are_not_taken_for_notes():
    assert kind_of(Column("sections", [[[0.0, 10.0, 1], [10.0, 20.0, 2]]])).name != "notes"
    assert kind_of(Column("notes", [[[0.0, 10.0, 1], [10.0, 20.0, 2]]])).name == "notes"
    assert kind_of(Column("x", [[[0.0, 10.0, 60], [5.0, 20.0, 64]]])).name == "notes"
    assert kind_of(Column("x", [[[0.5, 1.0, 2.0], [0.5, 1.0, 2.0]]])).name == "beats"


def test_names_are_those_of_scientific_pitch():
    assert [pitch_name(number) for number in (0, 21, 59, 60, 108)] == ["C-1", "A0", "B3", "C4", "C8"]
