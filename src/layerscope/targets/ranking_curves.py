"""Areas under curves of ranked clips, for one weighting of the clips or for a thousand at once.

With weights of one they are scikit-learn's ``roc_auc_score`` and ``average_precision_score`` of each tag, which the
tests check; none is an average over batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from layerscope.targets.kind import defined_mean

__all__ = ["average_precision", "roc_auc"]

Array = NDArray[np.float64]


def roc_auc(scores: Array, targets: Array, weights: Array) -> Array:
    """Return the mean over tags of the area under the ROC curve, in [0, 1]; tags without both answers are left out."""
    return defined_mean(np.stack([tag_auc(curve) for curve in tag_curves(scores, targets, weights)], axis=1))


def average_precision(scores: Array, targets: Array, weights: Array) -> Array:
    """Return the mean over tags of average precision, in [0, 1]; tags without both answers are left out."""
    return defined_mean(np.stack([tag_ap(curve) for curve in tag_curves(scores, targets, weights)], axis=1))


@dataclass(frozen=True)
class Curve:
    """Counts of one tag at its thresholds, highest first, for every resample.

    Only thresholds at which a positive clip stands are kept: the others add nothing to either area.

    Attributes
    ----------
    positive : ndarray, shape (threshold, resample)
        Positives at the threshold.
    true, false : ndarray, shape (threshold, resample)
        Positives and negatives at or above it.
    above : ndarray, shape (threshold, resample)
        Negatives above it.
    negatives : ndarray, shape (resample,)
        All negatives.
    """

    positive: Array
    true: Array
    false: Array
    above: Array
    negatives: Array

    @property
    def defined(self) -> NDArray[np.bool_]:
        """Return which resamples have both answers."""
        positives = self.true[-1] if len(self.true) else np.zeros_like(self.negatives)
        return (positives > 0) & (self.negatives > 0)


def tag_curves(scores: Array, targets: Array, weights: Array) -> Iterator[Curve]:
    """Yield the curve of each tag."""
    # A row a clip, so that sorting moves whole rows; counts are exact in float32.
    by_clip = np.ascontiguousarray(weights.T, dtype=np.float32)
    for column, target in zip(scores.T, targets.T > 0, strict=True):
        yield tag_curve(column, target, by_clip)


def tag_curve(scores: Array, target: NDArray[np.bool_], by_clip: NDArray[np.float32]) -> Curve:
    """Count one tag, given weights of shape (clip, resample)."""
    order = np.argsort(-scores, kind="stable")
    hits = target[order]
    # Clips of one score share a threshold, which ends with the last of them.
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) + 1
    starts = np.concatenate([[0], ends[:-1]])
    counts = np.concatenate([[0], np.cumsum(hits)])
    positive = counts[ends] > counts[starts]
    starts, ends = starts[positive], ends[positive]
    held = stretch_sums(order, hits, ends, by_clip)
    # What lies above each threshold, and at it, in turn, and last what lies below all of them.
    cuts = np.append(np.stack([starts, ends], axis=1).ravel(), len(order))
    negatives = np.cumsum(stretch_sums(order, ~hits, cuts, by_clip), axis=0)
    return Curve(held, np.cumsum(held, axis=0), negatives[1:-1:2], negatives[:-1:2], negatives[-1])


def stretch_sums(
    order: NDArray[np.int64], chosen: NDArray[np.bool_], ends: NDArray[np.int64], by_clip: NDArray[np.float32]
) -> Array:
    """Return the weights (stretch, resample) of the chosen clips of each stretch of an order, which end at `ends`."""
    places = np.flatnonzero(chosen)
    bounds = np.concatenate([[0], np.searchsorted(places, ends)])
    # As a sparse product, since sorting the weights of all clips first takes more than ten times as long.
    picked = csr_array(
        (np.ones(bounds[-1], np.float32), order[places[: bounds[-1]]], bounds), shape=(len(ends), len(by_clip))
    )
    sums: Array = (picked @ by_clip).astype(np.float64)
    return sums


def tag_auc(curve: Curve) -> Array:
    """Return the area under one tag's ROC curve, ties counting half, NaN where a resample lacks an answer."""
    below = curve.negatives - (curve.above + curve.false) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        area = (curve.positive * below).sum(axis=0) / (curve.positive.sum(axis=0) * curve.negatives)
    return np.where(curve.defined, area, np.nan)


def tag_ap(curve: Curve) -> Array:
    """Return one tag's average precision, sum of (R_n - R_(n-1)) P_n, NaN where a resample lacks an answer."""
    with np.errstate(divide="ignore", invalid="ignore"):
        # 0 / 0 is a threshold at which no clip of a resample has weight.
        precision = np.nan_to_num(curve.true / (curve.true + curve.false))
        area = (curve.positive * precision).sum(axis=0) / curve.positive.sum(axis=0)
    return np.where(curve.defined, area, np.nan)
