"""How sure are we: resampling of groups, intervals, and the layers that cannot be told apart from the best.

One set of resamples serves every layer, input and model of a task, so that differences are paired.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

__all__ = [
    "FEWEST_GROUPS", "RESAMPLES", "add_pseudo_group", "best_set", "effective_groups", "interval", "resample_seeds",
    "resample_weights", "widen", "wider_as_counted", "wider_as_few",
]  # fmt: skip

Array = NDArray[np.float64]

#: A tail of 2.5 % is then known to half a point, either end of a normal interval to a fiftieth of its width.
RESAMPLES = 1000
#: Of every interval and of the best set: the field's convention.
LEVEL = 0.95
#: Of fewer `effective_groups` nothing is resampled: intervals of R² and ROC-AUC would hold the truth in less than 90 %
#: of studies (`benchmarks.truth coverage`).
FEWEST_GROUPS = 10


def effective_groups(groups: NDArray[np.int64], counted: Array | None = None) -> int:
    """Return how many groups of one size vary as much as these, rounded (Kish 1965); 0 where nothing counts.

    A mean over clips is that of the groups, weighted by their clips; where one group holds most clips, it decides. So
    does one of the longest tracks, where seconds are counted.

    Parameters
    ----------
    groups : ndarray of int, shape (clip,)
        Of each clip, at least one.
    counted : ndarray, shape (clip,), optional
        How much each clip counts; one as much as another by default.

    Examples
    --------
    >>> effective_groups(np.arange(15).repeat(4)), effective_groups(np.repeat(np.arange(15), [120] + 14 * [2]))
    (15, 2)
    >>> effective_groups(np.arange(15), np.array([600.0] + 14 * [10.0]))  # seconds
    2
    """
    sizes = group_sizes(groups, counted)
    return round(float(sizes.sum() ** 2 / (sizes**2).sum())) if sizes.any() else 0


def group_sizes(groups: NDArray[np.int64], counted: Array | None = None) -> NDArray[np.int64] | Array:
    """Return how many clips each group has, or how much they count together."""
    codes = np.unique(groups, return_inverse=True)[1]
    return np.bincount(codes, counted)


def concentration(sizes: NDArray[np.int64] | Array) -> float:
    """Return the concentration of a group's weight with which a mean varies as its unbiased variance says.

    Of groups that hold the shares a of all clips, weights of concentration c give the mean over clips the variance
    ``G · Σ(a·d)² / (c·G + 1)``, d the deviation of a group's mean from that of all. Deviations are too small, since a
    group that is large draws the mean towards itself: the sum is what it should be times ``1 - 2·Σa³ / Σa² + Σa²``
    (as in the second correction of Bell & McCaffrey 2002). Of one size it is ``(G - 2) / G``.
    """
    count, (clips, squares, cubes) = len(sizes), (Fraction((sizes**power).sum().item()) for power in (1, 2, 3))
    # What makes c·G + 1 equal to G times that factor; fractions, so that groups of one size have one concentration.
    return float(1 - 2 * cubes / (clips * squares) + squares / clips**2 - Fraction(1, count))


def wider_as_counted(groups: NDArray[np.int64], counted: Array) -> float:
    """Return how many times wider a mean varies, where clips count unequally, than `resample_weights` make it.

    These are drawn once for all metrics of a task, for clips that count alike (see `concentration`).

    Parameters
    ----------
    groups : ndarray of int, shape (clip,)
        What was resampled.
    counted : ndarray, shape (clip,)
        How much each clip counts; as many groups as are enough for intervals.

    Examples
    --------
    >>> groups = np.arange(40)
    >>> wider_as_counted(groups, np.ones(40)), round(wider_as_counted(groups, np.repeat([9.0, 1.0], [10, 30])), 2)
    (1.0, 1.14)
    """
    if not np.ptp(counted):
        return 1.0
    drawn, wanted = group_sizes(groups), group_sizes(groups, counted)
    spread = (concentration(drawn) * len(drawn) + 1) / (concentration(wanted) * len(wanted) + 1)
    return float(np.sqrt(spread)) * wider_than_normal(freedom(wanted)) / wider_than_normal(freedom(drawn))


def wider_as_few(groups: NDArray[np.int64], few: float) -> float:
    """Return how many times wider a mean over some of the groups varies than `resample_weights` of all make it.

    These are drawn for a mean over all; that over few falls short of the unbiased variance by more.

    Parameters
    ----------
    groups : ndarray of int, shape (clip,)
        What was resampled.
    few : float
        How many of the groups what is asked for rests on; more than one.

    Examples
    --------
    >>> [round(wider_as_few(np.arange(40), few), 2) for few in (3, 10, 40)]
    [1.39, 1.08, 1.0]
    """
    # Of groups that differ in size the concentration has it in part already.
    return max(1.0, float(np.sqrt((concentration(group_sizes(groups)) * few + 1) / (few - 1))))


def freedom(sizes: NDArray[np.int64] | Array) -> float:
    """Return how many degrees of freedom the variance has that a mean over groups is told by (Satterthwaite 1946).

    Examples
    --------
    >>> freedom(np.full(15, 4)), round(freedom(np.array([600.0] + 14 * [10.0])), 2)
    (14.0, 1.0)
    """
    squares = np.square(sizes / sizes.max())
    return max(1.0, float(squares.sum() ** 2 / np.square(squares).sum()) - 1)


def resample_weights(groups: NDArray[np.int64], seed: int, resamples: int = RESAMPLES) -> Array:
    """Draw a weight for each group, and give it to its clips: the Bayesian bootstrap (Rubin 1981).

    Weights are Dirichlet's times the number of groups. They are never 0, so that no class or tag is lost in a resample,
    and no metric undefined that is defined on the clips as they are.

    Parameters
    ----------
    groups : ndarray of int, shape (clip,)
        What is weighted as a whole, several of which none holds most clips: clips of one artist or song are not
        independent.
    seed : int
        Of the draw.
    resamples : int
        How many.

    Returns
    -------
    ndarray, shape (resample, clip)

    Examples
    --------
    >>> weights = resample_weights(np.array([0, 0, 1, 2]), seed=0, resamples=200)  # two clips of one song
    >>> weights.shape, bool((weights[:, 0] == weights[:, 1]).all())
    ((200, 4), True)
    """
    codes, sizes = np.unique(groups, return_inverse=True)[1], group_sizes(groups)
    count = len(sizes)
    shares = np.random.default_rng(seed).dirichlet(np.full(count, concentration(sizes)), size=resamples)
    # Times their number, so that weights are 1 on average, as those of clips that are not resampled.
    return count * shares[:, codes]


def widen(deviations: Array, groups: int) -> Array:
    """Return deviations of resamples from their mean, as much wider as Student's t is than the normal distribution.

    Resamples vary as the variance among so few groups says, and not as a variance does that is itself an estimate: the
    expanded percentile interval (Hesterberg 2015, section 5.3).

    Parameters
    ----------
    deviations : ndarray, shape (resample,)
        Of a metric that is not a share.
    groups : int
        How many were resampled, as `effective_groups` counts them.

    Examples
    --------
    >>> [round(float(widen(np.ones(1), groups)[0]), 2) for groups in (10, 20, 100)]
    [1.15, 1.07, 1.01]
    """
    return deviations * wider_than_normal(groups - 1)


@lru_cache(maxsize=4096)
def wider_than_normal(freedom: float) -> float:
    """Return how many times wider Student's t is than the normal distribution.

    Examples
    --------
    >>> [round(wider_than_normal(freedom), 2) for freedom in (1, 4, 100)]
    [6.48, 1.42, 1.01]
    """
    tail = (1 + LEVEL) / 2
    return float(t.ppf(tail, freedom) / norm.ppf(tail))


def add_pseudo_group(draws: Array, value: float, groups: int, clips: int, name: str) -> Array:
    """Return resampled values of a metric in [0, 1] with a group added that is all right or all wrong.

    Resampling cannot show an error that no clip has made. A group more, which half of the resamples take for right and
    half for wrong, is the Dirichlet process's prior (Ferguson 1973); of n independent clips it gives the accuracy the
    posterior of Jeffreys' prior, Beta(k + ½, n - k + ½), whose intervals cover near 1 as elsewhere (Brown, Cai &
    DasGupta 2001). Two inputs take their sides independently, so that half a discordant group enters their
    difference (as whole pairs do in Agresti & Min 2005).

    Where the clips of a group agree little, a group counts for several clips, and so does the pseudo-group; it is as
    heavy as the square root of the design effect (Kish 1965) says, between the mean size of a group and one clip:
    half of the way, since errors that are few say little about how they cluster.

    Parameters
    ----------
    draws : ndarray, shape (resample,)
        The metric under `resample_weights`.
    value : float
        The metric on the clips as they are.
    groups, clips : int
        How many were resampled; groups that differ in size as `effective_groups` counts them.
    name : str
        Of the input: who shares it shares its sides.

    Returns
    -------
    ndarray, shape (resample,)

    Examples
    --------
    >>> draws = add_pseudo_group(np.ones(1000), 1.0, groups=15, clips=15, name="layer 3")  # 15 clips, all right
    >>> interval(draws, 1.0)[0] < 0.9
    True
    """
    prior = concentration(np.ones(groups, np.int64))
    # One of G + 1 Dirichlet weights is Beta-distributed; the seed makes all inputs of a task draw the same shares.
    share = np.random.default_rng(groups).beta(prior, prior * groups, size=len(draws))
    # Half of the resamples exactly; crc32, since Python's own hash of a text differs between processes.
    side = np.random.default_rng(zlib.crc32(name.encode())).permutation(np.arange(len(draws)) % 2)
    variance = draws.var()
    # The design effect: variance over that of as many independent answers; 1 where there is none to compare.
    effect = groups * variance / (value * (1 - value)) if variance > 0 and 0 < value < 1 else 1.0
    # The root is half of the way, in ratios, from a whole group to what the effect says.
    mass = np.sqrt(np.clip(effect, groups / clips, 1.0))
    # A mass m takes the odds of the share, s / (1 - s), times m.
    share = mass * share / (1 - share + mass * share)
    return (1 - share) * draws + share * side


def resample_seeds(values: Array) -> Array:
    """Average over seeds drawn with replacement: the second source of variation, beside the clips.

    The draw is the same for all layers. Of few seeds their own variance is hardly known; where it is most of all that
    varies, what varies is as much wider as Student's t is than the normal distribution, with as many degrees of freedom
    as the sum of both variances has (Satterthwaite 1946).

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
    # A fixed seed, so that all layers draw alike and their differences stay paired.
    drawn = np.random.default_rng(0).integers(seeds, size=(seeds, resamples))
    mean = values.mean(axis=0)
    # Drawn with replacement the mean varies as 1/S of them would say of the variance, not as 1/(S - 1): of two or three
    # seeds intervals were too narrow (docs/decisions.md).
    spread = (np.take_along_axis(values, drawn, axis=0).mean(axis=0) - mean) * np.sqrt(seeds / max(1, seeds - 1))
    of_seeds, of_clips = float(spread.var()), float(mean.var())
    # Seeds that agree add nothing, and draws that are NaN, of too few groups, stay so.
    if not of_seeds > 0:
        return np.asarray(mean + spread)
    wider = wider_than_normal((seeds - 1) * (1 + of_clips / of_seeds) ** 2)
    # Of the seeds' part alone, which then brings all to that width: what clips share between inputs stays paired.
    return np.asarray(mean + spread * np.sqrt(wider**2 + (wider**2 - 1) * of_clips / of_seeds))


def interval(draws: Array, value: float) -> tuple[float, float]:
    """Return the 95 % percentile interval of resampled values (Efron & Tibshirani 1993, ch. 13), NaN where none is.

    Of the difference of two metrics over the same resamples it is the paired interval. It holds the value itself.

    Examples
    --------
    >>> [round(bound, 3) for bound in interval(np.linspace(0.0, 1.0, 1001), 0.5)]
    [0.025, 0.975]
    """
    if np.isnan(draws).all():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    # A skewed distribution may lie beside the value; fmin and fmax look past a value of NaN.
    return float(np.fmin(low, value)), float(np.fmax(high, value))


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
        # Without resamples nothing is told apart, and all stay.
        allowed = np.percentile((noise - noise[candidate]).max(axis=0), 100 * level) if usable.any() else np.inf
        # 1e-12, so that rounding does not throw out a candidate that equals the best; of an undefined score nothing is
        # shown, and NaN exceeds nothing.
        keep[candidate] = not (point - point[candidate] > allowed + 1e-12).any()
    return keep
