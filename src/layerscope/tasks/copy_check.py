"""How a copy of a data set differs from what is expected, file by file: lines to act on, or to paste into a report."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from layerscope.data.audio import EXTENSIONS, measure
from layerscope.data.dataset import Dataset
from layerscope.data.leaks import side_of
from layerscope.data.reasons import reasons_by_kind
from layerscope.errors import AudioError, DataError
from layerscope.tasks.task import Task

__all__ = ["copy_report", "missing_clips"]

#: Seconds by which a file may be shorter than its record says: decoders count the last frames of an MP3 differently.
SLACK = 0.1
#: What is counted where there are no splits.
WHOLE = "data set"
#: Folders of a copy that are listed.
MOST_FOLDERS = 12


def copy_report(task: Task, root: Path) -> list[str]:
    """Return what a task's directory holds and what of it is not as expected, a line each.

    Every header is read; no audio is decoded.

    Parameters
    ----------
    task : Task
        Whose data; they are counted by the published splits (preset ``paper``).
    root : Path
        The directory that holds the data set's.
    """
    directory = root / task.folder
    try:
        listed = task.load(root, "paper")
    except DataError as error:
        return [f"not readable as {task.name}: {error}", *layout_of(directory)]
    dataset = task.with_readable_labels(listed)
    reasons = {row.clip: reason for row in dataset.clips.itertuples() if (reason := header_fault(row))}
    counts = split_counts(dataset.clips[~dataset.clips["clip"].isin(reasons)]).sort_index()
    sizes = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    reasons = {**dataset.skipped, **reasons}
    lines = [f"on disk: {sizes or 'nothing'}; {len(reasons):,} clips of its lists missing or set aside"]
    for alike in reasons_by_kind(reasons):
        clip, reason = next(iter(alike.items()))
        lines.append(f"  {len(alike):,} such as {clip}: {reason}")
    lines += astray(directory, listed)
    short = missing_clips(task, dataset.without(reasons) if len(counts) else dataset)
    if short:
        return [*lines, short, *layout_of(directory)]
    return [*lines, "complete: as many clips as published" if task.expected else "no counts are published"]


def split_counts(clips: pd.DataFrame) -> pd.Series:
    """Return how many clips each split has, or each fold; where the data bring neither, how many there are."""
    side = side_of(clips)
    return pd.Series([WHOLE] * len(clips) if side is None else side, dtype=object).value_counts()


def astray(directory: Path, listed: Dataset) -> list[str]:
    """Return which files of the lists lie elsewhere or end otherwise, and which files of sound no list names."""
    paths = {clip.partition("@")[0] for clip in [*listed.clips["clip"], *listed.skipped]}
    sounds = [path.relative_to(directory) for path in directory.rglob("*") if path.suffix.lower() in EXTENSIONS]
    unlisted = {path.stem: str(path) for path in sounds if str(path) not in paths}
    missing = [path for path in sorted(paths) if not (directory / path).is_file()]
    found = {path: unlisted[Path(path).stem] for path in missing if Path(path).stem in unlisted}
    lines = []
    if found:
        wanted, place = next(iter(found.items()))
        lines.append(f"  {len(found):,} of the missing lie elsewhere or end otherwise, such as {wanted}: {place}")
    others = sorted(set(unlisted.values()) - set(found.values()))
    if others:
        lines.append(f"  {len(others):,} files of sound are in none of its lists, such as {others[0]}")
    return lines


def header_fault(row: Any) -> str:
    """Return how a clip's file differs from its record, or nothing."""
    try:
        length, rate = measure(Path(row.path))
    except AudioError as error:
        return str(error)
    wanted = getattr(row, "sample_rate", rate)
    if wanted == wanted and wanted != rate:  # NaN where the record does not say
        return f"its sample rate is {rate} Hz, its record says {wanted:g}"
    # The end of a clip is NaN where it is the whole file.
    seconds = max(getattr(row, "duration", 0.0), row.end if row.end == row.end else 0.0)
    if length < seconds - SLACK:
        return f"it lasts {length:.2f} s, its record says {seconds:.2f}"
    return ""


def layout_of(directory: Path) -> list[str]:
    """Return what a directory's folders hold, by endings."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    held = Counter((str(file.parent.relative_to(directory)), file.suffix.lower()) for file in files)
    lines = [f"  {folder}/: {count:,} files {end or 'without an ending'}" for (folder, end), count in held.items()]
    more = [f"  and {len(lines) - MOST_FOLDERS} more such lines"] if len(lines) > MOST_FOLDERS else []
    return [f"{directory} holds:", *sorted(lines)[:MOST_FOLDERS], *more]


def missing_clips(task: Task, dataset: Dataset, *, remade: bool = False) -> str:
    """Return how a copy of a data set falls short of the published counts, or nothing.

    Parameters
    ----------
    task, dataset : Task, Dataset
        What is expected, and what is there.
    remade : bool
        Whether training and validation are not the published ones, so that test alone is counted.
    """
    counts = split_counts(dataset.clips)
    # What has no splits of its own is counted as a whole.
    expected = {WHOLE: sum(task.expected.values())} if {*counts.index} == {WHOLE} and task.expected else task.expected
    pairs = {split: (int(counts.get(split, 0)), count) for split, count in expected.items()}
    words = [
        f"{split} has {there:,} of {count:,} clips"
        for split, (there, count) in pairs.items()
        if there != count and (split == "test" or not remade)
    ]
    return "this copy is not the published one: " + ", ".join(words) if words else ""
