"""MagnaTagATune: the 50 commonest tags of 29 s clips (Law et al. 2009), split by directory as is usual."""

from pathlib import Path

from layerscope.data.label_tables import ASIDE, Record
from layerscope.errors import DataError
from layerscope.tasks.task import DAMAGED, Preset, table_rows

COMMONEST = 50
#: Their files are empty in every copy (they stand in rows 16250, 24867 and 25546 of the table, counted from 0).
CORRUPT = {"35644", "55753", "57881"}


def split_of(path: str) -> str:
    """Return the split of a clip by the first letter of its path: 0–b train, c valid, d–f test."""
    letter = path[:1].lower()
    return "train" if letter in "0123456789ab" else "valid" if letter == "c" else "test"


def annotated_clips(directory: Path, preset: Preset) -> list[Record]:
    """Return the clips of ``annotations_final.csv``: an identifier, a column a tag, the path; tabs between."""
    del preset
    table = directory / "annotations_final.csv"
    absent = f"{directory} holds neither MTT.{{train,val,test}}.jsonl nor {table.name}"
    rows = table_rows(table, absent, delimiter="\t")
    if not rows or not {"clip_id", "mp3_path"} <= rows[0].keys():
        raise DataError(f"{table}: no rows with clip_id and mp3_path; fetch it again")
    tags = [name for name in rows[0] if name not in ("clip_id", "mp3_path")]
    counts = {tag: sum(row[tag] == "1" for row in rows) for tag in tags}
    # Sorting is stable: tags of one count keep the table's order, so that the fifty are the same everywhere.
    chosen = sorted(tags, key=lambda tag: -counts[tag])[:COMMONEST]
    return [
        {
            "path": f"mp3/{row['mp3_path']}",
            "label": [tag for tag in chosen if row[tag] == "1"],
            "split": split_of(row["mp3_path"]),
            **({ASIDE: DAMAGED} if row["clip_id"] in CORRUPT else {}),
        }
        for row in rows
    ]
