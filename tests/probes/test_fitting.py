from dataclasses import replace

import numpy as np
import pytest
from problems import CLIPS, make_problem

from layerscope.data.splits import assign, choosing_parts, parts_of
from layerscope.probes import PROBES
from layerscope.probes.fitting import Target, plan_jobs, run_job


def test_last_is_not_trained_twice(features):
    jobs = [(job.probe, str(job.chosen)) for job in plan_jobs([features], ["mlp", "closed"])]
    assert ("mlp", "last") not in jobs
    assert ("mlp", "weighted[1:]") in jobs
    assert ("closed", "weighted") not in jobs
    assert len(jobs) == (3 + 3) + (3 + 1)


def test_valid_and_test_scores_are_of_their_own_clips(features, parts):
    outcome = run_job(plan_jobs([features], ["closed"])[0], Target(features.labels, parts), [0])
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
    layer, wide = (run_job(job, target, [0]) for job in (jobs[1], jobs[-1]))
    scored = [np.flatnonzero(~np.isnan(outcome.valid[0]).any(axis=1)) for outcome in (layer, wide)]
    assert scored[0].tolist() == np.sort(np.concatenate([parts[0].train, parts[0].valid])).tolist()
    assert scored[1].tolist() == parts[0].valid.tolist()
    as_before = run_job(jobs[1], Target(features.labels, parts), [0])
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
