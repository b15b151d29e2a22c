"""The scores of single classes and tags, with intervals like those of all others."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.scores.evaluation import Evaluation
from layerscope.scores.resampling import FEWEST_GROUPS, effective_groups, resample_weights
from layerscope.targets import kind_named
from layerscope.targets.kind import Labels

__all__ = ["class_scores", "tag_scores"]

#: Classes and tags that are listed.
MOST_NAMES = 60
#: Of the resamples.
SEED = 0


def class_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the share of each class's clips that is answered right, the worst first.

    Parameters
    ----------
    rows : DataFrame
        Of one input; columns ``truth, answer, group, fold`` of `layerscope.study.predictions`.

    Returns
    -------
    DataFrame
        Columns ``name, clips, value, low, high``; the last two are NaN of a class of too few groups.
    """
    table = []
    for name, clips in rows.groupby("truth"):
        right = (clips.truth == clips.answer).to_numpy(np.int64)
        # The accuracy of clips of which "right" is the label.
        labels = Labels(kind_named("classes"), ("wrong", "right"), np.ones_like(right))
        value, *bounds = score_and_interval(labels, "accuracy", np.eye(2)[right], clips, str(name))
        table.append([name, len(clips), value, *bounds])
    columns = ["name", "clips", "value", "low", "high"]
    return pd.DataFrame(table, columns=columns).sort_values("value", kind="stable").head(MOST_NAMES)


def tag_scores(shares: pd.DataFrame, owners: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of each tag that some clips have and others have not, the best first.

    Parameters
    ----------
    shares, owners : DataFrame
        The probability of each tag (column) of each clip (row), and whether the clip has it.
    rows : DataFrame
        Of these clips, with ``group`` and ``fold``.

    Returns
    -------
    DataFrame
        Columns ``name, clips, value, low, high, auc, share``: the clips that have it; average precision with its
        interval, NaN where too few groups have the tag or lack it; area under the ROC curve; the share of clips.
    """
    table = []
    for name in shares:
        truth, scores = owners[[name]].to_numpy(np.float32), shares[[name]].to_numpy()
        if 0 < truth.sum() < len(truth):
            labels = Labels(kind_named("tags"), (str(name),), truth)
            value, *bounds = score_and_interval(labels, "average_precision", scores, rows, str(name))
            area = float(evaluation_of(labels, rows, None).score("roc_auc", scores)[0])
            table.append([name, int(truth.sum()), value, *bounds, area, float(owners[name].mean())])
    columns = ["name", "clips", "value", "low", "high", "auc", "share"]
    return pd.DataFrame(table, columns=columns).sort_values("value", ascending=False, kind="stable").head(MOST_NAMES)


def score_and_interval(
    labels: Labels, metric: str, scores: NDArray[np.floating], rows: pd.DataFrame, name: str
) -> tuple[float, float, float]:
    """Return a metric of some clips and its 95 % interval, NaN of too few."""
    groups = rows.group.to_numpy(np.int64)
    # Of each answer that is given: the clips of the rarest decide how much is known.
    given = labels.values.ravel()
    enough = min(effective_groups(groups[given == answer]) for answer in np.unique(given)) >= FEWEST_GROUPS
    evaluation = evaluation_of(labels, rows, resample_weights(groups, SEED) if enough else None)
    value = float(evaluation.score(metric, scores)[0])
    if not enough:
        return value, math.nan, math.nan
    draws = evaluation.with_pseudo_group(metric, scores, evaluation.resample(metric, scores, value), value, name)
    return value, *evaluation.interval(metric, draws, value)


def evaluation_of(labels: Labels, rows: pd.DataFrame, weights: NDArray[np.float64] | None) -> Evaluation:
    """Return how clips are scored, each by itself."""
    places = np.arange(len(rows))
    groups, folds = (rows[column].to_numpy(np.int64) for column in ("group", "fold"))
    return Evaluation(places, places, labels, folds, groups, weights)
