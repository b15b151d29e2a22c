"""Kinds that are said of a track over time: a probe answers frames, and what these say of a track is scored.

Conventions
-----------
Times are seconds from the start of the clip. States are kept at 25 Hz and averaged to the rate of the kind; a frame
stands at its middle: frame n of a rate r at ``(n + 0.5) / r``. A track's metric is a value in [0, 1] and a weight, and
a score over tracks the weighted mean, so that resampling tracks is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError
from layerscope.targets.calibration import Calibration
from layerscope.targets.cells import Column, as_float, is_list, shown
from layerscope.targets.kind import Kind, Labels

__all__ = [
    "KindOverTime", "Scored", "Scores", "as_objects", "ascending_times", "frame_times", "in_clip", "moment_targets",
]  # fmt: skip

Array = NDArray[np.float64]
#: What a probe says of the frames of each track, (frame, output).
Scores = Sequence[NDArray[np.floating]]
#: A value in [0, 1] and its weight.
Scored = tuple[float, float]


class KindOverTime(Kind):
    """A kind of target of tracks.

    Attributes
    ----------
    frames : Kind
        What a probe answers of a frame: `Classes` or `Tags`.
    divisor : int
        How many kept frames, 25 a second, are averaged into one.
    window : float
        Seconds within which two moments are one, by the first metric of a kind of moments.
    """

    over_time = True
    frames: Kind
    divisor: int = 1
    #: That of beats (Davies et al. 2009).
    window: float = 0.07

    def read(self, column: Column) -> Labels:
        """Read the annotation of each track."""
        rows = zip(column.cells, column.clips, column.starts, strict=True)
        tracks = [self.read_track(*row) for row in rows]
        return Labels(self, self.names_of(tracks), as_objects(tracks))

    def faults(self, column: Column) -> dict[int, str]:
        """Return why annotations cannot be read, or do not fit their clips, by row."""
        starts = column.starts or [0.0] * len(column.cells)
        lengths = column.seconds or [math.nan] * len(column.cells)
        cut = column.cut or [True] * len(column.cells)
        reasons: dict[int, str] = {}
        for row, place in enumerate(zip(column.cells, starts, lengths, cut, strict=True)):
            cell, start, seconds, goes_on = place
            try:
                track = self.read_track(cell, f"'{column.name}'", start)
            except DataError as error:
                reasons[row] = str(error)
                continue
            reason = misfit(self.onsets(track), seconds, goes_on)
            if reason:
                reasons[row] = f"'{column.name}': {reason}"
        return reasons

    def read_track(self, cell: Any, clip: str, start: float) -> Any:
        """Read a track's annotation; `clip` is for messages, `start` where it begins in the file, in seconds."""
        raise NotImplementedError

    def onsets(self, track: Any) -> Array | None:
        """Return when what is annotated begins, in seconds, to be held against the clip; by default it is not."""
        return None

    def names_of(self, tracks: Sequence[Any]) -> tuple[str, ...]:
        """Return the names of a probe's outputs."""
        raise NotImplementedError

    def heard(self, track: Any, seconds: float) -> Any:
        """Return a track's annotation up to the end of its clip; by default all of it, as if none went on."""
        return track

    def changed(self, labels: Labels, column: str, semitones: float, tempo: float) -> Labels:
        """Return the annotations of tracks that are higher and faster; see `Kind.changed`."""
        if not semitones and tempo == 1:
            return labels
        tracks = [self.changed_track(track, semitones, tempo) for track in labels.values]
        return replace(labels, values=as_objects(tracks))

    def changed_track(self, track: Any, semitones: float, tempo: float) -> Any:
        """Return the annotation of a track that is so many semitones higher and so many times as fast.

        Raises
        ------
        DataError
            If that is not known: by default, always.
        """
        raise DataError(f"what becomes of {self.noun} then is not known")

    def unlearnable(self, train: Labels) -> str:
        """Return, before any sound is encoded, that all frames would be of one class."""
        single = self.frames.form == "classes" and len(self.names_of(list(train.values))) < 2
        return "holds a single class" if single else ""

    def is_complete(self, track: Any) -> bool:
        """Return whether all that is asked for is annotated; a track that is not neither trains nor chooses."""
        return True

    def frame_targets(self, track: Any, names: Sequence[str], frames: int, rate: float) -> NDArray[Any]:
        """Return what is wanted of each frame: (frame,) classes, -1 for none, or (frame, tag) from 0 to 1."""
        raise NotImplementedError

    def decode(self, scores: Scores, names: Sequence[str], rate: float, calibration: Calibration) -> list[Any]:
        """Return what the scores of the frames of tracks, (frame, output) each, say of every track."""
        raise NotImplementedError

    def score_track(self, reference: Any, estimate: Any, targets: NDArray[Any], scores: NDArray[Any]) -> list[Scored]:
        """Return each metric of a track.

        Parameters
        ----------
        reference, estimate : annotation
            What is said of the track, and what was decoded.
        targets, scores : ndarray
            Of its frames that have a label, for metrics of frames.
        """
        return [metric.measure(reference, estimate) for metric in self.metrics]

    def score(self, number: int, scores: Array, labels: Labels, weights: Array) -> Array:
        """Return the weighted mean over tracks, given value and weight of each metric, (track, metric, 2)."""
        value, weight = scores[:, number].T
        # 0 / 0 is a resample in which no track has the metric.
        with np.errstate(invalid="ignore"):
            mean: Array = (weights @ (value * weight)) / (weights @ weight)
        return mean

    def counted(self, number: int, scores: Array) -> Array:
        """Return the weight of each track: its seconds or frames, or whether it has what is asked for."""
        return scores[:, number, 1]

    def curves(self, scores: NDArray[np.float32], values: NDArray[Any]) -> Calibration:
        """Return those of the frames."""
        return self.frames.curves(scores, values)

    def as_answer(self, track: Any) -> dict[str, Any]:
        """Return an annotation as plain lists, numbers and texts: what a predictor answers."""
        raise NotImplementedError


def as_objects(tracks: Sequence[Any]) -> NDArray[np.object_]:
    """Return an array of annotations, one an item."""
    # Filled item by item: numpy would make a table of annotations of one length.
    return np.fromiter(tracks, dtype=object, count=len(tracks))


#: Seconds that an annotation may go on after the sound: encoders and editors pad and cut by less.
OVERHANG = 1.0


def misfit(onsets: Array | None, seconds: float, goes_on: bool) -> str:
    """Return why an annotation is not of its clip, or an empty text.

    Parameters
    ----------
    onsets : ndarray, optional
        When what is annotated begins, in seconds from the start of the clip; None is not held against it.
    seconds : float
        Of the clip; NaN where that is not known.
    goes_on : bool
        Whether its file goes on after it, so that the annotation may.

    Examples
    --------
    >>> misfit(np.array([0.5, 214.0]), 30.0, goes_on=False)
    'the annotation goes on to 214 s, but the sound ends at 30 s: of another recording, or in milliseconds?'
    """
    if onsets is None:
        return ""
    length = math.inf if math.isnan(seconds) else seconds
    if not goes_on and len(onsets) and onsets[-1] > length + OVERHANG:
        return (
            f"the annotation goes on to {onsets[-1]:g} s, but the sound ends at {length:g} s: of another recording, "
            "or in milliseconds?"
        )
    return "" if (onsets < length).any() else "nothing is annotated inside the clip"


def frame_times(frames: int, rate: float) -> Array:
    """Return where frames stand, in seconds.

    Examples
    --------
    >>> frame_times(3, 25.0)
    array([0.02, 0.06, 0.1 ])
    """
    times: Array = (np.arange(frames, dtype=np.float64) + 0.5) / rate
    return times


def in_clip(rows: Sequence[tuple[float, float, Any]], shift: float) -> tuple[Array, list[Any]]:
    """Return of (start, end, what) those that end after the clip begins: intervals that count from it, and what."""
    kept = [row for row in rows if row[1] > shift]
    intervals = np.array([(start - shift, end - shift) for start, end, _ in kept], dtype=np.float64).reshape(-1, 2)
    return np.maximum(intervals, 0.0), [what for *_, what in kept]


#: How much the neighbours of a moment's frame count as one: annotations and frames are that exact.
WIDENED = 0.5


def moment_targets(times: Array, frames: int, rate: float) -> NDArray[np.float32]:
    """Return, for each frame, whether it holds one of some moments, (frame,); neighbours count half.

    Examples
    --------
    >>> moment_targets(np.array([0.05]), 4, 25.0)
    array([0.5, 1. , 0.5, 0. ], dtype=float32)
    """
    targets = np.zeros(frames, np.float32)
    places = np.floor(times * rate).astype(np.int64)
    for shift, value in ((-1, WIDENED), (1, WIDENED), (0, 1.0)):
        near = places + shift
        near = near[(near >= 0) & (near < frames)]
        targets[near] = np.maximum(targets[near], value)
    return targets


def ascending_times(values: Any, where: str, shift: float = 0.0) -> Array:
    """Return times as an ascending array that counts from the clip; those before it are left out.

    Parameters
    ----------
    values : sequence of float
        Seconds.
    where : str
        For messages.
    shift : float
        Where the clip starts.

    Raises
    ------
    DataError
        If it is no list of finite numbers, or times do not ascend.

    Examples
    --------
    >>> ascending_times([9.0, 10.5, 11.0], "song.wav", shift=10.0)
    array([0.5, 1. ])
    """
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not is_list(values):
        raise DataError(f"{where}: '{shown(values)}' is not a list of times")
    times = np.array([as_float(value) for value in values], dtype=np.float64)
    if not np.isfinite(times).all():
        raise DataError(f"{where}: '{shown(values[int(np.isnan(times).argmax())])}' is not a time in seconds")
    if (times < 0).any():
        raise DataError(f"{where}: {times.min():g} s is before the start of the file")
    if (np.diff(times) <= 0).any():
        place = int(np.flatnonzero(np.diff(times) <= 0)[0])
        raise DataError(f"{where}: times do not ascend ({times[place]:g} s, then {times[place + 1]:g} s)")
    return times[times >= shift] - shift
