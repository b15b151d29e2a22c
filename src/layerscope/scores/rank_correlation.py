"""How alike two lists of numbers order layers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import spearmanr

__all__ = ["rank_correlation"]


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Return Spearman's rank correlation; NaN where one list is constant, which has no order, or not all known.

    Examples
    --------
    >>> rank_correlation([1, 2, 3], [10, 30, 20]), rank_correlation([1, 2, 3], [1, 1, 1])
    (0.5, nan)
    """
    x, y = (np.asarray(values, dtype=np.float64).tolist() for values in (first, second))
    # Not `== 0`: of a list that holds NaN the spread is NaN.
    if not min(np.ptp(x), np.ptp(y)) > 0:
        return math.nan
    return float(spearmanr(x, y).statistic)
