"""What is to be read off the states, one file a kind of target.

A new kind is a file here and its instance in `KINDS`; one of another package is given to `register`, or offered by the
entry-point group ``layerscope.kinds`` (docs/add-a-target.md).
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from layerscope.errors import DataError, UsageError, unknown
from layerscope.targets.beats import Beats
from layerscope.targets.calibration import Calibration
from layerscope.targets.chords import Chords
from layerscope.targets.classes import Classes
from layerscope.targets.key import Key
from layerscope.targets.kind import Column, Kind, Labels, Metric
from layerscope.targets.over_time import KindOverTime, ascending_times
from layerscope.targets.segments import Segments
from layerscope.targets.tags import Tags
from layerscope.targets.values import Values

__all__ = [
    "Calibration", "Classes", "Column", "Kind", "KindOverTime", "Labels", "Metric", "Tags", "Values", "ascending_times",
    "kind_named", "kind_of", "kinds", "labels_of", "metric_named", "register",
]  # fmt: skip

#: By name. Where nobody says what cells are, the last is asked first whether it recognises them: what is said over time
#: before what is said of clips, chords before any other spans, and classes, which take every name, at the end.
KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (Classes(), Key(), Tags(), Values(), Segments(), Chords(), Beats())
}
#: Before any package registers: these names stay ours.
BUILT_IN = frozenset(KINDS)
GROUP = "layerscope.kinds"


def register(kind: Kind) -> None:
    """Add a kind of target, which is then asked before all others whether it recognises cells.

    Parameters
    ----------
    kind : Kind
        Its name must be none of layerscope's own; a kind that was registered under it is replaced.

    Raises
    ------
    UsageError
        If the name is taken, or the kind has no metrics.
    """
    if kind.name in BUILT_IN:
        raise UsageError(f"kind '{kind.name}' is one of layerscope's own; choose another name")
    if not kind.metrics:
        raise UsageError(f"kind '{kind.name}' has no metrics; the first of them chooses layers")
    # Out first, because a name that is there keeps its old place, and the last is asked first.
    KINDS.pop(kind.name, None)
    KINDS[kind.name] = kind


@cache
def register_installed() -> None:
    """Register the kinds that installed packages offer, once: each entry point names a class."""
    for entry in entry_points(group=GROUP):
        register(entry.load()())


def kinds() -> dict[str, Kind]:
    """Return all kinds of target by name.

    Examples
    --------
    >>> list(kinds())[:4]
    ['classes', 'key', 'tags', 'values']
    """
    register_installed()
    return KINDS


def kind_named(name: str) -> Kind:
    """Return a kind of target.

    Raises
    ------
    UsageError
        If there is none of that name, with the nearest suggested.

    Examples
    --------
    >>> kind_named("chords").over_time
    True
    """
    if name not in kinds():
        raise unknown("kind", name, kinds())
    return kinds()[name]


def kind_of(column: Column) -> Kind:
    """Work out what the cells of a column are.

    Raises
    ------
    DataError
        If they are of no one kind.

    Examples
    --------
    >>> kind_of(Column("harmony", [[[0.0, 1.5, "C:maj"]], [[0.0, 2.0, "N"]]])).name
    'chords'
    """
    for kind in reversed(kinds().values()):
        if kind.recognises(column):
            return kind
    raise DataError("some labels are lists and some are not; write all of them in one way")


def labels_of(cells: Any, kind: str | None = None) -> Labels:
    """Read labels, and work out their kind where it is not said.

    Parameters
    ----------
    cells : sequence, array or tensor
        One a clip: a name or a whole number (classes), a list of names or a string with ``|`` between them
        (tags), a number or a list of numbers (values). Whole numbers with more than 20 distinct values are
        values. An array (clip, column) of 0 and 1 is tags, of other numbers values.
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
    if kind is None and getattr(cells, "ndim", 1) == 2 and cells.shape[1] > 1:
        table = np.asarray(cells)
        if np.isin(table, (0, 1)).all():
            return Labels(KINDS["tags"], tuple(map(str, range(table.shape[1]))), table.astype(np.float32))
    # tolist makes Python's numbers of numpy's and torch's; kinds are told apart by these.
    column = Column("", cells.tolist() if hasattr(cells, "tolist") else list(cells))
    chosen = kind_named(kind) if kind else kind_of(column)
    if chosen.over_time:
        raise DataError(f"labels are {chosen.name}, said over time; they need audio")
    return chosen.read(column)


def metric_named(name: str) -> Metric:
    """Return a metric of any kind of target, or that of one output alone.

    Examples
    --------
    >>> metric_named("roc_auc").title, metric_named("r2:valence").title
    ('ROC-AUC', 'R² of valence')
    """
    whole, _, output = name.partition(":")
    metrics = {metric.name: metric for kind in kinds().values() for metric in kind.metrics}
    if whole not in metrics:
        raise unknown("metric", name, metrics, hint="; a kind that scores by it may not be installed")
    return metrics[whole].of(output) if output else metrics[whole]
