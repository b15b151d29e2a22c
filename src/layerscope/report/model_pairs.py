"""Model against model: the paired difference of every two of a study, task by task."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from markupsafe import Markup

from layerscope.report.answer_table import difference_bar, widest_of
from layerscope.report.wording import gap_text
from layerscope.scores.family_of_comparisons import corrected
from layerscope.scores.layer_selection import chosen_layer
from layerscope.scores.rivals import judged_gap
from layerscope.scores.score_table import Results

__all__ = ["Pair", "model_pairs"]


@dataclass(frozen=True)
class Pair:
    """Two models on a task.

    Attributes
    ----------
    task : str
        Its title.
    ours, theirs : str
        Each model with the layer that validation prefers.
    bar : Markup
        The difference and its interval, drawn.
    difference : float
        By which pairs are sorted.
    text : str
        The same in words.
    verdict : {"better", "worse", "not told apart"}
        Of the first; all pairs of all tasks are corrected together (Holm).
    """

    task: str
    ours: str
    theirs: str
    bar: Markup
    difference: float
    text: str
    verdict: str


def model_pairs(results: Results) -> list[Pair]:
    """Return every pair of trained models on every task, each by the layer that validation prefers; none of one."""
    compared = []
    for task in results.tasks:
        choices = {model: chosen_layer(results, task, model) for model in results.models("trained")}
        rows = [choice.chosen for choice in choices.values() if choice]
        compared += [(task, ours, theirs, judged_gap(results, ours, theirs))
                     for ours, theirs in combinations(rows, 2)]  # fmt: skip
    gaps = [gap for *_, gap in compared]
    widest = widest_of(gaps)
    return [
        Pair(
            results.title(task),
            f"{ours.model}, layer {ours.layer}",
            f"{theirs.model}, layer {theirs.layer}",
            difference_bar(gap, widest),
            gap.difference,
            gap_text(ours.metric, gap),
            verdict,
        )
        for (task, ours, theirs, gap), verdict in zip(compared, corrected(gaps), strict=True)
    ]
