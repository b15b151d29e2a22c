"""One task of a study: its clips split, its features probed, its scores and facts."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import joblib
import pandas as pd

from layerscope.data.leaks import disputed_sounds
from layerscope.data.splits import Part, choosing_parts, divided, refuse_unlearnable
from layerscope.features.clip_features import Features
from layerscope.features.stored_features import pooled_features
from layerscope.probes.fitting import Job, Target, plan_jobs
from layerscope.probes.frame_targets import frame_features, plan_tracks
from layerscope.probes.inputs import Input
from layerscope.scores.evaluation import Entry, Outcome, score_outcome
from layerscope.scores.layer_selection import choose
from layerscope.scores.learning_curve import FewLabels
from layerscope.scores.nested_choice import nested_outcome
from layerscope.scores.score_table import SINGLE_INPUTS, is_set
from layerscope.study.controls import score_controls
from layerscope.study.extraction import Stores
from layerscope.study.few_labels import left_out, score_few_labels
from layerscope.study.further_inputs import further_inputs
from layerscope.study.job_scores import Finished, Study
from layerscope.study.options import Call
from layerscope.study.predictions import predictions_of, splits_of_clips
from layerscope.study.progress import Step
from layerscope.study.study_tasks import StudyTask, refuse_leaks
from layerscope.study.task_facts import facts_of, facts_over_time, training_facts
from layerscope.study.twins import distinct_networks, joined, twin_of
from layerscope.study.workplace import HERE, Workplace
from layerscope.targets.kind import Labels
from layerscope.tasks.task import Schedule

__all__ = ["TaskScores", "cross_validated", "divide", "features_and_target", "probe_features", "run_task"]


@dataclass(frozen=True)
class TaskScores:
    """What probing a task leaves.

    Attributes
    ----------
    entries : list of Entry
        The scores.
    facts : dict
        What a reader must know beside them.
    splits, predictions : DataFrame
        Where each clip stands, and what the chosen input of each model and probe says of those that are tested (see
        `study.predictions`).
    few_labels : FewLabels, optional
        Scores after few labels, where they are asked for.
    """

    entries: list[Entry]
    facts: dict[str, Any]
    splits: pd.DataFrame
    predictions: pd.DataFrame
    few_labels: FewLabels | None = None


def run_task(task: StudyTask, stores: Stores, asked: Call, work: Workplace) -> TaskScores:
    """Split the clips of a task, and probe the features that the pass left of them."""
    # Again, now that decoded sound shows copies which the files' bytes did not.
    leaks = refuse_leaks(task.dataset.clips, allow=asked.allow_leaks or task.published)
    features, study = divide(task, stores, asked, work)
    scores = probe_features(study, features)
    facts = {
        "leaks": leaks,
        "skipped": len(task.dataset.skipped),
        "evidence": task.evidence,
        "near_duplicates": list(task.alike),
        "disputed": disputed_sounds(task.dataset.clips, study.labels.values),
        "published": task.published,
        "shared": task.shared,
        "short": task.short,
    }
    return replace(scores, facts=scores.facts | facts)


def divide(task: StudyTask, stores: Stores, asked: Call, work: Workplace = HERE) -> tuple[list[Features], Study]:
    """Return the features of a task, and its clips with their splits and what probes are to predict of them."""
    labels = task.labels()
    clips, parts = divided(task.dataset.clips, labels, asked.split_seed, asked.folds)
    features, target = features_and_target(task, labels, stores, clips, parts, asked.pooling)
    target = target if target.tracks else cross_validated(target, clips, asked)
    return features, Study(task, labels, clips, target, asked, work)


def features_and_target(
    task: StudyTask,
    labels: Labels,
    stores: Stores,
    clips: pd.DataFrame,
    parts: list[Part],
    poolings: Sequence[str] = ("mean",),
) -> tuple[list[Features], Target]:
    """Return the features of a task's clips, and what probes are to predict of them with given trainings."""
    schedule = task.task.schedule if task.task else Schedule()
    if not labels.kind.over_time:
        features = [each for store in stores for each in pooled_features(store, clips, poolings)]
        return features, Target(labels, parts, schedule=schedule)
    # Every encoder's frames are kept at 25 Hz, so that the first store counts for all.
    tracks = plan_tracks(labels, [stores[0].entry(key).frames for key in clips.clip_key], parts)
    # Again: among the frames that are taken a short class may have none.
    refuse_unlearnable(tracks.targets, tracks.parts)
    features = [frame_features(store, clips, tracks) for store in stores]
    return features, Target(tracks.targets, tracks.parts, tracks, schedule)


def cross_validated(target: Target, clips: pd.DataFrame, asked: Call) -> Target:
    """Return a target with the trainings that choose among layers where there is but one split."""
    return replace(target, choosing=choosing_parts(clips, target.labels, target.parts, asked.split_seed))


def probe_features(study: Study, features: Sequence[Features]) -> TaskScores:
    """Train every probe on every input of all features of a task, and score."""
    asked, task = study.asked, study.task
    features, others = distinct_networks(features)
    facts = facts_of(study, features, others)
    jobs = plan_jobs(features, asked.probe, asked.layers_as)
    with study.shown("training", len(jobs), "inputs") as step:
        outcomes = study.run(jobs, progress=step)
    with study.shown("resampling", len(jobs), "inputs") as step:
        finished = score_draws(study, jobs, outcomes, step)
    layers: dict[tuple[str, str], list[Finished]] = {}
    for each in finished:
        if each.job.chosen.name in SINGLE_INPUTS:
            layers.setdefault((each.job.features.model, each.job.probe), []).append(each)
    chosen = [choose(inputs, lambda each: each.entries[0].valid).chosen for inputs in layers.values()]
    further = further_inputs(study, features, finished)
    finished += further.finished
    entries = [entry for each in finished for entry in each.entries] + further.entries
    entries += score_controls([each.job for each in chosen], study)
    if len(study.target.parts) > 1:
        for inputs in layers.values():
            entries += score_nested(inputs, study)
    facts |= training_facts(study, list(zip(jobs, outcomes, strict=True)))
    facts |= further.facts | facts_over_time(study) | task.names | {"title": task.title}
    # A set of layers may be recommended as well.
    sets = [each for each in finished if is_set(each.job.chosen.name)]
    answering = finished if asked.keep_predictions else [*chosen, *sets]
    predictions = pd.concat([predictions_of(study, each) for each in answering], ignore_index=True)
    few = score_few_labels(study, features)
    if asked.few_labels and few is None:
        facts["few_labels_left_out"] = left_out(study)
    return TaskScores(entries, facts, splits_of_clips(study.clips, task.name), predictions, few)


def score_nested(inputs: Sequence[Finished], study: Study) -> list[Entry]:
    """Return the scores of the choice among a model's layers with a probe, over folds."""
    job, outcomes = inputs[0].job, [each.outcome for each in inputs]
    label = {"model": twin_of(job.features), "probe": job.probe, **study.task.names, "input": "nested", "layer": None}
    chosen = nested_outcome(outcomes, study.labels, study.target.clip_parts)
    return score_outcome(label, chosen, study.splits, range(study.asked.seeds))


def score_draws(study: Study, jobs: Sequence[Job], outcomes: Sequence[Outcome], step: Step) -> list[Finished]:
    """Return jobs with their scores; of several draws of a twin, the first one's job with the entries of all."""
    draws: dict[tuple[str, str, Input], list[tuple[Job, Outcome]]] = {}
    for job, outcome in zip(jobs, outcomes, strict=True):
        draws.setdefault((twin_of(job.features), job.probe, job.chosen), []).append((job, outcome))

    def score(drawn: list[tuple[Job, Outcome]]) -> Finished:
        seeds = study.asked.seeds
        entries = [
            # Seeds go on from draw to draw, so that no two rows of the table are called alike.
            study.scored(*each, range(number * seeds, (number + 1) * seeds))
            for number, each in enumerate(drawn)
        ]
        scored = [joined(each) if len(each) > 1 else each[0] for each in zip(*entries, strict=True)]
        return Finished(*drawn[0], scored)

    finished = []
    # Sums over resamples release the interpreter's lock, so that threads are enough, and weights are not copied.
    with ThreadPoolExecutor(joblib.cpu_count()) as threads:
        for drawn, scored in zip(draws.values(), threads.map(score, draws.values()), strict=True):
            finished.append(scored)
            step(len(drawn))
    return finished
