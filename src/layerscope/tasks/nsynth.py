"""NSynth: single notes of 4 s; pitch, and family of the instrument (Engel et al. 2017)."""

import json
from pathlib import Path

from layerscope.data.label_tables import Record
from layerscope.errors import DataError
from layerscope.tasks.task import Preset, part_of

#: In preset robust, one training instrument in twenty validates: about as many notes as the official split.
TWENTIETH = 20


def notes(directory: Path, preset: Preset) -> list[Record]:
    """Return the notes of ``nsynth-{train,valid,test}/examples.json`` and ``audio/``; an instrument is a group.

    The official validation and test share instruments. In preset ``robust`` some training instruments validate as well,
    picked by the SHA-1 of their names, since a study sets the notes aside that validate on tested instruments.
    """
    records = [record for split in ("train", "valid", "test") for record in notes_of(directory, split)]
    for record in records:
        if preset == "robust" and record["split"] == "train" and part_of(record["group"], TWENTIETH) == 0:
            record["split"] = "valid"
    return records


def notes_of(directory: Path, split: str) -> list[Record]:
    """Return the notes of one official split."""
    table = directory / f"nsynth-{split}" / "examples.json"
    if not table.is_file():
        raise DataError(f"{table} is missing; unpack nsynth-{split}.jsonwav.tar.gz into {directory}")
    try:
        examples = json.loads(table.read_text(encoding="utf-8"))
        return [
            {
                "path": f"nsynth-{split}/audio/{name}.wav",
                "split": split,
                "group": note["instrument_str"],
                "instrument": note["instrument_family_str"],
                "pitch": int(note["pitch"]),
            }
            for name, note in examples.items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{table}: not the notes of NSynth ({error}); unpack the archive again") from error
