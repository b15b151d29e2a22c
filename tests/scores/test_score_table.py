import numpy as np
import pandas as pd
import pytest

from layerscope.errors import DataError
from layerscope.scores.evaluation import Entry
from layerscope.scores.score_table import COLUMNS, Comparison, Results
from layerscope.scores.tabulate import tabulate


def entry(layer, valid, test, *, metric="accuracy", input="layer", model="m", spread=0.01):
    noise = np.random.default_rng(0).normal(0, 0.03, 1000)
    own = np.random.default_rng(layer or 99).normal(0, spread, 1000)
    label = {"model": model, "dataset": "d", "task": "d", "target": "t", "input": input, "layer": layer,
             "probe": "mlp", "metric": metric}  # fmt: skip
    rows = [
        {"seed": seed, "split": split, "value": value + offset, "ci_low": 0.0, "ci_high": 1.0, "n": 50}
        for split, value in (("valid", valid), ("test", test))
        for seed, offset in ((0, -0.01), (1, 0.01))
    ]
    return Entry(label, rows, test + noise + own, [])


@pytest.fixture
def results():
    entries = [entry(0, 0.5, 0.52), entry(1, 0.8, 0.78), entry(2, 0.79, 0.80), entry(2, 0.79, 0.80, input="last")]
    entries += [entry(layer, 0.5, 0.6, metric="macro_f1") for layer in (0, 1, 2)]
    facts = {"models": {"m": {"baseline": False, "untrained": False}}, "tasks": {"d": {"primary": "accuracy"}}}
    return Results(*tabulate(entries), facts, {"bad.wav": "empty"})


def test_the_tidy_table_has_the_stated_columns(results):
    assert results.table.columns.tolist() == COLUMNS
    assert len(results.table) == 7 * 4


def test_the_layer_is_chosen_on_validation_not_on_test(results):
    best = results.best_layers()
    assert best.layer.tolist() == [1]
    assert best.value[0] == pytest.approx(0.78)


def test_the_best_set_has_all_that_cannot_be_told_apart(results):
    assert results.best_layers().best_set[0] == [1, 2]


def test_another_metric_is_reported_for_the_same_layer(results):
    assert results.best_layers("macro_f1").layer.tolist() == [1]


def test_seeds_are_averaged_and_counted(results):
    row = results.of(input="layer", layer=1, metric="accuracy").iloc[0]
    assert row.value == pytest.approx(0.78)
    assert row.seeds == 2
    assert row.n == 50
    assert row.ci_low < 0.78 < row.ci_high


def test_differences_are_paired(results):
    one, other = (results.of(input="layer", layer=layer, metric="accuracy").index[0] for layer in (1, 0))
    comparison = results.compare(one, other)
    assert comparison.difference == pytest.approx(0.26)
    # What all layers share (0.03) falls out of the difference; 2 * sqrt(2) * 0.01 on either side remains.
    assert comparison.high - comparison.low == pytest.approx(4 * np.sqrt(2) * 0.01, rel=0.1)


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.1, 0.2, "better"), (-0.2, -0.1, "worse"), (-0.1, 0.1, "not told apart")]
)
def test_verdicts(low, high, verdict):
    assert Comparison(0.0, low, high).verdict == verdict


def test_what_is_saved_is_read_back(results, tmp_path):
    results.save(tmp_path)
    read = Results.read(tmp_path)
    pd.testing.assert_frame_equal(read.table, results.table, check_dtype=False)
    pd.testing.assert_frame_equal(read.summary, results.summary, check_dtype=False)
    np.testing.assert_array_equal(read.draws, results.draws)
    assert (read.facts, read.skipped) == (results.facts, results.skipped)
    read.save(str(tmp_path / "again"))
    for name in ("results.csv", "summary.csv", "skipped.csv", "draws.safetensors"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_another_directory_is_refused(tmp_path):
    with pytest.raises(DataError, match="not the directory of a finished run"):
        Results.read(tmp_path)


@pytest.mark.parametrize("name", ["2024", "NA", "null", "1e5", "007", "True", "nan"])
def test_names_are_read_back_as_they_were_written(results, tmp_path, name):
    for table in (results.table, results.summary):
        table["dataset"] = table["task"] = table["target"] = table["model"] = name
    facts = {"models": {name: {"baseline": False, "untrained": False}}, "tasks": {name: {"primary": "accuracy"}}}
    Results(results.table, results.summary, results.draws, facts, {name: name}).save(tmp_path)
    read = Results.read(tmp_path)
    assert (read.only(name).best_layers().layer.tolist(), read.models("trained")) == ([1], [name])
    assert (set(read.table.task), set(read.summary.target), read.skipped) == ({name}, {name}, {name: name})
    assert read.table.layer.dtype == "Int64"
