"""Areas under curves of ranked clips, for one weighting of the clips or for a thousand at once.

With weights of one they are scikit-learn's ``roc_auc_score`` and ``average_precision_score`` of each tag, which the
tests check; none is an average over batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    # Clips of one score share a threshold, which ends with the last of them.
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) + 1
    starts = np.concatenate([[0], ends[:-1]])
    hits = np.concatenate([[0], np.cumsum(target[order])])
    positive = hits[ends] > hits[starts]
    starts, ends = starts[positive], ends[positive]
    # Indexing by an array copies, so that the zeros below are not written into the caller's weights.
    negative = by_clip[order]
    owners = np.flatnonzero(target[order])
    held = (
        np.add.reduceat(negative[owners], hits[starts], axis=0).astype(np.float64)
        if len(owners)
        else np.zeros((0, by_clip.shape[1]))
    )
    negative[owners] = 0.0
    above, within, rest = segment_sums(negative, starts, ends)
    false = above + within
    return Curve(held, np.cumsum(held, axis=0), false, above, rest + (false[-1] if len(false) else 0.0))


def segment_sums(rows: NDArray[np.float32], starts: NDArray[Any], ends: NDArray[Any]) -> tuple[Array, Array, Array]:
    """Return the sums of rows before each segment and in it, (segment, column), and of the rows after the last."""
    if not len(starts):
        empty = np.zeros((0, rows.shape[1]))
        return empty, empty, rows.sum(axis=0, dtype=np.float64)
    # One pass over the rows: the gap before each segment, and the segment itself, in turn.
    cuts = np.stack([starts, ends], axis=1).ravel()
    # A row of zeros, because reduceat refuses a cut at the very end.
    padded = np.concatenate([rows, np.zeros((1, rows.shape[1]), np.float32)])
    before_first = rows[: starts[0]].sum(axis=0, dtype=np.float64)
    sums = np.add.reduceat(padded, cuts, axis=0).astype(np.float64)
    within, gaps = sums[0::2], sums[1::2]
    gaps[:-1][ends[:-1] == starts[1:]] = 0.0  # of an empty stretch reduceat returns its first row
    before = before_first + np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(within + gaps, axis=0)[:-1]])
    return before, within, gaps[-1]


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
