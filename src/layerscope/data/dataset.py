"""Rows of clips: readers for a folder, a CSV and a JSONL, and the labels in them.

A row that cannot be used is kept aside with its reason; a table that cannot be understood is an error that
names the row. Splits, folds and groups that the data bring are used as they are (see `splits` for the rest).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from layerscope.data.audio import EXTENSIONS, FileFacts, file_facts
from layerscope.errors import AudioError, DataError, unknown
from layerscope.targets import Column, Labels, kind_named, kind_of

__all__ = ["Dataset"]

Record = dict[str, Any]

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "valid": "valid", "val": "valid", "validation": "valid", "dev": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
PATH_NAMES = ("path", "audio_path", "file", "filename")
#: Columns that describe a clip and are never a target.
CLIP_COLUMNS = ("clip", "path", "start", "end", "split", "fold", "group", "clip_key", "clip_seconds", "clip_sound")


@dataclass
class Dataset:
    """A table of clips.

    Attributes
    ----------
    name : str
        What results call it.
    clips : DataFrame
        One row a clip: ``clip`` (its name), ``path``, ``start``, ``end`` (s, NaN for the whole file), where the
        data bring them ``split``, ``fold``, ``group``, and the target columns. After `survey` also
        ``clip_key`` (content and span) and ``clip_seconds``.
    skipped : dict of str to str
        Name of every clip that is not used, and why.
    """

    name: str
    clips: pd.DataFrame
    skipped: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path, root: str | Path | None = None) -> Dataset:
        """Read a folder, a ``.csv`` or a ``.jsonl``.

        Parameters
        ----------
        path : str or Path
            What to read.
        root : str or Path, optional
            Where relative audio paths start; the table's own directory by default.

        Raises
        ------
        DataError
            If it does not exist or is none of these.
        """
        path = Path(path).expanduser()
        if path.is_dir():
            return cls.from_folder(path)
        if not path.is_file():
            raise DataError(f"data '{path}' does not exist; give a folder, a CSV or a JSONL")
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            return cls.from_jsonl(path, root)
        if path.suffix.lower() in (".csv", ".tsv"):
            return cls.from_csv(path, root)
        raise DataError(f"data '{path}' is neither a folder nor a .csv, .tsv or .jsonl")

    @classmethod
    def from_folder(cls, folder: str | Path) -> Dataset:
        """Read a folder with one sub-folder a class; the target is called ``label``."""
        folder = Path(folder)
        records, skipped = [], {}
        for path in sorted(file for file in folder.rglob("*") if file.is_file()):
            name = path.relative_to(folder)
            if any(part.startswith(".") for part in name.parts):
                continue
            if path.suffix.lower() not in EXTENSIONS:
                skipped[str(name)] = f"'{path.suffix}' is not an audio file's ending"
            elif len(name.parts) < 2:
                skipped[str(name)] = "lies outside the class folders"
            else:
                records.append({"clip": str(name), "path": str(path.resolve()), "label": name.parts[0]})
        if not records:
            raise DataError(f"{folder}: no audio in sub-folders; expected one sub-folder a class, audio inside")
        return cls(folder.resolve().name, finish_table(records), skipped)

    @classmethod
    def from_csv(cls, path: str | Path, root: str | Path | None = None) -> Dataset:
        """Read a table with a header.

        A column ``path``, target columns and, where known, ``start``, ``end``, ``split``, ``fold``, ``group``.
        """
        path = Path(path)
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        try:
            table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        except (ValueError, OSError) as error:
            raise DataError(f"{path}: not readable as a table ({error})") from error
        rows = [{key: value for key, value in row.items() if value != ""} for row in table.to_dict("records")]
        if not any(name in table.columns for name in PATH_NAMES):
            raise DataError(f"{path}: no column 'path' (found: {', '.join(map(str, table.columns))})")
        numeric = [column for column in table.columns if column not in CLIP_COLUMNS and is_numeric(table[column])]
        for row in rows:
            row.update({column: number(row[column]) for column in numeric if column in row})
        # The header is row 1, so that a row is where an editor or a spreadsheet shows it.
        return cls.from_records(path, rows, "row", 2, bases(path, root, climb=False))

    @classmethod
    def from_jsonl(cls, path: str | Path, root: str | Path | None = None) -> Dataset:
        """Read one JSON object a line, MARBLE v2's records included.

        Of ``Name.train.jsonl``, ``Name.val.jsonl`` and ``Name.test.jsonl`` any one stands for the three. Keys
        are ``audio_path`` (or ``path``), ``label`` or any other target, and optionally ``start``, ``end``,
        ``split``, ``fold``, ``group``; MARBLE's ``ori_uid`` is a group. Audio is looked for from `root`, else
        from the file's directory and those above it, as MARBLE's paths start at its repository.
        """
        path = Path(path)
        files = split_files(path)
        parts = []
        for file, split in files:
            rows = [*read_lines(file)]
            for row in rows:
                if split:
                    row.setdefault("split", split)
                if "ori_uid" in row:
                    row.setdefault("group", row["ori_uid"])
            parts.append(cls.from_records(file, rows, "line", 1, bases(file, root, climb=True)))
        if len(parts) == 1:
            return parts[0]
        clips = pd.concat([part.clips for part in parts], ignore_index=True)
        skipped = {name: reason for part in parts for name, reason in part.skipped.items()}
        return cls(path.name.split(".")[0], clips, skipped)

    @classmethod
    def from_records(
        cls, source: Path, rows: Sequence[Record], unit: str, first: int, places: Sequence[Path]
    ) -> Dataset:
        """Turn the rows of a table into a dataset, row by row, so that messages can name them."""
        records: list[Record] = []
        skipped: dict[str, str] = {}
        seen: dict[str, int] = {}
        for position, row in enumerate(rows, start=first):
            where = f"{source.name} {unit} {position}"
            record = read_row(row, where)
            path = next((place / record["path"] for place in places if (place / record["path"]).is_file()), None)
            if path is None:
                looked = ", ".join(str(place) for place in places[:2]) + (" and above" if len(places) > 2 else "")
                skipped[record["clip"]] = f"{where}: 'path' {record['path']} does not exist (looked in {looked})"
            elif record["clip"] in seen:
                skipped[f"{record['clip']} ({unit} {position})"] = (
                    f"{where}: the same clip as {unit} {seen[record['clip']]}"
                )
            else:
                seen[record["clip"]] = position
                records.append({**record, "path": str(path.resolve())})
        if not records:
            reason = next(iter(skipped.values()), "it has no rows")
            raise DataError(f"{source}: no usable row; {reason}")
        return cls(source.name.split(".")[0], finish_table(records), skipped)

    def targets(self) -> list[str]:
        """Return the columns that can be a target."""
        return [str(column) for column in self.clips.columns if column not in CLIP_COLUMNS]

    def labels(self, target: str, kind: str | None = None) -> Labels:
        """Return the labels of a target column, or of several separated by commas: numbers, or beats and downbeats.

        Parameters
        ----------
        target : str
            The column.
        kind : str, optional
            What it holds, where that should not be worked out.

        Raises
        ------
        DataError
            If a label is missing (see `with_target`) or the cells are of no one kind.
        """
        columns = target.split(",")
        cells = self.clips[target].tolist() if len(columns) == 1 else self.clips[columns].values.tolist()
        column = Column(target, cells, list(self.clips["clip"]), list(self.clips["start"]))
        return (kind_named(kind) if kind else kind_of(column)).read(column)

    def with_target(self, target: str) -> Dataset:
        """Return the clips that have this target; the others are set aside with the reason.

        Raises
        ------
        UsageError
            If no column has that name, with the nearest suggested.
        """
        for column in target.split(","):
            if column not in self.targets():
                raise unknown("target", column, self.targets())
        missing = self.clips[target.split(",")].isna().any(axis=1)
        reasons = dict.fromkeys(self.clips["clip"][missing], f"no label in '{target}'")
        kept = self.clips[~missing].reset_index(drop=True)
        if kept.empty:
            raise DataError(f"{self.name}: no clip has a label in '{target}'")
        return Dataset(self.name, kept, {**self.skipped, **reasons})

    def survey(self, progress: Callable[[int], None] = lambda _: None) -> Dataset:
        """Return the clips with ``clip_key`` and ``clip_seconds``, from one look at every distinct file, undecoded.

        Files that cannot be opened are set aside with the reason.
        """
        paths = list(dict.fromkeys(self.clips.path))
        facts: dict[str, FileFacts] = {}
        reasons: dict[str, str] = {}
        with ThreadPoolExecutor(max_workers=4) as threads:
            for path, outcome in zip(paths, threads.map(facts_or_reason, paths), strict=True):
                if isinstance(outcome, FileFacts):
                    facts[path] = outcome
                else:
                    reasons[path] = outcome
                progress(1)
        lost = self.clips[self.clips.path.isin(reasons)]
        clips = self.clips[~self.clips.path.isin(reasons)].reset_index(drop=True)
        skipped = {**self.skipped, **{row.clip: reasons[row.path] for row in lost.itertuples()}}
        if clips.empty:
            raise DataError(f"{self.name}: no readable audio; first reason: {next(iter(skipped.values()))}")
        clips["clip_key"] = [f"{facts[row.path].digest}@{row.start:g}-{row.end:g}" for row in clips.itertuples()]
        clips["clip_seconds"] = [
            max(0.0, (facts[row.path].duration if math.isnan(row.end) else row.end) - row.start)
            for row in clips.itertuples()
        ]
        return Dataset(self.name, clips, skipped)

    def without(self, reasons: Mapping[str, str]) -> Dataset:
        """Return the dataset without some clips, given by name with the reason."""
        kept = self.clips[~self.clips["clip"].isin(list(reasons))].reset_index(drop=True)
        if kept.empty:
            raise DataError(f"{self.name}: no clip is left; first reason: {next(iter(reasons.values()))}")
        return Dataset(self.name, kept, {**self.skipped, **reasons})


def facts_or_reason(path: str) -> FileFacts | str:
    """Return the facts of a file, or the reason why there are none."""
    try:
        return file_facts(Path(path))
    except AudioError as error:
        return str(error)


def finish_table(records: Sequence[Record]) -> pd.DataFrame:
    """Return records as a table with the columns that every dataset has."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    table = pd.DataFrame({column: pd.Series([record.get(column) for record in records]) for column in columns})
    for column, default in (("start", 0.0), ("end", np.nan)):
        values = table[column] if column in table else pd.Series([None] * len(table), dtype=float)
        table[column] = pd.to_numeric(values).fillna(default).astype(float)
    return table


def read_row(row: Record, where: str) -> Record:
    """Return one row with its clip columns checked and its targets as they are."""
    name = next((key for key in PATH_NAMES if row.get(key)), None)
    if name is None:
        raise DataError(f"{where}: no 'path' (nor 'audio_path')")
    record = {key: value for key, value in row.items() if key not in PATH_NAMES and value is not None}
    record["path"] = str(row[name])
    for key in ("start", "end"):
        if key in record:
            record[key] = seconds(record[key], f"{where}: '{key}'")
    if record.get("end", math.inf) <= record.get("start", 0.0):
        raise DataError(f"{where}: 'end' {record['end']:g} is not after 'start' {record.get('start', 0.0):g}")
    if "split" in record:
        split = SPLIT_NAMES.get(str(record["split"]).strip().lower())
        if split is None:
            raise DataError(f"{where}: 'split' {record['split']} is none of train, valid, test")
        record["split"] = split
    for key in ("group", "fold"):
        if key in record:
            record[key] = str(record[key])
    span = (
        f"@{record.get('start', 0.0):g}-{record['end']:g}"
        if "end" in record
        else f"@{record['start']:g}-"
        if "start" in record
        else ""
    )
    record["clip"] = record["path"] + span
    return record


def seconds(value: Any, where: str) -> float:
    """Return a cell as seconds, zero or more."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        result = math.nan
    if not (math.isfinite(result) and result >= 0):
        raise DataError(f"{where} {value} is not a time in seconds")
    return result


def is_numeric(column: pd.Series[str]) -> bool:
    """Return whether every cell that is filled holds a number."""
    filled = column[column != ""]
    return len(filled) > 0 and bool(pd.to_numeric(filled, errors="coerce").notna().all())


def number(text: str) -> float | int:
    """Return a number as an int where it is written as one."""
    return int(text) if re.fullmatch(r"[+-]?\d+", text.strip()) else float(text)


def bases(table: Path, root: str | Path | None, *, climb: bool) -> list[Path]:
    """Return the directories where a table's relative paths may start."""
    if root is not None:
        return [Path(root).expanduser().resolve()]
    own = table.resolve().parent
    return [own, *own.parents] if climb else [own]


def split_files(path: Path) -> list[tuple[Path, str | None]]:
    """Return ``Name.{train,val,test}.jsonl`` with their splits, given any one of them, or the file alone."""
    parts = path.name.rsplit(".", 2)
    if len(parts) < 3 or parts[1] not in SPLIT_NAMES:
        return [(path, None)]
    siblings = [(path.with_name(f"{parts[0]}.{word}.{parts[2]}"), split) for word, split in SPLIT_NAMES.items()]
    return [(file, split) for file, split in siblings if file.is_file()]


def read_lines(path: Path) -> Iterable[Record]:
    """Yield the objects of a JSONL file, naming the line that is none."""
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
        yield row
