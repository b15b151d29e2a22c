from dataclasses import replace

import numpy as np
import pytest
import torch
from problems import SHORT, make_problem

from layerscope.data.splits import Part, assign, choosing_parts, parts_of
from layerscope.features.clip_features import Features
from layerscope.probes import PROBES
from layerscope.probes.fitting import (
    Target,
    plan_jobs,
    read_outcome,
    run_jobs,
    run_side_by_side,
    run_stacked,
    write_outcome,
)
from layerscope.probes.frame_targets import Tracks, plan_tracks
from layerscope.probes.workers import calls_elsewhere
from layerscope.targets import KINDS, Labels, labels_of
from layerscope.targets.spans import Spans

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


def test_last_is_not_trained_twice(features):
    jobs = [(job.probe, str(job.chosen)) for job in plan_jobs([features], ["mlp", "closed"])]
    assert ("mlp", "last") not in jobs
    assert ("mlp", "weighted[1:]") in jobs
    assert ("closed", "weighted") not in jobs
    assert len(jobs) == (3 + 3) + (3 + 1)


def test_the_same_states_under_two_names_are_probed_once(features, parts, tmp_path):
    jobs = plan_jobs([features, replace(features, model="twin")], ["closed"])
    done = []
    outcomes = run_jobs(jobs, Target(features.labels, parts), [0], tmp_path, workers=1, progress=done.append)
    half = len(jobs) // 2
    assert len(list(tmp_path.iterdir())) == half
    assert sum(done) == len(jobs)
    alone = run_jobs(jobs[half:], Target(features.labels, parts), [0], workers=1)
    for one, other, by_itself in zip(outcomes[:half], outcomes[half:], alone, strict=True):
        np.testing.assert_array_equal(one.test, by_itself.test)
        np.testing.assert_array_equal(other.test, by_itself.test)


def test_a_training_elsewhere_takes_its_share_of_the_memory_of_a_machine_there(features, parts):
    shares = []

    def run(function, calls, order):
        del order
        for *rest, memory in calls:
            shares.append(memory)
            yield function(*rest, memory)

    jobs = plan_jobs([features], ["closed"])
    for at_once, share in ((2, 4e9 / 2), (100, 4e9 / len(jobs))):
        with calls_elsewhere(run, at_once):
            run_jobs(jobs, Target(features.labels, parts), [0], memory=4.0)
        assert shares == [share] * len(jobs)
        shares.clear()


@pytest.mark.slow
def test_outcomes_do_not_depend_on_how_many_work_on_them(features, parts):
    jobs = plan_jobs([features], ["mlp", "linear", "closed"])
    target = Target(features.labels, parts, schedule=SHORT)
    alone, together = (run_jobs(jobs, target, [0, 1], workers=workers) for workers in (1, 2))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.test, other.test)
        np.testing.assert_array_equal(one.valid, other.valid)


def test_kept_outcomes_are_used_and_stale_ones_are_not(features, parts, tmp_path):
    jobs = plan_jobs([features], ["closed"])
    first = run_jobs(jobs, Target(features.labels, parts), [0], tmp_path, workers=1)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = run_jobs(jobs, Target(features.labels, parts), [0], tmp_path, workers=1)
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    np.testing.assert_array_equal(first[0].test, again[0].test)
    changed = labels_of([f"c{row % 2}" for row in range(CLIPS)])
    run_jobs(jobs, Target(changed, parts), [0], tmp_path, workers=1)
    assert len(list(tmp_path.iterdir())) == 2 * len(files)


def test_valid_and_test_scores_are_of_their_own_clips(features, parts):
    outcome = run_jobs(plan_jobs([features], ["closed"])[:1], Target(features.labels, parts), [0], workers=1)[0]
    assert np.flatnonzero(~np.isnan(outcome.test[0]).any(axis=1)).tolist() == parts[0].test.tolist()
    assert np.flatnonzero(~np.isnan(outcome.valid[0]).any(axis=1)).tolist() == parts[0].valid.tolist()


def test_quick_probes_choose_by_all_clips_that_are_not_tested(features):
    groups = np.arange(CLIPS) // 3
    clips = assign(features.clips.assign(group=groups), features.labels, 0)
    parts = parts_of(clips)
    choosing = choosing_parts(clips, features.labels, parts, 0)
    for part in choosing:
        assert not set(groups[part.train]) & set(groups[part.valid])
        assert not set(parts[0].test) & {*part.train, *part.valid}
    target = Target(features.labels, parts, choosing=choosing)
    jobs = plan_jobs([features], ["closed"])
    layer, wide = (run_jobs([job], target, [0], workers=1)[0] for job in (jobs[1], jobs[-1]))
    scored = [np.flatnonzero(~np.isnan(outcome.valid[0]).any(axis=1)) for outcome in (layer, wide)]
    assert scored[0].tolist() == np.sort(np.concatenate([parts[0].train, parts[0].valid])).tolist()
    assert scored[1].tolist() == parts[0].valid.tolist()
    as_before = run_jobs([jobs[1]], Target(features.labels, parts), [0], workers=1)[0]
    np.testing.assert_array_equal(layer.test, as_before.test)
    assert not choosing_parts(clips, features.labels, parts * 3, 0)  # in folds every clip chooses already


@pytest.mark.parametrize("probe", ["mlp", "linear", "closed"])
def test_settings_that_are_held_are_not_chosen_again(probe):
    problem = make_problem("classes", noise=2.0)
    chosen = PROBES[probe](problem, [0])[0].settings
    # Validation clips that also train would choose the weakest penalty and the last epoch.
    everything = replace(problem, train=np.arange(150), settings=chosen)
    held = PROBES[probe](everything, [0])[0]
    assert held.settings == chosen
    # Nothing of the training hangs on which clips once validated.
    other = PROBES[probe](replace(everything, valid=problem.test), [0])[0]
    if probe != "mlp":  # whose steps are halved when validation stands still
        np.testing.assert_allclose(other.scores, held.scores)


def assert_same_outcomes(jobs, target):
    """Hold trainings that are done together to leave what trainings one after the other leave, within rounding."""
    positions = list(range(len(jobs)))
    together = dict(run_stacked(jobs, positions, target, [0, 1], None, torch.device("cpu")))
    alone = dict(run_side_by_side(jobs, positions, target, [0, 1], 1, None))
    assert sorted(together) == sorted(alone) == positions
    for position in positions:
        one, other = together[position], alone[position]
        assert one.settings == other.settings
        assert one.answers == other.answers
        assert len(one.mixtures) == len(other.mixtures)
        for name in ("valid", "test"):
            said, expected = getattr(one, name), getattr(other, name)
            np.testing.assert_allclose(said, expected, rtol=0, atol=1e-4 * np.nanmax(np.abs(expected)))


@pytest.mark.slow
def test_trainings_together_leave_what_trainings_alone_do_over_folds_and_models(features):
    parts = parts_of(assign(features.clips, features.labels, 0, folds=3))
    # Another encoder, whose windows are others.
    random = np.random.default_rng(1)
    halves = random.normal(size=(2 * CLIPS, 3, 5)).astype(np.float32)
    other = replace(
        features, model="other", window_clip=np.repeat(np.arange(CLIPS), 2), read=lambda layer: halves[:, layer]
    )
    jobs = [job for job in plan_jobs([features, other], ["mlp"]) if str(job.chosen) in ("layer 1", "weighted")]
    assert_same_outcomes(jobs, Target(features.labels, parts, schedule=SHORT))


@pytest.mark.slow
def test_trainings_together_leave_what_trainings_alone_do_of_tracks():
    # Sections of two kinds, "a" up to a time of each track and "b" after it, which layer 1 hears.
    random, ends = np.random.default_rng(0), np.arange(1.0, 9.0)
    annotations = np.empty(len(ends), dtype=object)
    annotations[:] = [Spans(np.array([[0.0, end], [end, 1e6]]), ("a", "b")) for end in ends]
    labels, rows = Labels(KINDS["segments"], ("a", "b"), annotations), np.arange(len(ends))
    tracks: Tracks = plan_tracks(labels, [250] * len(ends), [Part(rows[:4], rows[4:6], rows[6:])])
    states = random.normal(size=(len(tracks.clip), 3, 5)).astype(np.float32)
    states[:, 1] += 2 * (tracks.frame / tracks.rate > ends[tracks.clip])[:, None]
    features = replace(
        Features.from_arrays(random.normal(size=(len(ends), 3, 5)), ["x", "y"] * 4),
        window_clip=np.arange(len(states)),
        read=lambda layer: states[:, layer],
        pooling="frame",
    )
    jobs = plan_jobs([features], ["mlp"])[:2]
    assert_same_outcomes(jobs, Target(tracks.targets, tracks.parts, tracks, SHORT))


def test_an_outcome_says_which_device_trained(features, parts, tmp_path):
    outcome = run_jobs(plan_jobs([features], ["closed"])[:1], Target(features.labels, parts), [0], workers=1)[0]
    for device in ("cpu", "cuda:0 (NVIDIA H100)"):
        write_outcome(tmp_path / "kept", replace(outcome, device=device))
        assert read_outcome(tmp_path / "kept").device == device


@pytest.mark.skipif(not torch.cuda.is_available(), reason="of a GPU")
def test_a_gpu_trains_as_a_cpu_does(features, parts):
    jobs, target = plan_jobs([features], ["mlp"]), Target(features.labels, parts, schedule=SHORT)
    for one, other in zip(
        run_jobs(jobs, target, [0, 1], device=torch.device("cuda:0")), run_jobs(jobs, target, [0, 1]), strict=True
    ):
        assert one.device.startswith("cuda:0")
        assert one.settings == other.settings
        np.testing.assert_allclose(one.test, other.test, rtol=0, atol=1e-3 * np.nanmax(np.abs(other.test)))
