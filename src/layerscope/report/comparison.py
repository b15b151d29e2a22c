"""What the page shows of a comparison: how alike layers are, to the sound too, label-free scores, and their reach.

Curves are drawn twice from the same rows: as panels of the page, and as a figure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerscope.report.conclusions import compared_otherwise
from layerscope.report.figure_style import MUTED, cycle, drawing, new_figure
from layerscope.report.heat_maps import similarity_map
from layerscope.report.panels import Panel, coloured, frame_of, pictured
from layerscope.report.shaded_tables import COLOURS as SHADES
from layerscope.report.shaded_tables import similarity_table
from layerscope.report.wording import measure_name, named_layers, score_name
from layerscope.scores.score_table import Results
from layerscope.similarity.label_free import SCORES
from layerscope.similarity.measures import MEASURES, Similarities

__all__ = [
    "descriptor_curves", "descriptor_panels", "label_free_curves", "label_free_panels", "reach_sentences",
    "similarity_figures", "similarity_section",
]  # fmt: skip

#: Measures that are drawn; the tables hold all.
DRAWN_MEASURES = ("cka_debiased", "pwcca_x")
#: panel → line → its rows
Lines = dict[str, dict[str, pd.DataFrame]]


def descriptor_lines(similarities: Similarities, measure: str) -> Lines:
    """Return how alike each layer is to each descriptor, a panel a model."""
    table = similarities.table[(similarities.table.measure == measure) & similarities.table.other_layer.isna()]
    names = table.other.unique()
    return {
        model: {name: table[(table.model == model) & (table.other == name)] for name in names}
        for model in similarities.facts["models"]
    }


def label_free_lines(similarities: Similarities) -> Lines:
    """Return every label-free score that there is, a line a model."""
    table, models = similarities.scores, similarities.facts["models"]
    return {
        name: {model: table[(table.score == name) & (table.model == model)] for model in models}
        for name in SCORES
        if (table.score == name).any()
    }


def descriptor_panels(similarities: Similarities, measure: str) -> list[Panel]:
    """Return how alike each layer is to each descriptor of the sound, a panel a model."""
    return panels_of(descriptor_lines(similarities, measure))


def label_free_panels(similarities: Similarities) -> list[Panel]:
    """Return every label-free score over the layers, a panel a score, a line a model."""
    return [panel for name, lines in label_free_lines(similarities).items() for panel in panels_of({name: lines})]


def panels_of(lines: Lines) -> list[Panel]:
    """Return panels that share their axis; a line without rows is left out."""
    drawn = {title: [curve for curve in coloured(of) if len(curve.rows)] for title, of in lines.items()}
    curves = [curve for of_title in drawn.values() for curve in of_title]
    if not curves:
        return []
    frame = frame_of(curves, value_text, lambda value: f"{value:g}".replace("-", "−"))
    return [pictured(score_name(title), of_title, frame, score_name(title)) for title, of_title in drawn.items()]


def value_text(value: float, low: float, high: float) -> str:
    """Return a value with its interval, where it has one."""
    text = f"{value:.2f} [{low:.2f}, {high:.2f}]" if low == low else f"{value:.2f}"
    return text.replace("-", "−")


def descriptor_curves(similarities: Similarities, measure: str) -> Figure:
    """Draw how alike each layer is to each descriptor of the sound, a panel a model, with 95 % bands."""
    lines = descriptor_lines(similarities, measure)
    with drawing():
        figure = new_figure(max(5.5, 4.4 * len(lines)), 3.8)
        panels = np.atleast_1d(figure.subplots(1, len(lines), sharey=True))
        for axes, (model, of_model) in zip(panels, lines.items(), strict=True):
            draw_bands(axes, of_model, named=axes is panels[0])
            axes.set_title(model, fontsize="medium", loc="left")
            axes.set_xlabel("layer")
        # Debiased CKA may fall below 0.
        panels[0].set_ylim(min(0.0, panels[0].get_ylim()[0]), 1.02)
        figure.suptitle(f"{measure_name(measure)} with descriptors of the sound", x=0.01, ha="left", fontsize="medium")
        figure.legend(loc="outside lower left", ncols=6, frameon=False)
    return figure


def label_free_curves(similarities: Similarities) -> Figure:
    """Draw every label-free score over the layers, a panel a score, a line a model."""
    lines = label_free_lines(similarities)
    with drawing():
        rows = -(-len(lines) // 4)
        figure = new_figure(10.5, 2.3 * rows + 0.6)
        panels = figure.subplots(rows, 4).ravel()
        for axes, (name, of_score) in zip(panels, lines.items(), strict=False):
            draw_bands(axes, of_score, named=axes is panels[0])
            axes.set_title(score_name(name), fontsize="small", loc="left")
        for axes in panels[len(lines) :]:
            axes.set_axis_off()
        figure.legend(loc="outside lower left", ncols=4, frameon=False)
        figure.supxlabel("layer", fontsize="small", color=MUTED)
    return figure


def draw_bands(axes: Axes, lines: dict[str, pd.DataFrame], *, named: bool) -> None:
    """Draw values over layers with their intervals, where they have any; named once, for the legend of all panels."""
    for colour, (name, rows) in zip(cycle(len(lines)), lines.items(), strict=True):
        layers = rows.layer.astype(int)
        label = name if named else None
        axes.plot(layers, rows.value, "o-", color=colour, markersize=3.5, linewidth=1.5, label=label)
        known = rows.ci_low.notna()
        axes.fill_between(layers[known], rows.ci_low[known], rows.ci_high[known], color=colour, alpha=0.15, linewidth=0)
        axes.set_xticks(sorted(set(layers)))


def reach_curves(reaches: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    """Draw what is left of the change of each layer over the distance beyond which sound is replaced."""
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


def reach_panels(reaches: pd.DataFrame) -> list[Panel]:
    """Return the reach of every layer, a line a model; a gap where it is beyond the longest distance."""
    reaches = reaches.rename(columns={"reach": "value", "lowest": "ci_low", "highest": "ci_high"})
    reaches = reaches.replace([np.inf], np.nan)
    curves = coloured({str(model): rows for model, rows in reaches.groupby("model", sort=False)})
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


def reach_sentences(reaches: pd.DataFrame) -> list[str]:
    """Return, for each model, how far its layers hear."""
    return [f"{model}: {in_words(rows)}." for model, rows in reaches.groupby("model", sort=False)]


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


def similarity_figures(similarities: Similarities) -> dict[str, Figure]:
    """Return the pictures of a comparison."""
    shown, layers = drawn_measures(similarities), layer_count(similarities)
    drawn = {f"similarity-{measure}": similarity_map(similarities, measure) for measure in shown if layers > 1}
    drawn |= {f"sound-{measure}": descriptor_curves(similarities, measure) for measure in shown}
    drawn |= {"reach": reach_curves(*similarities.reach)} if similarities.reach else {}
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
        "reach": {"sentences": reach_sentences(similarities.reach[0]), "panels": reach_panels(similarities.reach[0])}
        if similarities.reach
        else None,
        "table": tables["similarity"],
        "worth": tables.get("label_free"),
        "measures": {name: MEASURES[name] for name in similarities.measures},
    }
