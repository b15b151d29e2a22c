from dataclasses import replace

import numpy as np
import pytest
import torch
from problems import make_problem, planted_mixture
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression, Ridge

from layerscope.probes.convex_solver import Regression, basis_of_rank, linear_scores
from layerscope.probes.linear import PENALTIES, fit_linear
from layerscope.probes.linear_mixture import solve_mixture, tied_mixtures


def solved(problem, penalty, kind):
    states = problem.standardised()
    targets = problem.labels.values
    if kind == "values":
        targets = (targets - targets[problem.train].mean(0)) / targets[problem.train].std(0)
    train = torch.from_numpy(problem.train)
    inputs = torch.from_numpy(states).double()
    outputs = len(problem.labels.names)
    regression = Regression(inputs[train], torch.from_numpy(targets)[train], kind, outputs)
    found = regression.solve(penalty, regression.zeros()).x
    return states, targets, linear_scores(torch.from_numpy(found), inputs, outputs).numpy()


@pytest.mark.parametrize("penalty", PENALTIES)
def test_classes_are_scikit_learns_logistic_regression(penalty):
    problem = make_problem("classes")
    states, targets, scores = solved(problem, penalty, "classes")
    states = states.astype(np.float64)  # in float32 the reference stops early
    reference = LogisticRegression(C=1 / (penalty * len(problem.train)), tol=1e-8, max_iter=10_000)
    reference.fit(states[problem.train], targets[problem.train])
    expected = reference.predict_proba(states)
    np.testing.assert_allclose(torch.from_numpy(scores).softmax(1), expected, atol=2e-4)


def test_tags_are_one_logistic_regression_each():
    problem = make_problem("tags")
    states, targets, scores = solved(problem, 0.1, "tags")
    states = states.astype(np.float64)
    for tag in range(3):
        reference = LogisticRegression(C=1 / (0.1 * len(problem.train)), tol=1e-8, max_iter=10_000)
        reference.fit(states[problem.train], targets[problem.train, tag])
        np.testing.assert_allclose(scores[:, tag], reference.decision_function(states), atol=2e-4)


def test_values_are_ridge_regression():
    problem = make_problem("values")
    states, targets, scores = solved(problem, 0.1, "values")
    reference = Ridge(alpha=0.1 * len(problem.train)).fit(states[problem.train], targets[problem.train])
    np.testing.assert_allclose(scores, reference.predict(states), atol=1e-4)


def test_the_rotation_changes_nothing_but_the_size():
    problem = make_problem("classes", clips=60, dim=200)
    states = problem.standardised()
    rotated = (states @ basis_of_rank(states[problem.train])).astype(np.float32)
    assert rotated.shape == (60, 36)
    train = states[problem.train].astype(np.float64)
    np.testing.assert_allclose(rotated[problem.train] @ rotated[problem.train].T, train @ train.T, rtol=1e-3, atol=1e-2)
    targets = problem.labels.values[problem.train]
    probabilities = [
        LogisticRegression(C=0.1, tol=1e-8, max_iter=10_000).fit(one[problem.train], targets).predict_proba(one)
        for one in (states, rotated)
    ]
    np.testing.assert_allclose(*probabilities, atol=1e-4)


def test_a_high_dimension_gives_scikit_learns_accuracy():
    problem = make_problem("classes", clips=100, dim=300)
    prediction = fit_linear(problem, [0])[0]
    states = problem.standardised()
    reference = LogisticRegression(
        C=1 / (prediction.settings["penalty"] * len(problem.train)), tol=1e-8, max_iter=10_000
    )
    reference.fit(states[problem.train], problem.labels.values[problem.train])
    np.testing.assert_array_equal(prediction.scores.argmax(1), reference.predict(states))


@pytest.mark.parametrize("kind", ["classes", "tags", "values"])
def test_the_penalty_is_chosen_on_validation_and_outputs_are_in_the_labels_units(kind):
    problem = make_problem(kind, noise=0.3, windows=2)
    prediction = fit_linear(problem, [0, 1, 2])
    assert len(prediction) == 1
    assert prediction[0].settings["penalty"] in PENALTIES
    if kind == "values":
        assert np.abs(prediction[0].scores - problem.labels.values).mean() < 1.5


def test_a_mixture_is_learnt_jointly():
    prediction = fit_linear(make_problem("classes", clips=300, noise=0.2, layers=3), [0])[0]
    assert np.argmax(prediction.mixture) == 1
    assert prediction.mixture[1] > 0.6


@pytest.mark.parametrize("kind", ["classes", "tags", "values"])
@pytest.mark.parametrize("shares", [(0, 0.5, 0, 0.5, 0), (0.1, 0.4, 0.1, 0.3, 0.1), (0, 0, 1, 0, 0)])
def test_a_planted_mixture_is_found(kind, shares):
    prediction = fit_linear(planted_mixture(kind, shares, clips=600), [0])[0]
    np.testing.assert_allclose(prediction.mixture, shares, atol=0.05)


def test_a_mixture_of_two_half_informative_layers_beats_either():
    problem = planted_mixture("classes", (0, 0.5, 0.5), clips=600)
    mixed, *alone = (
        fit_linear(replace(problem, states=states), [0])[0]
        for states in (problem.states, problem.states[:, 1], problem.states[:, 2])
    )
    tested = problem.labels.take(problem.test)
    best, *others = (tested.score(found.scores[problem.test])[0] for found in (mixed, *alone))
    assert best > max(others) + 0.15


def mixture_case(kind="classes", **changes):
    """Return a problem with a mixture, as it is solved on the training rows."""
    problem = planted_mixture(kind, **{"shares": (0.2, 0.5, 0.3), "clips": 60, "dim": 4, **changes})
    inputs = torch.from_numpy(problem.standardised()).double()[problem.train]
    return Regression(inputs, torch.from_numpy(problem.labels.values)[problem.train], kind, len(problem.labels.names))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_loss_of_a_mixture_is_above_neither_a_single_layers_nor_that_of_equal_shares(penalty):
    regression = mixture_case(clips=100, dim=8)
    found = solve_mixture(regression, penalty, tied_mixtures(regression))
    loss = regression.objective(penalty)(found)[0]
    fixed = [regression.inputs.mean(dim=1), *regression.inputs.unbind(dim=1)]
    for states in fixed:
        alone = replace(regression, inputs=states)
        exact = alone.solve(penalty, alone.zeros()).x
        assert loss <= alone.objective(penalty)(exact)[0] + 1e-7


@pytest.mark.parametrize("penalty", [1.0, 0.1, 0.01, 0.001])
def test_the_optimum_of_a_mixture_is_that_of_another_optimiser(penalty):
    """Sequential least squares over a softmax, from many random starts, with the loss written anew."""
    regression = mixture_case()
    outputs = regression.outputs
    x, hot = regression.inputs.numpy(), np.eye(outputs)[regression.targets]

    def loss(vector):
        weights, logits = vector[:-3].reshape(-1, outputs), vector[-3:]
        scores = np.einsum("nld,l->nd", x, softmax(logits)) @ weights[:-1] + weights[-1]
        return (np.logaddexp.reduce(scores, axis=1) - (scores * hot).sum(1)).mean() + penalty / 2 * (
            weights[:-1] ** 2
        ).sum()

    random = np.random.default_rng(0)
    starts = random.normal(size=(8, 5 * outputs + 3))
    expected = min(
        minimize(loss, start, method="SLSQP", options={"maxiter": 1000, "ftol": 1e-12}).fun for start in starts
    )
    found = solve_mixture(regression, penalty, tied_mixtures(regression))
    assert regression.objective(penalty)(found)[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_real_features_agree_with_scikit_learn_to_half_a_point_on_every_layer(instruments, golden):
    """The whole way, on 5 folds: features, standardisation inside each fold, the same penalty."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from layerscope.atomic_files import cache_directory
    from layerscope.data.dataset import Dataset
    from layerscope.data.splits import assign, parts_of
    from layerscope.encoders import load_encoder
    from layerscope.features.encoder_pass import Pass
    from layerscope.features.stored_features import stored_features
    from layerscope.probes import Problem

    encoder = load_encoder(golden / "muq-small")
    dataset = Dataset.load(instruments).survey()
    store = Pass(encoder, 30.0).store(cache_directory())
    Pass(encoder, 30.0).extract(dataset.clips, store)
    features = stored_features(store, dataset.clips)
    labels = dataset.labels("label")
    parts = parts_of(assign(dataset.clips, labels, 0, folds=5))
    for position in range(len(features.layers)):
        states, ours, theirs = features.read(position)[:], 0, 0
        for part in parts:
            problem = Problem(states, features.window_clip, labels, part.train, part.valid, part.test)
            prediction = fit_linear(problem, [0])[0]
            windows = problem.windows_of(part.train)
            strength = 1 / (prediction.settings["penalty"] * len(windows))
            reference = make_pipeline(StandardScaler(), LogisticRegression(C=strength, tol=1e-6, max_iter=10_000))
            reference.fit(states[windows].astype(np.float64), labels.values[features.window_clip[windows]])
            scores = np.zeros((len(labels.values), len(labels.names)))
            np.add.at(scores, features.window_clip, reference.decision_function(states))
            ours += (prediction.scores[part.test].argmax(1) == labels.values[part.test]).sum()
            theirs += (scores[part.test].argmax(1) == labels.values[part.test]).sum()
        assert abs(ours - theirs) / len(labels.values) <= 0.005


def test_many_frames_decide_as_scikit_learn_does():
    """Above 10,000 rows the probe works in single precision and stops earlier: within 0.1 points of the reference."""
    problem = make_problem("classes", clips=20_000, dim=40, outputs=6, noise=2.0)
    found = fit_linear(problem, [0])[0]
    states, values = problem.standardised().astype(np.float64), problem.labels.values
    penalty = found.settings["penalty"]
    reference = LogisticRegression(C=1 / (penalty * len(problem.train)), tol=1e-8, max_iter=10_000)
    reference.fit(states[problem.train], values[problem.train])
    expected = (reference.predict(states[problem.test]) == values[problem.test]).mean()
    assert (found.scores[problem.test].argmax(axis=1) == values[problem.test]).mean() == pytest.approx(
        expected, abs=1e-3
    )


def test_a_search_that_is_cut_short_is_said(monkeypatch):
    problem = make_problem("tags", clips=300, noise=0.3)
    assert "cut" not in fit_linear(problem, [0])[0].settings
    monkeypatch.setattr("layerscope.probes.convex_solver.WORK", 0.0)
    monkeypatch.setattr("layerscope.probes.convex_solver.FEWEST_ITERATIONS", 2)
    assert fit_linear(problem, [0])[0].settings["cut"] == 1.0


def test_a_large_mixture_starts_from_equal_shares_alone_and_says_so(monkeypatch):
    problem = make_problem("classes", clips=300, noise=0.2, layers=3)
    monkeypatch.setattr("layerscope.probes.linear_mixture.MANY_NUMBERS", 1000)
    prediction = fit_linear(problem, [0])[0]
    assert prediction.settings["cut"] == 1.0
    assert np.argmax(prediction.mixture) == 1
