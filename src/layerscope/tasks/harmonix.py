"""Harmonix: functional sections of pop songs (Nieto et al. 2019). Its audio may not be passed on.

No split is official; a song's is read off the SHA-1 of its identifier, so that every copy agrees without a list.
"""

import hashlib
from itertools import pairwise
from pathlib import Path

from layerscope.data.audio import EXTENSIONS
from layerscope.data.dataset import Dataset
from layerscope.errors import DataError
from layerscope.tasks.task import Preset, Record, Schedule, Source, Task, find_audio, records_dataset

HOMEPAGE = "https://github.com/urinieto/harmonixset"
#: What a label holds → one of seven functions, after Wang et al. 2022 (SpecTNT): the first that is found counts.
FUNCTIONS = (
    ("silence", "silence"), ("ending", "outro"), ("outro", "outro"), ("coda", "outro"),
    ("prechorus", "verse"), ("pre-chorus", "verse"), ("preverse", "verse"),
    ("intro", "intro"), ("opening", "intro"), ("fadein", "intro"),
    ("chorus", "chorus"), ("hook", "chorus"), ("refrain", "chorus"),
    ("verse", "verse"), ("rap", "verse"), ("build", "verse"),
    ("bridge", "bridge"), ("transition", "bridge"), ("end", "silence"),
)  # fmt: skip


def function_of(label: str) -> str:
    """Return the function of a section; what names none of them (solos, breaks, riffs) is instrumental."""
    plain = label.lower().replace(" ", "")
    return next((function for part, function in FUNCTIONS if part in plain), "instrumental")


def split_of(identifier: str) -> str:
    """Return a song's split: of ten, one validates and two are tested."""
    number = int(hashlib.sha1(identifier.encode(), usedforsecurity=False).hexdigest(), 16) % 10
    return "test" if number < 2 else "valid" if number == 2 else "train"


def read(directory: Path, preset: Preset) -> Dataset:
    """Read ``dataset/segments/ID.txt`` (lines of time and label, the last one ``end``) and ``audio/ID.*``."""
    del preset
    segments = directory / "dataset" / "segments"
    tables = sorted(segments.glob("*.txt"))
    if not tables:
        raise DataError(
            f"{segments} holds no annotations; clone https://github.com/urinieto/harmonixset to {directory}"
        )
    records: list[Record] = []
    for table in tables:
        rows = [line.split(maxsplit=1) for line in table.read_text(encoding="utf-8").splitlines() if line.strip()]
        spans = [
            [float(start), float(following[0]), function_of(label)] for (start, label), following in pairwise(rows)
        ]
        audio = find_audio(directory / "audio", table.stem, sorted(EXTENSIONS))
        records.append({"path": f"audio/{audio}", "sections": spans, "split": split_of(table.stem)})
    return records_dataset(directory, records)


TASK = Task(
    name="harmonix-structure",
    title="Harmonix structure",
    folder="Harmonix",
    target="sections",
    kind="segments",
    read=read,
    source=Source(
        homepage=HOMEPAGE,
        licence="annotations MIT; audio not distributed",
        gigabytes=0.1,
        supply="clone the repository to Harmonix/, and put your own copies of the songs at Harmonix/audio/ID.mp3 "
        "(any format); identifiers are those of dataset/segments, youtube_urls.csv names the recordings",
    ),
    expected={},
    window=24.0,
    schedule=Schedule(epochs=50, halve_after=5, stop_after=10),
    choices={
        "split": "by SHA-1 of the identifier: 70 / 10 / 20 % (none is official)",
        "frames": "8.3 a second (MusicFM's paper: 8)",
        "functions": "intro, verse, chorus, bridge, outro, instrumental, silence (after Wang et al. 2022)",
        "boundaries": "peaks of novelty in the predicted functions, first and last left out (mir_eval's trim)",
    },
)
