"""The study in small, offline: music that the package composes, and two encoders that it brings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from layerscope.atomic_files import owned_directory, passing_directory
from layerscope.scores.combine import combine
from layerscope.study.extraction import extract_all, keep_usable
from layerscope.study.options import Plan, make_plan
from layerscope.study.progress import SILENT, Progress
from layerscope.study.run import finish, probe_tasks
from layerscope.study.study_results import Results
from layerscope.study.study_tasks import load_tasks
from layerscope.study.workplace import Workplace
from layerscope.toymusic import write_notes, write_pieces
from layerscope.toymusic.composed_dataset import REPORTED

__all__ = ["ENCODERS", "NOTE", "TITLES", "demo"]

NOTE = (
    "This is the demo: music that layerscope composes, and two small encoders pretrained on more of it; what it "
    "measures is said of these."
)
#: Two pretrained encoders and their untrained twins.
ENCODERS = ("toy-muq", "toy-musicfm", "random:toy-muq", "random:toy-musicfm")
NOTES, PIECES, SECONDS = 120, 96, 8.0
TARGETS = {
    "notes": ["pitch", "instrument"],
    "pieces": ["instrument", "key", "mode", "tempo", "metre", "style", "energy,brightness", "chords",
               "beats,downbeats", "segments"],
}  # fmt: skip
#: What a reader calls the tasks, from sound to meaning.
TITLES = {
    "notes-pitch": "Pitch of a note", "notes-instrument": "Instrument of a note",
    "pieces-energy": "Energy and brightness", "pieces-instrument": "Instrument of the melody",
    "pieces-key": "Key", "pieces-mode": "Mode", "pieces-tempo": "Tempo", "pieces-metre": "Metre",
    "pieces-style": "Style of rhythm", "pieces-chords": "Chords", "pieces-beats": "Beats",
    "pieces-segments": "Sections",
}  # fmt: skip
Stage = Callable[[str, float], None]


def demo(
    out: Path,
    *,
    models: Sequence[str] = ENCODERS,
    first_seed: int = REPORTED,
    notes: int = NOTES,
    pieces: int = PIECES,
    progress: Progress = SILENT,
    command: Sequence[str] = (),
    stage: Stage = lambda *_: None,
) -> Results:
    """Compose, encode, probe and report.

    Parameters
    ----------
    out : Path
        The run's directory: new, empty, or that of the same demo.
    models : sequence of str
        Encoders.
    first_seed : int
        Of the music; the default is far from all seeds of pretraining and of its choices.
    notes, pieces : int
        How many of each.
    progress : Progress, optional
        Where progress is shown.
    command : sequence of str
        Goes into the provenance.
    stage : callable
        Called with what has been done and the seconds that it took.

    Returns
    -------
    Results
        Of all tasks, read by the closed form, which takes seconds where an mlp takes minutes.

    Raises
    ------
    UsageError
        If `out` holds another study.
    ResourceError
        If another process holds `out`.
    """
    clock = Clock(stage)
    music = f"{notes} notes and {pieces} pieces, composed from seed {first_seed}"
    # What is on record is the music, not a path.
    asked = plan_of(out, TARGETS["pieces"], models).model_dump(mode="json") | {"data": music}
    with owned_directory(out, "study", asked), passing_directory(out) as directory:
        tables = {
            "notes": write_notes(directory, notes, first_seed, splits=splits_of(notes)),
            "pieces": write_pieces(directory, pieces, first_seed, SECONDS, splits=splits_of(pieces)),
        }
        clock(f"composed {notes} notes and {pieces} pieces of {SECONDS:g} s")
        plans = {name: plan_of(table, TARGETS[name], models) for name, table in tables.items()}
        found = [study(plan, Workplace(progress), clock) for plan in plans.values()]
        # What is combined can neither answer nor draw.
        results = Results(**vars(combine(found)))
        predictions = [part.predictions for part in found if part.predictions is not None]
        # Without the places of the sound, which is gone when the page is read.
        results.predictions = pd.concat(predictions).drop(columns=["path", "start", "end"], errors="ignore")
        results.facts["note"] = NOTE
        for name, told in results.facts["tasks"].items():
            told["title"] = TITLES[name]
        finish(results, out, plans["pieces"], command)
    clock("wrote the page, its figures and tables")
    return results


class Clock:
    """Says what has been done and how long it took since it was last asked.

    Parameters
    ----------
    stage : callable
        Takes both.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.started = time.monotonic()

    def __call__(self, what: str) -> None:
        """Say what is done."""
        now = time.monotonic()
        self.stage(what, now - self.started)
        self.started = now


def splits_of(count: int) -> list[str]:
    """Return the split of each clip: half to train, more to test than to choose, so that intervals are narrow."""
    train, valid = count // 2, count * 3 // 20
    return ["train"] * train + ["valid"] * valid + ["test"] * (count - train - valid)


def plan_of(table: Path, targets: list[str], models: Sequence[str]) -> Plan:
    """Return the study of a table."""
    # The closed form is exact, so that the page is the same to the byte (docs/decisions.md).
    return make_plan({"data": table, "target": targets, "model": list(models), "probe": ["closed"], "seeds": 1}, "demo")


def study(plan: Plan, work: Workplace, clock: Clock) -> Results:
    """Take the encoders over the clips of a plan once, and probe its tasks."""
    tasks = load_tasks(plan, work.progress)
    passes = extract_all(plan.encoders(), tasks, plan, work)
    clock(f"encoded the {tasks[0].dataset.name} by {len(passes.counts)} encoders and plain features")
    found = probe_tasks(keep_usable(tasks, passes), passes.stores, plan, work)
    found.facts["passes"] = passes.counts
    clock(f"probed {', '.join(TITLES[task.name].lower() for task in tasks)}")
    return found
