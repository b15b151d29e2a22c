"""A table that is in memory already, a pandas DataFrame, as rows of clips."""

from __future__ import annotations

from typing import Any

import pandas as pd

from layerscope.data.label_cells import tidy_cell
from layerscope.data.table_files import CALL_IT, PATH_NAMES, Rows, unique_names
from layerscope.errors import DataError

__all__ = ["frame_rows"]


def frame_rows(frame: pd.DataFrame, name: str) -> Rows:
    """Return the rows of a frame, counted from 0; its index is not looked at.

    Raises
    ------
    DataError
        If it is no frame, no column holds paths, two columns have one name, or a cell cannot be understood.

    Examples
    --------
    >>> frame_rows(pd.DataFrame({"path": ["a.wav"], "mood": [" sad "]}), "songs")
    {'songs row 0': {'path': 'a.wav', 'mood': 'sad'}}
    """
    if not isinstance(frame, pd.DataFrame):
        mend = "give frame.to_pandas()" if hasattr(frame, "to_pandas") else "give pandas.DataFrame(table)"
        raise DataError(f"expected a pandas DataFrame, found {type(frame).__module__}.{type(frame).__name__}; {mend}")
    if frame.columns.nlevels > 1:
        raise DataError("the frame's columns have several levels; give each one name")
    columns = unique_names(list(frame.columns), "the frame")
    if not set(columns) & set(PATH_NAMES):
        mend = "its index is: give frame.reset_index()" if set(frame.index.names) & set(PATH_NAMES) else CALL_IT
        raise DataError(f"the frame: no column 'path' (found: {', '.join(columns)}); {mend}")
    rows: Rows = {}
    for number, cells in enumerate(
        zip(*(column_cells(frame.iloc[:, place]) for place in range(len(columns))), strict=True)
    ):
        where = f"{name} row {number}"
        pairs = zip(columns, cells, strict=True)
        rows[where] = {column: tidy_cell(cell, f"{where}: '{column}'") for column, cell in pairs}
    return rows


def column_cells(column: pd.Series) -> list[Any]:
    """Return the cells of a column; whole numbers to which pandas gave a point for a gap have none."""
    present = column.dropna()
    # Number by number, since not every kind of column counts, and what is missing in some equals nothing.
    whole = (
        column.dtype.kind == "f" and len(present) < len(column) and all(float(cell).is_integer() for cell in present)
    )
    return [int(cell) if whole and not pd.isna(cell) else cell for cell in column]
