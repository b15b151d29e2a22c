"""The convex probe: logistic regression or least squares with an L2 penalty, solved to convergence.

It minimises ``mean loss + penalty / 2 * |W|²`` over the training windows, the intercept unpenalised: with
``penalty = 1 / (C n)`` that is scikit-learn's ``LogisticRegression(C=C)``. Where layers are mixed, their weights are
shares (none negative, of sum 1: a softmax and its limits). That is convex for every mixture held
fixed and not over mixtures, so that it is solved from several starts and the lowest loss kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from layerscope.probes.problem import (
    Prediction,
    Problem,
    clip_means,
    loss_of,
    mixture_size,
    target_tensor,
    validation_score,
)
from layerscope.scores.layer_selection import choose
from layerscope.targets.kind import Form

__all__ = [
    "PENALTIES", "Tied", "applied_weights", "basis_of_rank", "fit_linear", "objective_of", "parameter_count", "solve",
    "solve_mixture", "tied_mixtures",
]  # fmt: skip

#: From strong to weak, so that each solution starts the next, and a tie goes to the stronger.
PENALTIES = (10.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4)
ITERATIONS = 5000
#: Largest gradient and relative gain at which a solution is taken as converged; frames, many and alike, need less, and
#: single precision does (a test holds both to scikit-learn).
TOLERANCES = (1e-8, 1e-15)
FRAME_TOLERANCES = (1e-4, 1e-7)
#: Windows above which single precision does: double takes many times as long (docs/decisions.md).
MANY = 10_000


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
    states = problem.standardised()
    targets, (shift, scale) = target_tensor(problem)
    train = problem.windows_of(problem.train)
    basis = basis_of_rank(states, train)
    if basis is not None:
        states = (states @ basis).astype(np.float32)
    inputs = torch.from_numpy(states)
    if len(train) <= MANY:
        inputs = inputs.double()
    trained = inputs[train]
    window_target = targets[torch.from_numpy(problem.window_clip[train])]
    outputs, form = len(problem.labels.names), problem.labels.kind.form
    # Where the first penalty starts; a mixture brings starts of its own, since shares of 0 have no sum.
    solution = np.zeros(parameter_count(states, outputs))
    tied = tied_mixtures(trained, outputs) if mixture_size(states) else []
    candidates: list[Prediction] = []
    for penalty in problem.open_values("penalty", PENALTIES):
        if tied:
            solution = solve_mixture(
                trained, window_target, form, outputs, penalty, tied, solution if candidates else None
            )
        else:
            solution = solve(trained, window_target, form, outputs, penalty, solution)
        raw = linear_scores(torch.from_numpy(solution).to(inputs.dtype), inputs, outputs).numpy() * scale + shift
        scores = clip_means(raw.astype(np.float32), problem.window_clip, len(problem.labels.values))
        mixture = mixture_of(solution, states)
        inner, intercepts = np.split(solution[: (states.shape[-1] + 1) * outputs].reshape(-1, outputs), [-1])
        weights = applied_weights(problem, basis, inner, intercepts[0], (scale, shift), mixture)
        candidates.append(Prediction(scores, {"penalty": penalty}, mixture, weights))
    return [choose(candidates, lambda candidate: validation_score(problem, candidate.scores)).chosen]


def basis_of_rank(states: NDArray[np.float32], train: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return an orthonormal basis of the training windows, (dim, rank), where these are fewer than the columns.

    With a layer axis every layer's states count as windows.
    The penalised optimum lies in their span and the penalty does not see a rotation, so that the solution is the
    same and its size that of the data (the representer theorem).
    """
    rows = states[train].reshape(-1, states.shape[-1])
    if len(rows) >= states.shape[-1]:
        return None
    basis: NDArray[np.float64] = np.linalg.qr(rows.astype(np.float64).T)[0]
    return basis


def applied_weights(
    problem: Problem,
    basis: NDArray[np.float64] | None,
    inner: NDArray[np.float64],
    intercepts: NDArray[np.float64],
    restore: tuple[NDArray[np.float32], NDArray[np.float32]],
    mixture: tuple[float, ...] = (),
) -> dict[str, NDArray[Any]]:
    """Return what `apply_probe` needs of a linear solution: `restore` is the scale and shift of its outputs."""
    mean, deviation = problem.standard
    found: dict[str, NDArray[Any]] = {
        "mean": mean,
        "scale": deviation,
        "output.weight": inner if basis is None else basis @ inner,
        "output.bias": intercepts,
        "output.scale": restore[0],
        "output.shift": restore[1],
    }
    return found | ({"mixture": np.array(mixture)} if mixture else {})


def parameter_count(states: NDArray[np.float32], outputs: int) -> int:
    """Return the length of the vector of parameters: weights, intercepts, and what a mixture's shares are made of."""
    return int((states.shape[-1] + 1) * outputs + mixture_size(states))


def linear_scores(parameters: Tensor, inputs: Tensor, outputs: int) -> Tensor:
    """Return scores (window, output) for a vector of parameters."""
    dim = inputs.shape[-1]
    weights = parameters[: dim * outputs].view(dim, outputs)
    intercepts = parameters[dim * outputs : (dim + 1) * outputs]
    if inputs.ndim == 3:
        inputs = torch.einsum("nld,l->nd", inputs, shares(parameters[(dim + 1) * outputs :]))
    return inputs @ weights + intercepts


def shares(amounts: Tensor) -> Tensor:
    """Return amounts, none negative, as shares: other than of a softmax, a layer of none can come back."""
    return amounts / amounts.sum()


def mixture_of(solution: NDArray[np.float64], states: NDArray[np.float32]) -> tuple[float, ...]:
    """Return the weights of layers, where they were learned."""
    layers = mixture_size(states)
    return tuple(shares(torch.from_numpy(solution[-layers:])).tolist()) if layers else ()


Objective = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]


def objective_of(inputs: Tensor, targets: Tensor, form: Form, outputs: int, penalty: float) -> Objective:
    """Return the function that `solve` minimises: parameters to the penalised loss and its gradient."""
    weights = inputs.shape[-1] * outputs
    wanted = targets if form == "classes" else targets.to(inputs.dtype)
    # Sums over tags and dimensions make them separate problems, each with the same penalty.
    # `loss_of` averages over outputs, hence the product; half the squared error is what `solve` promises.
    factor = {"classes": 1.0, "tags": float(outputs), "values": outputs / 2}[form]

    def objective(vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = torch.from_numpy(vector).to(inputs.dtype).requires_grad_()
        loss = factor * loss_of(form, linear_scores(parameters, inputs, outputs), wanted)
        # Neither intercepts nor shares are penalised: both stand behind the weights.
        total = loss + penalty / 2 * parameters[:weights].square().sum()
        (gradient,) = torch.autograd.grad(total, parameters)
        # L-BFGS itself works in float64, also where the loss is single.
        return float(total.detach()), gradient.double().numpy()

    return objective


def solve(
    inputs: Tensor,
    targets: Tensor,
    form: Form,
    outputs: int,
    penalty: float,
    start: NDArray[np.float64],
    *,
    roughly: bool = False,
) -> NDArray[np.float64]:
    """Minimise the penalised loss by L-BFGS.

    Parameters
    ----------
    inputs : Tensor, shape (window, dim) or (window, layer, dim), float64, or float32 where there are many
        Standardised. With a layer axis the problem is no longer convex, and what is found depends on the start.
    targets : Tensor
        As `loss_of` takes them.
    form : {"classes", "tags", "values"}
        Which loss: cross-entropy, the sum over tags of binary cross-entropy, half the squared error.
    outputs : int
        Classes, tags or dimensions.
    penalty : float
        Of the weights, above 0.
    start : ndarray
        Parameters to start from.
    roughly : bool
        Stop where frames would.

    Returns
    -------
    ndarray of float64, the parameters
    """
    gradient, gain = TOLERANCES if len(inputs) <= MANY and not roughly else FRAME_TOLERANCES
    layers = inputs.shape[1] if inputs.ndim == 3 else 0
    found = minimize(
        objective_of(inputs, targets, form, outputs, penalty),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None)] * (len(start) - layers) + [(0.0, None)] * layers if layers else None,
        options={
            "maxiter": ITERATIONS,
            "maxfun": 2 * ITERATIONS,
            "gtol": gradient,
            "ftol": gain,
            "maxcor": 30,
        },
    )
    return np.asarray(found.x, dtype=np.float64)


@dataclass
class Tied:
    """A mixture that is held fixed: the rest of the problem is convex.

    Attributes
    ----------
    mixture : ndarray, shape (layer,)
        Shares.
    inputs : Tensor, shape (window, dim) or (window, window)
        Mixed, in the basis of the training windows where that is smaller.
    basis : ndarray, shape (dim, window), or None
        That basis.
    solution : ndarray
        Of the last penalty, where the next one starts.
    """

    mixture: NDArray[np.float64]
    inputs: Tensor
    basis: NDArray[np.float64] | None
    solution: NDArray[np.float64]

    def solve(self, targets: Tensor, form: Form, outputs: int, penalty: float) -> tuple[float, NDArray[np.float64]]:
        """Return the loss of the rough solution, and its parameters with those of the mixture."""
        self.solution = solve(self.inputs, targets, form, outputs, penalty, self.solution, roughly=True)
        loss = objective_of(self.inputs, targets, form, outputs, penalty)(self.solution)[0]
        weights, intercepts = np.split(self.solution, [-outputs])
        whole = weights if self.basis is None else (self.basis @ weights.reshape(-1, outputs)).ravel()
        return loss, np.concatenate([whole, intercepts, self.mixture])


def tied_mixtures(inputs: Tensor, outputs: int) -> list[Tied]:
    """Return the mixtures where a search starts: equal shares, and each layer alone."""
    windows, layers, _ = inputs.shape
    tied = []
    for mixture in np.concatenate([np.full((1, layers), 1 / layers), np.eye(layers)]):
        alone = np.flatnonzero(mixture)
        mixed = inputs[:, alone[0]] if len(alone) == 1 else inputs.mean(dim=1)
        basis = basis_of_rank(mixed.numpy(), np.arange(windows))
        reduced = mixed if basis is None else mixed @ torch.from_numpy(basis).to(mixed.dtype)
        tied.append(Tied(mixture, reduced, basis, np.zeros((reduced.shape[1] + 1) * outputs)))
    return tied


def solve_mixture(
    inputs: Tensor,
    targets: Tensor,
    form: Form,
    outputs: int,
    penalty: float,
    tied: Sequence[Tied],
    warm: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Minimise the penalised loss over weights and mixture, from several starts.

    They are equal shares, the single layer of the lowest loss, and the solution of the penalty before: each with its
    own convex solution, so that the result is above neither any single layer nor the plain mean. The starts are
    followed roughly, and the best of them to convergence.

    Parameters
    ----------
    inputs, targets, form, outputs, penalty
        As `solve` takes them; `inputs` with a layer axis.
    tied : sequence of Tied
        See `tied_mixtures`.
    warm : ndarray, optional
        The solution of the penalty before.

    Returns
    -------
    ndarray of float64, the parameters
    """
    equal, *single = [mixture.solve(targets, form, outputs, penalty) for mixture in tied]
    starts = [equal[1], min(single, key=lambda pair: pair[0])[1]]
    if warm is not None:
        starts.append(warm)
    objective = objective_of(inputs, targets, form, outputs, penalty)
    ends = [solve(inputs, targets, form, outputs, penalty, start, roughly=True) for start in starts]
    best = min(ends, key=lambda end: objective(end)[0])
    return solve(inputs, targets, form, outputs, penalty, best)
