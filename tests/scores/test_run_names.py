import numpy as np
import pandas as pd
import pytest

from layerscope import Features, probe
from layerscope.errors import UsageError
from layerscope.scores.combine import combine
from layerscope.scores.run_names import DECIDING, RunNames, Source, names_of_runs
from layerscope.study.options import Plan


def run_of(target="label", model="a", dataset="songs", seed=0, task=None):
    states = np.random.default_rng(seed).normal(size=(60, 2, 4))
    run = probe(Features.from_arrays(states, ["minor", "major"] * 30, model=model), probes=["closed"])
    task = task or dataset
    facts = run.facts["tasks"].pop("features") | {"dataset": dataset, "task": task, "title": task, "target": target}
    run.facts["tasks"][task] = facts
    return RunNames(tasks={"features": task}).in_results(run)


def together(runs, sources):
    return combine([names.in_results(run) for names, run in zip(names_of_runs(runs, sources), runs, strict=True)])


def test_runs_of_other_targets_of_one_table_are_tasks_of_one_study():
    sources = [Source("r/genre"), Source("r/mood"), Source("r/both")]
    runs = [run_of("genre"), run_of("mood,energy"), run_of("genre", model="b", task="songs-genre")]
    both = together(runs, sources)
    assert both.tasks == ["songs-genre", "songs-mood"]
    assert both.summary.groupby("task", sort=False).model.unique().map(list).tolist() == [["a", "b"], ["a"]]
    assert [both.title(task) for task in both.tasks] == [both.only(task).facts["task"] for task in both.tasks]
    assert both.title("songs-mood") == "songs-mood"


def test_runs_of_one_target_keep_the_name_of_their_table():
    assert together([run_of(), run_of(model="b")], [Source("a"), Source("b")]).tasks == ["songs"]


def test_tables_of_one_name_are_told_apart_by_names_that_are_given():
    runs = [run_of(dataset="labels"), run_of(dataset="labels", seed=1)]
    assert together(runs, [Source("a"), Source("b", name="drums")]).tasks == ["labels", "drums"]
    own = run_of(dataset="GTZAN", task="gtzan-genre")
    own.facts["tasks"]["gtzan-genre"]["title"] = "Genre"
    with pytest.raises(UsageError, match="'drums=b': its tasks are of the benchmark"):
        names_of_runs([own], [Source("b", name="drums")])


def test_runs_that_differ_in_their_window_are_told_apart_by_it():
    runs, windows = [run_of(seed=seed) for seed in range(3)], [{"window": 1.0}, {"window": 3.5}, {}]
    sources = [Source(str(number), asked) for number, asked in enumerate(windows)]
    both = together(runs, sources)
    assert both.summary.model.unique().tolist() == ["a, 1 s", "a, 3.5 s", "a"]
    assert list(both.facts["models"]) == ["a, 1 s", "a, 3.5 s", "a"]
    # Nothing is renamed that only one window has.
    assert [names.models for names in names_of_runs([run_of(), run_of(model="b")], sources[:2])] == [{}, {}]


def test_what_is_told_of_a_model_by_its_name_is_renamed_with_it():
    run = run_of()
    run.facts["tasks"]["songs"]["layer_sets"] = {"a": {"layers": [[0, 1]]}}
    renamed = RunNames(models={"a": "b"}).in_results(run)
    assert renamed.facts["tasks"]["songs"]["layer_sets"] == {"b": {"layers": [[0, 1]]}}
    assert RunNames(models={"a": "b"}).in_table(pd.DataFrame({"model": ["a", "c"]})).model.tolist() == ["b", "c"]


def test_what_was_not_given_is_said_in_words():
    first, other = Source("a", {"folds": None, "layers_as": ["4+7", "mean"]}), Source("b", {"folds": 5})
    assert first.otherwise(other, "clips") == " (--folds is not given in a and 5 in b)"
    assert first.otherwise(other, "scores") == " (--layers-as is 4+7,mean in a and not given in b)"


def test_an_option_that_cannot_be_why_is_not_named():
    first, other = Source("a", {"few_labels": "closed", "seeds": 5}), Source("b", {"deform": ["noise:20"], "seeds": 3})
    assert first.otherwise(other, "clips") == first.otherwise(other, "network") == ""
    assert first.otherwise(other, "scores") == " (--seeds is 5 in a and 3 in b)"


def test_all_that_decides_is_an_option():
    assert set().union(*DECIDING.values()) <= set(Plan.model_fields)
