"""Training step by step: for a learning rate and a seed until validation no longer gains, by the best of some rates."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import nn

from layerscope.probes.adam import Adam
from layerscope.probes.problem import Problem
from layerscope.scores.layer_selection import choose

__all__ = ["BestEpoch", "train_epochs", "with_best_rate"]

Probe = TypeVar("Probe", bound=nn.Module)
#: Validation score, then minus the validation loss, which breaks ties.
Rank = tuple[float, float]


@dataclass(frozen=True)
class BestEpoch(Generic[Probe]):
    """A probe as it was when validation liked it best, how much, and when that was."""

    rank: Rank
    probe: Probe
    epoch: int


def train_epochs(
    problem: Problem,
    make: Callable[[], Probe],
    rate: float,
    seed: int,
    run_epoch: Callable[[Probe, Adam], None],
    rank_of: Callable[[Probe], Rank],
) -> BestEpoch[Probe]:
    """Train with one learning rate and seed; return the epoch that validation likes best, or the one that is held.

    Parameters
    ----------
    problem : Problem
        Whose schedule and held settings count.
    make : callable
        Returns a new probe.
    rate, seed : float, int
        The learning rate, and the seed of the initial weights and of what an epoch draws.
    run_epoch : callable
        Takes the steps of an epoch.
    rank_of : callable
        Says what validation thinks of a probe.
    """
    schedule = problem.schedule
    # A caller's random state stays as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = make()
        optimizer = Adam(probe.parameters(), rate, schedule.halve_after)
        best, kept, best_epoch = (-math.inf, -math.inf), copy.deepcopy(probe.state_dict()), 0
        for epoch in range(1, int(problem.open_values("epoch", (schedule.epochs,))[0]) + 1):
            run_epoch(probe, optimizer)
            rank = rank_of(probe)
            # By the score alone: the loss only tells equal scores apart.
            optimizer.judge(rank[0])
            if problem.settings is not None or rank > best:
                best, kept, best_epoch = rank, copy.deepcopy(probe.state_dict()), epoch
            elif epoch - best_epoch >= schedule.stop_after:
                break
    probe.load_state_dict(kept)
    return BestEpoch(best, probe, best_epoch)


def with_best_rate(
    problem: Problem, rates: Sequence[float], seeds: Sequence[int], train: Callable[[float, int], BestEpoch[Probe]]
) -> tuple[float, list[BestEpoch[Probe]]]:
    """Return the learning rate that validation likes best with the first seed, and what it leaves with each seed."""
    rates = problem.open_values("learning_rate", rates)
    tries = {rate: train(rate, seeds[0]) for rate in rates}
    best = choose(rates, lambda rate: tries[rate].rank).chosen
    return best, [tries[best], *(train(best, seed) for seed in seeds[1:])]
