"""VocalSet: who sings, and how (Wilkins et al. 2018): 20 singers, recordings cut into 3 s pieces.

The splits of MARBLE v1 are made by a rule that is followed here: technique is tested on five singers; its other
fifteen share validation and training there (preset ``paper``), while ``robust`` keeps singers apart.
"""

import re
from pathlib import Path

import numpy as np

from layerscope.data.audio import measure
from layerscope.data.label_tables import ASIDE, Record
from layerscope.errors import AudioError, DataError
from layerscope.tasks.task import Preset

TECHNIQUES = (
    "belt", "breathy", "inhaled", "lip_trill", "spoken", "straight", "trill", "trillo", "vibrato", "vocal_fry",
)  # fmt: skip
TEST_SINGERS = {"f2", "f8", "m3", "m5", "m10"}
#: Seconds of MARBLE v1's pieces, whose 132,000 samples come of 44,100 // 1000 * 3000.
PIECE = 132_000 / 44_100
#: MARBLE v1's own.
SEED = 42_617
#: The singer begins the name, or where 28 recordings leave it out is the folder: ``FULL/female4``, ``FULL/male10``.
SINGER = re.compile(r"^([fm]\d{1,2})_")
FOLDER = re.compile(r"(?:^|/)(f|m)(?:em)?ale(\d{1,2})/")
#: A copy of ``f2_scales_vibrato_a.wav``, which MARBLE v1 leaves out as well.
DOUBLED = "f2_scales_vibrato_a(1).wav"


def recordings(directory: Path) -> list[Record]:
    """Return ``FULL/singer/context/technique/f1_….wav`` with singer, technique and length."""
    root = directory / "FULL" if (directory / "FULL").is_dir() else directory
    paths = sorted(path.relative_to(directory) for path in root.rglob("*.wav"))
    if not paths:
        raise DataError(f"{directory} holds no VocalSet recordings; expected FULL/female1/arpeggios/belt/f1_….wav")
    return [recording(directory, path) for path in paths]


def recording(directory: Path, path: Path) -> Record:
    """Return one recording, or why it is set aside."""
    singer = SINGER.match(path.name.lower()) or FOLDER.search(path.as_posix().lower())
    record = {"path": str(path), "singer": "".join(singer.groups()) if singer else "", "seconds": 0.0,
              "technique": path.parent.name.lower()}  # fmt: skip
    if singer is None:
        return {**record, ASIDE: "neither its name nor its folder says who sings"}
    if path.name == DOUBLED:
        return {**record, ASIDE: "a copy of another recording"}
    try:
        return {**record, "seconds": measure(directory / path)[0]}
    except AudioError as error:
        return {**record, ASIDE: str(error)}


def pieces(recording: Record, *, keep_rest: bool) -> list[Record]:
    """Cut a recording into 3 s pieces; a rest above a third of one is kept where asked for, and a whole short file."""
    kept = {key: value for key, value in recording.items() if key != "seconds"}
    count = int(recording["seconds"] / PIECE)
    spans = [(number * PIECE, (number + 1) * PIECE) for number in range(count)]
    rest = recording["seconds"] - count * PIECE
    if (keep_rest and rest > PIECE / 3) or not spans:
        spans.append((count * PIECE, recording["seconds"]))
    return [{**kept, "start": start, "end": end} for start, end in spans]


def singers(directory: Path, preset: Preset) -> list[Record]:
    """Split by recording: a fifth is tested, two fifths of the rest validate; a recording is a group."""
    del preset
    usable, records = divide(recordings(directory))
    order = np.random.default_rng(SEED).permutation(len(usable))
    tested = round(0.2 * len(usable))
    validating = tested + round(0.4 * (len(usable) - tested))
    for place, number in enumerate(order):
        split = "test" if place < tested else "valid" if place < validating else "train"
        for piece in pieces(usable[number], keep_rest=True):
            records.append({**piece, "split": split, "group": piece["path"]})
    return records


def techniques(directory: Path, preset: Preset) -> list[Record]:
    """Test five singers; of the others, recordings (``paper``) or singers (``robust``) validate, two fifths of them."""
    others = f"its folder is none of the ten techniques {', '.join(TECHNIQUES)}"
    usable, records = divide(
        [each if each["technique"] in TECHNIQUES else {ASIDE: others, **each} for each in recordings(directory)]
    )
    unit = "path" if preset == "paper" else "singer"
    units = sorted({recording[unit] for recording in usable if recording["singer"] not in TEST_SINGERS})
    order = np.random.default_rng(SEED).permutation(len(units))
    validating = {units[number] for number in order[: round(0.4 * len(units))]}
    for recording in usable:
        tested = recording["singer"] in TEST_SINGERS
        split = "test" if tested else "valid" if recording[unit] in validating else "train"
        records += [{**piece, "split": split, "group": piece[unit]} for piece in pieces(recording, keep_rest=False)]
    return records


def divide(recordings: list[Record]) -> tuple[list[Record], list[Record]]:
    """Return the recordings that are used, and those that are set aside."""
    return [each for each in recordings if ASIDE not in each], [each for each in recordings if ASIDE in each]
