"""A trained probe as plain arrays, and what it says of states that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.probes.knn import neighbour_scores

__all__ = ["apply_probe"]


def apply_probe(weights: Mapping[str, NDArray[Any]], states: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scores of windows or frames.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Those of a `Prediction`: standardise by ``mean`` and ``scale``; mix layers by ``mixture`` where there is one;
        one hidden layer with ReLU where there is one; ``output``, brought to the labels' units. Where the weights are
        the ``states`` and ``targets`` of training windows, these vote instead; where there is a ``query``, states are
        all frames of one clip, and its softmax over them weighs them to one row.
    states : ndarray, shape (window, dim) or (window, layer, dim)
        As `assemble` makes them.

    Returns
    -------
    ndarray, shape (window, output), float32
        Log probabilities up to a constant for classes, scores for tags, values.
    """
    # Rounded after standardising, as `Problem.standardised` does, so that it says what the training said.
    x: NDArray[Any] = ((states - weights["mean"]) * weights["scale"]).astype(np.float32)
    if "neighbours" in weights:
        return neighbour_scores(weights, x)
    if "query" in weights:
        amounts = x @ weights["query"]
        shares = np.exp(amounts - amounts.max())
        x = (shares / shares.sum() @ x)[None]
    if "mixture" in weights:
        x = np.einsum("nld,l->nd", x, weights["mixture"])
    if "hidden.weight" in weights:
        x = np.maximum(x @ weights["hidden.weight"] + weights["hidden.bias"], 0)
    scores: NDArray[np.float32] = (
        (x @ weights["output.weight"] + weights["output.bias"]) * weights["output.scale"] + weights["output.shift"]
    ).astype(np.float32)
    return scores
