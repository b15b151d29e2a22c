"""Look before running: the data, their leaks, and what a study would cost, measured on a few windows."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from layerscope.atomic_files import cache_directory
from layerscope.data.dataset import Dataset
from layerscope.data.leaks import find_leaks, group_codes
from layerscope.data.splits import Part, assign, parts_of, refuse_unlearnable
from layerscope.encoders import MODELS, Encoder, load_encoder
from layerscope.features.clip_features import Features
from layerscope.features.encode import Pass, batch_size
from layerscope.features.windows import FRAME_RATE, Cutting, frame_count
from layerscope.probes import Problem
from layerscope.probes.closed_form import fit_closed_form
from layerscope.probes.fitting import Job, Target, clip_part, left_of, plan_jobs
from layerscope.probes.frame_targets import plan_tracks
from layerscope.probes.inputs import BLOCKS, NARROW_AND_WIDE
from layerscope.probes.linear import MANY, PENALTIES, objective_of
from layerscope.probes.mlp import LEARNING_RATES, MLP, run_epoch, validate
from layerscope.probes.problem import target_tensor
from layerscope.scores.evaluation import evaluations
from layerscope.study.loaded_tasks import Question, load_tasks, passes_of
from layerscope.study.options import Plan
from layerscope.study.run import PERMUTATIONS
from layerscope.targets.kind import Labels

__all__ = ["Check", "Cost", "TaskCheck", "check"]

#: Windows that are encoded to measure a speed.
MEASURED = 3
#: Epochs that an mlp takes until it stops: 20 after its best one, which tends to come early.
TYPICAL_EPOCHS = 40
#: Rows on which a closed form is timed; frames are more.
MEASURED_ROWS = 15_000
#: Evaluations of the loss and its gradient that the linear probe's six penalties take in all, typically.
TYPICAL_EVALUATIONS = 500


@dataclass(frozen=True)
class Cost:
    """What one encoder would cost.

    Attributes
    ----------
    model : str
        Which.
    download : bool
        Whether its weights must be fetched first; its speed is then that of its untrained twin.
    windows : int
        Windows to encode.
    minutes : float
        Of encoding, by the speed of a few windows.
    too_short : int
        Clips that it could not take, and that would be used for no model then. No other clip loses a window.
    megabytes : float
        Of features on disk.
    probe_megabytes : float
        Of memory that its widest input takes while a probe is trained on it.
    """

    model: str
    download: bool
    windows: int
    minutes: float
    too_short: int
    megabytes: float
    probe_megabytes: float


@dataclass(frozen=True)
class TaskCheck:
    """What one task of a study would meet.

    Attributes
    ----------
    name : str
        Of the task.
    dataset : Dataset
        The clips that would be used, with ``split`` or ``fold``, and those that would not.
    labels : Labels
        Of the clips.
    leaks : list of str
        What lies on both sides of the splits that the data bring, by files and groups.
    hours : float
        Of audio, each span counted once.
    short : str
        How the copy falls short of the published one.
    trainings : int
        Probes that would be trained.
    probe_minutes : float
        Of their training, by the time of a step of each sort, and of scoring them in all resamples.
    """

    name: str
    dataset: Dataset
    labels: Labels
    leaks: list[str]
    hours: float
    short: str
    trainings: int
    probe_minutes: float


@dataclass(frozen=True)
class Check:
    """What a study would meet.

    Attributes
    ----------
    tasks : list of TaskCheck
        One a task.
    costs : list of Cost
        One an encoder.
    free_megabytes : float
        On the disk of the cache.
    """

    tasks: list[TaskCheck]
    costs: list[Cost]
    free_megabytes: float


def check(plan: Plan, workers: int) -> Check:
    """Read the data and measure, without training or keeping anything.

    Parameters
    ----------
    plan : Plan
        The study.
    workers : int
        Processes that would train probes.
    """
    tasks = load_tasks(plan.model_copy(update={"allow_leaks": True}))
    costs: list[Cost] = []
    features: list[list[Features]] = [[] for _ in tasks]
    splits = [split(task, plan) for task in tasks]
    targets = [target_of(task, clips, parts) for task, (clips, parts) in zip(tasks, splits, strict=True)]
    for name in [*plan.model, *plan.baseline]:
        encoder, download = stand_in(name, plan.layers if name in plan.model else None)
        costs.append(encoding_cost(encoder, tasks, download))
        for task, own, (clips, _), target in zip(tasks, features, splits, targets, strict=True):
            own.append(placeholder(encoder, task, clips, target))
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    return Check(
        tasks=[
            task_check(task, clips, own, target, plan, workers)
            for task, own, (clips, _), target in zip(tasks, features, splits, targets, strict=True)
        ],
        costs=costs,
        free_megabytes=shutil.disk_usage(cache).free / 1e6,
    )


def split(task: Question, plan: Plan) -> tuple[pd.DataFrame, list[Part]]:
    """Return the clips of a task with their split, and the trainings that follow."""
    clips = assign(task.dataset.clips, task.labels(), plan.split_seed, plan.folds)
    parts = parts_of(clips)
    refuse_unlearnable(task.labels(), parts)
    return clips, parts


def task_check(
    task: Question, clips: pd.DataFrame, features: list[Features], target: Target, plan: Plan, workers: int
) -> TaskCheck:
    """Return what a task would meet."""
    labels = task.labels()
    jobs = plan_jobs(features, plan.probe)
    parts = target.parts
    seconds = len(parts) * probing_seconds(jobs, features, target, plan.seeds)
    mlps = sum(job.probe == "mlp" for job in jobs)
    outcomes = plan.seeds * mlps + len(jobs) - mlps
    after = outcomes * resampling_seconds(task, target, clips, plan.split_seed)
    each = len(LEARNING_RATES) + plan.seeds - 1
    return TaskCheck(
        name=task.name,
        dataset=Dataset(task.dataset.name, clips, task.dataset.skipped),
        labels=labels,
        leaks=[str(leak) for leak in find_leaks(task.dataset.clips)],
        hours=float(task.dataset.clips.drop_duplicates("clip_key").clip_seconds.sum()) / 3600,
        short=task.short,
        trainings=each * len(parts) * mlps + (len(jobs) - mlps) * len(parts),
        probe_minutes=(seconds / max(1, min(workers, len(jobs))) + after) / 60,
    )


def stand_in(name: str, layers: str | None) -> tuple[Encoder, bool]:
    """Return an encoder of the right size without fetching anything, and whether it would have to be fetched."""
    download = name in MODELS and not MODELS[name].cached()
    return load_encoder(f"random:{name}" if download else name, layers=layers), download


def encoding_cost(encoder: Encoder, tasks: Sequence[Question], download: bool) -> Cost:
    """Measure a few windows of the commonest length, for each window length that is asked for."""
    rate = encoder.sample_rate
    windows, seconds, size, rows = 0, 0.0, 0.0, 0.0
    for (_, window), members in passes_of(encoder, tasks).items():
        frames = any(tasks[number].over_time for number in members)
        clips = pd.concat([tasks[number].dataset.clips for number in members]).drop_duplicates("clip_key")
        one_pass = Pass(encoder, window, frames)
        lengths = [length for duration in clips.clip_seconds for length in one_pass.cutting.lengths(duration)]
        samples = max(encoder.minimum_samples, round(float(np.median(lengths)) * rate))
        windows += len(lengths)
        at_once = min(batch_size(encoder, samples), len(lengths))
        seconds += seconds_of_encoding(encoder, at_once, samples) / samples * rate * sum(lengths)
        size += sum(one_pass.stored_bytes(duration) for duration in clips.clip_seconds)
        pooled = sum(len(one_pass.cutting.pooled_spans(duration)) for duration in clips.clip_seconds)
        if frames:
            rows = max(rows, float(clips.clip_seconds.sum()) * FRAME_RATE)
        rows = max(rows, pooled)
    blocks = (7 if any(task.over_time for task in tasks) else 6) if encoder.baseline else 1
    return Cost(
        model=encoder.name.removeprefix("random:") if download else encoder.name,
        download=download,
        windows=windows,
        minutes=seconds / 60,
        too_short=sum(
            int((task.dataset.clips.clip_seconds * rate < encoder.minimum_samples - 1).sum()) for task in tasks
        ),
        megabytes=size / 1e6,
        # The states of all layers side by side, and their standardised copy.
        probe_megabytes=2 * 4 * rows * sum(encoder.widths) * blocks / 1e6,
    )


def seconds_of_encoding(encoder: Encoder, windows: int, samples: int) -> float:
    """Return the median time of a window of noise, in batches of so many; reading states takes next to none."""
    if encoder.reads_files:
        return 0.0
    noise = torch.randn((MEASURED + 1, windows, samples), generator=torch.Generator().manual_seed(0)) / 10
    encoder.encode(noise[0])  # the first call pays for what later ones find ready
    times = []
    for one in noise[1:]:
        started = time.perf_counter()
        encoder.encode(one)
        times.append(time.perf_counter() - started)
    return float(np.median(times)) / windows


def target_of(task: Question, clips: pd.DataFrame, parts: list[Part]) -> Target:
    """Return what probes would be given to predict."""
    labels = task.labels()
    if labels.kind.over_time:
        tracks = plan_tracks(labels, [frame_count(seconds) for seconds in clips.clip_seconds], parts)
        return Target(tracks.targets, tracks.parts, tracks)
    return Target(labels, parts)


def placeholder(encoder: Encoder, task: Question, clips: pd.DataFrame, target: Target) -> Features:
    """Return features of the right shape that hold noise."""
    frames = target.tracks is not None
    if frames:
        owner = np.arange(len(target.labels.values))
    else:
        window = task.window or encoder.window
        lengths = [len(Cutting(window).pooled_spans(seconds)) for seconds in clips.clip_seconds]
        owner = np.repeat(np.arange(len(clips)), lengths)
    blocks = (7 if frames else 6) if encoder.baseline else 1
    noise = np.random.default_rng(0)
    return Features(
        model=encoder.name,
        layers=encoder.layers,
        clips=clips,
        window_clip=owner,
        read=lambda layer: noise.standard_normal((len(owner), encoder.widths[layer] * blocks), dtype=np.float32),
        pooling=("context" if frames else "moments") if encoder.baseline else "frame" if frames else "mean",
        fingerprint="",
        widths=encoder.widths,
        baseline=encoder.baseline,
    )


def probing_seconds(jobs: Sequence[Job], features: Sequence[Features], target: Target, seeds: int) -> float:
    """Return the time of all jobs on one part, by what a step of each probe takes on noise.

    A step is an epoch of an mlp, an evaluation of the linear probe's loss, the whole of a closed form. Each is measured
    once a model, on one thread, and taken for all its layers; an input of several layers takes that many times as long.
    What follows a training of a target over time, decoding and scoring, is measured once.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    after = scoring_seconds(target)
    total = 0.0
    for one in features:
        own = [job for job in jobs if job.features is one]
        part = target.parts[0]
        problem = Problem(one.read(0), one.window_clip, target.labels, part.train, part.valid, part.test)
        each = {"mlp": 0.0, "linear": 0.0, "closed": 0.0}
        if any(job.probe == "mlp" for job in own):
            each["mlp"] = epoch_seconds(problem) * TYPICAL_EPOCHS * (len(LEARNING_RATES) + seeds - 1)
        if any(job.probe == "linear" for job in own):
            each["linear"] = evaluation_seconds(problem) * TYPICAL_EVALUATIONS
        if any(job.probe == "closed" for job in own):
            each["closed"] = closed_seconds(problem)
        trained = [*own, *controls_of(own)]
        total += sum(each[job.probe] * relative_cost(job) for job in trained)
        total += sum(after * (seeds if job.probe == "mlp" else 1) for job in trained)
    torch.set_num_threads(before)
    return total


def controls_of(jobs: Sequence[Job]) -> list[Job]:
    """Return jobs like those that are trained again with shuffled labels, several times: one input for each probe.

    The mlp's permutations are as many as its seeds, which the time of one job has in it.
    """
    single = {job.probe: job for job in jobs if job.chosen.layer is not None}
    return [job for job in single.values() for _ in range(PERMUTATIONS.get(job.probe, 1))]


def relative_cost(job: Job) -> float:
    """Return how much longer a job takes than one on a whole layer: by the width, in a closed form by its square."""
    width = 1.0 if job.chosen.layer is not None else float(len(job.features.layers))
    if job.chosen.name in BLOCKS:
        parts = BLOCKS[NARROW_AND_WIDE[job.features.pooling][0]]
        width = 1.0 if job.chosen.name == NARROW_AND_WIDE[job.features.pooling][1] else 1 / parts
    return width**2 if job.probe == "closed" else width


def resampling_seconds(task: Question, target: Target, clips: pd.DataFrame, seed: int) -> float:
    """Return the time of scoring what one training leaves in all resamples of the test clips, by every metric."""
    parts = [clip_part(target, number) for number in range(len(target.parts))]
    test = evaluations(task.labels(), parts, group_codes(clips), seed)["test"]
    shape = (len(test.labels.metrics()), 2) if target.tracks else (len(target.labels.names),)
    noise = np.random.default_rng(0).random((len(clips), *shape)).astype(np.float32)
    started = time.perf_counter()
    for metric in test.labels.metrics():
        test.score(metric, noise, test.weights)
    return time.perf_counter() - started


def closed_seconds(problem: Problem) -> float:
    """Return the time of the closed-form probe, measured on a part of the rows where there are many."""
    every = max(1, len(problem.window_clip) // MEASURED_ROWS)
    if every > 1:
        rows = np.arange(0, len(problem.window_clip), every)
        train, valid, test = (rows_in(rows, part) for part in (problem.train, problem.valid, problem.test))
        problem = Problem(problem.states[rows], np.arange(len(rows)), problem.labels.take(rows), train, valid, test)
    started = time.perf_counter()
    fit_closed_form(problem, [0])
    return every * (time.perf_counter() - started)


def evaluation_seconds(problem: Problem) -> float:
    """Return the time of one evaluation of the linear probe's loss and gradient, the median of three."""
    targets, _ = target_tensor(problem)
    train = problem.windows_of(problem.train)
    width = min(problem.states.shape[1], len(train))  # with fewer windows than columns it works in their span
    inputs = torch.from_numpy(problem.states[train, :width])
    inputs = inputs.double() if len(train) <= MANY else inputs
    outputs = len(problem.labels.names)
    objective = objective_of(
        inputs, targets[problem.window_clip[train]], problem.labels.kind.form, outputs, PENALTIES[0]
    )
    start, times = np.zeros((width + 1) * outputs), []
    for _ in range(MEASURED):
        started = time.perf_counter()
        objective(start)
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def rows_in(rows: NDArray[np.int64], part: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of those of some rows that belong to a part."""
    return np.flatnonzero(np.isin(rows, part))


def scoring_seconds(target: Target) -> float:
    """Return the time of decoding and scoring what one training says of tracks."""
    if target.tracks is None:
        return 0.0
    noise = np.random.default_rng(0).random((len(target.labels.values), len(target.labels.names))).astype(np.float32)
    started = time.perf_counter()
    for name in ("valid", "test"):
        left_of(target, 0, noise, name)
    return time.perf_counter() - started


def epoch_seconds(problem: Problem) -> float:
    """Return the time of one epoch of an mlp and of its validation."""
    states, (targets, restore) = torch.from_numpy(problem.states), target_tensor(problem)
    probe = MLP(states.shape[1], len(problem.labels.names))
    optimizer = torch.optim.AdamW(probe.parameters(), fused=True)
    windows = torch.from_numpy(problem.windows_of(problem.train))
    started = time.perf_counter()
    run_epoch(probe, optimizer, problem.labels.kind.form, states, targets[problem.window_clip], windows)
    validate(probe, problem, states, targets, problem.windows_of(problem.valid), restore)
    return time.perf_counter() - started
