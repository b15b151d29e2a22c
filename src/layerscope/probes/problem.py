"""One training: what a probe is given, what it must predict, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from layerscope.features.row_blocks import LazyRows, Rows, clip_means, held, in_memory, row_blocks, taken
from layerscope.scores.layer_selection import choose
from layerscope.targets.kind import Form, Labels
from layerscope.tasks.task import Schedule

__all__ = [
    "Prediction", "Problem", "Scale", "applied_weights", "best_on_validation", "inverse_deviation", "loss_of",
    "mixture_size", "target_tensor", "validation_rank", "validation_score",
]  # fmt: skip

Array = NDArray[np.float32]
#: shift and scale that take outputs to the labels' units
Scale = tuple[Array, Array]


@dataclass(frozen=True)
class Problem:
    """One training: windows, the clips they belong to, and what is wanted of those.

    Attributes
    ----------
    states : ndarray or LazyRows, shape (window, dim) or (window, layer, dim)
        With a layer axis, a mixture of layers is to be learned.
    window_clip : ndarray of int, shape (window,)
        The clip of each window, ascending.
    labels : Labels
        Of all clips.
    train, valid, test : ndarray of int
        Rows of clips.
    schedule : Schedule
        Of probes that are trained step by step.
    settings : mapping of str to float, optional
        What an earlier training chose (see `Prediction`), to be held: then the validation clips choose nothing and may
        train as well.
    """

    states: Rows
    window_clip: NDArray[np.int64]
    labels: Labels
    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]
    schedule: Schedule = field(default_factory=Schedule)
    settings: Mapping[str, float] | None = None

    def open_values(self, name: str, grid: Sequence[float]) -> Sequence[float]:
        """Return the values of a setting among which validation chooses: one where it is held."""
        return grid if self.settings is None else (self.settings[name],)

    def windows_of(self, clips: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the windows of some clips."""
        return np.flatnonzero(np.isin(self.window_clip, clips))

    def standardised(self) -> Rows:
        """Return the states with mean 0 and deviation 1 over the training windows; constant columns become 0."""
        mean, scale = self.standard
        states = LazyRows(self.states.shape, lambda rows: ((self.states[rows] - mean) * scale).astype(np.float32))
        if isinstance(self.states, LazyRows):
            states.memory = self.states.memory
            return states
        return in_memory(states)

    @cached_property
    def standard(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean of the training windows, and one over their deviation, 0 for constant columns."""
        train = held(self.states, self.windows_of(self.train))

        def mean_of(function: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
            # float64, because float32 would lose the deviation of a column beside a large mean.
            sums = [function(train[block].astype(np.float64)).sum(axis=0) for block in row_blocks(train.shape)]
            return np.asarray(sum(sums) / len(train))

        mean = mean_of(lambda block: block)
        return mean, inverse_deviation(mean, np.sqrt(mean_of(lambda block: np.square(block - mean))))


def inverse_deviation(mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one over the deviation of each column, 0 for constant ones."""
    # A column that does not vary beyond rounding would be blown up to noise.
    constant = deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
    # The inner `where` keeps zeros out of the division; the outer one throws its result away.
    return np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, deviation))


@dataclass(frozen=True)
class Prediction:
    """What a trained probe says.

    Attributes
    ----------
    scores : ndarray, shape (clip, output), float32
        For all clips; those of training clips are of no use.
    settings : dict of str to float
        What was chosen on validation.
    mixture : tuple of float
        Weights of the layers, where they were learned.
    weights : dict of str to ndarray
        All that `apply_probe` needs to say the same of other states.
    """

    scores: Array
    settings: dict[str, float]
    mixture: tuple[float, ...] = ()
    weights: dict[str, NDArray[Any]] = field(default_factory=dict)


def mixture_size(states: Rows) -> int:
    """Return how many layers a mixture has, 0 where there is none to learn."""
    return states.shape[1] if len(states.shape) == 3 else 0


def clip_scores(
    problem: Problem, states: Rows, windows: NDArray[np.int64], probes: Sequence[Callable[[Array], NDArray[Any]]]
) -> list[Array]:
    """Return what each of several probes says of clips by some windows, (clip, output), reading every block once."""
    some = taken(states, windows)
    parts: list[list[Array]] = [[] for _ in probes]
    for block in row_blocks(some.shape):
        rows = some[block]
        for scores, probe in zip(parts, probes, strict=True):
            scores.append(probe(rows).astype(np.float32))
    owners, clips = problem.window_clip[windows], len(problem.labels.values)
    return [clip_means(np.concatenate(scores), owners, clips) for scores in parts]


def best_on_validation(
    problem: Problem, states: Rows, probes: Sequence[Callable[[Array], NDArray[Any]]]
) -> tuple[int, Array]:
    """Return which of several probes validation likes best, the first of equals, and what it says of all clips."""
    valid = clip_scores(problem, states, problem.windows_of(problem.valid), probes)
    place = choose(range(len(probes)), lambda place: validation_score(problem, valid[place])).chosen
    (answers,) = clip_scores(problem, states, np.arange(len(problem.window_clip)), [probes[place]])
    return place, answers


def target_tensor(problem: Problem) -> tuple[Tensor, Scale]:
    """Return targets for the loss, with the shift and scale that take outputs back to the labels' units."""
    values = problem.labels.values
    if problem.labels.kind.form != "values":
        return torch.from_numpy(values), (np.zeros(1, np.float32), np.ones(1, np.float32))
    # Standardised, so that penalties and learning rates mean the same in any unit; 1e-6, so that a constant divides.
    train = values[problem.train]
    shift, scale = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-6)
    return torch.from_numpy((values - shift) / scale), (shift, scale)


def loss_of(form: Form, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return cross-entropy (classes), binary cross-entropy (tags) or squared error (values)."""
    if form == "classes":
        return F.cross_entropy(outputs, targets)
    if form == "tags":
        return F.binary_cross_entropy_with_logits(outputs, targets)
    return F.mse_loss(outputs, targets)


def validation_rank(labels: Labels, targets: Tensor, restore: Scale, outputs: Tensor) -> tuple[float, float]:
    """Return the primary metric and minus the loss of outputs, (clip, output), of the validation clips."""
    # The loss is of outputs as they are trained, the metric of the labels' units.
    loss = loss_of(labels.kind.form, outputs, targets)
    metric = labels.score(outputs.numpy() * restore[1] + restore[0])[0]
    # Tuples with NaN do not order; with -inf the loss decides.
    return (-math.inf if np.isnan(metric) else float(metric)), -float(loss)


def applied_weights(
    problem: Problem, restore: Scale, trained: Mapping[str, NDArray[Any]], mixture: Sequence[float] = ()
) -> dict[str, NDArray[Any]]:
    """Return what `apply_probe` needs of what was trained, beside how states and outputs are scaled."""
    mean, scale = problem.standard
    scales: dict[str, NDArray[Any]] = {
        "mean": mean, "scale": scale, "output.scale": restore[1], "output.shift": restore[0],
    }  # fmt: skip
    return {**scales, **trained} | ({"mixture": np.array(mixture)} if mixture else {})


def validation_score(problem: Problem, scores: Array) -> float:
    """Return the primary metric of scores (clip, output) on the validation clips, NaN where it is undefined."""
    return float(problem.labels.take(problem.valid).score(scores[problem.valid])[0])
