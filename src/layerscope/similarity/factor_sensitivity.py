"""What states depend on: sensitivity to factors, by the distances of clips that differ in some of them.

Conventions: the distance of two clips is the mean over columns of their squared difference, each column in units of its
deviation over the clips whose levels were drawn. With ``D`` the mean distance of two clips that differ in every factor,

- the **total index** of a factor is the mean distance of two clips that differ in it alone, over D: 0 where states do
  not depend on it at all, that is, are invariant to it; 1 where they depend on nothing else, or on all factors together
  as a digest does;
- the **main effect** is one less the mean distance of two clips that agree in it alone, over D: the part of what
  states tell that follows from the factor by itself, whatever the others are.

These are the total and first-order indices of Sobol' (2001) in the form of differences (Jansen 1999), for many columns
at once (Gamboa et al. 2014), with "drawn anew" replaced by "another level", so that they do not depend on how many
levels a factor has. Where factors add up, both are the factor's share of all variance and sum to 1; where they act
together only, total indices exceed main effects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from layerscope.scores.resampling import effective_groups, interval, resample_weights, widen

__all__ = ["Pairs", "Sensitivity", "factor_pairs", "factor_sensitivity", "tells_something"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: How often a map of noise may show anything at all.
ERROR = 0.05


@dataclass(frozen=True)
class Sensitivity:
    """How states depend on a factor; NaN where they do not vary at all.

    Attributes
    ----------
    total, total_low, total_high : float
        The total index and its 95 % interval, groups resampled.
    main, main_low, main_high : float
        The main effect, likewise.
    """

    total: float
    total_low: float
    total_high: float
    main: float
    main_low: float
    main_high: float


@dataclass(frozen=True)
class Pairs:
    """Which clips are held against each other, each mask but the first of shape (clip, clip).

    Attributes
    ----------
    drawn : ndarray of bool, shape (clip,)
        Whether a clip's levels were drawn one apart from another.
    everything : ndarray of bool
        Pairs that differ in every factor.
    differing, agreeing : dict of str to ndarray of bool
        By factor: pairs that differ in it alone, and pairs that agree in it alone.
    """

    drawn: Mask
    everything: Mask
    differing: dict[str, Mask]
    agreeing: dict[str, Mask]


def factor_pairs(levels: dict[str, NDArray[np.str_]], drawn: Mask) -> Pairs:
    """Return the pairs of clips that tell of each factor.

    Parameters
    ----------
    levels : dict of str to ndarray of str, shape (clip,)
        By factor, the level of each clip.
    drawn : ndarray of bool, shape (clip,)
        Whether its levels were drawn one apart from another; the other clips are changes of one of these, and are held
        against that alone.

    Examples
    --------
    >>> levels = {"key": np.array(["C", "C", "D"]), "tempo": np.array(["slow", "fast", "slow"])}
    >>> pairs = factor_pairs(levels, np.ones(3, bool))
    >>> np.argwhere(pairs.differing["key"]).tolist(), np.argwhere(pairs.everything).tolist()
    ([[0, 2], [2, 0]], [[1, 2], [2, 1]])
    """
    differ = {name: column[:, None] != column[None] for name, column in levels.items()}
    count = np.sum(list(differ.values()), axis=0)
    both_drawn = drawn[:, None] & drawn[None]
    return Pairs(
        drawn,
        (count == len(levels)) & both_drawn,
        {name: (count == 1) & mask for name, mask in differ.items()},
        {name: (count == len(levels) - 1) & ~mask & both_drawn for name, mask in differ.items()},
    )


def factor_sensitivity(
    states: NDArray[np.float32], pairs: Pairs, groups: NDArray[np.int64], seed: int = 0
) -> dict[str, Sensitivity]:
    """Return how states depend on each factor.

    Parameters
    ----------
    states : ndarray, shape (clip, width)
        Of one layer.
    pairs : Pairs
        See `factor_pairs`.
    groups : ndarray of int, shape (clip,)
        What is resampled as a whole: ten at least.
    seed : int
        Of the resamples.

    Examples
    --------
    >>> groups, keys, tempos = np.indices((12, 3, 2)).reshape(3, -1)  # 12 groups, each with 3 keys in 2 tempos
    >>> states = np.eye(3, dtype=np.float32)[keys]  # the key, and nothing else
    >>> pairs = factor_pairs({"key": keys.astype(str), "tempo": tempos.astype(str)}, np.ones(72, bool))
    >>> indices = factor_sensitivity(states, pairs, groups)
    >>> {name: (round(index.total, 6), round(index.main, 6)) for name, index in indices.items()}
    {'key': (1.0, 1.0), 'tempo': (0.0, 0.0)}
    """
    columns = standardised(states.astype(np.float64), pairs.drawn)
    if not columns.size:
        return dict.fromkeys(pairs.differing, Sensitivity(*[float("nan")] * 6))
    distances = squared_distances(columns)
    # The weights of groups as they are, then those of every resample.
    weights = first_clips(groups, resample_weights(groups, seed))
    count = effective_groups(groups)
    whole = weighted_mean(distances, pairs.everything, groups, weights)
    indices = {}
    for name, differing in pairs.differing.items():
        total = weighted_mean(distances, differing, groups, weights) / whole
        main = 1 - weighted_mean(distances, pairs.agreeing[name], groups, weights) / whole
        indices[name] = Sensitivity(*estimate(total, count), *estimate(main, count))
    return indices


def standardised(states: Array, drawn: Mask) -> Array:
    """Return the columns that vary beyond rounding over drawn clips, with mean 0 and deviation 1 there.

    As probes are given them, so that no column of large numbers speaks for all (Timkey & van Schijndel 2021).
    """
    mean, spread = states[drawn].mean(axis=0), states[drawn].std(axis=0)
    varying = spread > 1e-6 * np.maximum(np.abs(mean), 1e-6)
    return np.asarray((states[:, varying] - mean[varying]) / spread[varying])


def squared_distances(columns: Array) -> Array:
    """Return the mean squared difference of every two rows over columns, (row, row)."""
    squares = np.square(columns).sum(axis=1)
    distances = squares[:, None] + squares[None] - 2 * columns @ columns.T
    return np.asarray(np.maximum(distances, 0.0) / columns.shape[1])


def first_clips(groups: NDArray[np.int64], drawn: Array) -> Array:
    """Return the weight of each group, (1 + resample, group), the first row that of groups as they are."""
    first = np.unique(groups, return_index=True)[1]
    return np.concatenate([np.ones((1, len(first))), drawn[:, first]])


def weighted_mean(distances: Array, mask: Mask, groups: NDArray[np.int64], weights: Array) -> Array:
    """Return the mean distance of the pairs of a mask in every weighting of the groups; NaN where there is no pair."""
    members = np.eye(int(groups.max()) + 1)[groups][:, np.unique(groups)]
    sums, counts = members.T @ (distances * mask) @ members, members.T @ mask @ members

    def weighted(table: Array) -> Array:
        # A pair within a group counts once as often as its group, a pair of two groups as both together.
        between = table - np.diag(np.diag(table))
        return np.asarray(weights @ np.diag(table) + ((weights @ between) * weights).sum(axis=1))

    total = weighted(counts)
    return np.where(total > 0, weighted(sums), np.nan) / np.where(total > 0, total, 1.0)


def estimate(values: Array, groups: int) -> tuple[float, float, float]:
    """Return a value and its interval, from the value and its resamples."""
    value = float(values[0])
    return value, *interval(value + widen(values[1:] - values[1:].mean(), groups), value)


def tells_something(table: pd.DataFrame) -> Mask:
    """Return of which rows the total index is shown to lie below 1, or the main effect above 0.

    Of noise neither does. All rows are held together (Bonferroni): intervals of 95 % are made as much wider as that
    needs.

    Parameters
    ----------
    table : DataFrame
        Columns as the fields of `Sensitivity`.
    """
    # Half of an interval is 1.96 deviations.
    wider = norm.ppf(1 - ERROR / (2 * max(1, len(table)))) / norm.ppf(0.975)
    invariant = 1 - table.total > wider * (table.total_high - table.total)
    following = table.main > wider * (table.main - table.main_low)
    return np.asarray(invariant | following)
