"""What others have published, each number with its source: drawn beside ours, never mixed with them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["Published", "published_rows"]


@dataclass(frozen=True)
class Published:
    """A published score.

    Attributes
    ----------
    model, task, metric : str
        As in results.
    value : float
        In the units of results: shares, not percent.
    layer : str
        Which layer, where the source says so.
    source : str
        Where it stands.
    """

    model: str
    task: str
    metric: str
    value: float
    layer: str
    source: str


@cache
def published_rows() -> tuple[Published, ...]:
    """Return all published scores that the package knows."""
    text = files("layerscope.tasks").joinpath("published_scores.csv").read_text(encoding="utf-8")
    return tuple(
        # Papers print percent, and the table keeps what they print.
        Published(row["model"], row["task"], row["metric"], float(row["value"]) / 100, row["layer"], row["source"])
        for row in csv.DictReader(text.splitlines())
    )
