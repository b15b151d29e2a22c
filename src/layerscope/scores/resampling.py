"""How sure are we: resampling of groups, intervals, and the layers that cannot be told apart from the best.

One set of resamples serves every layer, input and model of a task, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["RESAMPLES", "best_set", "interval", "resample_seeds", "resample_weights"]

Array = NDArray[np.float64]

#: A tail of 2.5 % is then known to half a point, either end of a normal interval to a fiftieth of its width.
RESAMPLES = 1000
LEVEL = 0.95


def resample_weights(groups: NDArray[np.int64], seed: int, resamples: int = RESAMPLES) -> Array:
    """Draw as many groups as there are, with replacement, and count how often each clip is in.

    Parameters
    ----------
    groups : ndarray of int, shape (clip,)
        What is drawn as a whole: clips of one artist or song are not independent.
    seed : int
        Of the draw.
    resamples : int
        How many.

    Returns
    -------
    ndarray, shape (resample, clip)

    Examples
    --------
    >>> weights = resample_weights(np.array([0, 0, 1]), seed=0, resamples=200)  # two clips of one song
    >>> weights.shape, bool((weights[:, 0] == weights[:, 1]).all())
    ((200, 3), True)
    """
    _, codes = np.unique(groups, return_inverse=True)
    count = int(codes.max()) + 1
    random = np.random.default_rng(seed)
    drawn = random.multinomial(count, np.full(count, 1 / count), size=resamples)
    return drawn[:, codes].astype(np.float64)


def resample_seeds(values: Array) -> Array:
    """Average over seeds drawn with replacement: the second source of variation, beside the clips.

    The draw is the same for all layers.

    Parameters
    ----------
    values : ndarray, shape (seed, resample)
        The metric of each seed in each resample of the clips.

    Returns
    -------
    ndarray, shape (resample,)

    Examples
    --------
    >>> resample_seeds(np.array([[0.5, 0.75, 1.0]]))  # of one seed there is nothing to draw
    array([0.5 , 0.75, 1.  ])
    """
    seeds, resamples = values.shape
    drawn = np.random.default_rng(0).integers(seeds, size=(seeds, resamples))
    return np.take_along_axis(values, drawn, axis=0).mean(axis=0)


def interval(draws: Array) -> tuple[float, float]:
    """Return the 95 % percentile interval of resampled values (Efron & Tibshirani 1993, ch. 13); NaNs are left out.

    Of the difference of two metrics over the same resamples it is the paired interval.

    Examples
    --------
    >>> [round(bound, 3) for bound in interval(np.linspace(0.0, 1.0, 1001))]
    [0.025, 0.975]
    """
    if np.isnan(draws).all():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def best_set(values: Sequence[float], draws: Array, level: float = LEVEL) -> NDArray[np.bool_]:
    """Return which candidates cannot be told apart from the best at 95 %, all comparisons considered together.

    A candidate stays unless some other beats it by more than resampling explains: with ``d_jk`` the difference
    of j and k, k stays if ``max_j d_jk`` is at most the 95th percentile over resamples of
    ``max_j (d*_jk - d_jk)``. That maximum is taken over all rivals at once, so no further correction for the
    number of layers is due, and the truly best candidate is kept in 95 % of studies (multiple comparisons with
    the best: Hsu 1984; single-step maximum: Romano & Wolf 2005).

    Parameters
    ----------
    values : sequence of float, one a candidate
        The metric on the clips as they are.
    draws : ndarray, shape (candidate, resample)
        The metric on the same resamples of the clips for all.
    level : float
        How often the truly best is to be kept.

    Returns
    -------
    ndarray of bool, one a candidate

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.01, (3, 1000))
    >>> best_set([0.80, 0.79, 0.60], np.array([[0.80], [0.79], [0.60]]) + noise).tolist()
    [True, True, False]
    """
    point = np.asarray(values, dtype=np.float64)
    usable = ~np.isnan(draws).any(axis=0)
    noise = draws[:, usable] - point[:, None]
    keep = np.zeros(len(point), dtype=bool)
    for candidate in range(len(point)):
        allowed = np.percentile((noise - noise[candidate]).max(axis=0), 100 * level) if usable.any() else np.inf
        keep[candidate] = (point - point[candidate]).max() <= allowed + 1e-12
    return keep
