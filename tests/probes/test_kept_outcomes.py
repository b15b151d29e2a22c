from dataclasses import replace

from layerscope.probes.fitting import Target, plan_jobs, run_job
from layerscope.probes.kept_outcomes import job_digest, read_outcome, write_outcome


def test_a_name_changes_with_seeds_rows_and_what_is_trained(features, parts):
    job, target = plan_jobs([features], ["closed"])[0], Target(features.labels, parts)
    other = [replace(parts[0], train=parts[0].train[1:])]
    names = [
        job_digest(job, target, [0]),
        job_digest(job, target, [1]),
        job_digest(replace(job, probe="knn"), target, [0]),
        job_digest(job, replace(target, parts=other), [0]),
    ]
    assert len(set(names)) == len(names)
    assert names[0] == job_digest(replace(job, features=replace(features, model="twin")), target, [0])


def test_an_outcome_says_which_device_trained(features, parts, tmp_path):
    outcome = run_job(plan_jobs([features], ["closed"])[0], Target(features.labels, parts), [0])
    for device in ("cpu", "cuda:0 (NVIDIA H100)"):
        write_outcome(tmp_path / "kept", replace(outcome, device=device))
        assert read_outcome(tmp_path / "kept").device == device
