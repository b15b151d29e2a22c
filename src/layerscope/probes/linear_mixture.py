"""A mixture of layers for the linear probe: not convex over the shares of layers, and so solved from several starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerscope.features.row_blocks import LazyRows
from layerscope.probes.convex_solver import Regression, basis_of_rank

__all__ = ["Tied", "solve_mixture", "tied_mixtures"]

#: Numbers of a mixture's states above which its search starts from equal shares alone.
MANY_NUMBERS = 2**29


@dataclass
class Tied:
    """A mixture that is held fixed: the rest of the problem is convex.

    Attributes
    ----------
    mixture : ndarray, shape (layer,)
        Shares.
    regression : Regression
        Of mixed states, in the basis of the training windows where that is smaller.
    basis : ndarray, shape (dim, window), or None
        That basis.
    solution : ndarray
        Of the last penalty, where the next one starts.
    """

    mixture: NDArray[np.float64]
    regression: Regression
    basis: NDArray[np.float64] | None
    solution: NDArray[np.float64]

    def solve(self, penalty: float) -> tuple[float, NDArray[np.float64]]:
        """Return the loss of the rough solution, and its parameters with those of the mixture."""
        self.solution = self.regression.solve(penalty, self.solution, roughly=True).x
        loss = self.regression.objective(penalty)(self.solution)[0]
        outputs = self.regression.outputs
        weights, intercepts = np.split(self.solution, [-outputs])
        whole = weights if self.basis is None else (self.basis @ weights.reshape(-1, outputs)).ravel()
        return loss, np.concatenate([whole, intercepts, self.mixture])


def tied_mixtures(regression: Regression) -> list[Tied]:
    """Return the mixtures where a search starts: equal shares, and each layer alone where that is quick enough."""
    inputs, layers = regression.inputs, regression.layers
    tied = []
    for mixture in np.concatenate([np.full((1, layers), 1 / layers), np.eye(layers)]):
        mixed, basis = mixed_by(mixture, inputs), None
        if isinstance(mixed, Tensor):
            basis = basis_of_rank(mixed.numpy())
            mixed = mixed if basis is None else mixed @ torch.from_numpy(basis).to(mixed.dtype)
        alone = replace(regression, inputs=mixed)
        tied.append(Tied(mixture, alone, basis, alone.zeros()))
        if float(np.prod(inputs.shape)) > MANY_NUMBERS:
            break
    return tied


def mixed_by(mixture: NDArray[np.float64], inputs: Tensor | LazyRows) -> Tensor | LazyRows:
    """Return the mean of layers, or one of them."""
    alone = np.flatnonzero(mixture)
    if isinstance(inputs, Tensor):
        return inputs[:, alone[0]] if len(alone) == 1 else inputs.mean(dim=1)
    return LazyRows((len(inputs), inputs.shape[2]), lambda rows: inputs[rows][:, alone].mean(axis=1), inputs.memory)


def solve_mixture(
    regression: Regression, penalty: float, tied: Sequence[Tied], warm: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Minimise the penalised loss over weights and mixture, from several starts.

    They are equal shares, the single layer of the lowest loss (not of `MANY_NUMBERS`), and the solution of the penalty
    before: each with its own convex solution, so that the result is above neither any single layer nor the plain mean.
    The starts are followed roughly, and the best of them to convergence.

    Parameters
    ----------
    regression : Regression
        Of states with a layer axis.
    penalty : float
        Of the weights, above 0.
    tied : sequence of Tied
        See `tied_mixtures`.
    warm : ndarray, optional
        The solution of the penalty before.

    Returns
    -------
    ndarray of float64, the parameters
    """
    equal, *single = [mixture.solve(penalty) for mixture in tied]
    starts = [equal[1]]
    if single:
        starts.append(min(single, key=lambda pair: pair[0])[1])
    if warm is not None:
        starts.append(warm)
    objective = regression.objective(penalty)
    ends = [regression.solve(penalty, start, roughly=True).x for start in starts]
    best = min(ends, key=lambda end: objective(end)[0])
    return np.asarray(regression.solve(penalty, best).x)
