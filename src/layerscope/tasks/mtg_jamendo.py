"""MTG-Jamendo autotagging: genre, instrument, mood and theme, and the top 50 tags (Bogdanov et al. 2019), split 0."""

import csv
from collections.abc import Callable
from pathlib import Path

from layerscope.data.dataset import Dataset
from layerscope.errors import DataError
from layerscope.tasks.task import Preset, Record, Schedule, Source, Task, find_audio, marble_records, records_dataset

ENDINGS = (".mp3", ".low.mp3", ".low.flac", ".flac")
SPLITS = {"train": "train", "validation": "valid", "test": "test"}


def listed_tracks(directory: Path, subset: str) -> list[Record]:
    """Return the tracks of ``data/splits/split-0/autotagging_*.tsv``; tags follow the fifth column."""
    records = []
    audio = next((place for place in ("audios", "audio", "raw_30s") if (directory / place).is_dir()), "audio")
    for name, split in SPLITS.items():
        table = directory / "data" / "splits" / "split-0" / f"autotagging_{subset}-{name}.tsv"
        if not table.is_file():
            raise DataError(f"{table} is missing, and so are MARBLE's MTG*.jsonl")
        with table.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, delimiter="\t")
            next(rows)
            for _track, artist, _album, path, _duration, *tags in rows:
                stem = path.removesuffix(".mp3")
                records.append(
                    {
                        "path": f"{audio}/{find_audio(directory / audio, stem, ENDINGS)}",
                        "label": tags,
                        "group": artist,
                        "split": split,
                    }
                )
    return records


def reader(subset: str, stem: str) -> Callable[[Path, Preset], Dataset]:
    """Return the reader of one subset: MARBLE v2's records, or the set's own split-0 lists."""

    def read(directory: Path, preset: Preset) -> Dataset:
        """Read a subset."""
        del preset
        return records_dataset(directory, marble_records(directory, stem) or listed_tracks(directory, subset))

    return read


def make(name: str, title: str, subset: str, stem: str, sizes: tuple[int, int, int]) -> Task:
    """Return the task of one subset."""
    return Task(
        name=name,
        title=title,
        folder="MTG",
        target="label",
        kind="tags",
        read=reader(subset, stem),
        source=Source(
            homepage="https://github.com/MTG/mtg-jamendo-dataset",
            licence="metadata CC BY-NC-SA 4.0; audio: each track its own Creative Commons licence",
            gigabytes=None,
            repository="m-a-p/MTG",
        ),
        expected=dict(zip(("train", "valid", "test"), sizes, strict=True)),
        schedule=Schedule(epochs=100, halve_after=3, stop_after=10),
        choices={"audio": "whole tracks in windows of 30 s, scores averaged over the track"},
    )


GENRE = make("mtg-genre", "MTG-Jamendo genre", "genre", "MTGGenre", (32_572, 11_043, 11_479))
INSTRUMENT = make("mtg-instrument", "MTG-Jamendo instrument", "instrument", "MTGInstrument", (14_395, 5_466, 5_115))
MOOD = make("mtg-mood", "MTG-Jamendo mood and theme", "moodtheme", "MTGMood", (9_949, 3_802, 4_231))
TOP50 = make("mtg-top50", "MTG-Jamendo top 50 tags", "top50tags", "MTGTop50", (32_136, 10_888, 11_356))
