"""A folder of classes: one sub-folder a class, audio inside."""

from __future__ import annotations

from pathlib import Path

from layerscope.data.audio import EXTENSIONS
from layerscope.data.label_tables import Record
from layerscope.errors import DataError

__all__ = ["class_folders"]


def class_folders(folder: Path) -> tuple[list[Record], dict[str, str]]:
    """Return a record for each audio file, whose ``label`` is its sub-folder, and why other files are left out.

    Raises
    ------
    DataError
        If there is no audio in any sub-folder.
    """
    records: list[Record] = []
    skipped = {}
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        name = path.relative_to(folder)
        # Hidden files are the system's (.DS_Store), not clips that were skipped.
        if any(part.startswith(".") for part in name.parts):
            continue
        if path.suffix.lower() not in EXTENSIONS:
            skipped[str(name)] = f"'{path.suffix}' is none of the endings of audio that is read"
        elif len(name.parts) < 2:
            skipped[str(name)] = "lies outside the class folders"
        else:
            records.append({"clip": str(name), "path": str(path.resolve()), "label": name.parts[0]})
    if not records:
        raise DataError(f"{folder}: no audio in sub-folders; expected one sub-folder a class, audio inside")
    return records, skipped
