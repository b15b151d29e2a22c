"""What each layer adds to the best plain feature, and what that feature adds to the layer: which the layer lacks.

Differences are paired on the test clips; what all layers of a model add is one family, and what they lack another (Holm
1979).
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from layerscope.scores.layer_selection import choose_row
from layerscope.scores.score_table import Results
from layerscope.scores.set_gains import Gain, gains

__all__ = ["BeyondPlain", "beyond_plain", "preferred_beyond"]


@dataclass(frozen=True)
class BeyondPlain:
    """One layer and the plain feature, together against each alone.

    Attributes
    ----------
    layer : int
        Which.
    adds : Gain
        Both minus the plain feature.
    lacks : Gain
        Both minus the layer.
    """

    layer: int
    adds: Gain
    lacks: Gain


def beyond_plain(results: Results, task: str, model: str, probe: str) -> list[BeyondPlain]:
    """Return what every layer of a model adds to the plain feature and lacks of it; nothing where it was not asked.

    Parameters
    ----------
    results : Results
        Of a study.
    task, model, probe : str
        Which.
    """
    plain = results.facts["tasks"][task].get("beyond_plain", {}).get(model, {}).get(probe)
    rows = results.of(task=task, probe=probe, metric=results.primary(task))
    of_model = rows[rows.model == model]
    both = [row for _, row in of_model[of_model.input == "plain+layer"].iterrows()]
    if plain is None or not both:
        return []
    # Where windows differ, held against what stands beside the layers, alone.
    if plain["clip_means"]:
        alone = of_model[of_model.input == "plain"].iloc[0]
    else:
        alone = rows[(rows.model == plain["model"]) & (rows.input == plain["input"])].iloc[0]
    layers = {row.layer: row for _, row in of_model[of_model.input == "layer"].iterrows()}
    adds = gains(results, [(row, alone) for row in both])
    lacks = gains(results, [(row, layers[row.layer]) for row in both])
    return [BeyondPlain(int(row.layer), *pair) for row, *pair in zip(both, adds, lacks, strict=True)]


def preferred_beyond(results: Results, layers: list[BeyondPlain]) -> BeyondPlain:
    """Return the layer that validation prefers beside the plain feature."""
    choice = choose_row(pd.DataFrame([results.summary.loc[each.adds.row] for each in layers]))
    assert choice is not None  # a model has layers
    return next(each for each in layers if each.layer == choice.chosen.layer)
