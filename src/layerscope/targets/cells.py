"""The cells of a column, and what one is, whatever its kind: a number, a name, a list; how one is shown in messages."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = [
    "Column", "as_float", "counted", "doubt_of_whole_lists", "is_list", "is_name", "is_number", "is_numbers", "most",
    "shown",
]  # fmt: skip


@dataclass(frozen=True)
class Column:
    """The cells of a target, as they stand in a table.

    Attributes
    ----------
    name : str
        Of the column; of several, their names with commas between, and each cell is a list of theirs.
    cells : sequence
        One a clip.
    clips : sequence of str
        Names of the clips, for messages.
    starts : sequence of float
        Where clips begin in their files, in seconds, to which times in cells refer.
    seconds : sequence of float
        How long clips are; NaN, or nothing at all, where that is not known.
    cut : sequence of bool
        Whether the file goes on after the clip, and the annotation with it; nothing where that is not known.
    named : bool
        Whether each cell is the name of one class, whatever characters it holds: where it is that of a folder, or the
        user says so.
    """

    name: str
    cells: Sequence[Any]
    clips: Sequence[str] = ()
    starts: Sequence[float] = ()
    seconds: Sequence[float] = ()
    cut: Sequence[bool] = ()
    named: bool = False

    def take(self, rows: Sequence[int]) -> Column:
        """Return some rows."""
        parts = {name: getattr(self, name) for name in ("cells", "clips", "starts", "seconds", "cut")}
        # What is not known of the clips stays so.
        some: dict[str, Any] = {name: [part[row] for row in rows] for name, part in parts.items() if len(part)}
        return replace(self, **some)


def is_number(item: Any) -> bool:
    """Return whether an item of a cell is a number."""
    # To Python, True and False are whole numbers.
    return isinstance(item, numbers.Real) and not isinstance(item, (bool, np.bool_))


def is_list(item: Any) -> bool:
    """Return whether a cell, or an item of one, is a list."""
    return isinstance(item, (list, tuple))


def is_numbers(item: Any) -> bool:
    """Return whether a cell, or an item of one, is a list of numbers."""
    return is_list(item) and all(map(is_number, item))


def is_name(item: Any) -> bool:
    """Return whether a cell, or an item of one, is a text, a number, or true or false: what can be written as one."""
    if not isinstance(item, (str, numbers.Real, np.bool_)):
        return False
    try:
        str(item)
    except ValueError:  # a number of thousands of digits
        return False
    return True


#: The share of cells above which a column is of a kind, and the others are the odd ones.
MOST = 0.5


def most(answers: Iterable[bool]) -> bool:
    """Return whether more than half of the answers are yes; where nobody is asked, no.

    Examples
    --------
    >>> most([True, True, False]), most([True, False]), most([])
    (True, False, False)
    """
    given = list(answers)
    return sum(given) > MOST * len(given)


def doubt_of_whole_lists(cells: Iterable[Any]) -> str:
    """Return that most cells are lists of whole numbers, which may be several things, or an empty text.

    Examples
    --------
    >>> doubt_of_whole_lists([[1, 2], [3]])
    '[1, 2] may be numbers of tags, measurements or times; say --kind tags, --kind values or --kind beats'
    >>> doubt_of_whole_lists([[1.0, 2.0], [3.0, 4.0]])
    ''
    """
    filled = [cell for cell in cells if cell or not is_list(cell)]
    whole = [cell for cell in filled if is_list(cell) and all(isinstance(item, numbers.Integral) for item in cell)]
    if 2 * len(whole) <= len(filled):
        return ""
    what = "may be numbers of tags, measurements or times; say --kind tags, --kind values or --kind beats"
    return f"{shown(whole[0])} {what}"


#: Letters of a cell that a message shows.
LETTERS = 60


def shown(cell: Any) -> str:
    """Return a cell for a message, cut where it is long.

    Examples
    --------
    >>> shown([0.5, "x"]), len(shown(list(range(1000))))
    ("[0.5, 'x']", 60)
    """
    try:
        text = str(cell)
    except (RecursionError, ValueError):  # nested too deep, or a number of thousands of digits
        return f"a {type(cell).__name__} that cannot be shown"
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"


#: Different odd cells that a message names.
NAMED = 8


def counted(counts: Mapping[str, int]) -> str:
    """Return what occurs and how often, the commonest first.

    Examples
    --------
    >>> counted({"other": 1, "X": 2})
    "'X' (2), 'other'"
    """
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    words = [f"'{shown(name)}'" + (f" ({count})" if count > 1 else "") for name, count in ordered[:NAMED]]
    return ", ".join(words) + (f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else "")


#: Python would take "1_2" for 12 as well.
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


def as_float(item: Any) -> float:
    """Return a number, or a text of one, as a float; NaN where it is none, or not finite.

    Examples
    --------
    >>> as_float("1.5"), as_float("1_5"), as_float(10**400), as_float(None)
    (1.5, nan, nan, nan)
    """
    if not (is_number(item) or (isinstance(item, str) and NUMBER.fullmatch(item))):
        return math.nan
    try:
        value = float(item)
    except OverflowError:
        return math.nan
    return value if math.isfinite(value) else math.nan
