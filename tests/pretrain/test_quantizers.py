"""Tokens tell mel frames apart, use their codes, and rebuild what they stand for."""

import pytest
import torch

from layerscope.encoders.mel import MelSpectrogram
from layerscope.pretrain.loop import fit_residual
from layerscope.pretrain.quantizers import STALE, RandomProjection, ResidualQuantizer, stack_frames
from layerscope.toymusic import compose, render


def clustered(samples=4000):
    torch.manual_seed(0)
    centres = torch.randn(40, 512)
    return centres[torch.randint(40, (samples,))] + 0.1 * torch.randn(samples, 512)


def test_frames_are_stacked_in_order_and_the_rest_dropped():
    mel = torch.arange(2 * 128 * 10).float().view(2, 128, 10)
    stacked = stack_frames(mel)
    assert stacked.shape == (2, 2, 512)
    torch.testing.assert_close(stacked[1, 1, 128:256], mel[1, :, 5])


def test_random_projection_uses_most_of_its_codes():
    data = torch.randn(20_000, 512)
    quantizer = RandomProjection(256)
    quantizer.fit(data)
    codes = quantizer(data[None])
    assert codes.shape == (1, 20_000, 1)
    assert codes.unique().numel() > 0.95 * 256


@pytest.mark.slow
def test_residual_quantizer_learns_to_rebuild_sound_and_each_stage_helps():
    torch.manual_seed(0)
    mel = MelSpectrogram()(torch.stack([torch.from_numpy(render(compose(seed, 6.0))) for seed in range(20)]))
    data = stack_frames((mel - mel.mean()) / mel.std()).flatten(0, 1)
    quantizer = ResidualQuantizer(2)
    fit_residual(quantizer, data, 400)
    with torch.no_grad():
        rebuilt, codes, _ = quantizer.explain(data)
        first = quantizer.quantizers[0](data)[0]
    whole, one = (float((data - estimate).square().mean() / data.var()) for estimate in (rebuilt, first))
    assert codes.shape == (3000, 2)
    assert whole < one < 0.9  # of the variance is left


def test_dead_codes_are_put_where_data_are():
    data = clustered(64)
    quantizer = ResidualQuantizer(1)
    stage = quantizer.quantizers[0]
    for _ in range(STALE):
        mended = stage.mend(data, torch.zeros(64, dtype=torch.long))
    assert mended == 1023
    assert stage.stale_counter.max() == 0
