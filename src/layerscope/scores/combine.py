"""Several runs as one: models side by side on the same clips, tasks one below the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from layerscope.errors import UsageError
from layerscope.scores.run_names import BY_MODEL, Source
from layerscope.scores.score_table import Results

__all__ = ["combine"]


#: What is put together: runs of one model may have been made with different probes.
KEY = ["task", "model", "probe"]
#: Facts of a task that are lists of what befell some of its models and probes.
LISTED = ("cut", "far_off", "trained_on", "not_offered")
#: Facts in which a task may be another in a second run, and how the two are told.
COUNTED = (("kind", "read as {} and {}"), ("clips", "{} clips and {}, skipped.csv says why"), ("splits", "{} and {}"))


@dataclass(frozen=True)
class Told:
    """Facts or scores, and the first run that has them."""

    what: Any
    source: Source


def combine(runs: Sequence[Results], sources: Sequence[Source] = ()) -> Results:
    """Put the results of several runs side by side.

    Parameters
    ----------
    runs : sequence of Results
        A task that several of them have must be of the same clips, labels and splits, so that its scores compare
        and its resamples are paired; a model that several of them have must be the same network. What several hold
        alike, such as the same plain feature, stands once.
    sources : sequence of Source
        Where each comes from, for errors to name it.

    Returns
    -------
    Results

    Raises
    ------
    UsageError
        If one task is of different clips or labels, chosen by different metrics or trained with different seeds, one
        model name is of different networks, or one model has different scores on one task with one probe.

    Examples
    --------
    >>> from layerscope import Features, probe
    >>> labels, states = ["minor", "major"] * 30, np.random.default_rng(0).normal(size=(60, 2, 4))
    >>> runs = [probe(Features.from_arrays(states, labels, model=name), probes=["closed"]) for name in ("a", "b")]
    >>> combine(runs).best_layers().model.tolist()
    ['a', 'b']
    """
    sources = sources or [Source(f"run {number}") for number in range(1, len(runs) + 1)]
    tasks: dict[str, Told] = {}
    seeds: dict[str, Told] = {}
    models: dict[str, Told] = {}
    scores: dict[tuple[str, str, str], Told] = {}
    for run, source in zip(runs, sources, strict=True):
        for name, facts in run.facts["tasks"].items():
            add(tasks, name, Told(facts, source), joined_task)
            count = facts.get("seeds", run.facts["seeds"])
            if count is not None:
                add(seeds, name, Told(count, source), joined_seeds)
        for name, facts in run.facts["models"].items():
            add(models, name, Told(facts, source), joined_model)
        for key in dict.fromkeys(run.summary[KEY].itertuples(index=False, name=None)):
            add(scores, key, Told(run, source), joined_scores)
    distinct = [only(run, [key for key, told in scores.items() if told.what is run]) for run in runs]
    return Results(
        pd.concat([run.table for run in distinct], ignore_index=True),
        pd.concat([run.summary for run in distinct], ignore_index=True),
        np.concatenate([run.draws for run in distinct]),
        {
            **runs[0].facts,
            "tasks": {
                name: {**told.what, "seeds": seeds[name].what if name in seeds else None}
                for name, told in tasks.items()
            },
            "models": {name: told.what for name, told in models.items()},
            "seeds": max(run.facts["seeds"] for run in runs),
            "passes": {name: counts for run in runs for name, counts in run.facts.get("passes", {}).items()},
            "note": " ".join(dict.fromkeys(run.facts["note"] for run in runs if run.facts["note"])),
        },
        {clip: reason for run in runs for clip, reason in skipped_of(run, several=len(tasks) > 1).items()},
    )


def add(known: dict[Any, Told], name: Any, told: Told, join: Callable[[Any, Told, Told], Any]) -> None:
    """Put what a run tells of something beside what runs before it told."""
    if name in known:
        what = join(name, known[name], told)
        told = told if what is told.what else replace(known[name], what=what)
    known[name] = told


def joined_task(name: str, first: Told, other: Told) -> dict[str, Any]:
    """Return the facts of a task in two runs, or raise where it is not one task."""
    told, facts = first.what, other.what
    if told["primary"] != facts["primary"]:
        raise UsageError(
            f"task '{name}' is chosen by {told['primary']} in {first.source.directory} and by {facts['primary']} in "
            f"{other.source.directory}; run one of them again with the --metric of the other"
        )
    if told["digest"] != facts["digest"]:
        raise UsageError(
            f"task '{name}' is of different clips, labels or splits in {first.source.directory} and "
            f"{other.source.directory}{first.source.otherwise(other.source, 'clips') or difference(told, facts)}; run "
            "one of them again with the data and options of the other, or, where they are two tasks, call one "
            f"otherwise: layerscope report {first.source.directory} NAME={other.source.directory}"
        )
    by_model = {
        # Runs of one model may have been made with different probes.
        key: {model: told.get(key, {}).get(model, {}) | facts.get(key, {}).get(model, {})
              for model in (*told.get(key, {}), *facts.get(key, {}))}
        for key in BY_MODEL if key in told or key in facts
    }  # fmt: skip
    listed = {key: list(dict.fromkeys([*told.get(key, []), *facts.get(key, [])]))
              for key in LISTED if key in told or key in facts}  # fmt: skip
    return {**facts, **told, **by_model, **listed}


def joined_seeds(name: str, first: Told, other: Told) -> Any:
    """Return with how many seeds the probes of a task are trained in two runs that have such probes, or raise."""
    if first.what != other.what:
        raise UsageError(
            f"task '{name}' has probes of {first.what} seeds in {first.source.directory} and of {other.what} in "
            f"{other.source.directory}; run one of them again with the --seeds of the other"
        )
    return first.what


def difference(told: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return in which facts a task is another in a second run, in words, or nothing."""
    known = [words.format(told[key], facts[key]) for key, words in COUNTED if told.get(key) != facts.get(key)]
    only_one = sorted({*told.get("names", ())} ^ {*facts.get("names", ())})
    known += [f"only one has {', '.join(map(repr, only_one[:3]))}"] if only_one else []
    return f" ({'; '.join(known)})" if known else ""


def joined_model(name: str, first: Told, other: Told) -> Any:
    """Return the facts of a model in two runs, or raise where it is not one network."""
    told, facts = first.what, other.what
    networks = [told.get("network", ""), facts.get("network", "")]
    # Features that were handed in have no network to compare.
    if (all(networks) and networks[0] != networks[1]) or told.get("layers") != facts.get("layers"):
        prints = f" (fingerprints {networks[0][:12]}, {networks[1][:12]})"
        raise UsageError(
            f"'{name}' is another network, or another part of it, in {first.source.directory} than in "
            f"{other.source.directory}{first.source.otherwise(other.source, 'network') or prints}; rename one and run "
            "it again, or run one of them again with the options of the other"
        )
    return told


def joined_scores(key: tuple[str, str, str], first: Told, other: Told) -> Results:
    """Return the one of two runs that has all scores of a model on a task with a probe, or raise where neither has."""
    rows, others = (by_input(told.what.of(**dict(zip(KEY, key, strict=True)))) for told in (first, other))
    shared = rows.index.intersection(others.index)
    # `equals`, unlike ==, takes NaN for equal to NaN: a score may be undefined in both.
    if len(shared) < min(len(rows), len(others)) or not rows.loc[shared].equals(others.loc[shared]):
        task, model, probe = key
        raise UsageError(
            f"'{model}' has other scores on '{task}' ({probe} probe) in {first.source.directory} than in "
            f"{other.source.directory}{first.source.otherwise(other.source, 'scores')}; leave one of the runs "
            "out, or run it again as the other"
        )
    # One may have been asked for more inputs.
    return other.what if len(others) > len(rows) else first.what


def by_input(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of a summary by what they are scores of."""
    # As text, since an input of several layers has none.
    return rows.set_index(pd.Index([f"{row.input}|{row.layer}|{row.metric}" for row in rows.itertuples()]))


def skipped_of(run: Results, *, several: bool) -> dict[str, str]:
    """Return the clips that a run left out; among several tasks with the name of theirs."""
    prefix = f"{run.tasks[0]}: " if several and len(run.tasks) == 1 else ""
    return {f"{prefix}{clip}": reason for clip, reason in run.skipped.items()}


def only(run: Results, keys: Sequence[tuple[str, str, str]]) -> Results:
    """Return the results of some tasks, models and probes alone."""
    rows, table_rows = (pd.MultiIndex.from_frame(frame[KEY]).isin(keys) for frame in (run.summary, run.table))
    return Results(run.table[table_rows], run.summary[rows], run.draws[rows], run.facts, run.skipped)
