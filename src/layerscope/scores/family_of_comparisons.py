"""A family of paired differences, judged together: each further comparison is one more chance to be lucky."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from layerscope.scores.against_controls import LEVEL, TWO_SIDED
from layerscope.scores.score_table import Comparison

__all__ = ["corrected"]


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


def probability(gap: Comparison) -> float:
    """Return the two-sided probability of a difference as large as this where there is none; 1 without an interval."""
    # The end of the interval that is nearer to zero decides.
    half = gap.difference - gap.low if gap.difference > 0 else gap.high - gap.difference
    if math.isnan(half):
        return 1.0
    # No width: every resample gave the same difference.
    deviations = math.inf if half <= 0 else TWO_SIDED * abs(gap.difference) / half
    return float(2 * stats.norm.sf(deviations)) if gap.difference else 1.0
