"""From what a training leaves to its scores: every metric, in every resample, the same resamples for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.data.splits import Part
from layerscope.scores.resampling import interval, resample_seeds, resample_weights
from layerscope.targets.kind import Labels

__all__ = ["Entry", "Evaluation", "Outcome", "evaluations", "score_outcome"]


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
    """

    valid: NDArray[np.float32]
    test: NDArray[np.float32]
    settings: list[dict[str, float]]
    mixtures: list[list[float]]


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
        The test metric when clips and seeds are resampled.
    mixture : list of list of float
        Learned weights of layers, one list a training; empty where none are learned.
    """

    label: dict[str, Any]
    rows: list[dict[str, Any]]
    draws: NDArray[np.float64]
    mixture: list[list[float]]

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
    weights : ndarray, shape (resample, unit), or None
        How often each counts in each resample; validation clips get no interval and are not resampled.
    """

    rows: NDArray[np.int64]
    units: NDArray[np.int64]
    labels: Labels
    weights: NDArray[np.float64] | None

    def score(
        self, metric: str, left: NDArray[np.float32], weights: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return a metric of what one training left, (clip, ...), for every weighting of the units."""
        scores = left[self.rows].astype(np.float64)
        means = np.zeros((int(self.units.max()) + 1, *scores.shape[1:]))
        np.add.at(means, self.units, scores)
        means /= np.bincount(self.units).reshape(-1, *(1 for _ in scores.shape[1:]))
        return self.labels.score(means, metric, weights)


def evaluations(
    labels: Labels,
    parts: Sequence[Part],
    groups: NDArray[np.int64],
    seed: int,
    units: NDArray[np.int64] | None = None,
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
        rows = np.sort(np.concatenate([getattr(part, name) for part in parts]))
        counted = np.arange(len(rows)) if units is None else np.unique(units[rows], return_inverse=True)[1]
        first = np.unique(counted, return_index=True)[1]
        weights = resample_weights(groups[rows[first]], seed) if name == "test" else None
        splits[name] = Evaluation(rows, counted, labels.take(rows[first]), weights)
    return splits


def score_outcome(
    label: dict[str, Any], outcome: Outcome, splits: dict[str, Evaluation], seeds: Sequence[int]
) -> list[Entry]:
    """Score an outcome by every metric of its kind of target.

    Parameters
    ----------
    label : dict
        The columns that name it: model, dataset, task, target, probe.
    outcome : Outcome
        What it left.
    splits : dict of str to Evaluation
        See `evaluations`.
    seeds : sequence of int
        Those of the probe; a probe without randomness has one.

    Returns
    -------
    list of Entry, the primary metric first
    """
    valid, test = splits["valid"], splits["test"]
    valid_units, test_units = (len(np.unique(split.units)) for split in (valid, test))
    entries = []
    for metric in test.labels.metrics():
        rows = [
            # No interval: these clips chose, so that one around their score would flatter.
            {"seed": seed, "split": "valid", "value": float(valid.score(metric, left)[0]), "n": valid_units}
            for seed, left in zip(seeds, outcome.valid, strict=False)
        ]
        draws = []
        for seed, left in zip(seeds, outcome.test, strict=False):
            value = float(test.score(metric, left)[0])
            draws.append(test.score(metric, left, test.weights))
            low, high = interval(draws[-1])
            rows.append(
                {"seed": seed, "split": "test", "value": value, "ci_low": low, "ci_high": high, "n": test_units}
            )
        entries.append(Entry({**label, "metric": metric}, rows, resample_seeds(np.stack(draws)), outcome.mixtures))
    return entries
