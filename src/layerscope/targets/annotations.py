"""What is said of a track over time: spans with labels (chords, sections) and beats; and what is wanted of frames.

Times are seconds from the start of the clip. A frame stands at its middle: frame n of a rate r at ``(n + 0.5) / r``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError

__all__ = [
    "CHORDS",
    "Annotation",
    "Beats",
    "Spans",
    "beat_targets",
    "beats_of",
    "chord_number",
    "span_targets",
    "spans_of",
]

Array = NDArray[np.float64]

PITCH_CLASSES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
#: Twelve major, twelve minor, and no chord: the order of MARBLE v2.
CHORDS = (*(f"{name}:maj" for name in PITCH_CLASSES), *(f"{name}:min" for name in PITCH_CLASSES), "N")
NO_CHORD = 24
#: The label of a frame that is not scored.
IGNORED = -1
#: What chord annotations use where they do not know.
HARTE = re.compile(r"^(N|X|[A-G][b#]*(:?[^ ]*)?)$")
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


@dataclass(frozen=True)
class Beats:
    """Beats of a track.

    Attributes
    ----------
    beats, downbeats : ndarray
        Seconds, ascending; downbeats are empty where they are not annotated.
    """

    beats: Array
    downbeats: Array


Annotation = Spans | Beats


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
    """
    if not isinstance(cell, list) or not cell:
        raise DataError(f"{where}: expected a list of [start, end, label], found {str(cell)[:60]}")
    rows = [span_row(entry, where) for entry in cell]
    intervals = np.array([row[:2] for row in rows], dtype=np.float64) - shift
    backwards = np.flatnonzero(intervals[:, 1] < intervals[:, 0])
    overlapping = np.flatnonzero(intervals[1:, 0] < intervals[:-1, 1] - 1e-3)
    if len(backwards) or len(overlapping):
        number = int(backwards[0] if len(backwards) else overlapping[0] + 1)
        start, end, label = rows[number]
        raise DataError(f"{where}: span {number + 1} ({start:g}–{end:g} s, {label}) runs backwards or overlaps")
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


def beats_of(cell: Any, where: str, shift: float = 0.0) -> Beats:
    """Read beats: a list of times, a pair of lists, or a record with ``beat`` and ``downbeat``.

    Raises
    ------
    DataError
        If a time is none, or times do not ascend.
    """
    if isinstance(cell, dict):
        if "beat" not in cell:
            raise DataError(f"{where}: no 'beat' in {str(cell)[:60]}")
        beats, downbeats = cell["beat"], cell.get("downbeat", [])
    elif isinstance(cell, (list, tuple)) and len(cell) == 2 and all(isinstance(part, list) for part in cell):
        beats, downbeats = cell
    else:
        beats, downbeats = cell, []
    return Beats(times_of(beats, where, shift), times_of(downbeats, where, shift))


def times_of(values: Any, where: str, shift: float) -> Array:
    """Return times as an ascending array; those before the clip are left out."""
    try:
        times = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: '{str(values)[:60]}' is not a list of times") from error
    if times.ndim != 1 or not np.isfinite(times).all():
        raise DataError(f"{where}: '{str(values)[:60]}' is not a list of times")
    if (np.diff(times) <= 0).any():
        place = int(np.flatnonzero(np.diff(times) <= 0)[0])
        raise DataError(f"{where}: times do not ascend ({times[place]:g} s, then {times[place + 1]:g} s)")
    return times[times >= shift] - shift


@cache
def chord_number(label: str) -> int:
    """Return the place in `CHORDS` of a label in Harte's syntax, or -1 for other triads and what is unknown.

    Sevenths and inversions count as their triad, by the rule of mir_eval's ``majmin``: the first eight semitones
    above the root decide.

    Raises
    ------
    DataError
        If the label is not of that syntax.
    """
    try:
        root, bitmap, _ = mir_eval.chord.encode(label, reduce_extended_chords=False)
    except mir_eval.chord.InvalidChordException as error:
        raise DataError(f"'{label}' is not a chord in Harte's syntax") from error
    if label == mir_eval.chord.NO_CHORD:
        return NO_CHORD
    for first, quality in ((0, "maj"), (12, "min")):
        if root >= 0 and list(bitmap[:8]) == mir_eval.chord.QUALITIES[quality][:8]:
            return first + int(root)
    return IGNORED


def frame_times(frames: int, rate: float) -> Array:
    """Return where frames stand, in seconds."""
    times: Array = (np.arange(frames, dtype=np.float64) + 0.5) / rate
    return times


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
    found = np.searchsorted(spans.intervals[:, 0], times, side="right") - 1
    inside = (found >= 0) & (times < spans.intervals[np.maximum(found, 0), 1])
    return np.where(inside, np.array(numbers, dtype=np.int64)[np.maximum(found, 0)], IGNORED)


#: How much the neighbours of a beat's frame count as one: annotations and frames are that exact.
WIDENED = 0.5


def beat_targets(beats: Beats, frames: int, rate: float) -> NDArray[np.float32]:
    """Return, for each frame, whether it holds a beat and a downbeat, (frame, 2); neighbours count half."""
    targets = np.zeros((frames, 2), np.float32)
    for column, times in enumerate((beats.beats, beats.downbeats)):
        places = np.floor(times * rate).astype(np.int64)
        for shift, value in ((-1, WIDENED), (1, WIDENED), (0, 1.0)):
            near = places + shift
            near = near[(near >= 0) & (near < frames)]
            targets[near, column] = np.maximum(targets[near, column], value)
    return targets
