"""The convex probe: logistic regression or least squares with an L2 penalty, solved to convergence.

It minimises ``mean loss + penalty / 2 * |W|²`` over the training windows, the intercept unpenalised: with
``penalty = 1 / (C n)`` that is scikit-learn's ``LogisticRegression(C=C)``. Where layers are mixed, their weights are
shares (none negative, of sum 1: a softmax and its limits). That is convex for every mixture held
fixed and not over mixtures, so that it is solved from several starts and the lowest loss kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize
from torch import Tensor

from layerscope.features.row_blocks import LazyRows, Rows, held, in_memory, row_blocks
from layerscope.probes.problem import (
    Prediction,
    Problem,
    Scale,
    applied_weights,
    clip_scores,
    loss_of,
    mixture_size,
    target_tensor,
    validation_score,
)
from layerscope.scores.layer_selection import choose
from layerscope.targets.kind import Form

__all__ = [
    "CUT", "PENALTIES", "Tied", "basis_of_rank", "fit_linear", "linear_weights", "objective_of", "solve",
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
#: Multiplications that one penalty's solution may take, about ten minutes of a core: beyond, the last iteration stands.
#: A layer of 1024 on 270,000 windows and 87 tags may so take 400 iterations, several times what it needs.
WORK = 2e13
FEWEST_ITERATIONS = 20
#: Setting of a solution whose search was cut short by either bound.
CUT = "cut"
#: Numbers of a mixture's states above which its search starts from equal shares alone.
MANY_NUMBERS = 2**29


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
    outputs, form = len(problem.labels.names), problem.labels.kind.form
    inputs = as_tensor(trained, len(train)) if isinstance(trained, np.ndarray) else trained
    penalties = problem.open_values("penalty", PENALTIES)
    solutions, is_cut = solutions_of(inputs, wanted, form, outputs, penalties)

    def scores(chosen: Sequence[NDArray[np.float64]], windows: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        def probe(rows: NDArray[np.float32], solution: NDArray[np.float64]) -> NDArray[Any]:
            block = as_tensor(rows, len(train))
            raw: NDArray[Any] = linear_scores(torch.from_numpy(solution).to(block.dtype), block, outputs).numpy()
            return raw * restore[1] + restore[0]

        return clip_scores(problem, states, windows, [partial(probe, solution=solution) for solution in chosen])

    valid = scores(solutions, problem.windows_of(problem.valid))
    place = choose(range(len(penalties)), lambda place: validation_score(problem, valid[place])).chosen
    solution, (answers,) = solutions[place], scores([solutions[place]], np.arange(len(problem.window_clip)))
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
    inputs: Tensor | LazyRows,
    targets: Tensor,
    form: Form,
    outputs: int,
    penalties: Sequence[float],
    *,
    roughly: bool = False,
) -> tuple[list[NDArray[np.float64]], list[bool]]:
    """Return the solution of each penalty, of which each starts the next, and whether its search was cut short.

    `roughly` is that of `solve`, of a layer alone.
    """
    tied = tied_mixtures(inputs, outputs) if len(inputs.shape) == 3 else []
    solutions: list[NDArray[np.float64]] = []
    is_cut: list[bool] = []
    for penalty in penalties:
        last = solutions[-1] if solutions else None
        if tied:
            solutions.append(solve_mixture(inputs, targets, form, outputs, penalty, tied, last))
            is_cut.append(len(tied) == 1)
        else:
            # A mixture brings starts of its own, since shares of 0 have no sum.
            start = np.zeros((inputs.shape[-1] + 1) * outputs) if last is None else last
            found = solve(inputs, targets, form, outputs, penalty, start, roughly=roughly)
            solutions.append(np.asarray(found.x, dtype=np.float64))
            # The iterations were used up, and not for want of a better step.
            is_cut.append(found.nit >= iterations(inputs, outputs) < ITERATIONS)
    return solutions, is_cut


def basis_of_rank(trained: Rows) -> NDArray[np.float64] | None:
    """Return an orthonormal basis of the training windows, (dim, rank), where these are fewer than the columns.

    With a layer axis every layer's states count as windows.
    The penalised optimum lies in their span and the penalty does not see a rotation, so that the solution is the
    same and its size that of the data (the representer theorem).
    """
    columns = trained.shape[-1]
    if int(np.prod(trained.shape[:-1])) >= columns:
        return None
    basis: NDArray[np.float64] = np.linalg.qr(trained[:].reshape(-1, columns).astype(np.float64).T)[0]
    return basis


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


def mixture_of(solution: NDArray[np.float64], states: Rows) -> tuple[float, ...]:
    """Return the weights of layers, where they were learned."""
    layers = mixture_size(states)
    return tuple(shares(torch.from_numpy(solution[-layers:])).tolist()) if layers else ()


Objective = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]


def objective_of(inputs: Tensor | LazyRows, targets: Tensor, form: Form, outputs: int, penalty: float) -> Objective:
    """Return the function that `solve` minimises: parameters to the penalised loss and its gradient."""
    weights = inputs.shape[-1] * outputs
    precision = inputs.dtype if isinstance(inputs, Tensor) else torch.float64 if len(inputs) <= MANY else torch.float32
    wanted = targets if form == "classes" else targets.to(precision)
    # Sums over tags and dimensions make them separate problems, each with the same penalty.
    # `loss_of` averages over outputs, hence the product; half the squared error is what `solve` promises.
    factor = {"classes": 1.0, "tags": float(outputs), "values": outputs / 2}[form]

    def objective(vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = torch.from_numpy(vector).to(precision).requires_grad_()
        value, gradient = 0.0, np.zeros(len(vector))
        for block in row_blocks(inputs.shape):
            rows = torch.as_tensor(inputs[block]).to(precision)
            # `loss_of` is the mean of a block.
            share = len(rows) / len(inputs)
            loss = share * factor * loss_of(form, linear_scores(parameters, rows, outputs), wanted[block])
            if not block.start:
                # Neither intercepts nor shares are penalised: both stand behind the weights.
                loss = loss + penalty / 2 * parameters[:weights].square().sum()
            value += float(loss.detach())
            # L-BFGS itself works in float64, also where the loss is single.
            gradient += torch.autograd.grad(loss, parameters)[0].double().numpy()
        return value, gradient

    return objective


def solve(
    inputs: Tensor | LazyRows,
    targets: Tensor,
    form: Form,
    outputs: int,
    penalty: float,
    start: NDArray[np.float64],
    *,
    roughly: bool = False,
) -> OptimizeResult:
    """Minimise the penalised loss by L-BFGS.

    Parameters
    ----------
    inputs : Tensor or LazyRows, shape (window, dim) or (window, layer, dim), float64, or float32 where there are many
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
    OptimizeResult
        SciPy's; ``x`` are the parameters.
    """
    gradient, gain = TOLERANCES if len(inputs) <= MANY and not roughly else FRAME_TOLERANCES
    layers = inputs.shape[1] if len(inputs.shape) == 3 else 0
    return minimize(
        objective_of(inputs, targets, form, outputs, penalty),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None)] * (len(start) - layers) + [(0.0, None)] * layers if layers else None,
        options={
            "maxiter": iterations(inputs, outputs),
            "maxfun": 2 * iterations(inputs, outputs),
            "gtol": gradient,
            "ftol": gain,
            "maxcor": 30,
        },
    )


def iterations(inputs: Tensor | LazyRows, outputs: int) -> int:
    """Return how many iterations a solution may take."""
    affordable = WORK / (2 * float(np.prod(inputs.shape)) * outputs)
    return int(min(ITERATIONS, max(FEWEST_ITERATIONS, affordable)))


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
    inputs: Tensor | LazyRows
    basis: NDArray[np.float64] | None
    solution: NDArray[np.float64]

    def solve(self, targets: Tensor, form: Form, outputs: int, penalty: float) -> tuple[float, NDArray[np.float64]]:
        """Return the loss of the rough solution, and its parameters with those of the mixture."""
        self.solution = solve(self.inputs, targets, form, outputs, penalty, self.solution, roughly=True).x
        loss = objective_of(self.inputs, targets, form, outputs, penalty)(self.solution)[0]
        weights, intercepts = np.split(self.solution, [-outputs])
        whole = weights if self.basis is None else (self.basis @ weights.reshape(-1, outputs)).ravel()
        return loss, np.concatenate([whole, intercepts, self.mixture])


def tied_mixtures(inputs: Tensor | LazyRows, outputs: int) -> list[Tied]:
    """Return the mixtures where a search starts: equal shares, and each layer alone where that is quick enough."""
    layers = inputs.shape[1]
    tied = []
    for mixture in np.concatenate([np.full((1, layers), 1 / layers), np.eye(layers)]):
        mixed, basis = mixed_by(mixture, inputs), None
        if isinstance(mixed, Tensor):
            basis = basis_of_rank(mixed.numpy())
            mixed = mixed if basis is None else mixed @ torch.from_numpy(basis).to(mixed.dtype)
        tied.append(Tied(mixture, mixed, basis, np.zeros((mixed.shape[1] + 1) * outputs)))
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
    inputs: Tensor | LazyRows,
    targets: Tensor,
    form: Form,
    outputs: int,
    penalty: float,
    tied: Sequence[Tied],
    warm: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Minimise the penalised loss over weights and mixture, from several starts.

    They are equal shares, the single layer of the lowest loss (not of `MANY_NUMBERS`), and the solution of the penalty
    before: each with its own convex solution, so that the result is above neither any single layer nor the plain mean.
    The starts are followed roughly, and the best of them to convergence.

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
    starts = [equal[1]]
    if single:
        starts.append(min(single, key=lambda pair: pair[0])[1])
    if warm is not None:
        starts.append(warm)
    objective = objective_of(inputs, targets, form, outputs, penalty)
    ends = [solve(inputs, targets, form, outputs, penalty, start, roughly=True).x for start in starts]
    best = min(ends, key=lambda end: objective(end)[0])
    return np.asarray(solve(inputs, targets, form, outputs, penalty, best).x)
