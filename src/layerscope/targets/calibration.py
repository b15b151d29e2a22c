"""From the scores of tags or beats to probabilities, and from these to yes or no.

A curve is a slope and an intercept: the probability of a score s is ``1 / (1 + exp(-(slope * s + intercept)))``. Curves
are fitted to validation clips or frames, so that probes with and without a sigmoid are read alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve

__all__ = ["Calibration", "best_threshold", "logistic_curves"]

#: As far as a logistic curve goes where there is nothing to tell apart.
#: A probability within 1e-13 of certainty, from a number that JSON can hold.
CERTAIN = 30.0
#: The least that a curve rises over a deviation of the scores.
#: Not 0, which would give all scores one probability and lose their order.
FLAT = 1e-3


@dataclass(frozen=True)
class Calibration:
    """What makes answers of scores; empty for kinds that need nothing.

    Attributes
    ----------
    curves : sequence of [slope, intercept]
        One an output.
    thresholds : sequence of float
        Of tags: the probability from which on each is given.
    """

    curves: Sequence[Sequence[float]] = ()
    thresholds: Sequence[float] = ()

    def probabilities(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the probabilities of scores, (…, output).

        Examples
        --------
        >>> Calibration(curves=[[2.0, 0.0]]).probabilities(np.array([[0.0], [1.0]])).round(3).tolist()
        [[0.5], [0.881]]
        """
        slope, intercept = np.array(self.curves).T
        shares: NDArray[np.float64] = expit(scores.astype(np.float64) * slope + intercept)
        return shares


def logistic_curves(scores: NDArray[np.float32], wanted: NDArray[np.bool_]) -> list[list[float]]:
    """Return slope and intercept, for each output, of logistic curves from scores to answers, (row, output) each.

    A column with only one answer gets that answer, whatever the score. No curve falls: where the rows show no
    rise it is all but flat at the share of the answer, so that the order of the scores stays.
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
        # Next to no penalty: two parameters need none, but where the answers are separable the slope must stay finite.
        curve = LogisticRegression(C=1e6).fit((known - mean) / spread, yes)
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
