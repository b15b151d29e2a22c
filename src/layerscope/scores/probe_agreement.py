"""Whether the probes of a study agree on a model's layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from layerscope.scores.rank_correlation import rank_correlation
from layerscope.scores.score_table import Results

__all__ = [
    "FEWEST_LAYERS", "ProbeLayer", "ProbePair", "layers_of_probes", "lowest_rank_correlation", "pairs_of_probes",
]  # fmt: skip

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


@dataclass(frozen=True)
class ProbePair:
    """How alike two probes order a model's layers.

    Attributes
    ----------
    first, second : str
        Which.
    correlation : float
        Spearman's, of their test scores, in [-1, 1]; NaN where layers score alike.
    low, high : float
        Between which it lies in 95 % of the resamples of the test clips. Resampling adds its own noise to both orders,
        so that these are below what other clips would give, rather than around it.
    """

    first: str
    second: str
    correlation: float
    low: float
    high: float


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
    correlations = [pair.correlation for pair in pairs_of_probes(results, task, model)]
    # A probe by which all layers score alike has no order to be held against another's.
    return math.nan if not correlations or any(map(math.isnan, correlations)) else min(correlations)


def pairs_of_probes(results: Results, task: str, model: str) -> list[ProbePair]:
    """Return how alike every two probes order a model's layers by their test scores; nothing of few layers.

    Each order is told once more on every resample of the test clips, the same clips for all layers and probes.
    """
    rows = results.of(task=task, model=model, metric=results.primary(task), input="layer")
    layers = {str(probe): of_probe for probe, of_probe in rows.groupby("probe", sort=False)}
    if any(len(of_probe) < FEWEST_LAYERS for of_probe in layers.values()):
        return []
    ranks = {probe: unit_ranks(results.draws[of_probe.index]) for probe, of_probe in layers.items()}
    pairs = []
    for first, second in combinations(layers, 2):
        correlation = rank_correlation(layers[first].value, layers[second].value)
        resampled = (ranks[first] * ranks[second]).sum(axis=0)
        # Resamples in which a probe scores all layers alike tell no order.
        known = resampled[~np.isnan(resampled)]
        low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (math.nan, math.nan)
        pairs.append(ProbePair(first, second, correlation, float(low), float(high)))
    return pairs


def unit_ranks(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the ranks of layers in each resample, (layer, resample), centred and of length 1: NaN of equal scores."""
    ranks = rankdata(scores, axis=0)
    ranks -= ranks.mean(axis=0)
    lengths = np.linalg.norm(ranks, axis=0)
    return np.divide(ranks, lengths, out=np.full_like(ranks, np.nan), where=lengths > 0)
