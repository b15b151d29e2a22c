"""The convex probe: logistic regression or least squares with an L2 penalty, solved to convergence.

It minimises ``mean loss + penalty / 2 * |W|²`` over the training windows, the intercept unpenalised: with
``penalty = 1 / (C n)`` that is scikit-learn's ``LogisticRegression(C=C)``. Where layers are mixed, their weights are
shares (none negative, of sum 1: a softmax and its limits). That is convex for every mixture held
fixed and not over mixtures, so that it is solved from several starts and the lowest loss kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerscope.features.row_blocks import LazyRows, Rows, held, in_memory
from layerscope.probes.convex_solver import ITERATIONS, MANY, Regression, basis_of_rank, linear_scores, shares
from layerscope.probes.linear_mixture import solve_mixture, tied_mixtures
from layerscope.probes.problem import (
    Prediction,
    Problem,
    Scale,
    applied_weights,
    best_on_validation,
    mixture_size,
    target_tensor,
)

__all__ = ["CUT", "PENALTIES", "fit_linear", "linear_weights", "solutions_of"]

#: From strong to weak, so that each solution starts the next, and a tie goes to the stronger.
PENALTIES = (10.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4)
#: Setting of a solution whose search was cut short by either bound.
CUT = "cut"


def fit_linear(problem: Problem, seeds: Sequence[int]) -> list[Prediction]:
    """Fit for every penalty, and return the one that validation likes best.

    Parameters
    ----------
    problem : Problem
        Its states are standardised by the training windows here.
    seeds : sequence of int
        Ignored beyond the first: nothing here is random.

    Returns
    -------
    list of one Prediction
    """
    del seeds
    train = problem.windows_of(problem.train)
    states, basis, trained = rotated(problem.standardised(), train)
    targets, restore = target_tensor(problem)
    wanted = targets[torch.from_numpy(problem.window_clip[train])]
    outputs = len(problem.labels.names)
    inputs = as_tensor(trained, len(train)) if isinstance(trained, np.ndarray) else trained
    penalties = problem.open_values("penalty", PENALTIES)
    regression = Regression(inputs, wanted, problem.labels.kind.form, outputs)
    solutions, is_cut = solutions_of(regression, penalties)

    def probe(rows: NDArray[np.float32], solution: NDArray[np.float64]) -> NDArray[Any]:
        block = as_tensor(rows, len(train))
        raw: NDArray[Any] = linear_scores(torch.from_numpy(solution).to(block.dtype), block, outputs).numpy()
        return raw * restore[1] + restore[0]

    probes = [partial(probe, solution=solution) for solution in solutions]
    place, answers = best_on_validation(problem, states, probes)
    solution = solutions[place]
    mixture = mixture_of(solution, states)
    inner, intercepts = np.split(solution[: (states.shape[-1] + 1) * outputs].reshape(-1, outputs), [-1])
    weights = linear_weights(problem, basis, inner, intercepts[0], restore, mixture)
    settings = {"penalty": penalties[place]} | ({CUT: 1.0} if is_cut[place] else {})
    return [Prediction(answers, settings, mixture, weights)]


def as_tensor(rows: NDArray[np.float32], trained: int) -> Tensor:
    """Return rows in the precision in which so many train."""
    tensor = torch.from_numpy(rows)
    return tensor.double() if trained <= MANY else tensor


def rotated(states: Rows, train: NDArray[np.int64]) -> tuple[Rows, NDArray[np.float64] | None, Rows]:
    """Return states in the basis of the training windows where that is smaller, the basis, and the training rows."""
    trained = held(states, train)
    basis = basis_of_rank(trained)
    if basis is None:
        return states, None, trained
    shape = (*states.shape[:-1], basis.shape[1])
    memory = states.memory if isinstance(states, LazyRows) else np.inf
    turned = in_memory(LazyRows(shape, lambda rows: (states[rows] @ basis).astype(np.float32)), memory)
    return turned, basis, held(turned, train)


def solutions_of(
    regression: Regression, penalties: Sequence[float], *, roughly: bool = False
) -> tuple[list[NDArray[np.float64]], list[bool]]:
    """Return the solution of each penalty, of which each starts the next, and whether its search was cut short.

    `roughly` is that of `Regression.solve`, of a layer alone.
    """
    tied = tied_mixtures(regression) if regression.layers else []
    solutions: list[NDArray[np.float64]] = []
    is_cut: list[bool] = []
    for penalty in penalties:
        last = solutions[-1] if solutions else None
        if tied:
            solutions.append(solve_mixture(regression, penalty, tied, last))
            is_cut.append(len(tied) == 1)
        else:
            found = regression.solve(penalty, regression.zeros() if last is None else last, roughly=roughly)
            solutions.append(np.asarray(found.x, dtype=np.float64))
            # The iterations were used up, and not for want of a better step.
            is_cut.append(found.nit >= regression.iterations < ITERATIONS)
    return solutions, is_cut


def linear_weights(
    problem: Problem,
    basis: NDArray[np.float64] | None,
    inner: NDArray[np.float64],
    intercepts: NDArray[np.float64],
    restore: Scale,
    mixture: tuple[float, ...] = (),
) -> dict[str, NDArray[Any]]:
    """Return what `apply_probe` needs of a linear solution in a basis."""
    output = {"output.weight": inner if basis is None else basis @ inner, "output.bias": intercepts}
    return applied_weights(problem, restore, output, mixture)


def mixture_of(solution: NDArray[np.float64], states: Rows) -> tuple[float, ...]:
    """Return the weights of layers, where they were learned."""
    layers = mixture_size(states)
    return tuple(shares(torch.from_numpy(solution[-layers:])).tolist()) if layers else ()
