import numpy as np
import pytest
import torch
from made_views import sums_of_rows

from layerscope.encoders import load_encoder
from layerscope.encoders.encoder import Encoder
from layerscope.similarity.label_free import CHANGES, SCORES, geometry, robustness


def scores_of(x):
    return geometry(sums_of_rows(x))


def noise(count, dim, seed=0):
    return np.random.default_rng(seed).normal(size=(count, dim))


def test_ranks_are_the_number_of_equal_directions():
    found = scores_of(np.concatenate([noise(50_000, 4), np.zeros((50_000, 6))], axis=1))
    # Four sample variances of 50 000 frames differ by less than one percent.
    assert found["effective_rank"] == pytest.approx(4, rel=1e-3)
    assert found["participation_ratio"] == pytest.approx(4, rel=1e-3)


def test_ranks_of_known_variances():
    found = scores_of(noise(100_000, 2) * np.array([2.0, 1.0]))
    assert found["participation_ratio"] == pytest.approx(25 / 17, rel=0.01)
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    assert found["effective_rank"] == pytest.approx(np.exp(entropy), rel=0.01)


def test_anisotropy_is_the_mean_cosine_of_all_pairs():
    x = noise(50, 5) + 1
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[~np.eye(50, dtype=bool)]
    assert scores_of(x)["anisotropy"] == pytest.approx(cosines.mean(), abs=1e-9)


def test_smoothness_is_the_correlation_of_neighbours():
    white = noise(20_000, 3)
    # Correlations of 20 000 frames are known to 1 / sqrt(60 000) or so.
    assert scores_of(white)["smoothness"] == pytest.approx(0, abs=0.02)
    slow = np.zeros_like(white)
    for frame in range(1, len(white)):
        slow[frame] = 0.9 * slow[frame - 1] + np.sqrt(1 - 0.81) * white[frame]
    assert scores_of(slow)["smoothness"] == pytest.approx(0.9, abs=0.02)


def test_a_constant_layer_has_no_rank():
    found = scores_of(np.full((10, 3), 2.0))
    assert found["effective_rank"] == found["participation_ratio"] == 0
    assert np.isnan(found["smoothness"])
    assert found["anisotropy"] == pytest.approx(1)


class Loudness(Encoder):
    name, sample_rate, frame_rate, layers, dim, fingerprint = "loudness", 16_000, 25.0, (0, 1), 2, "x"

    def encode(self, waveforms):
        frames = waveforms.unfold(1, 640, 640)
        power = torch.stack([frames.square().mean(2), frames.abs().mean(2)], dim=-1)
        shape = torch.stack([frames.abs().mean(2), frames.abs().amax(2)], dim=-1)
        shape = shape / shape.norm(dim=-1, keepdim=True)
        return torch.stack([power, shape], dim=1)


def test_a_layer_that_holds_loudness_minds_gain_and_one_that_does_not_does_not():
    random = np.random.default_rng(0)
    windows = [random.normal(0, level, 16_000).astype(np.float32) for level in (0.1, 0.3, 0.9)]
    found = robustness(Loudness(), windows)
    # The change of gain is a power of two short of exact: 12 dB is 3.98.
    assert found["robustness_gain"][1] == pytest.approx(1, abs=1e-6)
    assert found["robustness_gain"][0] < 0.9


def test_all_changes_keep_the_length_and_all_scores_are_described():
    sound = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    for change in CHANGES.values():
        changed = change(sound, 24_000)
        assert changed.shape == sound.shape
        assert changed.dtype == np.float32
        assert not np.array_equal(changed, sound)
    found = robustness(load_encoder("random:small"), [sound])
    assert set(SCORES) == {*found, *scores_of(noise(9, 2))}
    assert all(len(values) == 5 and (values <= 1).all() for values in found.values())


def test_noise_lies_20_db_below_the_sound():
    sound = np.random.default_rng(1).normal(0, 0.2, 100_000).astype(np.float32)
    added = CHANGES["robustness_noise"](sound, 24_000) - sound
    assert 20 * np.log10(sound.std() / added.std()) == pytest.approx(20, abs=0.1)
