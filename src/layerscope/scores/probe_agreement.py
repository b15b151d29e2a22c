"""Whether the probes of a study agree on a model's layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

from layerscope.scores.rank_correlation import rank_correlation
from layerscope.scores.score_table import Results

__all__ = ["FEWEST_LAYERS", "ProbeLayer", "layers_of_probes", "lowest_rank_correlation"]

#: Of fewer layers than this a rank correlation says next to nothing.
FEWEST_LAYERS = 4


@dataclass(frozen=True)
class ProbeLayer:
    """What one probe says of a model's layers.

    Attributes
    ----------
    probe : str
        Which.
    layer : int
        The layer that validation prefers with it.
    best_set : list of int
        Layers that cannot be told apart from the best with it on the test clips.
    """

    probe: str
    layer: int
    best_set: list[int]


def layers_of_probes(results: Results, task: str, model: str) -> list[ProbeLayer]:
    """Return what each probe says of a model's layers on a task; nothing of a plain feature."""
    rows = results.best_layers()
    rows = rows[(rows.task == task) & (rows.model == model)]
    return [ProbeLayer(str(row.probe), int(row.layer), list(row.best_set)) for row in rows.itertuples()]


def lowest_rank_correlation(results: Results, task: str, model: str) -> float:
    """Return how alike two probes order a model's layers by their test scores, of the two that differ most.

    Returns
    -------
    float
        Spearman's rank correlation, in [-1, 1]; NaN of one probe, of few layers, or where layers score alike.

    Examples
    --------
    >>> import numpy as np
    >>> import layerscope as ls
    >>> states = np.random.default_rng(0).normal(size=(60, 4, 4))
    >>> states[:, 2:, 0] += np.array([1.0, 3.0]) * (np.arange(60) % 2)[:, None]
    >>> features = ls.Features.from_arrays(states, ["minor", "major"] * 30)
    >>> lowest_rank_correlation(ls.probe(features, probes=["closed", "linear"]), "features", "features") > 0.5
    True
    """
    layers = results.of(task=task, model=model, metric=results.primary(task), input="layer")
    scores = [list(rows.value) for _, rows in layers.groupby("probe", sort=False)]
    if len(scores) < 2 or len(scores[0]) < FEWEST_LAYERS:
        return math.nan
    correlations = [rank_correlation(*pair) for pair in combinations(scores, 2)]
    # A probe by which all layers score alike has no order to be held against another's.
    return math.nan if any(map(math.isnan, correlations)) else min(correlations)
