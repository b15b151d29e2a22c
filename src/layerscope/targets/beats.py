"""Beats and downbeats.

Cells are lists of times, pairs of lists (beats, downbeats), lists of ``[time, position in the bar]``, or records with
``beat`` and ``downbeat``. A probe says of each frame, 25 a
second, whether it holds a beat and a downbeat; the bar-pointer model makes beats of that. F-measures are mir_eval's at
70 ms (Davies et al. 2009) and at 20 ms, the mean over tracks. mir_eval's ``trim_beats`` is not called: MARBLE counts
the first five seconds as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError
from layerscope.targets.bar_pointer import bar_pointer
from layerscope.targets.calibration import Calibration
from layerscope.targets.cells import Column, as_float, doubt_of_whole_lists, is_list, is_numbers, most, shown
from layerscope.targets.kind import Observation
from layerscope.targets.metric import Metric
from layerscope.targets.over_time import KindOverTime, Scored, Scores, ascending_times, moment_targets
from layerscope.targets.tags import Tags

__all__ = ["BeatTimes", "Beats", "beat_f", "beat_positions", "beat_targets", "beats_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BeatTimes:
    """Beats of a track.

    Attributes
    ----------
    beats, downbeats : ndarray
        Seconds, ascending; downbeats are empty where they are not annotated.
    """

    beats: Array
    downbeats: Array


def beats_of(cell: Any, where: str, shift: float = 0.0) -> BeatTimes:
    """Read beats: times, a pair of lists, ``[time, position]`` each, or a record with ``beat`` and ``downbeat``.

    Raises
    ------
    DataError
        If a time is none, times do not ascend, or rows of two numbers may mean several things.

    Examples
    --------
    >>> beats_of([[0.5, 4], [1.0, 1], [1.5, 2]], "song.wav")
    BeatTimes(beats=array([0.5, 1. , 1.5]), downbeats=array([1.]))
    """
    if isinstance(cell, dict):
        if "beat" not in cell:
            raise DataError(f"{where}: no 'beat' in {shown(cell)}")
        beats, downbeats = cell["beat"], cell.get("downbeat", [])
    elif is_list(cell) and most(map(is_row, cell)) and not is_pair(cell):
        beats, downbeats = by_position(cell, where)
    elif is_list(cell) and len(cell) == 2 and all(map(is_list, cell)):
        beats, downbeats = cell
    else:
        beats, downbeats = cell, []
    return BeatTimes(ascending_times(beats, where, shift), ascending_times(downbeats, where, shift))


def is_row(item: Any) -> bool:
    """Return whether an item of a cell is two numbers."""
    return is_numbers(item) and len(item) == 2


def is_pair(cell: Any) -> bool:
    """Return whether a cell of two rows of numbers is a list of beats and one of those among them that are downbeats.

    Two beats with their positions are none: the second time would be a position, or both times the same.
    """
    return len(cell) == 2 and all(map(is_row, cell)) and set(cell[1]) <= set(cell[0]) and cell[1][0] < cell[1][1]


def are_spans(cell: Sequence[Any]) -> bool:
    """Return whether lists of numbers are ``[start, end, name]`` each, the names whole numbers, and no times."""
    triples = all(len(row) == 3 and row[0] < row[1] and as_float(row[2]).is_integer() for row in cell)
    # Two of them may be three beats, and which of these are downbeats.
    return triples and not (len(cell) == 2 and set(cell[1]) <= set(cell[0]) and cell[0][1] < cell[0][2])


#: Beats of the longest bar.
LONGEST_BAR = 32


def by_position(rows: Sequence[Any], where: str) -> tuple[list[float], list[float]]:
    """Return the times of beats and of downbeats, those at position 1."""
    odd = next((row for row in rows if not is_row(row) or row[1] not in range(1, LONGEST_BAR + 1)), None)
    if odd is not None:
        raise DataError(
            f"{where}: {shown(odd)} is not [time, position in the bar], nor are the two lists beats and downbeats "
            "(spans need a label each)"
        )
    # [[0, 1], [1, 2]] may be beats one second apart, or spans that follow one another.
    ascend = all(start < end for start, end in rows)
    if len(rows) > 1 and ascend and all(row[1] == after[0] for row, after in pairwise(rows)):
        raise DataError(
            f"{where}: {shown(rows)} may be spans without labels or beats with positions; write spans as "
            '[start, end, label] and beats as {"beat": […], "downbeat": […]}'
        )
    return [row[0] for row in rows], [row[0] for row in rows if row[1] == 1]


def beat_targets(beats: BeatTimes, frames: int, rate: float) -> NDArray[np.float32]:
    """Return, for each frame, whether it holds a beat and a downbeat, (frame, 2); neighbours count half."""
    return np.stack([moment_targets(times, frames, rate) for times in (beats.beats, beats.downbeats)], axis=1)


def beat_f(window: float, *, down: bool) -> Callable[[BeatTimes, BeatTimes], Scored]:
    """Return the F-measure of beats (or downbeats) within a window in seconds (Davies et al. 2009)."""

    def measure(reference: BeatTimes, estimate: BeatTimes) -> Scored:
        pair = [times.downbeats if down else times.beats for times in (reference, estimate)]
        if not len(pair[0]):
            # Downbeats that nobody annotated: the track has no weight in the mean.
            return 0.0, 0.0
        if not len(pair[1]):
            # mir_eval would say 0 as well, with a warning.
            return 0.0, 1.0
        return float(mir_eval.beat.f_measure(*pair, f_measure_threshold=window)), 1.0

    return measure


def beat_positions(beats: Sequence[float], downbeats: set[float]) -> list[int]:
    """Return the place of each beat in its bar, from 1; beats before the first downbeat count up to it.

    Examples
    --------
    >>> beat_positions([0.5, 1.0, 1.5, 2.0, 2.5], {1.0, 2.5})
    [3, 1, 2, 3, 1]
    """
    first = next((number for number, time in enumerate(beats) if time in downbeats), 0)
    metre = next((number - first for number, time in enumerate(beats) if number > first and time in downbeats), 4)
    places: list[int] = []
    for number, time in enumerate(beats):
        if time in downbeats:
            places.append(1)
        elif places:
            places.append(places[-1] + 1)
        else:
            places.append((number - first) % metre + 1)
    return places


#: Lists of fewer numbers may ascend by chance.
FEW_TIMES = 4


def holds_times(name: str, cells: Sequence[Any]) -> bool:
    """Return whether lists of numbers are times of beats, of which tracks have different numbers, rather than values.

    Of most tracks the number may be the same: long lists that ascend are times where any other is of another length.
    """
    lists = [cell for cell in cells if is_numbers(cell)]
    counts = Counter(map(len, lists))
    (commonest, occurrences), *_ = counts.most_common(1)
    ascend = most(all(one < after for one, after in pairwise(cell)) for cell in lists)
    if "beat" in name.lower():
        return ascend
    return not most([True] * occurrences + [False] * (len(lists) - occurrences)) or (
        len(counts) > 1 and commonest >= FEW_TIMES and ascend
    )


class Beats(KindOverTime):
    """Beats and downbeats of a track."""

    name, noun = "beats", "beats and downbeats"
    column_words = ("beat",)
    written = '[time, …] or {"beat": [time, …], "downbeat": [time, …]}'
    frames = Tags()
    metrics = (
        Metric("beat_f", "beat F", beat_f(KindOverTime.window, down=False)),
        Metric("downbeat_f", "downbeat F", beat_f(KindOverTime.window, down=True)),
        Metric("beat_f_20ms", "beat F (20 ms)", beat_f(0.02, down=False)),
        Metric("downbeat_f_20ms", "downbeat F (20 ms)", beat_f(0.02, down=True)),
    )

    def recognises(self, column: Column) -> bool:
        """Return whether most cells are records, rows or pairs of lists of numbers, or lists of times."""
        filled = [cell for cell in column.cells if cell or not is_list(cell)]
        named = "beat" in column.name.lower()
        nested = [is_list(cell) and all(map(is_numbers, cell)) and (named or not are_spans(cell)) for cell in filled]
        records = [isinstance(cell, dict) and "beat" in cell for cell in filled]
        return most(map(max, records, nested)) or (
            most(map(is_numbers, filled)) and "," not in column.name and holds_times(column.name, filled)
        )

    def doubt(self, column: Column) -> str:
        """Return that whole numbers in a column that is not called after beats may be something else."""
        return "" if "beat" in column.name.lower() else doubt_of_whole_lists(column.cells)

    def read_track(self, cell: Any, clip: str, start: float) -> BeatTimes:
        """Read beats."""
        return beats_of(cell, clip, start)

    def onsets(self, track: BeatTimes) -> Array:
        """Return the beats."""
        return track.beats

    def names_of(self, tracks: Sequence[BeatTimes]) -> tuple[str, ...]:
        """Return the two."""
        return ("beat", "downbeat")

    def heard(self, track: BeatTimes, seconds: float) -> BeatTimes:
        """Return the beats before the end of the clip."""
        return BeatTimes(*(times[times < seconds] for times in (track.beats, track.downbeats)))

    def changed_track(self, track: BeatTimes, semitones: float, tempo: float) -> BeatTimes:
        """Return the beats at the times where they come then."""
        return BeatTimes(track.beats / tempo, track.downbeats / tempo)

    def is_complete(self, track: BeatTimes) -> bool:
        """Return whether downbeats are annotated: a track without them is scored for its beats alone."""
        return len(track.downbeats) > 0

    def frame_targets(self, track: BeatTimes, names: Sequence[str], frames: int, rate: float) -> NDArray[np.float32]:
        """Return whether each frame holds a beat and a downbeat."""
        return beat_targets(track, frames, rate)

    def decode(self, scores: Scores, names: Sequence[str], rate: float, calibration: Calibration) -> list[BeatTimes]:
        """Return the likeliest beats of each track, whole."""
        paths = bar_pointer([calibration.probabilities(track) for track in scores], rate)
        return [BeatTimes(times, times[down]) for times, down in paths]

    def as_answer(self, track: BeatTimes) -> dict[str, Any]:
        """Return times in seconds."""
        return {"beats": track.beats.tolist(), "downbeats": track.downbeats.tolist()}

    def rows(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a row a beat."""
        # Equal to the last bit: downbeats are taken out of the same array as the beats.
        down = set(answer["downbeats"])
        return [{"time": time, "beat": "downbeat" if time in down else "beat"} for time in answer["beats"]]

    def observations(self, answer: dict[str, Any], seconds: float) -> tuple[str, list[Observation]]:
        """Return beats with their places in the bar."""
        positions = beat_positions(answer["beats"], set(answer["downbeats"]))
        return "beat", [(time, 0.0, place, None) for time, place in zip(answer["beats"], positions, strict=True)]

    def words(self, names: Sequence[str]) -> str:
        """Return the noun: there are always two."""
        return self.noun
