"""A metric of a kind of target: its name, what measures it, and how a reader is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Metric"]


@dataclass(frozen=True)
class Metric:
    """A score of predictions; higher is better.

    Attributes
    ----------
    name, title : str
        In tables and options, and in prose.
    measure : callable
        Scores, targets, weights → a value a resample; of a kind over time, a track's annotation and its
        estimate → the value and its weight.
    percent : bool
        Whether it is a share, in [0, 1], which prose shows times 100; with three decimals otherwise.
    ranks : bool
        Whether clips are ranked by their scores, which are then to be of one training.
    counts : bool
        Whether it is the share of clips that are right, each as a whole.
    fewest_each : int
        Clips of each class, by their harmonic mean, below which its intervals do not cover; 0 where that is no matter.
    """

    name: str
    title: str
    measure: Callable[..., Any]
    percent: bool = True
    ranks: bool = False
    counts: bool = False
    fewest_each: int = 0

    def of(self, output: str) -> Metric:
        """Return the metric of one output alone, such as ``r2:valence``."""
        return replace(self, name=f"{self.name}:{output}", title=f"{self.title} of {output}")
