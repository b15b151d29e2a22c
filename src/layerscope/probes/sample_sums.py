"""Sums and cross-products in float64: what linear probes need of the data, and what adds up exactly over parts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moments"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """First and second moments of inputs x and targets y over samples.

    Attributes
    ----------
    count : float
        Samples.
    x, y : ndarray, shapes (dim,), (output,)
        Sums.
    xx, xy : ndarray, shapes (dim, dim), (dim, output)
        Sums of outer products.
    """

    count: float
    x: Array
    y: Array
    xx: Array
    xy: Array

    @classmethod
    def of(cls, x: NDArray[np.floating], y: NDArray[np.floating]) -> Moments:
        """Gather them from samples x (sample, dim) and y (sample, output)."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        return cls(float(len(x)), x.sum(axis=0), y.sum(axis=0), x.T @ x, x.T @ y)

    def __iadd__(self, other: Moments) -> Moments:
        """Return the moments of both parts together, in the place of the first's: of many columns they are large."""
        for ours, theirs in ((self.x, other.x), (self.y, other.y), (self.xx, other.xx), (self.xy, other.xy)):
            ours += theirs
        return replace(self, count=self.count + other.count)

    def covariance(self) -> tuple[Array, Array]:
        """Return the covariance of x, (dim, dim), and of x with y, (dim, output), dividing by the count."""
        mean_x = self.x / self.count
        # Safe from cancelling where x is standardised, its mean about 0, as the closed probe's is.
        covariance, cross = self.xx / self.count, self.xy / self.count
        covariance -= np.outer(mean_x, mean_x)
        cross -= np.outer(mean_x, self.y / self.count)
        return covariance, cross
