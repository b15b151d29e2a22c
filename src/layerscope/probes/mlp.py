"""The MARBLE probe: one hidden layer of 512, trained by gradient steps, stopped and chosen on validation."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from layerscope.features.row_blocks import Rows, held, row_blocks
from layerscope.probes.adam import Adam
from layerscope.probes.problem import (
    Prediction,
    Problem,
    Scale,
    clip_means,
    loss_of,
    mixture_size,
    target_tensor,
)
from layerscope.scores.layer_selection import choose
from layerscope.targets.kind import Form

__all__ = ["LEARNING_RATES", "MLP", "fit_mlp"]

#: The grid of the MARBLE protocol (Yuan et al. 2023, section 4.1).
LEARNING_RATES = (5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2)
HIDDEN = 512
DROPOUT = 0.2
BATCH = 64
#: Of frames there are many more than of clips, and published protocols take those of whole clips at once.
FRAME_BATCH = 512
MANY = 10_000


class MLP(nn.Module):
    """Linear, ReLU, dropout, linear; before it, where asked for, a softmax mixture of layers.

    Parameters
    ----------
    dim : int
        Width of the states.
    outputs : int
        Classes, tags or dimensions.
    layers : int
        How many layers to mix; 0 for none.
    """

    def __init__(self, dim: int, outputs: int, layers: int = 0) -> None:
        super().__init__()
        self.mixture = nn.Parameter(torch.zeros(layers)) if layers else None
        self.hidden = nn.Linear(dim, HIDDEN)
        self.dropout = nn.Dropout(DROPOUT)
        self.output = nn.Linear(HIDDEN, outputs)

    def forward(self, states: Tensor) -> Tensor:
        """Map (window, dim) or (window, layer, dim) to scores (window, output)."""
        if self.mixture is not None:
            states = torch.einsum("nld,l->nd", states, self.mixture.softmax(dim=0))
        return self.output(self.dropout(F.relu(self.hidden(states))))


@dataclass(frozen=True)
class Trained:
    """A probe at its best epoch.

    Attributes
    ----------
    rank : tuple of float
        Validation score, then minus the validation loss, which breaks ties.
    scores : ndarray, shape (clip, output)
        Of all clips.
    mixture : tuple of float
        Learned weights of layers.
    epoch : int
        When it was best.
    weights : dict of str to ndarray
        See `Prediction`.
    """

    rank: tuple[float, float]
    scores: NDArray[np.float32]
    mixture: tuple[float, ...]
    epoch: int
    weights: dict[str, NDArray[Any]]


def fit_mlp(problem: Problem, seeds: Sequence[int]) -> list[Prediction]:
    """Train a probe for each seed.

    The learning rate is chosen from `LEARNING_RATES` on validation with the first seed; the other seeds use it.

    Parameters
    ----------
    problem : Problem
        Its states are standardised by the training windows here.
    seeds : sequence of int
        Of the initial weights, the order of batches and the dropout.

    Returns
    -------
    list of Prediction, one a seed
    """
    states = problem.standardised()
    rates = problem.open_values("learning_rate", LEARNING_RATES)
    tries = {rate: train_once(problem, states, rate, seeds[0]) for rate in rates}
    best = choose(rates, lambda rate: tries[rate].rank).chosen
    trained = [tries[best], *(train_once(problem, states, best, seed) for seed in seeds[1:])]
    return [
        Prediction(one.scores, {"learning_rate": best, "epoch": float(one.epoch)}, one.mixture, one.weights)
        for one in trained
    ]


def train_once(problem: Problem, states: Rows, rate: float, seed: int) -> Trained:
    """Train with one learning rate and seed; return the epoch that validation likes best, or the one that is held."""
    labels = problem.labels
    targets, restore = target_tensor(problem)
    train, valid = problem.windows_of(problem.train), problem.windows_of(problem.valid)
    trained, asked = held(states, train), held(states, valid)
    wanted = targets[torch.from_numpy(problem.window_clip[train])]
    # A caller's random state stays as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = MLP(states.shape[-1], len(labels.names), mixture_size(states))
        optimizer = Adam(probe.parameters(), rate, problem.schedule.halve_after)
        best, kept, best_epoch = (-np.inf, -np.inf), copy.deepcopy(probe.state_dict()), 0
        settled = problem.settings is not None
        for epoch in range(1, int(problem.open_values("epoch", (problem.schedule.epochs,))[0]) + 1):
            run_epoch(probe, optimizer, labels.kind.form, trained, wanted)
            rank = validate(probe, problem, asked, targets, valid, restore)
            # By the score alone: the loss only tells equal scores apart.
            optimizer.judge(rank[0])
            if settled or rank > best:
                best, kept, best_epoch = rank, copy.deepcopy(probe.state_dict()), epoch
            elif epoch - best_epoch >= problem.schedule.stop_after:
                break
    probe.load_state_dict(kept)
    scores = predict(probe, states) * restore[1] + restore[0]
    mixture = () if probe.mixture is None else tuple(probe.mixture.softmax(dim=0).tolist())
    weights = applied_weights(problem, probe, restore, mixture)
    return Trained(best, clip_means(scores, problem.window_clip, len(labels.values)), mixture, best_epoch, weights)


def applied_weights(
    problem: Problem, probe: MLP, restore: Scale, mixture: tuple[float, ...]
) -> dict[str, NDArray[Any]]:
    """Return what `apply_probe` needs of a trained probe."""
    mean, scale = problem.standard
    found = {
        "mean": mean,
        "scale": scale,
        "hidden.weight": probe.hidden.weight.detach().T.numpy(),
        "hidden.bias": probe.hidden.bias.detach().numpy(),
        "output.weight": probe.output.weight.detach().T.numpy(),
        "output.bias": probe.output.bias.detach().numpy(),
        "output.scale": restore[1],
        "output.shift": restore[0],
    }
    return found | ({"mixture": np.array(mixture)} if mixture else {})


def run_epoch(probe: MLP, optimizer: Adam, form: Form, states: Rows, targets: Tensor) -> None:
    """Take one step for each batch of the training windows, in random order."""
    probe.train()
    size = BATCH if len(states) <= MANY else FRAME_BATCH
    for batch in torch.randperm(len(states)).split(size):
        optimizer.zero_grad()
        loss_of(form, probe(torch.from_numpy(states[batch.numpy()])), targets[batch]).backward()
        optimizer.step()


def validate(
    probe: MLP,
    problem: Problem,
    states: Rows,
    targets: Tensor,
    windows: NDArray[np.int64],
    restore: Scale,
) -> tuple[float, float]:
    """Return the primary metric and minus the loss of the validation clips, whole, not batch by batch."""
    rows = problem.valid
    raw = clip_means(predict(probe, states), problem.window_clip[windows], len(problem.labels.values))[rows]
    # The loss is of outputs as they are trained, the metric of the labels' units.
    loss = loss_of(problem.labels.kind.form, torch.from_numpy(raw), targets[torch.from_numpy(rows)])
    metric = problem.labels.take(rows).score(raw * restore[1] + restore[0])[0]
    # Tuples with NaN do not order; with -inf the loss decides.
    return (-np.inf if np.isnan(metric) else float(metric)), -float(loss)


@torch.inference_mode()
def predict(probe: MLP, states: Rows) -> NDArray[np.float32]:
    """Return scores (window, output) without dropout."""
    probe.eval()
    # In parts, because the hidden layer of a million frames at once would take 2 GB.
    parts = (torch.from_numpy(states[block]).split(8192) for block in row_blocks(states.shape))
    return np.concatenate([probe(part).numpy() for of_block in parts for part in of_block])
