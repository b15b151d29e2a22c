"""How tables of scores are kept: the same bytes each time, names as written, and a record that tells they belong."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from layerscope.atomic_files import digest, file_digest, read_json, write_json, write_text
from layerscope.errors import DataError

__all__ = ["read_csv", "read_record", "table_digests", "write_csv", "write_record"]

#: Columns of names, here and in the tables of a comparison: they stay as written, "2024", "NA" and "null" too.
NAMES = (
    "model", "dataset", "task", "target", "input", "probe", "split", "metric", "mixture", "mixture_spread", "clip",
    "reason", "other", "measure", "score", "labels", "unit", "above_twin",
)  # fmt: skip
#: pandas before 3.1 reads numbers to the last digit only if it is asked to, and later ones warn if they are.
TO_THE_LAST_DIGIT: dict[str, Any] = (
    {"float_precision": "round_trip"} if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1) else {}
)


def table_digests(directory: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of files of a run or comparison, by their names."""
    return {name: file_digest(directory / name) for name in names}


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table that `write_csv` wrote: names as they are, and numbers of layers, of which wide inputs have none."""
    # By column, since pandas takes some names for missing values.
    gaps = {column: [""] for column in pd.read_csv(path, nrows=0).columns if column not in NAMES}
    types = {"layer": "Int64", "other_layer": "Int64", **dict.fromkeys(NAMES, str)}
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=gaps, **TO_THE_LAST_DIGIT)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table whole or not at all; the same table gives the same bytes."""
    buffer = io.StringIO()
    # Not the system's own line ends, or the same table would be other bytes elsewhere.
    table.to_csv(buffer, index=False, lineterminator="\n")
    write_text(path, buffer.getvalue())


def write_record(path: Path, facts: Mapping[str, Any], names: Iterable[str]) -> None:
    """Write facts with the digests of the tables beside them; last, so that none is read beside facts of others."""
    told = {**facts, "files": table_digests(path.parent, names)}
    write_json(path, {**told, "of": digest(json.dumps(told))})


def read_record(path: Path, strangers: str) -> tuple[dict[str, Any], list[str]]:
    """Return the facts that `write_record` wrote, and the names of the tables that they are of.

    Raises
    ------
    DataError
        If a table or the facts are not those that were written together, as `strangers` says it.
    """
    facts = read_json(path)
    whole = facts.pop("of") == digest(json.dumps(facts))
    files = facts.pop("files")
    if not whole or files != table_digests(path.parent, files):
        raise DataError(f"{path.parent}: {', '.join(files)} and {path.name} {strangers}")
    return facts, list(files)
