"""Attentive pooling over time: a learned query weighs the frames of a clip, and a linear probe reads their sum.

One head, trained on MARBLE's schedule like the mlp. Weights are a softmax over the frames that a clip has: clips of
unequal length are never padded. Its answer for a clip is the weighted mean of what the linear probe says of each frame,
which is what it says of the frames' weighted mean, and far smaller.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from layerscope.features.row_blocks import Rows, held, row_blocks
from layerscope.probes.adam import Adam
from layerscope.probes.epochs import BestEpoch, train_epochs, with_best_rate
from layerscope.probes.mlp import BATCH, LEARNING_RATES
from layerscope.probes.problem import Prediction, Problem, applied_weights, loss_of, target_tensor, validation_rank

__all__ = ["AttentivePooling", "fit_attention"]


class AttentivePooling(nn.Module):
    """A query that weighs frames, and a linear probe of their weighted mean.

    Parameters
    ----------
    dim : int
        Width of the states.
    outputs : int
        Classes, tags or dimensions.
    """

    def __init__(self, dim: int, outputs: int) -> None:
        super().__init__()
        # All frames weigh alike at first: training starts from the mean over time.
        self.query = nn.Parameter(torch.zeros(dim))
        self.output = nn.Linear(dim, outputs)

    def forward(self, frames: Tensor, owner: Tensor, clips: int) -> Tensor:
        """Map frames, (frame, dim), to scores (clip, output); `owner`, (frame,), is the clip of each.

        Examples
        --------
        >>> pooling = AttentivePooling(2, 1)
        >>> frames = torch.tensor([[1.0, 0.0], [3.0, 0.0], [5.0, 0.0]])
        >>> once = pooling(frames, torch.tensor([0, 0, 1]), 2)
        >>> torch.allclose(once, pooling.output(torch.tensor([[2.0, 0.0], [5.0, 0.0]])))
        True
        """
        # Not over the root of the width, as in transformers: the query starts from nothing, and has few steps to grow.
        amounts = frames @ self.query
        # Less the largest of a clip, which changes no share, so that none overflows.
        largest = torch.full((clips,), -math.inf).scatter_reduce(0, owner, amounts.detach(), "amax")
        shares = (amounts - largest[owner]).exp()
        shares = shares / torch.zeros(clips).index_add(0, owner, shares)[owner]
        said = shares[:, None] * (frames @ self.output.weight.T)
        return torch.zeros(clips, said.shape[1]).index_add(0, owner, said) + self.output.bias


@dataclass(frozen=True)
class ClipFrames:
    """The frames of some clips.

    Attributes
    ----------
    states : ndarray or LazyRows, shape (frame, dim)
        Clip by clip.
    clips : ndarray of int, shape (clip,)
        Which clips, ascending.
    bounds : ndarray of int, shape (clip + 1,)
        The first frame of each clip, and the end.
    """

    states: Rows
    clips: NDArray[np.int64]
    bounds: NDArray[np.int64]

    @classmethod
    def of(cls, problem: Problem, states: Rows, clips: NDArray[np.int64]) -> ClipFrames:
        """Take those of some clips of a problem."""
        clips, rows = np.unique(clips), problem.windows_of(clips)
        owners = problem.window_clip[rows]
        return cls(held(states, rows), clips, np.append(np.searchsorted(owners, clips), len(rows)))

    def batch(self, numbers: NDArray[np.int64]) -> tuple[Tensor, Tensor, int]:
        """Return what `AttentivePooling` takes of some of the clips, by their numbers here."""
        counts = self.bounds[numbers + 1] - self.bounds[numbers]
        owner = np.repeat(np.arange(len(numbers)), counts)
        rows = np.arange(counts.sum()) + np.repeat(self.bounds[numbers] - (np.cumsum(counts) - counts), counts)
        return torch.from_numpy(self.states[rows]), torch.from_numpy(owner), len(numbers)

    def batches(self) -> Iterator[tuple[Tensor, Tensor, int]]:
        """Yield all clips in order, so many at once as fit in a block."""
        longest = int(np.diff(self.bounds).max(initial=1))
        for block in row_blocks((len(self.clips), longest, self.states.shape[1])):
            yield self.batch(np.arange(block.start, block.stop))


def fit_attention(problem: Problem, seeds: Sequence[int]) -> list[Prediction]:
    """Train a probe for each seed.

    The learning rate is chosen from `LEARNING_RATES` on validation with the first seed; the other seeds use it.

    Parameters
    ----------
    problem : Problem
        Whose "windows" are the frames of each clip; they are standardised by those of the training clips.
    seeds : sequence of int
        Of the initial weights and the order of clips.

    Returns
    -------
    list of Prediction, one a seed
    """
    states = problem.standardised()
    train, valid, asked = (
        ClipFrames.of(problem, states, clips)
        for clips in (problem.train, problem.valid, np.union1d(problem.valid, problem.test))
    )
    rate, left = with_best_rate(problem, LEARNING_RATES, seeds, partial(train_once, problem, train, valid))
    predictions = []
    restore = target_tensor(problem)[1]
    for trained in left:
        # Those of training clips are of no use.
        scores = np.zeros((len(problem.labels.values), len(problem.labels.names)), np.float32)
        scores[asked.clips] = said_of(trained.probe, asked).numpy() * restore[1] + restore[0]
        settings = {"learning_rate": rate, "epoch": float(trained.epoch)}
        parts = {
            "query": trained.probe.query, "output.weight": trained.probe.output.weight.T,
            "output.bias": trained.probe.output.bias,
        }  # fmt: skip
        weights = applied_weights(problem, restore, {name: part.detach().numpy() for name, part in parts.items()})
        predictions.append(Prediction(scores, settings, weights=weights))
    return predictions


def train_once(
    problem: Problem, train: ClipFrames, valid: ClipFrames, rate: float, seed: int
) -> BestEpoch[AttentivePooling]:
    """Train with one learning rate and seed; return the epoch that validation likes best, or the one that is held."""
    form, (targets, restore) = problem.labels.kind.form, target_tensor(problem)
    wanted, asked = (targets[torch.from_numpy(frames.clips)] for frames in (train, valid))
    chosen_by = problem.labels.take(valid.clips)

    def run_epoch(probe: AttentivePooling, optimizer: Adam) -> None:
        for numbers in torch.randperm(len(train.clips)).split(BATCH):
            optimizer.zero_grad()
            loss_of(form, probe(*train.batch(numbers.numpy())), wanted[numbers]).backward()
            optimizer.step()

    return train_epochs(
        problem,
        lambda: AttentivePooling(train.states.shape[1], len(problem.labels.names)),
        rate,
        seed,
        run_epoch,
        lambda probe: validation_rank(chosen_by, asked, restore, said_of(probe, valid)),
    )


@torch.inference_mode()
def said_of(probe: AttentivePooling, frames: ClipFrames) -> Tensor:
    """Return the outputs (clip, output) of some clips."""
    return torch.cat([probe(*batch) for batch in frames.batches()])
