"""Scores become probabilities by logistic regression, and never change their order."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from layerscope import Features
from layerscope.data.splits import parts_of
from layerscope.probes import assemble, inputs_of
from layerscope.probes.fitting import Job, Target, single_thread, train_part
from layerscope.targets.calibration import Calibration, logistic_curves, softmax_slope
from layerscope.targets.classes import Classes
from layerscope.targets.tags import Tags


def test_curves_of_scores_are_those_of_logistic_regression_and_never_fall():
    random = np.random.default_rng(0)
    count = 40_000  # so that half a row more of each answer is next to nothing
    scores = random.normal(3, 5, (count, 3)).astype(np.float32)
    wanted = np.stack(
        [
            random.random(count) < expit(0.4 * scores[:, 0] - 1),  # rises
            random.random(count) < expit(-0.4 * scores[:, 1]),  # falls
            np.ones(count, bool),  # nothing to tell apart
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


@pytest.mark.parametrize(("clips", "positives"), [(20, 2), (40, 4)])
def test_a_tag_that_few_clips_have_is_not_told_more_surely_than_it_is_right(clips, positives):
    told, right = [], []
    for seed in range(100):
        random = np.random.default_rng(seed)
        # Scores of clips with the tag lie 1.5 deviations higher; new clips have it as often.
        wanted = np.arange(clips + 2000) % clips < positives
        scores = (random.normal(size=len(wanted)) + 1.5 * wanted).astype(np.float32)[:, None]
        calibration = Tags().calibrate(scores[:clips], wanted[:clips, None].astype(np.float32))
        shares = calibration.probabilities(scores[clips:])[:, 0]
        told.append(shares[shares > 0.5])
        right.append(wanted[clips:][shares > 0.5])
    # By curves through the rows as they are it was 0.35 and 0.21 too much.
    assert np.concatenate(told).mean() - np.concatenate(right).mean() < 0.17


@pytest.mark.parametrize("probe", ["closed", "linear", pytest.param("mlp", marks=pytest.mark.slow)])
def test_probabilities_of_classes_say_how_often_they_are_right(probe):
    """Calibrated on 75 validation clips, and judged on 2,000 new ones, for which the raw softmax is off by far more."""
    count, tested, gaps = 300, 2000, []
    for seed in range(3):
        random = np.random.default_rng(seed)
        classes = np.arange(count + tested) % 4
        states = random.normal(size=(4, 40))[classes] * 0.4 + random.normal(size=(len(classes), 40))
        split = np.where(np.arange(len(classes)) < count, "train", "test").astype("<U5")
        split[: count // 4] = "valid"
        features = Features.from_arrays(states[:, None], classes.astype(str), splits=list(split))
        part = parts_of(features.clips)[0]
        job = Job(features, inputs_of(features)[0], probe)
        with single_thread():
            target = Target(features.labels, [part])
            scores = train_part(job, assemble(features, job.chosen), target, 0, [0])[0].scores
        values = features.labels.values
        calibration = features.labels.kind.calibrate(scores[part.valid], values[part.valid])
        highest = calibration.class_probabilities(scores[part.test]).max(axis=1)
        gaps.append(highest.mean() - (scores[part.test].argmax(axis=1) == values[part.test]).mean())
    # An accuracy on 75 clips is known to 4 points (one standard error), the mean of three to 2.5.
    assert abs(np.mean(gaps)) < 0.05


def test_a_slope_keeps_the_order_and_is_finite_where_all_is_right_or_nothing_told_apart():
    right = np.eye(3, dtype=np.float32)[np.arange(30) % 3]
    slope = softmax_slope(right, np.arange(30) % 3)
    assert 0.95 < Calibration([[slope, 0.0]]).class_probabilities(right).max() < 0.999
    flat = softmax_slope(np.ones((30, 3), np.float32), np.arange(30) % 3)
    assert Calibration([[flat, 0.0]]).class_probabilities(np.ones(3)) == pytest.approx([1 / 3] * 3)
    wrong = softmax_slope(right, (np.arange(30) + 1) % 3)  # never falls, though all is wrong
    assert np.array_equal(np.argmax(Calibration([[wrong, 0.0]]).class_probabilities(right), axis=1), np.arange(30) % 3)


def test_what_is_far_from_all_clips_is_not_told_with_more_than_these_can_speak_for():
    right = np.eye(3, dtype=np.float32)[np.arange(49) % 3]
    calibration = Classes().calibrate(right, np.arange(49) % 3)
    far = calibration.class_probabilities(np.array([1e6, 0.0, -1e6]))
    assert far == pytest.approx([0.99, 0.005, 0.005])
    assert far.sum() == pytest.approx(1.0)
    # A tag that no clip has, and one that all have.
    tags = Tags().calibrate(np.zeros((49, 2), np.float32), np.tile([0.0, 1.0], (49, 1)))
    assert tags.probabilities(np.array([1e6, -1e6])) == pytest.approx([0.01, 0.99])


def test_thresholds_are_of_the_probabilities_that_are_told():
    scores = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    wanted = (scores > 0.2).astype(np.float32)
    calibration = Tags().calibrate(scores, wanted)
    told = calibration.probabilities(scores)
    assert np.array_equal(told >= calibration.thresholds[0], wanted > 0.5)
