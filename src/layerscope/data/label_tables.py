"""Tables with a row a clip, wherever they come from: the file that a row means, its span, its split and its targets.

A row is a path, where known ``start`` and ``end`` in seconds, ``split``, ``fold`` and ``group``, and the targets. A
row whose audio is absent, that says ``aside`` or that cannot be understood is left out with the reason, unless more
than a tenth cannot: that is an error. Rows of one clip are one clip: where they say different things of a target, it
has none.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from layerscope.data.audio_paths import AudioPaths
from layerscope.data.label_cells import MOST_ODD, Odd, listed, names_of, number_of, settle_column, tidy_cell
from layerscope.data.table_files import PATH_NAMES, Record, Rows
from layerscope.data.usual_columns import SPLIT_NAMES, is_time, refuse_two_tests, split_word, with_usual_names
from layerscope.errors import DataError
from layerscope.targets.cells import as_float, shown

__all__ = ["ASIDE", "CLIP_COLUMNS", "Record", "clip_records", "clip_table", "fold_named", "split_files", "split_named"]

#: Columns that the program adds.
ADDED = ("clip", "clip_key", "clip_written", "clip_seconds", "clip_sound")
#: Columns that describe a clip and are never a target.
CLIP_COLUMNS = ("path", "start", "end", "split", "fold", "group", *ADDED)
#: Of these, what is said where rows of one clip differ in it.
SIDES = ("split", "fold", "group")
#: Ten digits tell spans of a millisecond apart in an hour of sound; the six of a plain "g" do not.
DIGITS = ".10g"
#: The key under which a reader says why a row is left out.
ASIDE = "aside"


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
    siblings = {word: path.with_name(f"{parts[0]}.{word}.{parts[2]}") for word in SPLIT_NAMES}
    files = {word: file for word, file in siblings.items() if file.is_file()}
    refuse_two_tests({word: file.name for word, file in files.items()})
    return {file: SPLIT_NAMES[word] for word, file in files.items()} or {path: None}


def clip_records(rows: Rows, root: Path, *, typed: bool, joined: bool = False) -> tuple[list[Record], dict[str, str]]:
    """Return the clips whose audio is there, under one key for the path, and why rows are left out.

    Parameters
    ----------
    rows : dict of str to dict
        As written, by where they stand.
    root : Path
        The directory where relative paths start.
    typed : bool
        Whether cells tell numbers from texts, as those of JSON do.
    joined : bool
        Whether all files are parts of one table, so that a clip is one wherever it stands, except in another split.
    """
    clips: dict[tuple[object, ...], tuple[str, Record]] = {}
    usual = with_usual_names(rows)
    refuse_two_tests({row["split"]: where for where, row in usual.items() if isinstance(row.get("split"), str)})
    read, skipped = read_rows(usual)
    paths = AudioPaths(root)
    for where, record in read.items():
        reason = record.pop(ASIDE, None)
        path = paths.file_of(record["path"]) if reason is None else None
        reason = reason or paths.missing_reason(path, record["path"], where)
        if path is None or reason:
            skipped[f"{record['clip']} ({row_of(where)})" if record["clip"] in skipped else record["clip"]] = reason
            continue
        record["path"] = str(path.resolve())
        # Of two files, train and test, a clip in both is two: that is a leak, and found as one.
        # Of tables of one name, metadata.csv and metadata.jsonl, it is one.
        file = file_part(where).removesuffix(".csv").removesuffix(".jsonl")
        part = (record.get("split"), record.get("fold")) if joined else file
        span = (part, record["path"], record.get("start", 0.0), record.get("end", math.inf))
        first, before = clips.setdefault(span, (where, record))
        if before is not record:
            skipped[f"{record['clip']} ({row_of(where)})"] = (
                f"{where}: the same clip as {beside(first, where)}"
                + "".join(
                    f", but its {side} is {record.get(side)}" for side in SIDES if record.get(side) != before.get(side)
                )
            )
            merge_into(before, record, f"{first} and {beside(where, first)}")
    places = [where for where, _ in clips.values()]
    return settle_targets([record for _, record in clips.values()], places, typed=typed), skipped


def read_rows(rows: Rows) -> tuple[Rows, dict[str, str]]:
    """Return the rows that can be understood, and why others are set aside.

    Raises
    ------
    DataError
        If too many cannot, naming the first.
    """
    read: Rows = {}
    reasons: dict[str, str] = {}
    for where, row in rows.items():
        try:
            read[where] = read_row(row, where)
        except DataError as error:
            reasons[where] = str(error)
    refuse_many(reasons, len(rows))
    for side in ("split", "fold"):
        usable = [where for where, record in read.items() if ASIDE not in record]
        lacking = {where for where in usable if side not in read[where]}
        # More may be clips of which nothing is asked; that is known once there is a target.
        if lacking and len(lacking) <= MOST_ODD * len(usable):
            reasons |= {where: f"{where}: no '{side}', others have one" for where in read if where in lacking}
            read = {where: record for where, record in read.items() if where not in lacking}
    taken = {record["clip"] for record in read.values()}
    skipped: dict[str, str] = {}
    for where, reason in reasons.items():
        name = str(path_of(rows[where]) or "a clip").strip()
        skipped[f"{name} ({row_of(where)})" if name in taken or name in skipped else name] = reason
    return read, skipped


def refuse_many(reasons: Mapping[str, str], count: int) -> None:
    """Raise where too many of so many rows cannot be understood."""
    if len(reasons) > MOST_ODD * count:
        first = next(iter(reasons.values()))
        many = f"; so {len(reasons)} of {count} rows cannot be used: mend these, or take them out"
        raise DataError(first + (many if count > 1 else ""))


def row_of(where: str) -> str:
    """Return the row of a place, without its file.

    Examples
    --------
    >>> row_of("clips.csv row 3")
    'row 3'
    """
    return " ".join(where.rsplit(" ", 2)[-2:])


def file_part(where: str) -> str:
    """Return the file of a place, without its row."""
    return where.rsplit(" ", 2)[0]


def beside(where: str, other: str) -> str:
    """Return a place as it is called beside another: by its row alone where they are of one file.

    Examples
    --------
    >>> beside("a.csv row 3", "a.csv row 2"), beside("a.jsonl line 3", "a.csv row 2")
    ('row 3', 'a.jsonl line 3')
    """
    return row_of(where) if file_part(where) == file_part(other) else where


def merge_into(record: Record, again: Record, where: str) -> None:
    """Add what a second row says of a clip to the first: a target of which they say different things has no label."""
    for column, cell in again.items():
        before = record.setdefault(column, cell) if column not in CLIP_COLUMNS else cell
        # A number of JSON is a text in a CSV.
        if not isinstance(before, Odd) and before != cell and str(before) != str(cell):
            record[column] = Odd(None, f"{where}: the same clip with two cells of '{column}' ({before}, {cell})")


def settle_targets(records: list[Record], places: Sequence[str], *, typed: bool) -> list[Record]:
    """Return records whose targets are what their columns say; a column on which too many rows disagree is refused."""
    columns = dict.fromkeys(column for record in records for column in record if column not in CLIP_COLUMNS)
    for column in columns:
        cells = settle_column(column, [record.get(column) for record in records], places, typed=typed)
        torn = [cell for cell in cells if isinstance(cell, Odd) and cell.cell is None]
        if len(torn) > MOST_ODD * len(cells):
            refusal = (
                f"{torn[0].reason}; so {len(torn)} of {len(cells)} clips: keep one row a clip, "
                "and write several tags into one cell with | between them"
            )
            cells = [Odd(None, cell.reason, refusal) if isinstance(cell, Odd) else cell for cell in cells]
        for record, cell in zip(records, cells, strict=True):
            record[column] = cell
    return records


def path_of(row: Record) -> Any:
    """Return the path that a row is of, or None."""
    return next((row[key] for key in PATH_NAMES if row.get(key) is not None and str(row[key]).strip()), None)


def read_row(row: Record, where: str) -> Record:
    """Return one row with its clip columns checked and its targets tidied."""
    path = path_of(row)
    if path is None:
        raise DataError(f"{where}: no 'path' (nor 'audio_path')")
    if not isinstance(path, (str, int, os.PathLike)):
        raise DataError(f"{where}: 'path' {str(path)[:60]} is no text")
    tidy = {key: tidy_cell(cell, f"{where}: '{key}'") for key, cell in row.items() if key not in (*PATH_NAMES, *ADDED)}
    record = {key: cell for key, cell in tidy.items() if cell is not None}
    record |= {key: seconds(record[key], f"{where}: '{key}'") for key in ("start", "end") if key in record}
    start, end = record.get("start", 0.0), record.get("end", math.inf)
    if end <= start:
        raise DataError(f"{where}: 'end' {end:g} is not after 'start' {start:g}")
    if "split" in record:
        record["split"] = split_named(record["split"], where)
    if isinstance(record.get("group"), str):
        record["group"] = listed(record["group"])
    for side in ("fold", "group"):
        # Clips of "a" and of ["a", "b"] would be apart.
        if isinstance(record.get(side), (list, dict)):
            raise DataError(f"{where}: '{side}' {shown(record[side])} is no one name; write one, such as its first")
    if "fold" in record:
        record["fold"] = fold_named(record["fold"])
    if "group" in record:
        record["group"] = names_of([record["group"]])[0]
    path = str(path)
    # Clips of one file differ by their spans.
    span = (
        f"@{start:{DIGITS}}-{f'{end:{DIGITS}}' if 'end' in record else ''}" if {"start", "end"} & record.keys() else ""
    )
    return {**record, "path": path, "clip": f"{path.strip()}{span}"}


def split_named(word: Any, where: str) -> str:
    """Return the split that a word means.

    Examples
    --------
    >>> split_named("val", "clip 3")
    'valid'
    """
    split = SPLIT_NAMES.get(split_word(str(word)))
    if split is None:
        raise DataError(
            f"{where}: 'split' {word} is none of train, valid, test; write these, or call the column otherwise"
        )
    return split


def fold_named(fold: Any) -> str:
    """Return the name of a fold; 1, "1" and 1.0, which pandas makes of it beside an empty cell, are one.

    Examples
    --------
    >>> fold_named(1.0), fold_named("1.0"), fold_named(" 1"), fold_named("a")
    ('1', '1', '1', 'a')
    """
    text = str(fold).strip()
    number = number_of(text)
    return str(int(number)) if number is not None and float(number).is_integer() else text


def seconds(value: Any, where: str) -> float:
    """Return a cell as seconds, zero or more, of ten digits, as the names of clips have them."""
    result = as_float(value)
    if not result >= 0:
        mend = "; write a plain number with a decimal point, as 61.5 for 1:01.5"
        hint = mend if math.isnan(result) and is_time(value) else ""
        raise DataError(f"{where} {shown(value)} is not a time in seconds{hint}")
    return float(f"{result:{DIGITS}}")


def clip_table(records: Sequence[Record]) -> pd.DataFrame:
    """Return records as a table with the columns that every dataset has: a missing start is 0, a missing end NaN."""
    columns = dict.fromkeys(key for record in records for key in record)
    # As objects, since pandas would make 1.0 of 1 in a column with a gap.
    table = pd.DataFrame(
        {column: pd.Series([record.get(column) for record in records], dtype=object) for column in columns}
    )
    for column, default in (("start", 0.0), ("end", np.nan)):
        given = table[column] if column in table else pd.Series(np.nan, index=table.index)
        table[column] = pd.to_numeric(given).fillna(default).astype(float)
    return table
