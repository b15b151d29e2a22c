"""The tables of MARBLE v2: ``Name.{train,val,test}.jsonl``, an object a clip."""

from __future__ import annotations

from pathlib import Path

from layerscope.data.json_lines import json_lines
from layerscope.data.label_tables import split_files
from layerscope.data.table_files import Record
from layerscope.errors import DataError

__all__ = ["has_marble_records", "marble_records"]

SPLITS = {"train": "train", "val": "valid", "test": "test"}


def has_marble_records(directory: Path, stem: str) -> bool:
    """Return whether any of a table's three files is in a directory."""
    return any((directory / f"{stem}.{name}.jsonl").is_file() for name in SPLITS)


def marble_records(directory: Path, stem: str) -> list[Record]:
    """Return the records of a task, with their splits.

    Paths start at MARBLE's repository, ``data/NAME/…``; here they start at the directory that holds NAME.

    Raises
    ------
    DataError
        If a file is missing: without one of its splits a task is another one.
    """
    if not has_marble_records(directory, stem):
        tables = f"{stem}.{{{','.join(SPLITS)}}}.jsonl"
        raise DataError(f"{directory} holds no {tables}, the tables of m-a-p/{directory.name}")
    files = split_files(directory / f"{stem}.train.jsonl")
    for name, split in SPLITS.items():
        if split not in files.values():
            raise DataError(f"{directory / f'{stem}.{name}.jsonl'} is missing; the other splits of {stem} are there")
    return [
        {**row, "split": split, "audio_path": inside(directory, str(row.get("audio_path", "")))}
        for file, split in files.items()
        for row in json_lines(file).values()
    ]


def inside(directory: Path, path: str) -> str:
    """Return a path of a record as it is inside the data set's directory."""
    return path.removeprefix("data/").removeprefix(f"{directory.name}/")
