"""Look before running: the data, their leaks, and what a study would cost, measured on a few windows and rows."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.atomic_files import cache_directory
from layerscope.data.dataset import Dataset
from layerscope.data.leaks import disputed_sounds, find_leaks, group_codes
from layerscope.data.splits import Part, assign, choosing_parts, never_trained, parts_of, refuse_unlearnable
from layerscope.encoders import MODELS, Encoder
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.precision_effect import precision_effect
from layerscope.features.clip_features import Features
from layerscope.features.encoder_pass import Pass
from layerscope.features.windows import FRAME_RATE, Cutting, frame_count
from layerscope.probes import assemble
from layerscope.probes.fitting import (
    Job,
    Target,
    clip_part,
    is_cross_validated,
    left_of,
    plan_jobs,
    single_thread,
    train_part,
)  # fmt: skip
from layerscope.probes.frame_targets import plan_tracks
from layerscope.probes.inputs import BLOCKS
from layerscope.probes.mlp import LEARNING_RATES
from layerscope.scores.evaluation import Evaluation, Outcome, evaluations, score_outcome
from layerscope.study.clip_trial import Trial, first_windows, short_clips, try_clips
from layerscope.study.controls import permutations_of
from layerscope.study.options import Plan
from layerscope.study.study_tasks import StudyTask, load_tasks, passes_of
from layerscope.study.task_facts import label_counts, precision_of
from layerscope.targets.kind import Labels
from layerscope.tasks.task import Schedule

__all__ = ["Check", "Cost", "TaskCheck", "check"]

#: Windows that are encoded to measure a speed.
#: Of three the median stands, although another program may have disturbed one.
MEASURED = 3
#: Numbers (rows by columns) that a probe is timed on; the time of more rows is taken to grow with their number. Beyond
#: 10,000 rows probes work in larger batches and single precision: as many are timed where there are more.
FEW_NUMBERS, MANY_ROWS = 2**17, 10_001
#: Epochs that an mlp takes until it stops: 20 after its best one, which tends to come early. One is timed.
TYPICAL_EPOCHS = 40
#: Tracks that are decoded and scored to measure how long one takes.
FEW_TRACKS = 4


@dataclass(frozen=True)
class Cost:
    """What one encoder would cost.

    Attributes
    ----------
    model : str
        Which.
    passes : int
        Over the clips: one, or one a draw of an untrained twin. Windows are of one, minutes and megabytes of all.
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
    layers : tuple of int
        Its layers.
    precision : str
        In which it computes.
    differences : list of float
        By how much the states of each layer differ from those in float32, relative to them, on a few windows; empty in
        float32.
    """

    model: str
    passes: int
    download: bool
    windows: int
    minutes: float
    too_short: int
    megabytes: float
    probe_megabytes: float
    layers: tuple[int, ...]
    precision: str
    differences: list[float]


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
    evidence : str
        What their cells are, how many of them, and which are not.
    counts : dict of str to int
        Clips of each class or tag.
    precision : str
        How precise scores of its tested clips can be, and how to test more, in words.
    copies : int
        Clips with the same bytes and span as one before them: they never part, but are no evidence of their own.
    leaks : list of str
        What lies on both sides of the splits that the data bring, by files and groups.
    alike : list of str
        Which clips share a recording, where that was asked for.
    disputed : list of str
        Sounds with different labels under different names, as far as files of the same bytes show it.
    never_trained : dict of str to int
        Classes that no clip trains, with their tested clips.
    published : bool
        Whether these splits are the literature's, which stand whatever they share.
    hours : float
        Of audio, each span counted once.
    short : str
        How the copy falls short of the published one.
    trainings : int
        Probes that would be trained.
    probe_minutes : float
        Of their training, by the time of trainings on a few rows, and of scoring them in all resamples.
    decoded, failed : int
        Of a few clips that were decoded on trial: those that could be, and those that could not.
    """

    name: str
    dataset: Dataset
    labels: Labels
    evidence: str
    counts: dict[str, int]
    precision: str
    copies: int
    leaks: list[str]
    alike: list[str]
    disputed: list[str]
    never_trained: dict[str, int]
    published: bool
    hours: float
    short: str
    trainings: int
    probe_minutes: float
    decoded: int
    failed: int


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
    """Read the data and measure, without keeping anything.

    Parameters
    ----------
    plan : Plan
        The study.
    workers : int
        Processes that would train probes.
    """
    # Leaks are to be shown with all else, not raised one by one.
    tasks = load_tasks(plan.model_copy(update={"allow_leaks": True}))
    costs: list[Cost] = []
    outlines: list[Outline] = []
    short: list[dict[str, str]] = [{} for _ in tasks]
    for name in [*plan.model, *plan.baseline]:
        encoder, download = stand_in(name, plan)
        draws = plan.draws(name)
        too_short = [short_clips(encoder, task) for task in tasks]
        costs.append(encoding_cost(encoder, tasks, download, sum(map(len, too_short)), draws))
        outlines += [outline_of(encoder)] * draws
        # The first encoder's reason stands, as in a run.
        short = [{**reasons, **before} for before, reasons in zip(short, too_short, strict=True)]
    trials = [try_clips(task, reasons, outlines[0].sample_rate) for task, reasons in zip(tasks, short, strict=True)]
    divided = [target_of(trial.task, plan) for trial in trials]
    features = [
        [shape_of(outline, trial.task, clips, target) for outline in outlines]
        for trial, (clips, target) in zip(trials, divided, strict=True)
    ]
    probing_seconds(features[0][:1], divided[0][1], plan)  # the first trainings pay for what later ones find ready
    checks = [
        task_check(trial, clips, target, shapes, plan, workers)
        for trial, (clips, target), shapes in zip(trials, divided, features, strict=True)
    ]
    cache = cache_directory()
    # The system tells free space of directories that exist alone.
    cache.mkdir(parents=True, exist_ok=True)
    return Check(checks, costs, shutil.disk_usage(cache).free / 1e6)


def target_of(task: StudyTask, plan: Plan) -> tuple[pd.DataFrame, Target]:
    """Return the clips of a task with their split, and what probes would be given to predict."""
    labels = task.labels()
    clips = assign(task.dataset.clips, labels, plan.split_seed, plan.folds)
    parts = parts_of(clips)
    refuse_unlearnable(labels, parts)
    if not labels.kind.over_time:
        return clips, Target(labels, parts, choosing=choosing_parts(clips, labels, parts, plan.split_seed))
    tracks = plan_tracks(labels, [frame_count(seconds) for seconds in clips.clip_seconds], parts)
    return clips, Target(tracks.targets, tracks.parts, tracks)


def task_check(
    trial: Trial, clips: pd.DataFrame, target: Target, features: list[Features], plan: Plan, workers: int
) -> TaskCheck:
    """Return what a task would meet."""
    task = trial.task
    jobs, parts = plan_jobs(features, plan.probe), len(target.parts)
    # The other probes have no randomness, and are trained once.
    seeds = [plan.seeds if job.probe == "mlp" else 1 for job in jobs]
    clip_parts = [clip_part(target, number) for number in range(parts)]
    splits = evaluations(task.labels(), clip_parts, group_codes(clips), plan.split_seed)
    scoring = sum(seeds) * scoring_seconds(target, splits, len(clips))
    # Splits that the data bring stand.
    more = "" if {"split", "fold"} & set(task.dataset.clips) or parts > 1 else f"; --folds 5 tests all {len(clips)}"
    # An input is trained by one process, so that more of them than inputs would be idle.
    training = parts * probing_seconds(features, target, plan) / max(1, min(workers, len(jobs)))
    return TaskCheck(
        name=task.name,
        dataset=replace(task.dataset, clips=clips),
        evidence=task.evidence,
        counts=label_counts(task.labels()),
        precision=precision_of(splits["test"]) + more,
        copies=int(task.dataset.clips.clip_key.duplicated().sum()),
        labels=task.labels(),
        leaks=[str(leak) for leak in find_leaks(task.dataset.clips)],
        alike=list(task.alike),
        disputed=disputed_sounds(task.dataset.clips, task.labels().values),
        never_trained=never_trained(task.labels(), clip_parts),
        published=task.published,
        hours=float(task.dataset.clips.drop_duplicates("clip_key").clip_seconds.sum()) / 3600,
        short=task.short,
        trainings=parts * sum(trainings(job.probe, plan.seeds) for job in jobs),
        probe_minutes=(training + scoring) / 60,
        decoded=trial.decoded,
        failed=trial.failed,
    )


def stand_in(name: str, plan: Plan) -> tuple[Encoder, bool]:
    """Return an encoder of the right size without fetching anything, and whether it would have to be fetched."""
    download = name in MODELS and not MODELS[name].cached()
    layers = plan.layers if name in plan.model else None
    return plan.load(f"random:{name}" if download else name, layers=layers), download


def encoding_cost(encoder: Encoder, tasks: Sequence[StudyTask], download: bool, too_short: int, passes: int) -> Cost:
    """Measure a few windows of the commonest length, for each window length that is asked for."""
    rate = encoder.sample_rate
    windows, seconds, size, rows = 0, 0.0, 0.0, 0.0
    differences: list[float] = []
    for (_, window), members in passes_of(encoder, tasks).items():
        frames = any(tasks[number].over_time for number in members)
        clips = pd.concat([tasks[number].dataset.clips for number in members]).drop_duplicates("clip_key")
        one_pass = Pass(encoder, window, frames)
        lengths = [length for duration in clips.clip_seconds for length in one_pass.cutting.lengths(duration)]
        samples = max(encoder.minimum_samples, round(float(np.median(lengths)) * rate))
        windows += len(lengths)
        at_once = min(one_pass.batch_size.windows(samples), len(lengths))
        # Time is taken to grow with the seconds of sound, which longer windows somewhat exceed.
        seconds += seconds_of_encoding(one_pass, at_once, samples) / samples * rate * sum(lengths)
        if encoder.precision != "float32" and isinstance(encoder, LayeredEncoder) and not differences:
            sounds = first_windows(encoder, clips, window)
            differences = precision_effect(encoder, sounds) if sounds else []
        size += one_pass.stored_bytes(clips)
        pooled = sum(len(one_pass.cutting.pooled_spans(duration)) for duration in clips.clip_seconds)
        rows = max(rows, pooled, float(clips.clip_seconds.sum()) * FRAME_RATE if frames else 0.0)
    columns = widths_of(encoder, frames=any(task.over_time for task in tasks))
    return Cost(
        model=encoder.name.removeprefix("random:") if download else encoder.name,
        passes=passes,
        download=download,
        windows=windows,
        minutes=passes * seconds / 60,
        too_short=too_short,
        megabytes=passes * size / 1e6,
        # The states of all layers side by side, and their standardised copy.
        probe_megabytes=2 * 4 * rows * sum(columns) / 1e6,
        layers=encoder.layers,
        precision=encoder.precision,
        differences=differences,
    )


@dataclass(frozen=True)
class Outline:
    """What of an encoder decides the shape of its features; the network need not be kept for it."""

    name: str
    layers: tuple[int, ...]
    widths: tuple[int, ...]
    baseline: bool
    window: float
    sample_rate: int


def outline_of(encoder: Encoder) -> Outline:
    """Return the outline of an encoder."""
    return Outline(**{field.name: getattr(encoder, field.name) for field in fields(Outline)})


def widths_of(encoder: Encoder | Outline, frames: bool) -> list[int]:
    """Return the width of each layer's states as a probe is given them."""
    blocks = BLOCKS["frame" if frames else "mean"] if encoder.baseline else 1
    return [blocks * width for width in encoder.widths]


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def seconds_of_encoding(one_pass: Pass, windows: int, samples: int) -> float:
    """Return the median time of a window of noise, in batches of so many; reading states takes next to none."""
    if one_pass.encoder.reads_files:
        return 0.0
    sounds = noise(MEASURED + 1, windows, samples) / 10
    named = [{f"noise {number}": window for number, window in enumerate(batch)} for batch in sounds]
    # To the states on the CPU, and so with all that a device has to do.
    times = [seconds_of(lambda: one_pass.states_of(clips)) for clips in named]  # noqa: B023 - called at once
    return float(np.median(times[1:])) / windows  # the first call pays for what later ones find ready


def shape_of(encoder: Outline, task: StudyTask, clips: pd.DataFrame, target: Target) -> Features:
    """Return features of the right shape, whose layers read as one row of zeros: jobs follow from the shape alone."""
    frames = target.tracks is not None
    widths = widths_of(encoder, frames)
    owner = np.arange(len(target.labels.values))
    if not frames:
        window = task.window or encoder.window
        owner = np.repeat(owner, [len(Cutting(window).pooled_spans(seconds)) for seconds in clips.clip_seconds])
    return Features(
        model=encoder.name,
        layers=encoder.layers,
        clips=clips,
        window_clip=owner,
        read=lambda position: np.zeros((1, widths[position]), np.float32),
        pooling=("context" if frames else "moments") if encoder.baseline else "frame" if frames else "mean",
        fingerprint="",
        widths=encoder.widths,
        baseline=encoder.baseline,
    )


def trainings(probe: str, seeds: int) -> int:
    """Return how many times a probe is trained on an input: the first seed chooses the learning rate."""
    return len(LEARNING_RATES) + seeds - 1 if probe == "mlp" else 1


def probing_seconds(features: list[Features], target: Target, plan: Plan) -> float:
    """Return the time of all trainings on one part, those with shuffled labels of one input a probe and model included.

    The widest single layer is timed, once for all models of its width, and other inputs take as much longer as they
    are wider; a closed form, which works on the square of the columns, by the square of that. What follows a training,
    decoding and scoring of tracks, is timed once.
    """
    total, after = 0.0, decoding_seconds(target)
    timed: dict[tuple[str, int, int], float] = {}
    for shape, probe in itertools.product(features, plan.probe):
        jobs = plan_jobs([shape], [probe])
        single = max((job for job in jobs if job.chosen.layer is not None), key=columns)
        key = (probe, columns(single), len(shape.window_clip))
        if key not in timed:
            timed[key] = training_seconds(single, target, plan.seeds)
        # An mlp has one permutation a seed: together they cost what one more input does.
        trained = [*jobs, *[single] * permutations_of(probe, len(target.parts), seeds=1)]
        ratios = np.array([columns(job) for job in trained]) / columns(single)
        times = np.array([1 + len(target.choosing) * is_cross_validated(job, target) for job in trained])
        total += timed[key] * float((times * ratios ** (2 if probe == "closed" else 1)).sum())
        total += after * len(ratios) * (plan.seeds if probe == "mlp" else 1)
    return total


def columns(job: Job) -> int:
    """Return how many numbers a job is given of a row."""
    return assemble(job.features, job.chosen).size


def training_seconds(job: Job, target: Target, seeds: int) -> float:
    """Return the time of a job's trainings on one part, by one on noise of a few rows."""
    job, target, times = few_rows(job, target)
    states = noise(len(job.features.window_clip), columns(job))
    with single_thread():
        seconds = times * seconds_of(lambda: train_part(job, states, target, 0, [0]))
    return seconds * TYPICAL_EPOCHS * trainings("mlp", seeds) / len(LEARNING_RATES) if job.probe == "mlp" else seconds


def few_rows(job: Job, target: Target) -> tuple[Job, Target, int]:
    """Return a job and its target on rows that are taken evenly from each split, for one epoch, and every how many."""
    part, owner = target.parts[0], job.features.window_clip
    train = int(np.isin(owner, part.train).sum())
    every = max(1, train // (FEW_NUMBERS // columns(job) if train < MANY_ROWS else MANY_ROWS))
    taken = [rows[::every] for rows in (part.train, part.valid, part.test)]
    kept = np.sort(np.concatenate(taken))
    window_clip = np.searchsorted(kept, owner[np.isin(owner, kept)])
    few = Part(*(np.searchsorted(kept, rows) for rows in taken))
    few_target = Target(target.labels.take(kept), [few], schedule=Schedule(epochs=1))
    return replace(job, features=replace(job.features, window_clip=window_clip)), few_target, every


def noise(*shape: int) -> NDArray[np.float32]:
    """Return random numbers."""
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def decoding_seconds(target: Target) -> float:
    """Return the time of decoding and scoring the tracks of what one training says of frames."""
    if target.tracks is None:
        return 0.0
    whole = target.tracks.clip_parts[0]
    few = replace(target.tracks, clip_parts=[replace(whole, test=whole.test[:FEW_TRACKS])])
    scores = noise(len(target.labels.values), len(target.labels.names))
    # The first call pays for what later ones find ready.
    seconds = min(seconds_of(lambda: left_of(replace(target, tracks=few), 0, scores, "test")) for _ in range(2))
    return seconds * (len(whole.valid) + len(whole.test)) / len(few.clip_parts[0].test)


def scoring_seconds(target: Target, splits: dict[str, Evaluation], clips: int) -> float:
    """Return the time of scoring what one training leaves, in all resamples of the test clips, by every metric."""
    shape = (len(splits["test"].labels.metrics()), 2) if target.tracks else (len(target.labels.names),)
    left = np.abs(noise(1, clips, *shape))
    return seconds_of(lambda: score_outcome({}, Outcome(left, left, [], []), splits, [0]))
