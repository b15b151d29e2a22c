"""Scores become probabilities by logistic regression, and never change their order."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from layerscope.targets.calibration import logistic_curves


def test_curves_of_scores_are_those_of_logistic_regression_and_never_fall():
    random = np.random.default_rng(0)
    scores = random.normal(3, 5, (400, 3)).astype(np.float32)
    wanted = np.stack(
        [
            random.random(400) < expit(0.4 * scores[:, 0] - 1),  # rises
            random.random(400) < expit(-0.4 * scores[:, 1]),  # falls
            np.ones(400, bool),  # nothing to tell apart
        ],
        axis=1,
    )
    slope, intercept = np.array(logistic_curves(scores, wanted)).T
    known = LogisticRegression(C=1e6, tol=1e-8).fit(scores[:, :1].astype(float), wanted[:, 0])
    assert slope[0] == pytest.approx(known.coef_[0, 0], rel=1e-3)
    assert intercept[0] == pytest.approx(known.intercept_[0], rel=1e-3)
    assert slope[1] > 0
    flat = expit(slope[1] * scores[:, 1] + intercept[1])
    assert flat.std() < 0.001
    assert flat.mean() == pytest.approx(wanted[:, 1].mean(), abs=0.001)
    assert expit(slope[2] * scores[:, 2] + intercept[2]).min() > 0.999
