"""Notes that sound together: which pitches each frame holds.

Cells are lists of ``[start, end, pitch]`` or of records with such keys, in any order and overlapping as they like;
pitches are MIDI numbers, rounded to semitones. A probe says of each frame, 25 a second, which pitches sound. F-measure
and accuracy are of frames, as in MIREX's multiple fundamental frequencies (Bay, Ehmann & Downie 2009), the mean over
tracks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError
from layerscope.targets.calibration import Calibration
from layerscope.targets.cells import Column, as_float, is_list, most, shown
from layerscope.targets.changed_sound import whole_semitones
from layerscope.targets.kind import Observation
from layerscope.targets.metric import Metric
from layerscope.targets.note_names import PITCH_CLASSES
from layerscope.targets.over_time import KindOverTime, Scored, Scores, frame_times, in_clip
from layerscope.targets.tags import Tags

__all__ = ["NoteSpans", "Notes", "is_notes", "notes_of", "pitch_name"]

Array = NDArray[np.float64]
KEYS = ("start", "end", "pitch")
#: Of MIDI numbers.
HIGHEST = 127


@dataclass(frozen=True)
class NoteSpans:
    """The notes of a track, by their start.

    Attributes
    ----------
    intervals : ndarray, shape (note, 2)
        Seconds.
    pitches : ndarray of int, shape (note,)
        MIDI numbers.
    """

    intervals: Array
    pitches: NDArray[np.int64]

    def roll(self, numbers: Sequence[int], frames: int, rate: float) -> NDArray[np.bool_]:
        """Return which pitches sound in the middle of each frame, (frame, pitch)."""
        times, sounding = frame_times(frames, rate), np.zeros((frames, len(numbers)), dtype=bool)
        place = {number: column for column, number in enumerate(numbers)}
        bounds = np.searchsorted(times, self.intervals)
        for (first, last), pitch in zip(bounds, self.pitches, strict=True):
            if pitch in place:
                sounding[first:last, place[pitch]] = True
        return sounding


def entry_values(entry: Any) -> list[Any]:
    """Return start, end and pitch of an entry of a cell as they stand, or nothing where it is no note."""
    if isinstance(entry, dict) and all(key in entry for key in KEYS):
        return [entry[key] for key in KEYS]
    return list(entry) if is_list(entry) and len(entry) == len(KEYS) else []


def is_notes(cell: Any) -> bool:
    """Return whether a cell is a list of notes."""
    if not is_list(cell) or not cell:
        return False
    rows = [[as_float(value) for value in entry_values(entry)] for entry in cell]
    return most(len(row) == len(KEYS) and row[0] < row[1] and 0 <= row[2] <= HIGHEST for row in rows)


def notes_of(cell: Any, where: str, shift: float = 0.0) -> NoteSpans:
    """Read notes: a list of ``[start, end, pitch]`` or of records with such keys.

    Parameters
    ----------
    cell : list
        What the table holds; an empty list is a track of silence.
    where : str
        For messages.
    shift : float
        Where the clip starts; subtracted from all times.

    Raises
    ------
    DataError
        If an entry is no note, runs backwards, or its pitch is no MIDI number.

    Examples
    --------
    >>> notes_of([[0.5, 1.0, 64], [0.0, 1.0, 60]], "song.wav")
    NoteSpans(intervals=array([[0. , 1. ],
           [0.5, 1. ]]), pitches=array([60, 64]))
    """
    if not is_list(cell):
        raise DataError(f"{where}: expected a list of [start, end, pitch], found {shown(cell)}")
    rows = sorted(note_row(entry, where) for entry in cell)
    intervals, pitches = in_clip(rows, shift)
    return NoteSpans(intervals, np.array(pitches, dtype=np.int64))


def note_row(entry: Any, where: str) -> tuple[float, float, int]:
    """Return start, end and pitch of one entry."""
    start, end, pitch = [as_float(value) for value in entry_values(entry)] or [math.nan] * len(KEYS)
    if math.isnan(start + end + pitch):
        raise DataError(f"{where}: '{shown(entry)}' is not [start, end, pitch], all of them numbers")
    if start < 0 or end <= start:
        raise DataError(f"{where}: '{shown(entry)}' begins before the file, runs backwards or has no length")
    if not 0 <= pitch <= HIGHEST:
        raise DataError(f"{where}: the pitch of '{shown(entry)}' is no MIDI number, 0 to {HIGHEST}; is it in Hz?")
    return start, end, round(pitch)


def pitch_name(number: int) -> str:
    """Return the name of a MIDI number, with middle C as C4.

    Examples
    --------
    >>> pitch_name(60), pitch_name(69)
    ('C4', 'A4')
    """
    return f"{PITCH_CLASSES[number % 12]}{number // 12 - 1}"


#: By name.
NUMBERS = {pitch_name(number): number for number in range(HIGHEST + 1)}


def of_frames(score: Callable[[int, int, int], float]) -> Callable[[NoteSpans, NoteSpans], Scored]:
    """Return a score of how many pitches, over all frames, are in both, in the reference and in the estimate."""

    def measure(reference: NoteSpans, estimate: NoteSpans) -> Scored:
        numbers = sorted({*reference.pitches.tolist(), *estimate.pitches.tolist()})
        ends = [*reference.intervals[:, 1], *estimate.intervals[:, 1]]
        frames = math.ceil(max(ends, default=0.0) * SCORED_RATE)
        wanted, said = (notes.roll(numbers, frames, SCORED_RATE) for notes in (reference, estimate))
        both, in_reference, in_estimate = int((wanted & said).sum()), int(wanted.sum()), int(said.sum())
        # A track of silence has no weight in the mean.
        return (score(both, in_reference, in_estimate), 1.0) if in_reference else (0.0, 0.0)

    return measure


#: Frames a second on which notes are held against each other: those that a probe is asked about.
SCORED_RATE = 25.0


class Notes(KindOverTime):
    """The pitches that sound in a track."""

    name, noun = "notes", "pitches over time"
    column_words = ("note",)
    written = "[[start, end, MIDI number], …]"
    frames = Tags()
    metrics = (
        Metric("note_frame_f", "frame F of notes", of_frames(lambda both, wanted, said: 2 * both / (wanted + said))),
        Metric(
            "note_frame_accuracy",
            "frame accuracy of notes",
            of_frames(lambda both, wanted, said: both / (wanted + said - both)),
        ),
    )

    def recognises(self, column: Column) -> bool:
        """Return whether most cells are notes: records, or lists of three numbers that overlap or are called so."""
        named = any(word in column.name.lower() for word in ("note", "pitch", "midi"))
        return most(is_notes(cell) and (named or is_surely_notes(cell)) for cell in column.cells)

    def read_track(self, cell: Any, clip: str, start: float) -> NoteSpans:
        """Read notes."""
        return notes_of(cell, clip, start)

    def onsets(self, track: NoteSpans) -> Array:
        """Return when they begin."""
        return track.intervals[:, 0]

    def names_of(self, tracks: Sequence[NoteSpans]) -> tuple[str, ...]:
        """Return the pitches that occur, from the lowest."""
        return tuple(map(pitch_name, sorted({int(pitch) for track in tracks for pitch in track.pitches})))

    def heard(self, track: NoteSpans, seconds: float) -> NoteSpans:
        """Return the notes up to the end of the clip."""
        inside = track.intervals[:, 0] < seconds
        return NoteSpans(np.minimum(track.intervals[inside], seconds), track.pitches[inside])

    def changed_track(self, track: NoteSpans, semitones: float, tempo: float) -> NoteSpans:
        """Return the notes at the pitches and times where they are then."""
        return NoteSpans(track.intervals / tempo, track.pitches + whole_semitones(semitones))

    def frame_targets(self, track: NoteSpans, names: Sequence[str], frames: int, rate: float) -> NDArray[np.float32]:
        """Return which pitches sound in each frame."""
        return track.roll([NUMBERS[name] for name in names], frames, rate).astype(np.float32)

    def calibrate(self, scores: NDArray[np.float32], values: NDArray[Any]) -> Calibration:
        """Return the curves, and the thresholds that are best for frames."""
        return self.frames.calibrate(scores, values)

    def decode(self, scores: Scores, names: Sequence[str], rate: float, calibration: Calibration) -> list[NoteSpans]:
        """Return a note for every stretch of frames in which the probability of a pitch is above its threshold."""
        tracks = []
        for track in scores:
            given = calibration.probabilities(track) >= np.asarray(calibration.thresholds)
            steps = np.diff(np.pad(given, ((1, 1), (0, 0))).astype(np.int8), axis=0)
            # Transposed, so that beginnings and ends come pitch by pitch, in pairs.
            columns, starts = np.nonzero(steps.T == 1)
            ends = np.nonzero(steps.T == -1)[1]
            order = np.lexsort((columns, starts))
            pitches = np.array([NUMBERS[name] for name in names], dtype=np.int64)[columns]
            tracks.append(NoteSpans(np.stack([starts, ends], axis=1)[order] / rate, pitches[order]))
        return tracks

    def as_answer(self, track: NoteSpans) -> dict[str, Any]:
        """Return start, end and MIDI number of each note."""
        pairs = zip(track.intervals.tolist(), track.pitches.tolist(), strict=True)
        return {"notes": [[*times, pitch] for times, pitch in pairs]}

    def rows(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a row a note."""
        return [
            {"start": start, "end": end, "note": pitch_name(pitch), "pitch": pitch}
            for start, end, pitch in answer["notes"]
        ]

    def observations(self, answer: dict[str, Any], seconds: float) -> tuple[str, list[Observation]]:
        """Return notes by their MIDI numbers."""
        return "note_midi", [(start, end - start, pitch, None) for start, end, pitch in answer["notes"]]


#: Of a piano. Names of stretches are smaller numbers, and so are the times of three beats.
LOWEST = 21


def is_surely_notes(cell: Sequence[Any]) -> bool:
    """Return whether notes could be neither labelled stretches, which do not overlap, nor two lists of three times."""
    rows = sorted([as_float(value) for value in entry_values(entry)] or [math.nan] * len(KEYS) for entry in cell)
    overlaps = len(rows) > 1 and any(after[0] < before[1] for before, after in pairwise(rows))
    high = most(row[2] >= LOWEST for row in rows)
    return (overlaps and high) or any(isinstance(entry, dict) for entry in cell)
