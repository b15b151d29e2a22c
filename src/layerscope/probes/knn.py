"""The probe that is not trained: a vote of the nearest training windows, by cosine.

States are standardised by the training windows, as for the other probes: otherwise a few columns of large values decide
every cosine of a transformer's states, and subtracting the mean leaves them (Timkey & van Schijndel 2021). Neighbours
vote with ``exp(cosine / 0.07)`` (Wu et al. 2018, section 3.4), since equal votes of few neighbours would tie. Scores
are shares of the votes for tags, their means for values, and for classes the logarithms of shares, to which one more
neighbour votes as all training windows together do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.features.row_blocks import Rows, clip_means, held, row_blocks, taken, unit_length
from layerscope.probes.problem import Prediction, Problem, validation_score
from layerscope.scores.layer_selection import choose

__all__ = ["NEIGHBOURS", "fit_knn", "nearest", "neighbour_scores"]

Array = NDArray[np.float32]

#: How many neighbours vote; many, which is the smoother answer, first.
NEIGHBOURS = (100, 50, 20, 10, 5, 3, 1)
#: In units of the cosine: a neighbour that is so much nearer has e times the vote.
TEMPERATURE = 0.07


def fit_knn(problem: Problem, seeds: Sequence[int]) -> list[Prediction]:
    """Look the nearest training windows up, and return the vote of as many as validation likes best.

    Parameters
    ----------
    problem : Problem
        With states (window, dim): nothing here would learn a mixture of layers.
    seeds : sequence of int
        Ignored: nothing here is random.

    Returns
    -------
    list of one Prediction
        The training windows are its weights, unless they are read by blocks.
    """
    del seeds
    labels, train, states = problem.labels, problem.windows_of(problem.train), problem.standardised()
    trained = held(states, train)
    values = labels.values[problem.window_clip[train]]
    weights: dict[str, NDArray[Any]] = {"targets": np.asarray(values, np.float32)}
    if labels.kind.form == "classes":
        weights["targets"] = np.eye(len(labels.names), dtype=np.float32)[values]
        # One window of each class more than there are, so that none is impossible.
        weights["prior"] = (weights["targets"].sum(axis=0) + 1) / (len(train) + len(labels.names))
    # What trains would be its own nearest neighbour; its scores are of no use.
    windows = problem.windows_of(np.union1d(problem.valid, problem.test))
    counts = problem.open_values("neighbours", [count for count in NEIGHBOURS if count <= len(train)])
    voted = votes(taken(states, windows), trained, [int(count) for count in counts], weights)
    owners = problem.window_clip[windows]
    scores = {
        count: clip_means(of_count, owners, len(labels.values)) for count, of_count in zip(counts, voted, strict=True)
    }
    best = choose(counts, lambda count: validation_score(problem, scores[count])).chosen
    mean, scale = problem.standard
    weights |= {"mean": mean, "scale": scale, "neighbours": np.array([best], np.int64)}
    weights |= {"states": trained} if isinstance(trained, np.ndarray) else {}
    return [Prediction(scores[best], {"neighbours": float(best)}, (), weights)]


def neighbour_scores(weights: Mapping[str, NDArray[Any]], standardised: Array) -> Array:
    """Return what a probe of these weights says of standardised states, (window, output)."""
    return votes(standardised, weights["states"], [int(weights["neighbours"][0])], weights)[0]


def votes(asked: Rows, trained: Rows, counts: Sequence[int], weights: Mapping[str, NDArray[Any]]) -> list[Array]:
    """Return for each of several numbers of neighbours what they say of some windows, (window, output)."""
    targets = weights["targets"]
    parts: list[list[Array]] = [[] for _ in counts]
    for block in row_blocks(asked.shape):
        cosines, rows = nearest(asked[block], trained, max(counts))
        # Of the nearest one 1, so that none overflows.
        shares = np.exp((cosines - cosines[:, :1]) / TEMPERATURE)
        for part, count in zip(parts, counts, strict=True):
            said = np.empty((len(rows), targets.shape[1]), np.float32)
            for some in row_blocks((len(rows), count * targets.shape[1])):
                few = shares[some, :count] / shares[some, :count].sum(axis=1, keepdims=True)
                said[some] = np.einsum("qk,qko->qo", few, targets[rows[some, :count]])
            if "prior" in weights:
                said = np.log((count * said + weights["prior"]) / (count + 1)).astype(np.float32)
            part.append(said)
    return [np.concatenate(part) for part in parts]


def nearest(queries: Array, trained: Rows, count: int) -> tuple[Array, NDArray[np.int64]]:
    """Return the largest cosines of states with training states, and the rows of these, (query, count) each.

    Examples
    --------
    >>> trained = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]], np.float32)
    >>> cosines, rows = nearest(np.array([[3.0, 4.0]], np.float32), trained, 2)
    >>> cosines
    array([[0.8, 0.6]], dtype=float32)
    >>> rows.tolist()
    [[1, 0]]
    """
    # A state that is the mean of all has no direction: it is as near to every other.
    queries = unit_length(queries)
    cosines = np.full((len(queries), count), -np.inf, np.float32)
    rows = np.zeros((len(queries), count), np.int64)
    for block in row_blocks(trained.shape):
        directions = unit_length(trained[block])
        for part in row_blocks((len(queries), len(directions) + count)):
            alike = np.concatenate([cosines[part], queries[part] @ directions.T], axis=1)
            best = np.argpartition(alike, -count, axis=1)[:, -count:]
            # By their places first, so that of equals the order is no accident of the partition.
            best.sort(axis=1)
            of_best = np.take_along_axis(alike, best, axis=1)
            order = np.argsort(-of_best, axis=1, kind="stable")
            best = np.take_along_axis(best, order, axis=1)
            cosines[part] = np.take_along_axis(of_best, order, axis=1)
            # What was found before stands in front of the block.
            before = np.take_along_axis(rows[part], np.minimum(best, count - 1), axis=1)
            rows[part] = np.where(best < count, before, block.start + best - count)
    return cosines, rows
