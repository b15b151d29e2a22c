"""Heat maps of the page as tables: tasks by layers, steps of training by layers, layers by layers.

A table is read by the keyboard and by screen readers as it is, and no cell shrinks with the window.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgba

from layerscope.report.wording import in_percent, measure_name, number, span
from layerscope.scores.against_controls import chance_of
from layerscope.scores.family_of_comparisons import highest_deviation
from layerscope.scores.layer_selection import preferred_probe, shown_layers
from layerscope.scores.probe_agreement import ProbePair, pairs_of_probes
from layerscope.scores.score_table import Results
from layerscope.scores.verdict import Verdict
from layerscope.similarity.measures import Similarities

__all__ = [
    "COLOURS", "UNTOLD", "ShadedCell", "ShadedTable", "agreement_table", "score_cell", "scores_by_layer", "shaded",
    "similarity_table", "table_by_layer", "task_scores", "task_table",
]  # fmt: skip

#: Perceptually uniform and safe for colour-blind readers (Nuñez et al. 2018).
COLOURS = colormaps["cividis"]
#: Of a cell that is not told apart from chance: none of the map's colours, and read in light and dark.
UNTOLD = "#bdbdbd"
#: A model and the number of its layer.
View = tuple[str, int]


@dataclass(frozen=True)
class ShadedCell:
    """A number on a colour.

    Attributes
    ----------
    text : str
        As short as a cell needs it; empty where nothing is known.
    tip : str
        The same in full.
    paper, ink : str
        Colours.
    marks : str
        Classes of `page.css`: ``chosen``, ``best``.
    shade : float
        What the colour says, from 0 to 1; NaN for grey.
    """

    text: str
    tip: str
    paper: str
    ink: str
    marks: str = ""
    shade: float = math.nan


@dataclass(frozen=True)
class ShadedTable:
    """Rows of cells, with columns in groups.

    Attributes
    ----------
    title : str
        What it shows, for readers who do not see it.
    corner : str
        What rows and columns are.
    groups : list of (str, list of str)
        Name of a group and of its columns, from left to right.
    rows : list of (str, str, list of ShadedCell)
        Name of a row, where it leads (an address within the page, or nothing), and a cell for each column.
    note : str
        What it shows, in a sentence.
    """

    title: str
    corner: str
    groups: list[tuple[str, list[str]]]
    rows: list[tuple[str, str, list[ShadedCell]]]
    note: str = ""


EMPTY = ShadedCell("", "", "transparent", "inherit")


def shaded(shade: float, text: str, tip: str, marks: str = "") -> ShadedCell:
    """Return a cell coloured by a share from 0 to 1, grey where it is NaN."""
    within = shade if np.isnan(shade) else min(1.0, max(0.0, float(shade)))
    paper = UNTOLD if np.isnan(shade) else to_hex(COLOURS(within))
    return ShadedCell(text, tip, paper, ink_on(within), marks, within)


def ink_on(shade: float) -> str:
    """Return black or white, whichever is read on a cell."""
    colour = np.array((to_rgba(UNTOLD) if np.isnan(shade) else COLOURS(float(shade)))[:3])
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    # WCAG 2.2: at this relative luminance black and white have one contrast, 4.58.
    return "#000000" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "#ffffff"


def short_number(metric: str, value: float) -> str:
    """Return a score as short as a cell needs: whole percents, or R² with two decimals."""
    if in_percent(metric):
        return f"{100 * value:.0f}"
    # Nearly nothing has no sign, and −10.05 keeps its zeros.
    text = f"{value:z.2f}".replace("-", "−")
    return text.replace("0.", ".") if abs(value) < 1 else text


def task_scores(results: Results, task: str, models: list[str]) -> pd.DataFrame:
    """Return the rows of all layers of a task, with ``shade`` from 0 (chance) to 1 (perfect).

    It is NaN where the interval holds chance or what shuffled labels score, or where there is none, all layers of the
    task held together: such a cell tells nothing. By macro F1 the constant answer scores less than any that changes.
    """
    rows = shown_layers(results, task)
    rows = rows[rows.model.isin(models)].copy()
    rows["other_probe"] = rows.probe != preferred_probe(results, task)
    chance = float(results.facts["tasks"][task]["chance"])
    # Of every kind's primary metric 1 is perfect.
    floors = [chance_of(results, row) for _, row in rows.iterrows()]
    noise = results.noise_of(rows)
    # One of many layers of noise is lucky. Where no score varies there is no luck (NaN); without resamples no interval.
    margin = np.nan_to_num(highest_deviation(noise)) * noise.std(axis=1)
    shown = (rows.ci_low > floors) & (rows.value - margin > floors)
    rows["shade"] = ((rows.value - chance) / (1 - chance)).clip(0, 1).where(shown)
    return rows


def scores_by_layer(results: Results, task: str, models: list[str]) -> dict[View, pd.Series]:
    """Return the rows of `task_scores` by their models and layers."""
    return {(row.model, int(row.layer)): row for _, row in task_scores(results, task, models).iterrows()}


def score_cell(score: pd.Series, where: str) -> ShadedCell:
    """Return a row of `task_scores` as a cell."""
    notes = [
        *(["not told apart from chance"] if np.isnan(score.shade) else []),
        *(["preferred by validation"] if score.chosen else []),
        *(["may be best"] if score.in_best_set else []),
        *([f"{score.probe} probe"] if score.other_probe else []),
    ]
    tip = f"{where}, layer {score.layer}: {number(score.metric, score.value)} "
    tip += "; ".join([span(score.metric, score.ci_low, score.ci_high), *notes])
    marks = " ".join(name for name, there in (("chosen", score.chosen), ("best", score.in_best_set)) if there)
    return shaded(score.shade, short_number(score.metric, score.value), tip, marks)


def table_by_layer(
    title: str,
    corner: str,
    layers: Mapping[str, Sequence[int]],
    rows: Iterable[tuple[str, str, Mapping[View, ShadedCell]]],
    note: str = "",
) -> ShadedTable:
    """Return a table with a column for each layer of each model; a cell that a row does not have is empty."""
    views = [(model, layer) for model, own in layers.items() for layer in own]
    lines = [(name, link, [cells.get(view, EMPTY) for view in views]) for name, link, cells in rows]
    return ShadedTable(title, corner, [(model, list(map(str, own))) for model, own in layers.items()], lines, note)


def task_table(results: Results) -> ShadedTable:
    """Return the primary metric of every layer of every model on every task."""
    models = results.models("trained", "untrained")
    layers = {model: results.facts["models"][model]["layers"] for model in models}
    rows = []
    for place, task in enumerate(results.tasks, start=1):
        title, scores = results.title(task), scores_by_layer(results, task, models)
        cells = {view: score_cell(score, f"{title}, {view[0]}") for view, score in scores.items()}
        rows.append((title, f"#task-{place}", cells))
    return table_by_layer("Scores of every layer on every task", "task \\ layer", layers, rows)


def similarity_table(similarities: Similarities, measure: str) -> ShadedTable:
    """Return how alike all layers of all models are, in percent."""
    table = similarities.table[(similarities.table.measure == measure) & similarities.table.other_layer.notna()]
    layers = {model: facts["layers"] for model, facts in similarities.facts["models"].items()}
    views = [(model, layer) for model, own in layers.items() for layer in own]
    pairs: dict[tuple[View, View], Any] = {}
    for pair in table.itertuples():
        ours, theirs = (pair.model, int(pair.layer)), (pair.other, int(pair.other_layer))
        pairs[ours, theirs] = pairs[theirs, ours] = pair
    rows = [(f"{ours[0]} {ours[1]}", "", {other: pair_cell(ours, other, pairs) for other in views}) for ours in views]
    return table_by_layer(f"{measure_name(measure)}, in percent", "layer", layers, rows)


def pair_cell(ours: View, theirs: View, pairs: dict[tuple[View, View], Any]) -> ShadedCell:
    """Return how alike two layers are."""
    names = " and ".join(f"{model} layer {layer}" for model, layer in (ours, theirs))
    if ours == theirs:
        return shaded(1.0, "100", f"{names}: 100")
    pair = pairs.get((ours, theirs))
    if pair is None or np.isnan(pair.value):
        return EMPTY
    interval = "" if np.isnan(pair.ci_low) else f" [{100 * pair.ci_low:.0f}, {100 * pair.ci_high:.0f}]"
    return shaded(pair.value, f"{100 * pair.value:z.0f}".replace("-", "−"),
                  f"{names}: {100 * pair.value:z.1f}{interval}".replace("-", "−"))  # fmt: skip


def agreement_table(results: Results, answer: Verdict) -> ShadedTable | None:
    """Return how alike every two of three or more probes order the layers of the answer's model, in percent.

    Nothing where all of them prefer one layer, or layers are few.
    """
    names = [each.probe for each in answer.probes]
    pairs: dict[tuple[str, str], ProbePair] = {}
    for pair in pairs_of_probes(results, answer.task, answer.model):
        pairs[pair.first, pair.second] = pairs[pair.second, pair.first] = pair
    if len(names) < 3 or len({each.layer for each in answer.probes}) == 1 or not pairs:
        return None
    rows = [(name, "", [agreement_cell(name, other, pairs) for other in names]) for name in names]
    note = (
        f"Rank correlation of the layers of {answer.model} by every two probes, times 100; a cell's range is of "
        "95 % of the resamples of the test clips."
    )
    return ShadedTable("How alike the probes order the layers", "probe", [(answer.model, names)], rows, note)


def agreement_cell(ours: str, theirs: str, pairs: dict[tuple[str, str], ProbePair]) -> ShadedCell:
    """Return how alike two probes order layers."""
    if ours == theirs:
        return shaded(1.0, "100", f"{ours}: 100")
    pair = pairs[ours, theirs]
    if np.isnan(pair.correlation):
        return shaded(np.nan, "–", f"{ours} and {theirs}: all layers score alike by one of them")
    tip = f"{ours} and {theirs}: {100 * pair.correlation:z.0f} [{100 * pair.low:.0f}, {100 * pair.high:.0f}]"
    return shaded(pair.correlation, f"{100 * pair.correlation:z.0f}".replace("-", "−"), tip.replace("-", "−"))
