"""Whether an input is shown to beat its controls: the constant answer, and shuffled labels.

Over folds the clips that choose a layer test it as well, which nested choice, the luckiest of several and the spread
over permutations make up for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from layerscope.scores.family_of_comparisons import TWO_SIDED, highest_deviation
from layerscope.scores.resampling import LEVEL
from layerscope.scores.score_table import SINGLE_INPUTS, Results, Role, matching, role_of

__all__ = [
    "beats_controls", "beats_permutations", "chance_of", "controls", "floor_of", "judged_row", "lies_above_chance",
    "margin_below", "role_in", "spread_over_trainings", "twins_of",
]  # fmt: skip

#: Deviations for a test to one side at 5 %: 1.64.
ONE_SIDED = float(stats.norm.ppf(LEVEL))


def beats_controls(results: Results, row: pd.Series) -> bool:
    """Return whether the interval of a choice lies above chance, and its score above that of every permutation.

    Over folds the spread of the permutations is in the interval already. An interval that is not there, of too few
    clips or groups, shows nothing.
    """
    judged = judged_row(results, row)
    # Without an interval the margin is NaN, and no comparison with NaN holds.
    above_chance = float(judged.value) - margin_below(results, row) > chance_of(results, row)
    # The interval that is printed is two-sided: where it holds chance, "beats chance" would stand beside it.
    return above_chance and lies_above_chance(results, row) and beats_permutations(results, row)


def lies_above_chance(results: Results, row: pd.Series) -> bool:
    """Return whether the printed interval of an input lies above the constant answer."""
    # Without an interval it is NaN, and shows nothing.
    return bool(row.ci_low > float(results.facts["tasks"][row.task]["chance"]))


def beats_permutations(results: Results, row: pd.Series) -> bool:
    """Return whether a row scores higher than with any permutation of the labels; over folds their spread counts."""
    nested = judged_row(results, row).input == "nested"
    return nested or all(row.value > score for score in controls(results, row))


def chance_of(results: Results, row: pd.Series) -> float:
    """Return what a row's input must lie above: the constant answer, and the mean over shuffled labels."""
    permutations = controls(results, row)
    chance = float(results.facts["tasks"][row.task]["chance"])
    return max([chance, float(np.mean(permutations))] if permutations else [chance])


def floor_of(results: Results, *probes: str) -> tuple[float, float]:
    """Return from where to where inputs of one task score that know nothing: chance, and every permutation of labels.

    By macro F1 the constant answer scores less than one that changes, so that chance alone is passed by noise.
    """
    chance, table = float(results.facts["chance"]), results.table
    rows = (table.input == "shuffled") & (table.split == "test") & table.probe.isin(probes)
    shuffled = table.value[rows & (table.metric == results.facts["primary"])].dropna()
    return min([chance, *shuffled]), max([chance, *shuffled])


def twins_of(results: Results, models: Sequence[str]) -> dict[str, str]:
    """Return the control of each model: the network with random weights, which several models may share."""
    facts = results.facts["models"]
    return {
        name: twin
        for name in models
        for twin in models
        if f"random:{name}" in (twin, *facts[twin].get("also", []))
    }  # fmt: skip


def controls(results: Results, row: pd.Series) -> list[float]:
    """Return the scores of a row's model and probe with shuffled labels, one a permutation."""
    same = {"task": row.task, "model": row.model, "probe": row.probe, "metric": row.metric}
    rows = matching(results.table, input="shuffled", split="test", **same)
    return [float(value) for value in rows.value.dropna()]


def judged_row(results: Results, row: pd.Series) -> pd.Series:
    """Return by which row a choice is held against chance: over folds the nested one of its model and probe.

    Where clips of their own choose, or several layers are given together, the row itself: there is nothing to make up
    for.
    """
    if row.input not in SINGLE_INPUTS:
        return row
    rows = results.of(task=row.task, model=row.model, probe=row.probe, metric=row.metric, input="nested")
    return row if rows.empty else rows.iloc[0]


def margin_below(results: Results, row: pd.Series) -> float:
    """Return how far below a choice's score its true one may lie, one-sided at 5 %."""
    judged = judged_row(results, row)
    # Half of the interval is 1.96 deviations, of which a one-sided test takes fewer.
    half = deviations(results, row) / TWO_SIDED * float(judged.value - judged.ci_low)
    return half * (spread_over_trainings(results, row) if judged.input == "nested" else 1.0)


def spread_over_trainings(results: Results, row: pd.Series) -> float:
    """Return how many times wider noise is spread over folds than resampled clips say, 1 at least.

    Trainings of different folds share clips, so that their errors go together, which resampling the tested clips does
    not show (Nadeau & Bengio 2003). The permutations of shuffled labels, of all models and probes of the task, do; as
    they are few, Student's quantile stands in the place of the normal one.
    """
    squares, freedom = 0.0, 0
    for _, each in results.of(task=row.task, metric=row.metric, input="nested").iterrows():
        scores, deviation = np.array(controls(results, each)), float(each.value - each.ci_low) / TWO_SIDED
        if len(scores) > 1 and deviation > 0:
            squares += float(np.square((scores - scores.mean()) / deviation).sum())
            freedom += len(scores) - 1  # their own mean was taken off
    if not freedom:
        return 1.0
    return max(1.0, math.sqrt(squares / freedom)) * float(stats.t.ppf(LEVEL, freedom)) / ONE_SIDED


def deviations(results: Results, row: pd.Series) -> float:
    """Return how many deviations a score lies above its true one in 5 % of studies: 1.64, or more of the luckiest.

    Over folds the clips that choose among models and probes are those that test them, so that the luckiest is chosen.
    The highest of all then takes the place of one. Where clips of their own choose, there is nothing to make up for.
    """
    models = results.models(role_in(results, row))
    family = results.of(task=row.task, metric=row.metric, input="nested")
    family = family[family.model.isin(models)]
    # Never easier than for a single input that clips of its own have chosen; of nothing that varies it is NaN.
    return float(np.fmax(ONE_SIDED, highest_deviation(results.noise_of(family))))


def role_in(results: Results, row: pd.Series) -> Role:
    """Return what a row's model is in a study."""
    return role_of(results.facts["models"][row.model])
