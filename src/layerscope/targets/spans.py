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
from layerscope.targets.cells import Column, as_float, is_list, is_name, most, shown
from layerscope.targets.classes import Classes
from layerscope.targets.kind import Observation
from layerscope.targets.metric import Metric
from layerscope.targets.over_time import KindOverTime, Scored, frame_times, in_clip

__all__ = [
    "IGNORED", "ROUNDING", "KindOfSpans", "Spans", "frame_accuracy", "span_targets", "spans_from_frames", "spans_of",
]  # fmt: skip

Array = NDArray[np.float64]

#: The label of a frame that is not scored.
IGNORED = -1
#: Seconds by which spans may overlap: rounding in a table.
ROUNDING = 1e-3
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
        If an entry is no span, or spans overlap, run backwards or have no length.

    Examples
    --------
    >>> spans_of([[0.0, 1.5, "N"], [1.5, 3.0, "C:maj"]], "song.wav", shift=1.0)
    Spans(intervals=array([[0. , 0.5],
           [0.5, 2. ]]), labels=('N', 'C:maj'))
    """
    if not is_list(cell) or not cell:
        raise DataError(f"{where}: expected a list of [start, end, label], found {shown(cell)}")
    rows = [span_row(entry, where) for entry in cell]
    latest = 0.0
    for number, (start, end, label) in enumerate(rows, start=1):
        fault = span_fault(start, end, latest)
        if fault:
            raise DataError(f"{where}: span {number} ({start:g}–{end:g} s, {shown(label)}) {fault}")
        latest = end
    intervals, names = in_clip(rows, shift)
    return Spans(intervals, tuple(names))


def span_fault(start: float, end: float, latest: float) -> str:
    """Return what is wrong with a span that follows one which ends at `latest`, or an empty text."""
    if start < 0:
        return "begins before the file"
    if end < start:
        return "runs backwards"
    if end == start:
        return "has no length"
    return "begins before the one before it ends" if start < latest - ROUNDING else ""


def as_span(entry: Any) -> Any:
    """Return an entry as ``[start, end, label]`` where it is a record with such keys, else as it is."""
    if not isinstance(entry, dict):
        return entry
    return next(([entry[key] for key in keys] for keys in SPAN_KEYS if all(key in entry for key in keys)), entry)


def span_labels(cell: Any) -> list[str]:
    """Return the labels of a cell's spans, and none of a cell that holds other things."""
    entries = [as_span(entry) for entry in cell] if is_list(cell) else []
    return [str(entry[2]) for entry in entries if is_list(entry) and len(entry) == 3 and is_name(entry[2])]


def span_row(entry: Any, where: str) -> tuple[float, float, str]:
    """Return start, end and label of one entry."""
    entry = as_span(entry)
    if not is_list(entry) or len(entry) != 3 or not is_name(entry[2]):
        raise DataError(f"{where}: '{shown(entry)}' is not [start, end, label]")
    start, end = as_float(entry[0]), as_float(entry[1])
    if math.isnan(start) or math.isnan(end):
        raise DataError(f"{where}: '{shown(entry)}' does not begin with two times in seconds")
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

    def recognises(self, column: Column) -> bool:
        """Return whether most cells hold spans."""
        return most(bool(span_labels(cell)) for cell in column.cells)

    def read_track(self, cell: Any, clip: str, start: float) -> Spans:
        """Read spans."""
        return spans_of(cell, clip, start)

    def onsets(self, track: Spans) -> Array:
        """Return the starts of the spans."""
        starts: Array = track.intervals[:, 0]
        return starts

    def heard(self, track: Spans, seconds: float) -> Spans:
        """Return the spans that begin before the end of the clip, the last cut there."""
        count = int(np.searchsorted(track.intervals[:, 0], seconds))
        return Spans(np.minimum(track.intervals[:count], seconds), track.labels[:count])

    def changed_track(self, track: Spans, semitones: float, tempo: float) -> Spans:
        """Return the spans at the times where they are then; of what changes with pitch a kind says what becomes."""
        return Spans(track.intervals / tempo, track.labels)

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
