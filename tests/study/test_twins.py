from dataclasses import replace

import numpy as np
import pytest
from test_score_table import entry

from layerscope import Dataset, Features, load_encoder, probe
from layerscope.report.sentences import advise
from layerscope.study.cost import check
from layerscope.study.options import make_plan
from layerscope.study.run import run
from layerscope.study.twins import distinct_networks, draws_of_twins, joined


def features_of(model, *, untrained=True, network=""):
    made = Features.from_arrays(np.random.default_rng(0).normal(size=(20, 2, 4)), ["a", "b"] * 10, model=model)
    return replace(made, untrained=untrained, network=network)


def test_draws_of_one_twin_stand_together():
    twins = [features_of(name) for name in ("random:m", "random:m#1", "random:n")]
    trained = features_of("m#1", untrained=False)  # a name is not taken apart unless it is a twin's
    assert [[each.model for each in draws] for draws in draws_of_twins([*twins, trained])] == [
        ["random:m", "random:m#1"], ["random:n"], ["m#1"],
    ]  # fmt: skip


def test_the_twin_of_two_models_stands_once():
    twins = [features_of("random:m", network="1"), features_of("random:n", network="1"), features_of("r", network="2")]
    kept, names = distinct_networks([*twins, features_of("m", untrained=False, network="1")])
    assert [each.model for each in kept] == ["random:m", "r", "m"]
    assert names == {"random:m": ["random:n"]}


def test_the_interval_of_several_draws_holds_how_far_they_differ():
    draws = [entry(1, 0.3, value, model="random:m") for value in (0.2, 0.3, 0.4)]
    whole = joined(draws)
    assert len(whole.rows) == 3 * len(draws[0].rows)
    assert whole.draws.mean() == pytest.approx(0.3, abs=0.01)
    # Means of three drawn from .2, .3 and .4 have a deviation of .082 / √3, which clips add to.
    assert whole.draws.std() > np.hypot(0.9 * draws[0].draws.std(), 0.04)


def test_a_study_of_several_draws_tells_of_one_twin(tones, tmp_path):
    plan = {"data": tones, "model": ["random:small"], "baseline": ["mel"], "probe": ["closed"], "layers": "0-1"}
    results = run(make_plan({**plan, "twins": 2}, "test"), tmp_path / "run")
    assert results.models("untrained") == ["random:small"]
    assert results.facts["models"]["random:small"]["draws"] == 2
    rows = results.of(model="random:small", input="layer", layer=1, metric="accuracy")
    assert rows.seeds.tolist() == [2]
    alone = [
        probe(load_encoder("random:small", layers="0-1", seed=seed), Dataset.load(tones), probes="closed")
        for seed in (0, 1)
    ]
    singles = [float(each.of(input="layer", layer=1, metric="accuracy").value.iloc[0]) for each in alone]
    assert rows.value.iloc[0] == pytest.approx(np.mean(singles))
    told = results.table[(results.table.input == "layer") & (results.table.split == "test")]
    assert not told.duplicated(["model", "input", "layer", "probe", "seed", "metric"]).any()
    assert any("the mean of 2 draws" in reason for reason in advise(results.only(results.tasks[0])).reasons)


def test_check_tells_what_more_draws_cost(tones):
    plan = {"data": tones, "model": ["random:small", "toy-muq"], "baseline": [], "probe": ["closed"], "layers": "0-0"}
    one, three = (check(make_plan({**plan, "twins": twins}, "test"), workers=1) for twins in (1, 3))
    assert [cost.passes for cost in three.costs] == [3, 1]
    assert three.costs[0].megabytes == pytest.approx(3 * one.costs[0].megabytes)
    assert three.tasks[0].trainings == 2 * one.tasks[0].trainings  # four networks for two
