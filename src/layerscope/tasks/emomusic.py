"""EmoMusic: arousal and valence of 45 s clips (Soleymani et al. 2013), split as in jukemir (Castellon et al. 2021)."""

from pathlib import Path

from layerscope.data.dataset import Dataset
from layerscope.errors import DataError
from layerscope.tasks.task import Preset, Schedule, Source, Task, marble_records, records_dataset, refuse_absent


def read(directory: Path, preset: Preset) -> Dataset:
    """Read MARBLE v2's records, whose labels are ``[arousal, valence]``, standardised."""
    del preset
    records = marble_records(directory, "EMO")
    if records is None:
        raise refuse_absent(directory, "no EMO.{train,val,test}.jsonl, the tables of m-a-p/EMO")
    for number, record in enumerate(records, start=1):
        label = record.pop("label", None)
        if not isinstance(label, list) or len(label) != 2:
            raise DataError(f"EMO record {number}: 'label' {label} is not [arousal, valence]")
        record["arousal"], record["valence"] = label
    return records_dataset(directory, records)


TASK = Task(
    name="emo",
    title="EmoMusic arousal and valence",
    folder="EMO",
    target="arousal,valence",
    kind="values",
    read=read,
    source=Source(
        homepage="https://huggingface.co/datasets/m-a-p/EMO",
        licence="none stated; audio from the Free Music Archive",
        gigabytes=3.0,
        repository="m-a-p/EMO",
    ),
    expected={"train": 504, "valid": 115, "test": 125},
    window=15.0,
    schedule=Schedule(epochs=100, halve_after=5, stop_after=20),
    choices={
        "window": "15 s over the whole clip (MARBLE v2; v1 takes 5 s windows of the first 30 s)",
        "R²": "over the whole test split for each dimension, and their mean; never over batches",
    },
)
