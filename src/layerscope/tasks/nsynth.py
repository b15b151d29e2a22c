"""NSynth: single notes of 4 s; pitch, and family of the instrument (Engel et al. 2017)."""

import json
from pathlib import Path

from layerscope.data.dataset import Dataset
from layerscope.errors import DataError
from layerscope.tasks.task import Archive, Preset, Record, Schedule, Source, Task, records_dataset


def read(directory: Path, preset: Preset) -> Dataset:
    """Read ``nsynth-{train,valid,test}/examples.json`` and ``audio/``; an instrument is a group."""
    del preset
    records: list[Record] = []
    for split in ("train", "valid", "test"):
        table = directory / f"nsynth-{split}" / "examples.json"
        if not table.is_file():
            raise DataError(f"{table} is missing; unpack nsynth-{split}.jsonwav.tar.gz into {directory}")
        for name, note in json.loads(table.read_text(encoding="utf-8")).items():
            records.append(
                {
                    "path": f"nsynth-{split}/audio/{name}.wav",
                    "split": split,
                    "group": note["instrument_str"],
                    "instrument": note["instrument_family_str"],
                    "pitch": str(note["pitch"]),
                }
            )
    return records_dataset(directory, records)


SOURCE = Source(
    homepage="https://magenta.tensorflow.org/datasets/nsynth",
    licence="CC BY 4.0",
    gigabytes=39.0,
    archives=tuple(
        Archive(f"http://download.magenta.tensorflow.org/datasets/nsynth/nsynth-{split}.jsonwav.tar.gz")
        for split in ("train", "valid", "test")
    ),
)
EXPECTED = {"train": 289_205, "valid": 12_678, "test": 4_096}
SCHEDULE = Schedule(epochs=50, halve_after=3, stop_after=10)

PITCH = Task(
    name="nsynth-pitch",
    title="NSynth pitch",
    folder="NSynth",
    target="pitch",
    kind="classes",
    read=read,
    source=SOURCE,
    expected=EXPECTED,
    window=4.0,
    schedule=SCHEDULE,
    choices={"outputs": "one for each MIDI pitch that occurs (MARBLE v1: 128, shifted differently in its two modes)"},
)

INSTRUMENT = Task(
    name="nsynth-instrument",
    title="NSynth instrument family",
    folder="NSynth",
    target="instrument",
    kind="classes",
    read=read,
    source=SOURCE,
    expected=EXPECTED,
    window=4.0,
    schedule=SCHEDULE,
    choices={"synth_lead": "a class that trains and is neither validated nor tested: the official splits have none"},
)
