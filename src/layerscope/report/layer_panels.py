"""What the page shows of a task's scores over layers: a panel a model, and rows for what has no layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from layerscope.report.answer_table import Cell, score_bar
from layerscope.report.panels import Curve, Frame, Panel, coloured, frame_of, panel
from layerscope.report.wording import in_percent, input_name, metric_name, number, value_text, with_interval
from layerscope.scores.against_controls import floor_of, twins_of
from layerscope.scores.layer_selection import best_plain
from layerscope.scores.score_table import SINGLE_INPUTS, Results, wide_inputs
from layerscope.tasks import highest_published

__all__ = ["frame_near", "layer_panels", "rows_beside"]


def layer_panels(results: Results, probe: str) -> list[Panel]:
    """Return a panel for each model of a task with a probe: its own curve, its twin's, and thin those of the others.

    Parameters
    ----------
    results : Results
        Of one task.
    probe : str
        Which.
    """
    facts, metric = results.facts, results.facts["primary"]
    rows = results.of(probe=probe, metric=metric, input="layer")
    models = [name for name in results.models("trained", "untrained") if (rows.model == name).any()]
    twins = twins_of(results, models)
    shown = [name for name in models if name not in twins.values()]
    curves = {curve.name: curve for curve in coloured({name: rows[rows.model == name] for name in shown})}
    plain = best_plain(results, facts["task"], probe=probe)
    level = (f"plain feature, {plain.chosen.model}", float(plain.chosen.value)) if plain else None
    floor = floor_of(results, probe)
    if not curves:
        return []
    controls = {
        name: Curve(f"random weights ({twin})", rows[rows.model == twin], f"{curves[name].look} twin")
        for name, twin in twins.items()
    }
    frame = frame_near([*curves.values(), *controls.values()], metric, [level[1]] if level else [], floor)
    panels = []
    for name in shown:
        others = [Curve(other, curves[other].rows, "context") for other in shown if other != name]
        focus = [controls[name], curves[name]] if name in controls else [curves[name]]
        text = f"{metric_name(metric)} of {facts['target']} with the {probe} probe. {'; '.join(map(curve_text, focus))}"
        svg = panel([*others, *focus], frame, text, floor=floor, level=level)
        panels.append(Panel(name, svg, ((curves[name].look, name),)))
    return panels


def frame_near(curves: Sequence[Curve], metric: str, also: Sequence[float], floor: tuple[float, float]) -> Frame:
    """Return the frame of a task's panels; far below the scores, the floor would only flatten them."""
    write = partial(value_text, metric)

    def tick(value: float) -> str:
        return f"{100 * value:g}" if in_percent(metric) else f"{value:g}".replace("-", "−")

    # Of every kind's primary metric 1 is perfect.
    frame = frame_of(curves, write, tick, also, 1.0)
    near = floor[1] > frame.low - 0.5 * (frame.high - frame.low)
    return frame_of(curves, write, tick, [*also, *floor], 1.0) if near else frame


def curve_text(curve: Curve) -> str:
    """Return a curve in words."""
    metric = curve.rows.metric.iloc[0]
    scores = ", ".join(f"layer {row.layer} {number(metric, row.value)}" for row in curve.rows.itertuples())
    return f"{curve.name}: {scores}"


def rows_beside(results: Results, probe: str) -> list[Cell]:
    """Return what is not one layer of a model: its inputs of all layers, plain features, and published scores."""
    metric, chance = results.facts["primary"], results.facts["chance"]
    rows = results.of(probe=probe, metric=metric)
    plain = results.models("plain")
    wide = rows[rows.input.isin(wide_inputs(rows)) & ~rows.model.isin(plain)]
    best = rows[rows.model.isin(plain) & rows.chosen & rows.input.isin(SINGLE_INPUTS)]
    table = [
        Cell(f"{row.model}, {input_name(row)}", with_interval(metric, row.value, row.ci_low, row.ci_high),
             score_bar(row.value, row.ci_low, row.ci_high, chance), row.value)
        for _, row in pd.concat([wide, best]).iterrows()
    ]  # fmt: skip
    published = highest_published(results.facts["task"], metric)
    return table + [
        Cell(f"{name} (published)", number(metric, value), score_bar(value, np.nan, np.nan, chance), value)
        for name, value in published.items()
    ]
