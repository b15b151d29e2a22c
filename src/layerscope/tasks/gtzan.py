"""GTZAN in the layout of its makers: the fault-filtered lists, ``genres/``, and the rhythm annotations."""

from pathlib import Path

from layerscope.data.label_tables import Record
from layerscope.errors import DataError
from layerscope.tasks.task import Preset

LISTS = {"train": "train_filtered.txt", "valid": "valid_filtered.txt", "test": "test_filtered.txt"}
#: Its file is damaged in every copy.
CORRUPT = "jazz.00054"


def listed_clips(directory: Path, preset: Preset) -> list[Record]:
    """Return the clips of the fault-filtered lists, whose lines are ``genre/genre.00000.wav``.

    Audio lies in ``genres/``, or as mirdata puts it in ``gtzan_genre/genres/``.
    """
    del preset
    records = []
    audio = "gtzan_genre/genres" if (directory / "gtzan_genre" / "genres").is_dir() else "genres"
    for split, name in LISTS.items():
        path = directory / name
        if not path.is_file():
            raise DataError(f"{directory} holds neither MARBLE's GTZANGenre.*.jsonl nor the fault-filtered list {name}")
        for line in path.read_text(encoding="utf-8").split():
            if CORRUPT not in line:
                records.append({"path": f"{audio}/{line}", "label": line.partition("/")[0], "split": split})
    return records


def annotated_clips(directory: Path, preset: Preset) -> list[Record]:
    """Return the listed clips with their beats, ``gtzan_tempo_beat-main/beats/gtzan_GENRE_00000.beats``."""
    records = []
    for record in listed_clips(directory, preset):
        genre, number = Path(record["path"]).stem.split(".")
        path = directory / "gtzan_tempo_beat-main" / "beats" / f"gtzan_{genre}_{number}.beats"
        if path.is_file():
            records.append({**record, "label": read_beat_file(path)})
    if not records:
        raise DataError(f"{directory} holds no gtzan_tempo_beat-main/beats/*.beats for its clips")
    return records


def read_beat_file(path: Path) -> Record:
    """Read lines of time and position in the bar."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {"beat": [float(row[0]) for row in rows], "downbeat": [float(row[0]) for row in rows if row[1] == "1"]}
