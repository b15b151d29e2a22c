"""The scores of every layer on every concept, as shares of the way from chance to perfect, all cells held together.

And what a battery leaves: both maps, as they are kept on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.atomic_files import REQUESTS, discard
from layerscope.errors import DataError
from layerscope.scores.against_controls import chance_of, controls, spread_over_trainings
from layerscope.scores.family_of_comparisons import highest_deviation
from layerscope.scores.score_files import read_csv, read_record, write_csv, write_record
from layerscope.scores.score_table import Results

__all__ = ["MAPS", "ConceptMaps", "concept_scores"]

#: The two maps of a battery, and the file of what was asked and how, which tells that they belong together.
MAPS, PROVENANCE = ("concepts.csv", "invariance.csv"), "provenance.json"
AGAIN = "run `layerscope concepts` again, which keeps what it has done"

#: Columns of ``concepts.csv``.
COLUMNS = (
    "concept", "model", "layer", "accuracy", "ci_low", "ci_high", "chance", "shuffled", "share", "share_low",
    "share_high", "shown", "chosen", "clips",
)  # fmt: skip


@dataclass(frozen=True)
class ConceptMaps:
    """What a battery shows.

    Attributes
    ----------
    scores : DataFrame
        A row for each concept, model and layer; see `concept_scores`. Beside it ``above_twin``, of the layer that
        validation prefers: whether it is shown to tell more than that of the untrained twin (``yes``, ``no``); empty
        where there is none.
    invariance : DataFrame
        A row for each factor, model and layer: ``total``, ``total_low``, ``total_high``, ``main``, ``main_low``,
        ``main_high`` (see `layerscope.similarity.factor_sensitivity`), and ``shown``, whether it is told of the layer.
    facts : dict
        What was asked, and how: ``models``, ``clips``, ``minutes``, ``motifs``, ``passes``, the command and versions.
    """

    scores: pd.DataFrame
    invariance: pd.DataFrame
    facts: dict[str, Any]

    def save(self, directory: Path) -> None:
        """Write ``concepts.csv``, ``invariance.csv`` and ``provenance.json``; a page of earlier maps goes."""
        discard(directory / "report.html")
        for name, table in zip(MAPS, (self.scores, self.invariance), strict=True):
            write_csv(directory / name, table)
        write_record(directory / PROVENANCE, self.facts, [*MAPS, REQUESTS["battery of concepts"]])

    @classmethod
    def read(cls, directory: str | Path) -> ConceptMaps | None:
        """Read what `save` wrote, or return nothing where there are no maps.

        Raises
        ------
        DataError
            If they are damaged, or not those of one battery.
        """
        directory = Path(directory)
        if not (directory / MAPS[0]).is_file():
            return None
        try:
            facts, _ = read_record(
                directory / PROVENANCE,
                f"are not of one battery (one was changed, or the command was stopped while it wrote); {AGAIN}",
            )
            scores, invariance = (read_csv(directory / name) for name in MAPS)
            return cls(scores, invariance, facts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{directory}: not the directory of a finished battery of concepts ({error}); {AGAIN}"
            ) from error


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
