"""Targets: what is to be read off the states of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError

__all__ = ["Kind", "Labels", "labels_of", "value_labels"]

Kind = Literal["classes", "tags", "values"]

#: Whole numbers with more distinct values than this are quantities, not names of classes.
MOST_NUMBERED_CLASSES = 20


@dataclass(frozen=True)
class Labels:
    """The target of every clip.

    Attributes
    ----------
    kind : {"classes", "tags", "values"}
        One of several names, any of several names, or numbers.
    names : tuple of str
        The classes, the tags or the dimensions.
    values : ndarray
        classes: (clip,) int64, an index into `names`; tags: (clip, tag) float32 of 0 and 1;
        values: (clip, dimension) float32.
    """

    kind: Kind
    names: tuple[str, ...]
    values: NDArray[Any]

    def take(self, rows: NDArray[np.int64]) -> Labels:
        """Return the labels of some rows, with all the names."""
        return Labels(self.kind, self.names, self.values[rows])


def labels_of(cells: Any, kind: Kind | None = None) -> Labels:
    """Read labels, and work out their kind where it is not said.

    Parameters
    ----------
    cells : sequence, array or tensor
        One a clip: a name or a whole number (classes), a list of names or a string with ``|`` between them
        (tags), a number or a list of numbers (values). Whole numbers with more than 20 distinct values are
        values.
    kind : {"classes", "tags", "values"}, optional
        Overrides what would be worked out.

    Raises
    ------
    DataError
        If the cells are of no one kind.

    Examples
    --------
    >>> labels_of(["rock", "jazz", "rock"]).names
    ('jazz', 'rock')
    >>> labels_of([["drums"], ["drums", "bass"]]).kind
    'tags'
    """
    if getattr(cells, "ndim", 1) == 2:
        return table_labels(np.asarray(cells), kind)
    listed = cells.tolist() if hasattr(cells, "tolist") else list(cells)
    kind = kind or kind_of(listed)
    if kind == "tags":
        return tag_labels([cell.split("|") if isinstance(cell, str) else list(cell) for cell in listed])
    if kind == "values":
        return value_labels([[cell] if np.isscalar(cell) else list(cell) for cell in listed])
    names = sorted(
        {cell if isinstance(cell, int) else str(cell) for cell in listed},
        key=lambda name: (str(type(name)), name),
    )
    index = {str(name): number for number, name in enumerate(names)}
    return Labels("classes", tuple(index), np.array([index[str(cell)] for cell in listed], dtype=np.int64))


def kind_of(cells: Sequence[Any]) -> Kind:
    """Work out what labels are."""
    if any(isinstance(cell, dict) or (isinstance(cell, (list, tuple)) and any(map(is_nested, cell))) for cell in cells):
        raise DataError(
            "labels hold spans or events (beats, chords, segments): frame-level tasks are not supported yet"
        )
    if all(isinstance(cell, (list, tuple)) for cell in cells):
        numeric = all(isinstance(item, (int, float)) for cell in cells for item in cell)
        return "values" if numeric and any(len(cell) for cell in cells) else "tags"
    if all(isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in cells):
        whole = all(float(cell).is_integer() for cell in cells)
        return "classes" if whole and len(set(cells)) <= MOST_NUMBERED_CLASSES else "values"
    if any(isinstance(cell, (list, tuple)) for cell in cells):
        raise DataError("some labels are lists and some are not")
    return "tags" if any(isinstance(cell, str) and "|" in cell for cell in cells) else "classes"


def is_nested(item: Any) -> bool:
    """Return whether an item of a label has parts of its own."""
    return isinstance(item, (list, tuple, dict))


def table_labels(array: NDArray[Any], kind: Kind | None) -> Labels:
    """Read a (clip, column) array: 0/1 are tags, other numbers values."""
    binary = bool(np.isin(array, (0, 1)).all())
    names = tuple(str(column) for column in range(array.shape[1]))
    chosen = kind or ("tags" if binary and array.shape[1] > 1 else "values")
    if not np.isfinite(np.asarray(array, dtype=np.float64)).all():
        raise DataError("labels hold values that are not finite")
    return Labels(chosen, names, array.astype(np.float32))


def tag_labels(cells: Sequence[Sequence[Any]]) -> Labels:
    """Turn lists of names into a table of 0 and 1."""
    names = sorted({str(name).strip() for cell in cells for name in cell if str(name).strip()})
    if not names:
        raise DataError("no clip has any tag")
    index = {name: number for number, name in enumerate(names)}
    values = np.zeros((len(cells), len(names)), np.float32)
    for row, cell in enumerate(cells):
        for name in cell:
            if str(name).strip():
                values[row, index[str(name).strip()]] = 1.0
    return Labels("tags", tuple(names), values)


def value_labels(cells: Sequence[Sequence[Any]]) -> Labels:
    """Turn numbers into a (clip, dimension) table."""
    lengths = sorted({len(cell) for cell in cells})
    if len(lengths) != 1:
        raise DataError(
            f"labels have from {lengths[0]} to {lengths[-1]} numbers; values need as many for every clip "
            "(times of events are a frame-level task, not supported yet)"
        )
    try:
        values = np.array(cells, dtype=np.float32)
    except ValueError as error:
        raise DataError(f"labels are not numbers ({error})") from error
    if not np.isfinite(values).all():
        raise DataError("labels hold values that are not finite")
    return Labels("values", tuple(str(column) for column in range(values.shape[1])), values)
