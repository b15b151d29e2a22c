"""Tags: any of several names.

Cells are lists of names, names with ``|`` between them, or a 0 or 1 for each tag. Both metrics rank the clips of each
tag and average over tags; tags that all or no clips have are left out. They agree with scikit-learn's
(`layerscope.targets.ranking_curves`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError
from layerscope.targets.calibration import Calibration, best_threshold, logistic_curves, surest_of
from layerscope.targets.cells import Column, as_float, is_list, is_name, most, shown
from layerscope.targets.changed_sound import refuse_change
from layerscope.targets.kind import Form, Kind, Labels, Observation, row_of
from layerscope.targets.label_names import FEW_SEVERAL, is_several, remark_on_names, several_names
from layerscope.targets.metric import Metric
from layerscope.targets.ranking_curves import average_precision, roc_auc

__all__ = ["Tags", "yes_or_no"]

#: A frame counts as one of a tag from here on: neighbours of a beat's frame are half beats, and train as such.
YES = 0.75
#: How false and true are written, in small letters.
TRUTHS = {"false": 0.0, "true": 1.0}


def tags_of(cell: Any) -> set[str]:
    """Return the tags of a cell.

    Examples
    --------
    >>> sorted(tags_of("sad | slow|")), tags_of(["a, b"]), tags_of([])
    (['sad', 'slow'], {'a, b'}, set())
    """
    return {str(name).strip() for name in (cell if is_list(cell) else str(cell).split("|"))} - {""}


def yes_or_no(cells: Sequence[Any]) -> int:
    """Return for how many tags most cells say yes or no, as 0 and 1 or false and true; 0 where they do not.

    Examples
    --------
    >>> yes_or_no([[0, 1, 1], [1.0, 0.0, 0.0]]), yes_or_no([["0", "True"]]), yes_or_no([[0, 2]]), yes_or_no([[1], [0]])
    (3, 2, 0, 0)
    """
    widths = Counter(len(cell) for cell in cells if is_list(cell) and all(answer_of(item) is not None for item in cell))
    width, count = widths.most_common(1)[0] if widths else (0, 0)
    return width if width > 1 and 2 * count > len(cells) else 0


def answer_of(item: Any) -> float | None:
    """Return 0.0 or 1.0 for an item of a cell that is 0 or 1, or false or true; else None.

    Examples
    --------
    >>> answer_of(1), answer_of("0.0"), answer_of(np.False_), answer_of("TRUE"), answer_of("2")
    (1.0, 0.0, 0.0, 1.0, None)
    """
    if isinstance(item, (str, bool, np.bool_)) and str(item).casefold() in TRUTHS:
        return TRUTHS[str(item).casefold()]
    number = as_float(item)
    return number if number in (0.0, 1.0) else None


class Tags(Kind):
    """Any of several names."""

    name, noun = "tags", "tags"
    form: Form = "tags"
    metrics = (
        Metric("roc_auc", "ROC-AUC", roc_auc, ranks=True),
        Metric("average_precision", "average precision", average_precision, ranks=True),
    )
    # A constant answer ties all clips, and ties count half.
    chance = 0.5

    def recognises(self, column: Column) -> bool:
        """Return whether most cells are lists of names or of 0 and 1, or, of texts, more than a few hold a ``|``."""
        if any(map(is_list, column.cells)):
            return most(is_list(cell) and all(map(is_name, cell)) for cell in column.cells)
        return sum(map(is_several, column.cells)) > FEW_SEVERAL * len(column.cells)

    def doubt(self, column: Column) -> str:
        """Return that the names are numbers with a point, as measurements in quotes are."""
        names = [name for cell in column.cells for name in tags_of(cell)]
        if (
            yes_or_no(column.cells)
            or not names
            or not all("." in name and math.isfinite(as_float(name)) for name in names)
        ):
            return ""
        return f"its names are numbers, such as '{names[0]}'; write them without quotes, or say --kind tags"

    def faults(self, column: Column) -> dict[int, str]:
        """Return which cells are neither names nor lists of them; a clip may have no tag."""
        width = yes_or_no(column.cells)
        if width:
            return {
                row: f"'{shown(cell)}' is not a 0 or 1 for each of {width} tags"
                for row, cell in enumerate(column.cells)
                if yes_or_no([cell]) != width
            }
        self.refuse_other_signs(column.cells)
        return {
            row: f"'{shown(cell)}' is not a list of tags"
            for row, cell in enumerate(column.cells)
            if not (is_name(cell) or (is_list(cell) and all(map(is_name, cell))))
        }

    def refuse_other_signs(self, cells: Sequence[Any]) -> None:
        """Raise where nothing parts tags and many cells look like several: all that stand in one cell would be one."""
        if any(is_list(cell) or is_several(cell) for cell in cells):
            return
        several = several_names(cells)
        such = [cell for cell in cells if isinstance(cell, str) and cell in several]
        if len(such) > FEW_SEVERAL * len(cells):
            raise DataError(
                f"'{shown(such[0])}' looks like several tags, and so do {len(such)} of {len(cells)} cells; write | "
                'between them (rock|pop), or, where it is one, a list (["Earth, Wind & Fire"])'
            )

    def remark(self, column: Column) -> str:
        """Return which tags may be none, or one, and how those without names are called."""
        width = yes_or_no(column.cells)
        if width:
            return "" if "," in column.name else f"a 0 or 1 for each of {width} tags, which are called by their places"
        return remark_on_names(Counter(name for cell in column.cells for name in sorted(tags_of(cell))))

    def read(self, column: Column) -> Labels:
        """Read lists of names into a table of 0 and 1.

        Examples
        --------
        >>> labels = Tags().read(Column("mood", ["sad|slow", "happy", ""]))
        >>> labels.names, labels.values.tolist()
        (('happy', 'sad', 'slow'), [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
        """
        for fault in self.faults(column).values():
            raise DataError(fault)
        width, columns = yes_or_no(column.cells), column.name.split(",")
        if width:
            table = np.array([[answer_of(item) for item in cell] for cell in column.cells], np.float32)
            return Labels(self, tuple(columns if len(columns) == width else map(str, range(width))), table)
        tagged = [tags_of(cell) for cell in column.cells]
        names = sorted(set().union(*tagged))
        if not names:
            raise DataError("no clip has any tag")
        return Labels(self, tuple(names), np.array([[name in tags for name in names] for tags in tagged], np.float32))

    def strata(self, labels: Labels) -> NDArray[np.int64]:
        """Return the rarest tag of each clip."""
        # A tag that a clip does not have is never its rarest; clips without any are a stratum of their own.
        rarity = np.where(labels.values > 0, labels.values.sum(axis=0), np.inf)
        return np.where(labels.values.any(axis=1), rarity.argmin(axis=1), labels.values.shape[1]).astype(np.int64)

    def unscorable(self, labels: Labels, split: str) -> str:
        """One tag at least must have both answers."""
        nothing = len(self.absent(labels)) == len(labels.names)
        return f"no tag has both answers in the {split} split" if nothing else ""

    def absent(self, labels: Labels) -> list[str]:
        """Return the tags that all or none of the clips have: no ranking metric is defined for them."""
        varies = labels.values.min(axis=0) < labels.values.max(axis=0)
        return [name for name, both in zip(labels.names, varies, strict=True) if not both]

    def constant(self, train: Labels) -> NDArray[Any]:
        """Return how common each tag is."""
        return train.values.mean(axis=0)

    def curves(self, scores: NDArray[np.float32], values: NDArray[Any]) -> Calibration:
        """Return logistic curves from scores to answers."""
        return Calibration(logistic_curves(scores, values > YES))

    def calibrate(self, scores: NDArray[np.float32], values: NDArray[Any]) -> Calibration:
        """Return the curves, and the thresholds that are best for F1."""
        wanted = values > YES
        calibration = replace(self.curves(scores, values), surest=surest_of(len(scores)))
        shares = calibration.probabilities(scores)
        thresholds = [best_threshold(shares[:, tag], wanted[:, tag]) for tag in range(wanted.shape[1])]
        return replace(calibration, thresholds=thresholds)

    def answer(self, scores: NDArray[np.float32], names: Sequence[str], calibration: Calibration) -> dict[str, Any]:
        """Return the tags that are given, and the probabilities of all."""
        probabilities = dict(zip(names, map(float, calibration.probabilities(scores)), strict=True))
        pairs = zip(probabilities.items(), calibration.thresholds, strict=True)
        return {"tags": [name for (name, share), bar in pairs if share >= bar], "probabilities": probabilities}

    def changed(self, labels: Labels, column: str, semitones: float, tempo: float) -> Labels:
        """Return the tags as they are, unless they may tell of what changes."""
        refuse_change(column, labels.names, semitones, tempo)
        return labels

    def rows(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a row with the tags, and a column of probabilities for each name."""
        return [row_of({"tags": "|".join(answer["tags"])}, answer["probabilities"], "p")]

    def observations(self, answer: dict[str, Any], seconds: float) -> tuple[str, list[Observation]]:
        """Return tags that hold for all of the file."""
        return "tag_open", [(0.0, seconds, name, answer["probabilities"][name]) for name in answer["tags"]]
