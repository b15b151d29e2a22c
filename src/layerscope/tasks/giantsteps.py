"""GiantSteps key: 24 keys of electronic dance music; songs are cut into 30 s clips and scored whole.

Train and validation come from the MTG key set, test from the 604 songs of Knees et al. 2015.
"""

from pathlib import Path

from layerscope.data.dataset import Dataset
from layerscope.tasks.task import Preset, Schedule, Source, Task, marble_records, records_dataset, refuse_absent


def read(directory: Path, preset: Preset) -> Dataset:
    """Read MARBLE v2's records; ``ori_uid`` is the song."""
    del preset
    records = marble_records(directory, "GS")
    if records is None:
        raise refuse_absent(directory, "no GS.{train,val,test}.jsonl, the tables of m-a-p/GS")
    return records_dataset(directory, records)


TASK = Task(
    name="gs-key",
    title="GiantSteps key",
    folder="GS",
    target="label",
    kind="key",
    read=read,
    source=Source(
        homepage="https://huggingface.co/datasets/m-a-p/GS",
        licence="none stated; audio are previews of Beatport",
        gigabytes=19.0,
        repository="m-a-p/GS",
    ),
    expected={"train": 3687, "valid": 942, "test": 2406},
    unit="group",
    schedule=Schedule(epochs=100, halve_after=5, stop_after=20),
    choices={
        "song score": "scores of a song's clips are averaged (MARBLE v2; v1 picks one of four ensembles on validation)",
        "fifths": "mir_eval's convention first (a fifth above counts half), MIREX's since 2017 (both) beside it",
    },
)
