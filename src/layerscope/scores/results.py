"""The tidy table, what is read off it, and the files it lives in."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from layerscope.atomic_files import read_header, write_atomically, write_tensors
from layerscope.errors import DataError, UsageError, unknown
from layerscope.scores.resampling import best_set, interval, paired_difference

__all__ = ["COLUMNS", "Comparison", "Entry", "Results", "combine", "tabulate"]

#: The tidy table: one row for each model, input, probe, seed, split and metric.
COLUMNS = [
    "model", "dataset", "task", "target", "input", "layer", "probe", "seed", "split", "metric",
    "value", "ci_low", "ci_high", "n",
]  # fmt: skip
#: Inputs of plain features, and all that are one layer: a choice is made among these.
PLAIN_INPUTS = ("mean", "moments", "frame", "context")
SINGLE_INPUTS = ("layer", *PLAIN_INPUTS)
#: What makes a row of the summary: seeds are averaged, validation stands beside test.
KEYS = ["model", "dataset", "task", "target", "input", "layer", "probe", "metric"]


@dataclass(frozen=True)
class Comparison:
    """A difference of two scores on the same clips.

    Attributes
    ----------
    difference, low, high : float
        Of the first over the second, with its 95 % interval.
    """

    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Return ``"better"``, ``"worse"`` or ``"not told apart"``."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "not told apart"


@dataclass
class Results:
    """All scores of a study.

    Attributes
    ----------
    table : DataFrame
        Columns `COLUMNS`, one row a seed and split; intervals for the test split alone.
    summary : DataFrame
        One row for each of `KEYS`: ``valid`` and ``value`` (test), means over seeds; ``ci_low``, ``ci_high``
        (clips and seeds resampled); ``n`` clips tested; ``seeds``; ``chosen``, whether validation prefers this
        layer (or, for plain features, this summary) of its model and probe; ``in_best_set``, whether it cannot
        be told apart from the best layer on test; ``mixture`` and ``mixture_spread``, the learned weights of layers
        and their standard deviation over seeds and folds.
    draws : ndarray, shape (row of summary, resample)
        The metric in each resample, the same resamples for all rows.
    facts : dict
        What was studied: ``models``, ``seeds``, and under ``tasks``, for each, its clips, splits, metrics, chance.
    skipped : dict of str to str
        Clips not used, and why.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    draws: NDArray[np.float32]
    facts: dict[str, Any] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def tasks(self) -> list[str]:
        """Return the names of the tasks."""
        return list(self.facts["tasks"])

    def only(self, task: str) -> Results:
        """Return the results of one task, whose facts stand beside those of the study.

        Raises
        ------
        UsageError
            If the study has no such task.
        """
        if task not in self.facts["tasks"]:
            raise unknown("task", task, self.facts["tasks"])
        rows = self.summary.task == task
        return Results(
            self.table[self.table.task == task].reset_index(drop=True),
            self.summary[rows].reset_index(drop=True),
            self.draws[rows.to_numpy()],
            {**self.facts, **self.facts["tasks"][task]},
            self.skipped,
        )

    def best_layers(self, metric: str | None = None) -> pd.DataFrame:
        """Return, for each task, model and probe, the layer that validation prefers and those not told apart from it.

        Parameters
        ----------
        metric : str, optional
            Each task's primary one by default. The layer is always chosen by the primary metric.

        Returns
        -------
        DataFrame
            Columns ``task, model, target, probe, layer, value, ci_low, ci_high, best_set``; the last a list of
            layers that cannot be told apart from the best on test.
        """
        found = []
        for task in self.tasks:
            wanted = metric or self.facts["tasks"][task]["primary"]
            layers = self.of(task=task, metric=wanted, input="layer")
            for (model, target, probe), group in layers.groupby(["model", "target", "probe"], sort=False):
                chosen = group[group.chosen].iloc[0]
                found.append(
                    {
                        "task": task,
                        "model": model,
                        "target": target,
                        "probe": probe,
                        "layer": int(chosen.layer),
                        **chosen[["value", "ci_low", "ci_high"]].to_dict(),
                        "best_set": [int(layer) for layer in group.layer[group.in_best_set]],
                    }
                )
        columns = ["task", "model", "target", "probe", "layer", "value", "ci_low", "ci_high", "best_set"]
        return pd.DataFrame(found, columns=columns)

    def of(self, **wanted: Any) -> pd.DataFrame:
        """Return the rows of the summary with the given values, e.g. ``of(model="muq", probe="mlp")``."""
        rows = self.summary
        for column, value in wanted.items():
            rows = rows[rows[column] == value]
        return rows

    def compare(self, ours: int, theirs: int) -> Comparison:
        """Return the difference of two rows of the summary, by their index."""
        low, high = paired_difference(self.draws[ours], self.draws[theirs])
        return Comparison(float(self.summary.value[ours] - self.summary.value[theirs]), low, high)

    def save(self, directory: Path) -> None:
        """Write ``results.csv``, ``summary.csv``, ``skipped.csv`` and what a later report needs."""
        write_csv(directory / "results.csv", self.table)
        write_csv(directory / "summary.csv", self.summary)
        write_csv(directory / "skipped.csv", pd.DataFrame(self.skipped.items(), columns=["clip", "reason"]))
        write_tensors(directory / "draws.safetensors", {"draws": self.draws}, self.facts)

    @classmethod
    def read(cls, directory: str | Path) -> Results:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the directory is not that of a finished run.
        """
        directory = Path(directory)
        try:
            table = pd.read_csv(directory / "results.csv", dtype={"layer": "Int64"})
            words = {"mixture": str, "mixture_spread": str}
            summary = pd.read_csv(directory / "summary.csv", dtype={"layer": "Int64", **words})
            skipped = pd.read_csv(directory / "skipped.csv", dtype=str)
            draws = load_file(directory / "draws.safetensors")["draws"]
            facts = read_header(directory / "draws.safetensors")
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise DataError(f"{directory}: not the directory of a finished run ({error})") from error
        summary[list(words)] = summary[list(words)].fillna("")
        return cls(table, summary, draws, facts, dict(zip(skipped["clip"], skipped["reason"], strict=True)))


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
    """
    tasks: dict[str, Any] = {}
    models: dict[str, Any] = {}
    seen: set[tuple[str, str]] = set()
    for run in runs:
        for name, told in run.facts["tasks"].items():
            if name in tasks and tasks[name]["digest"] != told["digest"]:
                raise UsageError(f"task '{name}' is of different clips or splits in these runs; they do not compare")
            tasks.setdefault(name, told)
        pairs = set(zip(run.summary.task, run.summary.model, strict=True))
        twice = sorted(pairs & seen)
        if twice:
            raise UsageError(f"'{twice[0][1]}' was studied on '{twice[0][0]}' in more than one of these runs")
        seen |= pairs
        models |= run.facts["models"]
    first = runs[0].facts
    passes = {name: counts for run in runs for name, counts in (run.facts.get("passes") or {}).items()}
    notes = " ".join(dict.fromkeys(run.facts["note"] for run in runs if run.facts["note"]))
    return Results(
        pd.concat([run.table for run in runs], ignore_index=True),
        pd.concat([run.summary for run in runs], ignore_index=True),
        np.concatenate([run.draws for run in runs]),
        {**first, "tasks": tasks, "models": models, "passes": passes, "note": notes},
        {clip: reason for run in runs for clip, reason in run.skipped.items()},
    )


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table whole or not at all; the same table gives the same bytes."""
    buffer = io.StringIO()
    table.to_csv(buffer, index=False, lineterminator="\n")
    write_atomically(path, buffer.getvalue().encode())


@dataclass(frozen=True)
class Entry:
    """One metric of one probe on one input.

    Attributes
    ----------
    label : dict
        Values of `KEYS`.
    rows : list of dict
        What `COLUMNS` has beyond the label: one for each seed and split.
    draws : ndarray, shape (resample,)
        The test metric when clips and seeds are resampled.
    mixture : list of list of float
        Learned weights of layers, one list a training; empty where none are learned.
    """

    label: dict[str, Any]
    rows: list[dict[str, Any]]
    draws: NDArray[np.float64]
    mixture: list[list[float]]


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
    draws = np.stack([entry.draws for entry in entries]).astype(np.float32)
    mark_choices(summary, draws)
    return table, summary, draws


def summary_row(entry: Entry) -> dict[str, Any]:
    """Return an entry with its seeds averaged."""
    values = {split: [row["value"] for row in entry.rows if row["split"] == split] for split in ("valid", "test")}
    low, high = interval(entry.draws)
    return {
        **entry.label,
        "valid": float(np.mean(values["valid"])),
        "value": float(np.mean(values["test"])),
        "ci_low": low,
        "ci_high": high,
        "n": next(row["n"] for row in entry.rows if row["split"] == "test"),
        "seeds": len(values["test"]),
        "mixture": json.dumps(np.mean(entry.mixture, axis=0).round(4).tolist()) if entry.mixture else "",
        "mixture_spread": json.dumps(np.std(entry.mixture, axis=0).round(4).tolist()) if entry.mixture else "",
    }


def mark_choices(summary: pd.DataFrame, draws: NDArray[np.float32]) -> None:
    """Add the columns ``chosen`` and ``in_best_set``, within each task, model and probe."""
    summary["chosen"] = False
    summary["in_best_set"] = False
    candidates = summary[summary.input.isin(SINGLE_INPUTS)]  # not what was trained on shuffled labels
    primary = summary.groupby("task", sort=False).metric.first()
    for (task, *_, metric), group in candidates.groupby(["task", "model", "probe", "metric"], sort=False):
        inside = best_set(list(group.value), draws[group.index].astype(np.float64))
        summary.loc[group.index[inside], "in_best_set"] = True
        if metric == primary[task]:
            best = group.loc[group.valid.fillna(-np.inf).idxmax()]
            same = (summary.task == task) & (summary.model == best.model) & (summary.probe == best.probe)
            layer = (summary.input == best.input) & (summary.layer == best.layer)
            summary.loc[same & layer, "chosen"] = True
