"""A folder of audio: one sub-folder a class, in folders of splits or around them, or with a ``metadata`` table.

``low/a.wav`` is of class low; ``train/low/a.wav`` and ``low/train/a.wav`` are of class low and split train, and
``fold1/low/a.wav`` is of fold 1. A ``metadata.csv`` or ``metadata.jsonl`` beside the audio, as Hugging Face's
AudioFolder has it, says what the clips are instead of the folders. Of audio in no class folder, files of annotations
beside it (``a.lab``) say what it is. Links are followed; nothing is taken twice.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from layerscope.data.annotation_files import ENDINGS, file_beside
from layerscope.data.audio import EXTENSIONS, UNREAD
from layerscope.data.json_lines import json_lines
from layerscope.data.label_tables import Record, clip_records, fold_named
from layerscope.data.table_files import Rows, csv_rows
from layerscope.data.text_files import read_text
from layerscope.data.usual_columns import SPLIT_NAMES, is_split, refuse_two_tests, split_word
from layerscope.errors import DataError

__all__ = ["TABLES", "audio_files", "class_folders", "metadata_records"]

FOLD = re.compile(r"fold[ _-]*(\d+)", re.IGNORECASE)
#: The table of Hugging Face's AudioFolder.
METADATA = {"metadata.csv": csv_rows, "metadata.jsonl": json_lines}
#: Endings of tables that can be given instead.
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
CLOSED = "a folder that may not be read"
#: Folders that archives and systems add beside what they hold.
SYSTEM_FOLDERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information")


def class_folders(folder: Path) -> tuple[list[Record], dict[str, str]]:
    """Return a record for each audio file, whose ``label`` is its class folder, and why other files are left out.

    Raises
    ------
    DataError
        If there is no audio in any sub-folder, one may not be read, or some look like splits and others do not.
    """
    files, skipped = audio_files(folder)
    if closed := next((name for name, reason in skipped.items() if reason == CLOSED), None):
        # A class less is another question.
        raise DataError(f"{folder}: {closed} is {CLOSED}; let it be read, or move it away")
    depth = split_depth(folder, files)
    records: list[Record] = []
    for name in files:
        parts = list(name.parts[:-1])
        side = side_of(parts.pop(depth)) if depth is not None and len(parts) > depth else {}
        if parts and (depth is None or side):
            label = unicodedata.normalize("NFC", parts[0])
            records.append({"clip": str(name), "path": str((folder / name).resolve()), "label": label, **side})
        else:
            skipped[str(name)] = f"lies outside the {'folders of splits' if parts else 'class folders'}"
    if not records:
        records = annotated_records(folder, files, depth)
        beside = {str(file_beside(folder / record["clip"])) for record in records}
        known = {record["clip"] for record in records}
        skipped = {
            name: reason for name, reason in skipped.items() if name not in known and str(folder / name) not in beside
        }
    records, twice = without_repeated(records)
    refuse_table_beside(folder, records)
    if not records:
        if fault := first_fault(folder, skipped):
            raise DataError(f"{folder}: no audio in class folders; {fault}")
        splits = f" (found folders of splits: {', '.join(folders_at(0, files))})" if depth == 0 else ""
        raise DataError(
            f"{folder}: no audio in sub-folders; expected one sub-folder a class, audio inside{splits}, or annotations "
            f"({', '.join(ENDINGS)}) of the same names beside the audio"
        )
    return records, {**skipped, **twice}


def first_fault(folder: Path, skipped: Mapping[str, str]) -> str:
    """Return what a folder holds in place of audio: a table that may name it, or sound that is not read."""
    table = next((name for name in skipped if name.lower().endswith(TABLES)), None)
    if table:
        return f"if the table {folder / table} names it, give that as --data"
    sound = next((name for name in skipped if name.lower().endswith(tuple(UNREAD))), None)
    return (
        f"{len(skipped)} files are not read, such as {sound}: {skipped[sound]}; convert them to FLAC or WAV"
        if sound
        else ""
    )


def refuse_table_beside(folder: Path, records: Sequence[Record]) -> None:
    """Raise where all audio is of one class, of which nothing can be learnt, and a table lies beside its folder."""
    labels = {record.get("label") for record in records}
    tables = [path for ending in TABLES for path in sorted([*folder.glob(f"*{ending}"), *folder.glob(f"*/*{ending}")])]
    beside = next((table for table in tables if table.parent.name not in labels), None)
    if len(labels) == 1 and None not in labels and beside:
        raise DataError(
            f"{folder}: one class folder, '{labels.pop()}'; if a table names these files, such as {beside}, give it "
            "as --data with --root"
        )


def annotated_records(folder: Path, files: Sequence[Path], depth: int | None) -> list[Record]:
    """Return a record without a class for each audio file in no class folder, if any has annotations beside it."""
    flat = [name for name in files if len(name.parts) == (1 if depth is None else 2)]
    if not any(file_beside(folder / name) for name in flat):
        return []
    return [
        {"clip": str(name), "path": str((folder / name).resolve()), **(side_of(name.parts[0]) if depth == 0 else {})}
        for name in flat
    ]


def without_repeated(records: Sequence[Record]) -> tuple[list[Record], dict[str, str]]:
    """Return records of which links make no file two clips, and why others are left out: both where classes differ."""
    labels: dict[str, set[str]] = {}
    for record in records:
        labels.setdefault(record["path"], set()).add(record.get("label", ""))
    kept: dict[str, Record] = {}
    skipped = {}
    for record in records:
        # In another split it is another clip: that is a leak, and found as one.
        key = f"{record['path']} {record.get('split')} {record.get('fold')}"
        if len(labels[record["path"]]) > 1:
            skipped[record["clip"]] = f"the same file is in classes {' and '.join(sorted(labels[record['path']]))}"
        elif kept.setdefault(key, record) is not record:
            skipped[record["clip"]] = f"the same file as {kept[key]['clip']}"
    return list(kept.values()), skipped


def audio_files(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """Return the audio files below a folder, by their paths from there, and why others are left out."""
    files: list[Path] = []
    skipped: dict[str, str] = {}
    for path in walk(folder, skipped):
        name = path.relative_to(folder)
        if not path.is_file():
            skipped[str(name)] = "a link that leads nowhere" if path.is_symlink() else "is no file"
        elif path.suffix.lower() not in EXTENSIONS:
            skipped[str(name)] = f"'{path.suffix}' is none of the endings of audio that is read"
        elif not is_text(str(name)):
            skipped[ascii(str(name))] = "its name is not UTF-8; rename it"
        else:
            files.append(name)
    # What lies beside the audio that it annotates is read with it.
    stems = {name.with_suffix("") for name in files}
    beside = {name for name in skipped if Path(name).suffix.lower() in ENDINGS and Path(name).with_suffix("") in stems}
    return sorted(files), {name: reason for name, reason in skipped.items() if name not in beside}


def walk(folder: Path, skipped: dict[str, str]) -> Iterator[Path]:
    """Yield the files below a folder; links to folders come last, so that what they repeat is taken where it lies."""
    seen: dict[Path, Path] = {}
    folders: list[Path] = [folder]
    links: list[Path] = []
    while folders or links:
        place = folders.pop() if folders else links.pop(0)
        name = place.relative_to(folder)
        if place.resolve() in seen:
            skipped[str(name)] = f"the same folder as {folder / seen[place.resolve()]}"
            continue
        seen[place.resolve()] = name
        if not os.access(place, os.R_OK | os.X_OK):
            skipped[str(name)] = CLOSED
            continue
        if place != folder and (place / "study.json").is_file():
            skipped[str(name)] = "the directory of a run"
            continue
        try:
            entries = sorted(place.iterdir())
        except OSError as error:
            skipped[str(name)] = f"cannot be read ({error.strerror})"
            continue
        if not entries and place != folder:
            skipped[str(name)] = "an empty folder"
        for entry in entries:
            reason = reason_aside(entry)
            if reason:
                # What is set aside is the system's (.DS_Store, ._a.wav), but sound that is among it is said.
                count = audio_count(entry)
                inside = f" ({count} audio file{'s' if count > 1 else ''})" if entry.is_dir() else ""
                skipped |= {str(entry.relative_to(folder)): reason + inside} if count else {}
            elif not entry.is_dir():
                yield entry
            elif entry.is_symlink():
                links.append(entry)
            else:
                folders.append(entry)


def reason_aside(entry: Path) -> str:
    """Return why a file or a folder is set aside by its name, or an empty text."""
    if entry.name.startswith("."):
        return "hidden: its name begins with a dot"
    return "a folder of the system's, by its name" if entry.name in SYSTEM_FOLDERS and entry.is_dir() else ""


def audio_count(entry: Path) -> int:
    """Return how many files of audio a file is, or a folder holds; what a Mac writes beside a file is none."""
    files = entry.rglob("*") if entry.is_dir() else [entry]
    return sum(file.suffix.lower() in EXTENSIONS and not file.name.startswith("._") for file in files)


def is_text(name: str) -> bool:
    """Return whether a name can be written to a table."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def side_of(name: str) -> Record:
    """Return the split or the fold that a folder's name means, or nothing.

    Examples
    --------
    >>> side_of("Train"), side_of("test_set"), side_of("fold_3"), side_of("trains")
    ({'split': 'train'}, {'split': 'test'}, {'fold': '3'}, {})
    """
    if is_split(name):
        return {"split": SPLIT_NAMES[split_word(name)]}
    fold = FOLD.fullmatch(name)
    return {"fold": fold_named(fold[1])} if fold else {}


def folders_at(depth: int, files: Sequence[Path]) -> list[str]:
    """Return the names of the folders at a depth that files are in."""
    return sorted({name.parts[depth] for name in files if len(name.parts) > depth + 1})


def split_depth(folder: Path, files: Sequence[Path]) -> int | None:
    """Return at which depth the folders of audio files are splits or folds: 0, 1, or None where they are classes alone.

    Raises
    ------
    DataError
        If some folders look like splits and others beside them do not, all the splits lie further down, or folders
        that are not called so hold the same sub-folders.
    """
    for depth in (0, 1):
        names = folders_at(depth, files)
        splits = [name for name in names if side_of(name)]
        if depth == 0 and len(names) == 1:
            below = [name for name in folders_at(1, files) if side_of(name)]
            # One class cannot be learnt, so that it is a folder around the data.
            if splits or (len(below) > 1 and folders_at(2, files)):
                raise DataError(f"{folder}: all audio lies in {names[0]}; give {folder / names[0]}")
        if len({str(side_of(name)) for name in splits}) > 1 and len(splits) == len(names):
            refuse_two_tests({name: str(folder / name) for name in splits})
            return depth
        if len(splits) < len(names) and are_beside_others(depth, splits, files):
            others = ", ".join(name for name in names if name not in splits)
            raise DataError(
                f"{folder}: the folders {', '.join(splits)} look like splits, {others} beside them do not; "
                "rename either, or give a table"
            )
    refuse_alike(folder, files)
    return None


def refuse_alike(folder: Path, files: Sequence[Path]) -> None:
    """Raise where folders are more likely splits than classes: by the classes in them, or by their names."""
    names = folders_at(0, files)
    inside = [folders_at(1, [name for name in files if name.parts[0] == each]) for each in names]
    shared = sorted(set(inside[0]).intersection(*inside[1:])) if len(names) > 1 else []
    rests = {without_split(name) for name in names}
    alike = ""
    # One, such as "audio", may lie in every class.
    if len(shared) > 1:
        alike = f"hold the same sub-folders {', '.join(shared)}"
    elif len(names) > 1 and len(rests) == 1 and None not in rests:
        alike = "differ in a word for a split alone"
    if alike:
        raise DataError(
            f"{folder}: the folders {', '.join(names)} {alike}; if they are splits, call them train and test, or "
            "fold1, fold2, …; else give the folder of one, or a table"
        )


def without_split(name: str) -> tuple[str, ...] | None:
    """Return the words of a folder's name but for the one that means a split, or None where not one does.

    Examples
    --------
    >>> without_split("nsynth-train"), without_split("FSD50K.dev_audio"), without_split("test tone train")
    (('nsynth',), ('FSD50K', 'audio'), None)
    """
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    others = tuple(word for word in words if not is_split(word))
    return others if len(others) == len(words) - 1 else None


def are_beside_others(depth: int, splits: Sequence[str], files: Sequence[Path]) -> bool:
    """Return whether folders that are called as splits may be such, although others beside them are not."""
    if depth == 1:
        return len(splits) > 1
    # Classes may well be called "test" and "drums"; but what lies in two of them, such as "low", is a class then.
    inside = {split: set(folders_at(1, [name for name in files if name.parts[0] == split])) for split in splits}
    outside = set(folders_at(1, [name for name in files if name.parts[0] not in splits]))
    within = Counter(name for names in inside.values() for name in names)
    return any(count > 1 or name in outside for name, count in within.items())


def metadata_records(folder: Path) -> tuple[list[Record], dict[str, str]] | None:
    """Return the clips of the ``metadata`` tables in a folder or in its folders of splits, or None where there is none.

    Audio that the tables do not name is left out with the reason.
    """
    tables = [table for name in METADATA for table in sorted([*folder.glob(name), *folder.glob(f"*/{name}")])]
    # Others of that name say nothing of audio.
    tables = [table for table in tables if "file_name" in read_text(table)]
    if not tables:
        return None
    rows: Rows = {}
    for table in tables:
        for where, row in METADATA[table.name](table).items():
            below = table.parent.relative_to(folder)
            path = (below / str(row.get("file_name", "")).replace("\\", "/")).as_posix()
            side = side_of(Path(path).parts[0]) if len(Path(path).parts) > 1 else {}
            rows[str(below / where)] = {**side, **row, "file_name": path}
    records, skipped = clip_records(rows, folder.resolve(), typed=tables[0].suffix == ".jsonl", joined=True)
    files, others = audio_files(folder)
    named = {record["path"] for record in records} | {str((folder / clip).resolve()) for clip in skipped}
    others = {name: reason for name, reason in others.items() if folder / name not in tables}
    unnamed = {
        str(name): f"is not in {' or '.join(sorted({table.name for table in tables}))}"
        for name in files
        if str((folder / name).resolve()) not in named
    }
    return records, {**skipped, **others, **unnamed}
