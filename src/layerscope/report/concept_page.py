"""The page of a battery of concepts: what each layer tells, what moves it, and both in a sentence a concept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from layerscope.atomic_files import write_text
from layerscope.encoders.published_models import RANDOM
from layerscope.report.heat_maps import draw_panel, map_of
from layerscope.report.page_files import as_link, fill_in, write_figures
from layerscope.report.shaded_tables import ShadedCell, ShadedTable, shaded, table_by_layer

__all__ = ["write_concept_page"]


def write_concept_page(scores: pd.DataFrame, invariance: pd.DataFrame, facts: Mapping[str, Any], page: Path) -> None:
    """Write the page, and ``figures/concepts.png|pdf`` and ``figures/invariance.png|pdf`` beside it.

    Parameters
    ----------
    scores, invariance : DataFrame
        See `layerscope.scores.concept_scores.ConceptMaps`.
    facts : mapping
        Its facts: ``models``, ``clips``, ``minutes``, ``motifs``.
    page : Path
        The HTML file.
    """
    tables = {"concepts": told_table(scores), "invariance": moved_table(invariance)}
    write_figures({name: map_of(table, draw_panel) for name, table in tables.items()}, page)
    text = fill_in(
        "concepts.html",
        title="Which concepts of music does each layer tell?",
        facts=facts,
        told=tables["concepts"],
        moved=tables["invariance"],
        sentences=sentences(scores, invariance),
        downloads={"concepts.csv": as_link(scores), "invariance.csv": as_link(invariance)},
        tasks=[],
    )
    write_text(page, text)


def percent(share: float) -> str:
    """Return a share as whole percents.

    Examples
    --------
    >>> percent(0.126), percent(-0.031), percent(-0.003)
    ('13', '−3', '0')
    """
    return f"{100 * share:z.0f}".replace("-", "−")


def within(share: float, low: float, high: float) -> str:
    """Return a share with its interval, in percent.

    Examples
    --------
    >>> within(0.5, 0.4, 0.62), within(0.5, math.nan, math.nan)
    ('50 % [40, 62]', '50 %')
    """
    return f"{percent(share)} %" + ("" if math.isnan(low) else f" [{percent(low)}, {percent(high)}]")


def told_table(scores: pd.DataFrame) -> ShadedTable:
    """Return the share of the way from chance to perfect of every concept in every layer."""

    def cell(row: Any) -> ShadedCell:
        tip = f"{row.concept}, {row.model}, layer {row.layer}: {within(row.share, row.share_low, row.share_high)}"
        tip += f" of the way; accuracy {percent(row.accuracy)} %, chance {percent(row.chance)} %"
        tip += "" if row.shown else "; not shown to lie above chance"
        tip += "; preferred by validation" if row.chosen else ""
        shade = row.share if row.shown else math.nan
        return shaded(shade, percent(row.share), tip, "chosen" if row.chosen and row.shown else "")

    return table_of(scores, "concept", cell, "What each layer tells, in percent of the way from chance to perfect")


def moved_table(invariance: pd.DataFrame) -> ShadedTable:
    """Return the total index of every factor in every layer."""

    def cell(row: Any) -> ShadedCell:
        if math.isnan(row.total):
            return shaded(math.nan, "", f"{row.factor}, {row.model}, layer {row.layer}: states do not vary")
        tip = f"{row.factor}, {row.model}, layer {row.layer}: {within(row.total, row.total_low, row.total_high)}"
        tip += f" where it alone differs; by itself it makes {within(row.main, row.main_low, row.main_high)}"
        return shaded(row.total if row.shown else math.nan, percent(row.total), tip)

    return table_of(invariance, "factor", cell, "How far a factor alone moves each layer, in percent of everything")


def table_of(table: pd.DataFrame, rows: str, cell: Any, title: str) -> ShadedTable:
    """Return a table with a row for each of its names and a column for each layer."""
    layers = {str(model): list(map(int, own.layer.unique())) for model, own in table.groupby("model", sort=False)}
    lines = [
        (str(name), "", {(row.model, int(row.layer)): cell(row) for row in own.itertuples()})
        for name, own in table.groupby(rows, sort=False)
    ]
    return table_by_layer(title, f"{rows} \\ layer", layers, lines)


def sentences(scores: pd.DataFrame, invariance: pd.DataFrame) -> list[tuple[str, str]]:
    """Return each concept with a sentence of what is shown of it; an untrained twin is told of beside its model."""
    models = set(scores.model)
    twins = [model for model in models if model.startswith(RANDOM) and model.removeprefix(RANDOM) in models]
    told = []
    for concept, rows in scores[~scores.model.isin(twins)].groupby("concept", sort=False):
        words = [told_by(model_rows, invariance) for _, model_rows in rows.groupby("model", sort=False)]
        told.append((str(concept), f"{'; '.join(words)}."))
    return told


def told_by(rows: pd.DataFrame, invariance: pd.DataFrame) -> str:
    """Return what the layers of a model show of a concept, and how far the concept alone moves the preferred one."""
    row = rows[rows.chosen].iloc[0]
    if not row.shown:
        others = [str(layer) for layer in rows.layer[rows.shown]]
        where = f"in layer{'s' * (len(others) > 1)} {', '.join(others)}, not in the preferred one"
        return f"{row.model} {where if others else 'not shown'}"
    text = f"{row.model} in layer {row.layer}, {within(row.share, row.share_low, row.share_high)} of the way"
    text += {
        "yes": ", more than its untrained twin", "no": ", which is not shown to be more than its untrained twin",
    }.get(row.above_twin, "")  # fmt: skip
    moved = invariance[
        (invariance.factor == row.concept) & (invariance.model == row.model) & (invariance.layer == row.layer)
    ]
    for index in moved[moved.shown].itertuples():
        text += f" (alone it moves that layer {within(index.total, index.total_low, index.total_high)} as far as all)"
    return text
