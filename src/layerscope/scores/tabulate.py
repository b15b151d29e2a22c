"""Scored outcomes become the table: a row a seed and split, a summary over seeds, and what is chosen marked in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.scores.evaluation import Entry
from layerscope.scores.layer_selection import mark_choices
from layerscope.scores.resampling import interval
from layerscope.scores.score_table import COLUMNS

__all__ = ["tabulate"]


def tabulate(entries: Sequence[Entry]) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[np.float32]]:
    """Return the tidy table, the summary and its draws, as `Results` holds them.

    Parameters
    ----------
    entries : sequence of Entry
        Those of the primary metric before the others, for each probe and input.
    """
    table = pd.DataFrame([{**entry.label, **row} for entry in entries for row in entry.rows])[COLUMNS]
    summary = pd.DataFrame([summary_row(entry) for entry in entries])
    for frame in (table, summary):
        frame["layer"] = frame["layer"].astype("Int64")
    # float32: a thousand draws a row are kept, and scores are told to three digits.
    draws = np.stack([entry.draws for entry in entries]).astype(np.float32)
    mark_choices(summary, draws)
    return table, summary, draws


def summary_row(entry: Entry) -> dict[str, Any]:
    """Return an entry with its seeds averaged."""
    tests = [row for row in entry.rows if row["split"] == "test"]
    value = float(np.mean([row["value"] for row in tests]))
    valid_clips = [row["n"] for row in entry.rows if row["split"] == "valid"]
    # Over several trainings a score is no count of right answers, and varies with them.
    low, high = (tests[0]["ci_low"], tests[0]["ci_high"]) if len(tests) == 1 else interval(entry.draws, value)
    return {
        **entry.label,
        "valid": entry.valid,
        "valid_n": valid_clips[0],
        "valid_shared": entry.valid if entry.shared is None else entry.shared,
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "n": tests[0]["n"],
        "seeds": len(tests),
        "mixture": over_trainings(np.mean, entry.mixture),
        "mixture_spread": over_trainings(np.std, entry.mixture),
    }


def over_trainings(statistic: Callable[..., NDArray[np.float64]], mixture: list[list[float]]) -> str:
    """Return a statistic of learned weights over trainings, a number a layer; nothing where none are learned."""
    return json.dumps(statistic(mixture, axis=0).round(4).tolist()) if mixture else ""
