"""Tables for people: the study in one row a model, as text, CSV, Markdown and LaTeX."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from layerscope.report.wording import input_name, layer_list, metric_name, number, span, with_interval
from layerscope.scores.layer_selection import best_plain, chosen_layer, layers_beside
from layerscope.scores.rank_correlation import rank_correlation
from layerscope.scores.score_table import WIDE_INPUTS, Results, wide_inputs
from layerscope.similarity.measures import Similarities
from layerscope.tasks import published_rows

__all__ = [
    "MIXTURE_CAUTION", "as_latex", "as_markdown", "beside_published", "mixture_rank", "overview", "similarity_overview",
    "told_columns",
]  # fmt: skip

MIXTURE_CAUTION = (
    "Learned weights of layers are not their importance: layers that say the same share a weight in any way, and one "
    "of large states needs little. ρ is the rank correlation (Spearman) of the weights and the layers' own test scores."
)


def overview(results: Results) -> pd.DataFrame:
    """Return one row for each model and probe: the chosen layer, its score, its equals, and the wider inputs."""
    metric = results.facts["primary"]
    table = []
    sets = [name for name in wide_inputs(results.summary) if name not in WIDE_INPUTS]
    for (model, probe), rows in results.of(metric=metric).groupby(["model", "probe"], sort=False):
        chosen = rows[rows.chosen].iloc[0]
        scores = dict(zip(rows.input, rows.value, strict=True))
        equals = rows.layer[rows.in_best_set & (rows.input == "layer")]
        table.append(
            {
                "model": model,
                "probe": probe,
                "chosen": input_name(chosen),
                metric_name(metric): number(metric, chosen.value),
                "95 %": span(metric, chosen.ci_low, chosen.ci_high),
                "best set": layer_list(list(map(int, equals))),
                **{
                    name: number(metric, scores[name]) if name in scores else ""
                    for name in (*WIDE_INPUTS, *sets, "shuffled")
                },
            }
        )
    return pd.DataFrame(table)


def told_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without the columns that hold nothing: of inputs that a study did not train."""
    return table.loc[:, table.ne("").any()]


def beside_published(results: Results) -> pd.DataFrame:
    """Return one row a task: the chosen layer of each model, the best plain feature, and what others have published."""
    models = results.models("trained", "untrained")
    table = []
    for task in results.tasks:
        choices = {model: chosen_layer(results, task, model) for model in models}
        record = {"task": results.title(task), "metric": metric_name(results.primary(task))}
        record |= {model: score_with_input(choice.chosen) if choice else "" for model, choice in choices.items()}
        plain = best_plain(results, task)
        record["plain feature"] = f"{plain.chosen.model} {score_with_input(plain.chosen)}" if plain else ""
        table.append({**record, "published": published_text(task, results.primary(task), models)})
    return pd.DataFrame(table)


def score_with_input(row: pd.Series) -> str:
    """Return a score with its interval, and of which layer or summary over time it is."""
    return f"{with_interval(row.metric, row.value, row.ci_low, row.ci_high)}, {input_name(row)}"


def published_text(task: str, metric: str, models: Sequence[str]) -> str:
    """Return the scores that others have published of the models studied, and the highest of any; or nothing.

    Where a metric is a mean of several, such as R² of arousal and valence, each of these is written.
    """
    scores: dict[str, dict[str, set[float]]] = {}
    for row in published_rows():
        if row.task == task and row.metric.partition(":")[0] == metric:
            scores.setdefault(row.model, {}).setdefault(row.metric, set()).add(row.value)
    if not scores:
        return ""
    best = max(scores, key=lambda model: np.mean([max(values) for values in scores[model].values()]))
    studied = [model for model in scores if model.casefold() in {name.casefold() for name in models}]
    words = {
        model: ", ".join(
            " ".join(
                [*filter(None, [part.partition(":")[2]]), "/".join(number(part, value) for value in sorted(values))]
            )
            for part, values in scores[model].items()
        )
        for model in dict.fromkeys([*studied, best])
    }
    return "; ".join(f"{'highest: ' if model == best else ''}{model} {text}" for model, text in words.items())


def mixture_rank(results: Results, row: pd.Series) -> float:
    """Return Spearman's rank correlation of a row's learned weights of layers and the scores of each layer alone.

    NaN where all weights or all scores are equal.
    """
    weights = json.loads(row.mixture)
    # A mixture without layer 0 has a weight less than there are layers.
    scores = layers_beside(results, row).sort_values("layer").value.to_numpy()[-len(weights) :]
    return rank_correlation(weights, scores)


def similarity_overview(similarities: Similarities) -> pd.DataFrame:
    """Return one row a layer: how alike it is to the layer before, to the model's first, and to each descriptor."""
    rows = similarities.table[similarities.table.measure == "cka_debiased"]
    table = []
    for model, facts in similarities.facts["models"].items():
        for place, layer in enumerate(facts["layers"]):
            record = {"model": model, "layer": str(layer)}
            others = rows[(rows.other == model) & (rows.other_layer == layer) & (rows.model == model)]
            for name, other in (("layer before", facts["layers"][place - 1]), ("first layer", facts["layers"][0])):
                pair = others[others.layer == other]
                record[name] = share_with_interval(pair.iloc[0]) if place and len(pair) else ""
            sounds = rows[(rows.model == model) & (rows.layer == layer) & rows.other_layer.isna()]
            record |= {sound.other: share_with_interval(sound) for _, sound in sounds.iterrows()}
            table.append(record)
    return pd.DataFrame(table)


def share_with_interval(row: pd.Series) -> str:
    """Return a similarity in percent, with its interval where there is one."""
    if pd.isna(row.ci_low):
        return f"{100 * row.value:z.0f}"
    return f"{100 * row.value:z.0f} [{100 * row.ci_low:.0f}, {100 * row.ci_high:.0f}]".replace("-", "−")


def as_markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown, columns aligned."""
    cells = [list(table.columns), *table.astype(str).values.tolist()]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


#: What people read as one sign and LaTeX writes with several.
LATEX_SIGNS = str.maketrans({"²": "$^2$", "−": "$-$", "–": "--"})


def as_latex(table: pd.DataFrame) -> str:
    """Return a table in LaTeX, for the booktabs package."""
    columns = "ll" + "r" * (len(table.columns) - 2)
    return table.to_latex(index=False, escape=True, column_format=columns).translate(LATEX_SIGNS)
