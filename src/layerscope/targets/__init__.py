"""What is to be read off the states, one file a kind of target."""

from __future__ import annotations

from typing import Any

from layerscope.errors import DataError
from layerscope.targets.calibration import Calibration
from layerscope.targets.cells import Column, most
from layerscope.targets.classes import Classes
from layerscope.targets.kind import Kind, Labels
from layerscope.targets.metric import Metric
from layerscope.targets.over_time import KindOverTime, ascending_times
from layerscope.targets.recognition import Recognised, kind_of, looks_like, recognise
from layerscope.targets.registry import KINDS, kind_named, kinds, metric_named, register, register_installed
from layerscope.targets.tags import Tags
from layerscope.targets.values import Values

__all__ = [
    "KINDS", "Calibration", "Classes", "Column", "Kind", "KindOverTime", "Labels", "Metric", "Recognised", "Tags",
    "Values", "ascending_times", "kind_named", "kind_of", "kinds", "labels_of", "looks_like", "metric_named", "most",
    "read_labels", "recognise", "register", "register_installed",
]  # fmt: skip


def read_labels(column: Column, kind: str | None = None) -> Labels:
    """Return the labels of a column.

    Raises
    ------
    DataError
        Naming the first clip whose cell cannot be read.
    """
    chosen = kind_named(kind) if kind else kind_of(column)
    try:
        return chosen.read(column)
    except DataError as error:
        # A kind over time names the clip itself.
        faults = {} if chosen.over_time else chosen.faults(column)
        if not faults:
            raise
        row = min(faults)
        where = column.clips[row] if column.clips else f"label {row + 1}"
        raise DataError(f"{where}: {faults[row]}") from error


def labels_of(cells: Any, kind: str | None = None) -> Labels:
    """Read labels, and work out their kind where it is not said.

    Parameters
    ----------
    cells : sequence, array or tensor
        One a clip: a name or a whole number (classes), a list of names, a string with ``|`` between them
        or of 0 and 1 (tags), a number or a list of numbers (values). Whole numbers with more than 20 distinct values
        are values.
    kind : str, optional
        Overrides what would be worked out.

    Raises
    ------
    DataError
        If the cells are of no one kind.

    Examples
    --------
    >>> labels_of(["rock", "jazz", "rock"]).names
    ('jazz', 'rock')
    >>> labels_of([["drums"], ["drums", "bass"]]).kind.name
    'tags'
    """
    # tolist makes Python's numbers of numpy's and torch's; kinds are told apart by these.
    column = Column("", [cell.tolist() if hasattr(cell, "tolist") else cell for cell in cells])
    chosen = kind_named(kind) if kind else kind_of(column)
    if chosen.over_time:
        raise DataError(f"labels are {chosen.name}, said over time; they need audio")
    return read_labels(column, chosen.name)
