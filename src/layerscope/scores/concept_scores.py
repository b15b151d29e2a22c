"""The scores of every layer on every concept, as shares of the way from chance to perfect, all cells held together."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.scores.against_controls import chance_of, controls, spread_over_trainings
from layerscope.scores.family_of_comparisons import highest_deviation
from layerscope.scores.score_table import Results

__all__ = ["concept_scores"]

#: Columns of ``concepts.csv``.
COLUMNS = (
    "concept", "model", "layer", "accuracy", "ci_low", "ci_high", "chance", "shuffled", "share", "share_low",
    "share_high", "shown", "chosen", "clips",
)  # fmt: skip


def concept_scores(results: Results) -> pd.DataFrame:
    """Return a row for each concept, model and layer.

    Parameters
    ----------
    results : Results
        Of a task a concept, in folds, read by one probe.

    Returns
    -------
    DataFrame
        ``accuracy`` with its 95 % interval ``ci_low``, ``ci_high``; ``chance``, what the constant answer scores, and
        ``shuffled``, the mean over shuffled labels of the model's preferred layer; ``share``, ``share_low`` and
        ``share_high``, the way from chance (0) to perfect (1); ``shown``, whether it is shown to lie above both, of all
        cells together; ``chosen``, whether validation prefers the layer of its model; ``clips``, how many were tested.
        The index is that of `results.summary`. Of a plain feature the preferred of its summaries is its only layer.
    """
    tables = []
    for concept in results.tasks:
        rows = results.of(task=concept, metric=results.primary(concept))
        plain = rows.model.isin(results.models("plain")) & rows.chosen
        rows = rows[(rows.input == "layer") | plain]
        rows = rows.assign(
            chance=float(results.facts["tasks"][concept]["chance"]),
            floor=[chance_of(results, row) for _, row in rows.iterrows()],
            shuffled=[mean_of(controls(results, row)) for _, row in rows.iterrows()],
            spread=spread_over_trainings(results, rows.iloc[0]),
        )
        tables.append(rows)
    table = pd.concat(tables).rename(columns={"task": "concept", "value": "accuracy", "n": "clips"})
    table["shown"] = above(table, results.draws[table.index].astype(np.float64))
    for share, score in (("share", "accuracy"), ("share_low", "ci_low"), ("share_high", "ci_high")):
        table[share] = (table[score] - table.chance) / (1 - table.chance)
    return table[list(COLUMNS)]


def mean_of(scores: list[float]) -> float:
    """Return the mean of scores, NaN of none."""
    return float(np.mean(scores)) if scores else float("nan")


def above(table: pd.DataFrame, draws: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which scores are shown to lie above their ``floor``, in 95 % of maps all of them rightly.

    Trainings that share clips spread scores wider than resampled clips say (``spread``).
    """
    noise = draws - table.accuracy.to_numpy()[:, None]
    deviation = noise.std(axis=1)
    margin = highest_deviation(noise) * deviation * table.spread.to_numpy()
    # An interval that is not there, of too few groups, is NaN, and nothing exceeds it.
    return np.asarray((table.accuracy.to_numpy() - margin > table.floor.to_numpy()) & (deviation > 0))
