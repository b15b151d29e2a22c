"""Rows of clips: readers for a folder, a CSV, a JSONL and a DataFrame, and the labels in them.

A row that cannot be used is kept aside with its reason; a table that cannot be understood is an error that
names the row. Splits, folds and groups that the data bring are used as they are (see `splits` for the rest).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from layerscope.data.audio import FileFacts, file_facts
from layerscope.data.folders import class_folders, metadata_records
from layerscope.data.label_cells import Odd, has_decimal_commas, number_of, tidy_cell
from layerscope.data.label_tables import CLIP_COLUMNS, clip_records, clip_table, split_files
from layerscope.data.table_files import PATH_NAMES, Rows, csv_rows, json_lines, unique_names
from layerscope.errors import AudioError, DataError, UsageError, unknown
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

        Folders of splits (``train``, ``test``, ``fold1``, …) may be around the classes or inside them. A
        ``metadata.csv`` or ``.jsonl`` with a column ``file_name`` says what the clips are instead of the folders.

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
        records, skipped = metadata_records(folder) or class_folders(folder)
        if not records:
            raise DataError(f"{folder}: no usable row; {next(iter(skipped.values()))}")
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
        return cls.from_rows(table_name(path), csv_rows(path), root_of(path, root), typed=False)

    @classmethod
    def from_jsonl(cls, path: str | Path, root: str | Path | None = None) -> Dataset:
        r"""Read one JSON object a line, MARBLE v2's records included.

        Of ``Name.train.jsonl``, ``Name.val.jsonl`` and ``Name.test.jsonl`` any one stands for the three. Keys
        are ``audio_path`` (or ``path``), ``label`` or any other target, and optionally ``start``, ``end``,
        ``split``, ``fold``, ``group``; MARBLE's ``ori_uid`` is a group. Relative paths start at `root`, else at
        the file's own directory; MARBLE's own tables are read with `root` at its repository.

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
        rows: Rows = {}
        for file, split in split_files(path).items():
            # A split that a row states itself wins over that of the file's name.
            rows |= {place: {"split": split, **row} if split else row for place, row in json_lines(file).items()}
        return cls.from_rows(table_name(path), rows, root_of(path, root), typed=True)

    @classmethod
    def from_dataframe(cls, frame: pd.DataFrame, root: str | Path | None = None, name: str = "table") -> Dataset:
        """Take a table that is in memory already; its columns are those of `from_csv`.

        Parameters
        ----------
        frame : DataFrame
            A row a clip. Its index is not looked at; cells that pandas calls missing are no label.
        root : str or Path, optional
            Where relative paths start; the working directory by default.
        name : str
            What results call it.

        Raises
        ------
        DataError
            If no column holds paths, two columns have one name, or a row cannot be understood: rows are counted from 0.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> import soundfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> soundfile.write(folder / "a.wav", np.zeros(24_000), 24_000)
        >>> soundfile.write(folder / "b.wav", np.ones(24_000), 24_000)
        >>> frame = pd.DataFrame({"path": ["a.wav", "b.wav"], "mood": pd.Categorical(["sad", None])})
        >>> dataset = Dataset.from_dataframe(frame, root=folder).with_target("mood")
        >>> dataset.clips.mood.tolist(), dataset.skipped
        (['sad'], {'b.wav': "no label in 'mood'"})
        """
        if not isinstance(frame, pd.DataFrame):
            raise DataError(f"expected a pandas DataFrame, found {type(frame).__name__}")
        if frame.columns.nlevels > 1:
            raise DataError("the frame's columns have several levels; give each one name")
        columns = unique_names(list(frame.columns), "the frame")
        if not set(columns) & set(PATH_NAMES):
            raise DataError(f"the frame: no column 'path' (found: {', '.join(columns)})")
        cells = [frame_cells(frame.iloc[:, place]) for place in range(len(columns))]
        rows: Rows = {}
        for number in range(len(frame)):
            where = f"{name} row {number}"
            rows[where] = {
                column: tidy_cell(values[number], f"{where}: '{column}'")
                for column, values in zip(columns, cells, strict=True)
            }
        return cls.from_rows(name, rows, Path(root or ".").expanduser().resolve(), typed=True)

    @classmethod
    def from_rows(cls, name: str, rows: Rows, root: Path, *, typed: bool) -> Dataset:
        """Turn the rows of a table, by where they stand, into a dataset; see `clip_records`."""
        records, skipped = clip_records(rows, root, typed=typed)
        if not records:
            raise DataError(f"{name}: no usable row; {next(iter(skipped.values()), 'it has no rows')}")
        return cls(name, clip_table(records), skipped)

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
        odd = next((cell for column in columns for cell in self.clips[column] if isinstance(cell, Odd)), None)
        if odd is not None:
            raise DataError(odd.refusal or odd.reason)
        column = Column(target, cells, list(self.clips["clip"]), list(self.clips["start"]))
        return (kind_named(kind) if kind else kind_of(column)).read(column)

    def with_target(self, target: str, kind: str | None = None) -> Dataset:
        """Return the clips that have this target; the others are set aside with the reason.

        Parameters
        ----------
        target : str
            A column, or several separated by commas.
        kind : str, optional
            What it holds, where that is said: cells that are odd among others are then looked at anew.

        Raises
        ------
        UsageError
            If no column has that name, with the nearest suggested.
        DataError
            If no clip has a label, or too many are odd; see `layerscope.data.label_cells`.

        Examples
        --------
        >>> clips = pd.DataFrame({"clip": ["a", "b"], "path": ["a.wav", "b.wav"], "key": ["C major", None]})
        >>> Dataset("songs", clips).with_target("key").skipped
        {'b': "no label in 'key'"}
        """
        columns, clips = target.split(","), self.clips.copy()
        for column in columns:
            if column in CLIP_COLUMNS and column in self.clips:
                raise UsageError(f"'{column}' describes clips and is no target; copy the column under another name")
            if column not in self.targets():
                raise unknown("target", column, self.targets())
            clips[column] = pd.Series(self.cells_of(column, kind, several=len(columns) > 1), clips.index, dtype=object)
        reasons: dict[str, str] = {}
        for column in columns:
            for clip, cell in zip(clips["clip"], clips[column], strict=True):
                if isinstance(cell, Odd):
                    if cell.refusal:
                        raise DataError(cell.refusal)
                    reasons.setdefault(clip, cell.reason)
                elif cell is None or cell != cell:
                    reasons.setdefault(clip, f"no label in '{target}'")
        kept = clips[~clips["clip"].isin(list(reasons))].reset_index(drop=True)
        if kept.empty:
            raise DataError(
                f"{self.name}: no clip has a label in '{target}'; first reason: {next(iter(reasons.values()))}"
            )
        return Dataset(self.name, kept, {**self.skipped, **reasons})

    def cells_of(self, column: str, kind: str | None, *, several: bool) -> list[Any]:
        """Return the cells of a column as a kind that is said, or several columns, which are numbers, ask for."""
        cells = list(self.clips[column])
        if kind is None and not several:
            return cells
        if kind not in (None, "values"):
            return [cell.cell if isinstance(cell, Odd) and cell.cell is not None else cell for cell in cells]
        comma = has_decimal_commas([cell for cell in cells if isinstance(cell, str)])
        return [as_number(cell, column, comma=comma) for cell in cells]

    def survey(self, progress: Callable[[int], None] = lambda _: None) -> Dataset:
        """Return the clips with ``clip_key`` and ``clip_seconds``, from one look at every distinct file, undecoded.

        Files that cannot be opened are set aside with the reason.
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
        unread = self.clips[self.clips.path.isin(reasons)]
        # A copy, so that the caller's table gets no new columns.
        surveyed = self.without({row.clip: reasons[row.path] for row in unread.itertuples()})
        clips = surveyed.clips
        clips["clip_key"] = [f"{facts[row.path].digest}@{row.start:.10g}-{row.end:.10g}" for row in clips.itertuples()]
        clips["clip_seconds"] = [
            # A span that begins after the end of its file has no length here; decoding says what is wrong with it.
            max(0.0, (facts[row.path].duration if math.isnan(row.end) else row.end) - row.start)
            for row in clips.itertuples()
        ]
        return surveyed

    def without(self, reasons: Mapping[str, str]) -> Dataset:
        """Return the dataset without some clips, given by name with the reason."""
        kept = self.clips[~self.clips["clip"].isin(list(reasons))].reset_index(drop=True)
        if kept.empty:
            raise DataError(f"{self.name}: no clip is left; first reason: {next(iter(reasons.values()))}")
        return Dataset(self.name, kept, {**self.skipped, **reasons})


def table_name(path: Path) -> str:
    """Return what results call a table."""
    return path.name.split(".")[0] or path.name


def frame_cells(column: pd.Series) -> list[Any]:
    """Return the cells of a column of a frame; whole numbers to which pandas gave a point for a gap have none."""
    present = column.dropna()
    whole = column.dtype.kind == "f" and len(present) < len(column) and bool((present % 1 == 0).all())
    return [int(cell) if whole and cell == cell else cell for cell in column]


def root_of(path: Path, root: str | Path | None) -> Path:
    """Return where relative paths of a table start: where the user says, else at its own directory."""
    return Path(root).expanduser().resolve() if root is not None else path.resolve().parent


def as_number(cell: Any, column: str, *, comma: bool) -> Any:
    """Return the number that a text is, else why it is not used; other cells as they are."""
    text = cell.cell if isinstance(cell, Odd) else cell
    if not isinstance(text, str):
        return cell
    number = number_of(text, comma=comma)
    if number is not None:
        return number
    # Without the refusal of the column, since what it is has been said.
    return Odd(text, cell.reason if isinstance(cell, Odd) else f"'{column}' {text} is no number")


def facts_or_reason(path: str) -> FileFacts | str:
    """Return the facts of a file, or the reason why there are none."""
    try:
        return file_facts(Path(path))
    except AudioError as error:
        return str(error)
