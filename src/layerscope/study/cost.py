"""Look before running: the data, their leaks, and what a study would cost, measured on a few windows and rows."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from layerscope.atomic_files import cache_directory
from layerscope.data.deformations import read_deformations
from layerscope.data.leaks import disputed_sounds, find_leaks
from layerscope.data.splits import never_trained
from layerscope.features.row_blocks import give_back_memory, share_of_memory
from layerscope.probes import SEEDED_PROBES
from layerscope.probes.frame_targets import counted_tracks
from layerscope.scores.evaluation import evaluations
from layerscope.similarity.time_reach import REACH_SECONDS, encoded_seconds
from layerscope.study.clip_trial import Trial, try_clips
from layerscope.study.compare import CHANGED_CLIPS
from layerscope.study.deformed_tasks import tested_hours
from layerscope.study.encoding_cost import Cost, encoding_cost, seconds_of
from layerscope.study.few_labels import left_out
from layerscope.study.job_scores import Study
from layerscope.study.memory_cost import held_megabytes, process_bytes, training_bytes
from layerscope.study.option_base import LATER
from layerscope.study.options import Plan
from layerscope.study.probed_shapes import Shapes, shapes_of, study_before
from layerscope.study.probing_cost import few_label_seconds, looped_seconds, probing_seconds, scoring_seconds, trainings
from layerscope.study.ray_cluster import Cluster
from layerscope.study.ray_connection import connected
from layerscope.study.study_tasks import StudyTask, heard_seconds, load_tasks
from layerscope.study.task_facts import label_counts, precision_of
from layerscope.study.workplace import Workplace

__all__ = ["Check", "Cost", "TaskCheck", "check"]

#: Seconds of noise, at the rate of most music, that are deformed to measure how long that takes.
DEFORMED_SECONDS, DEFORMED_RATE = 5.0, 44_100


@dataclass(frozen=True)
class TaskCheck:
    """What one task of a study would meet.

    Attributes
    ----------
    study : Study
        The task, with the clips that would be used and those that would not, and what would be asked of it.
    precision : str
        How precise scores of its tested clips can be, and how to test more, in words.
    leaks : list of str
        What lies on both sides of the splits that the data bring, by files and groups.
    disputed : list of str
        Sounds with different labels under different names, as far as files of the same bytes show it.
    never_trained : dict of str to int
        Classes that no clip trains, with their tested clips.
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

    study: Study
    precision: str
    leaks: list[str]
    disputed: list[str]
    never_trained: dict[str, int]
    trainings: int
    probe_minutes: float
    few_label_minutes: float
    few_labels_left_out: str
    decoded: int
    failed: int

    @property
    def counts(self) -> dict[str, int]:
        """Return the clips of each class or tag."""
        return label_counts(self.study.labels)

    @property
    def hours(self) -> float:
        """Return how much audio there is, each span counted once."""
        return heard_seconds(self.study.clips) / 3600


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
    deformed: list[Cost]
    reach: dict[str, float]


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
    # Before anything is loaded for this study: what a worker that is not forked loads too.
    bare = process_bytes()
    # Leaks are to be shown with all else, not raised one by one.
    tasks = load_tasks(plan.model_copy(update={"allow_leaks": True}))
    costs = [encoding_cost(name, tasks, plan, cluster) for name in [*plan.model, *plan.baseline]]
    outlines = [cost.outline for cost in costs for _ in range(cost.passes)]
    # The first encoder's reason stands, as in a run.
    short = [
        {clip: reason for reasons in reversed(of_task) for clip, reason in reasons.items()}
        for of_task in zip(*(cost.too_short for cost in costs), strict=True)
    ]
    trials = [try_clips(task, reasons, outlines[0].sample_rate) for task, reasons in zip(tasks, short, strict=True)]
    work = Workplace(cluster=cluster)
    shapes = [shapes_of(outlines, study_before(trial.task, plan, work)) for trial in trials]
    # Of one encoder alone nothing stands beside another.
    study = replace(shapes[0].study, asked=plan.model_copy(update=LATER))
    alone = Shapes(study, shapes[0].features[:1])
    at_once = cluster.at_once if cluster else workers
    # As a run does it before it trains.
    give_back_memory()
    training = training_bytes(bare, at_once, looped_seconds, alone)
    # The first trainings pay for what later ones find ready.
    looped_seconds(alone)
    checks = [task_check(trial, each, workers) for trial, each in zip(trials, shapes, strict=True)]
    cache = cache_directory()
    # The system tells free space of directories that exist alone.
    cache.mkdir(parents=True, exist_ok=True)
    share = share_of_memory(plan.memory) / at_once / 1e6
    costs = [replace(cost, probe_megabytes=held_megabytes(cost.probe_megabytes, share)) for cost in costs]
    states = at_once * max(cost.probe_megabytes for cost in costs)
    memory = max(max(cost.memory for cost in costs), training / 1e6 + states)
    machines = cluster.in_words() if cluster else [f"this machine: {workers} core{'s' * (workers > 1)}"]
    deformed = deformed_costs(costs, tasks, plan) if plan.deform else []
    hearing = [cost for cost in costs if not cost.outline.baseline and not cost.outline.reads_files]
    reaches = {cost.model: reach_minutes(cost, tasks) for cost in hearing} if reach else {}
    return Check(checks, costs, shutil.disk_usage(cache).free / 1e6, machines, memory, deformed, reaches)


def reach_minutes(cost: Cost, tasks: Sequence[StudyTask]) -> float:
    """Return the minutes of measuring how far layers hear, by those of the pass over all clips."""
    clips = pd.concat([task.dataset.clips for task in tasks]).drop_duplicates("clip_key")
    stretch = min(REACH_SECONDS, cost.outline.window, float(clips.clip_seconds.max()))
    encoded = min(CHANGED_CLIPS, len(clips)) * encoded_seconds(stretch)
    # Clips of several tasks with windows of their own go through several passes.
    passed = sum(heard_seconds(task.dataset.clips) for task in tasks)
    return cost.minutes / cost.passes * encoded / passed


def deformed_costs(costs: Sequence[Cost], tasks: Sequence[StudyTask], plan: Plan) -> list[Cost]:
    """Return what passes over deformed test clips would cost, by those over all clips and the time of deforming."""
    deformations = read_deformations(plan.deform)
    tested = sum(tested_hours(task, plan) for task in tasks)
    share = tested / sum(heard_seconds(task.dataset.clips) / 3600 for task in tasks)
    sound = np.random.default_rng(0).standard_normal(round(DEFORMED_SECONDS * DEFORMED_RATE), dtype=np.float32)
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
            too_short=[],
            megabytes=count * share * cost.megabytes / cost.passes,
        )
        for cost in costs
    ]


def task_check(trial: Trial, shapes: Shapes, workers: int) -> TaskCheck:
    """Return what a task would meet."""
    study, asked, target = shapes.study, shapes.study.asked, shapes.study.target
    task, labels, clips = study.task, study.labels, study.clips
    jobs = [job for of_shape in shapes.jobs for job in of_shape]
    parts = len(target.parts)
    # The other probes have no randomness, and are trained once.
    seeds = [asked.seeds if job.probe in SEEDED_PROBES else 1 for job in jobs]
    splits = evaluations(labels, target.clip_parts, study.groups, asked.split_seed)
    scoring = sum(seeds) * scoring_seconds(target, splits, len(clips))
    counted = counted_tracks(target.tracks, splits["test"].rows) if target.tracks else None
    # Splits that the data bring stand.
    more = "" if {"split", "fold"} & set(task.dataset.clips) or parts > 1 else f"; --folds 5 tests all {len(clips)}"
    # Their own line, since who does not ask for few labels does not pay for them.
    few = few_label_seconds(shapes) / 60 / max(1, min(workers, len(jobs)))
    return TaskCheck(
        study=study,
        precision=precision_of(splits["test"], counted) + more,
        leaks=[str(leak) for leak in find_leaks(task.dataset.clips)],
        disputed=disputed_sounds(task.dataset.clips, labels.values),
        never_trained=never_trained(labels, target.clip_parts),
        trainings=parts * sum(trainings(job.probe, asked.seeds) for job in jobs),
        probe_minutes=(probing_seconds(shapes, workers) + scoring) / 60,
        few_label_minutes=few,
        few_labels_left_out=left_out(study) if asked.few_labels else "",
        decoded=trial.decoded,
        failed=trial.failed,
    )
