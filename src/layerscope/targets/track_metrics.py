"""Scores of whole tracks, thin over mir_eval: beats, chords, sections.

Each returns a value and its weight; a score over tracks is the weighted mean, so that resampling tracks is
exact. Beat scores weigh all tracks alike (the mean over tracks, as mir_eval's evaluators and the literature do);
scores of frames weigh by frames, mir_eval's chord scores by seconds. mir_eval's ``trim_beats`` is not called: MARBLE
counts the first five seconds as well.
"""

from __future__ import annotations

from collections.abc import Callable

import mir_eval
import numpy as np
from numpy.typing import NDArray

from layerscope.targets.annotations import Beats, Spans
from layerscope.targets.labels import TRACK_KINDS
from layerscope.targets.metrics import METRICS

__all__ = ["TRACK_METRICS", "Scored", "frame_accuracy", "metrics_of", "track_metric_names"]

#: A value in [0, 1] and its weight.
Scored = tuple[float, float]


def beat_f(window: float, *, down: bool) -> Callable[[Beats, Beats], Scored]:
    """Return the F-measure of beats (or downbeats) within a window in seconds (Davies et al. 2009)."""

    def measure(reference: Beats, estimate: Beats) -> Scored:
        pair = [one.downbeats if down else one.beats for one in (reference, estimate)]
        if not len(pair[0]):
            return 0.0, 0.0
        if not len(pair[1]):
            return 0.0, 1.0
        return float(mir_eval.beat.f_measure(*pair, f_measure_threshold=window)), 1.0

    return measure


def chord_score(name: str) -> Callable[[Spans, Spans], Scored]:
    """Return a weighted chord symbol recall of mir_eval, e.g. ``majmin``; what its rule leaves out has no weight."""
    compare = getattr(mir_eval.chord, name)

    def measure(reference: Spans, estimate: Spans) -> Scored:
        start, end = reference.intervals[0, 0], reference.intervals[-1, 1]
        intervals, labels = mir_eval.util.adjust_intervals(
            estimate.intervals, list(estimate.labels), start, end, mir_eval.chord.NO_CHORD, mir_eval.chord.NO_CHORD
        )
        merged, left, right = mir_eval.util.merge_labeled_intervals(
            reference.intervals, list(reference.labels), intervals, labels
        )
        seconds = mir_eval.util.intervals_to_durations(merged)
        hits = compare(left, right)
        scored = hits >= 0
        weight = float(seconds[scored].sum())
        return (float((hits * seconds)[scored].sum()) / weight if weight else 0.0), weight

    return measure


def boundary_f(window: float) -> Callable[[Spans, Spans], Scored]:
    """Return the F-measure of boundaries within a window, first and last left out (HR.5F and HR3F; trimmed)."""

    def measure(reference: Spans, estimate: Spans) -> Scored:
        if len(reference.intervals) < 2:  # no boundary inside the track: nothing to find
            return 0.0, 0.0
        if len(estimate.intervals) < 2:
            return 0.0, 1.0
        _, _, value = mir_eval.segment.detection(reference.intervals, estimate.intervals, window=window, trim=True)
        return float(value), 1.0

    return measure


def frame_accuracy(reference: NDArray[np.integer], estimate: NDArray[np.integer]) -> Scored:
    """Return the share of labelled frames (not -1) that are named right, weighing each frame alike."""
    labelled = reference >= 0
    count = int(labelled.sum())
    return (float((reference == estimate)[labelled].mean()) if count else 0.0), float(count)


#: kind of target → metric → function of two annotations; the first is what layers are chosen by, unless it is of frames
TRACK_METRICS: dict[str, dict[str, Callable[..., Scored]]] = {
    "beats": {
        "beat_f": beat_f(0.07, down=False),
        "downbeat_f": beat_f(0.07, down=True),
        "beat_f_20ms": beat_f(0.02, down=False),
        "downbeat_f_20ms": beat_f(0.02, down=True),
    },
    "chords": {"majmin": chord_score("majmin"), "root": chord_score("root")},
    "segments": {"boundary_f_0.5s": boundary_f(0.5), "boundary_f_3s": boundary_f(3.0)},
}


def track_metric_names(kind: str) -> list[str]:
    """Return the metrics of a target over time, the primary one first."""
    return ([] if kind == "beats" else ["accuracy"]) + list(TRACK_METRICS[kind])


def metrics_of(kind: str) -> list[str]:
    """Return the metrics of any kind of target, the primary one first."""
    return track_metric_names(kind) if kind in TRACK_KINDS else list(METRICS[kind])
