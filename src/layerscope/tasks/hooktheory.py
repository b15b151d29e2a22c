"""HookTheory: which labels of MARBLE v2's tables are used, and as what."""

from pathlib import Path

from layerscope.data.label_tables import ASIDE, Record
from layerscope.targets.key_names import is_key
from layerscope.tasks.marble_records import marble_records
from layerscope.tasks.task import Preset

#: Section labels, joined by ``_`` where a section has several → the seven functions, as in MARBLE v2.
FUNCTIONS = {
    **{name: name for name in ("intro", "verse", "pre-chorus", "chorus", "bridge", "outro")},
    "instrumental": "inst", "solo": "inst", "pre-chorus_chorus": "chorus", "verse_pre-chorus": "verse",
    "intro_verse": "verse", "intro_chorus": "chorus",
}  # fmt: skip


#: Seconds below which MARBLE v2 has no window of a clip of keys: four fifths of its 15 s.
SHORTEST = 12.0


def keys(directory: Path, preset: Preset) -> list[Record]:
    """Return sections with their key; modes other than major and minor are set aside, short clips in ``paper``."""
    records = []
    for record in marble_records(directory, "HookTheoryKey"):
        key, seconds = record.get("label"), record.get("duration")
        if not is_key(key):
            record[ASIDE] = f"its key '{key}' is neither major nor minor"
        elif preset == "paper" and isinstance(seconds, (int, float)) and seconds < SHORTEST:
            record[ASIDE] = f"it lasts {seconds:.1f} s, less than the {SHORTEST:g} of preset paper"
        records.append(record)
    return records


def sections(directory: Path, preset: Preset) -> list[Record]:
    """Return sections with their function; those whose labels MARBLE does not name are set aside."""
    del preset
    records = []
    for record in marble_records(directory, "HookTheoryStructure"):
        label = record.get("label")
        function = FUNCTIONS.get("_".join(map(str, label)) if isinstance(label, list) else str(label))
        reason = f"its label {label} is none of {', '.join(FUNCTIONS)}"
        records.append({**record, "label": function} if function else {**record, ASIDE: reason})
    return records
