"""Look before running: the data, their leaks, and what a study would cost, measured on a few windows and rows."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from layerscope.atomic_files import cache_directory
from layerscope.data.dataset import Dataset
from layerscope.data.deformations import read_deformations
from layerscope.data.label_draws import label_sizes, nested_draws
from layerscope.data.leaks import disputed_sounds, find_leaks, group_codes
from layerscope.data.splits import Part, assign, choosing_parts, never_trained, parts_of, refuse_unlearnable
from layerscope.encoders.device import find_device
from layerscope.features.attended_frames import attended_of_clip
from layerscope.features.clip_features import Features
from layerscope.features.pooling import SPREAD
from layerscope.features.row_blocks import BLOCK, share_of_memory
from layerscope.features.stored_features import pooled_parts
from layerscope.features.windows import Cutting, frame_count
from layerscope.probes import SEEDED_PROBES, Input, assemble, inputs_of
from layerscope.probes.few_label_probe import fit_few_labels
from layerscope.probes.fitting import (
    Job,
    Target,
    clip_part,
    is_cross_validated,
    left_of,
    plan_jobs,
    problem_of,
    single_thread,
    stacks,
    train_part,
)  # fmt: skip
from layerscope.probes.frame_targets import plan_tracks
from layerscope.probes.inputs import SEARCH, refuse_sets
from layerscope.probes.layer_sets import DIRECTIONS, MOST_LAYERS, sets_tried
from layerscope.probes.mlp import LEARNING_RATES
from layerscope.probes.plain_beside import beside_layers
from layerscope.probes.stacked import fit_stacked, problems_at_once
from layerscope.scores.code_length import has_code
from layerscope.scores.evaluation import Evaluation, Outcome, evaluations, score_outcome
from layerscope.scores.score_table import SINGLE_INPUTS
from layerscope.similarity.time_reach import REACH_SECONDS, encoded_seconds
from layerscope.study.clip_trial import Trial, short_clips, try_clips
from layerscope.study.compare import CHANGED_CLIPS
from layerscope.study.controls import permutations_of
from layerscope.study.encoding_cost import (
    Cost,
    Outline,
    encoding_cost,
    outline_of,
    process_bytes,
    seconds_of,
    stand_in,
    widths_of,
)
from layerscope.study.few_labels import DRAWS, few_label_jobs, left_out
from layerscope.study.further_inputs import studied_models
from layerscope.study.options import LATER, Plan
from layerscope.study.ray_cluster import Cluster
from layerscope.study.ray_connection import connected
from layerscope.study.robustness import tested_hours
from layerscope.study.study_tasks import StudyTask, load_tasks
from layerscope.study.task_facts import label_counts, precision_of
from layerscope.targets.kind import Labels
from layerscope.tasks.task import Schedule

__all__ = ["Check", "Cost", "TaskCheck", "check"]

#: Numbers (rows by columns) that a probe is timed on; the time of more rows is taken to grow with their number. Beyond
#: 10,000 rows probes work in larger batches and single precision: as many are timed where there are more.
FEW_NUMBERS, MANY_ROWS = 2**17, 10_001
#: Epochs that an mlp takes until it stops: 20 after its best one, which tends to come early. One is timed.
TYPICAL_EPOCHS = 40
#: On a GPU more numbers are timed, since few would be a step or two. Trainings drop out of a stack one by one: 100
#: epochs at most took what 60 take in which none does.
STACKED_NUMBERS, STACKED_EPOCHS = 2**23, 60
#: Clips up to which learning from few labels is timed as it is.
FEW_DRAWN = 500
#: Seconds of noise, at the rate of most music, that are deformed to measure how long that takes.
DEFORMED_SECONDS, DEFORMED_RATE = 5.0, 44_100
#: Tracks that are decoded and scored to measure how long one takes.
FEW_TRACKS = 4


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
    few_label_minutes : float
        Of learning from few labels, where that is asked for.
    few_labels_left_out : str
        Why it is not done although it is asked for.
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
    few_label_minutes: float
    few_labels_left_out: str
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
    machines : list of str
        Where it would run, in words.
    memory : float
        Megabytes that it would take on one machine at most.
    deformed : list of Cost
        Of the passes over deformed test clips, one an encoder, where such are asked for.
    reach : dict of str to float
        By model, the minutes that ``compare --reach`` would take over these clips, where that is asked.
    """

    tasks: list[TaskCheck]
    costs: list[Cost]
    free_megabytes: float
    machines: list[str]
    memory: float
    deformed: list[Cost] = field(default_factory=list)
    reach: dict[str, float] = field(default_factory=dict)


def check(plan: Plan, workers: int, *, reach: bool = False) -> Check:
    """Read the data and measure, without keeping anything.

    Parameters
    ----------
    plan : Plan
        The study; what it would cost on a cluster is measured there.
    workers : int
        Processes that would train probes on this machine.
    reach : bool
        Whether it is asked what measuring the reach of layers would cost.
    """
    with connected(plan.ray) as cluster:
        return check_on(plan, cluster.cores if cluster else workers, cluster, reach=reach)


def check_on(plan: Plan, workers: int, cluster: Cluster | None, *, reach: bool) -> Check:
    """Read the data and measure on a cluster, or on this machine; see `check`."""
    # Before anything is loaded for this study: what a worker that trains has loaded too.
    bare = process_bytes()
    # Leaks are to be shown with all else, not raised one by one.
    tasks = load_tasks(plan.model_copy(update={"allow_leaks": True}))
    costs: list[Cost] = []
    outlines: list[Outline] = []
    reaches: dict[str, float] = {}
    short: list[dict[str, str]] = [{} for _ in tasks]
    for name in [*plan.model, *plan.baseline]:
        encoder, download = stand_in(name, plan)
        if name in plan.model:
            refuse_sets(plan.layers_as, encoder.name, encoder.layers)
        draws = plan.draws(name)
        too_short = [short_clips(encoder, task) for task in tasks]
        costs.append(encoding_cost(encoder, tasks, download, sum(map(len, too_short)), draws, cluster, plan))
        outlines += [outline_of(encoder)] * draws
        if reach and not encoder.baseline and not encoder.reads_files:
            reaches[encoder.name] = reach_minutes(costs[-1], encoder.window, tasks)
        # The first encoder's reason stands, as in a run.
        short = [{**reasons, **before} for before, reasons in zip(short, too_short, strict=True)]
    trials = [try_clips(task, reasons, outlines[0].sample_rate) for task, reasons in zip(tasks, short, strict=True)]
    divided = [target_of(trial.task, plan) for trial in trials]
    features = [
        [
            each
            for outline in outlines
            for each in pooled_shapes(shape_of(outline, trial.task, clips, target), target, plan.pooling)
        ]
        for trial, (clips, target) in zip(trials, divided, strict=True)
    ]
    # The first trainings pay for what later ones find ready; of one encoder alone nothing stands beside another.
    probing_seconds(features[0][:1], divided[0][1], plan.model_copy(update=LATER))
    checks = [
        task_check(trial, clips, target, shapes, plan, workers)
        for trial, (clips, target), shapes in zip(trials, divided, features, strict=True)
    ]
    cache = cache_directory()
    # The system tells free space of directories that exist alone.
    cache.mkdir(parents=True, exist_ok=True)
    at_once = max(node.cores for node in cluster.nodes) if cluster else workers
    share = share_of_memory(plan.memory) / at_once / 1e6
    costs = [replace(cost, probe_megabytes=held_megabytes(cost.probe_megabytes, share)) for cost in costs]
    training = bare / 1e6 + max(cost.probe_megabytes for cost in costs)
    memory = max(max(cost.memory for cost in costs), bare / 1e6 + at_once * training)
    machines = cluster.in_words() if cluster else [f"this machine: {workers} core{'s' * (workers > 1)}"]
    deformed = deformed_costs(costs, tasks, plan) if plan.deform else []
    return Check(checks, costs, shutil.disk_usage(cache).free / 1e6, machines, memory, deformed, reaches)


def reach_minutes(cost: Cost, window: float, tasks: Sequence[StudyTask]) -> float:
    """Return the minutes of measuring how far layers hear, by those of the pass over all clips."""
    clips = pd.concat([task.dataset.clips for task in tasks]).drop_duplicates("clip_key")
    stretch = min(REACH_SECONDS, window, float(clips.clip_seconds.max()))
    encoded = min(CHANGED_CLIPS, len(clips)) * encoded_seconds(stretch)
    # Clips of several tasks with windows of their own go through several passes.
    passed = sum(float(task.dataset.clips.drop_duplicates("clip_key").clip_seconds.sum()) for task in tasks)
    return cost.minutes / cost.passes * encoded / passed


def deformed_costs(costs: Sequence[Cost], tasks: Sequence[StudyTask], plan: Plan) -> list[Cost]:
    """Return what passes over deformed test clips would cost, by those over all clips and the time of deforming."""
    deformations = read_deformations(plan.deform)
    tested = sum(tested_hours(task, plan) for task in tasks)
    share = tested / sum(
        float(task.dataset.clips.drop_duplicates("clip_key").clip_seconds.sum()) / 3600 for task in tasks
    )
    sound = noise(round(DEFORMED_SECONDS * DEFORMED_RATE))
    for deformation in deformations:
        deformation.of(sound, DEFORMED_RATE)  # the first call pays for what later ones find ready
    times = [seconds_of(partial(deformation.of, sound, DEFORMED_RATE)) for deformation in deformations]
    speed = sum(times) / DEFORMED_SECONDS
    count = len(deformations)
    return [
        replace(
            cost,
            model=f"{cost.model}, deformed",
            passes=count,
            download=False,
            windows=round(share * cost.windows),
            minutes=count * share * cost.minutes / cost.passes + 60 * tested * speed,
            too_short=0,
            megabytes=count * share * cost.megabytes / cost.passes,
        )
        for cost in costs
    ]


def held_megabytes(whole: float, share: float) -> float:
    """Return what a training holds of an input of so many megabytes: what exceeds its share is read by blocks.

    Examples
    --------
    >>> held_megabytes(80_000.0, share=4_000.0), held_megabytes(80_000.0, share=1.0)
    (4000.0, 268.435456)
    """
    # A block and its standardised copy, however little is asked for.
    return min(whole, max(share, 2 * 4 * BLOCK / 1e6))


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
    jobs = [job for shape in features for job in planned_jobs(shape, features, plan)]
    parts = len(target.parts)
    # The other probes have no randomness, and are trained once.
    seeds = [plan.seeds if job.probe in SEEDED_PROBES else 1 for job in jobs]
    clip_parts = [clip_part(target, number) for number in range(parts)]
    splits = evaluations(task.labels(), clip_parts, group_codes(clips), plan.split_seed)
    scoring = sum(seeds) * scoring_seconds(target, splits, len(clips))
    # Splits that the data bring stand.
    more = "" if {"split", "fold"} & set(task.dataset.clips) or parts > 1 else f"; --folds 5 tests all {len(clips)}"
    device = training_device(plan)
    looped = sum(not stacks(job, device) for job in jobs)
    # An input is trained by one process, so that more of them than inputs would be idle.
    training = parts * probing_seconds(features, target, plan) / max(1, min(workers, looped))
    training += parts * stacked_seconds(features, target, plan, device)
    if SEARCH in plan.layers_as:
        # Where one split is searched, each of the trainings that choose its layers is.
        training += max(parts, len(target.choosing)) * sum(map(search_seconds, studied_models(features)))
    # Their own line, since who does not ask for few labels does not pay for them.
    few = few_label_seconds(features, target, group_codes(clips), plan) / 60 / max(1, min(workers, len(jobs)))
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
        few_label_minutes=few,
        few_labels_left_out=left_out(target, group_codes(clips)) if plan.few_labels else "",
        decoded=trial.decoded,
        failed=trial.failed,
    )


def shape_of(encoder: Outline, task: StudyTask, clips: pd.DataFrame, target: Target) -> Features:
    """Return features of the right shape, whose layers read as one row of zeros: jobs follow from the shape alone."""
    frames = target.tracks is not None
    widths = widths_of(encoder, frames)
    owner = np.arange(len(target.labels.values))
    if not frames:
        window = task.window or encoder.window
        owner = np.repeat(owner, [len(Cutting(window).pooled_spans(seconds)) for seconds in clips.clip_seconds])
    shape = Features(
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
    if frames:
        return shape
    return replace(
        shape,
        attended=replace(
            shape,
            window_clip=np.repeat(
                np.arange(len(clips)), [attended_of_clip(seconds, Cutting(window)) for seconds in clips.clip_seconds]
            ),
            read=lambda position: np.zeros((1, encoder.widths[position]), np.float32),
            pooling="frame",
        ),
    )


def pooled_shapes(shape: Features, target: Target, poolings: Sequence[str]) -> list[Features]:
    """Return features of the shapes that several poolings of a model give; attention has their frames once."""
    if shape.baseline or target.tracks:
        return [shape]
    # Where other poolings are kept there are three parts, of which each takes some.
    whole = [SPREAD * width for width in shape.widths]
    return pooled_parts(replace(shape, read=lambda position: np.zeros((1, whole[position]), np.float32)), poolings)


def trainings(probe: str, seeds: int) -> int:
    """Return how many times a probe is trained on an input: the first seed chooses the learning rate."""
    return len(LEARNING_RATES) + seeds - 1 if probe in SEEDED_PROBES else 1


def probing_seconds(features: list[Features], target: Target, plan: Plan) -> float:
    """Return the time of all trainings on one part, those with shuffled labels of one input a probe and model included.

    Those that a GPU does together are told by `stacked_seconds`. The widest single layer is timed, once for all models
    of its width, and other inputs take as much longer as they are wider; a closed form, which works on the square of
    the columns, by the square of that. What follows a training, decoding and scoring of tracks, is timed once.
    """
    total, after, device = 0.0, decoding_seconds(target), training_device(plan)
    timed: dict[tuple[str, int, int], float] = {}
    for shape, probe in itertools.product(features, plan.probe):
        jobs = [job for job in planned_jobs(shape, features, plan) if job.probe == probe and not stacks(job, device)]
        if not jobs:  # attention has nothing to do over time, nor of a model's further poolings
            continue
        single = max((job for job in jobs if job.chosen.name in SINGLE_INPUTS), key=columns)
        key = (probe, columns(single), len(shape.window_clip))
        if key not in timed:
            timed[key] = training_seconds(single, target, plan.seeds)
        # An mlp has one permutation a seed: together they cost what one more input does.
        trained = [*jobs, *[single] * permutations_of(probe, len(target.parts), seeds=1)]
        ratios = np.array([columns(job) for job in trained]) / columns(single)
        times = np.array([1 + len(target.choosing) * is_cross_validated(job, target) for job in trained])
        total += timed[key] * float((times * ratios ** (2 if probe == "closed" else 1)).sum())
        total += after * len(ratios) * (plan.seeds if probe in SEEDED_PROBES else 1)
    return total


def training_device(plan: Plan) -> torch.device | None:
    """Return the device that would train the mlp, as `run_jobs` is given it; none where a cluster trains."""
    return None if plan.ray else find_device(plan.device)


def stacked_seconds(features: list[Features], target: Target, plan: Plan, device: torch.device | None) -> float:
    """Return the time of the trainings on one part that a GPU does together, those with shuffled labels included."""
    alike: dict[tuple[int, ...], list[Job]] = {}
    shuffled: list[Job] = []
    for shape in features:
        jobs = [job for job in planned_jobs(shape, features, plan) if stacks(job, device)]
        for job in jobs:
            key = (len(job.features.window_clip), *assemble(job.features, job.chosen).shape)
            alike.setdefault(key, []).append(job)
        # One input a model, and one permutation a seed, of which each is a stack of its own.
        shuffled += jobs[:1] * permutations_of("mlp", len(target.parts), plan.seeds)
    if device is None or not alike:
        return 0.0
    total = sum(stack_seconds(jobs, target, plan.seeds, device) for jobs in alike.values())
    total += len(shuffled) * stack_seconds(shuffled[:1], target, 1, device)
    return total + decoding_seconds(target) * plan.seeds * (sum(map(len, alike.values())) + len(shuffled) / plan.seeds)


def stack_seconds(jobs: Sequence[Job], target: Target, seeds: int, device: torch.device) -> float:
    """Return the time of the trainings of jobs of one shape on one part, together on a device.

    They are done there on noise, for one epoch and for two: what an epoch takes is between these.
    """
    job, few, times = few_rows(jobs[0], target, STACKED_NUMBERS)
    shape = (len(job.features.window_clip), *assemble(job.features, job.chosen).shape[1:])
    train = int(np.isin(job.features.window_clip, few.parts[0].train).sum())
    at_once = min(len(jobs), problems_at_once(shape, len(target.labels.names), train, seeds, device))
    states = noise(*shape)

    def seconds(epochs: int) -> float:
        problem = problem_of(job, states, replace(few, schedule=Schedule(epochs=epochs)), 0)
        return seconds_of(lambda: fit_stacked([problem] * at_once, list(range(seeds)), device))

    seconds(1)  # pays for what later ones find ready
    once, twice = seconds(1), seconds(2)
    return times * (once + (STACKED_EPOCHS - 1) * max(0.0, twice - once)) * len(jobs) / at_once


def planned_jobs(shape: Features, features: Sequence[Features], plan: Plan) -> list[Job]:
    """Return the jobs of one encoder of a task, with stand-ins of the right shape for those that others decide.

    A search is as many sets as it may find, and the plain feature that is put beside layers is the widest.
    """
    jobs = plan_jobs([shape], plan.probe, plan.layers_as)
    if not any(shape is model for model in studied_models(features)):
        return jobs
    further: list[tuple[Features, Input]] = []
    if SEARCH in plan.layers_as:
        sizes = range(2, min(MOST_LAYERS, len(shape.layers)) + 1)
        further += [(shape, Input(f"concat({size} layers)", layers=shape.layers[:size])) for size in sizes]
    if plan.beyond_plain:
        plain = max((each for each in features if each.baseline), key=lambda each: each.read(0).shape[1])
        # As if cut alike: of shapes no clip has a mean.
        both = beside_layers(shape, replace(plain, window_clip=shape.window_clip), inputs_of(plain)[-1])
        further += [(both, Input("plain+layer", layer)) for layer in shape.layers]
    return jobs + [Job(each, chosen, probe) for probe in plan.probe if probe != "attention" for each, chosen in further]


def search_seconds(features: Features) -> float:
    """Return the time of a search in one training, by that of one set of two layers."""
    width = 2 * min(DIRECTIONS, max(features.widths))
    square = noise(width, width)
    once = seconds_of(lambda: np.linalg.eigh(square @ square.T))
    # Work grows with the cube of the columns, and so does that of all penalties with their number.
    return sum(count * (size / 2) ** 3 for size, count in enumerate(sets_tried(len(features.layers)), 1)) * 2 * once


def few_label_seconds(features: list[Features], target: Target, groups: NDArray[np.int64], plan: Plan) -> float:
    """Return the time of learning from few labels: one draw of noise as wide as each input, once for all of a width.

    Sizes beyond `FEW_DRAWN` clips are taken to cost as much more as they have clips.
    """
    if plan.few_labels is None or left_out(target, groups):
        return 0.0
    sizes = label_sizes(target.labels, groups, target.parts)
    drawn = nested_draws(target.labels, groups, target.parts[0].train, sizes, plan.split_seed)
    timed: dict[int, float] = {}
    total = 0.0
    for job in few_label_jobs(features, plan.few_labels):
        width = columns(job)
        if width not in timed:
            states = noise(len(target.labels.values), width)
            few = [rows for rows in drawn if len(rows) <= FEW_DRAWN] or drawn[:1]
            fit = partial(fit_few_labels, states, target.labels, groups=groups, probe=plan.few_labels)
            with single_thread():
                seconds = [seconds_of(partial(fit, drawn=rows)) for rows in few]
            beyond = sum(map(len, drawn[len(few) :])) / len(few[-1]) * seconds[-1]
            timed[width] = sum(seconds) + beyond
        # Labels that have changed places are learnt as often as the true ones, where they have a code.
        total += timed[width] * DRAWS * (1 + has_code(target.labels.kind.form))
    return total * len(target.parts)


def columns(job: Job) -> int:
    """Return how many numbers a job is given of a row."""
    return int(np.prod(assemble(job.features, job.chosen).shape))


def training_seconds(job: Job, target: Target, seeds: int) -> float:
    """Return the time of a job's trainings on one part, by one on noise of a few rows."""
    job, target, times = few_rows(job, target)
    # Every row is held against all that train.
    times = times**2 if job.probe == "knn" else times
    states = noise(len(job.features.window_clip), columns(job))
    with single_thread():
        seconds = times * seconds_of(lambda: train_part(job, states, target, 0, [0]))
    if job.probe not in SEEDED_PROBES:
        return seconds
    return seconds * TYPICAL_EPOCHS * trainings(job.probe, seeds) / len(LEARNING_RATES)


def few_rows(job: Job, target: Target, numbers: int = FEW_NUMBERS) -> tuple[Job, Target, int]:
    """Return a job and its target on rows that are taken evenly from each split, for one epoch, and every how many."""
    part, owner = target.parts[0], job.features.window_clip
    train = int(np.isin(owner, part.train).sum())
    every = max(1, train // (max(1, numbers // columns(job)) if train < MANY_ROWS else MANY_ROWS))
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
