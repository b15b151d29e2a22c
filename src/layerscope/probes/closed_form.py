"""The probe that needs no iteration: ridge regression for values and tags, shrinkage LDA for classes.

All of it follows from `Moments` of the training windows, and one eigendecomposition serves every penalty. For
classes it is discriminant analysis rather than ridge on indicator columns, which masks middle classes
(Hastie et al. 2009, section 4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from layerscope.features.row_blocks import held, row_blocks
from layerscope.probes.convex_solver import basis_of_rank
from layerscope.probes.linear import linear_weights
from layerscope.probes.problem import Prediction, Problem, best_on_validation
from layerscope.probes.sample_sums import Moments
from layerscope.targets.kind import Form, Labels

__all__ = ["RIDGES", "SHRINKAGES", "Path", "fit_closed_form", "lda_path", "path_of", "ridge_path", "target_columns"]

Array = NDArray[np.float64]
#: penalty → (weights, intercepts)
Path = Callable[[float], tuple[Array, Array]]

#: Penalties of the ridge, in units of the variance of a standardised column; strong first.
RIDGES = tuple(10.0**power for power in np.arange(2.0, -5.5, -0.5))
#: Shares of the covariance that give way to a round one; strong first.
SHRINKAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 1e-3, 1e-4)

#: Columns from which on eigenvectors are found in the place of the matrix: the usual way, which is faster, takes four
#: more of its size, 1.4 GB each for 13 layers of 1024 side by side.
WIDE = 4096
#: A share of the variance that is none but what rounding leaves.
ROUNDING = 1e-9
#: How far a class that was never seen lies below the others, in units of their largest intercept.
UNSEEN = 1e4


def fit_closed_form(problem: Problem, seeds: Sequence[int]) -> list[Prediction]:
    """Solve for every penalty, and return the one that validation likes best.

    Parameters
    ----------
    problem : Problem
        With states (window, dim): a mixture of layers has no closed form.
    seeds : sequence of int
        Ignored: nothing here is random.

    Returns
    -------
    list of one Prediction
    """
    del seeds
    labels, train, states = problem.labels, problem.windows_of(problem.train), problem.standardised()
    trained = held(states, train)
    basis = basis_of_rank(trained)

    def exact(rows: NDArray[np.float32]) -> Array:
        # Rounded to float32 first: the very numbers that the linear probe sees.
        return (rows if basis is None else (rows @ basis).astype(np.float32)).astype(np.float64)

    targets = target_columns(labels)
    owners = problem.window_clip[train]
    blocks = (Moments.of(exact(trained[block]), targets[owners[block]]) for block in row_blocks(trained.shape))
    moments = next(blocks)
    for block in blocks:
        moments += block
    path, grid, name = path_of(moments, labels.kind.form)

    def probe(rows: NDArray[np.float32], weights: Array, intercepts: Array) -> Array:
        return exact(rows) @ weights + intercepts

    penalties = problem.open_values(name, grid)
    solutions = list(map(path, penalties))
    probes = [partial(probe, weights=weights, intercepts=shift) for weights, shift in solutions]
    place, answers = best_on_validation(problem, states, probes)
    # Solved in the labels' own units, so that outputs are neither scaled nor shifted.
    kept = linear_weights(problem, basis, *solutions[place], (np.zeros(1, np.float32), np.ones(1, np.float32)))
    return [Prediction(answers, {name: penalties[place]}, (), kept)]


def target_columns(labels: Labels) -> NDArray[np.float64]:
    """Return what `Moments` are of beside the states: of classes an indicator column each."""
    return np.eye(len(labels.names))[labels.values] if labels.kind.form == "classes" else labels.values


def path_of(moments: Moments, form: Form) -> tuple[Path, Sequence[float], str]:
    """Return the solution as a function of its penalty, the penalties that are open, and what they are called."""
    if form == "classes":
        return lda_path(moments), SHRINKAGES, "shrinkage"
    return ridge_path(moments), RIDGES, "penalty"


def eigenvectors(matrix: Array) -> tuple[Array, Array]:
    """Return the eigenvalues and eigenvectors of a symmetric matrix, which may be lost."""
    if len(matrix) < WIDE:
        values, vectors = np.linalg.eigh(matrix)
        return values, vectors
    values, vectors = scipy.linalg.eigh(matrix, overwrite_a=True, check_finite=False, driver="evr")
    return values, vectors


def ridge_path(moments: Moments) -> Path:
    """Return ridge regression as a function of the penalty: ``(S + penalty I) W = S_xy``, S the covariance."""
    covariance, cross = moments.covariance()
    variances, axes = eigenvectors(covariance)
    turned = axes.T @ cross

    def solve(penalty: float) -> tuple[Array, Array]:
        # Rounding leaves negative variances, which a small penalty could bring to 0.
        weights = axes @ (turned / (np.maximum(variances, 0.0) + penalty)[:, None])
        return weights, (moments.y - moments.x @ weights) / moments.count

    return solve


def lda_path(moments: Moments) -> Path:
    """Return linear discriminant analysis as a function of the shrinkage g.

    The covariance within classes S becomes ``(1 - g) S + g tr(S) / d I`` (Friedman 1989, eq. 18); scores are
    ``x' S⁻¹ m_c - m_c' S⁻¹ m_c / 2 + log p_c``, with m_c the class means and p_c their shares of the training
    windows. Classes without training windows score as the mean of the others, less a number larger than any score, so
    that they are never the highest. Where windows do not vary within classes, S is round (the nearest mean).

    Parameters
    ----------
    moments : Moments
        Of x and of one indicator column for each class.
    """
    seen = moments.y > 0
    # Classes without training windows have neither share nor mean; they come back in `solve`.
    shares = moments.y[seen] / moments.count
    means = (moments.xy[:, seen] / moments.y[seen]).T
    within = moments.xx / moments.count
    within -= (means.T * shares) @ means
    variances, axes = eigenvectors(within)
    variances = np.maximum(variances, 0.0)
    average = variances.mean()
    spread = float((np.diag(moments.xx) / moments.count - np.square(moments.x / moments.count)).mean())
    # One window a class, for instance: what is left is rounding, and dividing by it would blow that up.
    if average <= ROUNDING * spread:
        variances, average = np.zeros_like(variances), max(spread, np.finfo(np.float64).tiny)
        variances += average
    turned = means @ axes

    def solve(shrinkage: float) -> tuple[Array, Array]:
        scaled = turned / ((1 - shrinkage) * variances + shrinkage * average)
        known, constants = axes @ scaled.T, np.log(shares) - (scaled * turned).sum(axis=1) / 2
        weights = np.repeat(known.mean(axis=1, keepdims=True), len(seen), axis=1)
        intercepts = np.full(len(seen), constants.mean() - UNSEEN * max(1.0, np.abs(constants).max()))
        weights[:, seen], intercepts[seen] = known, constants
        return weights, intercepts

    return solve
