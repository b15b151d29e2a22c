from dataclasses import replace

import numpy as np
import pytest
import torch

from layerscope.data.splits import Part
from layerscope.features.clip_features import Features
from layerscope.probes import Input, convex_solver, mlp
from layerscope.probes.fitting import Job, Target
from layerscope.study.job_scores import Study
from layerscope.study.options import make_plan
from layerscope.study.probed_shapes import Shapes
from layerscope.study.probing_cost import (
    FEW_NUMBERS,
    MANY_ROWS,
    correlated_noise,
    few_rows,
    search_seconds,
    seconds_of_epochs,
    stack_seconds,
    stacked_seconds,
    training_device,
)
from layerscope.study.workplace import Workplace


def test_as_many_rows_are_timed_as_probes_work_otherwise_on():
    assert max(mlp.MANY, convex_solver.MANY) < MANY_ROWS


def test_few_rows_are_taken_evenly_and_keep_their_labels_and_windows():
    clips, windows = 9000, 2
    features = Features.from_arrays(np.zeros((clips, 1, 1)), [str(row % 7) for row in range(clips)])
    owner = np.repeat(np.arange(clips), windows)
    shape = replace(features, window_clip=owner, read=lambda _: np.zeros((1, 64), np.float32))
    part = Part(np.arange(0, 4500), np.arange(4500, 5400), np.arange(5400, clips))
    job, target, times = few_rows(Job(shape, Input("layer", 0), "closed"), Target(features.labels, [part]))
    assert times == 4500 * windows // (FEW_NUMBERS // 64) == 4
    few = target.parts[0]
    assert [len(rows) for rows in (few.train, few.valid, few.test)] == [1125, 225, 900]
    assert [features.labels.names[value] for value in target.labels.values[few.valid[:3]]] == ["6", "3", "0"]
    assert (np.bincount(job.features.window_clip) == windows).all()
    assert len(target.labels.values) == len(np.unique(job.features.window_clip)) == 2250


@pytest.mark.parametrize(("train", "times"), [(50, 1), (2_048, 1), (10_000, 4), (10_001, 1), (30_003, 3)])
def test_many_rows_are_timed_where_there_are_many(train, times):
    features = Features.from_arrays(np.zeros((train + 20, 1, 1)), ["a", "b"] * (train // 2 + 10) + ["a"] * (train % 2))
    shape = replace(features, read=lambda _: np.zeros((1, 64), np.float32))
    part = Part(np.arange(train), np.arange(train, train + 10), np.arange(train + 10, train + 20))
    assert few_rows(Job(shape, Input("layer", 0), "mlp"), Target(features.labels, [part]))[2] == times


def test_what_a_device_trains_together_is_timed_there_and_grows_with_its_inputs():
    random = np.random.default_rng(0)
    labels = [f"class {number}" for number in random.integers(0, 3, 90)]
    shape = Features.from_arrays(np.zeros((90, 4, 256)), labels)
    part = Part(*np.split(random.permutation(90), [60, 75]))
    jobs = [Job(shape, Input("layer", layer), "mlp") for layer in range(4)]
    target = Target(shape.labels, [part])
    # The least of three each: other work on the machine only adds.
    one, four = (min(stack_seconds(jobs[:count], target, 2, torch.device("cpu")) for _ in range(3)) for count in (1, 4))
    assert 0 < one < four


def test_a_cluster_and_a_cpu_train_no_stack(tones):
    plan = make_plan({"data": tones, "baseline": ["mel"], "device": "cpu"}, "test")
    features = Features.from_arrays(np.zeros((4, 1, 8)), list("abab"))
    target = Target(features.labels, [Part(np.arange(2), np.arange(2, 4), np.arange(2, 4))])
    study = Study(None, features.labels, features.clips, target, plan)
    assert training_device(study) == torch.device("cpu")
    assert training_device(replace(study, work=Workplace(cluster=object()))) is None
    assert stacked_seconds(Shapes(study, [features]), training_device(study)) == 0


def test_what_surrounds_epochs_is_paid_once():
    asked = []

    def seconds(epochs):
        asked.append(epochs)
        return 5.0 + 2.0 * epochs

    assert seconds_of_epochs(seconds, 40) == pytest.approx(5.0 + 2.0 * 40)
    assert max(asked) < 10


def test_noise_that_stands_for_features_has_components_that_fall_as_theirs():
    values = correlated_noise(4000, 64).astype(np.float64)
    variances = np.linalg.eigvalsh(np.cov(values.T))[::-1]
    # Of 4,000 rows a variance is known to 2 %, and neighbours at the end of the fall mix.
    assert variances[:16] == pytest.approx(np.arange(1.0, 17.0) ** -1.6, rel=0.15)
    # No column holds a component for itself.
    assert values.var(axis=0) == pytest.approx(np.full(64, variances.mean()), rel=1.0)


@pytest.mark.parametrize("layers", [2, 6])
def test_a_search_is_timed_on_noise_of_the_shape_that_layers_have(layers):
    random = np.random.default_rng(0)
    features = Features.from_arrays(np.zeros((60, layers, 24)), random.normal(size=60).tolist())
    # A shape has one row a layer; nothing of it is read but how wide it is.
    shape = replace(features, read=lambda _: np.zeros((1, 24), np.float32))
    target = Target(features.labels, [Part(*np.split(random.permutation(60), [30, 45]))])
    assert 0 < search_seconds(shape, target) < 60
