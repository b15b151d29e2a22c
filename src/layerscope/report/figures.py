"""Figures, drawn once for the page, the screen and the paper.

Colours are those of Okabe & Ito (2008), which readers with colour-blindness tell apart. Lines, marks and grid use
three fixed greys that the page replaces by its own colours, so that one drawing serves light and dark.
"""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from layerscope.report.sentences import in_percent, metric_name
from layerscope.scores.layer_selection import best_plain
from layerscope.scores.score_table import WIDE_INPUTS, Results
from layerscope.tasks import published_rows

__all__ = ["as_svg", "draw_layers", "layer_curves"]

INK, MUTED, GRID = "#1a1a1a", "#6a6a6a", "#dcdcdc"
SERIES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
STYLE: dict[Any, Any] = {
    "font.size": 10,
    # Text stays text, which is small, can be searched and takes the page's font.
    "svg.fonttype": "none",
    # Identifiers follow from it and not from chance, so that the same figure gives the same text.
    "svg.hashsalt": "layerscope",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.grid": True,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.family": "sans-serif",
}


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
    with rc_context(STYLE):
        figure = Figure(figsize=(9.5, 4.4), layout="constrained")
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
        draw_chance(figure.axes, facts["chance"])
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
    draw_chance([axes], results.facts["chance"])


def draw_chance(panels: list[Axes], chance: float) -> None:
    """Draw the chance level where the scores come near it; elsewhere it would only flatten them."""
    low, high = panels[0].get_ylim()
    near = chance > low - 0.5 * (high - low)
    for axes in panels:
        axes.set_axisbelow(True)
        if near:
            axes.axhline(chance, color=MUTED, linestyle=":", linewidth=1)
    if near:
        panels[0].annotate("chance", (0.01, chance), xycoords=("axes fraction", "data"), color=MUTED, fontsize=8,
                           va="bottom")  # fmt: skip


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


def cycle(count: int) -> list[str]:
    """Return as many colours as asked for, from the start again where they run out."""
    return [SERIES[number % len(SERIES)] for number in range(count)]


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


#: Published scores in a picture; the page lists all.
MOST_PUBLISHED = 4


def draw_published(axes: Axes, task: str, metric: str) -> None:
    """Add what others have published of this task and metric: the highest score of each model, the best few."""
    best: dict[str, float] = {}
    for row in published_rows():
        if row.task == task and row.metric == metric:
            best[row.model] = max(row.value, best.get(row.model, row.value))
    shown = sorted(best.items(), key=lambda item: -item[1])[:MOST_PUBLISHED]
    if not shown:
        return
    first = round(axes.get_xlim()[1] + 0.4)
    names = [label.get_text() for label in axes.get_xticklabels()]
    axes.set_xticks(range(first + len(shown)), [*names, *(f"{name} (published)" for name, _ in shown)],
                    rotation=35, ha="right")  # fmt: skip
    for place, (_, value) in enumerate(shown, start=first):
        axes.plot(place, value, "D", color=MUTED, markersize=5)
    axes.set_xlim(-0.6, first + len(shown) - 0.4)


def draw_interval(axes: Axes, x: float, rows: pd.DataFrame, colour: str, *, filled: bool) -> None:
    """Draw one score with its interval."""
    for row in rows.itertuples():
        axes.vlines(x, row.ci_low, row.ci_high, color=colour, linewidth=1.8, alpha=0.6)
        axes.plot(x, row.value, "o", color=colour, markersize=6, fillstyle="full" if filled else "none")


def as_svg(figure: Figure) -> str:
    """Return a figure as inline SVG that takes the page's colours; the same figure gives the same text."""
    buffer = io.StringIO()
    # A date would make every page another file.
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata=no_metadata, transparent=True)
    text = buffer.getvalue()
    # Inside a page no XML declaration may stand.
    text = text[text.index("<svg") :]
    for colour, name in ((INK, "ink"), (MUTED, "muted"), (GRID, "grid")):
        text = text.replace(colour, f"var(--{name})")
    return text
