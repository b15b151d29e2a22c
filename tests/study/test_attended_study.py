"""Studies with probes that are asked for: nearest neighbours, and attention to the frames of clips."""

from dataclasses import replace

import numpy as np
import pytest

import layerscope as ls
from layerscope.errors import UsageError
from layerscope.report.sets_and_plain import sets_record, sets_section
from layerscope.scores.set_gains import steps_of_search
from layerscope.study.cost import check
from layerscope.study.export import export
from layerscope.study.options import make_plan
from layerscope.study.predictions import read_predictions
from layerscope.study.run import run
from layerscope.toymusic import write_pieces

ASKED = {"model": ["random:small"], "baseline": ["mfcc"], "seeds": 1}


@pytest.mark.slow
def test_each_layer_and_plain_feature_is_pooled_by_attention_and_answers_as_the_run_did(tones, tmp_path):
    results = run(
        make_plan({"data": tones, **ASKED, "layers": "0-1", "probe": ["attention"]}, "test"), tmp_path / "run"
    )
    rows = results.of(probe="attention", metric="accuracy")
    rows = rows[rows.input != "shuffled"]
    named = [(row.model, row.input) for row in rows.itertuples()]
    # No mixture, and not all side by side; the last layer by its other name.
    assert named == [("random:small", "layer")] * 2 + [("random:small", "last"), ("mfcc", "frame")]
    assert rows.value.max() > 0.8
    assert set(results.best_layers().probe) == {"attention"}
    said = read_predictions(tmp_path / "run")
    assert set(said.probe) == {"attention"}
    for number, ((model, given), own) in enumerate(said.groupby(["model", "input"])):
        named = given if given != "layer" else f"layer {own.layer.iloc[0]}"
        export(tmp_path / "run", tmp_path / str(number), model=model, given=named, insist=True)
        predictor = ls.load_predictor(tmp_path / str(number))
        for row in own.itertuples():
            answer = predictor(row.path)
            assert answer["label"] == row.answer
            assert max(answer["probabilities"].values()) == pytest.approx(row.probability, abs=1e-4)


def test_features_that_are_summaries_have_no_frames():
    features = ls.Features.from_arrays(np.random.default_rng(0).normal(size=(60, 2, 8)), ["x", "y"] * 30)
    with pytest.raises(UsageError, match="needs the frames of clips"):
        ls.probe(features, probes=["attention"])


@pytest.mark.slow
@pytest.mark.parametrize("folds", [None, 3])
def test_a_search_takes_the_probes_that_take_several_layers(folds):
    random = np.random.default_rng(0)
    rows, owner = random.normal(size=(4 * 45, 2, 3)).astype(np.float32), np.repeat(np.arange(45), 4)
    features = ls.Features.from_arrays(rows.reshape(45, 4, 2, 3).mean(axis=1), ["x", "y", "z"] * 15)
    frames = replace(features, window_clip=owner, read=lambda position: rows[:, position], pooling="frame")
    features = replace(features, attended=frames)
    results = ls.probe(features, probes="closed,attention", layers_as="search", folds=folds, seeds=1)
    inputs = results.summary.groupby("probe").input.unique()
    assert set(inputs["attention"]) - {"shuffled", "nested"} == {"layer", "last"}
    assert ("concat" if folds is None else "search(2)") in set(inputs["closed"])
    # Told of the closed form, whichever probe validation prefers.
    own = results.only("features")
    assert results.answer()
    assert {each["probe"] for each in sets_record(own)["over_one_layer"]} == {"closed"}
    assert "closed probe" in " ".join(sets_section(own).sentences)
    assert steps_of_search(own, own.of(probe="attention", metric="accuracy", input="layer").iloc[0]) == []


def test_over_time_the_other_probes_are_trained_and_that_is_said(tmp_path):
    table = write_pieces(tmp_path, 12, 0, 2.0)
    asked = {"data": table, "target": "beats", **ASKED, "probe": ["attention", "closed"], "baseline": []}
    results = run(make_plan(asked, "test"), tmp_path / "run")
    assert set(results.summary.probe) == {"closed"}
    assert "The attention probe pools the frames of a clip" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.slow
def test_poolings_are_models_of_which_the_mean_alone_is_exported(tones, tmp_path):
    asked = {**ASKED, "baseline": [], "layers": "0-1", "probe": ["closed"]}
    alone = run(make_plan({"data": tones, **asked}, "test"), tmp_path / "alone")
    plan = make_plan({"data": tones, **asked, "pooling": ["mean", "max", "moments"]}, "test")
    results = run(plan, tmp_path / "run")
    names = ["random:small", "random:small (mean and deviation)", "random:small (max)"]
    assert list(results.facts["models"]) == names
    # The mean's own scores are what they are without the others.
    ours, theirs = (each.of(model="random:small", input="layer").value for each in (results, alone))
    np.testing.assert_allclose(ours, theirs)
    export(tmp_path / "run", tmp_path / "use", model=names[0], insist=True)
    with pytest.raises(UsageError, match=r"and not what random:small \(max\) is"):
        export(tmp_path / "run", tmp_path / "max", model=names[2], insist=True)
    costs = [check(make_plan({"data": tones, **asked, "pooling": each}, "test"), 1) for each in (["mean"], ["max"])]
    assert costs[1].costs[0].megabytes - costs[0].costs[0].megabytes == pytest.approx(30 * 2 * 64 * 2 * 4 / 1e6)
    assert check(plan, 1).tasks[0].trainings == 3 * 3


@pytest.mark.slow
def test_attention_is_not_asked_beside_a_plain_feature(tones, tmp_path):
    asked = {**ASKED, "layers": "0-1", "probe": ["closed", "attention"], "pooling": ["mean", "max"]}
    plan = make_plan({"data": tones, **asked, "beyond_plain": True}, "test")
    results = run(plan, tmp_path / "run")
    assert set(results.of(input="plain+layer").probe) == {"closed"}
    results.to_html(tmp_path / "report.html")
    assert check(plan, 1)
