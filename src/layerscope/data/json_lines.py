"""Files with a JSON object a line, each a row of a clip."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from layerscope.data.table_files import Record, Rows, unique_names
from layerscope.data.text_files import read_text
from layerscope.errors import DataError

__all__ = ["json_lines"]


def json_lines(path: Path) -> Rows:
    """Return the objects of a file with one a line; MARBLE's ``ori_uid``, the song, is a group.

    Raises
    ------
    DataError
        Naming the line that is none.
    """
    rows: Rows = {}
    text = read_text(path)
    # Not splitlines, which breaks at U+2028 and others that may stand inside a string.
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if not line.strip():
            continue
        where = f"{path.name} line {number}"
        try:
            row = json.loads(line, object_pairs_hook=unique_keys)
        except RecursionError as error:
            raise DataError(f"{where}: not readable, its lists are nested too deeply") from error
        except ValueError as error:
            raise DataError(f"{where}: not JSON ({error}){shape_of(text)}") from error
        if not isinstance(row, dict):
            raise DataError(
                f"{where}: expected an object, found {type(row).__name__}{shape_of(text)}; write one a line"
            )
        columns = unique_names(list(row), where)
        # As it is written; to Python, true is a number.
        cells = [json.dumps(cell) if isinstance(cell, bool) else cell for cell in row.values()]
        row = dict(zip(columns, cells, strict=True))
        # A group that the row states itself wins over the song.
        rows[where] = {"group": row["ori_uid"], **row} if "ori_uid" in row else row
    return rows


def shape_of(text: str) -> str:
    """Return what a file that is no JSON lines looks like, as the end of a message, or an empty text."""
    start = text.lstrip()
    if re.match(r"\[\s*\{", start):
        return "; the file looks like one array of JSON: write its objects one a line, without brackets around them"
    if re.match(r"\{\s*[\n\r]", start):
        return "; the file looks like JSON over several lines: write each object on one line"
    return "; the file looks like a table: call it .csv" if re.match(r"[\w ]+[,;\t]", start) else ""


def unique_keys(pairs: list[tuple[str, Any]]) -> Record:
    """Return an object of JSON, or raise where a key is written twice, of which Python would keep the last."""
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"'{next(key for key in keys if keys.count(key) > 1)}' is there twice")
    return record
