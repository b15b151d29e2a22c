"""Chords of 1,217 songs (the collection of Humphrey & Bello 2015), by MARBLE v2's tables. Gated."""

from pathlib import Path

from layerscope.data.dataset import Dataset
from layerscope.tasks.task import Preset, Schedule, Source, Task, marble_records, records_dataset, refuse_absent


def read(directory: Path, preset: Preset) -> Dataset:
    """Read MARBLE v2's records, whose labels are lists of ``start_time``, ``end_time``, ``chord_str``."""
    del preset
    records = marble_records(directory, "Chords1217")
    if records is None:
        raise refuse_absent(directory, "no Chords1217.{train,val,test}.jsonl, the tables of m-a-p/Chords1217")
    return records_dataset(directory, records)


TASK = Task(
    name="chords1217",
    title="Chords of 1,217 songs",
    folder="Chords1217",
    target="label",
    kind="chords",
    read=read,
    source=Source(
        homepage="https://huggingface.co/datasets/m-a-p/Chords1217",
        licence="gated; research",
        gigabytes=None,
        repository="m-a-p/Chords1217",
        supply="ask for access on the hub and log in (`hf auth login`)",
    ),
    window=30.0,
    schedule=Schedule(epochs=50, halve_after=5, stop_after=10),
    choices={
        "frames": "12.5 a second (MARBLE v2: 25)",
        "other qualities": "neither trained on nor scored; 'N' is a class of its own",
        "accuracy": "over all frames of the test split (MARBLE v2 averages batches, and overwrites 'N' inside songs)",
    },
)
