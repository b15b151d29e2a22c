"""Several runs as one: models side by side on the same clips, tasks one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from layerscope.errors import UsageError
from layerscope.scores.score_table import Results

__all__ = ["combine"]


def combine(runs: Sequence[Results]) -> Results:
    """Put the results of several runs side by side.

    Parameters
    ----------
    runs : sequence of Results
        A task that several of them have must be of the same clips in the same splits, so that its scores compare
        and its resamples are paired.

    Returns
    -------
    Results

    Raises
    ------
    UsageError
        If two runs hold the same model on the same task, or one task is of different clips in them.

    Examples
    --------
    >>> from layerscope import Features, probe
    >>> labels, states = ["minor", "major"] * 30, np.random.default_rng(0).normal(size=(60, 2, 4))
    >>> runs = [probe(Features.from_arrays(states, labels, model=name), probes=["closed"]) for name in ("a", "b")]
    >>> combine(runs).best_layers().model.tolist()
    ['a', 'b']
    """
    tasks: dict[str, Any] = {}
    models: dict[str, Any] = {}
    seen: set[tuple[str, str]] = set()
    for run in runs:
        for name, facts in run.facts["tasks"].items():
            if tasks.setdefault(name, facts)["digest"] != facts["digest"]:
                raise UsageError(f"task '{name}' is of different clips or splits in these runs; they do not compare")
        pairs = set(zip(run.summary.task, run.summary.model, strict=True))
        for task, model in sorted(pairs & seen):
            raise UsageError(f"'{model}' was studied on '{task}' in more than one of these runs")
        seen |= pairs
        models |= run.facts["models"]
    first = runs[0].facts
    passes = {name: counts for run in runs for name, counts in run.facts.get("passes", {}).items()}
    notes = " ".join(dict.fromkeys(run.facts["note"] for run in runs if run.facts["note"]))
    return Results(
        pd.concat([run.table for run in runs], ignore_index=True),
        pd.concat([run.summary for run in runs], ignore_index=True),
        np.concatenate([run.draws for run in runs]),
        {**first, "tasks": tasks, "models": models, "passes": passes, "note": notes},
        {clip: reason for run in runs for clip, reason in run.skipped.items()},
    )
