import numpy as np
import pytest

from layerscope.data.splits import Part, assign, parts_of
from layerscope.features.clip_features import Features
from layerscope.probes.fitting import Target, plan_jobs, run_jobs
from layerscope.scores.evaluation import evaluations, score_outcome

CLIPS = 60


@pytest.fixture
def features():
    random = np.random.default_rng(0)
    classes = np.arange(CLIPS) % 3
    states = random.normal(size=(CLIPS, 3, 5))
    states[:, 1] += classes[:, None]
    return Features.from_arrays(states, [f"c{name}" for name in classes])


@pytest.fixture
def parts(features):
    return parts_of(assign(features.clips, features.labels, 0))


def test_folds_are_put_together_and_scored_once(features):
    parts = parts_of(assign(features.clips, features.labels, 0, folds=5))
    jobs = plan_jobs([features], ["closed"])
    outcomes = run_jobs(jobs, Target(features.labels, parts), [0], workers=1)
    splits = evaluations(features.labels, parts, np.arange(CLIPS), 0)
    assert splits["test"].rows.tolist() == list(range(CLIPS))
    scored = [score_outcome({}, outcome, splits, [0])[0] for outcome in outcomes]
    by_layer = [next(row["value"] for row in entry.rows if row["split"] == "test") for entry in scored[:3]]
    assert np.argmax(by_layer) == 1
    assert by_layer[1] > 0.6
    hits = outcomes[1].test[0].argmax(axis=1) == features.labels.values
    assert by_layer[1] == pytest.approx(hits.mean())


def test_every_seed_has_a_row_and_the_interval_holds_the_value(features, parts):
    job = plan_jobs([features], ["mlp"])[1]
    outcome = run_jobs([job], Target(features.labels, parts), [0, 1, 2], workers=1)[0]
    splits = evaluations(features.labels, parts, np.arange(CLIPS), 0)
    accuracy, macro_f1 = score_outcome({"probe": "mlp"}, outcome, splits, [0, 1, 2])
    assert (accuracy.label, macro_f1.label) == (
        {"probe": "mlp", "metric": "accuracy"}, {"probe": "mlp", "metric": "macro_f1"},
    )  # fmt: skip
    assert [(row["seed"], row["split"]) for row in accuracy.rows] == [
        (seed, split) for split in ("valid", "test") for seed in (0, 1, 2)
    ]
    assert all(row["ci_low"] <= row["value"] <= row["ci_high"] for row in accuracy.rows if row["split"] == "test")
    assert accuracy.draws.shape == (1000,)


def test_resamples_are_shared_by_all_inputs(features, parts):
    part = parts[0]
    splits = evaluations(features.labels, [Part(part.train, part.valid, part.test)], np.arange(CLIPS), 7)
    again = evaluations(features.labels, parts, np.arange(CLIPS), 7)
    np.testing.assert_array_equal(splits["test"].weights, again["test"].weights)
