"""HookTheory: which labels of MARBLE v2's tables are used, and as what."""

from pathlib import Path

from layerscope.data.label_tables import ASIDE, Record
from layerscope.targets.labels import is_key
from layerscope.tasks.marble_records import marble_records
from layerscope.tasks.task import Preset

STRUCTURES = ("intro", "verse", "pre-chorus", "chorus", "bridge", "outro", "inst")
SYNONYMS = {"instrumental": "inst", "solo": "inst", "prechorus": "pre-chorus", "verse-and-pre-chorus": "verse"}


def keys(directory: Path, preset: Preset) -> list[Record]:
    """Return sections with their key; those in modes other than major and minor are set aside."""
    del preset
    return [
        record
        if is_key(record.get("label"))
        else {**record, ASIDE: f"its key '{record.get('label')}' is neither major nor minor"}
        for record in marble_records(directory, "HookTheoryKey")
    ]


def sections(directory: Path, preset: Preset) -> list[Record]:
    """Return sections with their function: the first label that is one of the seven."""
    del preset
    records = []
    for record in marble_records(directory, "HookTheoryStructure"):
        labels = record["label"] if isinstance(record["label"], list) else [record["label"]]
        plain = [SYNONYMS.get(str(label).lower(), str(label).lower()) for label in labels]
        known = next((label for label in plain if label in STRUCTURES), None)
        reason = f"its label {record['label']} is none of {', '.join(STRUCTURES)}"
        records.append({**record, "label": known} if known else {**record, ASIDE: reason})
    return records
