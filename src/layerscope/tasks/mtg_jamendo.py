"""MTG-Jamendo autotagging: genre, instrument, mood and theme, and the top 50 tags (Bogdanov et al. 2019), split 0."""

from pathlib import Path

from layerscope.data.label_tables import Record
from layerscope.errors import DataError
from layerscope.tasks.task import Preset, find_audio, table_rows

ENDINGS = (".mp3", ".low.mp3", ".low.flac", ".flac")
SPLITS = {"train": "train", "validation": "valid", "test": "test"}


def listed_tracks(directory: Path, preset: Preset, subset: str) -> list[Record]:
    """Return the tracks of ``data/splits/split-0/autotagging_*.tsv``; tags fill the last column and those after it."""
    del preset
    records = []
    audio = next((place for place in ("audios", "audio", "raw_30s") if (directory / place).is_dir()), "audio")
    for name, split in SPLITS.items():
        table = directory / "data" / "splits" / "split-0" / f"autotagging_{subset}-{name}.tsv"
        absent = f"{table} is missing, and so are MARBLE's MTG*.jsonl"
        # A track has as many tags as it needs, each in a column beyond the header's last.
        for row in table_rows(table, absent, delimiter="\t", restkey="MORE"):
            if not {"PATH", "ARTIST_ID", "TAGS"} <= row.keys() or not row["TAGS"]:
                raise DataError(f"{table}: a row without PATH, ARTIST_ID or TAGS: {row}")
            path = find_audio(directory / audio, row["PATH"].removesuffix(".mp3"), ENDINGS)
            tags = [row["TAGS"], *(row.get("MORE") or [])]
            records.append({"path": f"{audio}/{path}", "label": tags, "group": row["ARTIST_ID"], "split": split})
    return records
