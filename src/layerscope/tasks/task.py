"""What a task is: where its data come from, how they are read, what is predicted, and what the literature does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from layerscope.atomic_files import cache_directory
from layerscope.data.dataset import Dataset, read_lines
from layerscope.errors import DataError

__all__ = ["Archive", "Schedule", "Source", "Task", "data_directory", "find_audio", "marble_records", "records_dataset"]

Record = dict[str, Any]
Preset = Literal["paper", "robust"]
MARBLE_SPLITS = {"train": "train", "val": "valid", "test": "test"}


def data_directory() -> Path:
    """Return where data sets are looked for: ``LAYERSCOPE_DATA``, or ``data`` in layerscope's cache directory."""
    chosen = os.environ.get("LAYERSCOPE_DATA")
    return Path(chosen) if chosen else cache_directory() / "data"


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
    archives : tuple of Archive
        Other files to download.
    supply : str
        What the user must supply, and where to put it.
    """

    homepage: str
    licence: str
    gigabytes: float | None
    repository: str | None = None
    archives: tuple[Archive, ...] = ()
    supply: str = ""


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
        Column of the table that `read` makes.
    kind : str
        Of the target.
    read : callable
        The data set's directory and the preset → its clips, with splits.
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
    """

    name: str
    title: str
    folder: str
    target: str
    kind: str
    read: Callable[[Path, Preset], Dataset]
    source: Source
    expected: Mapping[str, int] = field(default_factory=dict)
    window: float = 30.0
    unit: Literal["clip", "group"] = "clip"
    schedule: Schedule = field(default_factory=Schedule)
    choices: Mapping[str, str] = field(default_factory=dict)

    def load(self, root: Path | None = None, preset: Preset = "robust") -> Dataset:
        """Return the clips that are on disk.

        Parameters
        ----------
        root : Path, optional
            The directory that holds the data set's; `data_directory` by default.
        preset : {"paper", "robust"}
            Where published splits share singers or songs, ``robust`` makes better ones.

        Raises
        ------
        DataError
            If nothing is there, with the way to get it.
        """
        directory = (root or data_directory()).expanduser() / self.folder
        if not directory.is_dir():
            raise DataError(f"{directory} does not exist; `layerscope data {self.name}` says where the data come from")
        dataset = self.read(directory, preset)
        return Dataset(self.name, dataset.clips, dataset.skipped)


def marble_records(directory: Path, stem: str) -> list[Record] | None:
    """Return the records of MARBLE v2's ``stem.{train,val,test}.jsonl``, or None where there are no such files.

    Paths start at MARBLE's repository, ``data/NAME/…``; here they start at the directory that holds NAME.
    """
    files = {split: directory / f"{stem}.{name}.jsonl" for name, split in MARBLE_SPLITS.items()}
    if not any(file.is_file() for file in files.values()):
        return None
    records = []
    for split, file in files.items():
        if not file.is_file():
            raise DataError(f"{file} is missing; the other splits of {stem} are there")
        for row in read_lines(file):
            record = {**row, "split": split}
            record["audio_path"] = (
                str(row.get("audio_path", "")).removeprefix("data/").removeprefix(f"{directory.name}/")
            )
            if "ori_uid" in row:
                record["group"] = row["ori_uid"]
            records.append(record)
    return records


def records_dataset(directory: Path, records: Sequence[Record]) -> Dataset:
    """Turn records into a dataset; those without audio on disk are set aside, and named."""
    return Dataset.from_records(directory, records, "record", 1, [directory])


def find_audio(directory: Path, stem: str, endings: Sequence[str]) -> str:
    """Return the path, relative to a directory, of the first file that has a stem and one of the endings.

    Where there is none, the first ending's name is returned, so that the clip is reported as missing.
    """
    for ending in endings:
        if (directory / f"{stem}{ending}").is_file():
            return f"{stem}{ending}"
    return f"{stem}{endings[0]}"


def refuse_absent(directory: Path, what: str) -> DataError:
    """Return the error for a directory that holds neither of the layouts that a task reads."""
    return DataError(f"{directory} holds {what}")
