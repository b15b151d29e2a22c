"""HookTheory: key and function of song sections, by MARBLE v2's tables. Its audio is gated."""

from pathlib import Path

from layerscope.data.dataset import Dataset
from layerscope.targets.key import is_key
from layerscope.tasks.task import Preset, Record, Schedule, Source, Task, marble_records, records_dataset, refuse_absent

STRUCTURES = ("intro", "verse", "pre-chorus", "chorus", "bridge", "outro", "inst")
SYNONYMS = {"instrumental": "inst", "solo": "inst", "prechorus": "pre-chorus", "verse-and-pre-chorus": "verse"}


def records_of(directory: Path, stem: str) -> list[Record]:
    """Return MARBLE v2's records."""
    records = marble_records(directory, stem)
    if records is None:
        raise refuse_absent(directory, f"no {stem}.{{train,val,test}}.jsonl, the tables of m-a-p/HookTheory")
    return records


def read_key(directory: Path, preset: Preset) -> Dataset:
    """Read keys; sections in modes other than major and minor are set aside."""
    del preset
    records = records_of(directory, "HookTheoryKey")
    dataset = records_dataset(directory, [one for one in records if is_key(one.get("label"))])
    others = {
        f"{one['audio_path']}": f"its key '{one.get('label')}' is neither major nor minor"
        for one in records
        if not is_key(one.get("label"))
    }
    return Dataset(dataset.name, dataset.clips, {**dataset.skipped, **others})


def read_structure(directory: Path, preset: Preset) -> Dataset:
    """Read functions of sections: the first label that is one of the seven."""
    del preset
    records, others = [], {}
    for record in records_of(directory, "HookTheoryStructure"):
        labels = record["label"] if isinstance(record["label"], list) else [record["label"]]
        plain = [SYNONYMS.get(str(label).lower(), str(label).lower()) for label in labels]
        known = next((label for label in plain if label in STRUCTURES), None)
        if known is None:
            others[record["audio_path"]] = f"its label {record['label']} is none of {', '.join(STRUCTURES)}"
        else:
            records.append({**record, "label": known})
    dataset = records_dataset(directory, records)
    return Dataset(dataset.name, dataset.clips, {**dataset.skipped, **others})


SOURCE = Source(
    homepage="https://huggingface.co/datasets/m-a-p/HookTheory",
    licence="gated; annotations CC BY-NC-SA 3.0, audio not distributed",
    gigabytes=None,
    repository="m-a-p/HookTheory",
    supply="ask for access on the hub and log in (`hf auth login`), or put clips at "
    "HookTheory/hooktheory_clips/ID.mp3 beside the tables",
)

KEY = Task(
    name="hooktheory-key",
    title="HookTheory key",
    folder="HookTheory",
    target="label",
    kind="key",
    read=read_key,
    source=SOURCE,
    window=15.0,
    unit="group",
    schedule=Schedule(epochs=50, halve_after=5, stop_after=10),
    choices={
        "short clips": "all are used (MARBLE v2 drops clips below 12 s, from the test split as well)",
        "other modes": "set aside and listed: 24 of 105 spellings are major or minor",
    },
)

STRUCTURE = Task(
    name="hooktheory-structure",
    title="HookTheory section function",
    folder="HookTheory",
    target="label",
    kind="classes",
    read=read_structure,
    source=SOURCE,
    window=15.0,
    schedule=Schedule(epochs=50, halve_after=5, stop_after=10),
    choices={"labels": "a section with several labels counts as the first that is one of the seven"},
)
