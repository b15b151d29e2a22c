"""Melody: the pitch of the leading voice over time, and where there is none.

Cells are lists of ``[time, frequency]``, or records with ``times`` and ``frequencies``; a frequency of 0 or less is
silence. A probe names the semitone of each frame, 25 a second, or says that it has none; its neighbours say how far the
pitch lies from that semitone. Raw pitch, raw chroma and overall accuracy within 50 cents are mir_eval's (Poliner et al.
2007), the mean over tracks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError
from layerscope.targets.calibration import Calibration
from layerscope.targets.cells import Column, as_float, is_list, is_numbers, most, shown
from layerscope.targets.classes import Classes
from layerscope.targets.kind import Observation
from layerscope.targets.metric import Metric
from layerscope.targets.notes import HIGHEST, NUMBERS, pitch_name
from layerscope.targets.over_time import KindOverTime, Scored, Scores, ascending_times, frame_times
from layerscope.targets.spans import IGNORED

__all__ = ["Melody", "PitchTrack", "melody_of"]

Array = NDArray[np.float64]
UNVOICED = "unvoiced"
#: MIDI number and frequency in Hz of the concert pitch.
A4 = (69, 440.0)


@dataclass(frozen=True)
class PitchTrack:
    """The melody of a track.

    Attributes
    ----------
    times : ndarray
        Seconds, ascending.
    frequencies : ndarray
        Hz, one a time; 0 or less where nothing sounds. Of an estimate, what would sound there, with a minus sign.
    """

    times: Array
    frequencies: Array


def melody_of(cell: Any, where: str, shift: float = 0.0) -> PitchTrack:
    """Read a melody: ``[time, frequency]`` each, or a record with ``times`` and ``frequencies``.

    Raises
    ------
    DataError
        If times do not ascend, a frequency is no number or beyond MIDI's notes, or the two are not equally many.

    Examples
    --------
    >>> melody_of([[0.0, 0.0], [0.01, 220.0]], "song.wav")
    PitchTrack(times=array([0.  , 0.01]), frequencies=array([  0., 220.]))
    """
    if isinstance(cell, dict):
        if not is_record(cell):
            raise DataError(f"{where}: no 'times' and 'frequencies' in {shown(cell)}")
        times, frequencies = cell["times"], cell["frequencies"]
    elif is_list(cell) and all(is_list(row) and len(row) == 2 for row in cell):
        times, frequencies = [row[0] for row in cell], [row[1] for row in cell]
    else:
        raise DataError(f"{where}: expected a list of [time, frequency], found {shown(cell)}")
    seconds = ascending_times(times, where)
    if not is_list(frequencies) or len(frequencies) != len(seconds):
        raise DataError(f"{where}: times and frequencies are not equally many")
    pitches = np.array([as_float(value) for value in frequencies], dtype=np.float64)
    wrong = ~np.isfinite(pitches) | (pitches > hertz(HIGHEST + 0.5))
    if wrong.any():
        raise DataError(f"{where}: '{shown(frequencies[int(wrong.argmax())])}' is not a frequency in Hz")
    if ((pitches > 0) & (pitches < hertz(-0.5))).any():
        raise DataError(f"{where}: {pitches[pitches > 0].min():g} is below the lowest note, 8 Hz; is it in kHz?")
    inside = seconds >= shift
    return PitchTrack(seconds[inside] - shift, pitches[inside])


def is_record(cell: Any) -> bool:
    """Return whether a cell is a record of a melody."""
    return isinstance(cell, dict) and "times" in cell and "frequencies" in cell


def hertz(number: Any) -> Any:
    """Return the frequency of MIDI numbers, in Hz.

    Examples
    --------
    >>> hertz(np.array([69.0, 57.0]))
    array([440., 220.])
    """
    return A4[1] * 2.0 ** ((number - A4[0]) / 12)


def semitones(frequencies: Array) -> NDArray[np.int64]:
    """Return the nearest MIDI numbers of frequencies in Hz, -1 where nothing sounds.

    Examples
    --------
    >>> semitones(np.array([440.0, 0.0, 262.0]))
    array([69, -1, 60])
    """
    numbers = 12 * np.log2(np.where(frequencies > 0, frequencies, 1.0) / A4[1]) + A4[0]
    return np.where(frequencies > 0, np.round(numbers), -1).astype(np.int64)


def melody_metric(measure: Callable[..., float], *, voiced: bool) -> Callable[[PitchTrack, PitchTrack], Scored]:
    """Return a metric of mir_eval as one of tracks; of voiced frames, a track without any has no weight in the mean."""

    def scored(reference: PitchTrack, estimate: PitchTrack) -> Scored:
        if not len(reference.times) or (voiced and not (reference.frequencies > 0).any()):
            return 0.0, 0.0
        pairs = (reference.times, np.maximum(reference.frequencies, 0.0)), (estimate.times, estimate.frequencies)
        with warnings.catch_warnings():
            # That nothing is voiced is an answer, or a truth, as others are.
            warnings.filterwarnings("ignore", message=".* melody has no voiced frames")
            return float(measure(*mir_eval.melody.to_cent_voicing(*pairs[0], *pairs[1]))), 1.0

    return scored


class Melody(KindOverTime):
    """The pitch of the leading voice of a track."""

    name, noun = "melody", "semitones over time"
    column_words = ("melody", "f0")
    written = "[[time, Hz], …]"
    frames = Classes()
    metrics = (
        Metric("raw_pitch", "raw pitch accuracy", melody_metric(mir_eval.melody.raw_pitch_accuracy, voiced=True)),
        Metric("raw_chroma", "raw chroma accuracy", melody_metric(mir_eval.melody.raw_chroma_accuracy, voiced=True)),
        Metric("overall_accuracy", "overall accuracy", melody_metric(mir_eval.melody.overall_accuracy, voiced=False)),
    )

    def recognises(self, column: Column) -> bool:
        """Return whether most cells are records, or, in a column named so, rows of time and frequency."""
        named = any(word in column.name.lower() for word in ("melody", "f0", "pitch", "frequency"))
        return most(
            is_record(cell)
            or (named and is_list(cell) and len(cell) > 0 and all(is_numbers(row) and len(row) == 2 for row in cell))
            for cell in column.cells
        )

    def read_track(self, cell: Any, clip: str, start: float) -> PitchTrack:
        """Read a melody."""
        return melody_of(cell, clip, start)

    def remark(self, column: Column) -> str:
        """Return that what should be Hz may be MIDI numbers, which all lie where hardly a melody does."""
        tracks = [melody_of(cell, column.name) for cell in column.cells]
        highest = max((float(track.frequencies.max(initial=0.0)) for track in tracks), default=0.0)
        if not 0 < highest <= HIGHEST:
            return ""
        return f"no frequency is above {highest:g} Hz: if these are MIDI numbers, write them in Hz"

    def onsets(self, track: PitchTrack) -> Array:
        """Return the annotated times."""
        return track.times

    def names_of(self, tracks: Sequence[PitchTrack]) -> tuple[str, ...]:
        """Return that there is none, and all semitones from the lowest to the highest."""
        numbers = np.concatenate([semitones(track.frequencies) for track in tracks])
        voiced = numbers[numbers >= 0]
        span = range(voiced.min(), voiced.max() + 1) if len(voiced) else ()
        return (UNVOICED, *map(pitch_name, span))

    def heard(self, track: PitchTrack, seconds: float) -> PitchTrack:
        """Return the melody up to the end of the clip."""
        inside = track.times < seconds
        return PitchTrack(track.times[inside], track.frequencies[inside])

    def changed_track(self, track: PitchTrack, semitones: float, tempo: float) -> PitchTrack:
        """Return the melody at the frequencies and times where it is then; what is unvoiced stays so."""
        return PitchTrack(track.times / tempo, track.frequencies * 2 ** (semitones / 12))

    def frame_targets(self, track: PitchTrack, names: Sequence[str], frames: int, rate: float) -> NDArray[np.int64]:
        """Return the semitone at the annotated time that is nearest to each frame's middle, -1 where none is near."""
        if not len(track.times):
            return np.full(frames, IGNORED)
        places = {NUMBERS[name]: place for place, name in enumerate(names) if name != UNVOICED}
        numbers = np.array([places.get(number, 0) for number in semitones(track.frequencies).tolist()])
        times = frame_times(frames, rate)
        after = np.clip(np.searchsorted(track.times, times), 1, max(1, len(track.times) - 1))
        before = after - 1
        after = np.minimum(after, len(track.times) - 1)
        nearest = np.where(times - track.times[before] <= track.times[after] - times, before, after)
        # Annotations are of every frame or, as of voiced stretches alone, leave some out.
        near = np.abs(track.times[nearest] - times) <= 1 / rate
        return np.where(near, numbers[nearest], IGNORED)

    def decode(self, scores: Scores, names: Sequence[str], rate: float, calibration: Calibration) -> list[PitchTrack]:
        """Return the likeliest pitch of every frame, with a minus sign where none is likelier."""
        return [self.decode_track(calibration.class_probabilities(track), names, rate) for track in scores]

    def decode_track(self, shares: Array, names: Sequence[str], rate: float) -> PitchTrack:
        """Return a melody from the probabilities of a track's frames, (frame, class)."""
        times, pitches = frame_times(len(shares), rate), shares[:, 1:]
        best = pitches.argmax(axis=1)
        # The mean over the best semitone and its two neighbours says where between them the pitch lies.
        near = best[:, None] + np.arange(-1, 2)
        inside = (near >= 0) & (near < pitches.shape[1])
        weights = np.take_along_axis(pitches, np.clip(near, 0, pitches.shape[1] - 1), axis=1) * inside
        lowest = NUMBERS[names[1]]
        numbers = lowest + (weights * near).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-12)
        return PitchTrack(times, np.where(shares[:, 0] > pitches.max(axis=1), -1, 1) * hertz(numbers))

    def as_answer(self, track: PitchTrack) -> dict[str, Any]:
        """Return times in seconds and frequencies in Hz, 0 where nothing sounds."""
        return {"times": track.times.tolist(), "frequencies": np.maximum(track.frequencies, 0.0).tolist()}

    def rows(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a row a frame."""
        pairs = zip(answer["times"], answer["frequencies"], strict=True)
        return [{"time": time, "frequency": frequency} for time, frequency in pairs]

    def observations(self, answer: dict[str, Any], seconds: float) -> tuple[str, list[Observation]]:
        """Return a contour."""
        pairs = zip(answer["times"], answer["frequencies"], strict=True)
        return "pitch_contour", [
            (time, 0.0, {"index": 0, "frequency": frequency, "voiced": frequency > 0}, None)
            for time, frequency in pairs
        ]
