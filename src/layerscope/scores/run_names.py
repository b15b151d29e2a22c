"""What runs that are put together are called: their directories, models and tasks, one name for each thing.

A run names its task after the table, and its model after the network; beside other runs that may not be enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from layerscope.errors import UsageError
from layerscope.scores.score_table import Results

__all__ = ["RunNames", "Source", "names_of_runs", "names_of_targets"]

#: Facts of a task that are told model by model.
BY_MODEL = ("layer_sets", "beyond_plain")
#: The options that decide on what runs of one study share: which clips, labels and splits, which network, which scores.
#: All others, and what says which part of a study a run does, cannot be why two runs differ in it.
DECIDING = {
    "clips": {"folds", "kind", "near_duplicates", "preset", "split_seed"},
    "network": {"layers", "twins"},
    "scores": {"beyond_plain", "layers_as", "precision", "preset", "seeds", "split_seed", "twins", "window"},
}


@dataclass(frozen=True)
class Source:
    """Where results come from.

    Attributes
    ----------
    directory : str
        Of the run, as errors name it.
    asked : dict
        Its options, as they are on record; nothing where there is no record.
    name : str, optional
        What its table is to be called; by default as its run calls it.
    """

    directory: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None

    def otherwise(self, other: Source, what: str) -> str:
        """Return which options that decide on something another run was asked otherwise, in words, or nothing.

        Parameters
        ----------
        other : Source
            The other run.
        what : str
            On what: one of `DECIDING`.

        Examples
        --------
        >>> Source("a", {"folds": 5, "seeds": 5}).otherwise(Source("b", {"folds": 3, "seeds": 1}), "clips")
        ' (--folds is 5 in a and 3 in b)'
        """
        if not (self.asked and other.asked):
            return ""
        told = [
            f"--{option.replace('_', '-')} is {in_words(self.asked.get(option))} in {self.directory} and "
            f"{in_words(other.asked.get(option))} in {other.directory}"
            for option in sorted(DECIDING[what])
            if self.asked.get(option) != other.asked.get(option)
        ]
        return f" ({'; '.join(told)})" if told else ""


def in_words(value: Any) -> str:
    """Return what an option was given, as it is typed; what is on record as null was not given."""
    if value is None:
        return "not given"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


@dataclass(frozen=True)
class RunNames:
    """What models and tasks of one run are called beside others; those that are not in here keep their names.

    Attributes
    ----------
    models, tasks : dict of str to str
        Name in the run → name beside others.
    """

    models: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)

    def in_table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table with these names in its columns ``model`` and ``task``, as far as it has them."""
        columns = (("model", self.models), ("task", self.tasks))
        return table.assign(**{name: table[name].replace(dict(called)) for name, called in columns if name in table})

    def in_results(self, run: Results) -> Results:
        """Return results with these names."""

        def of_models(facts: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
            renamed = {key: {self.models.get(name, name): each for name, each in facts[key].items()}
                       for key in keys if key in facts}  # fmt: skip
            return {**facts, **renamed}

        def of_task(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
            # Only tasks of the benchmark have a title that is not their name.
            own = [key for key in ("task", "title") if facts.get(key) == name]
            return of_models(facts, BY_MODEL) | dict.fromkeys(own, self.tasks.get(name, name))

        facts = of_models(run.facts, ("models", "passes"))
        facts["tasks"] = {self.tasks.get(name, name): of_task(name, each) for name, each in run.facts["tasks"].items()}
        return replace(run, table=self.in_table(run.table), summary=self.in_table(run.summary), facts=facts)


def names_of_targets(table: str, targets: Sequence[str]) -> dict[str, str]:
    """Return what the tasks of one table are called, by their targets.

    Parameters
    ----------
    table : str
        Its name, which is that of its task where it has one alone.
    targets : sequence of str
        Columns, or several with commas, which go by the first of them as long as no other target does.

    Examples
    --------
    >>> names_of_targets("songs", ["genre"]), names_of_targets("songs", ["genre", "valence,arousal"])
    ({'genre': 'songs'}, {'genre': 'songs-genre', 'valence,arousal': 'songs-valence'})
    >>> names_of_targets("songs", ["beats", "beats,downbeats"])
    {'beats': 'songs-beats', 'beats,downbeats': 'songs-beats-downbeats'}
    """
    if len(targets) == 1:
        return {targets[0]: table}
    firsts = [target.partition(",")[0] for target in targets]
    return {
        target: f"{table}-{first if firsts.count(first) == 1 else target.replace(',', '-')}"
        for target, first in zip(targets, firsts, strict=True)
    }


def names_of_runs(runs: Sequence[Results], sources: Sequence[Source]) -> list[RunNames]:
    """Return what the models and tasks of each run are called beside the others.

    Runs that ask for other targets of one table have a task each, called as in one run that asks for all of them. Runs
    of other windows have other states of one model, called by their window.

    Parameters
    ----------
    runs : sequence of Results
        To be put together.
    sources : sequence of Source
        Where each comes from.

    Raises
    ------
    UsageError
        If a table is given a name in which no task has its name from it.

    Examples
    --------
    >>> import numpy as np
    >>> from layerscope import Features, probe
    >>> labels, states = ["minor", "major"] * 30, np.random.default_rng(0).normal(size=(60, 2, 4))
    >>> run = probe(Features.from_arrays(states, labels, model="a"), probes=["closed"])
    >>> names = names_of_runs([run, run], [Source("long", {"window": 3.0}, name="songs"), Source("own")])
    >>> names[0].models, names[0].tasks, names[1].models, names[1].tasks
    ({'a': 'a, 3 s'}, {'features': 'songs'}, {}, {})
    """
    targets: dict[str, dict[str, None]] = {}
    windows: dict[str, set[float | None]] = {}
    for run, source in zip(runs, sources, strict=True):
        named = [facts for name, facts in run.facts["tasks"].items() if is_named_by_table(name, facts)]
        if source.name and not named:
            raise UsageError(
                f"'{source.name}={source.directory}': its tasks are of the benchmark, and keep their names"
            )
        for facts in named:
            targets.setdefault(table_of(facts, source), {})[facts["target"]] = None
        for model in run.facts["models"]:
            windows.setdefault(model, set()).add(source.asked.get("window"))
    called = {table: names_of_targets(table, list(asked)) for table, asked in targets.items()}
    names = []
    for run, source in zip(runs, sources, strict=True):
        tasks = {
            name: called[table_of(facts, source)][facts["target"]]
            for name, facts in run.facts["tasks"].items()
            if is_named_by_table(name, facts)
        }
        window = source.asked.get("window")
        models = {
            model: f"{model}, {window:g} s" for model in run.facts["models"] if window and len(windows[model]) > 1
        }
        names.append(RunNames(models, {name: new for name, new in tasks.items() if name != new}))
    return names


def table_of(facts: Mapping[str, Any], source: Source) -> str:
    """Return what the table of a task is called."""
    return source.name or str(facts["dataset"])


def is_named_by_table(name: str, facts: Mapping[str, Any]) -> bool:
    """Return whether a task has its name from its table: tasks of the benchmark have names of their own."""
    return name == facts["title"] and name.startswith(str(facts["dataset"]))
