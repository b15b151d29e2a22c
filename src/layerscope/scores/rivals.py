"""What else might be the answer of a task, and whether a choice is shown to be better than it."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd

from layerscope.scores.against_controls import judged_row, lies_above_chance, role_in, spread_over_trainings
from layerscope.scores.family_of_comparisons import corrected, highest_deviation
from layerscope.scores.layer_selection import Choice, best_trained, choose_among, choose_row
from layerscope.scores.resampling import best_set
from layerscope.scores.score_table import SINGLE_INPUTS, Comparison, Results, Role, wide_inputs

__all__ = [
    "MARGIN",
    "against_wider_inputs",
    "best_on_test",
    "better_wider_inputs",
    "candidates_of",
    "gaps_between",
    "is_shown_over",
    "judged_gap",
    "may_be_best",
    "plain_over_layers",
    "rival_of",
    "unbeaten",
]  # fmt: skip

#: A loss that nobody would pay an encoder for: two points, or 0.02 of R². Smaller ones are within what another split or
#: seed of the same study moves a score by.
MARGIN = 0.02


def is_shown_over(results: Results, ours: pd.Series, theirs: pd.Series) -> bool:
    """Return whether a row is shown to be better than another."""
    return judged_gap(results, ours, theirs).low > 0


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
    clips that have chosen it. Of several models and probes it is told for all at once.
    """
    gaps = [results.compare(ours.name, theirs.name)]
    rows = [judged_row(results, row) for row in (ours, theirs)]
    if any(row.input == "nested" for row in rows):
        # Trainings that share clips spread differences wider than resampled clips say, as they do scores.
        times = spread_over_trainings(results, ours) * luck_of_choice(results, ours, rows[1])
        gaps.append(results.compare(rows[0].name, rows[1].name).widened(times))
    return gaps


def luck_of_choice(results: Results, ours: pd.Series, theirs: pd.Series) -> float:
    """Return how many times wider the nested difference of a choice is told for all that it was chosen among, over one.

    Over folds the clips that choose among models and probes test them too. What holds for all of them at once
    (single-step maximum: Romano & Wolf 2005) holds for the luckiest; of one there is nothing to make up for.
    """
    models = results.models(role_in(results, ours))
    choice = choose_among(results, ours.task, models)
    # What is not the task's choice, or is beside others of its sort, is its model's choice among probes.
    among = models if choice and choice.chosen.name == ours.name and theirs.model not in models else [ours.model]
    rows = results.of(task=ours.task, metric=ours.metric, input="nested")
    rows = rows[rows.model.isin(among)]
    noise = results.noise_of(rows)
    noise -= results.draws[theirs.name] - theirs.value
    own = noise[[row == judged_row(results, ours).name for row in rows.index]]
    # Of nothing that varies, or is resampled, there is no luck to be told.
    return float(np.fmax(1.0, highest_deviation(noise, both_sides=True) / highest_deviation(own, both_sides=True)))


def best_on_test(results: Results, task: str, role: Role = "trained") -> pd.Series:
    """Return the layer of such a model that scores highest on the test clips: a rival, never what is recommended."""
    # Stable: of equal scores the first of the table.
    return candidates_of(results, task, role).sort_values("value", ascending=False, kind="stable").iloc[0]


def may_be_best(results: Results, row: pd.Series) -> bool:
    """Return whether no other layer is shown to be better: of its own model and probe, or of all that were open."""
    rows = candidates_of(results, row.task, role_in(results, row))
    inside = best_set(list(rows.value), results.draws[rows.index].astype(np.float64))
    return bool(row.in_best_set and inside[rows.index.get_loc(row.name)])


def candidates_of(results: Results, task: str, *roles: Role) -> pd.DataFrame:
    """Return the rows among which one is chosen."""
    rows = results.of(task=task, metric=results.primary(task))
    return rows[rows.model.isin(results.models(*roles)) & rows.input.isin(SINGLE_INPUTS)]


def unbeaten(results: Results, layer: pd.Series, role: Role) -> Choice[pd.Series] | None:
    """Return what validation prefers of the inputs of such models that a layer is not shown to be better than.

    Not only of the one that it prefers of all: few validation clips may prefer one that a layer beats to one that is as
    good as the layer. All must be beaten, so that no correction is due.
    """
    rows = candidates_of(results, layer.task, role)
    beaten: list[Hashable] = []
    for _, same in rows.groupby(["model", "probe"], sort=False):
        # What nested choice leaves over folds is one of a model and probe.
        _, *nested = gaps_between(results, layer, same.iloc[0])
        if all(gap.low > 0 for gap in nested):
            beaten += [number for number in same.index if results.compare(layer.name, number).low > 0]
    return choose_row(rows.drop(beaten))


def rival_of(results: Results, row: pd.Series, role: Role) -> Choice[pd.Series] | None:
    """Return what an input is held against of plain features or of untrained twins; nothing where there are none.

    What stands in a trained layer's way (`unbeaten`); where it is shown to beat them all, and of other inputs, what
    validation prefers of them.
    """
    open_rival = unbeaten(results, row, role) if row.model in results.models("trained") else None
    return open_rival or choose_among(results, row.task, results.models(role))


def plain_over_layers(results: Results, plain: Choice[pd.Series]) -> list[Comparison]:
    """Return what a plain feature has over every layer and input of several, and as `gaps_between` tells it over two.

    These are the chosen layer and the best one on test, which is picked by its luck. Each further one makes it harder
    to show that nothing is lost, not easier.
    """
    task = plain.chosen.task
    layer = best_trained(results, task)
    rivals = [best_on_test(results, task), *([layer.chosen] if layer else [])]
    rows = results.of(task=task, metric=results.primary(task))
    rows = rows[rows.model.isin(results.models("trained")) & rows.input.isin(["layer", *wide_inputs(rows)])]
    # The luckiest on test may be sure to lose nothing where another, which is truly better, is not.
    alone = [results.compare(plain.chosen.name, number) for number in rows.index]
    return [*alone, *(gap for row in rivals for gap in gaps_between(results, plain.chosen, row))]


def against_wider_inputs(results: Results, best: pd.Series) -> list[tuple[pd.Series, Comparison]]:
    """Return the inputs that a layer is shown beside, with what it has over each."""
    rows = results.of(model=best.model, probe=best.probe, metric=best.metric)
    wide = [row for _, row in rows[rows.input.isin(wide_inputs(rows))].iterrows()]
    # The last layer may be the very same thing by its other name.
    others = [row for row in wide if not (row.input == "last" and row.layer == best.layer)]
    return [(row, judged_gap(results, best, row)) for row in others]


def better_wider_inputs(results: Results, best: pd.Series) -> list[pd.Series]:
    """Return the inputs of several layers that lie above chance and are shown to beat a layer (Holm)."""
    pairs = against_wider_inputs(results, best) if best.input == "layer" else []
    verdicts = corrected([gap for _, gap in pairs])
    better = [row for (row, _), verdict in zip(pairs, verdicts, strict=True) if verdict == "worse"]
    # What is no better than chance beats a layer that is worse by bad luck alone.
    return [row for row in better if lies_above_chance(results, row)]
