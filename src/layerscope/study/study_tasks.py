"""What a study is asked, with the clips to answer it: the tasks of a plan, read, surveyed and checked for leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.data.dataset import Dataset
from layerscope.data.leaks import clips_beside_tested, find_leaks, group_codes, remark_on_groups
from layerscope.data.near_duplicates import join_near_duplicates
from layerscope.encoders import Encoder
from layerscope.errors import DataError, UsageError
from layerscope.features.encoder_pass import Pass
from layerscope.features.store import FeatureStore
from layerscope.scores.run_names import names_of_targets
from layerscope.study.options import Plan, Probing
from layerscope.study.progress import SILENT, Progress
from layerscope.targets import Labels, kind_named
from layerscope.tasks import Task, known_tasks
from layerscope.tasks.copy_check import missing_clips

__all__ = [
    "StudyTask", "heard_seconds", "load_tasks", "pass_over", "passes_of", "refuse_leaks", "refuse_probes", "survey",
    "tasks_left_out", "tasks_of",
]  # fmt: skip


@dataclass
class StudyTask:
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
    task : Task, optional
        Where it is of the benchmark.
    published : bool
        Whether its splits are the literature's, which stand whatever they share.
    short : str
        How its clips fall short of the published counts, or nothing.
    alike : list of str
        Which clips share a recording, where that was asked for.
    asked : Probing
        How it is probed: its window, its metric, its folds.
    """

    name: str
    dataset: Dataset
    target: str
    kind: str | None = None
    task: Task | None = None
    published: bool = False
    short: str = ""
    alike: Sequence[str] = ()
    asked: Probing = field(default_factory=Probing)

    def __post_init__(self) -> None:
        """Work out the kind."""
        if self.kind is None:
            self.kind = self.labels().kind.name

    @property
    def window(self) -> float | None:
        """Return the longest window in seconds; the encoder's own where nobody says."""
        return self.asked.window or (self.task.window if self.task else None)

    @property
    def over_time(self) -> bool:
        """Return whether frames are needed."""
        assert self.kind is not None
        return kind_named(self.kind).over_time

    @property
    def evidence(self) -> str:
        """Return what its cells are and how many, who has no group, and what column or folds are not used, in words."""
        sides = [side for side in ("split", "fold") if side in self.dataset.clips]
        unused = "column 'fold' is not used: 'split' decides" if len(sides) > 1 else ""
        folds = self.asked.folds
        unmade = f"no {folds} folds are made: column '{sides[0]}' decides" if sides and folds else ""
        evidence = self.dataset.evidence.get(self.target, "")
        return "; ".join(filter(None, (evidence, remark_on_groups(self.dataset.clips, self.target), unused, unmade)))

    @property
    def shared(self) -> str:
        """Return what its splits are known to share, as published."""
        return self.task.shared if self.task and (self.published or not self.task.mended) else ""

    @property
    def source(self) -> str:
        """Return which data set the clips are of: tasks of one share a pass."""
        return self.task.folder if self.task else self.dataset.name

    @property
    def title(self) -> str:
        """Return what a reader calls it."""
        return self.task.title if self.task else self.name

    @property
    def names(self) -> dict[str, str]:
        """Return the columns by which tables tell it."""
        return {"dataset": self.dataset.name, "task": self.name, "target": self.target}

    def units(self, clips: pd.DataFrame) -> NDArray[np.int64] | None:
        """Return which of its clips are scored as one, or None where each is."""
        return group_codes(clips[["group"]]) if self.task and self.task.unit == "group" else None

    def labels(self) -> Labels:
        """Return the labels of the clips."""
        labels = self.dataset.labels(self.target, self.kind)
        try:
            return labels.by(self.asked.metric)
        except UsageError as error:
            raise UsageError(f"{self.name}: {error}") from error

    def with_sounds(self, store: FeatureStore, failed: Mapping[str, str]) -> StudyTask:
        """Return the task without the clips that failed, by their keys, and with ``clip_sound`` of the others."""
        clips = self.dataset.clips
        # Of copies the pass has met the first, whose path its reason begins with.
        first = dict(zip(clips.clip_key[::-1], clips.path[::-1], strict=True))
        reasons = {
            row.clip: failed[row.clip_key].replace(first[row.clip_key], row.path, 1)
            for row in clips.itertuples()
            if row.clip_key in failed
        }
        dataset = self.dataset.without(reasons)
        dataset.clips["clip_sound"] = [store.entry(key).sound for key in dataset.clips.clip_key]
        return replace(self, dataset=dataset).without_shared()

    def without_shared(self) -> StudyTask:
        """Return the task without what published splits share with tested clips, unless they stand as they are.

        The clips that are tested stay. Data of one's own are not touched: their splits are the user's to mend.
        """
        beside = {} if self.task is None or self.published else clips_beside_tested(self.dataset.clips)
        return replace(self, dataset=self.dataset.without(beside)) if beside else self


def load_tasks(plan: Plan, progress: Progress = SILENT) -> list[StudyTask]:
    """Return the tasks of a plan with their clips, refusing leaks that the files' bytes show already."""
    tasks = [survey_task(known_tasks()[name], dataset, plan, progress) for name, dataset in read_tasks(plan).items()]
    if plan.data is not None:
        tasks += tasks_of(survey(Dataset.load(plan.data, plan.root, plan.target), progress), plan)
    for task in tasks:
        refuse_leaks(task.dataset.clips, allow=plan.allow_leaks or task.published)
        refuse_probes(task, plan.probe)
        task.labels()  # a label that cannot be read is an error before the pass, not after
    return [with_likeness(task, progress) for task in tasks] if plan.near_duplicates else tasks


def tasks_of(dataset: Dataset, asked: Probing) -> list[StudyTask]:
    """Return a task for each target that is asked of a surveyed dataset."""
    return [
        StudyTask(name, dataset.with_target(target, asked.kind), target, asked.kind, asked=asked)
        for target, name in names_of_targets(dataset.name, asked.target).items()
    ]


def with_likeness(task: StudyTask, progress: Progress) -> StudyTask:
    """Return a task whose near-duplicates are joined and named."""
    clips = task.dataset.clips
    with progress.task(f"listening to {task.name}", clips.clip_key.nunique(), "clips") as step:
        joined, alike = join_near_duplicates(clips, step)
    return replace(task, dataset=replace(task.dataset, clips=joined), alike=alike)


def read_tasks(plan: Plan) -> dict[str, Dataset]:
    """Return the clips of a plan's tasks by name, or raise for all at once whose data are not there.

    With ``partial`` the others are returned.
    """
    datasets: dict[str, Dataset] = {}
    absent: dict[str, str] = {}
    for name in plan.task:
        try:
            dataset = known_tasks()[name].load(plan.root, "paper" if plan.preset == "paper" else "robust")
            # By the lists alone, before any file is read.
            refuse_short(known_tasks()[name], dataset, plan)
            datasets[name] = dataset
        except DataError as error:
            absent[name] = str(error)
    if absent and not (plan.partial and datasets):
        reasons = "\n".join(f"  {name}: {reason}" for name, reason in absent.items())
        if len(plan.task) == 1:
            raise DataError(next(iter(absent.values())))
        ready = f"--partial runs the others: {', '.join(datasets)}" if datasets else "nothing is left to run"
        raise DataError(f"{len(absent)} of {len(plan.task)} tasks cannot be run; {ready}\n{reasons}")
    return datasets


def tasks_left_out(plan: Plan, tasks: Sequence[StudyTask]) -> str:
    """Return which tasks of a plan are not run because their data are not there, in words, or nothing."""
    absent = [name for name in plan.task if name not in {task.name for task in tasks}]
    return f"Not run, as their data are not there (--partial): {', '.join(absent)}." if absent else ""


def survey_task(task: Task, dataset: Dataset, plan: Plan, progress: Progress) -> StudyTask:
    """Return one task of the benchmark; a clip whose annotation cannot be read is set aside."""
    readable = task.with_readable_labels(survey(dataset, progress))
    # Again, because reading has set aside what is damaged, or has no label.
    short = refuse_short(task, readable, plan)
    published = plan.preset == "paper"
    return StudyTask(task.name, readable, task.target, task.kind, task, published, short, asked=plan).without_shared()


def refuse_short(task: Task, dataset: Dataset, plan: Plan) -> str:
    """Return how a copy is not the published one, or raise where that is asked for."""
    short = missing_clips(task, dataset, remade=task.mended and plan.preset != "paper")
    if short and plan.strict:
        raise DataError(f"{task.name}: {short}; leave out --strict to go on with what is there")
    return short


def survey(dataset: Dataset, progress: Progress) -> Dataset:
    """Return the clips with their content keys."""
    with progress.task("reading files", dataset.clips.path.nunique(), "files") as step:
        return dataset.survey(step)


def heard_seconds(clips: pd.DataFrame) -> float:
    """Return how long clips are together, each span counted once."""
    return float(clips.drop_duplicates("clip_key").clip_seconds.sum())


def refuse_leaks(clips: pd.DataFrame, *, allow: bool) -> list[str]:
    """Return what lies on both sides of the given splits, in words, or raise unless that is allowed."""
    leaks = [str(leak) for leak in find_leaks(clips)]
    if leaks and not allow:
        more = f" (and {len(leaks) - 1} more; `layerscope check` lists them)" if len(leaks) > 1 else ""
        raise DataError(f"leak between splits: {leaks[0]}{more}; mend the splits, or insist with --allow-leaks")
    return leaks


def refuse_probes(task: StudyTask, probes: Sequence[str]) -> None:
    """Raise where a task offers none of the probes that are asked for."""
    if task.over_time and list(probes) == ["attention"]:
        raise UsageError(
            f"{task.name}: the attention probe pools the frames of a clip to one answer, and '{task.target}' asks for "
            "an answer of every frame; add another probe (--probe attention,linear), or leave the task out"
        )


def pass_over(encoder: Encoder, window: float, tasks: Sequence[StudyTask], asked: Probing) -> Pass:
    """Return the pass that tasks share: every frame is kept where one of them is over time, and some for attention."""
    frames = any(task.over_time for task in tasks)
    return Pass(encoder, window, frames, attended="attention" in asked.probe, spread=asked.pooling != ["mean"])


def passes_of(encoder: Encoder, tasks: Sequence[StudyTask]) -> dict[tuple[str, float], list[int]]:
    """Return which tasks share a pass: the numbers of those of one data set and window.

    Of different data sets they do not, though windows be equal: one that needs frames would have them kept for all.
    No window of the benchmark is longer than the encoder's own.
    """
    sharing: dict[tuple[str, float], list[int]] = {}
    for number, task in enumerate(tasks):
        window = task.window or encoder.window
        # Of one's own data a window that was given stands, though it be longer than the encoder's.
        if task.task or encoder.reads_files:
            window = encoder.window if encoder.reads_files else min(window, encoder.window)
        sharing.setdefault((task.source, window), []).append(number)
    return sharing
