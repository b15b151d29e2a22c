"""From what a training leaves to its scores: every metric, in every resample, the same resamples for all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from layerscope.data.splits import Part
from layerscope.scores.count_interval import count_interval
from layerscope.scores.resampling import (
    FEWEST_GROUPS,
    RESAMPLES,
    add_pseudo_group,
    effective_groups,
    interval,
    resample_seeds,
    resample_weights,
    widen,
    wider_as_counted,
    wider_as_few,
)
from layerscope.targets.kind import Labels, defined_mean
from layerscope.targets.values import held_by_few

__all__ = ["Entry", "Evaluation", "Outcome", "evaluations", "score_outcome"]

#: Of fewer clips with a tag's rarer answer, or groups that share it, the ranks of one or two decide, and intervals do
#: not hold what they promise; nor do those of macro F1 where fewer groups share a class.
FEWEST_RARER = 3


@dataclass(frozen=True)
class Outcome:
    """What a job leaves.

    Attributes
    ----------
    valid, test : ndarray, float32
        For the clips that choose and those that are tested, NaN for others: scores, (seed, clip, output), or,
        for a target over time, value and weight of each metric, (seed, clip, metric, 2).
    settings : list of dict
        What each training chose on validation.
    mixtures : list of list of float
        Learned weights of layers, one list a training, where there are any.
    answers : dict of int to dict
        Over time, what the first training says of the tracks that score lowest, by clip (see `Kind.rows`).
    device : str
        Where the probe was trained.
    """

    valid: NDArray[np.float32]
    test: NDArray[np.float32]
    settings: list[dict[str, float]]
    mixtures: list[list[float]]
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    device: str = "cpu"


@dataclass(frozen=True)
class Entry:
    """One metric of one probe on one input.

    Attributes
    ----------
    label : dict
        Model, dataset, task, target, input, layer, probe and metric.
    rows : list of dict
        What `score_table.COLUMNS` has beyond the label: one for each seed and split.
    draws : ndarray, shape (resample,)
        The test metric when clips and seeds are resampled; NaN where there are too few for an interval.
    mixture : list of list of float
        Learned weights of layers, one list a training; empty where none are learned.
    shared : float, optional
        The validation score on the clips by which every probe chooses, where it is not that of the rows.
    """

    label: dict[str, Any]
    rows: list[dict[str, Any]]
    draws: NDArray[np.float64]
    mixture: list[list[float]]
    shared: float | None = None

    @property
    def valid(self) -> float:
        """Return the validation score, the mean over seeds."""
        return float(np.mean([row["value"] for row in self.rows if row["split"] == "valid"]))


@dataclass(frozen=True)
class Evaluation:
    """What is scored of one split and how it is resampled, the same for every outcome.

    Attributes
    ----------
    rows : ndarray of int
        Its clips.
    units : ndarray of int
        What each of them counts towards: itself, or a song whose clips' scores are averaged.
    labels : Labels
        Of the units.
    folds : ndarray of int, shape (unit,)
        The training that scores each.
    groups : ndarray of int, shape (unit,)
        What is resampled as a whole.
    weights : ndarray, shape (resample, unit), or None
        How much each counts in each resample; None of fewer `effective_groups` than `FEWEST_GROUPS`, and of validation
        clips, which get no interval.
    """

    rows: NDArray[np.int64]
    units: NDArray[np.int64]
    labels: Labels
    folds: NDArray[np.int64]
    groups: NDArray[np.int64]
    weights: NDArray[np.float64] | None

    def score(
        self, metric: str, left: NDArray[np.float32], weights: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return a metric of what one seed left, (clip, ...), for every weighting of the units.

        Scores of two folds are of two trainings and have no common scale; where units are ranked by them, the score is
        the mean of the folds' (Forman & Scholz 2010). Folds in which it is undefined are left out.
        """
        means = self.of_units(left)
        if not self.labels.metric(metric).ranks:
            return self.labels.score(means, metric, weights)
        weights = np.ones((1, len(means))) if weights is None else weights
        members = [np.flatnonzero(self.folds == fold) for fold in np.unique(self.folds)]
        scored = [self.labels.take(rows).score(means[rows], metric, weights[:, rows]) for rows in members]
        return defined_mean(np.stack(scored, axis=1))

    def of_units(self, left: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what one seed left of each unit, the mean over its clips, (unit, ...)."""
        scores = left[self.rows].astype(np.float64)
        means = np.zeros((int(self.units.max()) + 1, *scores.shape[1:]))
        if len(means) == len(scores):  # a clip each, as nearly always; sums by index take longer than most metrics
            means[self.units] = scores
            return means
        # Not by plain indexing, which of a song's several clips would keep the last alone.
        np.add.at(means, self.units, scores)
        means /= np.bincount(self.units).reshape(-1, *(1 for _ in scores.shape[1:]))
        return means

    def counted(self, metric: str, left: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how much each unit counts in a metric, (unit,): of tracks their seconds or frames, of clips alike."""
        return self.labels.counted(self.of_units(left), metric)

    def groups_counted(self, counted: NDArray[np.float64] | None = None) -> int:
        """Return as how many groups of one size the units count, given how much each does: see `effective_groups`.

        No more than by their number, as which they are resampled: many short tracks of a group are one that is large.
        """
        return min(effective_groups(self.groups), effective_groups(self.groups, counted))

    def resample(self, metric: str, left: NDArray[np.float32], value: float) -> NDArray[np.float64]:
        """Return a metric in every resample, their mean moved onto its value; NaN where there are too few units.

        The move takes the bias of small samples off, which resampling would count twice (Efron & Tibshirani 1993,
        ch. 10); of a mean there is none.
        """
        counted = self.counted(metric, left)
        groups = self.groups_counted(counted)
        if self.weights is None or groups < FEWEST_GROUPS or self.without_interval(metric):
            return np.full(RESAMPLES, np.nan)
        draws = self.score(metric, left, self.weights)
        spread = (draws - defined_mean(draws[None])[0]) * wider_as_counted(self.groups, counted)
        asked = self.labels.metric(metric)
        if asked.ranks or asked.fewest_each:
            spread *= wider_as_few(self.groups, self.rarer_answers() if asked.ranks else self.groups_a_class())
        # A share is given its width near the ends by `with_pseudo_group`.
        return value + (spread if asked.percent else widen(spread, groups))

    def clips_a_class(self) -> float:
        """Return as how many clips of every class those of classes vary, the harmonic mean.

        A mean over classes varies with the sum of what each class's own score does, and so as the rarest says.
        """
        counts = np.bincount(self.labels.values)
        return harmonic_mean(counts[counts > 0])

    def groups_a_class(self) -> float:
        """Return of how many groups the clips of every class are, the harmonic mean (see `clips_a_class`)."""
        held = groups_having(np.eye(len(self.labels.names), dtype=bool)[self.labels.values], self.groups)
        return harmonic_mean(held[held > 0])

    def even_units(self, units: NDArray[np.int64]) -> int:
        """Return as how many of some units, of which every other one has a tag, the tested ones rank.

        Ranks are of units with a tag beside units without, and vary as the rarer of the two says, and their mean over
        tags as the rarest tag: `clips_a_class` of both answers of all tags. Where no tags are it is all.

        Parameters
        ----------
        units : ndarray of int, shape (clip,)
            Clips, or groups of them.
        """
        answers = self.answers_of_tags(units)
        if answers is None or not answers.size:
            return len(np.unique(units))
        return round(2 * harmonic_mean(answers.ravel()))

    def rarer_answers(self) -> float:
        """Return how many groups a tag's rarer answer has, the harmonic mean of tags with both; infinite of no tags."""
        answers = self.answers_of_tags(self.groups)
        if answers is None:
            return math.inf
        return harmonic_mean(answers.min(axis=0)) if answers.size else 0.0

    def answers_of_tags(self, units: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return of how many units those are that have and lack each tag, (2, tag), of tags with both; None of none."""
        if self.labels.kind.over_time or self.labels.kind.form != "tags":
            return None
        has = np.asarray(self.labels.values) > 0
        answers = np.stack([groups_having(each, units) for each in (has, ~has)])
        return answers[:, answers.min(axis=0) > 0]

    def without_interval(self, metric: str) -> str:
        """Return which labels leave a metric without an interval, which would not cover; "" where they do not."""
        asked = self.labels.metric(metric)
        if asked.fewest_each > 0 and self.clips_a_class() < asked.fewest_each:
            return f"of {self.clips_a_class():.1f} clips a class: {asked.fewest_each} are needed"
        if asked.fewest_each > 0 and self.groups_a_class() < FEWEST_RARER:
            return f"of {self.groups_a_class():.1f} groups a class: {FEWEST_RARER} are needed"
        if self.rarer_answers() < FEWEST_RARER:
            return f"where tags have fewer than {FEWEST_RARER} clips (or groups of them), or all but so many"
        held, dimension = held_by_few(self.labels), metric.partition(":")[2]
        # The mean over dimensions rests on each of them.
        if dimension in held or (held and not dimension):
            return "where one clip in twenty, or fewer, holds most of the variance: logarithms may be the better target"
        return ""

    def with_pseudo_group(
        self, metric: str, left: NDArray[np.float32], draws: NDArray[np.float64], value: float, name: str
    ) -> NDArray[np.float64]:
        """Return resampled values with `add_pseudo_group`, of a metric that is a share; see `resample`."""
        # Of other metrics "all right" and "all wrong" are not 1 and 0; of too few units there is nothing to add to.
        if np.isnan(draws).all() or not self.labels.metric(metric).percent:
            return draws
        both = (self.groups, np.arange(len(self.groups)))
        groups, clips = (effective_groups(units, self.counted(metric, left)) for units in both)
        if self.labels.metric(metric).ranks:
            even, clips = map(self.even_units, both)
            groups = min(groups, even)
        shares = add_pseudo_group(draws, value, min(groups, clips), clips, name)
        return np.clip(shares, 0.0, 1.0)  # moved onto the value, a share may lie beyond its ends

    def interval(self, metric: str, draws: NDArray[np.float64], value: float) -> tuple[float, float]:
        """Return the 95 % interval of what one training scores; NaN where there are too few units.

        Of single clips that are right or wrong it is that of their count, and of all else that of the resamples.
        """
        clips = len(self.groups)
        if self.weights is None or not self.labels.metric(metric).counts or len(np.unique(self.groups)) < clips:
            return interval(draws, value)
        return count_interval(round(value * clips), clips)


def groups_having(has: NDArray[np.bool_], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return of how many groups of one size those are that have each name, given (clip, name): see `effective_groups`.

    Examples
    --------
    >>> groups_having(np.array([[True], [True], [True], [True], [False]]), np.array([0, 0, 1, 1, 2]))
    array([2.])
    """
    order = np.argsort(groups, kind="stable")
    sizes = np.add.reduceat(has[order].astype(np.float64), np.unique(groups[order], return_index=True)[1])
    squares = np.square(sizes).sum(axis=0)
    return np.round(np.square(sizes.sum(axis=0)) / np.where(squares, squares, 1.0))


def harmonic_mean(counts: NDArray[Any]) -> float:
    """Return the harmonic mean of counts, of equal ones the count itself."""
    # Reciprocals are rounded, and three of three are to be enough where three are.
    return round(float(stats.hmean(counts)), 9)


def evaluations(
    labels: Labels, parts: Sequence[Part], groups: NDArray[np.int64], seed: int, units: NDArray[np.int64] | None = None
) -> dict[str, Evaluation]:
    """Return the evaluation of the validation and the test split, folds put together.

    Parameters
    ----------
    labels : Labels
        Of all clips.
    parts : sequence of Part
        Rows of clips.
    groups : ndarray of int, shape (clip,)
        What is resampled as a whole.
    seed : int
        Of the resamples.
    units : ndarray of int, shape (clip,), optional
        Clips whose scores are averaged before they are scored; each stands alone by default.
    """
    splits = {}
    for name in ("valid", "test"):
        fold_rows = [getattr(part, name) for part in parts]
        rows, folds = np.concatenate(fold_rows), np.repeat(np.arange(len(parts)), [len(rows) for rows in fold_rows])
        rows, folds = rows[np.argsort(rows)], folds[np.argsort(rows)]
        counted = np.arange(len(rows)) if units is None else np.unique(units[rows], return_inverse=True)[1]
        # A unit is spoken for by its first clip: the label, fold and group are its song's.
        first = np.unique(counted, return_index=True)[1]
        drawn = groups[rows[first]]
        enough = name == "test" and effective_groups(drawn) >= FEWEST_GROUPS
        weights = resample_weights(drawn, seed) if enough else None
        splits[name] = Evaluation(rows, counted, labels.take(rows[first]), folds[first], drawn, weights)
    return splits


def score_outcome(
    label: dict[str, Any], outcome: Outcome, splits: dict[str, Evaluation], seeds: Sequence[int]
) -> list[Entry]:
    """Score an outcome by every metric of its kind of target.

    Parameters
    ----------
    label : dict
        The columns that name it: model, dataset, task, target, input, layer, probe.
    outcome : Outcome
        What it left.
    splits : dict of str to Evaluation
        See `evaluations`; ``shared`` beside ``valid``, where not every probe chooses by the same clips.
    seeds : sequence of int
        Those of the probe; a probe without randomness has one.

    Returns
    -------
    list of Entry, the primary metric first
    """
    valid, test = splits["valid"], splits["test"]
    name = "|".join(map(str, label.values()))
    entries = []
    for metric in test.labels.metrics():
        rows = [
            # No interval: these clips chose, so that one around their score would flatter.
            {"seed": seed, "split": "valid", "value": float(valid.score(metric, left)[0]), "n": len(valid.folds)}
            # Not strict: a probe without randomness leaves one training, whatever the seeds.
            for seed, left in zip(seeds, outcome.valid, strict=False)
        ]
        draws = []
        for seed, left in zip(seeds, outcome.test, strict=False):
            value = float(test.score(metric, left)[0])
            draws.append(test.resample(metric, left, value))
            low, high = test.interval(metric, test.with_pseudo_group(metric, left, draws[-1], value, name), value)
            rows.append(
                {"seed": seed, "split": "test", "value": value, "ci_low": low, "ci_high": high, "n": len(test.folds)}
            )
        mean = float(np.mean([row["value"] for row in rows if row["split"] == "test"]))
        # After the seeds are drawn: the pseudo-group stands for clips, once, and not once a seed.
        drawn = test.with_pseudo_group(metric, outcome.test[0], resample_seeds(np.stack(draws)), mean, name)
        shared = [splits["shared"].score(metric, left)[0] for left in outcome.valid] if "shared" in splits else []
        common = float(np.mean(shared)) if shared else None
        entries.append(Entry({**label, "metric": metric}, rows, drawn, outcome.mixtures, common))
    return entries
