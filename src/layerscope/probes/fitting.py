"""Train every probe on every input, and keep what they predict.

A finished training is saved under a name that is a digest of all it depends on, so that a killed run continues
and a changed one does not reuse what is stale. Trainings run side by side, one thread each: the numbers do not
depend on how many there are.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import pkgutil
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from layerscope import targets
from layerscope.atomic_files import read_header, read_tensors, write_tensors
from layerscope.data.splits import Part
from layerscope.encoders.device import device_label
from layerscope.encoders.encoder import source_digest
from layerscope.features.clip_features import Features
from layerscope.features.row_blocks import Rows, share_of_memory
from layerscope.probes import PROBES, Input, Prediction, Problem, assemble, inputs_of, offers, seen_by
from layerscope.probes.frame_targets import Tracks, score_tracks, worst_answers
from layerscope.probes.stacked import fit_stacked, problems_at_once
from layerscope.probes.workers import calls_at_once, is_elsewhere, side_by_side
from layerscope.scores.evaluation import Outcome
from layerscope.scores.score_table import SINGLE_INPUTS
from layerscope.targets.kind import Labels
from layerscope.tasks.task import Schedule

__all__ = [
    "Job", "Target", "is_cross_validated", "job_digest", "plan_jobs", "read_outcome", "run_jobs", "single_thread",
    "train_part",
]  # fmt: skip

Progress = Callable[[int], None]
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


def run_jobs(
    jobs: Sequence[Job],
    target: Target,
    seeds: Sequence[int],
    directory: Path | None = None,
    workers: int | None = None,
    progress: Progress = lambda _: None,
    memory: float | None = None,
    device: torch.device | None = None,
) -> list[Outcome]:
    """Run jobs, or read what an earlier run of theirs has left.

    Parameters
    ----------
    jobs : sequence of Job
        See `plan_jobs`.
    target : Target
        What is to be predicted.
    seeds : sequence of int
        Of the probes.
    directory : Path, optional
        Where outcomes are kept.
    workers : int, optional
        Processes; by default as many as there are cores for this process (joblib's count, which heeds a container's
        limit, the process's affinity and `LOKY_MAX_CPU_COUNT`), or on a machine of what `calls_elsewhere` names.
    progress : callable
        Called with 1 for each finished job.
    memory : float, optional
        Gigabytes that the states of all processes of a machine may take; a half of what this one has by default. What
        takes more is read by blocks.
    device : torch.device, optional
        Where the mlp is trained: on CUDA all its trainings together, unless a cluster trains (see `calls_elsewhere`).

    Returns
    -------
    list of Outcome, in the order of `jobs`
    """
    names = [job_digest(job, target, seeds) for job in jobs]
    # Jobs of one name have one outcome: two encoders of the same size have the same untrained twin.
    first = {name: position for position, name in reversed(list(enumerate(names)))}
    shared = Counter(names)
    found: dict[str, Outcome] = {}
    for name in shared:
        path = directory / f"{name}.safetensors" if directory else None
        if path and path.is_file():
            # Never stale: the name is a digest of all that it depends on.
            found[name] = read_outcome(path)
            progress(shared[name])
    missing = [first[name] for name in shared if name not in found]
    stacked = [position for position in missing if stacks(jobs[position], device) and not is_elsewhere()]
    alone = [position for position in missing if position not in stacked]
    for position, outcome in itertools.chain(
        run_stacked(jobs, stacked, target, seeds, memory, device or CPU),
        run_side_by_side(jobs, alone, target, seeds, workers or calls_at_once(), memory),
    ):
        name = names[position]
        if directory:
            write_outcome(directory / f"{name}.safetensors", outcome)
        found[name] = outcome
        progress(shared[name])
    return [found[name] for name in names]


def stacks(job: Job, device: torch.device | None) -> bool:
    """Return whether a job's trainings are done together on a device: on a CPU a loop is faster (docs/decisions.md)."""
    return job.probe == "mlp" and device is not None and device.type == "cuda"


def run_side_by_side(
    jobs: Sequence[Job],
    positions: Sequence[int],
    target: Target,
    seeds: Sequence[int],
    workers: int,
    memory: float | None,
) -> Iterator[tuple[int, Outcome]]:
    """Yield outcomes as they are ready."""
    workers = max(1, min(workers, len(positions)))
    calls = ((position, jobs[position], target, seeds, share_of_memory(memory) / workers) for position in positions)
    # As they are ready, so that a killed run has kept all that it finished.
    yield from side_by_side(numbered, calls, workers, order="as ready")


def run_stacked(
    jobs: Sequence[Job],
    positions: Sequence[int],
    target: Target,
    seeds: Sequence[int],
    memory: float | None,
    device: torch.device,
) -> Iterator[tuple[int, Outcome]]:
    """Yield outcomes of the mlp, as many jobs trained together as a device holds."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for position in positions:
        # Encoders cut clips into windows of their own.
        windows = jobs[position].features.window_clip
        key = (*assemble(jobs[position].features, jobs[position].chosen, 0).shape, zlib.crc32(windows.tobytes()))
        alike.setdefault(key, []).append(position)
    for (*shape, _), left in alike.items():
        train = len(target.parts[0].train) * shape[0] // max(1, len(target.labels.values))
        most = problems_at_once(shape, len(target.labels.names), train, len(seeds), device)
        for first in range(0, len(left), most):
            together = left[first : first + most]
            outcomes = train_parts_stacked([jobs[position] for position in together], target, seeds, memory, device)
            yield from zip(together, outcomes, strict=True)


def train_parts_stacked(
    jobs: Sequence[Job], target: Target, seeds: Sequence[int], memory: float | None, device: torch.device
) -> list[Outcome]:
    """Train jobs together, part by part."""
    share = share_of_memory(memory) / len(jobs)
    states = [assemble(job.features, job.chosen, share) for job in jobs]
    made = [Collected(job, target) for job in jobs]
    for number in range(len(target.parts)):
        problems = [problem_of(job, rows, target, number) for job, rows in zip(jobs, states, strict=True)]
        for collected, predictions in zip(made, fit_stacked(problems, seeds, device), strict=True):
            collected.add(number, predictions)
    return [collected.outcome(device_label(device)) for collected in made]


def numbered(position: int, job: Job, target: Target, seeds: Sequence[int], memory: float) -> tuple[int, Outcome]:
    """Run a job and say which it was."""
    return position, run_job(job, target, seeds, memory)


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


@cache
def source_of(kind_module: str) -> str:
    """Return the digest of the code that outcomes depend on, of a kind of target that a module defines."""
    probes = (
        "inputs", "problem", "mlp", "adam", "stacked", "linear", "linear_mixture", "convex_solver", "closed_form",
        "sample_sums", "knn", "attention", "frame_targets",
    )  # fmt: skip
    modules = [__name__, "layerscope.features.row_blocks", "layerscope.scores.layer_selection"]
    modules += [f"layerscope.probes.{name}" for name in probes]
    modules += sorted(module.name for module in pkgutil.iter_modules(targets.__path__, "layerscope.targets."))
    # A kind that was typed in has no file; it ends with its session, and so does what is known of it.
    if getattr(sys.modules[kind_module], "__file__", None):
        modules.append(kind_module)
    return source_digest(*modules)


def job_digest(job: Job, target: Target, seeds: Sequence[int]) -> str:
    """Return a name for a job that changes with anything its outcome depends on."""
    clips, kind = job.features.clips, (target.tracks or target.labels).kind
    told = {
        "features": job.features.fingerprint,
        # Features that were handed in have no keys; their fingerprint is of all states.
        "clips": list(clips["clip_key" if "clip_key" in clips else "clip"]),
        "input": [job.chosen.name, job.chosen.layer],
        "probe": job.probe,
        "seeds": list(seeds),
        "labels": [kind.name, target.labels.names, target.labels.metrics()[0]],
        "tracks": target.tracks.digest() if target.tracks else None,
        "schedule": asdict(target.schedule),
        "source": source_of(type(kind).__module__),
        "torch": torch.__version__,
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(target.labels.values).tobytes())
    # Only where they are used, so that other jobs keep their names when the choosing changes.
    for part in (*target.parts, *(target.choosing if is_cross_validated(job, target) else ())):
        for rows in (part.train, part.valid, part.test):
            # A mark between them, so that rows that change sides change the name.
            digest.update(rows.tobytes() + b"|")
    return digest.hexdigest()[:32]


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Keep an outcome."""
    header = {"settings": outcome.settings, "mixtures": outcome.mixtures, "answers": list(outcome.answers.items())}
    # Where it is not what it is without a GPU.
    header |= {"device": outcome.device} if outcome.device != "cpu" else {}
    write_tensors(path, {"valid": outcome.valid, "test": outcome.test}, header)


def read_outcome(path: Path) -> Outcome:
    """Return a kept outcome, or raise a `ResourceError` if it is not what was kept."""
    header, tensors = read_header(path), read_tensors(path)
    answers, device = dict(header["answers"]), header.get("device", "cpu")
    return Outcome(tensors["valid"], tensors["test"], header["settings"], header["mixtures"], answers, device)
