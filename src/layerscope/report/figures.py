"""Figures for papers and notebooks, as matplotlib draws them; the page has panels of its own."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from layerscope.report.figure_style import INK, MUTED, cycle, drawing, new_figure
from layerscope.report.wording import in_percent, metric_name
from layerscope.scores.against_controls import floor_of
from layerscope.scores.layer_selection import best_plain
from layerscope.scores.score_table import WIDE_INPUTS, Results
from layerscope.tasks import highest_published

__all__ = ["draw_layers", "layer_curves"]


def layer_curves(results: Results, probe: str) -> Figure:
    """Draw the primary metric over layers with 95 % bands; beside it the inputs of all layers and plain features.

    A ring marks the layer that validation prefers; filled marks, those that cannot be told apart from the best
    on test.
    """
    facts, metric = results.facts, results.facts["primary"]
    rows = results.of(probe=probe, metric=metric)
    plain = [name for name in rows.model.unique() if name in results.models("plain")]
    models = [name for name in rows.model.unique() if name not in plain]
    inputs = [name for name in WIDE_INPUTS if (rows.input == name).any()]
    with drawing():
        figure = new_figure(9.5, 4.4)
        if models:
            widths = [max(2.0, *(len(facts["models"][name]["layers"]) for name in models)),
                      len(inputs) + len(plain) + 0.5]  # fmt: skip
            curves, others = figure.subplots(1, 2, sharey=True, width_ratios=readable(widths))
            draw_curves(curves, rows, models, results)
            draw_plain_level(curves, results, probe)
        else:
            others = figure.subplots()
        draw_others(others, rows, models, plain, inputs, results)
        draw_published(others, facts["task"], metric)
        first = figure.axes[0]
        first.set_ylabel(metric_name(metric))
        if in_percent(metric):
            first.yaxis.set_major_formatter(PercentFormatter(xmax=1, symbol=""))
        draw_chance(figure.axes, floor_of(results, probe))
        figure.suptitle(f"{facts['title']}: {facts['target']} · {probe} probe", x=0.01, ha="left")
        if models:
            figure.legend(loc="outside lower left", ncols=3, frameon=False)
    return figure


def draw_layers(axes: Axes, results: Results, probe: str) -> None:
    """Draw the curves alone, of the one task that results are of, on axes of someone else's figure."""
    metric = results.facts["primary"]
    rows = results.of(probe=probe, metric=metric)
    draw_curves(axes, rows, [name for name in rows.model.unique() if name not in results.models("plain")], results)
    draw_plain_level(axes, results, probe)
    axes.set_ylabel(metric_name(metric))
    draw_chance([axes], floor_of(results, probe))


def draw_chance(panels: list[Axes], floor: tuple[float, float]) -> None:
    """Draw from where to where knows nothing where the scores come near it; elsewhere it would only flatten them."""
    low, high = panels[0].get_ylim()
    near = floor[1] > low - 0.5 * (high - low)
    for axes in panels:
        axes.set_axisbelow(True)
        if near:
            axes.axhspan(*floor, color=MUTED, alpha=0.25, linewidth=0)
            axes.axhline(floor[1], color=MUTED, linestyle=":", linewidth=1)
    if near:
        panels[0].annotate("chance", (0.01, floor[1]), xycoords=("axes fraction", "data"), color=MUTED,
                           fontsize="small", va="bottom")  # fmt: skip


def readable(widths: list[float]) -> list[float]:
    """Keep the narrower of two panels readable."""
    return [max(width, 0.3 * sum(widths)) for width in widths]


def draw_curves(axes: Axes, rows: pd.DataFrame, models: list[str], results: Results) -> None:
    """Draw a line and a band for each model."""
    for colour, model in zip(cycle(len(models)), models, strict=True):
        layers = rows[(rows.model == model) & (rows.input == "layer")].sort_values("layer")
        x, y, equal = layers.layer.astype(int).to_numpy(), layers.value.to_numpy(), layers.in_best_set.to_numpy()
        line = "--" if model in results.models("untrained") else "-"
        axes.fill_between(x, layers.ci_low, layers.ci_high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(x, y, line, color=colour, linewidth=1.8, label=model)
        axes.plot(x[equal], y[equal], "o", color=colour, markersize=6)
        axes.plot(x[~equal], y[~equal], "o", color=colour, markersize=6, fillstyle="none")
        chosen = layers.chosen.to_numpy()
        axes.plot(x[chosen], y[chosen], "o", color=colour, markersize=13, fillstyle="none")
    axes.set_xlabel("layer (0 enters the first block)")
    axes.set_xticks(sorted({int(layer) for layer in rows[rows.input == "layer"].layer}))


def draw_plain_level(axes: Axes, results: Results, probe: str) -> None:
    """Draw a level for the plain feature that validation prefers with a probe."""
    plain = best_plain(results, results.facts["task"], probe=probe)
    if plain:
        row = plain.chosen
        axes.axhline(row.value, color=INK, linewidth=1.2, linestyle=(0, (6, 2)),
                     label=f"plain feature: {row.model} ({row.input})")  # fmt: skip


def draw_others(
    axes: Axes, rows: pd.DataFrame, models: list[str], plain: list[str], inputs: list[str], results: Results
) -> None:
    """Draw dots with intervals for the inputs of all layers, model by model, and for plain features."""
    for place, name in enumerate(inputs):
        for number, (colour, model) in enumerate(zip(cycle(len(models)), models, strict=True)):
            shift = (number - (len(models) - 1) / 2) * 0.7 / max(1, len(models))
            draw_interval(axes, place + shift, rows[(rows.model == model) & (rows.input == name)], colour,
                          filled=model not in results.models("untrained"))  # fmt: skip
    for place, name in enumerate(plain, start=len(inputs)):
        draw_interval(axes, place, rows[(rows.model == name) & rows.chosen], INK, filled=True)
    axes.set_xticks(range(len(inputs) + len(plain)), [*inputs, *plain], rotation=35, ha="right")
    axes.set_xlim(-0.6, len(inputs) + len(plain) - 0.4)
    axes.grid(visible=False, axis="x")


def draw_published(axes: Axes, task: str, metric: str) -> None:
    """Add what others have published of this task and metric: the highest score of each model, the best few."""
    shown = highest_published(task, metric)
    if not shown:
        return
    first = round(axes.get_xlim()[1] + 0.4)
    names = [label.get_text() for label in axes.get_xticklabels()]
    axes.set_xticks(range(first + len(shown)), [*names, *(f"{name} (published)" for name in shown)],
                    rotation=35, ha="right")  # fmt: skip
    for place, value in enumerate(shown.values(), start=first):
        axes.plot(place, value, "D", color=MUTED, markersize=5)
    axes.set_xlim(-0.6, first + len(shown) - 0.4)


def draw_interval(axes: Axes, x: float, rows: pd.DataFrame, colour: str, *, filled: bool) -> None:
    """Draw one score with its interval."""
    for row in rows.itertuples():
        axes.vlines(x, row.ci_low, row.ci_high, color=colour, linewidth=1.8, alpha=0.6)
        axes.plot(x, row.value, "o", color=colour, markersize=6, fillstyle="full" if filled else "none")
