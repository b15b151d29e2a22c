"""Files with a row a clip, as text: CSV and TSV, their separator, header and row numbers.

Rows are called by their place in the file, ``songs.csv row 7``, as an editor counts lines: blank lines and line breaks
inside quotes are counted too. A file that cannot be read as it was meant is an error that says what it looks like.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from layerscope.data.audio import EXTENSIONS
from layerscope.data.text_files import read_text
from layerscope.errors import DataError

__all__ = [
    "CALL_IT", "PATH_NAMES", "QUOTED", "Record", "Rows", "column_name", "csv_rows", "unique_names",
]  # fmt: skip

Record = dict[str, Any]
#: Records by where they stand.
Rows = dict[str, Record]
#: What the column of paths may be called; the first that is filled counts.
PATH_NAMES = ("path", "audio_path", "file", "filename", "file_name")
#: The way out where none is called so.
CALL_IT = "call the column with the files 'path'"
#: Columns that are understood however they are capitalised.
UNDERSTOOD = {name: name for name in (*PATH_NAMES, "start", "end", "split", "fold", "group")} | {
    "splits": "split", "folds": "fold", "groups": "group",
}  # fmt: skip
#: Signs that people write around a cell, and that are no quotes to a table.
OPENING, CLOSING = "'‘“„`«", "'’”“`»"
QUOTED = re.compile(f"[{OPENING}].*[{CLOSING}]", re.DOTALL)
#: The way out.
QUOTE_SO = 'a table quotes by "…": write that around such cells'
#: The way out where programs quoted whole lines.
UNQUOTE = "take away the quotes around each line"
#: What parts fields, as it is called in messages.
SIGNS = {";": "';'", ",": "','", "\t": "tabs", "|": "'|'", "  ": "blanks"}
#: The share of rows with parted quotes up to which they are apostrophes, as in "'Til Tuesday" beside "Talkin'".
FEW_APOSTROPHES = 0.1
#: Down to here a header is looked for, to say where it is.
FIRST_ROWS = 10


def column_name(name: Any) -> str:
    """Return the name of a column: blanks and line breaks as one blank, composed characters, known names as they are.

    Examples
    --------
    >>> column_name(" Split"), column_name("my" + chr(10) + "label"), column_name(3)
    ('split', 'my label', '3')
    """
    text = unicodedata.normalize("NFC", " ".join(str(name).split()))
    return UNDERSTOOD.get(re.sub("[ -]", "_", text.casefold()), text)


def unique_names(names: Sequence[Any], where: str) -> list[str]:
    """Return the names of columns, or raise where two are one."""
    columns = [column_name(name) for name in names]
    twice = next((name for name in columns if name and columns.count(name) > 1), None)
    if twice is not None:
        places = [str(place) for place, name in enumerate(columns, start=1) if name == twice]
        raise DataError(f"{where}: '{twice}' is the name of columns {' and '.join(places)}; name each once")
    return columns


def csv_rows(path: Path) -> Rows:
    """Return the rows of a table with a header, as text; empty cells are left out.

    Fields are parted by commas (by tabs in a ``.tsv``), or by semicolons or tabs where only these give a column of
    paths; a first line ``sep=;`` is obeyed.

    Raises
    ------
    DataError
        If the file is no table, no column holds paths, or rows have more fields than the header names.
    """
    text = read_text(path)
    separators = ["\t", ",", ";"] if path.suffix.lower() == ".tsv" else [",", ";", "\t"]
    said = re.match(r"(\"?)sep=(.)\1\s*?\r?\n", text)
    if said:
        separators = [said[2]]
    for separator in separators:
        lines = numbered_rows(path, text, separator)
        try:
            number, header = next(lines, (1, []))
            if said:
                number, header = next(lines, (2, []))
        except DataError:
            # Names in quotes that another sign parts; what is wrong with the first is said below where none fits.
            continue
        if names_paths(header):
            columns = unique_names(header, f"{path.name} row {number}")
            return table_rows(path.name, columns, list(lines), separator)
    raise DataError(f"{path}: {fault_of_header(path, text, separators)}")


def numbered_rows(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that hold anything, with the line of the file in which each begins."""
    # The default, 131,072 characters, is shorter than the annotation of a long piece.
    csv.field_size_limit(sys.maxsize)
    # Not strict, a quotation mark that is never closed would swallow the rest of the file.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{path.name} row {number}: not readable as a table ({error}); a cell that holds a quotation mark "
                "stands in quotes, with the mark doubled"
            ) from error
        if any(field.strip() for field in fields):
            yield number, fields


def fault_of_header(path: Path, text: str, separators: Sequence[str]) -> str:
    """Return what is wrong with a first row in which no column is called as paths are."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if first.startswith("{"):
        return "no column 'path': the file looks like JSON lines; call it .jsonl"
    tables = {separator: first_rows(path, text, separator) for separator in separators}
    if first.startswith("#"):
        if any(names_paths(first.lstrip("# ").split(separator)) for separator in separators):
            return f"no column 'path': its header begins with '#', {first[:80]}; take that sign out"
        # A column of numbers may be called so.
        if not any(rows and rows[0][1][0].strip() == "#" for rows in tables.values()):
            return (
                f"no column 'path': it begins with a comment, {first[:80]}; take it out, so that the header comes first"
            )
    for number, fields in itertools.chain.from_iterable(rows[1:] for rows in tables.values()):
        if names_paths(fields):
            return (
                f"no column 'path' in its first row; the names of columns stand in row {number}: take out what is above"
            )
    # What parts it most; where nothing does, what is wrong is said of the first.
    separator = max(separators, key=lambda separator: len(tables[separator][0][1]) if tables[separator] else 0)
    _, header = next(numbered_rows(path, text, separator), (1, [""]))
    if len(header) == 1 and any(names_paths(header[0].split(separator)) for separator in separators):
        return f"no column 'path': its first row, {first[:80]}, is one cell in quotes; {UNQUOTE}"
    for parted, fields in (("|", first.split("|")), ("blanks", first.split()), (":", first.split(":"))):
        # The name of a column that another sign parts may hold blanks.
        if len(fields) > 1 and names_paths(fields) and (len(header) == 1 or parted != "blanks"):
            noun = parted if parted.isalpha() else f"'{parted}'"
            return f"no column 'path': its fields look parted by {noun}; part them by commas, semicolons or tabs"
    if any(map(QUOTED.fullmatch, header)):
        return f"no column 'path': its fields stand in other quotes ({', '.join(header)[:80]}); {QUOTE_SO}"
    if any(map(is_audio_name, header)):
        return (
            f"no column 'path': its first row, {separator.join(header)[:80]}, is a clip already; "
            f"write the names of the columns above it, such as path{separator}label"
        )
    below = next((fields for _, fields in tables[separator][1:]), [])
    likely = next(
        (f" (it looks like '{name}')" for name, cell in zip(header, below, strict=False) if is_audio_name(cell)), ""
    )
    return f"no column 'path' (found: {', '.join(header)[:200] or 'nothing'}); {CALL_IT}{likely}"


def first_rows(path: Path, text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Return the first rows that hold anything, as far as a separator makes a table of them."""
    rows: list[tuple[int, list[str]]] = []
    with contextlib.suppress(DataError):
        rows.extend(itertools.islice(numbered_rows(path, text, separator), FIRST_ROWS))
    return rows


def names_paths(fields: Sequence[str]) -> bool:
    """Return whether one of the names of columns is that of paths."""
    return not set(map(column_name, fields)).isdisjoint(PATH_NAMES)


def is_audio_name(cell: str) -> bool:
    """Return whether a cell is the name of a file of audio."""
    return Path(cell.strip()).suffix.lower() in EXTENSIONS


def table_rows(name: str, columns: list[str], lines: list[tuple[int, list[str]]], separator: str) -> Rows:
    """Return the rows below a header of unique names."""
    refuse_other_separator(name, columns, lines, separator)
    refuse_parted(name, lines)
    refuse_wide(name, columns, lines, separator)
    rows: Rows = {}
    for number, fields in lines:
        where = f"{name} row {number}"
        cells = dict(zip(columns, fields, strict=False))
        # An index that pandas wrote is the first column and has no name; another without one may be a target.
        if cells.pop("", "").strip() and columns[0] != "":
            raise DataError(f"{where}: column {columns.index('') + 1} has a cell but no name in the header")
        if list(map(column_name, fields)) == columns:
            raise DataError(f"{where}: the header stands here again; two tables were joined: take it out")
        rows[where] = {column: cell for column, cell in cells.items() if cell.strip()}
    return rows


def refuse_other_separator(name: str, columns: list[str], lines: list[tuple[int, list[str]]], separator: str) -> None:
    """Raise where the header has several fields and each row but one, which holds a sign that parts fields."""
    if len(columns) == 1 or any(len(fields) > 1 for _, fields in lines):
        return
    for sign, noun in SIGNS.items():
        if lines and all(sign in fields[0] for _, fields in lines):
            other = f"the rows look parted by {noun}: part them as the header is"
            mend = f"it is one cell in quotes: {UNQUOTE}" if sign == separator else other
            names = f"{len(columns)} ({', '.join(columns)})"
            raise DataError(f"{name} row {lines[0][0]}: one field, but the header names {names}; {mend}")


def refuse_parted(name: str, lines: list[tuple[int, list[str]]]) -> None:
    """Raise where cells that stand in other quotes than a table's were parted at a separator inside them."""
    parted = [(number, text) for number, fields in lines if (text := parted_quotes(fields))]
    if len(parted) > FEW_APOSTROPHES * len(lines):
        number, text = parted[0]
        raise DataError(
            f"{name} row {number}: {text[:60]} looks like one cell that was parted, and so in {len(parted)} of "
            f"{len(lines)} rows; {QUOTE_SO}"
        )


def parted_quotes(fields: Sequence[str]) -> str:
    """Return the neighbouring fields of which the first begins with a quotation mark and the last ends with one.

    Examples
    --------
    >>> parted_quotes(["a.wav", "'sad", "slow'"]), parted_quotes(["a.wav", "'sad'", "don't"])
    ("'sad, slow'", '')
    """
    texts = [field.strip() for field in fields]
    for first, text in enumerate(texts):
        sign = CLOSING[OPENING.find(text[0])] if text and text[0] in OPENING else None
        if sign and (len(text) == 1 or text[-1] != sign):
            last = next((place for place in range(first + 1, len(texts)) if texts[place][-1:] == sign), None)
            if last is not None:
                return ", ".join(texts[first : last + 1])
    return ""


def refuse_wide(name: str, columns: list[str], lines: list[tuple[int, list[str]]], separator: str) -> None:
    """Raise where rows hold more than the header names."""
    wide = [(number, fields) for number, fields in lines if any(cell.strip() for cell in fields[len(columns) :])]
    if wide:
        number, fields = wide[0]
        all_wide = len(wide) == len(lines)
        in_quotes = f"a cell that holds {SIGNS.get(separator, repr(separator))} stands in quotes"
        mend = "the header lacks a name" if all_wide else f"{in_quotes}, and of several tags in it | parts them"
        digits = [field.strip().isdecimal() for field in fields]
        if separator == "," and any(both == (True, True) for both in itertools.pairwise(digits)):
            mend += ", or a number with a decimal comma, which is written 1.5"
        raise DataError(
            f"{name} row {number}: {len(fields)} fields, but the header names {len(columns)} ({', '.join(columns)}); "
            f"so in {len(wide)} of {len(lines)} rows: {mend}"
        )
