"""The quick probes on few labels: everything that they choose is chosen inside the clips that have a label.

Conventions
-----------
Clips are what trains, each with the mean of its windows' states: of few labels the windows of one clip are no more
evidence, and of a linear score the mean over windows is the score of their mean. States are standardised by all
training clips, which takes no label. The penalty is the one whose held-out labels cost least when the labelled clips
are divided into five, or as many as a class has, groups whole: by log loss of classes and of logits, by squared error
else, since shares of right answers of a few clips tie. Where no label can be spared (one a class) the closed form takes
its strongest, and the linear probe of classes its weakest: a strong one leaves the intercept, which it does not shrink,
to answer the class with most clips throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from layerscope.features.clip_features import Features
from layerscope.features.row_blocks import row_blocks
from layerscope.probes.closed_form import RIDGES, SHRINKAGES, Path, path_of, target_columns
from layerscope.probes.convex_solver import Regression, basis_of_rank
from layerscope.probes.inputs import Input, assemble
from layerscope.probes.linear import PENALTIES, solutions_of
from layerscope.probes.problem import inverse_deviation
from layerscope.probes.sample_sums import Moments
from layerscope.scores.layer_selection import choose
from layerscope.targets.calibration import softmax_slope
from layerscope.targets.kind import Form, Labels

__all__ = ["FEW_LABEL_PROBES", "FewLabelFit", "clip_states", "fit_few_labels", "inner_folds"]

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
#: Those of `layerscope.probes.PROBES` that are solved and not trained.
FEW_LABEL_PROBES = ("closed", "linear")
#: Parts of the labelled clips, of which each is held out once.
INNER_FOLDS = 5
#: How sure scores with a deviation of 1 may be, where penalties are compared; that of the chosen one is then found.
SLOPES = 2.0 ** np.arange(-4, 6)


@dataclass(frozen=True)
class FewLabelFit:
    """What a probe says after few labels.

    Attributes
    ----------
    scores : ndarray, shape (clip, output), float32
        For all clips.
    slope : float or None
        Of classes, how sure the scores are (see `layerscope.targets.calibration`), and 1 of other targets; None where
        no label could be held out to tell.
    """

    scores: NDArray[np.float32]
    slope: float | None


def clip_states(features: Features, chosen: Input, train: Rows, memory: float = np.inf) -> NDArray[np.float32]:
    """Return the mean state of each clip's windows, (clip, dim), with mean 0 and deviation 1 over training clips."""
    rows = assemble(features, chosen, memory)
    means = np.zeros((len(features.clips), rows.shape[1]), np.float32)
    for block in row_blocks(rows.shape):
        np.add.at(means, features.window_clip[block], rows[block])
    means /= np.bincount(features.window_clip, minlength=len(means)).astype(np.float32)[:, None]
    trained = means[train].astype(np.float64)
    mean, deviation = trained.mean(axis=0), trained.std(axis=0)
    means -= mean.astype(np.float32)
    means *= inverse_deviation(mean, deviation).astype(np.float32)
    return means


def fit_few_labels(states: NDArray[np.float32], labels: Labels, drawn: Rows, groups: Rows, probe: str) -> FewLabelFit:
    """Train on the clips that have a label.

    Parameters
    ----------
    states : ndarray, shape (clip, dim)
        See `clip_states`.
    labels : Labels
        Of all clips, of which those of `drawn` are looked at.
    drawn : ndarray of int
        The clips that have a label.
    groups : ndarray of int, shape (clip,)
        What is held out as a whole.
    probe : {"closed", "linear"}
        Which.

    Examples
    --------
    >>> from layerscope.targets import labels_of
    >>> states = np.array([[-1.0], [1.0]] * 20, np.float32)  # two kinds of clips
    >>> rows = np.arange(40)
    >>> fit = fit_few_labels(states, labels_of(["minor", "major"] * 20), rows[:4], rows, "closed")
    >>> fit.scores.argmax(axis=1)[-2:].tolist()  # classes are sorted: major, minor
    [1, 0]
    """
    form = labels.kind.form
    trained = states[drawn]
    basis = basis_of_rank(trained)
    x = (trained if basis is None else trained @ basis).astype(np.float64)
    y, shift, scale = targets_of(labels, drawn)
    folds = inner_folds(labels, groups, drawn)
    parts = [np.flatnonzero(folds == fold) for fold in range(-1, int(folds.max()) + 1)]
    *without, whole = (closed_paths if probe == "closed" else linear_paths)(x, y, parts, form)
    grid = PENALTIES if probe == "linear" else SHRINKAGES if form == "classes" else RIDGES

    def held_out(penalty: float) -> Array:
        pairs = zip(parts[1:], without, strict=True)
        return np.concatenate([scored(x[part], path(penalty)) for part, path in pairs])

    penalty, slope = grid[-1 if probe == "linear" and form == "classes" else 0], None
    if without:
        wanted, logits = y[np.concatenate(parts[1:])], probe == "linear"
        penalty = choose(grid, lambda each: -held_out_loss(held_out(each), wanted, form, logits=logits)).chosen
        slope = held_out_slope(held_out(penalty), wanted, form)
    weights, intercepts = whole(penalty)
    weights = weights if basis is None else basis @ weights
    return FewLabelFit((scored(states, (weights, intercepts)) * scale + shift).astype(np.float32), slope)


def targets_of(labels: Labels, drawn: Rows) -> tuple[Array, Array, Array]:
    """Return what is to be predicted of the labelled clips, (clip, output), and the shift and scale of values."""
    columns = target_columns(labels.take(drawn)).astype(np.float64)
    if labels.kind.form != "values":
        return columns, np.zeros(1), np.ones(1)
    # In units of their deviation, so that of several dimensions none chooses the penalty alone.
    shift, scale = columns.mean(axis=0), np.maximum(columns.std(axis=0), 1e-6)
    return (columns - shift) / scale, shift, scale


def scored(rows: NDArray[np.floating], solution: tuple[Array, Array]) -> Array:
    """Return linear scores, (row, output)."""
    result: Array = rows @ solution[0] + solution[1]
    return result


def inner_folds(labels: Labels, groups: Rows, drawn: Rows) -> Rows:
    """Return in which part each labelled clip is held out, -1 for those that never are; all -1 where none can be.

    The groups of each class go to the parts in turn, so that of as many of each none is rarer for what is held out. A
    class of which one part would hold all leaves a group where it always trains: what never trained cannot be told.
    Labels of one class alone are not held out, as no penalty would ever be wrong about them.

    Examples
    --------
    >>> from layerscope.targets import labels_of
    >>> rows = np.arange(6)
    >>> inner_folds(labels_of(["a", "a", "a", "b", "b", "c"]), rows, rows).tolist()
    [0, 1, 2, 0, 1, -1]
    """
    by_class = labels.kind.form == "classes"
    values = labels.values[drawn] if by_class else np.zeros(len(drawn), np.int64)
    _, first, units = np.unique(groups[drawn], return_index=True, return_inverse=True)
    turn = np.argsort(values[first], kind="stable")
    in_turn = values[first][turn]
    fold_of = np.empty(len(first), np.int64)
    fold_of[turn] = (np.arange(len(first)) - np.searchsorted(in_turn, in_turn)) % INNER_FOLDS
    for value in np.unique(values):
        own = np.unique(units[values == value])
        if len(np.unique(fold_of[own])) == 1:
            fold_of[own[0]] = -1
    held = np.unique(fold_of[fold_of >= 0])
    alone = by_class and len(np.unique(values[fold_of[units] >= 0])) == 1
    # A fold that lost its only group is none, and one alone can be held out only where others always train.
    if alone or not len(held) or (len(held) == 1 and not (fold_of < 0).any()):
        return np.full(len(drawn), -1)
    return np.where(fold_of < 0, -1, np.searchsorted(held, fold_of))[units]


def closed_paths(x: Array, y: Array, parts: Sequence[Rows], form: Form) -> list[Path]:
    """Return the closed form without each part but the first, and of all, as functions of the penalty."""
    sums = [Moments.of(x[part], y[part]) for part in parts]
    kept = [[each for each in sums if each is not left] for left in sums[1:]]
    return [path_of(sum_of(moments), form)[0] for moments in (*kept, sums)]


def sum_of(moments: Sequence[Moments]) -> Moments:
    """Return the moments of several parts together."""
    return Moments(*(sum(getattr(each, name) for each in moments) for name in ("count", "x", "y", "xx", "xy")))


def linear_paths(x: Array, y: Array, parts: Sequence[Rows], form: Form) -> list[Path]:
    """Return the convex probe without each part but the first, and of all, as functions of the penalty."""
    targets = torch.from_numpy(y.argmax(axis=1) if form == "classes" else y)

    def solved(rows: Rows, penalties: Sequence[float], *, roughly: bool = False) -> dict[float, tuple[Array, Array]]:
        regression = Regression(torch.from_numpy(x[rows]), targets[rows], form, y.shape[1])
        solutions, _ = solutions_of(regression, penalties, roughly=roughly)
        split = [np.split(solution.reshape(-1, y.shape[1]), [-1]) for solution in solutions]
        return {penalty: (weights, shift[0]) for penalty, (weights, shift) in zip(penalties, split, strict=True)}

    def whole(penalty: float) -> tuple[Array, Array]:
        # Each solution starts the next: the weaker ones are of no use.
        return solved(np.arange(len(x)), PENALTIES[: PENALTIES.index(penalty) + 1])[penalty]

    kept = [np.concatenate([part for part in parts if part is not left]) for left in parts[1:]]
    # To choose a penalty the last digits cost three times the work, and say nothing.
    return [*(partial(dict.__getitem__, solved(rows, PENALTIES, roughly=True)) for rows in kept), whole]


def held_out_loss(scores: Array, wanted: Array, form: Form, *, logits: bool) -> float:
    """Return the mean loss of labels that were held out, of classes the lowest at any of `SLOPES`."""
    if form == "classes":
        known, answers = known_classes(scores, wanted)
        unit = SLOPES[:, None, None] * known / max(float(known.std()), 1e-12)
        told = unit[:, np.arange(len(answers)), answers]
        return float((logsumexp_last(unit) - told).mean(axis=1).min())
    if form == "tags" and logits:
        return float(np.mean(np.logaddexp(0.0, scores) - wanted * scores))
    return float(np.square(scores - wanted).mean())


def held_out_slope(scores: Array, wanted: Array, form: Form) -> float:
    """Return how sure scores of labels that were held out can be, of classes; else 1."""
    if form != "classes":
        return 1.0
    known, answers = known_classes(scores, wanted)
    return softmax_slope(known.astype(np.float32), answers) if known.shape[1] > 1 else 1.0


def known_classes(scores: Array, wanted: Array) -> tuple[Array, Rows]:
    """Return the scores of classes that were held out, and the answers among these: of others none can be sure."""
    seen = wanted.any(axis=0)
    return scores[:, seen], wanted[:, seen].argmax(axis=1)


def logsumexp_last(values: Array) -> Array:
    """Return the logarithm of the sum of exponentials along the last axis; SciPy's takes ten times as long."""
    highest = values.max(axis=-1)
    total: Array = highest + np.log(np.exp(values - highest[..., None]).sum(axis=-1))
    return total
