from dataclasses import replace

import numpy as np
import pytest
import torch
from problems import CLIPS, SHORT

from layerscope.data.splits import Part, assign, parts_of
from layerscope.features.clip_features import Features
from layerscope.probes.fitting import Target, plan_jobs
from layerscope.probes.frame_targets import Tracks, plan_tracks
from layerscope.probes.jobs_side_by_side import Trainings, run_jobs
from layerscope.probes.workers import calls_elsewhere
from layerscope.targets import KINDS, Labels, labels_of
from layerscope.targets.spans import Spans


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


def assert_same_outcomes(jobs, target):
    """Hold trainings that are done together to leave what trainings one after the other leave, within rounding."""
    positions = list(range(len(jobs)))
    trainings = Trainings(jobs, target, [0, 1])
    together = dict(trainings.stacked(positions, torch.device("cpu")))
    alone = dict(trainings.side_by_side(positions, 1))
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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="of a GPU")
def test_a_gpu_trains_as_a_cpu_does(features, parts):
    jobs, target = plan_jobs([features], ["mlp"]), Target(features.labels, parts, schedule=SHORT)
    for one, other in zip(
        run_jobs(jobs, target, [0, 1], device=torch.device("cuda:0")), run_jobs(jobs, target, [0, 1]), strict=True
    ):
        assert one.device.startswith("cuda:0")
        assert one.settings == other.settings
        np.testing.assert_allclose(one.test, other.test, rtol=0, atol=1e-3 * np.nanmax(np.abs(other.test)))
