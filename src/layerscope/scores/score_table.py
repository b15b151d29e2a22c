"""The table of scores, what is read off it, and the files it lives in.

Shares are in [0, 1], R² at most 1; a score that is undefined is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.atomic_files import REQUESTS, discard, read_header, read_tensors, write_tensors
from layerscope.errors import DataError, ResourceError, UsageError, checks_arguments, one_of
from layerscope.scores.resampling import interval
from layerscope.scores.score_files import read_csv, table_digests, write_csv

__all__ = [
    "BESIDE_PLAIN", "COLUMNS", "CONTROL_INPUTS", "FEW_LABELS", "PLAIN_INPUTS", "ROBUSTNESS", "SEARCHED", "SETS",
    "SINGLE_INPUTS", "WIDE_INPUTS", "Comparison", "Results", "Role", "asked_models", "discard_earlier", "is_set",
    "matching", "role_of", "wide_inputs",
]  # fmt: skip

#: The tidy table: one row for each model, input, probe, seed, split and metric.
COLUMNS = [
    "model", "dataset", "task", "target", "input", "layer", "probe", "seed", "split", "metric",
    "value", "ci_low", "ci_high", "n",
]  # fmt: skip
#: The file of the resamples, which tells what the tables beside it are.
DRAWS = "draws.safetensors"
#: The tables of every run, and what may stand beside them: single clips, where all comes from, what was asked.
TABLES = ("results.csv", "summary.csv", "skipped.csv")
RECORDS = (REQUESTS["study"], REQUESTS["report of several runs"])
#: Learning curves, layers that are compared on them, and code lengths, where few labels were asked for.
FEW_LABELS = ("few_labels.csv", "few_labels_compared.csv", "code_length.csv")
#: Scores on deformed clips, and what was not computed, where deformations were asked for.
ROBUSTNESS = ("robustness.csv", "robustness_left_out.csv")
#: Tables that stand beside those of some runs.
FURTHER_TABLES = ("splits.csv", "predictions.csv", *FEW_LABELS, *ROBUSTNESS)
BESIDE = (*FURTHER_TABLES, "provenance.json", *RECORDS)
#: Inputs of plain features, and all that are one layer: a choice is made among these.
PLAIN_INPUTS = ("mean", "moments", "frame", "context")
SINGLE_INPUTS = ("layer", *PLAIN_INPUTS)
#: Inputs that are fixed beforehand or take all layers: shown beside the chosen layer, never chosen.
WIDE_INPUTS = ("last", "weighted", "weighted[1:]", "concat")
#: Inputs that nobody can use: a layer with shuffled labels, and over folds the layer that each training chooses.
CONTROL_INPUTS = ("shuffled", "nested")
#: Sets of layers that were asked for, or found by a search; over folds each training's search finds its own.
SETS, SEARCHED = ("mean(", "concat("), "search("
#: A layer beside the best plain feature, and that feature alone where it had to be averaged over clips for it.
BESIDE_PLAIN = ("plain+layer", "plain")
#: What a model is in a study; an untrained one is a control.
Role = Literal["plain", "untrained", "trained"]


@dataclass(frozen=True)
class Comparison:
    """A difference of two scores on the same clips.

    Attributes
    ----------
    difference, low, high : float
        Of the first over the second, with its 95 % interval; NaN where there are too few clips or groups for one.
    """

    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Return ``"better"``, ``"worse"`` or ``"not told apart"``.

        Examples
        --------
        >>> Comparison(0.02, -0.01, 0.05).verdict
        'not told apart'
        """
        # Without an interval (NaN) neither comparison holds: not told apart.
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "not told apart"

    def widened(self, times: float) -> Comparison:
        """Return it with an interval so many times as wide."""
        low, high = (self.difference + times * (bound - self.difference) for bound in (self.low, self.high))
        return Comparison(self.difference, low, high)


@dataclass
class Results:
    """All scores of a study.

    Attributes
    ----------
    table : DataFrame
        Columns `COLUMNS`, one row a seed and split; intervals for the test split alone.
    summary : DataFrame
        One row for each model, dataset, task, target, input, layer, probe and metric: ``valid`` and ``value``
        (test), means over seeds; ``valid_n``, the clips that ``valid`` is of, and ``valid_shared``, the score on those
        of them by which every probe chooses; ``ci_low``, ``ci_high`` (clips and seeds resampled); ``n`` clips tested;
        ``seeds``; ``chosen``, whether validation prefers this layer (or, for plain features, this summary) of its
        model and probe; ``in_best_set``, whether it cannot be told apart from the best layer on test; ``mixture``
        and ``mixture_spread``, the learned weights of layers and their standard deviation over seeds and folds.
    draws : ndarray, shape (row of summary, resample)
        The metric in each resample, the same resamples for all rows.
    facts : dict
        What was studied: ``models``, ``seeds``, and under ``tasks``, for each, its clips, splits, metrics, chance.
    skipped : dict of str to str
        Clips not used, and why.

    Examples
    --------
    >>> import numpy as np
    >>> import layerscope as ls
    >>> labels = ["minor", "major"] * 50
    >>> states = np.random.default_rng(0).normal(size=(100, 3, 4))  # 100 clips, 3 layers, 4 dimensions
    >>> states[:, 2, 0] += 3.0 * (np.arange(100) % 2)  # the last layer knows
    >>> results = ls.probe(ls.Features.from_arrays(states, labels), probes=["closed"])
    >>> results.tasks
    ['features']
    >>> results.models("trained")
    ['features']
    >>> results.primary("features")
    'accuracy'
    >>> results.best_layers()[["model", "probe", "layer", "best_set"]].values.tolist()
    [['features', 'closed', 2, [2]]]
    >>> layers = results.of(input="layer", metric="accuracy")
    >>> layers.layer.tolist()
    [0, 1, 2]
    >>> results.compare(layers.index[2], layers.index[0]).verdict
    'better'
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

    def primary(self, task: str) -> str:
        """Return the metric by which a task's layers are chosen."""
        return str(self.facts["tasks"][one_of("task", task, self.tasks)]["primary"])

    def title(self, task: str) -> str:
        """Return what a reader calls a task."""
        return str(self.facts["tasks"][one_of("task", task, self.tasks)]["title"])

    def models(self, *roles: Role) -> list[str]:
        """Return the names of the models of the given roles, in the order of the study."""
        wanted = [one_of("role", role, get_args(Role)) for role in roles]
        return [name for name, facts in self.facts["models"].items() if role_of(facts) in wanted]

    def sole_task(self, task: str | None = None) -> str:
        """Return the task that is meant: the one of that name, or the only one.

        Raises
        ------
        UsageError
            If the study has no such task, or several and none is named.
        """
        if task is None and len(self.tasks) > 1:
            raise UsageError(f"the study has several tasks; name one (--task): {', '.join(self.tasks)}")
        return self.tasks[0] if task is None else one_of("task", task, self.tasks)

    def only(self, task: str) -> Results:
        """Return the results of one task, whose facts stand beside those of the study.

        Raises
        ------
        UsageError
            If the study has no such task.

        Examples
        --------
        >>> import layerscope as ls
        >>> states = np.random.default_rng(0).normal(size=(60, 2, 4))
        >>> results = ls.probe(ls.Features.from_arrays(states, ["minor", "major"] * 30), probes=["closed"])
        >>> results.only("features").facts["splits"]
        {'train': 36, 'valid': 12, 'test': 12}
        """
        one_of("task", task, self.tasks)
        # Index and draws stay in step, since `compare` looks rows up by the index in both.
        rows = self.summary.task == task
        return type(self)(
            self.table[self.table.task == task].reset_index(drop=True),
            self.summary[rows].reset_index(drop=True),
            self.draws[rows.to_numpy()],
            {**self.facts, **self.facts["tasks"][task]},
            self.skipped,
        )

    @checks_arguments
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

        Raises
        ------
        UsageError
            For a metric that the study does not have.
        """
        if metric is not None:
            one_of("metric", metric, self.summary.metric.unique())
        rows: list[list[object]] = []
        for task in self.tasks:
            layers = self.of(task=task, metric=metric or self.primary(task), input="layer")
            for names, group in layers.groupby(["model", "target", "probe"], sort=False):
                chosen = group[group.chosen].iloc[0]
                equals = [int(layer) for layer in group.layer[group.in_best_set]]
                rows.append([task, *names, int(chosen.layer), chosen.value, chosen.ci_low, chosen.ci_high, equals])
        columns = ["task", "model", "target", "probe", "layer", "value", "ci_low", "ci_high", "best_set"]
        return pd.DataFrame(rows, columns=columns)

    @checks_arguments
    def of(self, **wanted: Any) -> pd.DataFrame:
        """Return the rows of the summary with the given values, e.g. ``of(model="muq", probe="mlp")``.

        Raises
        ------
        UsageError
            For a column that the summary does not have, or several values of one.
        """
        for column, value in wanted.items():
            one_of("column", column, self.summary.columns)
            if not pd.api.types.is_scalar(value):
                raise UsageError(f"of({column}=…) takes one value, not {type(value).__name__}")
        return matching(self.summary, **wanted)

    @checks_arguments
    def compare(self, ours: int, theirs: int) -> Comparison:
        """Return the difference of two rows of the summary, by their index.

        Raises
        ------
        UsageError
            If the summary has no such row.
        """
        for row in (ours, theirs):
            if row not in self.summary.index:
                raise UsageError(f"compare() takes two labels of the index of the summary, which has no {row!r}")
        difference = float(self.summary.value[ours] - self.summary.value[theirs])
        return Comparison(difference, *interval(self.draws[ours] - self.draws[theirs], difference))

    def noise_of(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Return by how much rows of the summary miss their value in each resample, (row, resample)."""
        return self.draws[rows.index].astype(np.float64) - rows.value.to_numpy()[:, None]

    @checks_arguments
    def save(self, directory: str | Path) -> None:
        """Write ``results.csv``, ``summary.csv``, ``skipped.csv`` and what a later report needs."""
        directory = Path(directory)
        write_csv(directory / "results.csv", self.table)
        write_csv(directory / "summary.csv", self.summary)
        write_csv(directory / "skipped.csv", pd.DataFrame(self.skipped.items(), columns=["clip", "reason"]))
        # Last, with the digests of the others: new scores are never read beside the draws of older ones.
        names = [*TABLES, *(name for name in BESIDE if (directory / name).is_file())]
        header = {"facts": self.facts, "files": table_digests(directory, names)}
        write_tensors(directory / DRAWS, {"draws": self.draws}, header)

    @classmethod
    @checks_arguments
    def read(cls, directory: str | Path) -> Results:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the directory is not that of a finished run, or its files are not those of one run.

        Examples
        --------
        >>> import tempfile
        >>> import layerscope as ls
        >>> states = np.random.default_rng(0).normal(size=(60, 2, 4))
        >>> results = ls.probe(ls.Features.from_arrays(states, ["minor", "major"] * 30), probes=["closed"])
        >>> place = Path(tempfile.mkdtemp())
        >>> results.save(place)
        >>> Results.read(place).tasks
        ['features']
        """
        directory = Path(directory)
        if not (directory / DRAWS).is_file():
            raise DataError(f"{directory}: not the directory of a finished run (it has no {DRAWS})")
        try:
            header, draws = read_header(directory / DRAWS), read_tensors(directory / DRAWS)["draws"]
            files = table_digests(directory, header["files"])
            strangers = [name for name, sha in files.items() if header["files"][name] != sha]
            table, summary, skipped = (
                read_csv(directory / f"{name}.csv") for name in ("results", "summary", "skipped")
            )
        except ResourceError as error:
            reason = str(error).partition(";")[0]
            raise DataError(f"{reason}; run the study again, which continues") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{directory}: not the directory of a finished run ({error})") from error
        if strangers:
            record = strangers[0] in RECORDS
            way_out = "put its own back, or choose another --out" if record else "run the study again, which continues"
            raise DataError(
                f"{directory / strangers[0]}: not of the same run as {DRAWS} (it was changed, or a run was stopped "
                f"while it wrote); {way_out}"
            )
        if "valid_n" not in summary:
            # Written before there were two: all of its rows chose alike.
            summary = summary.assign(valid_n=0, valid_shared=summary.valid)
        return cls(table, summary, draws, header["facts"], dict(zip(skipped["clip"], skipped["reason"], strict=True)))


def discard_earlier(directory: Path) -> None:
    """Remove what stands beside scores, so that it never does beside those of later labels, wherever a kill comes."""
    discard(*(directory / name for name in ("answer.json", "report.html", *FURTHER_TABLES)))


def matching(table: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """Return the rows of a table with the given values, by column."""
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


def is_set(name: str) -> bool:
    """Return whether an input is of some layers together, the same in every training.

    Examples
    --------
    >>> is_set("concat(4+7)"), is_set("concat"), is_set("mean")
    (True, False, False)
    """
    return name.startswith(SETS)


def wide_inputs(rows: pd.DataFrame) -> list[str]:
    """Return the inputs among rows of a summary that take several layers, or are fixed, in the order of tables."""
    present = dict.fromkeys(rows.input)
    sets = [name for name in present if name.startswith((*SETS, SEARCHED))]
    return [*(name for name in WIDE_INPUTS if name in present), *sets]


def asked_models(results: Results) -> list[str]:
    """Return the models whose layers are asked about: untrained ones only where there are no others."""
    return results.models("trained") or results.models("untrained")


def role_of(facts: dict[str, Any]) -> Role:
    """Return what a model is, by its facts."""
    return "plain" if facts["baseline"] else "untrained" if facts["untrained"] else "trained"
