"""Scores after few labels: their intervals over draws and test clips, and which layer is shown to be better with few.

Conventions
-----------
A curve is of one input: sizes from few labels to all, several draws each. A layer is chosen by the validation clips,
which train nothing and choose no penalty: what is asked is which layer is best for probes of so few labels, and not
what somebody could have chosen who has no others. Where validation prefers another layer with few labels than with all,
the two are compared on the test clips, paired over draws and clips, and all sizes and models of a task considered
together (single-step maximum: Romano & Wolf 2005). Over folds, where clips that choose test as well, the maximum is
over all layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.scores.evaluation import Evaluation
from layerscope.scores.family_of_comparisons import highest_deviation
from layerscope.scores.layer_selection import choose
from layerscope.scores.resampling import interval, resample_seeds
from layerscope.scores.run_names import RunNames
from layerscope.scores.score_files import read_csv, write_csv
from layerscope.scores.score_table import FEW_LABELS

__all__ = ["Crossing", "Curve", "FewLabels", "crossings", "curve_table", "scored_curve"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """The scores of one input, from few labels to all.

    Attributes
    ----------
    label : dict
        Model, dataset, task, target, input, layer, probe and metric.
    clips : ndarray, shape (size, draw)
        That train, the mean over folds.
    values : ndarray, shape (size, draw)
        Of the test clips.
    valid : ndarray, shape (size,)
        Of the validation clips, the mean over draws.
    draws : ndarray, shape (size, resample)
        Of the test clips when clips and draws are resampled, the same for all inputs.
    """

    label: dict[str, Any]
    clips: Array
    values: Array
    valid: Array
    draws: Array


@dataclass(frozen=True)
class Crossing:
    """What is shown of the layer that is preferred with few labels against the one that is with all.

    Attributes
    ----------
    model : str
        Whose layers.
    labels : str
        The size.
    few, all : int
        The layers that validation prefers there, and with all labels.
    difference, low, high : float
        Of the score of `few` over that of `all` at this size, with its interval, that of all comparisons together.
    shown : bool
        Whether it is above 0.
    later, later_low, later_high, reversed
        The same with all labels, of `all` over `few`.
    """

    model: str
    labels: str
    few: int
    all: int
    difference: float
    low: float
    high: float
    shown: bool
    later: float
    later_low: float
    later_high: float
    reversed: bool


@dataclass(frozen=True)
class FewLabels:
    """What few labels leave.

    Attributes
    ----------
    curves : DataFrame
        See `curve_table`.
    crossings : DataFrame
        A row a `Crossing`, with its task.
    code : DataFrame
        See `code_table`.
    """

    curves: pd.DataFrame
    crossings: pd.DataFrame
    code: pd.DataFrame

    @property
    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Return the three, of which any may be empty."""
        return self.curves, self.crossings, self.code

    def save(self, directory: Path) -> None:
        """Write each table that has rows; a directory holds none of another request."""
        for name, table in zip(FEW_LABELS, self.tables, strict=True):
            if len(table):
                write_csv(directory / name, table)

    @classmethod
    def read(cls, directory: Path) -> FewLabels | None:
        """Return what `save` wrote, or nothing."""
        paths = [directory / name for name in FEW_LABELS]
        if not paths[0].is_file():
            return None
        return cls(*(read_csv(path) if path.is_file() else pd.DataFrame() for path in paths))

    def only(self, task: str) -> FewLabels:
        """Return the tables of one task."""
        return FewLabels(*(table[table.task == task] if len(table) else table for table in self.tables))

    def renamed(self, names: RunNames) -> FewLabels:
        """Return the tables with other names of models and tasks."""
        return FewLabels(*map(names.in_table, self.tables))

    @classmethod
    def joined(cls, parts: Sequence[FewLabels | None]) -> FewLabels | None:
        """Return the tables of several tasks or runs as one, each row once; nothing of nothing."""
        known = [part for part in parts if part is not None]
        if not known:
            return None
        tables = (
            [table for table in same if len(table)] for same in zip(*(part.tables for part in known), strict=True)
        )
        whole = (pd.concat(each, ignore_index=True).drop_duplicates() if each else pd.DataFrame() for each in tables)
        return cls(*whole)


def scored_curve(
    label: dict[str, Any],
    clips: Array,
    valid: NDArray[np.float32],
    test: NDArray[np.float32],
    splits: dict[str, Evaluation],
) -> Curve:
    """Score what probes say after few labels by the primary metric.

    Parameters
    ----------
    label : dict
        See `Curve`, without the metric.
    clips : ndarray, shape (size, draw)
        That train.
    valid, test : ndarray, shape (size, draw, row, output)
        Scores of the clips that choose and of those that are tested, ascending.
    splits : dict of str to Evaluation
        Of these clips.
    """
    choosing, asked = (replace(splits[name], rows=np.arange(len(splits[name].rows))) for name in ("valid", "test"))
    metric = asked.labels.metrics()[0]
    name = "|".join(map(str, label.values()))
    values = np.array([[asked.score(metric, left)[0] for left in drawn] for drawn in test])
    known = np.array([np.mean([choosing.score(metric, left)[0] for left in drawn]) for drawn in valid])
    draws = [
        asked.with_pseudo_group(
            metric,
            drawn[0],
            resample_seeds(np.stack([asked.resample(metric, *pair) for pair in zip(drawn, scores, strict=True)])),
            float(scores.mean()),
            name,
        )
        for drawn, scores in zip(test, values, strict=True)
    ]
    return Curve({**label, "metric": metric}, clips, values, known, np.stack(draws))


def curve_table(curves: Sequence[Curve], sizes: Sequence[str], unit: str) -> pd.DataFrame:
    """Return a row for each input, size and draw.

    Parameters
    ----------
    curves : sequence of Curve
        Of all inputs of a task.
    sizes : sequence of str
        Of the curves.
    unit : {"clip", "group"}
        Of what a size counts so many a class.

    Returns
    -------
    DataFrame
        The columns of a curve's label; ``labels`` (the size), ``unit``, ``clips`` (that train), ``draw``, ``value``
        (its score on test); and in each row of a size ``valid``, ``mean``, ``ci_low``, ``ci_high`` over all its draws.
    """
    rows = []
    for curve in curves:
        for place, size in enumerate(sizes):
            mean = float(curve.values[place].mean())
            low, high = interval(curve.draws[place], mean)
            told = {"valid": curve.valid[place], "mean": mean, "ci_low": low, "ci_high": high}
            for draw, value in enumerate(curve.values[place]):
                clips = round(float(curve.clips[place, draw]))
                counted = {"labels": size, "unit": unit, "clips": clips, "draw": draw, "value": value}
                rows.append({**curve.label, **counted, **told})
    return pd.DataFrame(rows).astype({"layer": "Int64"})


def crossings(curves: Sequence[Curve], sizes: Sequence[str], *, folds: bool) -> list[Crossing]:
    """Return, for each model and size at which validation prefers another layer than with all labels, what is shown.

    Parameters
    ----------
    curves : sequence of Curve
        Of layers, not of plain features.
    sizes : sequence of str
        Of the curves, the last all labels.
    folds : bool
        Whether the clips that choose test as well.
    """
    models: dict[str, list[Curve]] = {}
    for curve in curves:
        models.setdefault(curve.label["model"], []).append(curve)
    pairs = [
        (preferred(layers, place), preferred(layers, len(sizes) - 1), place)
        for layers in models.values()
        for place in range(len(sizes) - 1)
    ]
    pairs = [pair for pair in pairs if pair[0] is not pair[1]]
    # Over folds any layer might have been the lucky one.
    rivals = {id(pair[0]): models[pair[0].label["model"]] if folds else [pair[0]] for pair in pairs}
    ahead = critical([(rival, whole, place) for few, whole, place in pairs for rival in rivals[id(few)]])
    behind = critical([(whole, rival, len(sizes) - 1) for few, whole, _ in pairs for rival in rivals[id(few)]])
    shown = []
    for few, whole, place in pairs:
        now, later = told_apart(few, whole, place, ahead), told_apart(whole, few, len(sizes) - 1, behind)
        named = (few.label["model"], sizes[place], int(few.label["layer"]), int(whole.label["layer"]))
        shown.append(Crossing(*named, *now, now[1] > 0, *later, later[1] > 0))
    return shown


def preferred(curves: Sequence[Curve], place: int) -> Curve:
    """Return the curve that validation prefers at a size."""
    return choose(curves, lambda curve: float(curve.valid[place])).chosen


def noise_of(first: Curve, second: Curve, place: int) -> tuple[float, Array]:
    """Return a difference at a size, and how it varies over resamples."""
    difference = float(first.values[place].mean() - second.values[place].mean())
    return difference, first.draws[place] - second.draws[place] - difference


def critical(pairs: Sequence[tuple[Curve, Curve, int]]) -> float:
    """Return how many deviations the largest of several differences lies from its true one in 5 % of studies."""
    noise = np.array([noise_of(*pair)[1] for pair in pairs if pair[0] is not pair[1]])
    return highest_deviation(noise, both_sides=True)


def told_apart(first: Curve, second: Curve, place: int, deviations: float) -> tuple[float, float, float]:
    """Return a difference with its interval; NaN where nothing is resampled."""
    difference, noise = noise_of(first, second, place)
    half = deviations * float(noise.std())
    return difference, difference - half, difference + half
