"""What sets of layers have over single layers, and what each further layer of a search adds.

Differences are paired on the test clips, and those of one family are corrected together (Holm 1979): all sets of a
model against its layer, all steps of a search. A set that is not told apart from a layer is never said to be as good.
Nothing is better than another input that is not itself shown to lie above chance: below it scores differ by how much a
probe overfits, and not by what it hears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from layerscope.scores.against_controls import lies_above_chance, spread_over_trainings
from layerscope.scores.family_of_comparisons import corrected
from layerscope.scores.layer_selection import Choice, choose_row
from layerscope.scores.score_table import SEARCHED, Comparison, Results, is_set, wide_inputs

__all__ = ["Gain", "better_set", "gains", "gains_over_layer", "steps_of_search"]

#: The verdict on a difference of which nothing is shown.
NOT_SHOWN = "not told apart"


@dataclass(frozen=True)
class Gain:
    """What one input has over another.

    Attributes
    ----------
    row, other : int
        Their rows of the summary.
    gap : Comparison
        Score of the first minus that of the second, with its 95 % interval.
    verdict : {"better", "worse", "not told apart"}
        Of the first, corrected for all comparisons of the family, where the one that scores more lies above chance.
    above_chance : bool
        Whether that one is shown to.
    """

    row: int
    other: int
    gap: Comparison
    verdict: str
    above_chance: bool


def gains(results: Results, pairs: Sequence[tuple[pd.Series, pd.Series]]) -> list[Gain]:
    """Return what the first row of each pair has over the second, all of one family, of one task and metric.

    Over folds intervals are as much wider as shared training clips make them.
    """
    spread = spread_over_trainings(results, pairs[0][0]) if pairs else 1.0
    gaps = [results.compare(ours.name, theirs.name).widened(spread) for ours, theirs in pairs]
    found = []
    for (ours, theirs), gap, verdict in zip(pairs, gaps, corrected(gaps), strict=True):
        above = lies_above_chance(results, ours if gap.difference > 0 else theirs)
        found.append(Gain(int(ours.name), int(theirs.name), gap, verdict if above else NOT_SHOWN, above))
    return found


def gains_over_layer(results: Results, layer: pd.Series) -> list[Gain]:
    """Return what every input of several layers has over one layer, with its probe."""
    rows = results.of(task=layer.task, model=layer.model, probe=layer.probe, metric=layer.metric)
    names = [name for name in wide_inputs(rows) if name not in ("last", f"{SEARCHED}1)")]
    return gains(results, [(row, layer) for name in names for _, row in rows[rows.input == name].iterrows()])


def better_set(results: Results, layer: pd.Series, rivals: Sequence[pd.Series]) -> Choice[pd.Series] | None:
    """Return the set of layers that is shown to beat a model's layer and all rivals; nothing where there is none.

    Of several it is the one that validation prefers.

    Parameters
    ----------
    results : Results
        Of a study.
    layer : Series
        The row of the layer that is chosen of the model.
    rivals : sequence of Series
        Rows of the plain features and of the untrained twins.
    """
    # What a search has found without being shown to need its last layer is not recommended.
    idle = [gain.row for gain in steps_of_search(results, layer) if gain.verdict != "better"]
    over_layer = [gain for gain in gains_over_layer(results, layer) if is_set(results.summary.input[gain.row])]
    sets = [results.summary.loc[gain.row] for gain in over_layer]
    better = [gain.verdict == "better" and gain.row not in idle for gain in over_layer]
    for rival in rivals if any(better) else []:
        # Of many sets that are as good as a rival one is lucky, so that they are a family there as well.
        verdicts = [gain.verdict == "better" for gain in gains(results, [(row, rival) for row in sets])]
        better = [both and shown for both, shown in zip(better, verdicts, strict=True)]
    shown = [row for row, beats_all in zip(sets, better, strict=True) if beats_all]
    choice = choose_row(pd.DataFrame(shown)) if shown else None
    return choice and replace(choice, clips=f"validation, of the sets of layers shown to beat layer {layer.layer}")


def steps_of_search(results: Results, beside: pd.Series) -> list[Gain]:
    """Return what each further layer of a search adds to those before it; nothing without a search of that probe.

    Parameters
    ----------
    results : Results
        Of a study.
    beside : Series
        Any row of the task, model, probe and metric that are meant.
    """
    searched = results.facts["tasks"][beside.task].get("layer_sets", {}).get(beside.model, {})
    if "steps" not in searched:
        return []
    rows = results.of(task=beside.task, model=beside.model, probe=beside.probe, metric=beside.metric)
    # Attention reads the frames of one layer, and has no sets.
    if not all(layer is not None or (rows.input == name).any() for name, layer in searched["steps"]):
        return []
    steps = [
        rows[(rows.input == name) & (rows.layer.isna() if layer is None else rows.layer == layer)].iloc[0]
        for name, layer in searched["steps"]
    ]
    return gains(results, list(zip(steps[1:], steps, strict=False)))
