"""MagnaTagATune: the 50 commonest tags of 29 s clips (Law et al. 2009), split by directory as is usual."""

import csv
from pathlib import Path

from layerscope.data.dataset import Dataset
from layerscope.tasks.task import Preset, Record, Schedule, Source, Task, marble_records, records_dataset, refuse_absent

COMMONEST = 50
#: Empty files in every copy.
CORRUPT = {"16250", "24867", "25546"}


def split_of(path: str) -> str:
    """Return the split of a clip by the first letter of its path: 0–b train, c valid, d–f test."""
    letter = path[:1].lower()
    return "train" if letter in "0123456789ab" else "valid" if letter == "c" else "test"


def annotated_clips(table: Path) -> list[Record]:
    """Return the clips of ``annotations_final.csv``: an identifier, a column a tag, the path; tabs between."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    tags = [name for name in rows[0] if name not in ("clip_id", "mp3_path")]
    counts = {tag: sum(row[tag] == "1" for row in rows) for tag in tags}
    chosen = sorted(tags, key=lambda tag: -counts[tag])[:COMMONEST]
    return [
        {
            "path": f"mp3/{row['mp3_path']}",
            "label": [tag for tag in chosen if row[tag] == "1"],
            "split": split_of(row["mp3_path"]),
        }
        for row in rows
        if row["clip_id"] not in CORRUPT
    ]


def read(directory: Path, preset: Preset) -> Dataset:
    """Read MARBLE v2's records, or ``annotations_final.csv`` and ``mp3/``."""
    del preset
    records = marble_records(directory, "MTT")
    table = directory / "annotations_final.csv"
    if records is None and not table.is_file():
        raise refuse_absent(directory, "neither MTT.{train,val,test}.jsonl nor annotations_final.csv")
    return records_dataset(directory, annotated_clips(table) if records is None else records)


TASK = Task(
    name="mtt",
    title="MagnaTagATune tags",
    folder="MTT",
    target="label",
    kind="tags",
    read=read,
    source=Source(
        homepage="https://huggingface.co/datasets/m-a-p/MTT",
        licence="CC BY-NC-SA (audio by Magnatune), research",
        gigabytes=3.0,
        repository="m-a-p/MTT",
    ),
    expected={"train": 18_706, "valid": 1_825, "test": 5_329},
    schedule=Schedule(epochs=100, halve_after=3, stop_after=10),
    choices={
        "clips without tags": "kept (MARBLE; the 21k subset of other papers drops them)",
        "song parts": "clips of one song share a directory and so a split; each clip is scored alone",
    },
)
