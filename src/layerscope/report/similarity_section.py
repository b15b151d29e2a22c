"""What the page shows of a comparison of layers: its figures, heat maps, curves and tables."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from layerscope.report.comparison_curves import (
    descriptor_curves,
    descriptor_panels,
    label_free_curves,
    label_free_panels,
)
from layerscope.report.conclusions import compared_otherwise
from layerscope.report.heat_maps import similarity_map
from layerscope.report.reach_figures import reach_curves, reach_panels, reach_sentences
from layerscope.report.shaded_tables import similarity_table
from layerscope.report.wording import measure_name
from layerscope.scores.score_table import Results
from layerscope.similarity.measures import MEASURES, Similarities

__all__ = ["similarity_figures", "similarity_section"]

#: Measures that are drawn; the tables hold all.
DRAWN_MEASURES = ("cka_debiased", "pwcca_x")


def similarity_figures(similarities: Similarities) -> dict[str, Figure]:
    """Return the pictures of a comparison."""
    shown, layers = drawn_measures(similarities), layer_count(similarities)
    drawn = {f"similarity-{measure}": similarity_map(similarities, measure) for measure in shown if layers > 1}
    drawn |= {f"sound-{measure}": descriptor_curves(similarities, measure) for measure in shown}
    drawn |= {"reach": reach_curves(similarities)} if similarities.reach else {}
    return drawn | {"label-free": label_free_curves(similarities)}


def drawn_measures(similarities: Similarities) -> list[str]:
    """Return the measures of a comparison that are drawn."""
    return [measure for measure in DRAWN_MEASURES if measure in similarities.measures]


def layer_count(similarities: Similarities) -> int:
    """Return how many layers all models of a comparison have."""
    return sum(len(facts["layers"]) for facts in similarities.facts["models"].values())


def similarity_section(
    similarities: Similarities, tables: dict[str, pd.DataFrame], results: Results | None
) -> dict[str, Any]:
    """Return what the page says of a comparison."""
    shown = drawn_measures(similarities)
    panels = [
        (f"{measure_name(name)} with descriptors of the sound", descriptor_panels(similarities, name)) for name in shown
    ]
    return {
        "facts": similarities.facts,
        "otherwise": compared_otherwise(results, similarities) if results else [],
        "maps": [similarity_table(similarities, name) for name in shown] if layer_count(similarities) > 1 else [],
        "panels": [*panels, ("Label-free scores", label_free_panels(similarities))],
        "reach": {"sentences": reach_sentences(similarities), "panels": reach_panels(similarities)}
        if similarities.reach
        else None,
        "table": tables["similarity"],
        "worth": tables.get("label_free"),
        "measures": {name: MEASURES[name] for name in similarities.measures},
    }
