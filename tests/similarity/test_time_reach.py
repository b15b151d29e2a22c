import numpy as np
import pytest
import torch

from layerscope.encoders import Encoder
from layerscope.similarity.time_reach import reach, reach_tables, replaced, state_changes

RATE = 8000


class Averages(Encoder):
    """Layer k is the mean of 2^k + 1 frames of 20 ms around each."""

    name, sample_rate, frame_rate, layers, dim, minimum_samples = "averages", RATE, 50.0, (1, 3, 5, 7), 40, 160
    fingerprint = "averages"

    def encode(self, waveforms):
        frames = waveforms.unfold(1, 160, 160)
        bands = torch.fft.rfft(frames).abs().square()[..., 1::2].clamp_min(1e-12).log().transpose(1, 2)
        means = [
            torch.nn.functional.avg_pool1d(bands, 2**layer + 1, 1, 2 ** (layer - 1), count_include_pad=False)
            for layer in self.layers
        ]
        return torch.stack(means, dim=1).transpose(2, 3)


class Past(Averages):
    """All layers are the mean of the two seconds before a frame, or, the last, of all of the clip."""

    name = "past"

    def encode(self, waveforms):
        states = super().encode(waveforms)[:, 0]
        past = torch.stack([states[:, max(0, n - 99) : n + 1].mean(1) for n in range(states.shape[1])], dim=1)
        everything = states.mean(1, keepdim=True).expand_as(states)
        constant = torch.ones_like(states)
        return torch.stack([past, past, everything, constant], dim=1)


def noises(count=6, seconds=10):
    random = np.random.default_rng(0)
    return [random.normal(0, 0.1, seconds * RATE).astype(np.float32) for _ in range(count)]


def test_the_reach_of_averages_is_found_within_a_fifth():
    reaches, curves = reach_tables(Averages(), noises())
    halves = [(2**layer + 1) / 2 * 0.02 for layer in Averages.layers]
    # Of a mean of n frames the change is in proportion to those replaced, and 90 % of it arises within 90 %.
    assert reaches.reach.tolist() == pytest.approx([0.9 * half for half in halves], rel=0.2)
    assert (reaches.lowest <= reaches.reach).all()
    assert (reaches.reach <= reaches.highest).all()
    assert (curves[curves.distance == 0].change == 1).all()


def test_the_past_counts_as_the_future_does_and_what_is_beyond_is_said_to_be():
    reaches, _ = reach_tables(Past(), noises(3))
    assert reaches.reach[0] == pytest.approx(0.9 * 2.0, rel=0.2)
    assert np.isinf(reaches.reach[2])
    assert np.isnan(reaches.reach[3])
    assert 2 < reaches.longest[0] < 10 / 3


def test_what_is_near_stays_and_what_is_far_is_as_loud_as_before():
    sound = noises(1)[0]
    whole, near = replaced(sound, RATE, 5.0, np.array([0.0, 1.0]))
    np.testing.assert_array_equal(
        near[round(4.01 * RATE) : round(5.99 * RATE)], sound[round(4.01 * RATE) : round(5.99 * RATE)]
    )
    far = slice(0, round(3.99 * RATE))
    assert np.corrcoef(near[far], sound[far])[0, 1] == pytest.approx(0, abs=0.02)
    assert np.corrcoef(whole, sound)[0, 1] == pytest.approx(0, abs=0.02)
    assert near[far].std() == pytest.approx(sound[far].std(), rel=0.02)


def test_states_are_compared_at_the_instant_that_is_kept():
    distances, changes = state_changes(Averages(), noises(2))
    # Three frames reach 30 ms: 57 ms are enough, but for the fade.
    assert (changes[:, 0, distances > 0.05] < 1e-3 * changes[:, 0, :1]).all()


def test_a_change_that_does_not_fall_has_no_reach_within():
    distances = np.array([0.0, 1.0, 2.0])
    assert reach(distances, np.array([1.0, 0.9, 0.8])) == float("inf")
    # What rises again has not ended.
    assert reach(distances, np.array([1.0, 0.0, 0.2])) == float("inf")
    assert np.isnan(reach(distances, np.zeros(3)))
