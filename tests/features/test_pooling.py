import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.features.pooling import half_precision, half_precision_by_clip, pool, to_frame_rate


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 100))
@settings(deadline=None)
def test_moments_are_numpys(frames, dim, seed):
    states = np.random.default_rng(seed).normal(size=(2, frames, dim)).astype(np.float32)
    expected = []
    for order in range(3):
        differences = np.diff(states.astype(np.float64), order, axis=1)
        differences = differences if differences.shape[1] else np.zeros((2, 1, dim))
        expected += [differences.mean(1), differences.std(1)]
    found = pool(torch.from_numpy(states), "moments")
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), atol=1e-5)
    np.testing.assert_allclose(pool(torch.from_numpy(states), "mean"), found[:, :dim], atol=1e-6)


def test_a_layer_of_another_rate_is_averaged_over_equal_stretches():
    states = torch.arange(12.0)[:, None].repeat(1, 2)
    np.testing.assert_allclose(to_frame_rate(states, 100.0, 3)[:, 0], [1.5, 5.5, 9.5])
    np.testing.assert_allclose(to_frame_rate(states[:6], 50.0, 12)[:, 1], np.repeat(np.arange(6.0), 2))


def test_a_layer_of_that_very_rate_keeps_its_frames():
    states = torch.randn(25, 3)
    assert torch.equal(to_frame_rate(states, 25.0, 24), states[:24])
    assert torch.equal(to_frame_rate(states, 25.0, 26)[25], states[24])


def test_a_slow_layer_of_few_frames_is_stretched_not_taken_for_rounding():
    states = torch.tensor([[0.0], [1.0]])
    assert to_frame_rate(states, 25.0, 4)[:, 0].tolist() == [0.0, 0.0, 1.0, 1.0]


def test_halves_hold_what_float16_has_no_room_for():
    states = torch.randn(40, 5) * 1e7
    halves, scale = half_precision(states)
    # Ten bits of mantissa.
    np.testing.assert_allclose(halves.float() * scale, states, rtol=1e-3, atol=1e-3 * float(states.abs().max()))
    assert torch.isfinite(halves).all()


def test_spread_is_mean_deviation_and_maximum():
    states = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    expected = np.concatenate([states.mean(axis=1), states.std(axis=1), states.max(axis=1)], axis=1)
    np.testing.assert_allclose(pool(torch.from_numpy(states), "spread"), expected, atol=1e-6)
    alone = pool(torch.ones(1, 3), "spread")
    assert alone.tolist() == [1, 1, 1, 0, 0, 0, 1, 1, 1]


def test_clips_together_are_as_each_alone():
    torch.manual_seed(0)
    clips = [torch.randn(3, 4) * 1e5, torch.zeros(2, 4), torch.empty(0, 4), torch.randn(1, 4) * 1e-20]
    owners = torch.arange(4).repeat_interleave(torch.tensor([len(rows) for rows in clips]))
    halves, scales = half_precision_by_clip(torch.cat(clips), owners, len(clips))
    alone = [half_precision(rows) for rows in clips]
    assert torch.equal(halves, torch.cat([rows for rows, _ in alone]))
    assert torch.equal(scales, torch.stack([scale for _, scale in alone]))
