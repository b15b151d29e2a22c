import math
from dataclasses import replace

import pytest
import torch
from problems import make_problem
from torch import nn

from layerscope.probes.epochs import train_epochs, with_best_rate
from layerscope.tasks.task import Schedule


def trained(scores, settings=None):
    """Train a probe whose weight counts the epochs, and which validation likes as `scores` say."""
    schedule = Schedule(epochs=len(scores), stop_after=2)
    problem = replace(make_problem("classes", schedule=schedule), settings=settings)

    def count(probe, optimizer):
        del optimizer
        with torch.no_grad():
            probe.weight += 1

    def make():
        probe = nn.Linear(1, 1)
        nn.init.zeros_(probe.weight)
        return probe

    ranks = iter(scores)
    best = train_epochs(problem, make, 1e-3, 0, count, lambda _: (next(ranks), 0.0))
    return best.epoch, best.probe.weight.item(), best.rank[0]


def test_the_probe_is_that_of_the_best_epoch_and_training_stops_where_none_is_better():
    assert trained([0.1, 0.5, 0.4, 0.5, 0.9]) == (2, 2.0, 0.5)
    assert trained([-math.inf, 0.2]) == (2, 2.0, 0.2)


def test_an_epoch_that_is_held_is_taken_whatever_validation_says():
    assert trained([0.9, 0.1, 0.2], settings={"epoch": 3.0})[:2] == (3, 3.0)


def test_the_rate_is_chosen_with_the_first_seed_and_serves_the_others():
    class Left:
        def __init__(self, rate, seed):
            self.rate, self.seed, self.rank = rate, seed, (rate if seed == 7 else -rate, 0.0)

    rate, left = with_best_rate(make_problem("classes"), (0.1, 0.3, 0.2), [7, 8], Left)
    assert rate == pytest.approx(0.3)
    assert [(each.rate, each.seed) for each in left] == [(0.3, 7), (0.3, 8)]
