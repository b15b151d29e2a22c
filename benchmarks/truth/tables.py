"""What the sections print: tables in Markdown, and whether their targets are met."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

__all__ = ["in_percent", "judge", "table"]


def in_percent(share: float) -> str:
    """Return a share, or the words of the page where there is no interval."""
    return "too few" if math.isnan(share) else f"{100 * share:.1f}"


def table(title: str, head: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, row by row."""
    print(f"\n{title}\n\n| {' | '.join(map(str, head))} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)


def judge(target: str, values: dict[str, float], low: float = -math.inf, high: float = math.inf) -> None:
    """Print a target, and whether all values, by name, lie within it; NaN is none."""
    missed = [f"{name}: {value:.3g}" for name, value in values.items() if value < low or value > high]
    print(f"\nTarget: {target}: {'missed by ' + '; '.join(missed) if missed else 'met'}.", flush=True)
