"""Scores of tracks are mir_eval's, and what its rules leave out has no weight."""

import mir_eval
import numpy as np
import pytest

from layerscope.targets.annotations import Beats, Spans
from layerscope.targets.track_metrics import TRACK_METRICS, frame_accuracy


def spans(*rows):
    return Spans(np.array([row[:2] for row in rows], float), tuple(row[2] for row in rows))


REFERENCE = spans((0, 2, "C:maj"), (2, 4, "G:dim"), (4, 8, "A:min7"), (8, 10, "N"))
ESTIMATE = spans((0, 3, "C:maj"), (3, 6, "A:min"), (6, 9, "F:maj"), (9, 10, "N"))


def test_majmin_is_mir_evals_on_a_case_done_by_hand():
    value, weight = TRACK_METRICS["chords"]["majmin"](REFERENCE, ESTIMATE)
    # 2 s of C right; G:dim out of gamut; of A:min7's 4 s two right; of N's 2 s one: 5 of 8.
    assert (value, weight) == (pytest.approx(5 / 8), pytest.approx(8.0))


@pytest.mark.parametrize("metric", ["majmin", "root"])
def test_chord_scores_are_mir_evals_evaluator(metric):
    found = mir_eval.chord.evaluate(
        REFERENCE.intervals, list(REFERENCE.labels), ESTIMATE.intervals, list(ESTIMATE.labels)
    )
    assert TRACK_METRICS["chords"][metric](REFERENCE, ESTIMATE)[0] == pytest.approx(found[metric])


def test_an_estimate_that_ends_early_has_no_chord_after_it():
    short = spans((0, 2, "C:maj"))
    value, weight = TRACK_METRICS["chords"]["majmin"](REFERENCE, short)
    assert (value, weight) == (pytest.approx(4 / 8), pytest.approx(8.0))


def test_beat_f_at_both_tolerances():
    reference = Beats(np.arange(1, 11.0), np.arange(1, 11.0)[::4])
    late = Beats(reference.beats + 0.05, reference.downbeats + 0.05)
    metrics = TRACK_METRICS["beats"]
    assert metrics["beat_f"](reference, late) == (1.0, 1.0)
    assert metrics["beat_f_20ms"](reference, late) == (0.0, 1.0)
    half = Beats(reference.beats[::2], reference.downbeats)
    assert metrics["beat_f"](reference, half)[0] == pytest.approx(2 * 0.5 / 1.5)
    assert metrics["downbeat_f"](reference, half)[0] == 1.0


def test_tracks_without_annotation_have_no_weight_and_empty_answers_score_zero():
    none, some = Beats(np.array([]), np.array([])), Beats(np.array([1.0]), np.array([1.0]))
    assert TRACK_METRICS["beats"]["downbeat_f"](Beats(some.beats, none.beats), some) == (0.0, 0.0)
    assert TRACK_METRICS["beats"]["beat_f"](some, none) == (0.0, 1.0)


def test_boundaries_are_mir_evals_trimmed():
    reference = spans((0, 10, "a"), (10, 20, "b"), (20, 30, "a"))
    estimate = spans((0, 10.4, "a"), (10.4, 17.5, "b"), (17.5, 30, "c"))
    tight, loose = (TRACK_METRICS["segments"][name](reference, estimate)[0] for name in TRACK_METRICS["segments"])
    assert (tight, loose) == (0.5, 1.0)
    assert TRACK_METRICS["segments"]["boundary_f_3s"](spans((0, 30, "a")), estimate) == (0.0, 0.0)
    assert TRACK_METRICS["segments"]["boundary_f_3s"](reference, spans((0, 30, "a"))) == (0.0, 1.0)


def test_frames_without_a_label_are_not_counted():
    assert frame_accuracy(np.array([0, 1, -1, 2]), np.array([0, 2, 1, 2])) == (pytest.approx(2 / 3), 3.0)
    assert frame_accuracy(np.array([-1]), np.array([0])) == (0.0, 0.0)
