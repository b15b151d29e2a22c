import librosa
import numpy as np
import pytest
import torch

from layerscope.similarity.descriptors import DESCRIPTORS, descriptor


def clicks():
    samples = np.zeros(48_000, np.float32)
    samples[[6_000, 18_000, 30_000, 42_000]] = 1.0
    return samples + np.random.default_rng(0).normal(0, 1e-3, 48_000).astype(np.float32)


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_shapes_and_rates(name):
    one = descriptor(name)
    states = one.encode(torch.from_numpy(clicks())[None])
    assert states.shape[:2] == (1, 1)
    assert states.shape[3] == one.dim == DESCRIPTORS[name]
    assert abs(states.shape[2] - 2 * one.frame_rate) <= 1
    assert torch.isfinite(states).all()


def test_onsets_are_where_the_clicks_are():
    strength = descriptor("onset strength").encode(torch.from_numpy(clicks())[None])[0, 0, :, 0].numpy()
    peaks = librosa.util.peak_pick(strength, pre_max=5, post_max=5, pre_avg=10, post_avg=10, delta=5, wait=10)
    # A window of 2048 samples is 8.5 frames: it sees a click up to 4 frames before its time.
    assert len(peaks) == 4
    assert np.abs(peaks - np.array([25, 75, 125, 175])).max() <= 5


def test_loudness_is_in_decibels():
    sound = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    both = descriptor("loudness").encode(torch.from_numpy(np.stack([sound, 10 * sound])))[:, 0, :, 0]
    np.testing.assert_allclose(both[1] - both[0], 20, atol=1e-2)
