"""GTZAN in the layout of its makers: the fault-filtered lists, ``genres/``, and the rhythm annotations."""

from pathlib import Path

from layerscope.data.label_tables import ASIDE, Record
from layerscope.errors import DataError
from layerscope.tasks.task import DAMAGED, Preset

LISTS = {"train": "train_filtered.txt", "valid": "valid_filtered.txt", "test": "test_filtered.txt"}
#: Its file is damaged in every copy.
CORRUPT = "jazz.00054"


def listed_clips(directory: Path, preset: Preset) -> list[Record]:
    """Return the clips of the fault-filtered lists, whose lines are ``genre/genre.00000.wav``.

    Audio lies in ``genres/``, or as mirdata puts it in ``gtzan_genre/genres/``.
    """
    # The published split serves both presets (docs/decisions.md).
    del preset
    records = []
    audio = "gtzan_genre/genres" if (directory / "gtzan_genre" / "genres").is_dir() else "genres"
    for split, name in LISTS.items():
        path = directory / name
        if not path.is_file():
            raise DataError(f"{directory} holds neither MARBLE's GTZANGenre.*.jsonl nor the fault-filtered list {name}")
        for line in path.read_text(encoding="utf-8").split():
            damaged = {ASIDE: DAMAGED} if CORRUPT in line else {}
            records.append({"path": f"{audio}/{line}", "label": line.partition("/")[0], "split": split, **damaged})
    return records


def annotated_clips(directory: Path, preset: Preset) -> list[Record]:
    """Return the listed clips with their beats, ``gtzan_tempo_beat-main/beats/gtzan_GENRE_00000.beats``."""
    folder = directory / "gtzan_tempo_beat-main" / "beats"
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist; unpack https://github.com/TempoBeatDownbeat/gtzan_tempo_beat there")
    records = []
    for record in listed_clips(directory, preset):
        path = folder / f"gtzan_{Path(record['path']).stem.replace('.', '_')}.beats"
        try:
            records.append({**record, "label": read_beat_file(path)})
        except (OSError, ValueError) as error:
            # A reason that the list gave already stands over this one.
            records.append({ASIDE: f"its beats cannot be read ({error})", **record, "label": None})
    return records


def read_beat_file(path: Path) -> Record:
    """Read lines of time and position in the bar; where no line has a position, nobody annotated downbeats."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    beats: Record = {"beat": [float(row[0]) for row in rows]}
    if any(len(row) > 1 for row in rows):
        beats["downbeat"] = [float(time) for time, position in rows if position == "1"]
    return beats
