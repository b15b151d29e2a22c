from dataclasses import replace

import numpy as np
import pytest
from problems import make_problem
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from layerscope.features import row_blocks
from layerscope.features.row_blocks import LazyRows
from layerscope.probes import apply_probe
from layerscope.probes.knn import NEIGHBOURS, TEMPERATURE, fit_knn, nearest
from layerscope.probes.linear import fit_linear
from layerscope.probes.problem import Problem
from layerscope.targets import KINDS, Labels


def vote(distances):
    """Weigh neighbours as the probe does, by scikit-learn's cosine distances."""
    return np.exp((distances.min(axis=1, keepdims=True) - distances) / TEMPERATURE)


def standardised(problem):
    mean, scale = problem.standard
    return ((problem.states - mean) * scale).astype(np.float32)


def held_to(problem, count):
    return replace(problem, settings={"neighbours": float(count)})


@pytest.mark.parametrize("count", [1, 5, 50])
def test_shares_of_classes_are_scikit_learns(count):
    problem = held_to(make_problem("classes"), count)
    reference = KNeighborsClassifier(count, metric="cosine", weights=vote)
    x, classes = standardised(problem), problem.labels.values
    shares = reference.fit(x[problem.train], classes[problem.train]).predict_proba(x[problem.test])
    prior = (np.bincount(classes[problem.train]) + 1) / (len(problem.train) + 3)
    expected = np.log((count * shares + prior) / (count + 1))
    (prediction,) = fit_knn(problem, [0])
    np.testing.assert_allclose(prediction.scores[problem.test], expected, atol=1e-4)
    assert prediction.settings == {"neighbours": count}


@pytest.mark.parametrize("kind", ["tags", "values"])
def test_shares_of_tags_and_means_of_values_are_scikit_learns(kind):
    problem = held_to(make_problem(kind), 10)
    x, targets = standardised(problem), problem.labels.values
    reference = KNeighborsRegressor(10, metric="cosine", weights=vote)
    expected = reference.fit(x[problem.train], targets[problem.train]).predict(x[problem.test])
    (prediction,) = fit_knn(problem, [0])
    np.testing.assert_allclose(prediction.scores[problem.test], expected, rtol=1e-3, atol=1e-3)


def test_equal_windows_of_a_clip_say_what_one_does():
    once, twice = (held_to(make_problem("values", windows=windows), 1) for windows in (1, 2))
    (expected,), (prediction,) = fit_knn(once, [0]), fit_knn(twice, [0])
    np.testing.assert_allclose(prediction.scores[once.test], expected.scores[once.test], rtol=1e-4)


def test_it_is_the_same_by_blocks(monkeypatch):
    problem = make_problem("tags", windows=2)
    (whole,) = fit_knn(problem, [0])
    lazy = replace(problem, states=LazyRows(problem.states.shape, lambda rows: problem.states[rows], memory=1.0))
    # Blocks of ten windows.
    monkeypatch.setattr(row_blocks, "BLOCK", 120)
    (parted,) = fit_knn(lazy, [0])
    np.testing.assert_allclose(parted.scores, whole.scores, atol=1e-5)
    assert parted.settings == whole.settings
    assert "states" in whole.weights
    assert "states" not in parted.weights


@pytest.mark.parametrize("kind", ["classes", "tags", "values"])
def test_its_weights_say_the_same_of_states_that_come_later(kind):
    problem = make_problem(kind)
    (prediction,) = fit_knn(problem, [0])
    rows = problem.test
    applied = apply_probe(prediction.weights, problem.states[rows])
    np.testing.assert_allclose(applied, prediction.scores[rows], atol=1e-5)


def test_neighbours_are_found_beyond_the_first_block(monkeypatch):
    random = np.random.default_rng(0)
    queries, trained = (random.normal(size=(count, 4)).astype(np.float32) for count in (7, 50))
    cosines, rows = nearest(queries, trained, 5)
    monkeypatch.setattr(row_blocks, "BLOCK", 12)
    again, same = nearest(queries, trained, 5)
    np.testing.assert_allclose(cosines, again, atol=1e-6)
    np.testing.assert_array_equal(rows, same)
    directions = trained / np.linalg.norm(trained, axis=1, keepdims=True)
    expected = np.argsort(-queries @ directions.T, axis=1)[:, :5]
    np.testing.assert_array_equal(rows, expected)


def exclusive_or(clips=400, dim=6, seed=0):
    """Return classes that no plane parts: whether two columns have the same sign."""
    random = np.random.default_rng(seed)
    states = 0.3 * random.normal(size=(clips, dim))
    signs = random.choice([-1.0, 1.0], size=(clips, 2))
    states[:, :2] += 3 * signs
    classes = (signs[:, 0] == signs[:, 1]).astype(np.int64)
    parts = np.split(random.permutation(clips), [clips // 2, 3 * clips // 4])
    return Problem(
        states.astype(np.float32), np.arange(clips), Labels(KINDS["classes"], ("other", "same"), classes), *parts
    )


def test_it_hears_what_no_plane_parts():
    problem = exclusive_or()
    tested = problem.labels.take(problem.test)
    assert tested.score(fit_knn(problem, [0])[0].scores[problem.test])[0] > 0.95
    assert tested.score(fit_linear(problem, [0])[0].scores[problem.test])[0] < 0.7


def test_a_class_that_no_window_trains_is_never_said():
    problem = make_problem("classes", clips=60, outputs=3)
    problem.labels.values[problem.train] = problem.labels.values[problem.train] % 2
    (prediction,) = fit_knn(problem, [0])
    assert (prediction.scores[problem.test].argmax(axis=1) < 2).all()


def test_no_more_neighbours_vote_than_there_are_windows():
    problem = make_problem("values", clips=15)
    (prediction,) = fit_knn(problem, [0])
    assert prediction.settings["neighbours"] <= len(problem.train) < NEIGHBOURS[0]


def test_states_that_are_all_alike_give_a_finite_answer():
    problem = make_problem("classes")
    problem.states[:] = 3.0
    assert np.isfinite(fit_knn(problem, [0])[0].scores).all()
