"""Harmonix: functional sections of pop songs (Nieto et al. 2019). Its audio may not be passed on.

No split is official; a song's is read off the SHA-1 of its identifier, so that every copy agrees without a list.
"""

import hashlib
from itertools import pairwise
from pathlib import Path

from layerscope.data.audio import EXTENSIONS
from layerscope.data.label_tables import Record
from layerscope.errors import DataError
from layerscope.tasks.task import Preset, find_audio

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


def annotated_songs(directory: Path, preset: Preset) -> list[Record]:
    """Return the songs, ``audio/ID.*``, with their sections.

    ``dataset/segments/ID.txt`` has lines of time and label, the last one ``end``.
    """
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
    return records
