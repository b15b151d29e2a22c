"""NSynth: single notes of 4 s; pitch, and family of the instrument (Engel et al. 2017)."""

import json
from pathlib import Path

from layerscope.data.label_tables import Record
from layerscope.errors import DataError
from layerscope.tasks.task import Preset


def notes(directory: Path, preset: Preset) -> list[Record]:
    """Return the notes of ``nsynth-{train,valid,test}/examples.json`` and ``audio/``; an instrument is a group."""
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
    return records
