"""How many test clips, or groups of them, would decide a task, if the differences stay as they are.

An interval's width falls with the root of their number, so that the number grows with the square of what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from layerscope.scores.against_controls import beats_permutations, chance_of, judged_row, margin_below, role_in
from layerscope.scores.layer_selection import Choice
from layerscope.scores.rivals import MARGIN, best_on_test, gaps_between, may_be_best, plain_over_layers
from layerscope.scores.score_table import Results

__all__ = ["units_to_beat_controls", "units_to_decide"]


def units_to_decide(
    results: Results, layer: Choice[pd.Series], plain: Choice[pd.Series] | None, rivals: Sequence[Choice[pd.Series]]
) -> float:
    """Return how many test clips or groups there must be for the sooner of `layer` and `plain` to be shown.

    For a layer, these are needed against each of the rivals that it is not yet shown to beat.
    """
    facts = results.facts["tasks"][layer.chosen.task]
    gaps = [gap for rival in rivals for gap in gaps_between(results, layer.chosen, rival.chosen)]
    for_layer = [units_for(gap.difference, gap.difference - gap.low, facts) for gap in gaps]
    needed = max(*for_layer, units_to_beat_controls(results, layer.chosen), 0.0)
    # Clips like these do not help a layer that is shown to be worse than another, or would be as soon.
    best = best_on_test(results, layer.chosen.task, role_in(results, layer.chosen))
    gap = results.compare(best.name, layer.chosen.name)
    to_be_beaten = units_for(gap.difference, gap.difference - gap.low, facts)
    if not may_be_best(results, layer.chosen) or to_be_beaten <= needed:
        needed = math.inf
    if plain is None:
        return needed
    for_plain = [
        units_for(MARGIN + gap.difference, gap.difference - gap.low, facts) for gap in plain_over_layers(results, plain)
    ]
    return min(needed, max(*for_plain, units_to_beat_controls(results, plain.chosen)))


def units_to_beat_controls(results: Results, row: pd.Series) -> float:
    """Return how many test clips or groups there must be for a row to beat the controls, if its score stays."""
    # Shuffled labels that score higher do so whatever the number of clips, if scores stay.
    if not beats_permutations(results, row):
        return math.inf
    facts = results.facts["tasks"][row.task]
    distance = float(judged_row(results, row).value) - chance_of(results, row)
    # The interval that is printed must clear the constant answer as well.
    printed = units_for(float(row.value) - float(facts["chance"]), float(row.value - row.ci_low), facts)
    return max(printed, units_for(distance, margin_below(results, row), facts))


def units_for(distance: float, half: float, facts: dict[str, Any]) -> float:
    """Return how many units bring half of an interval's width down to a distance; infinite where none do."""
    return float(facts["test_groups"]) * (half / distance) ** 2 if distance > 0 and not math.isnan(half) else math.inf
