"""What is to be read off the states, one file a kind of target.

A new kind is a file here and its instance in `KINDS`; one of another package is given to `register`, or offered by the
entry-point group ``layerscope.kinds`` (docs/add-a-target.md).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from layerscope.errors import DataError, UsageError, unknown
from layerscope.targets.beats import Beats
from layerscope.targets.calibration import Calibration
from layerscope.targets.cells import counted, is_list, is_name, is_numbers, most, shown
from layerscope.targets.chords import Chords
from layerscope.targets.classes import Classes
from layerscope.targets.key import Key
from layerscope.targets.kind import Column, Kind, Labels, Metric
from layerscope.targets.melody import Melody
from layerscope.targets.notes import Notes
from layerscope.targets.onsets import Onsets
from layerscope.targets.over_time import KindOverTime, ascending_times
from layerscope.targets.segments import Segments
from layerscope.targets.tags import Tags
from layerscope.targets.values import Values

__all__ = [
    "Calibration", "Classes", "Column", "Kind", "KindOverTime", "Labels", "Metric", "Recognised", "Tags", "Values",
    "ascending_times", "kind_named", "kind_of", "kinds", "labels_of", "looks_like", "metric_named", "most",
    "read_labels", "recognise", "register",
]  # fmt: skip

#: By name. Where nobody says what cells are, the last is asked first whether it recognises them: what is said over time
#: before what is said of clips, chords before any other spans, and classes, which take every name, at the end.
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (Classes(), Tags(), Key(), Values(), Segments(), Chords(), Beats(), Melody(), Notes(), Onsets())
}
#: What cells may be, where a column's name tells nothing.
WRITTEN = 'names, numbers, lists of either, [[start, end, name], …] or {"beat": [time, …], "downbeat": [time, …]}'
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
    ['classes', 'tags', 'key', 'values']
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
    """Work out what the cells of a column are: the kind of more than half of them (`layerscope.targets.cells.most`).

    The others are the odd ones, which `recognise` names: one odd cell never changes what a target is.

    Raises
    ------
    DataError
        If they are of no one kind.

    Examples
    --------
    >>> kind_of(Column("harmony", [[[0.0, 1.5, "C:maj"]], [[0.0, 2.0, "N"]], "?"])).name
    'chords'
    """
    for kind in reversed(kinds().values()):
        if kind.recognises(column):
            return kind
    told = " or ".join(kind.written for kind in kinds_told(column))
    mixed = "some labels are lists and some are not; " if len(set(map(is_list, column.cells))) > 1 else ""
    raise DataError(
        f"'{column.name}': its cells are of no one kind (the first: {shown(next(iter(column.cells), ''))}); {mixed}"
        f"write all in one way: {told or WRITTEN}"
    )


def doubt_of(column: Column, chosen: Kind) -> str:
    """Return why a kind that cells were recognised as is to be said by the user, or an empty text."""
    others = (kind.missed(column) for kind in reversed(kinds().values()) if kind is not chosen)
    return told_otherwise(column, chosen) or chosen.doubt(column) or next(filter(None, others), "")


def told_otherwise(column: Column, chosen: Kind) -> str:
    """Return that a column of what is said over time, or of lists of numbers, is called after another kind."""
    told = kinds_told(column)
    # Times that do not ascend are read as measurements; of several columns the lists are made here.
    listed = "," not in column.name and most(bool(cell) and is_numbers(cell) for cell in column.cells)
    if not (chosen.over_time or listed) or not told or chosen in told:
        return ""
    rows = len(column.cells)
    readable = {chosen, *(kind for kind in kinds().values() if 2 * len(kind.faults(column)) < rows)}
    return (
        f"its name tells of {' and '.join(sorted(map(repr, told)))}, its cells are {chosen}; mend the cells, or say "
        f"{' or '.join(f'--kind {kind}' for kind in kinds().values() if kind in readable)}"
        + "".join(f"; for {kind}, write {kind.written}" for kind in told)
    )


def kinds_told(column: Column) -> list[Kind]:
    """Return the kinds of which a column's name tells."""
    words = {word.removesuffix("s") for word in re.findall("[a-z]+", column.name.lower())}
    return [kind for kind in kinds().values() if words & set(kind.column_words)]


def looks_like(column: Column, kind: Kind) -> str:
    """Return which other kind the cells of a column look like, as the end of a message, or an empty text."""
    try:
        other = kind_of(column)
    except DataError:
        return ""
    return f"; its cells look like {other}: --kind {other}" if other is not kind else ""


@dataclass(frozen=True)
class Recognised:
    """What the cells of a column are.

    Attributes
    ----------
    kind : Kind
        Of most of them.
    faults : dict of int to str
        Rows of the odd ones, and why each cannot be used.
    evidence : str
        How many are of the kind, which are not, and what else is to be known, in words.
    """

    kind: Kind
    faults: dict[int, str]
    evidence: str


def recognise(column: Column, kind: str | None = None) -> Recognised:
    """Work out what the cells of a column are, and which of them are not.

    Parameters
    ----------
    column : Column
        Without empty cells.
    kind : str, optional
        Overrides what would be worked out.

    Raises
    ------
    DataError
        If the cells are of no one kind, or there is a doubt that they are of the kind which only the user can lift.

    Examples
    --------
    >>> recognise(Column("key", ["C major", "X", "F#m", "Eb:min", "X", "other", "A minor"])).evidence
    "key: 4 of 7 cells; 3 set aside: 'X' (2), 'other'"
    """
    chosen = kind_named(kind) if kind else kind_of(column)
    doubt = "" if kind else doubt_of(column, chosen)
    if doubt:
        raise DataError(f"'{column.name}': {doubt}")
    faults = chosen.faults(column)
    count = len(column.cells)
    evidence = f"{chosen.name}: {count - len(faults)} of {count} cells"
    if faults:
        evidence += f"; {len(faults)} set aside: {counted(Counter(odd_name(column, row) for row in faults))}"
    remark = chosen.remark(column.take([row for row in range(count) if row not in faults]))
    return Recognised(chosen, faults, f"{evidence}; {remark}" if remark else evidence)


def odd_name(column: Column, row: int) -> str:
    """Return what an odd cell goes by: itself where it is a name, or its clip."""
    cell = column.cells[row]
    return shown(cell) if is_name(cell) or not column.clips else column.clips[row]


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
