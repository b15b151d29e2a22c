"""What a task is: where its data come from, how they are read, what is predicted, and what the literature does."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from layerscope.atomic_files import cache_directory, chosen_place
from layerscope.data.dataset import Dataset
from layerscope.data.label_tables import ASIDE, Record
from layerscope.errors import DataError
from layerscope.tasks.marble_records import has_marble_records, marble_records

__all__ = [
    "DAMAGED", "Archive", "Preset", "Reader", "Schedule", "Source", "Task", "data_directory", "find_audio", "part_of",
    "table_rows",
]  # fmt: skip

Preset = Literal["paper", "robust"]
#: The data set's directory and the preset → a record for every clip that its lists name, with its split.
Reader = Callable[[Path, Preset], list[Record]]


def data_directory() -> Path:
    """Return where data sets are looked for: ``LAYERSCOPE_DATA``, or ``data`` in layerscope's cache directory."""
    return chosen_place("LAYERSCOPE_DATA") or cache_directory() / "data"


@dataclass(frozen=True)
class Schedule:
    """How long the mlp is trained; the defaults are MARBLE's for genre.

    Attributes
    ----------
    epochs : int
        At most.
    halve_after, stop_after : int
        Epochs without a better validation score until the step is halved, and until training ends.
    """

    epochs: int = 100
    halve_after: int = 6
    stop_after: int = 20


@dataclass(frozen=True)
class Archive:
    """A file that is downloaded and unpacked.

    Attributes
    ----------
    url : str
        Where; ``doi:…/name`` for a file of a Zenodo record, whose published checksum is then used.
    checksum : str, optional
        As pooch takes it; where the publisher gives none, the archive's own checks must do.
    """

    url: str
    checksum: str | None = None


@dataclass(frozen=True)
class Source:
    """Where data come from.

    Attributes
    ----------
    homepage, licence : str
        Of the data set.
    gigabytes : float, optional
        Its size, roughly: worked out from the number, length and format of its clips; None where that is not known.
    repository : str, optional
        A data set on the Hugging Face hub that holds audio and tables.
    left_out : tuple of str
        Patterns of its files that no task needs.
    archives : tuple of Archive
        Other files to download.
    supply : str
        What the user must supply, and where to put it.
    """

    homepage: str
    licence: str
    gigabytes: float | None = None
    repository: str | None = None
    left_out: tuple[str, ...] = ()
    archives: tuple[Archive, ...] = ()
    supply: str = ""

    @property
    def size(self) -> str:
        """Return its size in words."""
        return "unknown" if self.gigabytes is None else f"about {self.gigabytes:g} GB"


@dataclass(frozen=True)
class Task:
    """A data set of the benchmark with one target.

    Attributes
    ----------
    name, title : str
        On the command line and in prose.
    folder : str
        The data set's directory, under `data_directory` or ``--root``.
    target : str
        Column of the clips.
    kind : str
        Of the target.
    records : str
        The name of MARBLE v2's tables, which are read where they are there; empty where there are none.
    read : callable, optional
        Reads a layout that is the data set's own.
    source : Source
        Where the data come from.
    expected : mapping
        Clips of each split in a complete copy; empty where no count is published.
    window : float
        Longest window in seconds.
    unit : {"clip", "group"}
        What is scored: clips, or groups of them whose scores are averaged (songs cut into clips).
    schedule : Schedule
        Of the mlp probe, as published.
    choices : mapping
        What the literature leaves open or does otherwise → what is done here.
    shared : str
        What the published splits are known to share, such as artists.
    mended : bool
        Whether preset ``robust`` trains and validates on other clips than the published splits do.
    in_paper : bool
        Whether it is of the study of fourteen tasks.
    """

    name: str
    title: str
    folder: str
    target: str
    kind: str
    source: Source
    records: str = ""
    read: Reader | None = None
    expected: Mapping[str, int] = field(default_factory=dict)
    window: float = 30.0
    unit: Literal["clip", "group"] = "clip"
    schedule: Schedule = field(default_factory=Schedule)
    choices: Mapping[str, str] = field(default_factory=dict)
    shared: str = ""
    mended: bool = False
    in_paper: bool = False

    @property
    def counts(self) -> str:
        """Return the clips of each split in a complete copy, in words; empty where no count is published."""
        return ", ".join(f"{name} {count:,}" for name, count in self.expected.items())

    def load(self, root: Path | None = None, preset: Preset = "robust") -> Dataset:
        """Return the clips that are on disk.

        Parameters
        ----------
        root : Path, optional
            The directory that holds the data set's; `data_directory` by default.
        preset : {"paper", "robust"}
            Where published splits share singers or instruments, ``robust`` makes better ones.

        Raises
        ------
        DataError
            If nothing is there, with the way to get it.
        """
        directory = (root or data_directory()).expanduser() / self.folder
        if not directory.is_dir():
            raise DataError(f"{directory} does not exist; `layerscope data {self.name}` says where the data come from")
        records = self.read_records(directory, preset)
        rows = {f"{directory.name} record {number}": record for number, record in enumerate(records, start=1)}
        return Dataset.from_rows(self.name, rows, directory.resolve(), typed=True)

    def with_readable_labels(self, dataset: Dataset) -> Dataset:
        """Return the clips whose labels are there and can be read; the others are set aside with the reason."""
        return dataset.with_target(self.target, self.kind)

    def read_records(self, directory: Path, preset: Preset) -> list[Record]:
        """Return a record for every clip that the data set's lists name."""
        # MARBLE's tables go first where both are there, so that clips and splits are its own.
        if self.read and not (self.records and has_marble_records(directory, self.records)):
            return self.read(directory, preset)
        records = marble_records(directory, self.records)
        columns = self.target.split(",")
        return [by_column(record, columns) for record in records] if len(columns) > 1 else records


def by_column(record: Record, columns: Sequence[str]) -> Record:
    """Return a record whose label is a list of numbers with a column for each."""
    label = record.get("label")
    if not isinstance(label, list) or len(label) != len(columns):
        return {**record, ASIDE: f"its label {label} is not [{', '.join(columns)}]"}
    return {**record, **dict(zip(columns, label, strict=True))}


#: Why a clip is set aside whose file nobody has whole.
DAMAGED = "its file is damaged in every copy"


def part_of(name: str, parts: int) -> int:
    """Return one of so many numbers from 0 for a name, each as likely, the same on every machine.

    Examples
    --------
    >>> [part_of(name, 10) for name in ("guitar", "flute")]
    [3, 9]
    """
    # Unlike Python's own hash of a text.
    return int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest(), 16) % parts


def table_rows(table: Path, absent: str, **how: Any) -> list[dict[str, Any]]:
    """Return the rows of a table of a data set by their columns, or raise with what is to be said where it is absent.

    Parameters
    ----------
    table : Path
        UTF-8, with a header.
    absent : str
        Of the error.
    **how
        See `csv.DictReader`.
    """
    if not table.is_file():
        raise DataError(absent)
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, **how))


def find_audio(directory: Path, stem: str, endings: Sequence[str]) -> str:
    """Return the path, relative to a directory, of the first file that has a stem and one of the endings.

    Where there is none, the first ending's name is returned, so that the clip is reported as missing.
    """
    for ending in endings:
        if (directory / f"{stem}{ending}").is_file():
            return f"{stem}{ending}"
    return f"{stem}{endings[0]}"
