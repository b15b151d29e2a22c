"""From scores to probabilities, and from those of tags to yes or no.

A curve is a slope and an intercept: the probability of a score s of a tag or beat is ``1 / (1 + exp(-(slope * s +
intercept)))``. Classes share one slope, and their probabilities are the softmax of ``slope * s`` (temperature scaling:
Guo et al. 2017). All is fitted to validation clips or frames, so that probes of any scale are read alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, logit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve

__all__ = ["Calibration", "best_threshold", "logistic_curves", "softmax_slope", "surest_of"]

#: As far as a logistic curve goes where there is nothing to tell apart.
#: A probability within 1e-13 of certainty, from a number that JSON can hold.
CERTAIN = 30.0
#: The least that a curve rises over a deviation of the scores.
#: Not 0, which would give all scores one probability and lose their order.
FLAT = 1e-3
#: Slopes that are looked at, as logarithms, of scores with a deviation of 1: from all classes alike to certainty.
LOG_SLOPES = (-7.0, 7.0)


@dataclass(frozen=True)
class Calibration:
    """What makes answers of scores; empty for kinds that need nothing.

    Attributes
    ----------
    curves : sequence of [slope, intercept]
        One an output; of classes one for all.
    thresholds : sequence of float
        Of tags: the probability from which on each is given.
    surest : float
        The highest probability that is ever told: see `surest_of`. 1 where many frames, not clips, are read.
    """

    curves: Sequence[Sequence[float]] = ()
    thresholds: Sequence[float] = ()
    surest: float = 1.0

    def probabilities(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the probabilities of scores, (…, output).

        Examples
        --------
        >>> Calibration(curves=[[2.0, 0.0]]).probabilities(np.array([[0.0], [1.0]])).round(3).tolist()
        [[0.5], [0.881]]
        """
        slope, intercept = np.array(self.curves).T
        shares: NDArray[np.float64] = expit(scores.astype(np.float64) * slope + intercept)
        return (1 - self.surest) + (2 * self.surest - 1) * shares

    def class_probabilities(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the probabilities of classes, of sum 1, for scores (…, class).

        Examples
        --------
        >>> Calibration(curves=[[2.0, 0.0]]).class_probabilities(np.array([0.0, 1.0])).round(3).tolist()
        [0.119, 0.881]
        """
        # Exported before classes had a slope: their scores as they are.
        slope = self.curves[0][0] if self.curves else 1.0
        shares: NDArray[np.float64] = softmax(slope * scores.astype(np.float64), axis=-1)
        others = max(1, shares.shape[-1] - 1)
        return self.surest * shares + (1 - self.surest) * (1 - shares) / others


def surest_of(rows: int) -> float:
    """Return the highest probability that so many rows can speak for, were all of them right.

    Half a row is taken to be wrong, as in Jeffreys' prior: of few rows that are all right nobody knows that the next
    one is. What is heard may be far from all of them, such as silence, and a curve that goes on would be certain of it.

    Examples
    --------
    >>> surest_of(9), surest_of(99)
    (0.95, 0.995)
    """
    return 1 - 0.5 / (rows + 1)


def softmax_slope(scores: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Return the slope with which the softmax of scores (row, class) says best how often each class is right.

    The likeliest one, of answers that are right with the probability of `surest_of`.

    Examples
    --------
    >>> scores = np.array([[1.0, 0.0]] * 100, np.float32)  # the first class, three times in four
    >>> slope = softmax_slope(scores, np.arange(100) % 4 // 3)
    >>> round(float(Calibration(curves=[[slope, 0.0]]).class_probabilities(scores[0])[0]), 2)
    0.75
    """
    rows, classes = scores.shape
    wrong = 1 - surest_of(rows)
    wanted = np.full((rows, classes), wrong / (classes - 1))
    wanted[np.arange(rows), targets] = 1 - wrong
    # Scores that are all alike have no spread to divide by.
    spread = max(float(scores.std()), 1e-12)
    unit = scores.astype(np.float64) / spread

    def loss(log_slope: float) -> float:
        return -float((wanted * log_softmax(np.exp(log_slope) * unit, axis=1)).sum())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_SLOPES, method="bounded").x)) / spread


def logistic_curves(scores: NDArray[np.float32], wanted: NDArray[np.bool_]) -> list[list[float]]:
    """Return slope and intercept, for each output, of logistic curves from scores to answers, (row, output) each.

    The likeliest ones, of answers that are right with the probability of `surest_of` as many rows as have the same
    (after Platt 1999): a curve through few rows of one answer, which the scores may tell apart by luck, would be
    certain of it. A column with only one answer gets that answer, whatever the score. No curve falls: where the rows
    show no rise it is all but flat at the share of the answer, so that the order of the scores stays.
    """
    curves = []
    for column in range(scores.shape[1]):
        yes = wanted[:, column]
        if yes.all() or not yes.any():
            curves.append([0.0, CERTAIN if yes.all() else -CERTAIN])
            continue
        known = scores[:, column][:, None].astype(np.float64)
        # Scores that are all alike have no spread to divide by.
        mean, spread = float(known.mean()), max(float(known.std()), 1e-12)
        unit = (known - mean) / spread
        sure = np.where(yes, surest_of(int(yes.sum())), surest_of(int((~yes).sum())))
        # Each row once as its answer, and for what is left as the other. Next to no penalty: two parameters need none.
        curve = LogisticRegression(C=1e6).fit(
            np.concatenate([unit, unit]), np.concatenate([yes, ~yes]), np.concatenate([sure, 1 - sure])
        )
        rise, level = float(curve.coef_[0, 0]), float(curve.intercept_[0])
        if rise < FLAT:
            rise, level = FLAT, float(logit(yes.mean()))
        curves.append([rise / spread, level - rise / spread * mean])
    return curves


def best_threshold(shares: NDArray[np.float64], wanted: NDArray[np.bool_]) -> float:
    """Return the probability from which on a tag is given so that F1 is highest; one half where nothing shows it.

    Examples
    --------
    >>> best_threshold(np.array([0.1, 0.3, 0.4, 0.9]), np.array([False, False, True, True]))
    0.4
    """
    if not wanted.any() or wanted.all():
        return 0.5
    precision, recall, thresholds = precision_recall_curve(wanted, shares)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    # scikit-learn's last point, of recall 0, has no threshold.
    return float(thresholds[int(f1[:-1].argmax())])
