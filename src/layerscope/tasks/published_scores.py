"""What others have published, each number with its source: drawn beside ours, never mixed with them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["Published", "highest_published", "published_rows"]

#: In a picture; the page lists all.
MOST_SHOWN = 4


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


def highest_published(task: str, metric: str) -> dict[str, float]:
    """Return the highest published score of each model on a task, by its name: the best few, the highest first."""
    rows = [row for row in published_rows() if (row.task, row.metric) == (task, metric)]
    highest = {row.model: max(other.value for other in rows if other.model == row.model) for row in rows}
    return dict(sorted(highest.items(), key=lambda item: -item[1])[:MOST_SHOWN])
