"""Columns that say where a clip begins and ends and on which side of a split it is, under the names that they have.

What can be understood is brought under the usual names (``start``, ``end``, ``split``, ``fold``), if nothing bears
these; what looks meant so and cannot is refused, since a span or a split that is passed over asks another question.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerscope.data.label_cells import DECIMAL_COMMA, has_decimal_commas
from layerscope.data.table_files import Record, Rows
from layerscope.errors import DataError
from layerscope.targets.cells import as_float, most

__all__ = ["FLAGS", "SPLIT_NAMES", "is_split", "is_time", "refuse_two_tests", "split_word", "with_usual_names"]

SPLIT_NAMES = {
    "train": "train", "training": "train", "trn": "train",
    "valid": "valid", "val": "valid", "validation": "valid", "validate": "valid", "dev": "valid",
    "development": "valid",
    "test": "test", "testing": "test", "tst": "test", "holdout": "test", "heldout": "test",
    "eval": "test", "evaluation": "test",
}  # fmt: skip
#: What is tested, unless another split is called test: then either may be meant.
EITHER = frozenset({"eval", "evaluation"})
#: What spans, splits and folds are called elsewhere, as `plain_name` has it, the likeliest first.
#: Not ``segment_start``, which says of files that were cut where they come from, as in MARBLE's HookTheory.
OTHER_NAMES = {
    "start": (
        *("start", "start_time", "onset", "onset_time", "begin", "begin_time"),
        *("from", "tmin", "t_start", "t0"),
    ),
    "end": (
        *("end", "end_time", "offset", "offset_time", "stop", "stop_time"),
        *("to", "tmax", "t_end", "t1"),
        *("duration", "dur", "length", "clip_duration", "segment_duration", "clip_length"),
    ),
    # Of words for splits, a fold is none.
    "split": ("subset", "partition", "set", "data_split", "dataset_split", "usage", "phase", "fold"),
    "fold": ("fold_id", "fold_index", "fold_idx", "fold_number", "kfold", "k_fold", "cv_fold"),
}
#: What says yes or no, in small letters.
FLAGS = frozenset({"0", "1", "0.0", "1.0", "true", "false", "yes", "no"})
#: Of the names of ends, those of lengths.
LENGTHS = frozenset(name for name in OTHER_NAMES["end"] if name.endswith(("dur", "duration", "length")))
#: What stands behind a name, and how it becomes seconds.
SECONDS = re.compile(r"_(?:s|secs?|seconds?)$")
OTHER_UNITS = {
    re.compile(r"_(?:ms|msec|millis|milliseconds)$"): "is in milliseconds; divide by 1000",
    re.compile(r"_(?:samples?|frames?)$"): "counts samples or frames; divide by how many there are a second",
}
#: A time as people write it, whether it can be read or not: 1.5, 0:01, 1,5 s.
TIME = re.compile(r"\d+(?:[.,:]\d*)*\s*(?:m?s|sec|min)?", re.ASCII | re.IGNORECASE)
#: Seconds: Raven writes where a clip begins in its file with fewer digits than its time.
ROUNDED = 1e-3


def plain_name(column: str) -> str:
    """Return the name of a column in small letters, its words joined by underscores, without a unit of seconds.

    Examples
    --------
    >>> plain_name("Begin Time (s)"), plain_name("startTime"), plain_name("end_sec"), plain_name("start_ms")
    ('begin_time', 'start_time', 'end', 'start_ms')
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    return SECONDS.sub("", re.sub(r"[\W_]+", "_", words.casefold()).strip("_"))


def with_usual_names(rows: Rows) -> Rows:
    """Return rows whose spans, splits and folds, if they are under other names alone, are under the usual ones.

    Raises
    ------
    DataError
        If a column looks like one of them and cannot be read as it.

    Examples
    --------
    >>> with_usual_names({"row 2": {"path": "a.wav", "onset": "1.5", "duration": "2", "subset": "dev"}})
    {'row 2': {'path': 'a.wav', 'start': '1.5', 'end': 3.5, 'split': 'dev'}}
    """
    columns: dict[str, str | None] = {}
    for name in OTHER_NAMES:
        column = columns[name] = column_for(name, rows)
        if column is not None:
            rows = {
                where: {name if key == column else key: cell for key, cell in row.items()}
                for where, row in rows.items()
            }
    rows = with_points(rows)
    refuse_two_starts(rows)
    refuse_unread_sides(rows)
    if plain_name(columns["end"] or "") in LENGTHS:
        rows = {where: with_end(row) for where, row in rows.items()}
    return rows


def columns_of(rows: Rows) -> list[str]:
    """Return the names of the columns of rows, in their order."""
    return list(dict.fromkeys(column for row in rows.values() for column in row))


def filled(rows: Rows, column: str) -> list[Any]:
    """Return the cells of a column that are there."""
    return [row[column] for row in rows.values() if row.get(column) is not None]


def column_for(name: str, rows: Rows) -> str | None:
    """Return the column that is meant by one of the usual names and does not bear it, or None."""
    columns = columns_of(rows)
    # An end alone may be an offset of something else; a split decides, whatever the folds.
    if name in columns or (name == "end" and "start" not in columns) or (name == "fold" and "split" in columns):
        return None
    names = {column: without_unit(plain_name(column)) for column in columns}
    for other in OTHER_NAMES[name]:
        for column, (words, mend) in names.items():
            if words == other and fits(name, filled(rows, column)):
                if mend:
                    raise DataError(f"column '{column}' {mend} and call it '{other}'")
                return column
    if name == "start" and "offset" in plain_numbers(rows) and LENGTHS & plain_numbers(rows):
        raise DataError(
            "an offset and a length may be where a clip begins and how long it is, or say something else of the file; "
            "call the offset 'start', or one of the two otherwise"
        )
    return None


def without_unit(plain: str) -> tuple[str, str]:
    """Return a plain name without a unit that is not seconds, and how times in it become seconds, if there is one.

    Examples
    --------
    >>> without_unit("start_ms"), without_unit("start")
    (('start', 'is in milliseconds; divide by 1000'), ('start', ''))
    """
    return next(((unit.sub("", plain), mend) for unit, mend in OTHER_UNITS.items() if unit.search(plain)), (plain, ""))


def plain_numbers(rows: Rows) -> set[str]:
    """Return the plain names of columns that may hold an offset or a length, and numbers."""
    columns = {column: plain_name(column) for column in columns_of(rows)}
    may = {"offset", *LENGTHS}
    return {plain for column, plain in columns.items() if plain in may and fits("end", filled(rows, column))}


def fits(name: str, cells: Sequence[Any]) -> bool:
    """Return whether most cells may be what a usual name says."""
    if name == "split":
        return most(map(is_split, cells))
    # Folds are few.
    return 2 * len({str(cell) for cell in cells}) <= len(cells) if name == "fold" else most(map(is_time, cells))


def with_points(rows: Rows) -> Rows:
    """Return rows whose times have a decimal point where a comma stands for it, as in targets.

    Examples
    --------
    >>> with_points({"row 2": {"path": "a.wav", "start": "0,5", "end": "1,250", "label": "1,5"}})
    {'row 2': {'path': 'a.wav', 'start': '0.5', 'end': '1.250', 'label': '1,5'}}
    """
    times = [cell.strip() for name in ("start", "end") for cell in filled(rows, name) if isinstance(cell, str)]
    if not has_decimal_commas(times):
        return rows
    pointed = {time: time.replace(",", ".") for time in times if DECIMAL_COMMA.fullmatch(time)}
    return {
        where: {
            column: pointed.get(cell.strip(), cell) if column in ("start", "end") and isinstance(cell, str) else cell
            for column, cell in row.items()
        }
        for where, row in rows.items()
    }


def with_end(row: Record) -> Record:
    """Return a row whose end, which is a length, is the end."""
    end = as_float(row.get("start", 0.0)) + as_float(row.get("end"))
    # What is no number stays as it is, and is named as such.
    return row if math.isnan(end) else {**row, "end": end}


def refuse_unread_sides(rows: Rows) -> None:
    """Raise where no column is the split, and one holds words for splits, or says yes or no to one of them."""
    columns = columns_of(rows)
    if {"split", "fold"} & {*columns}:
        return
    for column in columns:
        cells = words_of(filled(rows, column))
        sides = {SPLIT_NAMES.get(split_word(cell)) for cell in cells}
        if len(sides) > 1 and "train" in sides and None not in sides:
            raise DataError(
                f"column '{column}' holds words for splits ({', '.join(sorted(cells))}); call it 'split', or, if it is "
                "none, write other words"
            )
        if cells and cells <= FLAGS and split_word(re.sub("^(is|in|for)_?", "", plain_name(column))) in SPLIT_NAMES:
            raise DataError(f"column '{column}' looks like a split; write a column 'split' of train, valid and test")


def refuse_two_starts(rows: Rows) -> None:
    """Raise where clips begin at one time in a sequence of files, as Raven counts, and at another in their own."""
    own = next((column for column in columns_of(rows) if plain_name(column) == "file_offset"), None)
    if own is None:
        return
    starts, places = (
        np.array([as_float(str(row.get(column)).replace(",", ".")) for row in rows.values()])
        for column in ("start", own)
    )
    # What is missing is NaN, and differs from nothing.
    if (np.abs(starts - places) > ROUNDED).any():
        raise DataError(
            f"where clips begin and '{own}' differ: times count through all files; call '{own}' 'start', write "
            "how long clips are as 'duration', and leave the other times out"
        )


#: Letters of the longest word for a split, with room for blanks.
LONGEST = 30


def words_of(cells: Sequence[Any]) -> set[str]:
    """Return short cells in small letters; none where one is a list or too long to be a word for a split."""
    if any(isinstance(cell, (list, dict)) or len(str(cell)) > LONGEST for cell in cells):
        return set()
    return {str(cell).strip().casefold() for cell in cells}


def is_time(cell: Any) -> bool:
    """Return whether a cell is meant to be a time; one that cannot be read is refused, and not taken for a target."""
    return not math.isnan(as_float(cell)) or (isinstance(cell, str) and TIME.fullmatch(cell.strip()) is not None)


def is_split(cell: Any) -> bool:
    """Return whether a cell is a word for a split."""
    return split_word(str(cell)) in SPLIT_NAMES


def split_word(text: str) -> str:
    """Return a word of `SPLIT_NAMES` if a text means one: ``Test_set``, ``hold-out`` and ``training data`` do.

    Examples
    --------
    >>> split_word("Test_set"), split_word(" hold-out"), split_word("val1")
    ('test', 'holdout', 'val1')
    """
    return re.sub(r"(?<=[a-z])(set|data|split)$", "", re.sub(r"[ _-]+", "", text.lower()))


def refuse_two_tests(places: Mapping[str, str]) -> None:
    """Raise where splits, given with where each stands, are called both ``eval`` and ``test``."""
    tested = {split_word(text): text for text in places if SPLIT_NAMES.get(split_word(text)) == "test"}
    either = next((text for word, text in tested.items() if word in EITHER), None)
    if either is not None and not tested.keys() <= EITHER:
        other = next(text for word, text in tested.items() if word not in EITHER)
        raise DataError(
            f"{places[either]}: a split is called '{either}', another '{other}' ({places[other]}); which is tested? "
            "call the other one valid"
        )
