"""Clips and their targets: one table for a folder, a CSV, a JSONL or a DataFrame, and what becomes of it.

A row that cannot be used is kept aside with its reason; a table that cannot be understood is an error that
names the row. Splits, folds and groups that the data bring are used as they are (see `splits` for the rest). What is
read is read elsewhere: rows in `table_files`, `json_lines`, `data_frames`, `folders` and `mirdata_tracks`, clips out of
rows in `label_tables`, the cells of a target in `target_cells`, and files in `survey`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from layerscope.data.annotation_files import file_beside
from layerscope.data.data_frames import frame_rows
from layerscope.data.folders import class_folders, metadata_records
from layerscope.data.json_lines import json_lines
from layerscope.data.label_cells import Odd
from layerscope.data.label_tables import CLIP_COLUMNS, clip_records, clip_table, split_files
from layerscope.data.mirdata_tracks import PREFIX, mirdata_records
from layerscope.data.survey import survey_files, with_facts
from layerscope.data.table_files import Rows, csv_rows
from layerscope.data.target_cells import annotations_named, asked_cells, plain, without_label
from layerscope.errors import DataError, UsageError, checks_arguments, one_of, unknown
from layerscope.targets import Column, Labels, kind_named, looks_like, read_labels, recognise

__all__ = ["Dataset"]

#: Endings of archives and of what is compressed.
PACKED = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".zip", ".tar", ".7z", ".rar")
#: Endings of arrays, which are no sound.
ARRAYS = (".npy", ".npz", ".pt", ".pth", ".safetensors", ".h5", ".hdf5", ".pkl")


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
        ``clip_key`` (content and span), ``clip_written`` and ``clip_seconds``.
    skipped : dict of str to str
        Name of every clip that is not used, and why.
    evidence : dict of str to str
        Target, once `with_target` has looked at it → its kind, how many cells are of it and which are not, in words.
    places : tuple of Path
        Directories where the names of files of annotations start.
    named : frozenset of str
        Targets whose cells are names of class folders, whatever they look like.

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
    evidence: dict[str, str] = field(default_factory=dict)
    places: tuple[Path, ...] = ()
    named: frozenset[str] = frozenset()

    @classmethod
    @checks_arguments
    def load(cls, path: str | Path, root: str | Path | None = None, targets: Sequence[str] = ()) -> Dataset:
        """Read a folder, a ``.csv``, a ``.jsonl``, or a data set that mirdata reads (``mirdata:giantsteps_key``).

        Parameters
        ----------
        path : str or Path
            What to read.
        root : str or Path, optional
            Where relative audio paths start, the table's own directory by default; or where a data set of mirdata lies.
        targets : sequence of str
            What is to be read of a data set of mirdata, whose annotations may be many; tables are read whole.

        Raises
        ------
        DataError
            If it does not exist or is none of these.
        UsageError
            If it is no path.

        Examples
        --------
        >>> Dataset.load("drums.xlsx")
        Traceback (most recent call last):
        layerscope.errors.DataError: data 'drums.xlsx' does not exist; give a folder, a CSV or a JSONL
        """
        if str(path).startswith(PREFIX):
            return cls.from_mirdata(str(path).removeprefix(PREFIX), root, targets)
        path = Path(path).expanduser()
        if path.is_dir():
            return cls.from_folder(path)
        if not path.is_file():
            raise DataError(f"data '{path}' does not exist; give a folder, a CSV or a JSONL")
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            return cls.from_jsonl(path, root)
        if path.suffix.lower() in (".csv", ".tsv"):
            return cls.from_csv(path, root)
        mend = "unpack it" if path.suffix.lower() in PACKED else "save it as CSV"
        if path.suffix.lower() in ARRAYS:
            mend = "probe arrays in Python (Features.from_arrays), or give the sound that they were made of"
        raise DataError(f"data '{path}' is neither a folder nor a .csv, .tsv or .jsonl; {mend}")

    @classmethod
    @checks_arguments
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
        if not folder.is_dir():
            raise DataError(f"{folder}: no folder; Dataset.load reads tables too")
        said = metadata_records(folder)
        records, skipped = said or class_folders(folder)
        if not records:
            raise DataError(f"{folder}: no usable row; {next(iter(skipped.values()))}")
        # Of audio in no class folder, files beside it say what a label is.
        named = frozenset({"label"} & records[0].keys()) if not said else frozenset()
        return cls(folder.resolve().name, clip_table(records), skipped, named=named)

    @classmethod
    @checks_arguments
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
        rows = csv_rows(path)
        return cls.from_rows(table_name(path), rows, root_of(path, root), typed=False, beside=path.resolve().parent)

    @classmethod
    @checks_arguments
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
        return cls.from_rows(table_name(path), rows, root_of(path, root), typed=True, beside=path.resolve().parent)

    @classmethod
    @checks_arguments
    def from_mirdata(cls, name: str, root: str | Path | None = None, targets: Sequence[str] = ()) -> Dataset:
        """Read the tracks of a data set that mirdata knows; nothing is downloaded.

        Who plays is a group, and splits are those of the data set, where mirdata knows them.
        """
        columns = [column for target in targets for column in target.split(",")]
        home, records = mirdata_records(name, None if root is None else Path(root).expanduser(), columns)
        rows = {f"{name} track {number}": record for number, record in enumerate(records, start=1)}
        return cls.from_rows(name, rows, home.resolve(), typed=True)

    @classmethod
    @checks_arguments
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
        rows = frame_rows(frame, name)
        return cls.from_rows(name, rows, Path(root or ".").expanduser().resolve(), typed=True)

    @classmethod
    def from_rows(cls, name: str, rows: Rows, root: Path, *, typed: bool, beside: Path | None = None) -> Dataset:
        """Turn the rows of a table, by where they stand, into a dataset; see `clip_records`."""
        records, skipped = clip_records(rows, root, typed=typed)
        if not records:
            raise DataError(f"{name}: no usable row; {next(iter(skipped.values()), 'it has no rows')}")
        # Audio may start elsewhere (`root`); annotations lie by the table, or there.
        places = tuple(dict.fromkeys((beside or root, root)))
        return cls(name, clip_table(records), skipped, places=places)

    def targets(self) -> list[str]:
        """Return the columns that can be a target."""
        return [str(column) for column in self.clips.columns if column not in CLIP_COLUMNS]

    @checks_arguments
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
        UsageError
            If there is no such column.
        DataError
            If a label is missing (see `with_target`) or the cells are of no one kind.

        Examples
        --------
        >>> clips = pd.DataFrame({"clip": ["a", "b"], "start": 0.0, "mood": ["sad|slow", "sad"]})
        >>> labels = Dataset("songs", clips).labels("mood")
        >>> labels.kind.name, labels.names
        ('tags', ('sad', 'slow'))
        """
        for part in target.split(","):
            one_of("target", part, self.targets())
        odd = next((cell for part in target.split(",") for cell in self.clips[part] if isinstance(cell, Odd)), None)
        if odd is not None:
            raise DataError(odd.refusal or odd.reason)
        return read_labels(self.column(target, kind), kind)

    def column(self, target: str, kind: str | None = None) -> Column:
        """Return the cells of a target column, or of several separated by commas, with what is known of the clips."""
        clips, columns = self.clips, target.split(",")
        named = kind == "classes" or (kind is None and target in self.named)
        cells = [list(clips[column]) if named else [plain(cell) for cell in clips[column]] for column in columns]
        return Column(
            target,
            cells[0] if len(columns) == 1 else list(map(list, zip(*cells, strict=True))),
            list(clips["clip"]),
            list(clips["start"]) if "start" in clips else (),
            list(clips["clip_seconds"]) if "clip_seconds" in clips else (),
            list(clips["end"].notna()) if "end" in clips else (),
            named,
        )

    @checks_arguments
    def with_target(self, target: str, kind: str | None = None) -> Dataset:
        """Return the clips that have this target; the others are set aside with the reason.

        These are clips without a label, those whose cell is odd in its column (`layerscope.data.label_cells`), and
        those whose label is not what most are (`layerscope.targets.recognise`).

        Parameters
        ----------
        target : str
            The column, or several with commas.
        kind : str, optional
            What it holds, where that is said: cells that are odd among others are then looked at anew.

        Raises
        ------
        UsageError
            If no column has that name, with the nearest suggested.
        DataError
            If no clip has a label that can be used, or too many are odd.

        Examples
        --------
        >>> clips = pd.DataFrame({"clip": ["a", "b"], "path": ["a.wav", "b.wav"], "key": ["C major", None]})
        >>> Dataset("songs", clips).with_target("key").skipped
        {'b': "no label in 'key'"}
        """
        if "," in target and target in self.targets():
            raise UsageError(f"the name of column '{target}' has a comma, which stands between columns; rename it")
        named = self.beside_audio(target, kind) if target not in self.targets() else self
        for column in target.split(","):
            if column in CLIP_COLUMNS and column in self.clips:
                raise UsageError(f"'{column}' describes clips and is no target; copy the column under another name")
            if column not in named.targets():
                # An empty column is none: its cells say nothing.
                columns = self.targets()
                hint = "(--target names the column)" if columns else ""
                raise unknown("target", column, columns or ["none; no column has a label in any row"], hint=hint)
        labelled = named.with_cells(target, kind).with_files_read(target, kind)
        cells = labelled.column(target, kind)
        recognised = recognise(cells, kind)
        if len(recognised.faults) == len(cells.cells):
            raise DataError(
                f"{self.name}: no cell of '{target}' can be read as {recognised.kind}; first reason: "
                f"{recognised.faults[0]}{looks_like(cells, recognised.kind)}"
            )
        if kind is None and target in self.named and len(set(cells.cells)) == 1:
            around = cells.cells[0]
            raise DataError(
                f"{self.name}: all audio lies in one folder, '{around}', which is one class; if the folders of the "
                f"classes lie in it, give {around}"
            )
        odd = {labelled.clips["clip"][row]: reason for row, reason in recognised.faults.items()}
        return replace(labelled.without(odd), evidence={**self.evidence, target: recognised.evidence})

    def with_cells(self, target: str, kind: str | None) -> Dataset:
        """Return the clips whose cells say something, as the kind asks for them."""
        columns, clips = target.split(","), self.clips.copy()
        for column in columns:
            cells = asked_cells(clips[column], column, kind, several=len(columns) > 1)
            clips[column] = pd.Series(cells, clips.index, dtype=object)
        reasons = without_label(clips, target)
        if len(reasons) == len(clips):
            of_kind = f" of kind {kind}" if kind else ""
            raise DataError(
                f"{self.name}: no clip has a label{of_kind} in '{target}'; first reason: {next(iter(reasons.values()))}"
                + (looks_like(self.column(target), kind_named(kind)) if kind else "")
            )
        return replace(self, clips=clips).without(reasons)

    def beside_audio(self, target: str, kind: str | None) -> Dataset:
        """Return the clips with a column that names the file of annotations beside each one's audio, if any has one."""
        files = [file_beside(Path(path), kind or target) for path in self.clips.path] if "path" in self.clips else []
        if not any(files):
            return self
        return replace(self, clips=self.clips.assign(**{target: [str(file) if file else None for file in files]}))

    def with_files_read(self, target: str, kind: str | None) -> Dataset:
        """Return the clips with what is in the files that a column names; where most cells name none, as they are."""
        if "," in target or (kind is None and target in self.named):
            return self
        cells, reasons = annotations_named(self.clips, target, kind, self.places)
        # By way of a series of objects, since a list of lists would be taken for a table.
        clips = self.clips.assign(**{target: pd.Series(cells, index=self.clips.index, dtype=object)})
        return replace(self, clips=clips).without(reasons)

    def survey(self, progress: Callable[[int], None] = lambda _: None) -> Dataset:
        """Return the clips with ``clip_key``, ``clip_written`` and ``clip_seconds``.

        Every distinct file is looked at once, and none is decoded.

        Files that cannot be opened, and spans that end after their file, are set aside with the reason.

        Raises
        ------
        DataError
            If no clip is left, or most spans are no times in their files (`layerscope.data.span_times`).
        """
        facts, reasons = survey_files(self.clips, progress)
        usable = self.without(reasons)
        return replace(usable, clips=with_facts(usable.clips, facts))

    def without(self, reasons: Mapping[str, str]) -> Dataset:
        """Return the dataset without some clips, given by name with the reason."""
        kept = self.clips[~self.clips["clip"].isin(list(reasons))].reset_index(drop=True)
        if kept.empty:
            raise DataError(f"{self.name}: no clip is left; first reason: {next(iter(reasons.values()))}")
        return replace(self, clips=kept, skipped={**self.skipped, **reasons})


def table_name(path: Path) -> str:
    """Return what results call a table."""
    return path.name.split(".")[0] or path.name


def root_of(path: Path, root: str | Path | None) -> Path:
    """Return where relative paths of a table start: where the user says, else at its own directory."""
    if root is None:
        return path.resolve().parent
    if not Path(root).expanduser().is_dir():
        raise DataError(f"--root {root} is no directory; say where relative paths start")
    return Path(root).expanduser().resolve()
