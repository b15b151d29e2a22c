"""What a study is asked, with the clips to answer it: the tasks of a plan, read, surveyed and checked for leaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pandas as pd

from layerscope.data.dataset import Dataset
from layerscope.data.splits import find_leaks
from layerscope.encoders import Encoder
from layerscope.errors import DataError
from layerscope.study.options import Plan
from layerscope.study.progress import Progress, Silent
from layerscope.targets.labels import TRACK_KINDS, Kind, Labels, TrackLabels
from layerscope.tasks import TASKS, Task

__all__ = ["Question", "load_tasks", "missing_clips", "passes_of", "refuse_leaks"]


@dataclass
class Question:
    """One task of a study, with its clips.

    Attributes
    ----------
    name : str
        What results call it.
    dataset : Dataset
        Its clips, surveyed.
    target : str
        The column.
    kind : str, optional
        Of the target; worked out once where it is not said.
    window : float, optional
        Longest window in seconds; the encoder's own by default.
    task : Task, optional
        Where it is of the benchmark.
    """

    name: str
    dataset: Dataset
    target: str
    kind: Kind | None = None
    window: float | None = None
    task: Task | None = None

    def __post_init__(self) -> None:
        """Work out the kind."""
        if self.kind is None:
            self.kind = self.labels().kind

    @property
    def over_time(self) -> bool:
        """Return whether frames are needed."""
        return self.kind in TRACK_KINDS

    @property
    def source(self) -> str:
        """Return which data set the clips are of: tasks of one share a pass."""
        return self.task.folder if self.task else self.dataset.name

    def labels(self) -> Labels | TrackLabels:
        """Return the labels of the clips."""
        return self.dataset.labels(self.target, self.kind)


def load_tasks(plan: Plan, progress: Progress | None = None) -> list[Question]:
    """Return the tasks of a plan with their clips, refusing leaks that the files' bytes show already."""
    progress = progress or Silent()
    found = [load_task(name, plan, progress) for name in plan.task]
    if plan.data is not None:
        dataset = survey(Dataset.load(plan.data, plan.root), progress)
        for target in plan.target:
            name = dataset.name if len(plan.target) == 1 else f"{dataset.name}-{target.partition(',')[0]}"
            found.append(
                Question(name, dataset.with_target(target), target, cast("Kind | None", plan.kind), plan.window)
            )
    for one in found:
        refuse_leaks(one.dataset.clips, allow=plan.allow_leaks)
        one.labels()  # a label that cannot be read is an error before the pass, not after
    return found


def load_task(name: str, plan: Plan, progress: Progress) -> Question:
    """Return one task of the benchmark."""
    task = TASKS[name]
    dataset = task.load(plan.root, plan.preset or "robust")
    short = missing_clips(task, dataset)
    if short and plan.strict:
        raise DataError(f"{name}: {short}; leave out --strict to go on with what is there")
    surveyed = survey(dataset, progress).with_target(task.target)
    return Question(name, surveyed, task.target, task.kind, plan.window or task.window, task)


def missing_clips(task: Task, dataset: Dataset) -> str:
    """Return how a copy of a data set falls short of the published counts, or nothing."""
    counts = dataset.clips.split.value_counts()
    short = {name: (int(counts.get(name, 0)), wanted) for name, wanted in task.expected.items()}
    told = [f"{name} has {found} of {wanted} clips" for name, (found, wanted) in short.items() if found != wanted]
    return "this copy is not the published one: " + ", ".join(told) if told else ""


def survey(dataset: Dataset, progress: Progress) -> Dataset:
    """Return the clips with their content keys."""
    with progress.task("reading files", dataset.clips.path.nunique(), "files") as step:
        return dataset.survey(lambda files: step(files, 0.0))


def refuse_leaks(clips: pd.DataFrame, *, allow: bool) -> list[str]:
    """Return what lies on both sides of the given splits, in words, or raise unless that is allowed."""
    leaks = [str(leak) for leak in find_leaks(clips)]
    if leaks and not allow:
        more = f" (and {len(leaks) - 1} more; `layerscope check` lists them)" if len(leaks) > 1 else ""
        raise DataError(f"leak between splits: {leaks[0]}{more}; mend the splits, or insist with --allow-leaks")
    return leaks


def passes_of(encoder: Encoder, questions: Sequence[Question]) -> dict[tuple[str, float], list[int]]:
    """Return which questions share a pass: the numbers of those of one data set and window.

    Of different data sets they do not, though windows be equal: one that needs frames would have them kept for all.
    No window of the benchmark is longer than the encoder's own.
    """
    found: dict[tuple[str, float], list[int]] = {}
    for number, question in enumerate(questions):
        window = question.window or encoder.window
        if question.task or encoder.reads_files:
            window = encoder.window if encoder.reads_files else min(window, encoder.window)
        found.setdefault((question.source, window), []).append(number)
    return found
