"""Classes: one of several names.

Cells are names, or whole numbers of at most 20 distinct values (more are quantities: kind ``values``). Names are
sorted, numbers by their size. Accuracy and macro F1 agree with scikit-learn's ``accuracy_score`` and
``f1_score(average="macro")``; they are of whole splits, never averages over batches.
"""

from __future__ import annotations

import numbers
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError
from layerscope.targets.calibration import Calibration, softmax_slope, surest_of
from layerscope.targets.cells import MOST, Column, as_float, counted, is_name, most, shown
from layerscope.targets.changed_sound import refuse_change
from layerscope.targets.kind import Form, Kind, Labels, Observation, defined_mean, row_of
from layerscope.targets.label_names import FEW_SEVERAL, PRINTED, remark_on_names, several_names
from layerscope.targets.metric import Metric

__all__ = ["ACCURACY", "Classes", "accuracy", "macro_f1"]

Array = NDArray[np.float64]


def accuracy(scores: Array, targets: NDArray[np.int64], weights: Array) -> Array:
    """Return the share of clips whose highest score is the target's, in [0, 1].

    Examples
    --------
    >>> scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> accuracy(scores, np.array([0, 0, 1]), np.array([[1.0, 1, 1], [1, 0, 1]]))
    array([0.66666667, 1.        ])
    """
    hits = scores.argmax(axis=1) == targets
    return weights @ hits / weights.sum(axis=1)


def macro_f1(scores: Array, targets: NDArray[np.int64], weights: Array) -> Array:
    """Return the mean over classes of the F1 score, in [0, 1]; classes neither present nor predicted are left out.

    Examples
    --------
    >>> scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> macro_f1(scores, np.array([0, 0, 1]), np.ones((1, 3)))
    array([0.66666667])
    """
    predictions = scores.argmax(axis=1)
    classes = np.arange(scores.shape[1])
    is_target, is_predicted = targets[:, None] == classes, predictions[:, None] == classes
    hits = weights @ (is_target & is_predicted)
    total = weights @ is_target + weights @ is_predicted
    with np.errstate(invalid="ignore"):
        return defined_mean(2 * hits / total)


ACCURACY = Metric("accuracy", "accuracy", accuracy, counts=True)


def is_whole(cell: Any) -> bool:
    """Return whether a cell is a whole number."""
    return isinstance(cell, numbers.Integral) and not isinstance(cell, bool)


#: Numbers parted by blanks, semicolons, commas or apostrophes.
SEVERAL_NUMBERS = re.compile(r"[+-]?[\d.]+(?:[;,\s'’]+[+-]?[\d.]+)+%?")
#: A start, an end and a name.
SPAN = re.compile(r"[\[(\s]*\d+(?:\.\d+)?[\s,;:]+\d+(?:\.\d+)?[\s,;:]+[^\W\d]")
#: Numbers with a unit behind.
MEASURE = re.compile(r"[+-]?\d+(?:[.,]\d+)?\s*([^\d\s.,]{1,6})")
#: What cells that are no name are called in messages.
NO_NAMES = {list: "a list", tuple: "a list", dict: "a record", type(None): "nothing"}


def what_else(cell: Any) -> str:
    """Return what a cell is that is not one name."""
    return "several names" if isinstance(cell, str) else NO_NAMES.get(type(cell), "no name")


#: Up to so many clips, that a name occurs once says nothing.
FEW_CLIPS = 10
#: The share of clips up to which names that occur once are rare ones, or slips, beside those that can be learnt.
FEW_SINGLE = 0.1


class Classes(Kind):
    """One of several names."""

    name, noun = "classes", "classes"
    form: Form = "classes"
    # Where classes count as fewer than eight clips each, intervals of macro F1 do not cover (docs/decisions.md).
    metrics: tuple[Metric, ...] = (ACCURACY, Metric("macro_f1", "macro F1", macro_f1, fewest_each=8))

    def recognises(self, column: Column) -> bool:
        """Return whether most cells are names: the kinds that are asked before have taken what is more than one."""
        return most(map(is_name, column.cells))

    def doubt(self, column: Column) -> str:
        """Return that many cells look like several names or numbers or are printed values, or that most occur once."""
        names = [str(cell) for cell in column.cells if is_name(cell)]
        several = several_names(names)
        # What names look like, the share of them from which on that counts, and what to write.
        looks: tuple[tuple[Callable[[str], object], float, str, str], ...] = (
            (SPAN.match, MOST, "looks like spans of time", "[[start, end, name], …]"),
            (several.__contains__, FEW_SEVERAL, "looks like several names, and so do {} of {} cells",
             "tags with | between them (rock|pop)"),
            (PRINTED.fullmatch, FEW_SEVERAL, "is how Python prints a value, and so are {} of {} cells",
             "the value itself (1.5, rock)"),
            (SEVERAL_NUMBERS.fullmatch, MOST, "looks like several numbers, or like one whose thousands are parted",
             "a plain number (1000.5) or a list ([0.5, 0.6])"),
        )  # fmt: skip
        for is_such, share, words, written in looks:
            such = [name for name in names if is_such(name)]
            if len(such) > share * len(names):
                subject = f"'{shown(such[0])}' {words.format(len(such), len(names))}"
                return f"{subject}; write {written}, or say --kind classes, to which each cell is one name"
        return self.single(names)

    def single(self, names: Sequence[str]) -> str:
        """Return that most names occur once, as measurements in a notation that is not read, dates and titles do."""
        counts = Counter(names)
        once = [name for name, count in counts.items() if count == 1]
        if len(names) <= FEW_CLIPS or 2 * len(once) <= len(counts) or len(once) <= FEW_SINGLE * len(names):
            return ""
        return (
            f"{len(once)} of {len(counts)} labels occur once, such as '{shown(once[0])}', and cannot be learnt; if "
            "they are measurements, write plain numbers (60, 1007.5) and --kind values; to insist, say --kind classes"
        )

    def remark(self, column: Column) -> str:
        """Return which names may be none, or one, and which are whole numbers that may measure something."""
        counts = Counter(str(cell) for cell in column.cells)
        values = {as_float(name) for name in counts}
        measures = [MEASURE.fullmatch(name) for name in counts]
        if len({match[1] for match in measures if match}) == 1 and all(measures):
            return f"names that look like numbers with a unit: {counted(counts)}; if so, write plain numbers"
        # Codes of classes follow one another, from 0 or 1.
        coded = values and min(values) in (0, 1) and max(values) - min(values) < len(values)
        if values and not coded and all(map(float.is_integer, values)):
            return f"numbers taken as names: {counted(counts)}; if they measure something, say --kind values"
        return remark_on_names(counts)

    def faults(self, column: Column) -> dict[int, str]:
        """Return which cells are no names, or several among cells of one."""
        several = set() if column.named else several_names(column.cells)
        few = sum(cell in several for cell in column.cells if isinstance(cell, str)) <= FEW_SEVERAL * len(column.cells)
        return {
            row: f"'{shown(cell)}' is {what_else(cell)}; a class is one name"
            for row, cell in enumerate(column.cells)
            if not is_name(cell) or (few and isinstance(cell, str) and cell in several)
        }

    def read(self, column: Column) -> Labels:
        """Read names."""
        for cell in column.cells:
            if not is_name(cell):
                raise DataError(f"label '{shown(cell)}' is {what_else(cell)}; a class is one name")
        # As written: the number 1 and the text "1" are one class.
        texts = [str(cell) for cell in column.cells]
        # Whole numbers by their size, so that 10 comes after 9, then names.
        whole = {text: cell for text, cell in zip(texts, column.cells, strict=True) if is_whole(cell)}
        names = [*sorted(whole, key=whole.__getitem__), *sorted(set(texts) - set(whole))]
        index = {name: number for number, name in enumerate(names)}
        return Labels(self, tuple(index), np.array([index[text] for text in texts], dtype=np.int64))

    def strata(self, labels: Labels) -> NDArray[np.int64]:
        """Return the classes."""
        return labels.values.astype(np.int64)

    def unlearnable(self, train: Labels) -> str:
        """Two classes at least are needed."""
        return "holds a single class" if len(np.unique(train.values)) < 2 else ""

    def constant(self, train: Labels) -> NDArray[Any]:
        """Return how often each class is there: the commonest wins."""
        return np.bincount(train.values, minlength=len(train.names))

    def calibrate(self, scores: NDArray[np.float32], values: NDArray[Any]) -> Calibration:
        """Return the slope with which all classes' scores become probabilities."""
        return Calibration([[softmax_slope(scores, values), 0.0]], surest=surest_of(len(scores)))

    def answer(self, scores: NDArray[np.float32], names: Sequence[str], calibration: Calibration) -> dict[str, Any]:
        """Return the likeliest name and the probabilities of all.

        Examples
        --------
        >>> Classes().answer(np.array([0.0, 0.0], np.float32), ["jazz", "rock"], Calibration())
        {'label': 'jazz', 'probabilities': {'jazz': 0.5, 'rock': 0.5}}
        """
        shares = calibration.class_probabilities(scores)
        probabilities = dict(zip(names, map(float, shares), strict=True))
        return {"label": names[int(shares.argmax())], "probabilities": probabilities}

    def changed(self, labels: Labels, column: str, semitones: float, tempo: float) -> Labels:
        """Return the classes as they are, unless they may tell of what changes."""
        refuse_change(column, labels.names, semitones, tempo)
        return labels

    def rows(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a row with the label, and a column of probabilities for each name."""
        return [row_of({"label": answer["label"]}, answer["probabilities"], "p")]

    def observations(self, answer: dict[str, Any], seconds: float) -> tuple[str, list[Observation]]:
        """Return a tag that holds for all of the file."""
        return "tag_open", [(0.0, seconds, answer["label"], answer["probabilities"][answer["label"]])]
