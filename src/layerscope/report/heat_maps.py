"""The page's shaded tables as figures, for papers and notebooks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from layerscope.report.figure_style import SERIES, drawing, new_figure
from layerscope.report.shaded_tables import COLOURS, UNTOLD, ShadedCell, ShadedTable, similarity_table, task_table
from layerscope.scores.score_table import Results
from layerscope.similarity.measures import Similarities

__all__ = ["draw_marked_panel", "draw_panel", "draw_similarities", "map_of", "similarity_map", "task_map"]

#: More columns than this and numbers in cells are too small to read.
MOST_NUMBERED = 14


def task_map(results: Results) -> Figure:
    """Draw the primary metric of every layer of every model on every task, as a share of the way to perfect.

    A ring marks the layer that validation prefers, a dot those that cannot be told apart from the best on test.
    """
    return map_of(task_table(results), draw_marked_panel)


def map_of(table: ShadedTable, draw: Callable[[Axes, ShadedTable, str], None]) -> Figure:
    """Return a table as a figure, a panel a group of columns, as a function draws it on its axes by its name."""
    widths = [len(columns) for _, columns in table.groups]
    with drawing(grid=False):
        figure = new_figure(max(5.0, 2.2 + 0.5 * sum(widths)), 1.6 + 0.34 * len(table.rows))
        panels = np.atleast_1d(figure.subplots(1, len(widths), sharey=True, width_ratios=widths))
        for axes, (group, _) in zip(panels, table.groups, strict=True):
            draw(axes, table, group)
        panels[0].set_yticks(range(len(table.rows)), [name for name, _, _ in table.rows])
        panels[0].invert_yaxis()
    return figure


def draw_panel(axes: Axes, table: ShadedTable, group: str) -> None:
    """Draw the columns of a group."""
    columns, cells = dict(table.groups)[group], cells_of(table, group)
    draw_cells(axes, cells, numbered=len(columns) <= MOST_NUMBERED, down=0.02)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_xlabel("layer")
    axes.set_title(group, fontsize="medium", loc="left")


def draw_marked_panel(axes: Axes, table: ShadedTable, group: str) -> None:
    """Draw the columns of a group, with a ring and a dot where cells are marked."""
    draw_panel(axes, table, group)
    for row, cells in enumerate(cells_of(table, group)):
        for column, cell in enumerate(cells):
            if "chosen" in cell.marks:
                axes.plot(column, row, "s", markersize=21, markerfacecolor="none", markeredgecolor=SERIES[1],
                          markeredgewidth=1.8)  # fmt: skip
            if "best" in cell.marks:
                axes.plot(column + 0.33, row - 0.31, "o", markersize=3, color=cell.ink)


def cells_of(table: ShadedTable, group: str) -> list[list[ShadedCell]]:
    """Return the cells of a group of columns, row by row."""
    names = [name for name, columns in table.groups for _ in columns]
    return [[cell for name, cell in zip(names, cells, strict=True) if name == group] for _, _, cells in table.rows]


def draw_cells(axes: Axes, cells: list[list[ShadedCell]], *, numbered: bool, down: float = 0.0) -> None:
    """Draw a grid of cells, 0 dark, 1 light, and what is not known grey; numbers lie a bit down where they need it."""
    shades: NDArray[np.float64] = np.array([[cell.shade for cell in row] for row in cells])
    edges = [np.arange(size + 1) - 0.5 for size in shades.shape]
    axes.set_facecolor(UNTOLD)
    axes.pcolormesh(edges[1], edges[0], np.ma.masked_invalid(shades), cmap=COLOURS, vmin=0, vmax=1, zorder=0)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for row, of_row in enumerate(cells if numbered else []):
        for column, cell in enumerate(of_row):
            if cell.text:
                axes.text(column, row + down, cell.text, ha="center", va="center", fontsize="x-small", color=cell.ink)


def similarity_map(similarities: Similarities, measure: str) -> Figure:
    """Draw how alike all layers of all models are, on a figure of a size that fits them."""
    table = similarity_table(similarities, measure)
    size = max(4.2, 1.4 + 0.34 * len(table.rows))
    with drawing(grid=False):
        figure = new_figure(size + 0.8, size)
        draw_similarities(figure.subplots(), table)
        figure.suptitle(table.title, x=0.01, ha="left", fontsize="medium")
    return figure


def draw_similarities(axes: Axes, table: ShadedTable) -> None:
    """Draw how alike all layers of all models are."""
    count = len(table.rows)
    draw_cells(axes, [cells for _, _, cells in table.rows], numbered=count <= 2 * MOST_NUMBERED)
    labels = [layer for _, layers in table.groups for layer in layers]
    axes.set_xticks(range(count), labels)
    axes.set_yticks(range(count), labels)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    first = 0
    for model, layers in table.groups:
        middle = first + (len(layers) - 1) / 2
        axes.text(middle, -1.0, model, ha="center", fontsize="small")
        axes.text(count - 0.2, middle, model, va="center", rotation=-90, fontsize="small")
        if first:
            axes.axhline(first - 0.5, color=SERIES[1], linewidth=1.2)
            axes.axvline(first - 0.5, color=SERIES[1], linewidth=1.2)
        first += len(layers)
