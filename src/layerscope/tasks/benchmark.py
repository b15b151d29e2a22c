"""The tasks of the benchmark: what `benchmark.toml` says of each, and who reads a layout that is a data set's own."""

from __future__ import annotations

import tomllib
from functools import partial
from importlib.resources import files
from typing import Any

from layerscope.tasks import chords1217, gtzan, harmonix, hooktheory, magnatagatune, mtg_jamendo, nsynth, vocalset
from layerscope.tasks.task import Archive, Reader, Schedule, Source, Task

__all__ = ["PAPER_TASKS", "TASKS"]

READERS: dict[str, Reader] = {
    "gtzan-genre": gtzan.listed_clips,
    "gtzan-beat": gtzan.annotated_clips,
    "nsynth-pitch": nsynth.notes,
    "nsynth-instrument": nsynth.notes,
    "vocalset-singer": vocalset.singers,
    "vocalset-technique": vocalset.techniques,
    "mtt": magnatagatune.annotated_clips,
    "mtg-genre": partial(mtg_jamendo.listed_tracks, subset="genre"),
    "mtg-instrument": partial(mtg_jamendo.listed_tracks, subset="instrument"),
    "mtg-mood": partial(mtg_jamendo.listed_tracks, subset="moodtheme"),
    "mtg-top50": partial(mtg_jamendo.listed_tracks, subset="top50tags"),
    "harmonix-structure": harmonix.annotated_songs,
    "hooktheory-key": hooktheory.keys,
    "hooktheory-structure": hooktheory.sections,
    "chords1217": chords1217.songs,
}


def benchmark() -> dict[str, Task]:
    """Return the tasks of `benchmark.toml`, by name."""
    table = tomllib.loads(files("layerscope.tasks").joinpath("benchmark.toml").read_text(encoding="utf-8"))
    return {entry["name"]: task_of(entry, of) for of in table["sets"] for entry in of["tasks"]}


def task_of(entry: dict[str, Any], of: dict[str, Any]) -> Task:
    """Return the task that an entry and its data set describe."""
    archives = tuple(Archive(**archive) for archive in of["source"].get("archives", ()))
    source = {**of["source"], "archives": archives, "left_out": tuple(of["source"].get("left_out", ()))}
    fields = {"target": "label", **entry, "schedule": Schedule(**entry["schedule"])}
    return Task(folder=of["folder"], source=Source(**source), read=READERS.get(entry["name"]), **fields)


TASKS = benchmark()

#: The fourteen of the layer-wise study of MusicFM and MuQ, as far as its list is known.
PAPER_TASKS = tuple(name for name, task in TASKS.items() if task.in_paper)
