"""The curves of a comparison, layer by layer: how alike each is to descriptors of the sound, and label-free scores.

Each is drawn twice from the same rows: as panels of the page, and as a figure.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerscope.report.figure_style import MUTED, cycle, drawing, new_figure
from layerscope.report.panels import COLOURS, Curve, Panel, frame_of, pictured
from layerscope.report.wording import measure_name, score_name
from layerscope.similarity.label_free import SCORES
from layerscope.similarity.measures import Similarities

__all__ = ["descriptor_curves", "descriptor_panels", "label_free_curves", "label_free_panels"]

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
    drawn = {
        title: [Curve(name, rows, f"s{place % COLOURS}") for place, (name, rows) in enumerate(of.items()) if len(rows)]
        for title, of in lines.items()
    }
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
