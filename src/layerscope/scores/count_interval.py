"""The interval of how often a probe is right, of a count of right answers to single clips."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import betaln, logit
from scipy.stats import beta, binom

from layerscope.scores.resampling import LEVEL

__all__ = ["count_interval"]

#: What an interval of 95 % covers at least, where counts move in steps that are wider than this.
LEAST = 0.93
#: Rates that are tried, so that an end is known to a thousandth of the interval's width.
RATES = 2001
#: Tail beyond which no rate is tried: far less than any that an interval leaves out.
BEYOND = 5e-4


@lru_cache(maxsize=65536)
def count_interval(right: int, clips: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate, whose coverage is as near to 95 % as counts allow, and not below 93 %.

    A rate is in it where the count is among the likeliest counts of that rate (Sterne 1954): as many of these as bring
    their probability nearest to 95 %, or one more where it would be below 93 %. An exact interval, of which 95 % is the
    least, covers 97 % and more of most rates near 0 and 1, and those of Wilson and Jeffreys as little as 84 and 88 %
    of some (Brown, Cai & DasGupta 2001).

    Parameters
    ----------
    right, clips : int
        So many of so many, each clip by itself.

    Examples
    --------
    >>> [round(bound, 3) for bound in count_interval(15, 15)], [round(bound, 3) for bound in count_interval(50, 100)]
    ([0.805, 1.0], [0.405, 0.595])
    """
    rates = np.linspace(beta.ppf(BEYOND, right, clips - right + 1) if right else 0.0,
                        beta.isf(BEYOND, right + 1, clips - right) if right < clips else 1.0, RATES)  # fmt: skip
    counts = np.delete(np.arange(clips + 1), right)
    # At these log odds a count is as likely as `right`; they rise with the count, as binomial coefficients are concave.
    coefficients = betaln(right + 1, clips - right + 1) - betaln(counts + 1, clips - counts + 1)
    place = np.searchsorted(coefficients / (right - counts), logit(rates))
    # Counts below it that are likelier are those from `place` on; above it, those up to `place`.
    below = binom.cdf(right - 1, clips, rates) - binom.cdf(place - 1, clips, rates)
    above = binom.cdf(place, clips, rates) - binom.cdf(right, clips, rates)
    likelier = np.where(place < right, below, above)
    # With half of its own probability it is nearer to 95 % with the count than without.
    held = (likelier + binom.pmf(right, clips, rates) / 2 < LEVEL) | (likelier < LEAST)
    places = np.flatnonzero(held)
    # An end lies between two rates: the outer one.
    return float(rates[max(places[0] - 1, 0)]), float(rates[min(places[-1] + 1, RATES - 1)])
