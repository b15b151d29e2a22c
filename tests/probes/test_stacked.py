from dataclasses import replace

import numpy as np
import pytest
import torch
from problems import make_problem

from layerscope.errors import ResourceError
from layerscope.features.row_blocks import LazyRows
from layerscope.probes import apply_probe, stacked
from layerscope.probes.mlp import LEARNING_RATES, fit_mlp
from layerscope.probes.stacked import fit_stacked, problems_at_once
from layerscope.tasks.task import Schedule

CPU = torch.device("cpu")


def layers_of(problem, count=2):
    """Return a problem with a short schedule, in which rates are halved, and others that differ in their states."""
    problem = replace(problem, schedule=Schedule(epochs=15, stop_after=3, halve_after=1))
    random = np.random.default_rng(1)
    noise = [random.normal(size=problem.states.shape).astype(np.float32) for _ in range(count - 1)]
    scale = problem.states.std(axis=0)
    return [problem, *(replace(problem, states=problem.states + scale * each) for each in noise)]


def assert_same(together, alone, states):
    """Hold trainings to be the same within rounding: rate, epoch, what they say and what they keep to say it."""
    for one, other in zip(together, alone, strict=True):
        assert one.settings == other.settings
        np.testing.assert_allclose(one.mixture, other.mixture, rtol=1e-4)
        largest = np.abs(other.scores).max()
        np.testing.assert_allclose(one.scores, other.scores, rtol=0, atol=1e-4 * largest)
        windows = apply_probe(one.weights, states)
        np.testing.assert_allclose(windows, apply_probe(other.weights, states), rtol=0, atol=1e-4 * largest)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("classes", {"windows": 2}),
        ("tags", {}),
        ("values", {}),
        ("classes", {"layers": 3}),  # a mixture
    ],
)
def test_a_stack_trains_as_the_loop_does(kind, options):
    problems = layers_of(make_problem(kind, clips=110, **options))
    for together, problem in zip(fit_stacked(problems, [3, 4], CPU), problems, strict=True):
        assert_same(together, fit_mlp(problem, [3, 4]), problem.states)


def test_large_batches_and_states_that_are_read_by_blocks_change_nothing(monkeypatch):
    problems = layers_of(make_problem("tags", clips=80, windows=2))
    for module in (stacked.batch_size.__globals__, vars(stacked)):
        # As many rows as frames are, and a device that holds none of them.
        monkeypatch.setitem(module, "MANY", 60)
        monkeypatch.setitem(module, "FRAME_BATCH", 40)
    monkeypatch.setattr(stacked, "room", lambda _: 0.0)
    monkeypatch.setattr(stacked, "NUMBERS", 5000)
    lazily = [replace(one, states=LazyRows(one.states.shape, one.states.__getitem__)) for one in problems]
    for together, problem in zip(fit_stacked(lazily, [0], CPU), problems, strict=True):
        assert_same(together, fit_mlp(problem, [0]), problem.states)


def test_what_memory_does_not_hold_together_is_trained_in_turns(monkeypatch):
    problems = layers_of(make_problem("classes", clips=60))
    expected, sizes, whole = fit_stacked(problems, [0], CPU), [], stacked.Together.__init__

    def small(self, stack, trainings):
        sizes.append(len(trainings))
        if len(trainings) > 5:
            raise torch.OutOfMemoryError
        whole(self, stack, trainings)

    monkeypatch.setattr(stacked.Together, "__init__", small)
    for together, alone, problem in zip(fit_stacked(problems, [0], CPU), expected, problems, strict=True):
        assert_same(together, alone, problem.states)
    assert sizes == [12, 6, 3, 3, 3, 3]


def test_a_device_without_memory_for_a_single_training_is_named(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(stacked.Together, "__init__", full)
    with pytest.raises(ResourceError, match="--device cpu"):
        fit_stacked([make_problem("classes", clips=60)], [0], CPU)


def test_as_many_problems_as_fit_are_trained_together(monkeypatch):
    monkeypatch.setattr(stacked, "room", lambda _: 20e9)
    # A layer of 1024, 4,000 windows, six trainings of 0.5 million numbers, held eight times: about 0.12 GB.
    most = problems_at_once((4000, 1024), 10, 2400, 2, CPU)
    numbers = 4000 * 1024 + len(LEARNING_RATES) * 8 * 0.53e6
    assert 0.8 * 20e9 / (4 * numbers) < most < 20e9 / (4 * numbers)
    assert problems_at_once((4_000_000, 13, 1024), 10, 2400, 2, CPU) == 1


def test_the_callers_random_numbers_stay_as_they_were():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fit_stacked(layers_of(make_problem("classes", clips=60), 1), [0], CPU)
    assert torch.rand(1) == expected
