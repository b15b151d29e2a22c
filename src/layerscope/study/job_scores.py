"""What the jobs of a task leave, and what each is worth, as the entries of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from layerscope.encoders.device import find_device
from layerscope.probes.fitting import Job, Target, is_cross_validated
from layerscope.probes.jobs_side_by_side import run_jobs
from layerscope.scores.evaluation import Entry, Evaluation, Outcome, score_outcome
from layerscope.study.options import Call
from layerscope.targets.kind import Labels

__all__ = ["Finished", "Study", "score_job", "splits_of", "train"]


@dataclass(frozen=True)
class Finished:
    """A job, what it left, and its scores."""

    job: Job
    outcome: Outcome
    entries: list[Entry]


def train(
    jobs: Sequence[Job],
    target: Target,
    asked: Call,
    keep: Path | None,
    progress: Callable[[int], None] = lambda _: None,
    seeds: Sequence[int] | None = None,
) -> list[Outcome]:
    """Train jobs with the seeds, the memory and on the device that were asked for, or with other seeds."""
    device, seeds = find_device(asked.device), seeds or range(asked.seeds)
    return run_jobs(jobs, target, seeds, keep, memory=asked.memory, progress=progress, device=device)


@dataclass(frozen=True)
class Study:
    """What all trainings of a task share.

    Attributes
    ----------
    target, labels, splits : Target, Labels, dict of str to Evaluation
        Of the task.
    names : dict of str to str
        The columns dataset, task and target.
    asked : Call
        How.
    keep : Path or None
        Where finished trainings are kept.
    """

    target: Target
    labels: Labels
    splits: dict[str, Evaluation]
    names: dict[str, str]
    asked: Call
    keep: Path | None

    def run(
        self,
        jobs: Sequence[Job],
        target: Target | None = None,
        seeds: Sequence[int] | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> list[Outcome]:
        """Train jobs, on the trainings and seeds of the task or on others."""
        return train(jobs, target or self.target, self.asked, self.keep, progress, seeds)

    def score(self, jobs: Sequence[Job]) -> list[Finished]:
        """Train and score jobs."""
        return [
            Finished(job, outcome, self.scored(job, outcome)) for job, outcome in zip(jobs, self.run(jobs), strict=True)
        ]

    def scored(self, job: Job, outcome: Outcome) -> list[Entry]:
        """Return the scores of a job."""
        asking = splits_of(job, self.target, self.splits)
        return score_job(job, outcome, asking, self.names, range(self.asked.seeds))


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
