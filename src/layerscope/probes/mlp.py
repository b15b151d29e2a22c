"""The MARBLE probe: one hidden layer of 512, trained by gradient steps, stopped and chosen on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from layerscope.features.row_blocks import Rows, clip_means, held, row_blocks
from layerscope.probes.adam import Adam
from layerscope.probes.epochs import BestEpoch, train_epochs, with_best_rate
from layerscope.probes.problem import (
    Prediction,
    Problem,
    applied_weights,
    loss_of,
    mixture_size,
    target_tensor,
    validation_rank,
)
from layerscope.targets.kind import Form

__all__ = [
    "DROPOUT", "HIDDEN", "LEARNING_RATES", "MLP", "Validation", "batch_size", "fit_mlp", "prediction_of",
]  # fmt: skip

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
    rate, left = with_best_rate(problem, LEARNING_RATES, seeds, partial(train_once, problem, states))
    return [
        prediction_of(problem, best.probe.state_dict(), predict(best.probe, states), rate, best.epoch) for best in left
    ]


def prediction_of(
    problem: Problem, parameters: Mapping[str, Tensor], outputs: NDArray[np.float32], rate: float, epoch: int
) -> Prediction:
    """Return what a training says, by its parameters at the best epoch, named as `MLP` does, and what these give.

    Outputs are of all windows, (window, output), as they are trained.
    """
    restore = target_tensor(problem)[1]
    mixture = tuple(parameters["mixture"].softmax(dim=0).tolist()) if "mixture" in parameters else ()
    trained = {name: value.numpy().T for name, value in parameters.items() if name != "mixture"}
    scores = clip_means(outputs * restore[1] + restore[0], problem.window_clip, len(problem.labels.values))
    settings = {"learning_rate": rate, "epoch": float(epoch)}
    return Prediction(scores, settings, mixture, applied_weights(problem, restore, trained, mixture))


def train_once(problem: Problem, states: Rows, rate: float, seed: int) -> BestEpoch[MLP]:
    """Train with one learning rate and seed; return the epoch that validation likes best, or the one that is held."""
    train, valid = problem.windows_of(problem.train), problem.windows_of(problem.valid)
    trained, asked = held(states, train), held(states, valid)
    wanted, validation = target_tensor(problem)[0][torch.from_numpy(problem.window_clip[train])], Validation(problem)
    form = problem.labels.kind.form
    return train_epochs(
        problem,
        lambda: MLP(states.shape[-1], len(problem.labels.names), mixture_size(states)),
        rate,
        seed,
        lambda probe, optimizer: run_epoch(probe, optimizer, form, trained, wanted),
        lambda probe: validation.rank(predict(probe, asked)),
    )


def batch_size(windows: int) -> int:
    """Return how many of so many training windows make a step."""
    return BATCH if windows <= MANY else FRAME_BATCH


def run_epoch(probe: MLP, optimizer: Adam, form: Form, states: Rows, targets: Tensor) -> None:
    """Take one step for each batch of the training windows, in random order."""
    probe.train()
    for batch in torch.randperm(len(states)).split(batch_size(len(states))):
        optimizer.zero_grad()
        loss_of(form, probe(torch.from_numpy(states[batch.numpy()])), targets[batch]).backward()
        optimizer.step()


class Validation:
    """What the validation clips, whole and not batch by batch, say of a probe.

    Parameters
    ----------
    problem : Problem
        Its clips and labels count, not its states.
    """

    def __init__(self, problem: Problem) -> None:
        targets, self.restore = target_tensor(problem)
        self.clips, self.rows = len(problem.labels.values), problem.valid
        self.window_clip = problem.window_clip[problem.windows_of(problem.valid)]
        self.targets, self.labels = targets[torch.from_numpy(self.rows)], problem.labels.take(self.rows)

    def rank(self, outputs: NDArray[np.float32]) -> tuple[float, float]:
        """Return the primary metric and minus the loss of outputs, (window, output), of the validation windows."""
        raw = clip_means(outputs, self.window_clip, self.clips)[self.rows]
        return validation_rank(self.labels, self.targets, self.restore, torch.from_numpy(raw))


@torch.inference_mode()
def predict(probe: MLP, states: Rows) -> NDArray[np.float32]:
    """Return scores (window, output) without dropout."""
    probe.eval()
    # In parts, because the hidden layer of a million frames at once would take 2 GB.
    parts = (torch.from_numpy(states[block]).split(8192) for block in row_blocks(states.shape))
    return np.concatenate([probe(part).numpy() for of_block in parts for part in of_block])
