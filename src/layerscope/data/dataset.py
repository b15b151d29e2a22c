"""Rows of clips: readers for a folder, a CSV and a JSONL, and the labels in them.

A row that cannot be used is kept aside with its reason; a table that cannot be understood is an error that
names the row. Splits, folds and groups that the data bring are used as they are (see `splits` for the rest).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from layerscope.data.audio import FileFacts, file_facts, span_within
from layerscope.data.folders import class_folders
from layerscope.data.label_tables import (
    CLIP_COLUMNS,
    Record,
    clip_records,
    clip_table,
    csv_rows,
    json_lines,
    split_files,
)
from layerscope.errors import AudioError, DataError, unknown
from layerscope.targets import Column, Labels, kind_named, kind_of

__all__ = ["Dataset"]


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

    Examples
    --------
    >>> import tempfile
    >>> from layerscope.toymusic.composed_dataset import write_notes
    >>> dataset = Dataset.load(write_notes(Path(tempfile.mkdtemp()), count=4, first_seed=0, seconds=0.5))
    >>> dataset.name, len(dataset.clips), dataset.targets()
    ('notes', 4, ['instrument', 'pitch'])
    >>> dataset.survey().clips.clip_seconds.tolist()
    [0.5, 0.5, 0.5, 0.5]
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

        Examples
        --------
        >>> Dataset.load("drums.xlsx")
        Traceback (most recent call last):
        layerscope.errors.DataError: data 'drums.xlsx' does not exist; give a folder, a CSV or a JSONL
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
        """Read a folder with one sub-folder a class; the target is called ``label``.

        Examples
        --------
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for file in ("kick/1.wav", "kick/2.wav", "snare/1.wav"):
        ...     (folder / file).parent.mkdir(exist_ok=True)
        ...     (folder / file).touch()
        >>> Dataset.from_folder(folder).clips.label.tolist()
        ['kick', 'kick', 'snare']
        """
        folder = Path(folder)
        records, skipped = class_folders(folder)
        return cls(folder.resolve().name, clip_table(records), skipped)

    @classmethod
    def from_csv(cls, path: str | Path, root: str | Path | None = None) -> Dataset:
        r"""Read a table with a header.

        A column ``path``, target columns and, where known, ``start``, ``end``, ``split``, ``fold``, ``group``.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> import soundfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> soundfile.write(folder / "a.wav", np.zeros(24_000), 24_000)
        >>> _ = (folder / "songs.csv").write_text("path,start,end,valence\na.wav,0,15,0.4\na.wav,15,30,0.6\n")
        >>> Dataset.from_csv(folder / "songs.csv").clips[["start", "end", "valence"]].values.tolist()
        [[0.0, 15.0, 0.4], [15.0, 30.0, 0.6]]
        """
        path = Path(path)
        place = Path(root).expanduser() if root is not None else path.parent
        # The header is row 1, so that a row is where an editor or a spreadsheet shows it.
        return cls.from_records(path, csv_rows(path), "row", 2, [place.resolve()])

    @classmethod
    def from_jsonl(cls, path: str | Path, root: str | Path | None = None) -> Dataset:
        r"""Read one JSON object a line, MARBLE v2's records included.

        Of ``Name.train.jsonl``, ``Name.val.jsonl`` and ``Name.test.jsonl`` any one stands for the three. Keys
        are ``audio_path`` (or ``path``), ``label`` or any other target, and optionally ``start``, ``end``,
        ``split``, ``fold``, ``group``; MARBLE's ``ori_uid`` is a group. Audio is looked for from `root`, else
        from the file's directory and those above it, as MARBLE's paths start at its repository.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> import soundfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> soundfile.write(folder / "a.wav", np.zeros(24_000), 24_000)
        >>> _ = (folder / "Keys.val.jsonl").write_text('{"audio_path": "a.wav", "label": "C major"}\n')
        >>> Dataset.from_jsonl(folder / "Keys.val.jsonl").clips[["split", "label"]].values.tolist()
        [['valid', 'C major']]
        """
        path = Path(path)
        own = path.resolve().parent
        places = [Path(root).expanduser().resolve()] if root is not None else [own, *own.parents]
        parts = []
        for file, split in split_files(path).items():
            # A split that a row states itself wins over that of the file's name.
            rows = [{"split": split, **row} if split else row for row in json_lines(file)]
            parts.append(cls.from_records(file, rows, "line", 1, places))
        clips = pd.concat([part.clips for part in parts], ignore_index=True)
        skipped = {name: reason for part in parts for name, reason in part.skipped.items()}
        return cls(parts[0].name, clips, skipped)

    @classmethod
    def from_records(
        cls, source: Path, rows: Sequence[Record], unit: str, first: int, places: Sequence[Path]
    ) -> Dataset:
        """Turn the rows of a table into a dataset, row by row, so that messages can name them."""
        records, skipped = clip_records(source.name, rows, unit, first, places)
        if not records:
            raise DataError(f"{source}: no usable row; {next(iter(skipped.values()), 'it has no rows')}")
        return cls(source.name.split(".")[0], clip_table(records), skipped)

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

        Examples
        --------
        >>> clips = pd.DataFrame({"clip": ["a", "b"], "start": 0.0, "mood": ["sad|slow", "sad"]})
        >>> labels = Dataset("songs", clips).labels("mood")
        >>> labels.kind.name, labels.names
        ('tags', ('sad', 'slow'))
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

        Examples
        --------
        >>> clips = pd.DataFrame({"clip": ["a", "b"], "path": ["a.wav", "b.wav"], "key": ["C major", None]})
        >>> Dataset("songs", clips).with_target("key").skipped
        {'b': "no label in 'key'"}
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

        Files that cannot be opened, and spans that end after their file, are set aside with the reason.
        """
        paths = list(dict.fromkeys(self.clips.path))
        facts: dict[str, FileFacts] = {}
        reasons: dict[str, str] = {}
        # Reading and hashing release the interpreter's lock, so that threads are enough.
        with ThreadPoolExecutor(max_workers=4) as threads:
            for path, outcome in zip(paths, threads.map(facts_or_reason, paths), strict=True):
                if isinstance(outcome, FileFacts):
                    facts[path] = outcome
                else:
                    reasons[path] = outcome
                progress(1)
        unread = {row.clip: reasons[row.path] for row in self.clips.itertuples() if row.path in reasons}
        seconds: dict[str, float] = {}
        for row in self.clips[~self.clips.path.isin(reasons)].itertuples():
            try:
                start, end = span_within(facts[row.path].duration, row.start, None if math.isnan(row.end) else row.end)
                seconds[row.clip] = end - start
            except AudioError as error:
                unread[row.clip] = f"{row.path}: {error}"
        # A copy, so that the caller's table gets no new columns.
        surveyed = self.without(unread)
        clips = surveyed.clips
        clips["clip_key"] = [f"{facts[row.path].digest}@{row.start:.10g}-{row.end:.10g}" for row in clips.itertuples()]
        clips["clip_seconds"] = [seconds[name] for name in clips["clip"]]
        return surveyed

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
