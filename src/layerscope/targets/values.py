"""Values: a number, or as many for every clip.

Cells are numbers, texts of numbers, or lists of them; several columns, named with commas between, are dimensions of one
target. The metric is R², the mean over dimensions, and of several dimensions that of each as well (``r2:valence``). It
agrees with scikit-learn's ``r2_score``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError
from layerscope.targets.calibration import Calibration
from layerscope.targets.cells import Column, as_float, doubt_of_whole_lists, is_list, is_number, is_numbers, most, shown
from layerscope.targets.changed_sound import refuse_change
from layerscope.targets.kind import Form, Kind, Labels, Observation, row_of
from layerscope.targets.metric import Metric
from layerscope.targets.tags import yes_or_no

__all__ = ["Values", "few_hold_most", "held_by_few", "r2", "tail_unseen"]

Array = NDArray[np.float64]

#: Whole numbers with more distinct values than this are quantities, not names of classes.
MOST_NUMBERED_CLASSES = 20


def r2(predictions: Array, targets: Array, weights: Array) -> Array:
    """Return the coefficient of determination over the whole split, the mean over dimensions, at most 1.

    Examples
    --------
    >>> r2(np.array([[1.0], [2.0], [2.0]]), np.array([[1.0], [2.0], [3.0]]), np.ones((1, 3)))
    array([0.5])
    """
    return np.mean(r2_each(predictions, targets, weights), axis=1)


def r2_each(predictions: Array, targets: Array, weights: Array) -> Array:
    """Return R² for each dimension, shape (resample, dimension)."""
    total = weights.sum(axis=1, keepdims=True)
    # In float32 the mean alone is off by the seventh digit, and R² near 0 by more.
    predictions, targets = predictions.astype(np.float64), targets.astype(np.float64)
    # Centring first keeps the subtraction below from cancelling.
    centred = targets - targets.mean(axis=0)
    mean = weights @ centred / total
    spread = weights @ centred**2 - total * mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = weights @ (targets - predictions) ** 2 / spread
    # A resample whose targets are all equal has no R².
    result: Array = np.where(spread > 1e-12 * total, 1 - ratio, np.nan)
    return result


def r2_of(dimension: int, predictions: Array, targets: Array, weights: Array) -> Array:
    """Return R² of one dimension."""
    return r2_each(predictions, targets, weights)[:, dimension]


#: Beyond, single precision, in which probes compute, knows no number.
LARGEST = float(np.finfo(np.float32).max)
#: Rounding to single precision may cost this share of the standard deviation.
MOST_ROUNDING = 1e-3


#: What is written for a number that is not known.
NOTHING = (0.0, -1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0, 99999.0)


def numbers_of(cell: Any) -> list[float]:
    """Return the numbers of a cell, none where one is not finite, or no number.

    Examples
    --------
    >>> numbers_of([0.5, "1.5"]), numbers_of(120), numbers_of("n/a")
    ([0.5, 1.5], [120.0], [])
    """
    values = [as_float(item) for item in (cell if is_list(cell) else [cell])]
    return values if all(abs(value) <= LARGEST for value in values) else []


def not_numbers(cell: Any) -> str:
    """Return what is wrong with a cell of which `numbers_of` gives none."""
    return f"'{shown(cell)}' is not {'a list of finite numbers' if is_list(cell) else 'a finite number'}"


def refuse_merged(values: Array, names: Sequence[str]) -> None:
    """Raise for a dimension so far from 0, for how little it varies, that single precision rounds differences away."""
    rounding = np.abs(values - values.astype(np.float32)).max(axis=0)
    # Scaled first, since squares of the largest numbers are none.
    largest = np.maximum(np.abs(values).max(axis=0), 1e-300)
    spread = largest * (values / largest).std(axis=0)
    for name, lost, varies, row in zip(names, rounding, spread, values.T, strict=True):
        if lost > MOST_ROUNDING * varies and np.ptp(row) > 0:
            raise DataError(
                f"the numbers of '{name}' ({row.min():.10g} to {row.max():.10g}) differ by too little beside "
                f"their size to be kept apart in single precision; subtract {row.min():.10g} from each"
            )


#: Columns of beats a minute, which change as the tempo does.
TEMPI = ("tempo", "bpm")


class Values(Kind):
    """Numbers."""

    name, noun = "values", "values"
    form: Form = "values"
    metrics = (Metric("r2", "R²", r2, percent=False),)
    # The mean of the targets has R² 0, and no other constant has more.
    chance = 0.0

    def recognises(self, column: Column) -> bool:
        """Return whether most cells are numbers that name no classes, or lists of numbers, or columns are several."""
        if "," in column.name:
            return True
        if yes_or_no(column.cells):
            return False
        # An empty list may be one of tags.
        if most(is_numbers(cell) for cell in column.cells if is_list(cell) and cell):
            return most(map(is_list, column.cells))
        values = [as_float(cell) for cell in column.cells]
        if not most(is_number(cell) or math.isfinite(value) for cell, value in zip(column.cells, values, strict=True)):
            return False
        # Texts of digits alone may be names; that some have decimals shows that all are numbers.
        whole = all(value.is_integer() for value in values if math.isfinite(value))
        return not whole or len({cell for cell in column.cells if is_number(cell)}) > MOST_NUMBERED_CLASSES

    def doubt(self, column: Column) -> str:
        """Return that lists of whole numbers, or columns of 0 and 1, may be of tags."""
        if "," not in column.name:
            return doubt_of_whole_lists(column.cells)
        if not yes_or_no(column.cells):
            return ""
        return "columns of 0 and 1 may be tags or measurements; say --kind tags or --kind values"

    def faults(self, column: Column) -> dict[int, str]:
        """Return which cells are not as many finite numbers as most have."""
        rows = [numbers_of(cell) for cell in column.cells]
        usual = Counter(map(len, filter(None, rows))).most_common(1)
        width = usual[0][0] if usual else 1
        return {
            row: f"'{shown(cell)}' holds {len(values)} numbers, most labels {width}" if values else not_numbers(cell)
            for row, (cell, values) in enumerate(zip(column.cells, rows, strict=True))
            if len(values) != width
        }

    def remark(self, column: Column) -> str:
        """Return which number may stand for nothing: one that is written so, occurs more than once and lies apart."""
        numbers = [value for cell in column.cells for value in numbers_of(cell)]
        counts = Counter(numbers)
        apart = []
        for value in NOTHING:
            others = counts.keys() - {value}
            lowest, highest = min(others, default=-1.0), max(others, default=math.inf)
            # 0 lies apart from tempi, and not from ratings.
            lone = value < 0 <= lowest or value > 10 * highest or (value == 0 and lowest > highest - lowest)
            apart += [value] if lone and counts[value] > 1 else []
        words = [f"{value:g} in {counts[value]} of {len(numbers)} numbers may stand for nothing" for value in apart]
        return f"{'; '.join(words)}: if so, empty these cells" if words else ""

    def read(self, column: Column) -> Labels:
        """Read numbers into a (clip, dimension) table, whose dimensions are called as the columns, or numbered.

        Examples
        --------
        >>> Values().read(Column("valence,arousal", [[0.5, -1.0], [0.0, 2.0]])).names
        ('valence', 'arousal')
        """
        rows = [numbers_of(cell) for cell in column.cells]
        if not all(rows) or len(set(map(len, rows))) != 1:
            reason = next(iter(self.faults(column).values()), "there are no labels")
            raise DataError(f"{reason}; values need as many for every clip (times of beats are of kind 'beats')")
        values = np.array(rows)
        names = tuple(column.name.split(",")) if column.name else ()
        if len(names) != values.shape[1]:
            names = tuple(str(dimension) for dimension in range(values.shape[1]))
        refuse_merged(values, names)
        return Labels(self, names, values.astype(np.float32))

    def metrics_of(self, names: Sequence[str]) -> tuple[Metric, ...]:
        """Return R², and of several dimensions that of each."""
        if len(names) == 1:
            return self.metrics
        each = (replace(self.metrics[0].of(name), measure=partial(r2_of, place)) for place, name in enumerate(names))
        return (*self.metrics, *each)

    def strata(self, labels: Labels) -> NDArray[np.int64]:
        """Return the fifth in which the first dimension lies."""
        first = labels.values[:, 0]
        return np.searchsorted(np.quantile(first, [0.2, 0.4, 0.6, 0.8]), first).astype(np.int64)

    def unscorable(self, labels: Labels, split: str) -> str:
        """Every dimension must vary."""
        varies = labels.values.min(axis=0) < labels.values.max(axis=0)
        constant = labels.names[int(varies.argmin())]
        return "" if varies.all() else f"'{constant}' is the same for every clip of the {split} split"

    def answer(self, scores: NDArray[np.float32], names: Sequence[str], calibration: Calibration) -> dict[str, Any]:
        """Return the number of each dimension."""
        return {"values": dict(zip(names, map(float, scores), strict=True))}

    def changed(self, labels: Labels, column: str, semitones: float, tempo: float) -> Labels:
        """Return the values as they are but for tempi, unless they may tell of what changes."""
        # Lists of numbers have one name for all.
        names = labels.names if "," in column else [column] * len(labels.names)
        factors = [tempo if name.lower() in TEMPI else 1.0 for name in names]
        for name in names:
            if name.lower() not in TEMPI:
                refuse_change(name, (), semitones, tempo)
        return replace(labels, values=labels.values * np.array(factors, np.float32))

    def rows(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a row with a column for each dimension."""
        return [row_of({}, answer["values"], "value")]

    def observations(self, answer: dict[str, Any], seconds: float) -> tuple[str, list[Observation]]:
        """Return tags of the form ``tempo=120`` that hold for all of the file."""
        return "tag_open", [(0.0, seconds, f"{name}={value:.6g}", None) for name, value in answer["values"].items()]

    def words(self, names: Sequence[str]) -> str:
        """Return how many values there are."""
        return f"{len(names)} {'values' if len(names) > 1 else 'value'}"


def held_by_few(labels: Labels) -> list[str]:
    """Return the values of which a twentieth of the clips, the farthest from the mean, hold most of the variance.

    Examples
    --------
    >>> from layerscope.targets import labels_of
    >>> plays = np.random.default_rng(0).lognormal(sigma=1.5, size=200)
    >>> held_by_few(labels_of(plays.tolist())), held_by_few(labels_of(np.log(plays).tolist()))
    (['0'], [])
    """
    if labels.kind.over_time or labels.kind.form != "values":
        return []
    held = few_hold_most(np.square(labels.values - labels.values.mean(axis=0)))
    return [name for name, is_held in zip(labels.names, held, strict=True) if is_held]


#: Of fewer clips `held_by_few` misses most long tails: of 60 lognormal values it finds more than half.
FEW_CLIPS = 60


def tail_unseen(labels: Labels) -> int:
    """Return of how many clips values are that are too few to show a long tail; 0 of enough, and where one is shown.

    Examples
    --------
    >>> from layerscope.targets import labels_of
    >>> ratings = np.random.default_rng(0).uniform(1, 9, size=80).tolist()
    >>> tail_unseen(labels_of(ratings)), tail_unseen(labels_of(ratings[:30]))
    (0, 30)
    """
    if labels.kind.over_time or labels.kind.form != "values" or held_by_few(labels):
        return 0
    return len(labels.values) if len(labels.values) < FEW_CLIPS else 0


def few_hold_most(squares: NDArray[Any]) -> NDArray[np.bool_]:
    """Return of which outputs a twentieth of the clips hold most of squares, (clip, output)."""
    # A twentieth of fewer is a single clip, which holds much of what is normal too.
    held: NDArray[np.bool_] = (
        np.sort(squares, axis=0)[-max(1, len(squares) // 20) :].sum(axis=0) > squares.sum(axis=0) / 2
    )
    return held & (len(squares) >= 20)
