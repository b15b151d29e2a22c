import pytest
from test_run import leaking_table

from layerscope.atomic_files import cache_directory
from layerscope.encoders import MODELS
from layerscope.study.cost import check
from layerscope.study.options import make_plan
from layerscope.study.run import run


def test_the_plan_and_its_cost_are_told(tones):
    plan = make_plan({"data": tones, "model": ["random:small"], "baseline": ["mel"], "seeds": 2}, "test")
    found = check(plan, workers=1)
    assert len(found.tasks[0].dataset.clips) == 30
    assert found.tasks[0].hours == pytest.approx(30 * 0.4 / 3600)
    small, mel = found.costs
    assert (small.model, small.windows, small.download) == ("random:small", 30, False)
    assert small.megabytes == pytest.approx(30 * 5 * 64 * 4 / 1e6)
    assert mel.megabytes == pytest.approx(30 * 128 * 6 * 4 / 1e6)
    # 8 inputs of the model (5 layers, 2 mixtures, concat), 2 of the feature: 7 mlps each (6 rates, 1 more seed);
    # linear takes the same 10, closed all but the mixtures.
    assert found.tasks[0].trainings == 10 * 7 + 10 + 8


def test_nothing_is_trained_kept_or_fetched(tones):
    name = next(iter(MODELS))
    plan = make_plan(
        {"data": tones, "model": [f"random:{name}"], "baseline": [], "layers": "0-0", "probe": ["closed"]}, ""
    )
    assert check(plan, workers=1).costs[0].download is False
    assert list(cache_directory().rglob("*.safetensors")) == []


def test_leaks_are_listed_not_raised(tmp_path):
    plan = make_plan({"data": leaking_table(tmp_path, copies=True), "baseline": ["mel"], "probe": ["closed"]}, "test")
    assert check(plan, workers=1).tasks[0].leaks == ["the same audio (0.wav, 8.wav) is in train and test"]


def test_the_disk_is_estimated_rightly(tones, tmp_path):
    plan = make_plan({"data": tones, "model": ["random:small"], "probe": ["closed"]}, "test")
    estimated = sum(cost.megabytes for cost in check(plan, workers=1).costs)
    run(plan, tmp_path / "out")
    measured = sum(path.stat().st_size for path in cache_directory().rglob("*.safetensors")) / 1e6
    # What the estimate leaves out is the index of each shard: a few hundred bytes a clip.
    assert estimated < measured < estimated + 5 * 30 * 500 / 1e6
