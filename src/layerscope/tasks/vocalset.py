"""VocalSet: who sings, and how (Wilkins et al. 2018): 20 singers, recordings cut into 3 s pieces.

The splits of MARBLE v1 are made by a rule that is followed here: technique is tested on five singers; its other
fifteen share validation and training there (preset ``paper``), while ``robust`` keeps singers apart.
"""

import re
from pathlib import Path

import numpy as np
import soundfile

from layerscope.data.label_tables import Record
from layerscope.errors import DataError
from layerscope.tasks.task import Preset

TECHNIQUES = (
    "belt", "breathy", "inhaled", "lip_trill", "spoken", "straight", "trill", "trillo", "vibrato", "vocal_fry",
)  # fmt: skip
TEST_SINGERS = {"f2", "f8", "m3", "m5", "m10"}
PIECE = 132_000 / 44_100
SEED = 42_617
SINGER = re.compile(r"^([fm]\d{1,2})_")


def recordings(directory: Path) -> list[Record]:
    """Return ``FULL/singer/context/technique/f1_….wav`` with singer, technique and length."""
    root = directory / "FULL" if (directory / "FULL").is_dir() else directory
    found = []
    for path in sorted(root.rglob("*.wav")):
        singer = SINGER.match(path.name.lower())
        if singer:
            found.append(
                {
                    "path": str(path.relative_to(directory)),
                    "singer": singer[1],
                    "technique": path.parent.name.lower(),
                    "seconds": soundfile.info(path).duration,
                }
            )
    if not found:
        raise DataError(f"{directory} holds no VocalSet recordings; expected FULL/female1/arpeggios/belt/f1_….wav")
    return found


def pieces(recording: Record, *, keep_rest: bool) -> list[Record]:
    """Cut a recording into 3 s pieces; a rest above a third of one is kept where asked for, and a whole short file."""
    count = int(recording["seconds"] / PIECE)
    spans = [(number * PIECE, (number + 1) * PIECE) for number in range(count)]
    rest = recording["seconds"] - count * PIECE
    if (keep_rest and rest > PIECE / 3) or not spans:
        spans.append((count * PIECE, recording["seconds"]))
    kept = {key: value for key, value in recording.items() if key != "seconds"}
    return [{**kept, "start": start, "end": end} for start, end in spans]


def singers(directory: Path, preset: Preset) -> list[Record]:
    """Split by recording: a fifth is tested, two fifths of the rest validate; a recording is a group."""
    del preset
    found = recordings(directory)
    order = np.random.default_rng(SEED).permutation(len(found))
    tested = round(0.2 * len(found))
    validating = tested + round(0.4 * (len(found) - tested))
    records = []
    for place, number in enumerate(order):
        split = "test" if place < tested else "valid" if place < validating else "train"
        for piece in pieces(found[number], keep_rest=True):
            records.append({**piece, "split": split, "group": piece["path"]})
    return records


def techniques(directory: Path, preset: Preset) -> list[Record]:
    """Test five singers; of the others, recordings (``paper``) or singers (``robust``) validate, two fifths of them."""
    found = [one for one in recordings(directory) if one["technique"] in TECHNIQUES]
    if not found:
        raise DataError(f"{directory}: no recording lies in a directory named after one of {', '.join(TECHNIQUES)}")
    unit = "path" if preset == "paper" else "singer"
    units = sorted({one[unit] for one in found if one["singer"] not in TEST_SINGERS})
    order = np.random.default_rng(SEED).permutation(len(units))
    validating = {units[number] for number in order[: round(0.4 * len(units))]}
    records = []
    for one in found:
        split = "test" if one["singer"] in TEST_SINGERS else "valid" if one[unit] in validating else "train"
        records += [{**piece, "split": split, "group": piece[unit]} for piece in pieces(one, keep_rest=False)]
    return records
