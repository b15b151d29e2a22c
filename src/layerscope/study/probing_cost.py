"""What trainings would take, by a few of them on noise of the shape that features would have."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct

from layerscope.data.label_draws import label_sizes, nested_draws
from layerscope.data.splits import Part
from layerscope.encoders.device import find_device
from layerscope.features.clip_features import Features
from layerscope.probes import SEEDED_PROBES, assemble, inputs_of
from layerscope.probes.few_label_probe import fit_few_labels
from layerscope.probes.fitting import (
    Job,
    Target,
    is_cross_validated,
    left_of,
    problem_of,
    single_thread,
    stacks,
    train_part,
)  # fmt: skip
from layerscope.probes.inputs import SEARCH
from layerscope.probes.layer_sets import MOST_LAYERS, LayerBlocks, sets_tried
from layerscope.probes.mlp import LEARNING_RATES
from layerscope.probes.stacked import fit_stacked, problems_at_once
from layerscope.scores.code_length import has_code
from layerscope.scores.evaluation import Evaluation, Outcome, score_outcome
from layerscope.scores.score_table import SINGLE_INPUTS
from layerscope.study.controls import permutations_of
from layerscope.study.encoding_cost import seconds_of
from layerscope.study.few_labels import DRAWS, few_label_jobs, left_out
from layerscope.study.further_inputs import searched_parts, studied_models
from layerscope.study.job_scores import Study
from layerscope.study.probed_shapes import Shapes, columns
from layerscope.tasks.task import Schedule

__all__ = ["few_label_seconds", "looped_seconds", "probing_seconds", "scoring_seconds", "trainings"]

#: Numbers (rows by columns) that a probe is timed on; the time of more rows is taken to grow with their number. Beyond
#: 10,000 rows probes work in larger batches and single precision: as many are timed where there are more.
FEW_NUMBERS, MANY_ROWS = 2**17, 10_001
#: Of neighbours more: their time grows with the square of the rows, and what every training pays would grow with it.
KNN_NUMBERS = 2**21
#: Epochs that an mlp takes until it stops: 20 after its best one, which tends to come early.
TYPICAL_EPOCHS = 40
#: Epochs that are timed, beside one.
FEW_EPOCHS = 4
#: On a GPU more numbers are timed, since few would be a step or two. Trainings drop out of a stack one by one: 100
#: epochs at most took what 60 take in which none does.
STACKED_NUMBERS, STACKED_EPOCHS = 2**23, 60
#: Clips up to which learning from few labels is timed as it is.
FEW_DRAWN = 500
#: Tracks that are decoded and scored to measure how long one takes.
FEW_TRACKS = 4


def trainings(probe: str, seeds: int) -> int:
    """Return how many times a probe is trained on an input: the first seed chooses the learning rate."""
    return len(LEARNING_RATES) + seeds - 1 if probe in SEEDED_PROBES else 1


def probing_seconds(shapes: Shapes, workers: int) -> float:
    """Return the time of all trainings of a task, by so many processes and on the device that trains."""
    asked, target = shapes.study.asked, shapes.study.target
    parts, device = len(target.parts), training_device(shapes.study)
    looped = sum(not stacks(job, device) for jobs in shapes.jobs for job in jobs)
    # An input is trained by one process, so that more of them than inputs would be idle.
    seconds = parts * looped_seconds(shapes) / max(1, min(workers, looped))
    seconds += parts * stacked_seconds(shapes, device)
    if SEARCH in asked.layers_as:
        for model in studied_models(shapes.features):
            # Searches of folds run side by side.
            searches = searched_parts(len(model.window_clip), target)
            rounds = -(-len(searches) // max(1, workers))
            seconds += rounds * len(searches[0]) * search_seconds(model, target)
    return seconds


def looped_seconds(shapes: Shapes) -> float:
    """Return the time of all trainings on one part, those with shuffled labels of one input a probe and model included.

    Those that a GPU does together are told by `stacked_seconds`. Single layers are timed, once for all of a width, and
    inputs of several take as much longer than the widest as they are wider; a closed form, which works on the square of
    columns that are fewer than the rows, by the square of that then. What follows a training, decoding and scoring of
    tracks, is timed once.
    """
    asked, target = shapes.study.asked, shapes.study.target
    total, after, device = 0.0, decoding_seconds(target), training_device(shapes.study)
    timed: dict[tuple[str, int, int], float] = {}

    def single_seconds(job: Job) -> float:
        key = (job.probe, columns(job), len(job.features.window_clip))
        if key not in timed:
            timed[key] = training_seconds(job, target, asked.seeds)
        return timed[key]

    for of_shape, probe in itertools.product(shapes.jobs, asked.probe):
        jobs = [job for job in of_shape if job.probe == probe and not stacks(job, device)]
        if not jobs:  # attention has nothing to do over time, nor of a model's further poolings
            continue
        widest = max((job for job in jobs if job.chosen.name in SINGLE_INPUTS), key=columns)
        power = 2 if probe == "closed" and columns(widest) < windows_trained(widest, target) else 1
        # An mlp has one permutation a seed: together they cost what one more input does.
        trained = [*jobs, *[widest] * permutations_of(probe, len(target.parts), seeds=1)]
        for job in trained:
            if job.chosen.name in SINGLE_INPUTS:
                seconds = single_seconds(job)
            else:
                seconds = single_seconds(widest) * (columns(job) / columns(widest)) ** power
            total += seconds * (1 + len(target.choosing) * is_cross_validated(job, target))
        total += after * len(trained) * (asked.seeds if probe in SEEDED_PROBES else 1)
    return total


def training_device(study: Study) -> torch.device | None:
    """Return the device that would train the mlp, as `run_jobs` is given it; none where a cluster trains."""
    return None if study.work.cluster else find_device(study.asked.device)


def stacked_seconds(shapes: Shapes, device: torch.device | None) -> float:
    """Return the time of the trainings on one part that a GPU does together, those with shuffled labels included."""
    asked, target = shapes.study.asked, shapes.study.target
    alike: dict[tuple[int, ...], list[Job]] = {}
    shuffled: list[Job] = []
    for of_shape in shapes.jobs:
        jobs = [job for job in of_shape if stacks(job, device)]
        for job in jobs:
            key = (len(job.features.window_clip), *assemble(job.features, job.chosen).shape)
            alike.setdefault(key, []).append(job)
        # One input a model, and one permutation a seed, of which each is a stack of its own.
        shuffled += jobs[:1] * permutations_of("mlp", len(target.parts), asked.seeds)
    if device is None or not alike:
        return 0.0
    total = sum(stack_seconds(jobs, target, asked.seeds, device) for jobs in alike.values())
    total += len(shuffled) * stack_seconds(shuffled[:1], target, 1, device)
    return total + decoding_seconds(target) * asked.seeds * (
        sum(map(len, alike.values())) + len(shuffled) / asked.seeds
    )


def stack_seconds(jobs: Sequence[Job], target: Target, seeds: int, device: torch.device) -> float:
    """Return the time of the trainings of jobs of one shape on one part, together on a device.

    They are done there on noise, for few epochs.
    """
    job, few, times = few_rows(jobs[0], target, STACKED_NUMBERS)
    shape = (len(job.features.window_clip), *assemble(job.features, job.chosen).shape[1:])
    at_once = min(
        len(jobs), problems_at_once(shape, len(target.labels.names), windows_trained(job, few), seeds, device)
    )
    states = noise(*shape)

    def seconds(epochs: int) -> float:
        problem = problem_of(job, states, replace(few, schedule=Schedule(epochs=epochs)), 0)
        return seconds_of(lambda: fit_stacked([problem] * at_once, list(range(seeds)), device))

    return times * seconds_of_epochs(seconds, STACKED_EPOCHS) * len(jobs) / at_once


def seconds_of_epochs(seconds: Callable[[int], float], epochs: int) -> float:
    """Return the time of so many epochs, by that of few: what surrounds them is paid once."""
    seconds(1)  # pays for what later ones find ready
    once, several = seconds(1), seconds(FEW_EPOCHS)
    return once + (epochs - 1) * max(0.0, several - once) / (FEW_EPOCHS - 1)


def search_seconds(features: Features, target: Target) -> float:
    """Return the time of a search in one training, by that of sets of the first layers on noise of a few rows."""
    most = min(MOST_LAYERS, len(features.layers))
    job = Job(features, inputs_of(features)[0], "closed")
    job, few, times = few_rows(job, target, MANY_ROWS * columns(job))
    rows = len(job.features.window_clip)
    first = replace(
        job.features, layers=features.layers[:most], read=lambda position: noise(rows, features.widths[position])
    )
    blocks: list[LayerBlocks] = []
    with single_thread():
        reading = seconds_of(lambda: blocks.append(LayerBlocks.of(first, few.labels, few.parts[0])))
        solving = [seconds_of(partial(blocks[0].score, range(size + 1))) for size in range(most)]
    tried = sets_tried(len(features.layers))
    read = times * reading * len(features.layers) / most
    return read + sum(count * seconds for count, seconds in zip(tried, solving, strict=True))


def few_label_seconds(shapes: Shapes) -> float:
    """Return the time of learning from few labels: one draw of noise as wide as each input, once for all of a width.

    Sizes beyond `FEW_DRAWN` clips are taken to cost as much more as they have clips.
    """
    asked, target, groups = shapes.study.asked, shapes.study.target, shapes.study.groups
    if asked.few_labels is None or left_out(shapes.study):
        return 0.0
    sizes = label_sizes(target.labels, groups, target.parts)
    drawn = nested_draws(target.labels, groups, target.parts[0].train, sizes, asked.split_seed)
    timed: dict[int, list[float]] = {}
    total = 0.0
    for job in few_label_jobs(shapes.features, asked.few_labels):
        width = columns(job)
        if width not in timed:
            states = correlated_noise(len(target.labels.values), width)
            few = [rows for rows in drawn if len(rows) <= FEW_DRAWN] or drawn[:1]
            fit = partial(fit_few_labels, states, target.labels, groups=groups, probe=asked.few_labels)
            with single_thread():
                seconds = [seconds_of(partial(fit, drawn=rows)) for rows in few]
            beyond = [len(rows) / len(few[-1]) * seconds[-1] for rows in drawn[len(few) :]]
            timed[width] = [*seconds, *beyond]
        *draws, whole = timed[width]
        # Labels that have changed places are learnt as often as the true ones, where they have a code; all labels once.
        total += sum(draws) * DRAWS * (1 + has_code(target.labels.kind.form)) + whole
    return total * len(target.parts)


def training_seconds(job: Job, target: Target, seeds: int) -> float:
    """Return the time of a job's trainings on one part, by one on noise of a few rows."""
    knn = job.probe == "knn"
    job, target, times = few_rows(job, target, KNN_NUMBERS if knn else FEW_NUMBERS)
    # Every row is held against all that train.
    times = times**2 if knn else times
    states = correlated_noise(len(job.features.window_clip), columns(job))

    def seconds(epochs: int) -> float:
        few = replace(target, schedule=Schedule(epochs=epochs))
        return times * seconds_of(lambda: train_part(job, states, few, 0, [0]))

    with single_thread():
        if job.probe not in SEEDED_PROBES:
            return seconds(1)
        return seconds_of_epochs(seconds, TYPICAL_EPOCHS) * trainings(job.probe, seeds) / len(LEARNING_RATES)


def windows_trained(job: Job, target: Target) -> int:
    """Return how many windows train in the first part of a target."""
    return int(np.isin(job.features.window_clip, target.parts[0].train).sum())


def few_rows(job: Job, target: Target, numbers: int = FEW_NUMBERS) -> tuple[Job, Target, int]:
    """Return a job and its target on rows that are taken evenly from each split, and every how many."""
    part, owner = target.parts[0], job.features.window_clip
    train = windows_trained(job, target)
    every = max(1, train // (max(1, numbers // columns(job)) if train < MANY_ROWS else MANY_ROWS))
    taken = [rows[::every] for rows in (part.train, part.valid, part.test)]
    kept = np.sort(np.concatenate(taken))
    window_clip = np.searchsorted(kept, owner[np.isin(owner, kept)])
    few = Part(*(np.searchsorted(kept, rows) for rows in taken))
    few_target = Target(target.labels.take(kept), [few])
    return replace(job, features=replace(job.features, window_clip=window_clip)), few_target, every


def noise(*shape: int) -> NDArray[np.float32]:
    """Return random numbers."""
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def correlated_noise(rows: int, columns: int) -> NDArray[np.float32]:
    """Return random numbers whose columns depend on one another as those of features do.

    Of independent columns the linear probe is solved in a fifth of the time that layers and plain features take.
    """
    # Fitted: with this fall of principal components it takes what it did for layers of toy-muq and plain features.
    falling = noise(rows, columns) * np.arange(1, columns + 1, dtype=np.float32) ** -0.8
    # A rotation, which spreads each component over all columns.
    return np.asarray(dct(falling, norm="ortho"))


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
