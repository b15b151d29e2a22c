import numpy as np
import pytest
import torch
from problems import make_problem

from layerscope.probes.problem import loss_of, target_tensor, validation_score


def test_standardisation_is_that_of_the_training_windows_alone():
    problem = make_problem("classes", windows=2)
    problem.states[problem.windows_of(problem.test)] += 1000
    states = problem.standardised()
    train = states[problem.windows_of(problem.train)]
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-4)
    assert states[problem.windows_of(problem.test)].mean() > 5


def test_constant_columns_become_zero_not_noise():
    problem = make_problem("classes")
    problem.states[:, 3] = 1e6
    assert (problem.standardised()[:, 3] == 0).all()


def test_windows_of_clips():
    problem = make_problem("classes", windows=3)
    assert problem.windows_of(np.array([1, 0])).tolist() == [0, 1, 2, 3, 4, 5]


def test_values_are_scaled_by_training_clips_and_restored():
    problem = make_problem("values")
    targets, (shift, scale) = target_tensor(problem)
    train = targets[torch.from_numpy(problem.train)]
    assert train.mean(0).abs().max() < 1e-5
    np.testing.assert_allclose(targets.numpy() * scale + shift, problem.labels.values, rtol=1e-4)


def test_losses_are_the_textbooks():
    scores = torch.tensor([[2.0, 0.0]])
    assert float(loss_of("classes", scores, torch.tensor([0]))) == pytest.approx(np.log1p(np.exp(-2)))
    assert float(loss_of("tags", scores, torch.tensor([[1.0, 0.0]]))) == pytest.approx(
        (np.log1p(np.exp(-2)) + np.log(2)) / 2
    )
    assert float(loss_of("values", scores, torch.tensor([[0.0, 0.0]]))) == pytest.approx(2.0)


def test_the_validation_score_is_of_the_validation_clips_only():
    problem = make_problem("classes")
    right = np.eye(3, dtype=np.float32)[problem.labels.values]
    wrong_on_valid, right_on_valid_only = right.copy(), -right
    wrong_on_valid[problem.valid] *= -1
    right_on_valid_only[problem.valid] *= -1
    assert validation_score(problem, wrong_on_valid) == 0.0
    assert validation_score(problem, right_on_valid_only) == 1.0
