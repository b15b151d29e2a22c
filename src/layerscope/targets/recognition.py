"""What the cells of a column are, where nobody says so; what is odd among them, and what only the user can say."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

from layerscope.errors import DataError
from layerscope.targets.cells import Column, counted, is_list, is_name, is_numbers, most, shown
from layerscope.targets.kind import Kind
from layerscope.targets.registry import kind_named, kinds

__all__ = ["Recognised", "kind_of", "looks_like", "recognise"]

#: What cells may be, where a column's name tells nothing.
WRITTEN = 'names, numbers, lists of either, [[start, end, name], …] or {"beat": [time, …], "downbeat": [time, …]}'


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
    if column.named:
        return kind_named("classes")
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
    if column.named:
        return ""
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
    # The number of a column is none of its words, but "f0" is one.
    words = {word.removesuffix("s") for word in re.findall(r"[a-z]\d|[a-z]+", column.name.lower())}
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
    if column.named and not kind and (other := looks_like(replace(column, named=False), chosen)):
        remark = f"{remark and f'{remark}; '}they are names of folders{other}"
    return Recognised(chosen, faults, f"{evidence}; {remark}" if remark else evidence)


def odd_name(column: Column, row: int) -> str:
    """Return what an odd cell goes by: itself where it is a name, or its clip."""
    cell = column.cells[row]
    return shown(cell) if is_name(cell) or not column.clips else column.clips[row]
