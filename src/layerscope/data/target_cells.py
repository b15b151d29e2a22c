"""The cells of a target in a table of clips: as a kind asks for them, those that say nothing, files that they name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from layerscope.data.annotation_files import ENDINGS, UNREAD, find_file, names_file, read_annotation
from layerscope.data.label_cells import Odd, has_decimal_commas, number_of
from layerscope.errors import DataError
from layerscope.targets.cells import most

__all__ = ["annotations_named", "asked_cells", "plain", "without_label"]


def plain(cell: Any) -> Any:
    """Return a cell as Python's own numbers and lists; a text of a JSON list or object as what it says.

    Examples
    --------
    >>> plain('[[0.0, 1.5, "C:maj"]]'), plain("[live]")
    ([[0.0, 1.5, 'C:maj']], '[live]')
    """
    if hasattr(cell, "tolist"):
        return cell.tolist()
    if isinstance(cell, str) and cell.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def asked_cells(cells: Iterable[Any], column: str, kind: str | None, *, several: bool) -> list[Any]:
    """Return the cells of a column as a kind that is said, or several columns, which are numbers, ask for."""
    cells = list(cells)
    if kind is None and not several:
        return cells
    if kind not in (None, "values"):
        return [cell.cell if isinstance(cell, Odd) and cell.cell is not None else cell for cell in cells]
    comma = has_decimal_commas([cell for cell in cells if isinstance(cell, str)])
    return [as_number(cell, column, comma=comma) for cell in cells]


def as_number(cell: Any, column: str, *, comma: bool) -> Any:
    """Return the number that a text is, else why it is not used; other cells as they are."""
    text = cell.cell if isinstance(cell, Odd) else cell
    if not isinstance(text, str):
        return cell
    number = number_of(text, comma=comma)
    if number is not None:
        return number
    # Without the refusal of the column, since what it is has been said.
    return Odd(text, cell.reason if isinstance(cell, Odd) else f"'{column}' {text} is no number")


def without_label(clips: pd.DataFrame, target: str) -> dict[str, str]:
    """Return why clips have no label, by their names.

    Raises
    ------
    DataError
        If too many cells of a column are odd.
    """
    reasons: dict[str, str] = {}
    for column in target.split(","):
        for clip, cell in zip(clips["clip"], clips[column], strict=True):
            if isinstance(cell, Odd):
                if cell.refusal:
                    raise DataError(cell.refusal)
                reasons.setdefault(clip, cell.reason)
            elif cell is None or cell != cell:
                reasons.setdefault(clip, f"no label in '{target}'")
    return reasons


def annotations_named(
    clips: pd.DataFrame, target: str, kind: str | None, places: Sequence[Path]
) -> tuple[list[Any], dict[str, str]]:
    """Return what is in the files that a column names, and why clips have none; other cells as they are.

    Parameters
    ----------
    clips : DataFrame
        With the column; where most of its cells name no file, nothing is read.
    target, kind : str, str, optional
        The column, and what it holds where that is said.
    places : sequence of Path
        Directories where names of files start.

    Raises
    ------
    DataError
        If most cells name files that are not read, unless they are said to be classes.
    """
    cells, reasons = list(clips[target]), dict[str, str]()
    unread = [cell for cell in cells if names_file(cell, UNREAD)]
    if kind != "classes" and most(names_file(cell, UNREAD) for cell in cells):
        raise DataError(
            f"'{target}': '{unread[0]}' looks like a file, of which {', '.join(ENDINGS)} are read; convert it, or "
            "write into the cell what is in it (to insist, say --kind classes)"
        )
    if most(map(names_file, cells)):
        for row, (clip, cell) in enumerate(zip(clips["clip"], cells, strict=True)):
            if names_file(cell):
                try:
                    cells[row] = read_annotation(find_file(cell, places), target, kind)
                except DataError as error:
                    cells[row], reasons[clip] = None, f"'{target}': {error}"
    return cells, reasons
