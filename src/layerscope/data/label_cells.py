"""What the cells of a column say: measured numbers, names or lists; decided by column, so that no odd cell decides it.

A label is a name, shown as it was written, unless the column is measured: then it is a number. A column is measured
where numbers are most of its cells and are not whole, or are whole with more than 20 distinct values. Of a measured
column, up to a tenth of the cells may be something else: these clips are set aside by name; with more, up to half, the
column is refused as a target until `kind` says what it is; beyond, the cells are names.

- ``01`` and ``001`` are names, and so are their whole column's other cells. Whole numbers in quotes are names in JSON.
- ``1,5`` is a number where no cell of the column has a point and the comma cannot part thousands; ``−1`` is one, with
  the typographic minus too.
- ``['a', 'b']`` and ``["a"]``, as pandas and JSON write lists, are lists.
- ``array(['a', 'b'])`` and ``set()`` are lists too; beside names an empty list is no label.
- Nothing, null, NaN and ``nan`` are no label; beside numbers ``n/a``, ``None``, ``?`` and the like are not either.
"""

from __future__ import annotations

import ast
import json
import numbers
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from layerscope.errors import DataError
from layerscope.targets.cells import as_float, most
from layerscope.targets.label_names import ABSENT
from layerscope.targets.values import MOST_NUMBERED_CLASSES

__all__ = [
    "DECIMAL_COMMA",
    "MOST_ODD",
    "Odd",
    "has_decimal_commas",
    "listed",
    "names_of",
    "number_of",
    "settle_column",
    "tidy_cell",
]

#: The largest share of a column's cells, or of a table's clips, that is set aside instead of refusing the whole.
MOST_ODD = 0.1
#: Above this share of odd cells, a column is one of names among which some are numbers.
MOST_UNSURE = 0.5
#: Numbers and missing ones as Python and pandas write them; no one calls a class so.
NO_LABEL = frozenset({"", "nan", "NaN", "<NA>"})
#: No measurement is as large; beyond, whole numbers are names.
LARGEST = 1e300
DECIMAL_COMMA = re.compile(r"[+\-−–]?(\d+),(\d+)", re.ASCII)
WHOLE = re.compile(r"0|-?[1-9]\d*", re.ASCII)
LEADING_ZERO = re.compile(r"[+\-−–]?0\d+", re.ASCII)
#: As NumPy prints arrays, without commas: Python would join the names.
ARRAY = re.compile(r"""\[.*['"]\s+['"].*\]|\[[\s\d.e+\-\[\]]*\d\.?\s+[-\d][\s\d.e+\-\[\]]*\]""", re.DOTALL)

#: What Python writes around lists that are arrays or sets.
CALLED = re.compile(
    r"(?:(?:np|numpy|torch)\.)?(?:array|tensor|frozenset|set|list|tuple)\((.*?)(?:,\s*(?:dtype|device)=[^)]*)?\)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Odd:
    """A cell that is not used, with the reason.

    Attributes
    ----------
    cell : object
        As it was; None where several were given.
    reason : str
        Why it is not used.
    refusal : str
        Why the whole column is not, where too many cells are odd; else empty.
    """

    cell: Any
    reason: str
    refusal: str = ""


def tidy_cell(cell: Any, where: str) -> Any:
    """Return a cell as one of Python's own values, text composed and without blanks around it, None for no label.

    Examples
    --------
    >>> tidy_cell(" low ", "row 2"), tidy_cell(float("nan"), "row 2"), tidy_cell({"b", "a"}, "row 2")
    ('low', None, ['a', 'b'])
    """
    try:
        return plain_cell(cell, where)
    except DataError:
        raise
    except Exception as error:  # a class of someone's own makes what it is asked for raise anything
        kind = type(cell)
        raise DataError(
            f"{where}: a {kind.__module__}.{kind.__qualname__} has no text that could be written "
            f"({type(error).__name__}); give texts, numbers or lists of these"
        ) from error


def plain_cell(cell: Any, where: str) -> Any:
    """Return a cell as `tidy_cell` does; one that is of no known kind as the text that it says it is."""
    if hasattr(cell, "tolist"):
        cell = cell.tolist()  # of NumPy, pandas and torch
    if isinstance(cell, bytes):
        try:
            cell = cell.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{where}: {cell[:60]!r} are bytes that are not UTF-8; give texts") from error
    if isinstance(cell, (list, tuple, set, frozenset, dict)):
        items = plain_items(cell)
        return sorted(items, key=str) if isinstance(cell, (set, frozenset)) else items
    if cell is None or pd.isna(cell):
        return None
    if isinstance(cell, bool) or not isinstance(cell, (int, float)):
        cell = text_of(cell)
    elif abs(cell) < LARGEST or isinstance(cell, float):
        # -0.0, which is written otherwise, is the number 0.0.
        return cell or abs(cell)
    return tidy_text(str(cell), where)


#: Types of items that are what they are.
PLAIN = frozenset({str, int, float, bool, type(None)})
#: Lists in lists down to here are those of spans; whatever is nested deeper is no label.
DEEPEST = 3


def plain_items(cell: Any, depth: int = 1) -> Any:
    """Return a list or a record of Python's own values, those that are of no known kind as the texts that they are."""
    if type(cell) in PLAIN or depth > DEEPEST:
        return cell
    if hasattr(cell, "tolist"):
        return plain_items(cell.tolist(), depth + 1)
    if cell is pd.NA or cell is pd.NaT:
        return None
    if isinstance(cell, dict):
        return {key: plain_items(item, depth + 1) for key, item in cell.items()}
    if isinstance(cell, (list, tuple, set, frozenset)):
        return [plain_items(item, depth + 1) for item in cell]
    if isinstance(cell, numbers.Real):
        return int(cell) if isinstance(cell, numbers.Integral) else float(cell)
    return cell.decode() if isinstance(cell, bytes) else text_of(cell)


def text_of(cell: Any) -> str:
    """Return what an object says that it is, or raise where all that it says is where it lies in memory."""
    if all(getattr(type(cell), name) is getattr(object, name) for name in ("__str__", "__repr__")):
        raise TypeError("it has no text of its own")
    return os.fspath(cell) if isinstance(cell, os.PathLike) else str(cell)


def tidy_text(text: str, where: str) -> str | None:
    """Return a text composed and without blanks around it, None where it says that there is none."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: {text!a} holds half a character, which no file can") from error
    text = unicodedata.normalize("NFC", text.strip())
    return None if text in NO_LABEL else text


def settle_column(name: str, cells: Sequence[Any], places: Sequence[str], *, typed: bool) -> list[Any]:
    """Return the cells of a column as what they are, None for no label and `Odd` for what cannot be used.

    Parameters
    ----------
    name : str
        Of the column.
    cells : sequence
        As `tidy_cell` returns them, or `Odd` already.
    places : sequence of str
        Where each stands, for reasons.
    typed : bool
        Whether the source tells numbers from texts, as JSON does.

    Examples
    --------
    >>> rows = [f"row {number}" for number in range(2, 5)]
    >>> settle_column("label", ["1", "2", "10"], rows, typed=False)
    [1, 2, 10]
    >>> settle_column("label", ["01", "001", "1"], rows, typed=False)
    ['01', '001', '1']
    >>> settle_column("tempo", ["98,5", "−1", "120"], rows, typed=False)
    [98.5, -1, 120]
    >>> settle_column("mood", ["['sad', 'slow']", None, '["sad"]'], rows, typed=False)
    [['sad', 'slow'], None, ['sad']]
    """
    cells = [listed(cell) if isinstance(cell, str) else cell for cell in cells]
    filled = [cell for cell in cells if cell is not None and not isinstance(cell, Odd)]
    # One list among names is the odd one, and not all the names.
    if most(isinstance(cell, (list, dict)) or is_array(cell) for cell in filled):
        noun = "list with commas between its items" if any(map(is_array, filled)) else "list of names or numbers"
        lists = [cell if isinstance(cell, (list, dict)) and not has_gap(cell) else None for cell in cells]
        return set_odd_aside(name, cells, lists, places, noun)
    numbers = column_numbers(filled, typed=typed)
    if numbers is None:
        # Beside names an empty list is no label.
        cells = [None if cell in ([], {}) else cell for cell in cells]
        names = names_of(cells)
        single = [cell if isinstance(cell, str) and not is_array(cell) else None for cell in names]
        return set_odd_aside(name, names, single, places, "name of one class")
    read = iter(numbers)
    return set_odd_aside(
        name, cells, [None if cell is None or isinstance(cell, Odd) else next(read) for cell in cells], places, "number"
    )


def is_array(cell: Any) -> bool:
    """Return whether a cell is an array as NumPy prints it."""
    return isinstance(cell, str) and ARRAY.fullmatch(cell) is not None


def has_gap(cell: Any) -> bool:
    """Return whether a list holds nothing at a place, or a number that is none or too large, at any depth."""
    if isinstance(cell, (list, dict)):
        # A record may leave open what it does not know.
        items = list(cell) if isinstance(cell, list) else [item for item in cell.values() if item is not None]
        return any(map(has_gap, items))
    return cell is None or (isinstance(cell, (int, float)) and number_of(cell) is None)


def listed(text: str) -> Any:
    """Return a text that is a list, tuple, set or array as Python or JSON writes it, as a list; others as they are.

    Examples
    --------
    >>> listed("array(['a', 'b'], dtype=object)"), listed("set()"), listed("('a',)"), listed("[live]")
    (['a', 'b'], [], ['a'], '[live]')
    """
    called = CALLED.fullmatch(text)
    inside = (called[1] or "[]") if called else text
    if inside[:1] not in "[({" or inside[-1:] not in "])}" or is_array(inside):
        return text
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(inside)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return tidy_cell(value, text[:60]) if isinstance(value, (list, tuple, set, dict)) else text
    return text


def column_numbers(cells: Sequence[Any], *, typed: bool) -> list[int | float | None] | None:
    """Return the number that each filled cell is, None for those that are none, or None where the column has names."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    comma = has_decimal_commas(texts)
    numbers = [number_of(cell, comma=comma) for cell in cells]
    known = [number for number in numbers if number is not None]
    # "1,500" may be 1.5 or 1500, but is a number.
    unsure = sum(isinstance(cell, str) and DECIMAL_COMMA.fullmatch(cell) is not None for cell in cells) * (not comma)
    stated = sum(not isinstance(cell, str) or cell.casefold() not in ABSENT for cell in cells)
    if not known + [0.0] * unsure or len(known) + unsure < (1 - MOST_UNSURE) * stated:
        return None
    if unsure > len(known):
        return numbers
    if not all(float(number).is_integer() for number in known):
        return numbers
    if any(map(LEADING_ZERO.fullmatch, texts)):
        return None
    if len(set(known)) > MOST_NUMBERED_CLASSES:
        # Whoever writes whole numbers in quotes, where they need none, means names.
        return None if typed and len(texts) == len(cells) else numbers
    # Few whole numbers name classes: in their order where each is written as numbers are, else as they are written.
    names = [text for text in texts if text.casefold() not in ABSENT]
    if typed:
        return None if names else one_number_one_name(numbers)
    return numbers if all(map(WHOLE.fullmatch, names)) else None


def one_number_one_name(numbers: list[int | float | None]) -> list[int | float | None]:
    """Return whole numbers of which some are written with a point all without, since 1 and 1.0 are one class."""
    if not any(isinstance(number, int) for number in numbers):
        return numbers
    return [number if number is None else int(number) for number in numbers]


def has_decimal_commas(texts: Sequence[str]) -> bool:
    """Return whether commas in a column's cells are decimal: no cell has a point, and one comma parts no thousands."""
    found = [match for match in map(DECIMAL_COMMA.fullmatch, texts) if match]
    pointed = any("." in text and number_of(text) is not None for text in texts)
    return not pointed and any(len(match[2]) != 3 or match[1].startswith("0") for match in found)


def number_of(cell: Any, *, comma: bool = False) -> int | float | None:
    """Return the finite number that a cell is, whole where it is written so, or None.

    Parameters
    ----------
    cell : object
        A number, or a text.
    comma : bool
        Whether a decimal comma is read as one.

    Examples
    --------
    >>> number_of("-3"), number_of("1e3"), number_of("1,5"), number_of("1,5", comma=True), number_of("n/a")
    (-3, 1000.0, None, 1.5, None)
    """
    if isinstance(cell, str):
        text = re.sub("^[−–]", "-", cell)
        if comma and DECIMAL_COMMA.fullmatch(text):
            text = text.replace(",", ".")
        number = as_float(text)
        if not abs(number) < LARGEST:  # of what is none it is NaN
            return None
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else number
    # A whole number may be too large for a float, which then cannot say whether it is finite.
    return cell if isinstance(cell, (int, float)) and abs(cell) < LARGEST else None


def names_of(cells: Sequence[Any]) -> list[Any]:
    """Return the cells of a column of names as texts, of which the numbers 1 and 1.0 are one."""
    return [
        str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell)
        if isinstance(cell, (int, float))
        else cell
        for cell in cells
    ]


def set_odd_aside(name: str, cells: Sequence[Any], read: Sequence[Any], places: Sequence[str], noun: str) -> list[Any]:
    """Return what was read, and `Odd` for the filled cells of which nothing could be."""
    filled = [place for place, cell in enumerate(cells) if cell is not None and not isinstance(cell, Odd)]
    odd = [place for place in filled if read[place] is None]
    result = [cell if isinstance(cell, Odd) else value for cell, value in zip(cells, read, strict=True)]
    counted = [place for place in odd if str(cells[place]).casefold() not in ABSENT]
    refusal = ""
    if len(counted) > MOST_ODD * len(filled):
        refusal = (
            f"{places[counted[0]]}: '{name}' {str(cells[counted[0]])[:60]} is no {noun}; "
            f"so in {len(counted)} of {len(filled)} rows: mend or empty these cells, or say what the column is (kind)"
        )
    for place in odd:
        reason = (
            f"{places[place]}: '{name}' {str(cells[place])[:60]} is no {noun}, "
            f"as {len(filled) - len(odd)} of {len(filled)} cells are"
        )
        result[place] = Odd(cells[place], reason, refusal)
    return result
