"""Tables with a row a clip: CSV, TSV, JSON lines, and the three files of JSON lines that MARBLE v2 keeps of a task.

A row is a path, where known ``start`` and ``end`` in seconds, ``split``, ``fold`` and ``group``, and the targets. A
row whose audio is absent, or that says ``aside``, is left out with the reason; one that cannot be understood is an
error that names it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from layerscope.errors import DataError

__all__ = [
    "ASIDE",
    "CLIP_COLUMNS",
    "Record",
    "clip_records",
    "clip_table",
    "csv_rows",
    "json_lines",
    "split_files",
    "split_named",
]

Record = dict[str, Any]

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "valid": "valid", "val": "valid", "validation": "valid", "dev": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
PATH_NAMES = ("path", "audio_path", "file", "filename")
#: Columns that describe a clip and are never a target.
CLIP_COLUMNS = ("clip", "path", "start", "end", "split", "fold", "group", "clip_key", "clip_seconds", "clip_sound")
#: The key under which a reader says why a row is left out.
ASIDE = "aside"


def csv_rows(path: Path) -> list[Record]:
    """Return the rows of a table with a header; empty cells are left out, columns of numbers are numbers.

    Raises
    ------
    DataError
        If the file is no table, or no column holds paths.
    """
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        # As text, since pandas would take a class called "NA" for missing; utf-8-sig drops a byte order mark.
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not readable as a table ({error})") from error
    if not any(name in table.columns for name in PATH_NAMES):
        raise DataError(f"{path}: no column 'path' (found: {', '.join(map(str, table.columns))})")
    # By column, so that names that happen to be digits stay names among others.
    numeric = {column for column in table.columns if column not in CLIP_COLUMNS and is_numeric(table[column])}
    return [
        {key: number(cell) if key in numeric else cell for key, cell in row.items() if cell != ""}
        for row in table.to_dict("records")
    ]


def is_numeric(column: pd.Series[str]) -> bool:
    """Return whether every cell that is filled holds a number."""
    filled = column[column != ""]
    return len(filled) > 0 and bool(pd.to_numeric(filled, errors="coerce").notna().all())


def number(text: str) -> float | int:
    """Return a number as an int where it is written as one."""
    return int(text) if re.fullmatch(r"[+-]?\d+", text.strip()) else float(text)


def json_lines(path: Path) -> Iterator[Record]:
    """Yield the objects of a file with one a line; MARBLE's ``ori_uid``, the song, is a group.

    Raises
    ------
    DataError
        Naming the line that is none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as text ({error})") from error
    for count, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path.name} line {count}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise DataError(f"{path.name} line {count}: expected an object, found {type(row).__name__}")
        # A group that the row states itself wins over the song.
        yield {"group": row["ori_uid"], **row} if "ori_uid" in row else row


def split_files(path: Path) -> dict[Path, str | None]:
    """Return those of ``Name.{train,val,test}.jsonl`` that exist, with their splits, given any of them; else the file.

    Examples
    --------
    >>> split_files(Path("songs.jsonl"))
    {PosixPath('songs.jsonl'): None}
    """
    parts = path.name.rsplit(".", 2)
    if len(parts) < 3 or parts[1] not in SPLIT_NAMES:
        return {path: None}
    siblings = {path.with_name(f"{parts[0]}.{word}.{parts[2]}"): split for word, split in SPLIT_NAMES.items()}
    return {file: split for file, split in siblings.items() if file.is_file()} or {path: None}


def clip_records(
    name: str, rows: Sequence[Record], unit: str, first: int, places: Sequence[Path]
) -> tuple[list[Record], dict[str, str]]:
    """Return the rows whose audio is there, under one key for the path, and why others are left out.

    Parameters
    ----------
    name, unit, first : str, str, int
        The table, what its rows are called and the number of the first, for messages.
    rows : sequence of dict
        As written.
    places : sequence of Path
        The directories where relative paths may start.
    """
    records: list[Record] = []
    skipped: dict[str, str] = {}
    seen: dict[str, int] = {}
    for position, row in enumerate(rows, start=first):
        where = f"{name} {unit} {position}"
        record = read_row(row, where)
        clip = record["clip"]
        reason = record.pop(ASIDE, None)
        # The first place wins: the table's own directory before those above it.
        path = next((place / record["path"] for place in places if (place / record["path"]).is_file()), None)
        if reason is not None:
            skipped[clip] = reason
        elif path is None:
            looked = ", ".join(str(place) for place in places[:2]) + (" and above" if len(places) > 2 else "")
            skipped[clip] = f"{where}: 'path' {record['path']} does not exist (looked in {looked})"
        elif path.stat().st_size == 0:
            skipped[clip] = f"{path}: the file is empty (0 bytes)"
        elif clip in seen:
            skipped[f"{clip} ({unit} {position})"] = f"{where}: the same clip as {unit} {seen[clip]}"
        else:
            seen[clip] = position
            records.append({**record, "path": str(path.resolve())})
    return records, skipped


def read_row(row: Record, where: str) -> Record:
    """Return one row with its clip columns checked and its targets as they are."""
    path = next((row[key] for key in PATH_NAMES if row.get(key)), None)
    if path is None:
        raise DataError(f"{where}: no 'path' (nor 'audio_path')")
    record = {key: value for key, value in row.items() if key not in PATH_NAMES and value is not None}
    record |= {key: seconds(record[key], f"{where}: '{key}'") for key in ("start", "end") if key in record}
    start, end = record.get("start", 0.0), record.get("end", math.inf)
    if end <= start:
        raise DataError(f"{where}: 'end' {end:g} is not after 'start' {start:g}")
    if "split" in record:
        record["split"] = split_named(record["split"], where)
    record |= {key: str(record[key]) for key in ("group", "fold") if key in record}
    # Clips of one file differ by their spans.
    # Ten digits tell spans of a millisecond apart in an hour of sound; the six of a plain "g" do not.
    span = f"@{start:.10g}-{f'{end:.10g}' if 'end' in record else ''}" if {"start", "end"} & record.keys() else ""
    return {**record, "path": str(path), "clip": f"{path}{span}"}


def split_named(word: Any, where: str) -> str:
    """Return the split that a word means.

    Examples
    --------
    >>> split_named("val", "clip 3")
    'valid'
    """
    split = SPLIT_NAMES.get(str(word).strip().lower())
    if split is None:
        raise DataError(f"{where}: 'split' {word} is none of train, valid, test")
    return split


def seconds(value: Any, where: str) -> float:
    """Return a cell as seconds, zero or more."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        result = math.nan
    if not (math.isfinite(result) and result >= 0):
        raise DataError(f"{where} {value} is not a time in seconds")
    return result


def clip_table(records: Sequence[Record]) -> pd.DataFrame:
    """Return records as a table with the columns that every dataset has: a missing start is 0, a missing end NaN."""
    columns = dict.fromkeys(key for record in records for key in record)
    table = pd.DataFrame({column: pd.Series([record.get(column) for record in records]) for column in columns})
    for column, default in (("start", 0.0), ("end", np.nan)):
        given = table[column] if column in table else pd.Series(np.nan, index=table.index)
        table[column] = pd.to_numeric(given).fillna(default).astype(float)
    return table
