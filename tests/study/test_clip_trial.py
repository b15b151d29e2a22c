import numpy as np
import pytest
import soundfile

from conftest import write_tone
from layerscope.data.splits import assign
from layerscope.encoders import load_encoder
from layerscope.errors import DataError
from layerscope.study.clip_trial import FEW_CLIPS, try_clips
from layerscope.study.cost import check
from layerscope.study.extraction import extract_all, keep_usable
from layerscope.study.options import make_plan
from layerscope.study.study_tasks import load_tasks


def test_clips_that_a_run_sets_aside_are_named_and_the_split_is_that_of_the_run(tones):
    for number in range(6):
        write_tone(tones / "low" / f"short{number}.wav", 300, seconds=0.01, seed=number)
    plan = make_plan({"data": tones, "baseline": ["mel"], "probe": ["closed"]}, "test")
    found = check(plan, workers=1).tasks[0]
    task = found.study.task
    assert task.dataset.skipped.keys() == {f"low/short{number}.wav" for number in range(6)}
    assert "too short: 0.0100 s, mel needs 0.0" in task.dataset.skipped["low/short0.wav"]
    assert (found.decoded, found.failed) == (FEW_CLIPS, 0)
    # As a run does it, which sets clips aside when it meets them.
    tasks = load_tasks(plan)
    kept = keep_usable(tasks, extract_all([load_encoder("mel")], tasks, plan))[0]
    clips = assign(kept.dataset.clips, kept.labels(), plan.split_seed, plan.folds)
    assert found.study.clips[["clip", "split"]].values.tolist() == clips[["clip", "split"]].values.tolist()
    assert task.dataset.skipped == kept.dataset.skipped


def test_what_shows_in_the_samples_alone_is_found_by_decoding_a_few(tones):
    path = tones / "high" / "0.wav"
    samples, rate = soundfile.read(path)
    soundfile.write(path, np.stack([samples, -samples], axis=1), rate)
    task = load_tasks(make_plan({"data": tones, "baseline": ["mel"]}, "test"))[0]
    assert task.dataset.skipped == {}
    trial = try_clips(task, {}, 24_000)
    assert (trial.decoded, trial.failed) == (FEW_CLIPS - 1, 1)
    assert "its channels cancel" in trial.task.dataset.skipped["high/0.wav"]


def test_a_study_of_short_clips_alone_says_so(tmp_path):
    for number in range(4):
        write_tone(tmp_path / "data" / f"class{number % 2}" / f"{number}.wav", 300, seconds=0.01, seed=number)
    with pytest.raises(DataError, match=r"no clip is left; first reason: .*too short: 0\.0100 s"):
        check(make_plan({"data": tmp_path / "data", "baseline": ["mel"]}, "test"), workers=1)
