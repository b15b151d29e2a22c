import numpy as np
import pytest
from problems import make_problem
from sklearn.covariance import ShrunkCovariance
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge

from layerscope.probes.closed_form import RIDGES, SHRINKAGES, fit_closed_form, lda_path, ridge_path
from layerscope.probes.problem import Problem
from layerscope.probes.sample_sums import Moments
from layerscope.targets import KINDS, Labels


@pytest.mark.parametrize("penalty", [RIDGES[0], 0.1, RIDGES[-1]])
def test_ridge_is_scikit_learns(penalty):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(80, 10)), random.normal(size=(80, 2))
    weights, intercepts = ridge_path(Moments.of(x, y))(penalty)
    reference = Ridge(alpha=penalty * 80).fit(x, y)
    np.testing.assert_allclose(x @ weights + intercepts, reference.predict(x), atol=1e-8)


@pytest.mark.parametrize("shrinkage", [SHRINKAGES[0], 0.5, 0.01])
def test_lda_is_scikit_learns_with_the_same_covariance(shrinkage):
    random = np.random.default_rng(0)
    classes = random.integers(0, 3, 120)
    x = random.normal(size=(120, 8)) @ random.normal(size=(8, 8)) + 0.7 * classes[:, None]
    weights, intercepts = lda_path(Moments.of(x, np.eye(3)[classes]))(shrinkage)
    reference = LinearDiscriminantAnalysis(
        solver="lsqr", covariance_estimator=ShrunkCovariance(shrinkage=shrinkage)
    ).fit(x, classes)
    scores = x @ weights + intercepts
    # Scores are defined up to what all classes share.
    expected = reference.decision_function(x)
    np.testing.assert_allclose(scores - scores[:, :1], expected - expected[:, :1], atol=1e-8)


def test_a_class_without_training_clips_is_never_predicted():
    weights, intercepts = lda_path(Moments.of(np.random.default_rng(0).normal(size=(20, 3)), np.eye(3)[[0, 2] * 10]))(
        0.5
    )
    states = 100 * np.random.default_rng(1).normal(size=(1000, 3))
    assert ((states @ weights + intercepts).argmax(axis=1) != 1).all()


@pytest.mark.parametrize("dim", [6, 200])
def test_one_training_clip_a_class_says_the_nearest_and_never_a_class_it_has_not_seen(dim):
    random = np.random.default_rng(0)
    classes = np.array([*np.repeat(np.arange(4), 8), 4])
    states = (random.normal(size=(5, dim))[classes] + 0.1 * random.normal(size=(33, dim))).astype(np.float32)
    rows = np.arange(33)
    train, valid = np.flatnonzero(rows % 8 == 0)[:4], np.flatnonzero(rows % 8 == 1)
    test = np.setdiff1d(rows, [*train, *valid])
    labels = Labels(KINDS["classes"], tuple("abcde"), classes)
    prediction = fit_closed_form(Problem(states, rows, labels, train, valid, test), [0])[0]
    answers = prediction.scores.argmax(axis=1)
    assert (answers[:32] == classes[:32]).all()
    assert answers[32] != 4


@pytest.mark.parametrize("kind", ["classes", "tags", "values"])
@pytest.mark.parametrize("dim", [12, 300])
def test_what_is_linear_is_found(kind, dim):
    problem = make_problem(kind, clips=600, dim=dim, noise=0.3, windows=2)
    prediction = fit_closed_form(problem, [0])[0]
    found = problem.labels.take(problem.test).score(prediction.scores[problem.test])[0]
    assert found > (0.8 if dim == 12 else 0.5)


def test_constant_states_give_a_prediction_all_the_same():
    problem = make_problem("classes")
    problem.states[:] = 3.0
    assert np.isfinite(fit_closed_form(problem, [0])[0].scores).all()
