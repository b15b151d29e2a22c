"""Labelled stretches of a track: how they are read, and what chords and sections have in common.

Cells are lists of ``[start, end, label]`` or of records with such keys (MARBLE v2's chords included), in order, without
overlap. A frame has the label of the span that it stands in; frames between spans are neither trained on nor scored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError
from layerscope.targets.classes import Classes
from layerscope.targets.kind import Metric, Observation
from layerscope.targets.over_time import KindOverTime, Scored, frame_times

__all__ = ["IGNORED", "KindOfSpans", "Spans", "frame_accuracy", "span_targets", "spans_from_frames", "spans_of"]

Array = NDArray[np.float64]

#: The label of a frame that is not scored.
IGNORED = -1
#: The second are those of MARBLE v2's chords.
SPAN_KEYS = (("start", "end", "label"), ("start_time", "end_time", "chord_str"))


@dataclass(frozen=True)
class Spans:
    """Labelled stretches of a track, in order.

    Attributes
    ----------
    intervals : ndarray, shape (span, 2)
        Seconds.
    labels : tuple of str
        One a span.
    """

    intervals: Array
    labels: tuple[str, ...]


def spans_of(cell: Any, where: str, shift: float = 0.0) -> Spans:
    """Read spans: a list of ``[start, end, label]`` or of records with such keys (MARBLE v2's chords included).

    Parameters
    ----------
    cell : list
        What the table holds.
    where : str
        For messages.
    shift : float
        Where the clip starts; subtracted from all times.

    Raises
    ------
    DataError
        If an entry is no span, or spans overlap or run backwards.

    Examples
    --------
    >>> spans_of([[0.0, 1.5, "N"], [1.5, 3.0, "C:maj"]], "song.wav", shift=1.0)
    Spans(intervals=array([[0. , 0.5],
           [0.5, 2. ]]), labels=('N', 'C:maj'))
    """
    if not isinstance(cell, list) or not cell:
        raise DataError(f"{where}: expected a list of [start, end, label], found {str(cell)[:60]}")
    rows = [span_row(entry, where) for entry in cell]
    intervals = np.array([row[:2] for row in rows], dtype=np.float64) - shift
    backwards = np.flatnonzero(intervals[:, 1] < intervals[:, 0])
    # A millisecond of overlap is rounding in the table.
    overlapping = np.flatnonzero(intervals[1:, 0] < intervals[:-1, 1] - 1e-3)
    if len(backwards) or len(overlapping):
        number = int(backwards[0] if len(backwards) else overlapping[0] + 1)
        start, end, label = rows[number]
        raise DataError(f"{where}: span {number + 1} ({start:g}–{end:g} s, {label}) runs backwards or overlaps")
    # Spans of no length, or that end before the clip begins, hold no frame of it.
    kept = [number for number, (start, end) in enumerate(intervals) if end > start and end > 0]
    return Spans(np.maximum(intervals[kept], 0.0), tuple(rows[number][2] for number in kept))


def span_row(entry: Any, where: str) -> tuple[float, float, str]:
    """Return start, end and label of one entry."""
    if isinstance(entry, dict):
        keys = next((keys for keys in SPAN_KEYS if all(key in entry for key in keys)), None)
        entry = [entry[key] for key in keys] if keys else entry
    if not isinstance(entry, (list, tuple)) or len(entry) != 3:
        raise DataError(f"{where}: '{str(entry)[:60]}' is not [start, end, label]")
    try:
        start, end = float(entry[0]), float(entry[1])
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: '{str(entry)[:60]}' does not begin with two times") from error
    if not (math.isfinite(start) and math.isfinite(end)):
        raise DataError(f"{where}: '{str(entry)[:60]}' has a time that is not finite")
    return start, end, str(entry[2])


def span_targets(spans: Spans, numbers: Sequence[int], frames: int, rate: float) -> NDArray[np.int64]:
    """Return the number of the span that each frame stands in, -1 outside all of them.

    Parameters
    ----------
    spans : Spans
        Of the track.
    numbers : sequence of int
        The class of each span, or -1.
    frames, rate : int, float
        How many, and how many a second.
    """
    times = frame_times(frames, rate)
    if not len(spans.labels):
        return np.full(frames, IGNORED)
    latest = np.searchsorted(spans.intervals[:, 0], times, side="right") - 1
    # -1, before the first span, would look up the last.
    place = np.maximum(latest, 0)
    inside = (latest >= 0) & (times < spans.intervals[place, 1])
    return np.where(inside, np.array(numbers, dtype=np.int64)[place], IGNORED)


def spans_from_frames(numbers: NDArray[np.integer], names: Sequence[str], rate: float) -> Spans:
    """Join neighbouring frames of the same class, (frame,), into spans that fill the track.

    Examples
    --------
    >>> spans_from_frames(np.array([1, 1, 0]), ("verse", "chorus"), 2.0).labels
    ('chorus', 'verse')
    """
    changes = np.flatnonzero(np.diff(numbers)) + 1
    edges = np.concatenate([[0], changes, [len(numbers)]])
    intervals = np.stack([edges[:-1], edges[1:]], axis=1) / rate
    return Spans(intervals, tuple(names[int(numbers[start])] for start in edges[:-1]))


def frame_accuracy(reference: NDArray[np.integer], estimate: NDArray[np.integer]) -> Scored:
    """Return the share of labelled frames (not -1) that are named right, weighing each frame alike.

    Examples
    --------
    >>> frame_accuracy(np.array([0, 1, -1, 2]), np.array([0, 1, 1, 1]))
    (0.6666666666666666, 3.0)
    """
    labelled = reference >= 0
    count = int(labelled.sum())
    return (float((reference == estimate)[labelled].mean()) if count else 0.0), float(count)


#: Layers are chosen by the accuracy of frames, before anything is decoded.
FRAME_ACCURACY = Metric("accuracy", "accuracy", frame_accuracy)


class KindOfSpans(KindOverTime):
    """What chords and sections share; `namespace` is that of JAMS."""

    frames = Classes()
    namespace: str

    def read_track(self, cell: Any, clip: str, start: float) -> Spans:
        """Read spans."""
        return spans_of(cell, clip, start)

    def heard(self, track: Spans, seconds: float) -> Spans:
        """Return the spans that begin before the end of the clip, the last cut there."""
        count = int(np.searchsorted(track.intervals[:, 0], seconds))
        return Spans(np.minimum(track.intervals[:count], seconds), track.labels[:count])

    def numbers(self, labels: Sequence[str], names: Sequence[str]) -> list[int]:
        """Return the class of each label, -1 for what is not scored."""
        return [names.index(label) for label in labels]

    def frame_targets(self, track: Spans, names: Sequence[str], frames: int, rate: float) -> NDArray[np.int64]:
        """Return the class of each frame."""
        return span_targets(track, self.numbers(track.labels, names), frames, rate)

    def score_track(
        self, reference: Spans, estimate: Spans, targets: NDArray[Any], scores: NDArray[Any]
    ) -> list[Scored]:
        """Return the accuracy of frames, and the metrics of spans."""
        of_spans = [metric.measure(reference, estimate) for metric in self.metrics[1:]]
        return [frame_accuracy(targets, scores.argmax(axis=1)), *of_spans]

    def as_answer(self, track: Spans) -> dict[str, Any]:
        """Return start, end and label of each span."""
        rows = zip(track.intervals.tolist(), track.labels, strict=True)
        return {"spans": [(start, end, label) for (start, end), label in rows]}

    def rows(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a row a span."""
        return [{"start": start, "end": end, "label": label} for start, end, label in answer["spans"]]

    def observations(self, answer: dict[str, Any], seconds: float) -> tuple[str, list[Observation]]:
        """Return an observation a span."""
        return self.namespace, [(start, end - start, label, None) for start, end, label in answer["spans"]]
