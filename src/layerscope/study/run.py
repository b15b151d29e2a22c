"""The line of a study, from what is asked to what is written."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from layerscope.atomic_files import owned_directory, write_json
from layerscope.probes import SEEDED_PROBES
from layerscope.scores.learning_curve import FewLabels
from layerscope.scores.score_files import write_csv
from layerscope.scores.score_table import discard_earlier
from layerscope.scores.tabulate import tabulate
from layerscope.study.extraction import Stores, extract_all, keep_usable
from layerscope.study.options import Call, Plan
from layerscope.study.predictions import recommended
from layerscope.study.progress import SILENT, Progress
from layerscope.study.ray_connection import SAME_VERSIONS, connected
from layerscope.study.robustness import measure_robustness
from layerscope.study.run_task import TaskScores, run_task
from layerscope.study.study_results import Results
from layerscope.study.study_tasks import StudyTask, load_tasks, tasks_left_out
from layerscope.study.workplace import HERE, Workplace

__all__ = ["finish", "made_here", "probe_tasks", "results_of", "run"]


def run(plan: Plan, out: Path, *, progress: Progress = SILENT, command: Sequence[str] = ()) -> Results:
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

    Raises
    ------
    LayerscopeError
        With a message for the user.
    """
    with owned_directory(out, "study", plan.on_record()), connected(plan.ray) as cluster:
        work = Workplace(progress, cluster, out / "probes")
        tasks = load_tasks(plan, progress)
        passes = extract_all(plan.encoders(), tasks, plan, work)
        usable = keep_usable(tasks, passes)
        results = probe_tasks(usable, passes.stores, plan, work)
        if plan.deform:
            results.robustness = measure_robustness(plan, usable, passes.stores, results, work)
        results.facts |= {"passes": passes.counts, "note": tasks_left_out(plan, tasks)}
        finish(results, out, plan, command)
    return results


def probe_tasks(tasks: Sequence[StudyTask], stores: Sequence[Stores], asked: Call, work: Workplace = HERE) -> Results:
    """Probe every task of a study, and put the results together.

    Parameters
    ----------
    tasks : sequence of StudyTask
        With the clips that are left.
    stores : sequence of list of FeatureStore
        See `extract_all`.
    asked : Call
        How.
    work : Workplace, optional
        Where that is shown, and finished trainings are kept.
    """
    scores, skipped = [], dict[str, str]()
    for task, of_task in zip(tasks, stores, strict=True):
        scores.append(run_task(task, of_task, asked, work))
        # Clips of two data sets may have one name.
        prefix = f"{task.name}: " if len(tasks) > 1 else ""
        skipped |= {f"{prefix}{clip}": reason for clip, reason in task.dataset.skipped.items()}
    return results_of(scores, skipped, asked)


def results_of(scores: Sequence[TaskScores], skipped: dict[str, str], asked: Call) -> Results:
    """Put the scores of tasks together."""
    facts: dict[str, Any] = {"models": {}, "tasks": {}, "seeds": asked.seeds, "note": ""}
    for task in scores:
        task_facts = dict(task.facts)
        facts["models"] |= task_facts.pop("models")
        # Probes without randomness are the same whatever number of seeds was asked for.
        seeded = any(entry.label["probe"] in SEEDED_PROBES for entry in task.entries)
        task_facts["seeds"] = asked.seeds if seeded else None
        facts["tasks"][task_facts["task"]] = task_facts
    results = Results(*tabulate([entry for task in scores for entry in task.entries]), facts, skipped)
    results.splits = pd.concat([task.splits for task in scores], ignore_index=True)
    predictions = pd.concat([task.predictions for task in scores], ignore_index=True)
    results.predictions = predictions if asked.keep_predictions else recommended(results, predictions)
    results.few_labels = FewLabels.joined([task.few_labels for task in scores])
    return results


def made_here(packages: Sequence[str]) -> dict[str, Any]:
    """Return where results are made, and by which versions of packages."""
    versions = {name: version(name) for name in packages}
    return {"python": platform.python_version(), "platform": platform.platform(), "versions": versions}


def finish(results: Results, out: Path, plan: Plan, command: Sequence[str]) -> None:
    """Write the tables, the provenance and the report."""
    provenance = {
        "command": list(command),
        "study": plan.model_dump(mode="json"),
        "passes": results.facts["passes"],
        "models": results.facts["models"],
        "tasks": results.facts["tasks"],
        "seeds": list(range(plan.seeds)),
        **made_here(SAME_VERSIONS),
    }
    discard_earlier(out)
    write_json(out / "provenance.json", provenance)
    for name, table in (("splits", results.splits), ("predictions", results.predictions)):
        if table is not None:
            write_csv(out / f"{name}.csv", table)
    if results.few_labels is not None:
        results.few_labels.save(out)
    if results.robustness is not None:
        results.robustness.save(out)
    # After these tables, of which it keeps the digests too.
    results.save(out)
    # Last: should drawing fail, the numbers are on disk.
    results.to_html(out / "report.html")
