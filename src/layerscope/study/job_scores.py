"""What the jobs of a task leave, and what each is worth, as the entries of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.data.leaks import group_codes
from layerscope.data.splits import Part
from layerscope.encoders.device import find_device
from layerscope.probes.fitting import Job, Target, is_cross_validated
from layerscope.probes.jobs_side_by_side import run_jobs
from layerscope.scores.evaluation import Entry, Evaluation, Outcome, evaluations, score_outcome
from layerscope.study.options import Call
from layerscope.study.progress import Step
from layerscope.study.study_tasks import StudyTask
from layerscope.study.workplace import HERE, Workplace
from layerscope.targets.kind import Labels

__all__ = ["Finished", "Study", "score_job", "splits_of"]


@dataclass(frozen=True)
class Finished:
    """A job, what it left, and its scores."""

    job: Job
    outcome: Outcome
    entries: list[Entry]


@dataclass(frozen=True)
class Study:
    """What all trainings of a task share.

    Attributes
    ----------
    task : StudyTask
        Which.
    labels : Labels
        Of its clips.
    clips : DataFrame
        With their splits.
    target : Target
        What probes are to predict, and their trainings.
    asked : Call
        How.
    work : Workplace
        Where they are trained and kept.
    """

    task: StudyTask
    labels: Labels
    clips: pd.DataFrame
    target: Target
    asked: Call
    work: Workplace = HERE

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """Return what is resampled, shuffled and drawn as a whole, a number a clip."""
        return group_codes(self.clips)

    @cached_property
    def splits(self) -> dict[str, Evaluation]:
        """Return how the splits of the task are scored; see `splits_of`."""
        splits = self.scored_on(self.target.clip_parts)
        if self.target.choosing:
            # What other probes choose by, of each training that cross-validates its own part of it.
            valid = self.target.parts[0].valid
            shared = [replace(part, valid=np.intersect1d(part.valid, valid)) for part in self.target.choosing]
            splits["choosing"] = self.scored_on(self.target.choosing)["valid"]
            splits["shared"] = self.scored_on(shared)["valid"]
        return splits

    def scored_on(self, parts: Sequence[Part]) -> dict[str, Evaluation]:
        """Return how the splits of some trainings are scored."""
        units = self.task.units(self.clips)
        return evaluations(self.labels, parts, self.groups, self.asked.split_seed, units)

    def shown(self, what: str, total: int, unit: str) -> AbstractContextManager[Step]:
        """Begin to show some work on the task; see `Progress.task`."""
        return self.work.progress.task(f"{what}, {self.task.name}", total, unit)

    def run(
        self,
        jobs: Sequence[Job],
        target: Target | None = None,
        seeds: Sequence[int] | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> list[Outcome]:
        """Train jobs with the memory and on the device asked for, on the trainings and seeds of the task or others."""
        device, memory = find_device(self.asked.device), self.asked.memory
        target, seeds = target or self.target, seeds or range(self.asked.seeds)
        return run_jobs(jobs, target, seeds, self.work.keep, memory=memory, progress=progress, device=device)

    def score(self, jobs: Sequence[Job]) -> list[Finished]:
        """Train and score jobs."""
        return [
            Finished(job, outcome, self.scored(job, outcome, range(self.asked.seeds)))
            for job, outcome in zip(jobs, self.run(jobs), strict=True)
        ]

    def scored(self, job: Job, outcome: Outcome, seeds: Sequence[int]) -> list[Entry]:
        """Return the scores of a job; its trainings are called by seeds."""
        return score_job(job, outcome, splits_of(job, self.target, self.splits), self.task.names, seeds)


def splits_of(job: Job, target: Target, splits: dict[str, Evaluation]) -> dict[str, Evaluation]:
    """Return what a job is scored on: one that was cross-validated chooses by all clips that are not tested."""
    kept = {name: splits[name] for name in ("valid", "test")}
    if is_cross_validated(job, target):
        return {**kept, "valid": splits["choosing"], "shared": splits["shared"]}
    return kept


def score_job(
    job: Job, outcome: Outcome, splits: dict[str, Evaluation], names: dict[str, str], seeds: Sequence[int]
) -> list[Entry]:
    """Score a job; the last layer's scores are those of the input ``last`` as well."""
    chosen, layers = job.chosen, job.features.layers
    label = {"model": job.features.model, "probe": job.probe, **names}
    scored = score_outcome(label | {"input": chosen.name, "layer": chosen.layer}, outcome, splits, seeds)
    # A plain feature has one layer, and `last` would say it twice.
    is_last = chosen.name == "layer" and chosen.layer == layers[-1] and len(layers) > 1
    names_of_input = [chosen.name, "last"] if is_last else [chosen.name]
    return [replace(entry, label=entry.label | {"input": name}) for name in names_of_input for entry in scored]
