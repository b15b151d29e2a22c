"""Scores of predictions, for one weighting of the clips or for a thousand at once.

Every metric takes scores, targets and optional weights of shape (resample, clip): a bootstrap resample is a
weighting by counts, so intervals and point values come from one definition. None is an average over batches.
With weights of one each agrees with scikit-learn (``accuracy_score``, ``f1_score(average="macro")``,
``roc_auc_score`` and ``average_precision_score`` per tag, ``r2_score``), which the tests check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.labels import Kind, Labels

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
    return nan_mean(np.stack([tag_auc(*column, weights) for column in zip(scores.T, targets.T, strict=True)], axis=1))


def average_precision(scores: Array, targets: Array, weights: Array) -> Array:
    """Return the mean over tags of average precision, in [0, 1]; tags without both answers are left out."""
    return nan_mean(np.stack([tag_ap(*column, weights) for column in zip(scores.T, targets.T, strict=True)], axis=1))


def nan_mean(values: Array) -> Array:
    """Average along the last axis over what is defined; NaN where nothing is."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(defined, values, 0.0).sum(axis=1) / np.where(count, count, np.nan)


def cumulative_counts(scores: Array, targets: Array, weights: Array) -> tuple[Array, Array]:
    """Return weighted true and false positives at every distinct threshold, highest first: (resample, threshold)."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    positive = weights[:, order] * (targets[order] > 0)
    true = np.cumsum(positive, axis=1)[:, ends]
    everything = np.cumsum(weights[:, order], axis=1)[:, ends]
    return true, everything - true


def tag_auc(scores: Array, targets: Array, weights: Array) -> Array:
    """Return the area under one tag's ROC curve by trapezoids, NaN where a resample lacks an answer."""
    true, false = cumulative_counts(scores, targets, weights)
    heights = true + np.concatenate([np.zeros((len(true), 1)), true[:, :-1]], axis=1)
    area = (np.diff(false, axis=1, prepend=0.0) * heights).sum(axis=1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((true[:, -1] > 0) & (false[:, -1] > 0), area / (true[:, -1] * false[:, -1]), np.nan)


def tag_ap(scores: Array, targets: Array, weights: Array) -> Array:
    """Return one tag's average precision, sum of (R_n - R_(n-1)) P_n, NaN where a resample lacks an answer."""
    true, false = cumulative_counts(scores, targets, weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.nan_to_num(true / (true + false))
        area = (np.diff(true, axis=1, prepend=0.0) * precision).sum(axis=1) / true[:, -1]
    return np.where((true[:, -1] > 0) & (false[:, -1] > 0), area, np.nan)


METRICS: dict[Kind, dict[str, Callable[[Any, Any, Any], Array]]] = {
    "classes": {"accuracy": accuracy, "macro_f1": macro_f1},
    "tags": {"roc_auc": roc_auc, "average_precision": average_precision},
    "values": {"r2": r2},
}

#: What is maximised on validation: the metric that MARBLE reports first.
PRIMARY: dict[Kind, str] = {"classes": "accuracy", "tags": "roc_auc", "values": "r2"}


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
    if labels.kind != "tags":
        return []
    share = labels.values.mean(axis=0)
    return [name for name, value in zip(labels.names, share, strict=True) if value in (0.0, 1.0)]
