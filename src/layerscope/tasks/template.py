"""A task to copy: say in one line what is predicted, of what, and by whom the data are."""

from pathlib import Path

from layerscope.data.dataset import Dataset
from layerscope.tasks.task import Preset, Source, Task, records_dataset


def read(directory: Path, preset: Preset) -> Dataset:
    """Return the clips: a record each, with a path inside the directory, a split, the target, and a group."""
    del preset  # use it where the published split shares singers or songs
    records = [
        {"path": f"audio/{path.name}", "split": path.stem.split("-")[0], "group": path.stem, "mood": "calm"}
        for path in sorted((directory / "audio").glob("*.wav"))
    ]
    return records_dataset(directory, records)


TASK = Task(
    name="my-task",
    title="My task",
    folder="MyData",
    target="mood",
    kind="classes",
    read=read,
    source=Source(homepage="https://example.org", licence="CC BY 4.0", gigabytes=0.1),
    expected={"train": 80, "valid": 10, "test": 10},
)
