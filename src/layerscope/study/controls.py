"""Shuffled labels: what an input must beat to mean anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from layerscope.probes import SEEDED_PROBES, Input
from layerscope.probes.fitting import Job, Target
from layerscope.scores.evaluation import Entry, Evaluation
from layerscope.study.job_scores import Study, score_job, splits_of
from layerscope.study.twins import joined
from layerscope.targets.kind import Labels

__all__ = ["permutations_of", "score_controls", "shuffled"]


#: How often the labels are shuffled for the chosen input of a probe that is quickly trained.
PERMUTATIONS = 5
#: What takes no iteration, over folds: there the spread of the permutations widens intervals, and five tell it badly.
OVER_FOLDS = 10


#: Draws of a permutation that leaves something to learn in every part; of two clips a class even chance allows it soon.
REDRAWN = 100


def permutations_of(probe: str, folds: int, seeds: int) -> int:
    """Return how often the labels are shuffled for a probe.

    A probe that is trained step by step is trained on one permutation a seed, which costs what its true labels did.
    """
    if probe in SEEDED_PROBES:
        return seeds
    return OVER_FOLDS if probe in ("closed", "knn") and folds > 1 else PERMUTATIONS


def score_controls(jobs: Sequence[Job], study: Study) -> list[Entry]:
    """Train jobs on shuffled labels, several times, and score each by the labels that it was given."""
    target, splits, seeds = study.target, study.splits, study.asked.seeds
    times = [permutations_of(job.probe, len(target.parts), seeds) for job in jobs]
    scored: list[list[list[Entry]]] = [[] for _ in jobs]
    with study.shown("shuffled labels", sum(times), "trainings") as step:
        for number in range(max(times)):
            due = [place for place, count in enumerate(times) if number < count]
            # Another permutation each time, and the same ones when a run is continued.
            given = shuffled(target, study.groups, study.asked.split_seed + number)
            asking = (
                # Tracks are scored by their annotations: shuffled frames make up no chords or beats to ask for.
                splits if target.tracks else {name: relabelled(each, given.labels) for name, each in splits.items()}
            )
            outcomes = study.run([jobs[place] for place in due], given, [number], step)
            for place, outcome in zip(due, outcomes, strict=True):
                control = replace(jobs[place], chosen=Input("shuffled", jobs[place].chosen.layer))
                asked = splits_of(control, given, asking)
                scored[place].append(score_job(control, outcome, asked, study.task.names, [number]))
    return [joined(permutations) for entries in scored for permutations in zip(*entries, strict=True)]


def shuffled(target: Target, groups: NDArray[np.int64], seed: int) -> Target:
    """Return a target with the labels of other clips or frames: what a probe learns of it, it learns by chance.

    Labels change places among all clips, not within splits: of few clips a split, each could only keep its own. They
    go from group to group, so that clips that belong together still do (over time, where a clip has its labels in
    order, they change places one by one). Labels of which a part could not be learnt are drawn again.
    """
    random = np.random.default_rng(seed)
    units = groups if target.tracks is None else np.arange(len(target.labels.values))
    for _ in range(REDRAWN):
        labels = target.labels.take(permuted(units, random))
        if not any(labels.kind.unlearnable(labels.take(part.train)) for part in target.parts):
            break
    return replace(target, labels=labels)


def permuted(groups: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Return the row that each row gets its label from: the rows of a group, those of one other group.

    Examples
    --------
    >>> groups = np.array([0, 0, 1, 1, 2, 2])
    >>> groups[permuted(groups, np.random.default_rng(0))].tolist()  # the group whose labels each row gets
    [2, 2, 0, 0, 1, 1]
    """
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    # Every row is a group of its own.
    if len(members) == len(groups):
        return random.permutation(len(groups))
    order = np.zeros(len(groups), np.int64)
    for rows, donor in zip(members, random.permutation(len(members)), strict=True):
        # Groups differ in size: labels of a smaller one repeat, of a larger one some are left.
        order[rows] = np.resize(random.permutation(members[donor]), len(rows))
    return order


def relabelled(split: Evaluation, labels: Labels) -> Evaluation:
    """Return an evaluation that asks for other labels, given for all clips."""
    # Clips of a unit share their label, so that the first stands for it.
    first = np.unique(split.units, return_index=True)[1]
    return replace(split, labels=labels.take(split.rows[first]))
