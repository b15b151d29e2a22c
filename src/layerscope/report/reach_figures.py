"""How far in time layers hear, as a figure, as panels of the page, and in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from layerscope.report.figure_style import MUTED, drawing, new_figure
from layerscope.report.panels import COLOURS, Curve, Panel, frame_of, pictured
from layerscope.report.shaded_tables import COLOURS as SHADES
from layerscope.report.wording import named_layers
from layerscope.similarity.measures import Similarities

__all__ = ["reach_curves", "reach_panels", "reach_sentences"]


def reach_curves(similarities: Similarities) -> Figure:
    """Draw what is left of the change of each layer over the distance beyond which sound is replaced."""
    assert similarities.reach is not None
    reaches, curves = similarities.reach
    models = list(reaches.model.unique())
    with drawing():
        figure = new_figure(3.4 * len(models) + 0.6, 3.0)
        panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
        for axes, model in zip(panels, models, strict=True):
            layers = list(reaches.layer[reaches.model == model])
            for place, layer in enumerate(layers):
                rows = curves[(curves.model == model) & (curves.layer == layer) & (curves.distance > 0)]
                colour = SHADES(0.9 * place / max(1, len(layers) - 1))
                label = f"layer {layer}" if layer in (layers[0], layers[-1]) else None
                axes.plot(rows.distance, rows.change, color=colour, linewidth=1.3, label=label)
            axes.set_xscale("log")
            axes.set_title(model, fontsize="small", loc="left")
            axes.legend(frameon=False, fontsize="x-small")
        figure.supxlabel("sound farther away is replaced, s", fontsize="small", color=MUTED)
        figure.supylabel("change that is left", fontsize="small", color=MUTED)
    return figure


def reach_panels(similarities: Similarities) -> list[Panel]:
    """Return the reach of every layer, a line a model; a gap where it is beyond the longest distance."""
    assert similarities.reach is not None
    reaches = similarities.reach[0].rename(columns={"reach": "value", "lowest": "ci_low", "highest": "ci_high"})
    reaches = reaches.replace([np.inf], np.nan)
    curves = [
        Curve(str(model), rows, f"s{place % COLOURS}")
        for place, (model, rows) in enumerate(reaches.groupby("model", sort=False))
    ]
    frame = frame_of(curves, reach_text, lambda value: f"{value:g}", [0.0])
    return [pictured("reach in seconds", curves, frame, "Reach of each layer in seconds")]


def reach_text(value: float, low: float, high: float) -> str:
    """Return a reach in seconds, with the lowest and the highest of single clips.

    Examples
    --------
    >>> reach_text(1.2, 0.9, 1.5), reach_text(1.2, 0.9, float("inf"))
    ('1.20 s (0.90 to 1.50 in single clips)', '1.20 s (0.90 to more than was tried in single clips)')
    """
    highest = "more than was tried" if high == np.inf else f"{high:.2f}"
    return f"{value:.2f} s" + (f" ({low:.2f} to {highest} in single clips)" if low == low and high == high else "")


def reach_sentences(similarities: Similarities) -> list[str]:
    """Return, for each model, how far its layers hear."""
    assert similarities.reach is not None
    return [f"{model}: {in_words(rows)}." for model, rows in similarities.reach[0].groupby("model", sort=False)]


def in_words(rows: pd.DataFrame) -> str:
    """Return how far the layers of a model hear."""
    within = rows[np.isfinite(rows.reach)].sort_values("reach", kind="stable")
    parts = []
    if len(within):
        ends = within.iloc[[0, -1][: len(within)]].itertuples()
        texts = [f"{reach_text(row.reach, row.lowest, row.highest)} in layer {row.layer}" for row in ends]
        parts.append(f"90 % of a state's change arises within {' and '.join(texts)}")
    beyond, still = rows[np.isinf(rows.reach)], rows[rows.reach.isna()]
    if len(beyond):
        lowest = beyond.lowest.min()
        single = f" ({lowest:.2f} to more than was tried in single clips)" if np.isfinite(lowest) else ""
        parts.append(f"farther away than {beyond.longest.iloc[0]:.1f} s in {named_layers(beyond.layer)}{single}")
    if len(still):
        parts.append(f"{named_layers(still.layer)} did not change at all")
    return "; ".join(parts)
