"""Pictures of many layers at once: tasks by layers, layers by layers, layers by what the sound is like."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from numpy.typing import NDArray

from layerscope.report.figure_style import MUTED, SERIES, cycle, drawing, new_figure
from layerscope.report.wording import in_percent, score_name
from layerscope.scores.against_controls import chance_of
from layerscope.scores.layer_selection import preferred_probe
from layerscope.scores.score_table import Results
from layerscope.similarity.label_free import SCORES
from layerscope.similarity.measures import MEASURES, Similarities

__all__ = [
    "descriptor_curves",
    "draw_similarities",
    "draw_task_panel",
    "label_free_curves",
    "similarity_map",
    "task_map",
    "task_scores",
]

#: Perceptually uniform and safe for colour-blind readers (Nuñez et al. 2018).
COLOURS = colormaps["cividis"]
#: Of a cell that is not told apart from chance: none of the map's colours, and read in light and dark.
UNTOLD = "#bdbdbd"
#: More columns than this and numbers in cells are too small to read.
MOST_NUMBERED = 14


def task_map(results: Results) -> Figure:
    """Draw the primary metric of every layer of every model on every task, as a share of the way to perfect.

    A ring marks the layer that validation prefers, a dot those that cannot be told apart from the best on test.
    """
    models = results.models("trained", "untrained")
    grids = {task: task_scores(results, task, models) for task in results.tasks}
    widths = [len(results.facts["models"][model]["layers"]) for model in models]
    with drawing(grid=False):
        height = 1.6 + 0.34 * len(grids)
        figure = new_figure(max(5.0, 2.2 + 0.5 * sum(widths)), height)
        panels = np.atleast_1d(figure.subplots(1, len(models), sharey=True, width_ratios=widths))
        for axes, model in zip(panels, models, strict=True):
            draw_task_panel(axes, results, grids, model)
        panels[0].set_yticks(range(len(grids)), list(map(results.title, grids)))
        panels[0].invert_yaxis()
    return figure


def task_scores(results: Results, task: str, models: list[str]) -> pd.DataFrame:
    """Return the rows of all layers of a task, with ``shade`` from 0 (chance) to 1 (perfect).

    It is NaN where the interval holds chance or what shuffled labels score, or where there is none: such a cell tells
    nothing. By macro F1 the constant answer scores less than any that changes.
    """
    rows = results.of(task=task, metric=results.primary(task), probe=preferred_probe(results, task), input="layer")
    rows = rows[rows.model.isin(models)].copy()
    chance = float(results.facts["tasks"][task]["chance"])
    # Of every kind's primary metric 1 is perfect.
    floors = [chance_of(results, row) for _, row in rows.iterrows()]
    rows["shade"] = ((rows.value - chance) / (1 - chance)).clip(0, 1).where(rows.ci_low > floors)
    return rows


def draw_task_panel(axes: Axes, results: Results, grids: dict[str, pd.DataFrame], model: str) -> None:
    """Draw one model."""
    layers = results.facts["models"][model]["layers"]
    place = {layer: column for column, layer in enumerate(layers)}
    shades = np.full((len(grids), len(layers)), np.nan)
    for row, grid in enumerate(grids.values()):
        for score in grid[grid.model == model].itertuples():
            column = place[int(score.layer)]
            shades[row, column] = score.shade
            ink = ink_on(score.shade)
            if len(layers) <= MOST_NUMBERED:
                axes.text(column, row + 0.02, short_number(score.metric, score.value), ha="center", va="center",
                          fontsize="x-small", color=ink)  # fmt: skip
            if score.chosen:
                axes.plot(column, row, "s", markersize=21, markerfacecolor="none", markeredgecolor=SERIES[1],
                          markeredgewidth=1.8)  # fmt: skip
            if score.in_best_set:
                axes.plot(column + 0.33, row - 0.31, "o", markersize=3, color=ink)
    draw_cells(axes, shades)
    axes.set_xticks(range(len(layers)), [str(layer) for layer in layers])
    axes.set_xlabel("layer")
    axes.set_title(model, fontsize="medium", loc="left")


def draw_cells(axes: Axes, shades: NDArray[np.float64]) -> None:
    """Draw a grid of cells, 0 dark, 1 light, and what is not known grey."""
    edges = [np.arange(size + 1) - 0.5 for size in shades.shape]
    axes.set_facecolor(UNTOLD)
    axes.pcolormesh(edges[1], edges[0], np.ma.masked_invalid(shades), cmap=COLOURS, vmin=0, vmax=1, zorder=0)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def ink_on(shade: float) -> str:
    """Return black or white, whichever is read on a cell."""
    colour = np.array((to_rgba(UNTOLD) if np.isnan(shade) else COLOURS(float(shade)))[:3])
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    # WCAG 2.2: at this relative luminance black and white have one contrast, 4.58.
    return "#000000" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "#ffffff"


def short_number(metric: str, value: float) -> str:
    """Return a score as short as a cell needs: whole percents, or R² with two decimals."""
    return f"{100 * value:.0f}" if in_percent(metric) else f"{value:.2f}".replace("-", "−").replace("0.", ".")


def similarity_map(similarities: Similarities, measure: str) -> Figure:
    """Draw how alike all layers of all models are, on a figure of a size that fits them."""
    layers = sum(len(facts["layers"]) for facts in similarities.facts["models"].values())
    size = max(4.2, 1.4 + 0.34 * layers)
    with drawing(grid=False):
        figure = new_figure(size + 0.8, size)
        draw_similarities(figure.subplots(), similarities, measure)
        figure.suptitle(f"{measure_name(measure)}, in percent", x=0.01, ha="left", fontsize="medium")
    return figure


def draw_similarities(axes: Axes, similarities: Similarities, measure: str) -> None:
    """Draw how alike all layers of all models are."""
    table = similarities.table[(similarities.table.measure == measure) & similarities.table.other_layer.notna()]
    names = [(model, layer) for model, facts in similarities.facts["models"].items() for layer in facts["layers"]]
    place = {name: row for row, name in enumerate(names)}
    shades = np.full((len(names), len(names)), np.nan)
    # A layer and itself, a pair that no comparison needs to measure.
    np.fill_diagonal(shades, 1.0)
    for pair in table.itertuples():
        a, b = place[pair.model, int(pair.layer)], place[pair.other, int(pair.other_layer)]
        shades[a, b] = shades[b, a] = pair.value
    draw_cells(axes, shades)
    if len(names) <= 2 * MOST_NUMBERED:
        for a, b in np.argwhere(np.isfinite(shades)):
            # Debiased CKA may fall below 0, where the scale of colours ends.
            axes.text(b, a, f"{100 * shades[a, b]:.0f}", ha="center", va="center", fontsize="x-small",
                      color=ink_on(min(1.0, max(0.0, shades[a, b]))))  # fmt: skip
    labels = [str(layer) for _, layer in names]
    axes.set_xticks(range(len(names)), labels)
    axes.set_yticks(range(len(names)), labels)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    first = 0
    for model, facts in similarities.facts["models"].items():
        middle = first + (len(facts["layers"]) - 1) / 2
        axes.text(middle, -1.0, model, ha="center", fontsize="small")
        axes.text(len(names) - 0.2, middle, model, va="center", rotation=-90, fontsize="small")
        if first:
            axes.axhline(first - 0.5, color=SERIES[1], linewidth=1.2)
            axes.axvline(first - 0.5, color=SERIES[1], linewidth=1.2)
        first += len(facts["layers"])


def measure_name(measure: str) -> str:
    """Return a measure as a title needs it, without what stands in brackets."""
    return MEASURES[measure].partition(" (")[0]


def descriptor_curves(similarities: Similarities, measure: str) -> Figure:
    """Draw how alike each layer is to each descriptor of the sound, a panel a model, with 95 % bands."""
    table = similarities.table[(similarities.table.measure == measure) & similarities.table.other_layer.isna()]
    models = list(similarities.facts["models"])
    names = list(table.other.unique())
    with drawing():
        figure = new_figure(max(5.5, 4.4 * len(models)), 3.8)
        panels = np.atleast_1d(figure.subplots(1, len(models), sharey=True))
        for axes, model in zip(panels, models, strict=True):
            for colour, name in zip(cycle(len(names)), names, strict=True):
                curve = table[(table.model == model) & (table.other == name)]
                # Named once, for the legend that all panels share.
                draw_band(axes, curve, colour, name if axes is panels[0] else None)
            axes.set_title(model, fontsize="medium", loc="left")
            axes.set_xlabel("layer")
        # Debiased CKA may fall below 0.
        panels[0].set_ylim(min(0.0, panels[0].get_ylim()[0]), 1.02)
        figure.suptitle(f"{measure_name(measure)} with descriptors of the sound", x=0.01, ha="left", fontsize="medium")
        figure.legend(loc="outside lower left", ncols=6, frameon=False)
    return figure


def label_free_curves(similarities: Similarities) -> Figure:
    """Draw every label-free score over the layers, a panel a score, a line a model."""
    names = [name for name in SCORES if (similarities.scores.score == name).any()]
    models = list(similarities.facts["models"])
    with drawing():
        rows = -(-len(names) // 4)
        figure = new_figure(10.5, 2.3 * rows + 0.6)
        panels = figure.subplots(rows, 4).ravel()
        for axes, name in zip(panels, names, strict=False):
            for colour, model in zip(cycle(len(models)), models, strict=True):
                curve = similarities.scores[(similarities.scores.score == name) & (similarities.scores.model == model)]
                draw_band(axes, curve, colour, model if name == names[0] else None)
            axes.set_title(score_name(name), fontsize="small", loc="left")
        for axes in panels[len(names) :]:
            axes.set_axis_off()
        figure.legend(loc="outside lower left", ncols=4, frameon=False)
        figure.supxlabel("layer", fontsize="small", color=MUTED)
    return figure


def draw_band(axes: Axes, rows: pd.DataFrame, colour: str, label: str | None) -> None:
    """Draw values over layers with their intervals, where they have any."""
    layers = rows.layer.astype(int)
    axes.plot(layers, rows.value, "o-", color=colour, markersize=3.5, linewidth=1.5, label=label)
    known = rows.ci_low.notna()
    axes.fill_between(layers[known], rows.ci_low[known], rows.ci_high[known], color=colour, alpha=0.15, linewidth=0)
    axes.set_xticks(sorted(set(layers)))
