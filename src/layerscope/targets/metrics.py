"""Scores of predictions, for one weighting of the clips or for a thousand at once.

Every metric takes scores, targets and optional weights of shape (resample, clip): a bootstrap resample is a
weighting by counts, so intervals and point values come from one definition. None is an average over batches.
With weights of one each agrees with scikit-learn (``accuracy_score``, ``f1_score(average="macro")``,
``roc_auc_score`` and ``average_precision_score`` per tag, ``r2_score``), which the tests check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from layerscope.targets.labels import KEYS, Labels

__all__ = ["METRICS", "PRIMARY", "absent_tags", "score"]

Array = NDArray[np.float64]


def accuracy(scores: Array, targets: NDArray[np.int64], weights: Array) -> Array:
    """Return the share of clips whose highest score is the target's, in [0, 1]."""
    hits = scores.argmax(axis=1) == targets
    return weights @ hits / weights.sum(axis=1)


def macro_f1(scores: Array, targets: NDArray[np.int64], weights: Array) -> Array:
    """Return the mean over classes of the F1 score, in [0, 1]; classes neither present nor predicted are left out."""
    predictions = scores.argmax(axis=1)
    classes = np.arange(scores.shape[1])
    is_target, is_predicted = targets[:, None] == classes, predictions[:, None] == classes
    hits = weights @ (is_target & is_predicted)
    total = weights @ is_target + weights @ is_predicted
    with np.errstate(invalid="ignore"):
        return nan_mean(2 * hits / total)


@cache
def key_table(*, both_fifths: bool) -> Array:
    """Return the score of an estimated key (column) for a reference (row), 24 × 24 in the order of `KEYS`.

    mir_eval's: 1 for the key itself, 0.5 a fifth above, 0.3 the relative, 0.2 the parallel key. MIREX accepts a
    fifth below as well since 2017.
    """
    table = np.array([[mir_eval.key.weighted_score(right, guess) for guess in KEYS] for right in KEYS])
    return np.where((table.T == 0.5) & (table == 0.0), 0.5, table) if both_fifths else table


def key_score(scores: Array, targets: NDArray[np.int64], weights: Array) -> Array:
    """Return the mean weighted key score, in [0, 1], mir_eval's convention: a fifth above the reference counts half."""
    return weights @ key_table(both_fifths=False)[targets, scores.argmax(axis=1)] / weights.sum(axis=1)


def key_score_mirex(scores: Array, targets: NDArray[np.int64], weights: Array) -> Array:
    """Return the mean weighted key score, in [0, 1], MIREX's since 2017: fifths in both directions count half."""
    return weights @ key_table(both_fifths=True)[targets, scores.argmax(axis=1)] / weights.sum(axis=1)


def r2(predictions: Array, targets: Array, weights: Array) -> Array:
    """Return the coefficient of determination over the whole split, the mean over dimensions, at most 1."""
    return np.mean(r2_each(predictions, targets, weights), axis=1)


def r2_each(predictions: Array, targets: Array, weights: Array) -> Array:
    """Return R² for each dimension, shape (resample, dimension)."""
    total = weights.sum(axis=1, keepdims=True)
    # Centring first keeps the subtraction below from cancelling.
    centred = targets - targets.mean(axis=0)
    mean = weights @ centred / total
    spread = weights @ centred**2 - total * mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = weights @ (targets - predictions) ** 2 / spread
    # A resample whose targets are all equal has no R².
    result: Array = np.where(spread > 1e-12 * total, 1 - ratio, np.nan)
    return result


def roc_auc(scores: Array, targets: Array, weights: Array) -> Array:
    """Return the mean over tags of the area under the ROC curve, in [0, 1]; tags without both answers are left out."""
    return nan_mean(np.stack([tag_auc(curve) for curve in tag_curves(scores, targets, weights)], axis=1))


def average_precision(scores: Array, targets: Array, weights: Array) -> Array:
    """Return the mean over tags of average precision, in [0, 1]; tags without both answers are left out."""
    return nan_mean(np.stack([tag_ap(curve) for curve in tag_curves(scores, targets, weights)], axis=1))


def nan_mean(values: Array) -> Array:
    """Average along the last axis over what is defined; NaN where nothing is."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(defined, values, 0.0).sum(axis=1) / np.where(count, count, np.nan)


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
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) + 1
    starts = np.concatenate([[0], ends[:-1]])
    hits = np.concatenate([[0], np.cumsum(target[order])])
    positive = hits[ends] > hits[starts]
    starts, ends = starts[positive], ends[positive]
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
        precision = np.nan_to_num(curve.true / (curve.true + curve.false))
        area = (curve.positive * precision).sum(axis=0) / curve.positive.sum(axis=0)
    return np.where(curve.defined, area, np.nan)


METRICS: dict[str, dict[str, Callable[[Any, Any, Any], Array]]] = {
    "classes": {"accuracy": accuracy, "macro_f1": macro_f1},
    "key": {"key_score": key_score, "key_score_mirex": key_score_mirex, "accuracy": accuracy},
    "tags": {"roc_auc": roc_auc, "average_precision": average_precision},
    "values": {"r2": r2},
}

#: What is maximised on validation: the metric that MARBLE reports first.
PRIMARY: dict[str, str] = {
    "classes": "accuracy",
    "key": "key_score",
    "tags": "roc_auc",
    "values": "r2",
    "chords": "accuracy",
    "segments": "accuracy",
    "beats": "beat_f",
}


def score(metric: str, scores: NDArray[Any], labels: Labels, weights: Array | None = None) -> Array:
    """Return a metric for every weighting of the clips.

    Parameters
    ----------
    metric : str
        A key of ``METRICS[labels.kind]``, or ``"r2:NAME"`` for one dimension of values.
    scores : ndarray, shape (clip, output)
        Class or tag scores (any monotone scale), or predicted values.
    labels : Labels
        Of the same clips.
    weights : ndarray, shape (resample, clip), optional
        How often each clip counts; once by default.

    Returns
    -------
    ndarray, shape (resample,)
        NaN where a resample leaves the metric undefined.
    """
    weights = np.ones((1, len(scores))) if weights is None else weights
    scores = np.asarray(scores, dtype=np.float64)
    if metric.startswith("r2:"):
        return r2_each(scores, labels.values, weights)[:, labels.names.index(metric.removeprefix("r2:"))]
    return METRICS[labels.kind][metric](scores, labels.values, weights)


def metric_names(labels: Labels) -> list[str]:
    """Return the metrics of a target, the primary one first; values of several dimensions have one for each too."""
    names = list(METRICS[labels.kind])
    if labels.kind == "values" and len(labels.names) > 1:
        names += [f"r2:{name}" for name in labels.names]
    return names


def absent_tags(labels: Labels) -> list[str]:
    """Return the tags that all or none of the clips have: no ranking metric is defined for them."""
    if labels.form != "tags":
        return []
    share = labels.values.mean(axis=0)
    return [name for name, value in zip(labels.names, share, strict=True) if value in (0.0, 1.0)]
