"""Checkpoints of one model: layer × step maps of each task, and what appears when.

Models whose names end in ``@NUMBER`` are checkpoints, the number being the step of training: ``mine@1000``.
"""

from __future__ import annotations

from collections import defaultdict

import pandas as pd

from layerscope.encoders.checkpoint_paths import CHECKPOINT
from layerscope.report.shaded_tables import ShadedTable, score_cell, scores_by_layer, table_by_layer
from layerscope.scores.family_of_comparisons import corrected_by
from layerscope.scores.layer_selection import chosen_layer
from layerscope.scores.rivals import judged_gap
from layerscope.scores.score_table import Results

__all__ = ["checkpoints_of", "step_tables"]


def checkpoints_of(models: list[str]) -> dict[str, dict[int, str]]:
    """Return the checkpoints of each model that has several, by their steps in order.

    Examples
    --------
    >>> checkpoints_of(["a@200", "a@1000", "b", "c@5", "a@50"])
    {'a': {50: 'a@50', 200: 'a@200', 1000: 'a@1000'}}
    """
    steps: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for model in models:
        parts = CHECKPOINT.fullmatch(model)
        if parts:
            steps[parts["name"]][int(parts["step"])] = model
    return {name: dict(sorted(models.items())) for name, models in steps.items() if len(models) > 1}


def step_tables(results: Results) -> list[ShadedTable]:
    """Return a map of steps by layers for each model with checkpoints, of the one task that results are of."""
    return [step_table(results, name, steps) for name, steps in checkpoints_of(results.models("trained")).items()]


def step_table(results: Results, name: str, steps: dict[int, str]) -> ShadedTable:
    """Return the scores of every layer at every step."""
    task, facts = results.facts["task"], results.facts["models"]
    layers = sorted({layer for model in steps.values() for layer in facts[model]["layers"]})
    scores = scores_by_layer(results, task, list(steps.values()))
    rows = [
        (f"{step:,}", "", {(name, layer): score_cell(score, f"step {step:,}")
                           for (of, layer), score in scores.items() if of == model})
        for step, model in steps.items()
    ]  # fmt: skip
    title = f"{results.title(task)}: layers of {name} over steps of training"
    note = f"{appearance(scores, steps)} {last_against_others(results, steps)}".rstrip()
    return table_by_layer(title, "step \\ layer", {name: layers}, rows, note)


def appearance(scores: dict[tuple[str, int], pd.Series], steps: dict[int, str]) -> str:
    """Return from which step on a layer is told apart from chance, and which, in a sentence."""
    # A layer's shade is NaN where its interval holds chance.
    known = {
        step: [layer for (name, layer), score in scores.items() if name == model and score.shade == score.shade]
        for step, model in steps.items()
    }
    first = next((step for step in steps if all(known[later] for later in steps if later >= step)), None)
    if first is None:
        return f"At step {max(steps):,}, the last, no layer is told apart from chance."
    count = len(known[first])
    return f"Told apart from chance from step {first:,} on, there by {count} layer{'s' if count > 1 else ''}."


def last_against_others(results: Results, steps: dict[int, str]) -> str:
    """Return which checkpoints the last is shown to be better or worse than, in a sentence."""
    choices = {step: chosen_layer(results, results.facts["task"], model) for step, model in steps.items()}
    rows = {step: choice.chosen for step, choice in choices.items() if choice}
    last, others = max(steps), [step for step in rows if step != max(steps)]
    if last not in rows or not others:
        return ""
    verdicts = corrected_by({step: judged_gap(results, rows[last], rows[step]) for step in others})
    named = {
        verdict: ", ".join(f"{step:,}" for step, each in verdicts.items() if each == verdict)
        for verdict in ("better", "worse")
    }
    shown = [f"{verdict} than at {names}" for verdict, names in named.items() if names]
    together = ", corrected together (Holm)" if len(others) > 1 else ""
    return (
        f"Step {last:,}, the last, is {' and '.join(shown) or 'told apart from no other'}, each by the layer that "
        f"validation prefers{together}."
    )
