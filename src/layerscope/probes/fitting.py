"""A probe on one input of one model's features, and how it is trained for every part of a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from layerscope.data.splits import Part
from layerscope.features.clip_features import Features
from layerscope.features.row_blocks import Rows
from layerscope.probes import PROBES, Input, Prediction, Problem, assemble, inputs_of, offers, seen_by
from layerscope.probes.frame_targets import Tracks, score_tracks, worst_answers
from layerscope.probes.stacked import fit_stacked
from layerscope.scores.evaluation import Outcome
from layerscope.scores.score_table import SINGLE_INPUTS
from layerscope.targets.kind import Labels
from layerscope.tasks.task import Schedule

__all__ = [
    "CPU", "FEW_WINDOWS", "Collected", "Job", "Target", "is_cross_validated", "left_of", "plan_jobs", "problem_of",
    "run_job", "single_thread", "stacks", "train_part",
]  # fmt: skip

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Job:
    """One probe on one input of one model's features."""

    features: Features
    chosen: Input
    probe: str


@dataclass(frozen=True)
class Target:
    """What probes are to predict.

    Attributes
    ----------
    labels : Labels
        Of all clips, or of the frames that are used.
    parts : list of Part
        The trainings of each job, as rows of these: one, or one a fold.
    tracks : Tracks, optional
        Where the target is over time, the clips that the frames make up.
    schedule : Schedule
        How long the mlp is trained.
    choosing : list of Part
        Trainings whose validation clips, put together, choose among layers for the probes that are quickly solved.
    """

    labels: Labels
    parts: list[Part]
    tracks: Tracks | None = None
    schedule: Schedule = field(default_factory=Schedule)
    choosing: list[Part] = field(default_factory=list)

    @property
    def clip_parts(self) -> list[Part]:
        """Return the trainings as rows of clips, also where probes are given frames."""
        return self.tracks.clip_parts if self.tracks else self.parts


def plan_jobs(features: Sequence[Features], probes: Sequence[str], sets: Sequence[str] = ()) -> list[Job]:
    """Return all jobs, in the order of the tables; ``last`` is not among them, being the last layer again.

    Parameters
    ----------
    features : sequence of Features
        Of a task.
    probes, sets : sequence of str
        Which, and which sets of layers beside single ones (see `inputs_of`).
    """
    return [
        Job(given, chosen, probe)
        for one in features
        for probe in probes
        if (given := seen_by(probe, one))
        for chosen in inputs_of(given, sets)
        if chosen.name != "last" and offers(probe, chosen)
    ]


def stacks(job: Job, device: torch.device | None) -> bool:
    """Return whether a job's trainings are done together on a device: on a CPU a loop is faster (docs/decisions.md)."""
    return job.probe == "mlp" and device is not None and device.type == "cuda"


@contextmanager
def single_thread() -> Iterator[None]:
    """Compute on one thread: trainings run side by side, and sums come out the same however many there are."""
    before = torch.get_num_threads()
    # torch keeps a count of threads of its own, beside those of BLAS and OpenMP.
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


def train_part(
    job: Job,
    states: Rows,
    target: Target,
    number: int,
    seeds: Sequence[int],
    settings: Mapping[str, float] | None = None,
    device: torch.device | None = None,
) -> list[Prediction]:
    """Train a job's probe on its states (see `assemble`) for one part, once a seed, with `settings` where given.

    The mlp is trained on a `device`, where given, as `run_jobs` does.
    """
    if settings is None and stacks(job, device):
        return fit_stacked([problem_of(job, states, target, number)], seeds, device or CPU)[0]
    return PROBES[job.probe](problem_of(job, states, target, number, settings), seeds)


def problem_of(
    job: Job, states: Rows, target: Target, number: int, settings: Mapping[str, float] | None = None
) -> Problem:
    """Return what a part asks of a probe on states."""
    part, windows = target.parts[number], job.features.window_clip
    return Problem(states, windows, target.labels, part.train, part.valid, part.test, target.schedule, settings)


#: Probes that are cross-validated for the choice of a layer, and the most windows with which that is quick.
CROSS_VALIDATED = ("linear", "closed", "knn")
FEW_WINDOWS = 10_000


def is_cross_validated(job: Job, target: Target) -> bool:
    """Return whether the validation scores of a job come from all of `Target.choosing` instead of one split."""
    quick = job.probe in CROSS_VALIDATED and len(job.features.window_clip) <= FEW_WINDOWS
    return bool(target.choosing) and quick and job.chosen.name in SINGLE_INPUTS


def cross_validate(job: Job, states: Rows, target: Target, seeds: Sequence[int]) -> NDArray[np.float32]:
    """Return the scores, (1, clip, output), of each clip by the training that it validates."""
    inner = replace(target, parts=target.choosing)
    # NaN for those that no training validates: the tested clips.
    scores = np.full((1, len(target.labels.values), len(target.labels.names)), np.nan, np.float32)
    for number, part in enumerate(inner.parts):
        # These probes leave one prediction, whatever the seeds.
        scores[0, part.valid] = train_part(job, states, inner, number, seeds)[0].scores[part.valid]
    return scores


class Collected:
    """What the trainings of a job's parts leave, put together.

    Parameters
    ----------
    job, target
        Of the trainings.
    """

    def __init__(self, job: Job, target: Target) -> None:
        self.job, self.target = job, target
        self.settings: list[dict[str, float]] = []
        self.mixtures: list[list[float]] = []
        self.scores: dict[str, NDArray[np.float32]] = {}
        self.answers: dict[int, dict[str, Any]] = {}

    def add(self, number: int, predictions: Sequence[Prediction]) -> None:
        """Take what the trainings of a part say, one a seed."""
        target = self.target
        clips = len(target.tracks.counts if target.tracks else target.labels.values)
        for name in ("valid", "test"):
            left = np.stack([left_of(target, number, prediction.scores, name) for prediction in predictions])
            empty = np.full((len(predictions), clips, *left.shape[2:]), np.nan, np.float32)
            self.scores.setdefault(name, empty)[:, getattr(target.clip_parts[number], name)] = left
        if target.tracks:
            tested = self.scores["test"]
            self.answers = worst_answers(target.tracks, number, predictions[0].scores, tested, self.answers)
        self.settings += [prediction.settings for prediction in predictions]
        self.mixtures += [list(prediction.mixture) for prediction in predictions if prediction.mixture]

    def outcome(self, device: str = "cpu") -> Outcome:
        """Return it, with the name of the device that trained."""
        scores = self.scores
        return Outcome(scores["valid"], scores["test"], self.settings, self.mixtures, self.answers, device)


@single_thread()
def run_job(job: Job, target: Target, seeds: Sequence[int], memory: float = np.inf) -> Outcome:
    """Train a job's probe for every part and seed, with states that take so many bytes at most."""
    states = assemble(job.features, job.chosen, memory)
    collected = Collected(job, target)
    for number in range(len(target.parts)):
        collected.add(number, train_part(job, states, target, number, seeds))
    if is_cross_validated(job, target):
        collected.scores["valid"] = cross_validate(job, states, target, seeds)
    return collected.outcome()


def left_of(target: Target, number: int, scores: NDArray[np.float32], name: str) -> NDArray[np.floating]:
    """Return what a prediction leaves of the clips of a split: scores, or the metrics of tracks."""
    if target.tracks is None:
        return scores[getattr(target.parts[number], name)]
    return score_tracks(target.tracks, number, scores, name)
