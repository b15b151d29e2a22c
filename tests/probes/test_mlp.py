import numpy as np
import pytest
import torch
from problems import SHORT, make_problem, planted_mixture

from layerscope.probes.mlp import LEARNING_RATES, MLP, fit_mlp, predict, train_once


def test_the_architecture_is_marbles():
    probe = MLP(7, 3)
    assert [tuple(value.shape) for value in probe.parameters()] == [(512, 7), (512,), (3, 512), (3,)]
    assert probe.dropout.p == 0.2
    assert LEARNING_RATES == (5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2)


@pytest.mark.parametrize("kind", ["classes", "tags", "values"])
def test_what_can_be_learnt_is_learnt(kind):
    problem = make_problem(kind, clips=250, noise=0.2, windows=2)
    prediction = fit_mlp(problem, [0])[0]
    found = problem.labels.take(problem.test).score(prediction.scores[problem.test])[0]
    assert found > 0.85
    assert prediction.settings["learning_rate"] in LEARNING_RATES


def test_same_seeds_same_numbers_and_other_seeds_other_ones():
    problem = make_problem("classes", schedule=SHORT)
    first, again = fit_mlp(problem, [0, 1]), fit_mlp(problem, [0, 1])
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
    assert not np.array_equal(first[0].scores, first[1].scores)
    assert first[0].settings["learning_rate"] == first[1].settings["learning_rate"]


def test_the_best_epoch_is_restored_not_the_last():
    problem = make_problem("classes", clips=100, noise=3.0)
    states = problem.standardised()
    best = train_once(problem, states, 1e-2, 0)
    restored = problem.labels.take(problem.valid).score(predict(best.probe, states)[problem.valid])[0]
    assert restored == pytest.approx(best.rank[0])
    assert best.epoch < 100


def test_the_mixture_finds_the_layer_that_knows():
    problem = make_problem("classes", clips=300, noise=0.2, layers=3)
    prediction = fit_mlp(problem, [0])[0]
    assert sum(prediction.mixture) == pytest.approx(1.0)
    assert np.argmax(prediction.mixture) == 1


def test_a_planted_mixture_is_found():
    prediction = fit_mlp(planted_mixture("classes", (0, 0.5, 0, 0.5), clips=600), [0])[0]
    np.testing.assert_allclose(prediction.mixture, (0, 0.5, 0, 0.5), atol=0.15)


def test_test_labels_are_never_looked_at():
    problem = make_problem("classes", schedule=SHORT)
    before = fit_mlp(problem, [0])[0]
    problem.labels.values[problem.test] = 0
    np.testing.assert_array_equal(before.scores, fit_mlp(problem, [0])[0].scores)


def test_training_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train_once(make_problem("classes"), np.zeros((150, 12), np.float32), 1e-3, 0)
    assert torch.rand(1) == expected
