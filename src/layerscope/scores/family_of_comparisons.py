"""A family of scores or differences, judged together: each further one is one more chance to be lucky."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from layerscope.scores.resampling import LEVEL
from layerscope.scores.score_table import Comparison

__all__ = ["TWO_SIDED", "corrected", "corrected_by", "highest_deviation"]

Key = TypeVar("Key")

#: Deviations to either side of a normal score that its interval holds: 1.96.
TWO_SIDED = float(stats.norm.ppf((1 + LEVEL) / 2))


def highest_deviation(noise: NDArray[np.float64], *, both_sides: bool = False) -> float:
    """Return how far the highest of several scores lies above its true one in 5 % of studies, in its own deviations.

    What any of them must exceed for all to be judged rightly (single-step maximum: Romano & Wolf 2005).

    Parameters
    ----------
    noise : ndarray, shape (score, resample)
        Each score in the same resamples, less its value.
    both_sides : bool
        Whether one that lies far below counts as well.

    Returns
    -------
    float
        NaN where no score varies.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(10, 5000))  # ten scores that have nothing to do with each other
    >>> round(highest_deviation(noise[:1]), 1), round(highest_deviation(noise), 1)
    (1.7, 2.6)
    """
    if not noise.size:
        return math.nan
    # Neither scores without an interval nor resamples in which one of the others is undefined.
    noise = noise[~np.isnan(noise).all(axis=1)]
    noise = noise[:, ~np.isnan(noise).any(axis=0)]
    deviations = noise.std(axis=1)
    # A score that is alike in every resample has no deviation to be measured in.
    varying = deviations > 0
    if not varying.any():
        return math.nan
    distances = (np.abs(noise) if both_sides else noise)[varying] / deviations[varying, None]
    return float(np.quantile(distances.max(axis=0), LEVEL))


def corrected(gaps: Sequence[Comparison]) -> list[str]:
    """Return the verdicts of a family of comparisons, so that in 5 % of families at most any is wrong (Holm 1979).

    The probability of each follows from its interval, as that of a normal difference, so that one comparison alone is
    judged as its interval says.

    Returns
    -------
    list of "better", "worse" or "not told apart"

    Examples
    --------
    >>> corrected([Comparison(0.05, 0.001, 0.099)])
    ['better']
    >>> corrected([Comparison(0.05, 0.001, 0.099), Comparison(-0.1, -0.11, -0.09)])
    ['better', 'worse']
    >>> corrected([Comparison(0.05, 0.001, 0.099)] * 2)
    ['not told apart', 'not told apart']
    """
    probabilities = np.array([probability(gap) for gap in gaps])
    verdicts = ["not told apart"] * len(gaps)
    for rank, place in enumerate(np.argsort(probabilities, kind="stable")):
        # Holm: from the smallest on, 5 % are shared by those that are left, and the first that fails ends it.
        if not probabilities[place] <= (1 - LEVEL) / (len(gaps) - rank):
            break
        verdicts[place] = "better" if gaps[place].difference > 0 else "worse"
    return verdicts


def corrected_by(gaps: Mapping[Key, Comparison]) -> dict[Key, str]:
    """Return the verdicts of a family of comparisons by what each is of; see `corrected`."""
    return dict(zip(gaps, corrected(list(gaps.values())), strict=True))


def probability(gap: Comparison) -> float:
    """Return the two-sided probability of a difference as large as this where there is none; 1 without an interval."""
    # The end of the interval that is nearer to zero decides.
    half = gap.difference - gap.low if gap.difference > 0 else gap.high - gap.difference
    if math.isnan(half):
        return 1.0
    # No width: every resample gave the same difference.
    deviations = math.inf if half <= 0 else TWO_SIDED * abs(gap.difference) / half
    return float(2 * stats.norm.sf(deviations)) if gap.difference else 1.0
