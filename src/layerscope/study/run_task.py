"""One task of a study: its clips split, its features probed, its scores and facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from layerscope.data.leaks import group_codes
from layerscope.data.splits import assign, choosing_parts, parts_of, refuse_unlearnable
from layerscope.features.clip_features import Features
from layerscope.features.encoder_pass import stored_features
from layerscope.probes.fitting import (
    Job,
    Target,
    clip_part,
    plan_jobs,
    run_jobs,
)
from layerscope.probes.frame_targets import frame_features, plan_tracks
from layerscope.scores.evaluation import Entry, evaluations
from layerscope.scores.layer_selection import choose
from layerscope.scores.score_table import SINGLE_INPUTS
from layerscope.study.controls import score_controls
from layerscope.study.extraction import Stores
from layerscope.study.job_scores import score_job, splits_of
from layerscope.study.options import Probing
from layerscope.study.progress import Progress
from layerscope.study.study_tasks import StudyTask, refuse_leaks
from layerscope.study.task_facts import chance_level, facts_of
from layerscope.targets.kind import Labels
from layerscope.tasks.task import Schedule

__all__ = ["cross_validated", "divide", "probe_features", "run_task"]


def run_task(
    task: StudyTask, stores: Stores, asked: Probing, progress: Progress, keep: Path | None
) -> tuple[list[Entry], dict[str, Any]]:
    """Split the clips of a task, and probe the features that the pass left of them."""
    labels = task.labels()
    # Again, now that decoded sound shows copies which the files' bytes did not.
    leaks = refuse_leaks(task.dataset.clips, allow=asked.allow_leaks or task.published)
    features, target, clips = divide(task, labels, stores, asked)
    entries, facts = probe_features(features, target, labels, clips, asked, task, progress, keep)
    facts |= {"leaks": leaks, "skipped": len(task.dataset.skipped), "evidence": task.evidence}
    facts |= {"published": task.published, "shared": task.shared, "short": task.short}
    return entries, facts


def divide(
    task: StudyTask, labels: Labels, stores: Stores, asked: Probing
) -> tuple[list[Features], Target, pd.DataFrame]:
    """Return the features of a task, what probes are to predict of them, and its clips with their splits."""
    clips = assign(task.dataset.clips, labels, asked.split_seed, asked.folds)
    schedule = task.task.schedule if task.task else Schedule()
    parts = parts_of(clips)
    refuse_unlearnable(labels, parts)
    if not labels.kind.over_time:
        return (
            [stored_features(store, clips) for store in stores],
            cross_validated(Target(labels, parts, schedule=schedule), clips, asked),
            clips,
        )
    # Every encoder's frames are kept at 25 Hz, so that the first store counts for all.
    tracks = plan_tracks(labels, [stores[0].entry(key).frames for key in clips.clip_key], parts)
    # Again: among the frames that are taken a short class may have none.
    refuse_unlearnable(tracks.targets, tracks.parts)
    features = [frame_features(store, clips, tracks) for store in stores]
    return features, Target(tracks.targets, tracks.parts, tracks, schedule), clips


def cross_validated(target: Target, clips: pd.DataFrame, asked: Probing) -> Target:
    """Return a target with the trainings that choose among layers where there is but one split."""
    return replace(target, choosing=choosing_parts(clips, target.labels, target.parts, asked.split_seed))


def probe_features(
    features: Sequence[Features],
    target: Target,
    labels: Labels,
    clips: pd.DataFrame,
    asked: Probing,
    task: StudyTask,
    progress: Progress,
    keep: Path | None = None,
) -> tuple[list[Entry], dict[str, Any]]:
    """Train every probe on every input of all features of a task, and score.

    Returns
    -------
    entries : list of Entry
        The scores.
    facts : dict
        What a reader must know beside them.
    """
    jobs = plan_jobs(features, asked.probe)
    seeds = list(range(asked.seeds))
    with progress.task(f"training, {task.name}", len(jobs), "inputs") as step:
        outcomes = run_jobs(jobs, target, seeds, keep, progress=lambda finished: step(finished, 0.0))
    groups = group_codes(clips)
    units = group_codes(clips[["group"]]) if task.task and task.task.unit == "group" else None
    parts = [clip_part(target, number) for number in range(len(target.parts))]
    splits = evaluations(labels, parts, groups, asked.split_seed, units)
    if target.choosing:
        splits["choosing"] = evaluations(labels, target.choosing, groups, asked.split_seed, units)["valid"]
    names = {"dataset": task.dataset.name, "task": task.name, "target": task.target}
    entries: list[Entry] = []
    layers: dict[tuple[str, str], list[tuple[Job, Entry]]] = {}
    with progress.task(f"resampling, {task.name}", len(jobs), "inputs") as step:
        for job, outcome in zip(jobs, outcomes, strict=True):
            scored = score_job(job, outcome, splits_of(job, target, splits), names, seeds)
            entries += scored
            if job.chosen.name in SINGLE_INPUTS:
                layers.setdefault((job.features.model, job.probe), []).append((job, scored[0]))
            step(1, 0.0)
    controls = [choose(pairs, lambda pair: pair[1].valid).chosen[0] for pairs in layers.values()]
    entries += score_controls(controls, target, splits, groups, names, asked, task, progress, keep)
    facts = facts_of(features, labels, clips, groups, splits)
    facts["chance"] = chance_level(labels, target, splits["test"])
    facts["folds"] = len(target.parts)
    return entries, facts | names | {"title": task.task.title if task.task else task.name}
