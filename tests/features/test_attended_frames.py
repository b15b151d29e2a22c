from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from test_clip_states import RATE, Bands

from layerscope.atomic_files import cache_directory
from layerscope.data.audio import load
from layerscope.data.dataset import Dataset
from layerscope.features import attended_frames
from layerscope.features.encoder_pass import Pass
from layerscope.features.stored_features import stored_features

SECONDS = (0.03, 1.0, 2.5, 7.3)


@pytest.fixture
def clips(tmp_path):
    for number, seconds in enumerate(SECONDS):
        (tmp_path / "noises").mkdir(exist_ok=True)
        samples = np.random.default_rng(number).normal(0, 0.1, round(seconds * RATE))
        # Too short a clip for the encoder is none for anybody.
        soundfile.write(tmp_path / "noises" / f"{number}.wav", samples if number else np.tile(samples, 2), RATE)
    (tmp_path / "clips.csv").write_text("path,label\n" + "".join(f"noises/{n}.wav,x\n" for n in range(len(SECONDS))))
    return Dataset.load(tmp_path / "clips.csv").survey().clips


def attended(clips, **asked):
    one_pass = Pass(Bands(), asked.pop("window", 30.0), **asked)
    store = one_pass.store(cache_directory())
    one_pass.extract(clips, store)
    return stored_features(store, clips).attended


def test_stretches_are_means_of_the_frames_and_follow_one_another(clips):
    features = attended(clips, attended=True)
    # Of 1, 25, 62 and 182 frames, a fifth.
    assert np.bincount(features.window_clip).tolist() == [1, 5, 12, 36]
    assert features.pooling == "frame"
    for position in range(2):
        rows = features.read(position)
        for clip in (1, 3):
            samples = load(Path(clips.path[clip]), RATE)
            frames = Bands().encode(torch.from_numpy(samples[None]))[position][0]
            count = (1, 5, 12, 36)[clip]
            expected = torch.nn.functional.adaptive_avg_pool1d(frames.T, count).T
            # Of half precision.
            np.testing.assert_allclose(rows[features.window_clip == clip], expected, atol=0.01)


def test_windows_of_a_clip_are_not_mixed(clips):
    features = attended(clips, attended=True, window=2.5)
    # 7.3 s are three windows of 60 frames: 12 each.
    assert np.bincount(features.window_clip).tolist() == [1, 5, 12, 36]
    samples = load(Path(clips.path[3]), RATE)
    _, spans = Pass(Bands(), 2.5).cutting.cut(samples, RATE)
    last = samples[round(spans[2][0] * RATE) : round(spans[2][1] * RATE)]
    frames = Bands().encode(torch.from_numpy(last[None]))[0][0]
    expected = torch.nn.functional.adaptive_avg_pool1d(frames.T, 12).T
    np.testing.assert_allclose(features.read(0)[features.window_clip == 3][24:], expected, atol=0.01)


def test_a_long_clip_keeps_no_more(clips, monkeypatch):
    monkeypatch.setattr(attended_frames, "MOST_ATTENDED", 10)
    assert np.bincount(attended(clips, attended=True).window_clip).tolist() == [1, 5, 10, 10]


def test_where_all_frames_are_kept_they_are_averaged_when_read(clips):
    few, all_of_them = attended(clips, attended=True), attended(clips, frames=True, attended=True)
    assert few.window_clip.tolist() == all_of_them.window_clip.tolist()
    both = few.window_clip == 1
    # 25 frames in 5: the same stretches.
    np.testing.assert_allclose(few.read(1)[both], all_of_them.read(1)[both], atol=0.02)
    some = np.array([40, 2, 2, 7])
    np.testing.assert_array_equal(all_of_them.read(0)[some], all_of_them.read(0)[:][some])


def test_nothing_of_it_is_there_unless_asked_for(clips):
    assert attended(clips) is None
    plain, asked = (Pass(Bands(), 30.0, attended=attended).store(cache_directory()) for attended in (False, True))
    assert plain.directory != asked.directory
    assert "attended_frames" not in plain.description
    # All that probes of summaries are given stays what it was.
    for attending in (False, True):
        Pass(Bands(), 30.0, attended=attending).extract(clips, (plain, asked)[attending])
    keys = list(clips.clip_key)
    np.testing.assert_array_equal(plain.clips(keys).pooled(0)[:], asked.clips(keys).pooled(0)[:])


def test_disk_is_what_is_said(clips):
    size = [Pass(Bands(), 30.0, attended=attended).stored_bytes(clips) for attended in (False, True)]
    # 54 frames of 8 numbers in float16.
    assert size[1] - size[0] == 54 * 8 * 2
