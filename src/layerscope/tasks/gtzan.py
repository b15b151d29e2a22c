"""GTZAN: genre of 30 s clips by the fault-filtered split, and its rhythm annotations.

Sturm 2013 found repeats and faults; the split of Kereliuk, Sturm & Larsen 2015 (``*_filtered.txt``) leaves them out.
Beats: Marchand & Peeters 2015, "GTZAN-Rhythm".
"""

from pathlib import Path

from layerscope.data.dataset import Dataset
from layerscope.errors import DataError
from layerscope.tasks.task import Preset, Record, Schedule, Source, Task, marble_records, records_dataset

LISTS = {"train": "train_filtered.txt", "valid": "valid_filtered.txt", "test": "test_filtered.txt"}
#: Its file is damaged in every copy.
CORRUPT = "jazz.00054"


def listed_clips(directory: Path) -> list[Record]:
    """Return the clips of the fault-filtered lists, whose lines are ``genre/genre.00000.wav``.

    Audio lies in ``genres/``, or as mirdata puts it in ``gtzan_genre/genres/``.
    """
    records = []
    audio = "gtzan_genre/genres" if (directory / "gtzan_genre" / "genres").is_dir() else "genres"
    for split, name in LISTS.items():
        path = directory / name
        if not path.is_file():
            raise DataError(f"{directory} holds neither MARBLE's GTZANGenre.*.jsonl nor the fault-filtered list {name}")
        for line in path.read_text(encoding="utf-8").split():
            genre = line.partition("/")[0]
            if CORRUPT not in line:
                records.append({"path": f"{audio}/{line}", "label": genre, "split": split})
    return records


def read_genre(directory: Path, preset: Preset) -> Dataset:
    """Read MARBLE v2's records, or the lists and ``genres/``."""
    del preset
    return records_dataset(directory, marble_records(directory, "GTZANGenre") or listed_clips(directory))


def read_beats(directory: Path, preset: Preset) -> Dataset:
    """Read MARBLE v2's records, or the lists and ``gtzan_tempo_beat-main/beats/gtzan_GENRE_00000.beats``."""
    del preset
    records = marble_records(directory, "GTZANBeatTracking")
    if records is None:
        records = []
        for record in listed_clips(directory):
            genre, number = Path(record["path"]).stem.split(".")
            path = directory / "gtzan_tempo_beat-main" / "beats" / f"gtzan_{genre}_{number}.beats"
            if path.is_file():
                records.append({**record, "label": read_beat_file(path)})
    if not records:
        raise DataError(f"{directory} holds no gtzan_tempo_beat-main/beats/*.beats for its clips")
    return records_dataset(directory, records)


def read_beat_file(path: Path) -> Record:
    """Read lines of time and position in the bar."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {"beat": [float(row[0]) for row in rows], "downbeat": [float(row[0]) for row in rows if row[1] == "1"]}


SOURCE = Source(
    homepage="https://huggingface.co/datasets/m-a-p/GTZAN",
    licence="none given; collected for research by Tzanetakis & Cook 2002",
    gigabytes=1.3,
    repository="m-a-p/GTZAN",
)

GENRE = Task(
    name="gtzan-genre",
    title="GTZAN genre",
    folder="GTZAN",
    target="label",
    kind="classes",
    read=read_genre,
    source=SOURCE,
    expected={"train": 442, "valid": 197, "test": 290},
    schedule=Schedule(epochs=100, halve_after=6, stop_after=20),
    choices={"jazz.00054": "left out: its file is damaged (MARBLE v1 does the same, so that 442 of 443 train)"},
)

BEAT = Task(
    name="gtzan-beat",
    title="GTZAN beat and downbeat",
    folder="GTZAN",
    target="label",
    kind="beats",
    read=read_beats,
    source=SOURCE,
    expected={"train": 442, "valid": 197, "test": 290},
    window=30.0,
    schedule=Schedule(epochs=50, halve_after=5, stop_after=10),
    choices={
        "decoding": "whole tracks by one bar-pointer model for beats and downbeats (MARBLE v1: madmom on 10 s crops)",
        "tolerance": "70 ms, and 20 ms beside it (MARBLE's paper says 20 ms, its code uses 70 ms)",
        "first five seconds": "counted (mir_eval's trim_beats is not called)",
        "score": "mean over tracks (MARBLE pools counts over the corpus)",
    },
)
