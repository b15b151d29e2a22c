"""The line of a study, from what is asked to what is written."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from layerscope.atomic_files import discard, owned_directory, write_json
from layerscope.scores.evaluation import Entry
from layerscope.scores.tabulate import tabulate
from layerscope.study.extraction import Stores, extract_all, keep_usable
from layerscope.study.options import Plan, Probing
from layerscope.study.progress import Progress, Silent
from layerscope.study.run_task import run_task
from layerscope.study.study_results import StudyResults
from layerscope.study.study_tasks import StudyTask, load_tasks, tasks_left_out

__all__ = ["finish", "probe_tasks", "run"]


def run(
    plan: Plan, out: Path, *, progress: Progress | None = None, command: Sequence[str] = (), note: str = ""
) -> StudyResults:
    """Run a study, or continue one, and write its directory.

    Parameters
    ----------
    plan : Plan
        What to study.
    out : Path
        The run's directory. If it holds part of this very study, that is continued; another study is an error.
    progress : Progress, optional
        Where progress is shown; nowhere by default.
    command : sequence of str
        Goes into the provenance.
    note : str
        A caution for the report.

    Raises
    ------
    LayerscopeError
        With a message for the user.
    """
    progress = progress or Silent()
    with owned_directory(out, "study", plan.model_dump(mode="json")):
        tasks = load_tasks(plan, progress)
        passes = extract_all(plan.encoders(), tasks, progress)
        results = probe_tasks(keep_usable(tasks, passes), passes.stores, plan, progress, keep=out / "probes")
        notes = (note, tasks_left_out(plan, tasks))
        results.facts |= {"passes": passes.counts, "note": " ".join(filter(None, notes))}
        finish(results, out, plan, command)
    return results


def probe_tasks(
    tasks: Sequence[StudyTask], stores: Sequence[Stores], asked: Probing, progress: Progress, keep: Path | None = None
) -> StudyResults:
    """Probe every task of a study, and put the results together.

    Parameters
    ----------
    tasks : sequence of StudyTask
        With the clips that are left.
    stores : sequence of list of FeatureStore
        See `extract_all`.
    asked : Probing
        How.
    progress : Progress
        Where progress is shown.
    keep : Path, optional
        Where finished trainings are kept.
    """
    entries: list[Entry] = []
    facts: dict[str, Any] = {"models": {}, "tasks": {}, "seeds": asked.seeds, "note": ""}
    skipped: dict[str, str] = {}
    for task, own in zip(tasks, stores, strict=True):
        found, told = run_task(task, own, asked, progress, keep)
        entries += found
        facts["models"] |= told.pop("models")
        facts["tasks"][task.name] = told
        # Clips of two data sets may have one name.
        prefix = f"{task.name}: " if len(tasks) > 1 else ""
        skipped |= {f"{prefix}{clip}": reason for clip, reason in task.dataset.skipped.items()}
    return StudyResults(*tabulate(entries), facts, skipped)


def finish(results: StudyResults, out: Path, plan: Plan, command: Sequence[str]) -> None:
    """Write the tables, the provenance and the report."""
    provenance = {
        "command": list(command),
        "study": plan.model_dump(mode="json"),
        "passes": results.facts["passes"],
        "models": results.facts["models"],
        "tasks": results.facts["tasks"],
        "seeds": list(range(plan.seeds)),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {
            name: version(name) for name in ("layerscope", "torch", "numpy", "scikit-learn", "librosa", "soxr")
        },
    }
    # An answer of earlier labels never stands beside scores of later ones, wherever a kill comes.
    discard(out / "answer.json", out / "report.html")
    write_json(out / "provenance.json", provenance)
    results.save(out)
    # Last: should drawing fail, the numbers are on disk.
    results.to_html(out / "report.html")
