"""Paired differences as they are judged: over folds by nested choice as well, and a family of them together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from layerscope.scores.against_controls import LEVEL, TWO_SIDED, judged_row, spread_over_trainings
from layerscope.scores.score_table import Comparison, Results

__all__ = ["corrected", "gaps_between", "judged_gap"]


def judged_gap(results: Results, ours: pd.Series, theirs: pd.Series) -> Comparison:
    """Return the difference of two rows, with the interval that says whether one is shown to be better.

    Over folds it holds those of both `gaps_between`.
    """
    gaps = gaps_between(results, ours, theirs)
    low, high = np.min([gap.low for gap in gaps]), np.max([gap.high for gap in gaps])
    return Comparison(gaps[0].difference, float(low), float(high))


def gaps_between(results: Results, ours: pd.Series, theirs: pd.Series) -> list[Comparison]:
    """Return the differences of two rows that must lie on one side of zero, if one is to be better.

    Over folds that of nested choice is one as well: there the luckiest of many layers beats what is as good, on the
    clips that have chosen it.
    """
    gaps = [results.compare(ours.name, theirs.name)]
    rows = [judged_row(results, row) for row in (ours, theirs)]
    if any(row.input == "nested" for row in rows):
        nested = results.compare(rows[0].name, rows[1].name)
        # Trainings that share clips spread differences wider than resampled clips say, as they do scores.
        wider, middle = spread_over_trainings(results, ours), nested.difference
        low, high = (middle + wider * (bound - middle) for bound in (nested.low, nested.high))
        gaps.append(Comparison(middle, low, high))
    return gaps


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
