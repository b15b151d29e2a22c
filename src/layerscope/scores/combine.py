"""Several runs as one: models side by side on the same clips, tasks one below the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from layerscope.errors import UsageError
from layerscope.scores.score_table import Results, with_model_names

__all__ = ["combine", "names_by_window", "renamed"]


#: What is put together: runs of one model may have been made with different probes.
KEY = ["task", "model", "probe"]
#: Facts of a task that are told model by model.
BY_MODEL = ("layer_sets", "beyond_plain")


def combine(runs: Sequence[Results]) -> Results:
    """Put the results of several runs side by side.

    Parameters
    ----------
    runs : sequence of Results
        A task that several of them have must be of the same clips, labels and splits, so that its scores compare
        and its resamples are paired; a model that several of them have must be the same network. What several hold
        alike, such as the same plain feature, stands once.

    Returns
    -------
    Results

    Raises
    ------
    UsageError
        If one task is of different clips or labels, or chosen by different metrics, one model name is of different
        networks, or one model has different scores on one task with one probe.

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
    seen: dict[tuple[str, str, str], Results] = {}
    distinct: list[Results] = []
    for run in runs:
        for name, facts in run.facts["tasks"].items():
            refuse_other_task(name, tasks.setdefault(name, facts), facts)
            for key in (key for key in BY_MODEL if key in facts):
                told = tasks[name].get(key, {})
                # Runs of one model may have been made with different probes.
                more = {model: told.get(model, {}) | each for model, each in facts[key].items()}
                tasks[name] = tasks[name] | {key: told | more}
        for name, facts in run.facts["models"].items():
            refuse_other_network(name, models.setdefault(name, facts), facts)
        probed = list(dict.fromkeys(run.summary[KEY].itertuples(index=False, name=None)))
        for key in probed:
            if key in seen and not same_scores(seen[key], run, key):
                task, model, probe = key
                raise UsageError(
                    f"'{model}' has other scores on '{task}' ({probe} probe) in one of these runs than in another"
                )
        distinct.append(only(run, [key for key in probed if key not in seen]))
        seen |= {key: run for key in probed if key not in seen}
    first = runs[0].facts
    passes = {name: counts for run in runs for name, counts in run.facts.get("passes", {}).items()}
    notes = " ".join(dict.fromkeys(run.facts["note"] for run in runs if run.facts["note"]))
    return Results(
        pd.concat([run.table for run in distinct], ignore_index=True),
        pd.concat([run.summary for run in distinct], ignore_index=True),
        np.concatenate([run.draws for run in distinct]),
        {**first, "tasks": tasks, "models": models, "passes": passes, "note": notes},
        {clip: reason for run in runs for clip, reason in run.skipped.items()},
    )


def refuse_other_task(name: str, told: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Raise where a task of one run is another in a second."""
    metrics = {told["primary"], facts["primary"]}
    if len(metrics) > 1:
        raise UsageError(
            f"task '{name}' is chosen by {' in one of these runs and by '.join(sorted(metrics))} in another; "
            "run one of them again with the --metric of the other"
        )
    if (other := told.get("target")) != facts.get("target"):
        raise UsageError(
            f"task '{name}' is of '{other}' in one of these runs and of '{facts['target']}' in another; "
            f"ask for both in one run (--target {other} --target {facts['target']}), each a task of its own"
        )
    if told["digest"] != facts["digest"]:
        raise UsageError(f"task '{name}' is of different clips, labels or splits in these runs; they do not compare")


def refuse_other_network(name: str, told: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Raise where a model of one run is another network in a second."""
    networks = [told.get("network", ""), facts.get("network", "")]
    # Features that were handed in have no network to compare.
    if all(networks) and networks[0] != networks[1]:
        raise UsageError(
            f"'{name}' is another network in each of these runs (fingerprints {networks[0][:12]} and "
            f"{networks[1][:12]}); rename one and run it again"
        )


def names_by_window(runs: Sequence[Results], windows: Sequence[float | None]) -> list[dict[str, str]]:
    """Return, for each run, what its models are to be called where runs of other windows have them too.

    Parameters
    ----------
    runs : sequence of Results
        To be put together.
    windows : sequence of float or None
        Longest window of each in seconds; None of a run that took the model's own, whose names stay.

    Examples
    --------
    >>> from layerscope import Features, probe
    >>> labels, states = ["minor", "major"] * 30, np.random.default_rng(0).normal(size=(60, 2, 4))
    >>> run = probe(Features.from_arrays(states, labels, model="a"), probes=["closed"])
    >>> names_by_window([run, run], [3.0, None]), names_by_window([run, run], [3.0, 3.0])
    ([{'a': 'a, 3 s'}, {}], [{}, {}])
    """
    of_model: dict[str, set[float | None]] = {}
    for run, window in zip(runs, windows, strict=True):
        for name in run.facts["models"]:
            of_model.setdefault(name, set()).add(window)
    several = {name for name, seconds in of_model.items() if len(seconds) > 1}
    return [
        {name: f"{name}, {window:g} s" for name in run.facts["models"] if name in several} if window else {}
        for run, window in zip(runs, windows, strict=True)
    ]


def renamed(run: Results, names: Mapping[str, str]) -> Results:
    """Return results whose models are called otherwise."""

    def with_names(facts: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
        return {**facts, **{key: {names.get(name, name): of_model for name, of_model in facts[key].items()}
                            for key in keys if key in facts}}  # fmt: skip

    facts = with_names(run.facts, ("models", "passes"))
    facts["tasks"] = {task: with_names(of_task, BY_MODEL) for task, of_task in run.facts["tasks"].items()}
    table, summary = (with_model_names(frame, names) for frame in (run.table, run.summary))
    return replace(run, table=table, summary=summary, facts=facts)


def same_scores(first: Results, other: Results, key: tuple[str, str, str]) -> bool:
    """Return whether two runs say the same of a model on a task with a probe: same inputs and scores."""
    # `equals`, unlike ==, takes NaN for equal to NaN: a score may be undefined in both.
    rows, others = (run.of(**dict(zip(KEY, key, strict=True))).reset_index(drop=True) for run in (first, other))
    return rows.equals(others)


def only(run: Results, keys: Sequence[tuple[str, str, str]]) -> Results:
    """Return the results of some tasks, models and probes alone."""
    rows, table_rows = (pd.MultiIndex.from_frame(frame[KEY]).isin(keys) for frame in (run.summary, run.table))
    return Results(run.table[table_rows], run.summary[rows], run.draws[rows], run.facts, run.skipped)
