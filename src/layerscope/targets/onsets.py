"""Onsets: when notes or sounds begin.

Cells are lists of times, records with ``onsets``, or notes (`layerscope.targets.notes`), whose starts are taken. A
probe says of each frame, 25 a second, whether a sound begins in it; peaks of that are onsets. The F-measure is
mir_eval's at 50 ms (MIREX), the mean over tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from layerscope.errors import DataError
from layerscope.targets.calibration import Calibration
from layerscope.targets.cells import Column, is_numbers, most, shown
from layerscope.targets.kind import Observation
from layerscope.targets.metric import Metric
from layerscope.targets.notes import is_notes, notes_of
from layerscope.targets.over_time import KindOverTime, Scored, Scores, ascending_times, moment_targets
from layerscope.targets.tags import Tags

__all__ = ["Onsets"]

Array = NDArray[np.float64]


def onsets_of(cell: Any, where: str, shift: float = 0.0) -> Array:
    """Read onsets: times, a record with ``onsets``, or notes, of which several may begin at once.

    Raises
    ------
    DataError
        If a time is none, or times do not ascend.

    Examples
    --------
    >>> onsets_of([0.5, 1.25], "song.wav"), onsets_of([[0.5, 0.9, 60], [0.5, 1.0, 64]], "song.wav")
    (array([0.5 , 1.25]), array([0.5]))
    """
    if isinstance(cell, dict):
        if "onsets" not in cell:
            raise DataError(f"{where}: no 'onsets' in {shown(cell)}")
        cell = cell["onsets"]
    if is_notes(cell):
        starts = np.unique([start for start, _ in notes_of(cell, where).intervals])
        return starts[starts >= shift] - shift
    return ascending_times(cell, where, shift)


def onset_f(reference: Array, estimate: Array) -> Scored:
    """Return the F-measure at 50 ms; a track without onsets has no weight in the mean."""
    if not len(reference) or not len(estimate):
        # mir_eval would say 0 as well, with a warning.
        return 0.0, float(len(reference) > 0)
    return float(mir_eval.onset.f_measure(reference, estimate)[0]), 1.0


class Onsets(KindOverTime):
    """When sounds begin in a track."""

    name, noun = "onsets", "onsets over time"
    column_words = ("onset",)
    written = "[time, …]"
    #: That of MIREX, and mir_eval's default.
    window = 0.05
    frames = Tags()
    metrics = (Metric("onset_f", "onset F", onset_f),)

    def recognises(self, column: Column) -> bool:
        """Return whether most cells are records with ``onsets``, or, in a column of that name, times or notes."""
        named = "onset" in column.name.lower()
        return most(
            (isinstance(cell, dict) and "onsets" in cell) or (named and (is_numbers(cell) or is_notes(cell)))
            for cell in column.cells
        )

    def read_track(self, cell: Any, clip: str, start: float) -> Array:
        """Read onsets."""
        return onsets_of(cell, clip, start)

    def onsets(self, track: Array) -> Array:
        """Return them."""
        return track

    def names_of(self, tracks: Sequence[Array]) -> tuple[str, ...]:
        """Return the one."""
        return ("onset",)

    def heard(self, track: Array, seconds: float) -> Array:
        """Return the onsets before the end of the clip."""
        return track[track < seconds]

    def changed_track(self, track: Array, semitones: float, tempo: float) -> Array:
        """Return the onsets at the times where they come then."""
        return track / tempo

    def frame_targets(self, track: Array, names: Sequence[str], frames: int, rate: float) -> NDArray[np.float32]:
        """Return whether each frame holds an onset."""
        return moment_targets(track, frames, rate)[:, None]

    def calibrate(self, scores: NDArray[np.float32], values: NDArray[Any]) -> Calibration:
        """Return the curve, and the threshold that is best for frames."""
        return self.frames.calibrate(scores, values)

    def decode(self, scores: Scores, names: Sequence[str], rate: float, calibration: Calibration) -> list[Array]:
        """Return where the probability peaks above the threshold."""
        # Zeros at both ends, so that the first and the last frame may be peaks.
        chances = [np.pad(calibration.probabilities(track)[:, 0], 1) for track in scores]
        peaks = [find_peaks(chance, height=calibration.thresholds[0])[0] for chance in chances]
        return [(places.astype(np.float64) - 0.5) / rate for places in peaks]

    def as_answer(self, track: Array) -> dict[str, Any]:
        """Return times in seconds."""
        return {"onsets": track.tolist()}

    def rows(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a row an onset."""
        return [{"time": time} for time in answer["onsets"]]

    def observations(self, answer: dict[str, Any], seconds: float) -> tuple[str, list[Observation]]:
        """Return moments."""
        return "onset", [(time, 0.0, None, None) for time in answer["onsets"]]

    def words(self, names: Sequence[str]) -> str:
        """Return the noun: there is always one."""
        return self.noun
