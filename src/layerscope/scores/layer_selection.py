"""The only place where anything is chosen: a layer, a probe, a plain feature, a penalty, a learning rate.

All choices are made on validation; the test clips only judge what was chosen. A score that is undefined (NaN: a
metric without both answers, a fold without a class) is never preferred to one that is known. Of equal scores the
first is taken, so that callers state their preference by the order: the lower layer, the stronger penalty.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.scores.resampling import best_set
from layerscope.scores.score_table import SINGLE_INPUTS, Results

__all__ = [
    "Choice", "best_plain", "best_trained", "best_untrained", "choose", "choose_among", "choose_row", "chosen_layer",
    "layers_beside", "mark_choices", "preferred_probe", "shown_layers",
]  # fmt: skip

T = TypeVar("T")
#: A validation score, or one followed by what decides between equals.
Rank = float | tuple[float, ...]


@dataclass(frozen=True)
class Choice(Generic[T]):
    """What was chosen, and why.

    Attributes
    ----------
    chosen : object
        One of the candidates.
    candidates : tuple
        All that were open, in the order of preference between equals.
    scores : tuple of float
        Of each candidate on validation, NaN where undefined.
    metric : str
        What the scores are.
    clips : str
        Of which clips, in words.
    among : int, optional
        How many were open at first, where the candidates are the best of several groups of them.
    """

    chosen: T
    candidates: tuple[T, ...]
    scores: tuple[float, ...]
    metric: str
    clips: str = "validation"
    among: int | None = None

    @property
    def why(self) -> str:
        """Return the reason in words.

        Examples
        --------
        >>> choose([1, 2, 3], {1: 0.5, 2: 0.75, 3: 0.75}.__getitem__, "accuracy").why
        'the highest accuracy on validation, 0.750, of 3 candidates; the first of 2 equals'
        >>> choose(["mel"], lambda name: float("nan"), "roc_auc").why
        'the first of 1 candidate: roc_auc is undefined on validation'
        """
        among = self.among or len(self.scores)
        count = f"{among} candidate{'s' if among > 1 else ''}"
        known = [score for score in self.scores if not math.isnan(score)]
        if not known:
            return f"the first of {count}: {self.metric} is undefined on {self.clips}"
        equals = known.count(max(known))
        tie = f"; the first of {equals} equals" if equals > 1 else ""
        return f"the highest {self.metric} on {self.clips}, {max(known):.3f}, of {count}{tie}"


def choose(
    candidates: Iterable[T], score: Callable[[T], Rank], metric: str = "score", clips: str = "validation"
) -> Choice[T]:
    """Choose the candidate with the highest validation score, the first of equals.

    Parameters
    ----------
    candidates : iterable
        At least one, in the order of preference between equals.
    score : callable
        Candidate to its validation score, or to a tuple of that and what decides between equals; NaN is undefined.
    metric, clips : str
        What the score is, and of which clips, for the record.

    Returns
    -------
    Choice

    Raises
    ------
    ValueError
        If there is no candidate.

    Examples
    --------
    >>> choose([0, 1, 2], [float("nan"), 0.8, 0.8].__getitem__, "accuracy").chosen
    1
    """
    options = tuple(candidates)
    if not options:
        raise ValueError("there is nothing to choose from")
    ranks = [tuple(map(float, np.atleast_1d(score(candidate)))) for candidate in options]
    # NaN compares with nothing, so that the highest would depend on the order of the candidates.
    known = [tuple(-math.inf if math.isnan(part) else part for part in rank) for rank in ranks]
    first = known.index(max(known))
    return Choice(options[first], options, tuple(rank[0] for rank in ranks), metric, clips)


def choose_row(rows: pd.DataFrame) -> Choice[pd.Series] | None:
    """Return the row of a summary that validation prefers; nothing of no rows.

    Where some rows were cross-validated and others were not, all are compared on the clips that they share.
    """
    if rows.empty:
        return None
    options, metric = [row for _, row in rows.iterrows()], rows.metric.iloc[0]
    if rows.valid_n.nunique() == 1:
        return choose(options, lambda row: row.valid, metric)
    return choose(options, lambda row: row.valid_shared, metric, "the validation clips that all share")


def mark_choices(summary: pd.DataFrame, draws: NDArray[np.float32]) -> None:
    """Add the columns ``chosen`` and ``in_best_set``, within each task, model and probe."""
    summary["chosen"] = False
    summary["in_best_set"] = False
    candidates = summary[summary.input.isin(SINGLE_INPUTS)]  # not what was trained on shuffled labels
    # The primary metric's rows stand before the others', see `tabulate`.
    primary = summary.groupby("task", sort=False).metric.first()
    for (task, model, probe, metric), group in candidates.groupby(["task", "model", "probe", "metric"], sort=False):
        # Draws go by position, as the index of a new summary does.
        inside = best_set(list(group.value), draws[group.index].astype(np.float64))
        summary.loc[group.index[inside], "in_best_set"] = True
        if metric == primary[task]:
            best = choose(group.itertuples(), lambda row: row.valid, metric).chosen
            # A layer is chosen once, by the primary metric, so that the rows of every metric are marked.
            same = (summary.task == task) & (summary.model == model) & (summary.probe == probe)
            summary.loc[same & (summary.input == best.input) & (summary.layer == best.layer), "chosen"] = True


def choose_among(results: Results, task: str, models: list[str], **given: str) -> Choice[pd.Series] | None:
    """Return what validation prefers among the chosen layers (or summaries over time) of models, over all probes."""
    rows = results.of(task=task, metric=results.primary(task), **given)
    rows = rows[rows.model.isin(models) & rows.input.isin(SINGLE_INPUTS)]
    choice = choose_row(rows[rows.chosen])
    return replace(choice, among=len(rows)) if choice else None


def chosen_layer(results: Results, task: str, model: str) -> Choice[pd.Series] | None:
    """Return the layer (or summary over time) and probe that validation prefers for a model on a task."""
    return choose_among(results, task, [model])


def best_plain(results: Results, task: str, **given: str) -> Choice[pd.Series] | None:
    """Return the plain feature that validation prefers on a task, with any probe or with ``probe=...``."""
    return choose_among(results, task, results.models("plain"), **given)


def best_trained(results: Results, task: str) -> Choice[pd.Series] | None:
    """Return the layer of a trained model that validation prefers on a task."""
    return choose_among(results, task, results.models("trained"))


def best_untrained(results: Results, task: str) -> Choice[pd.Series] | None:
    """Return the layer of an untrained model that validation prefers on a task."""
    return choose_among(results, task, results.models("untrained"))


def preferred_probe(results: Results, task: str) -> str:
    """Return the probe that validation prefers on a task, among the layers of models, or else of plain features."""
    models, plain = results.models("trained", "untrained"), results.models("plain")
    best = choose_among(results, task, models) or choose_among(results, task, plain)
    assert best is not None  # every task of a study has scores
    return str(best.chosen.probe)


def layers_beside(results: Results, row: pd.Series) -> pd.DataFrame:
    """Return the rows of all layers of a row's model, with its probe and metric on its task."""
    return results.of(task=row.task, model=row.model, probe=row.probe, metric=row.metric, input="layer")


def shown_layers(results: Results, task: str) -> pd.DataFrame:
    """Return the rows of all layers of a task in its primary metric, with the probe that validation prefers.

    A model that was not probed with it, in a run of its own, stands with the one that validation prefers for it.
    """
    rows, preferred = results.of(task=task, metric=results.primary(task), input="layer"), preferred_probe(results, task)
    probes = {}
    for model, of_model in rows.groupby("model", sort=False):
        choice = chosen_layer(results, task, str(model))
        assert choice is not None  # its layers are among the rows
        probes[model] = preferred if preferred in set(of_model.probe) else choice.chosen.probe
    return rows[rows.probe == rows.model.map(probes)]
