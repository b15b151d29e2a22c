"""The ordinary loader reads what pretraining writes, and hears the same."""

import pytest
import torch

from layerscope import load_encoder
from layerscope.pretrain import Recipe
from layerscope.pretrain.model import MaskedModel
from layerscope.pretrain.released_format import write_layout


@pytest.mark.parametrize("family", ["muq", "musicfm"])
def test_the_loader_reads_it_back(family, tmp_path):
    torch.manual_seed(0)
    recipe = Recipe(family=family, dim=32, depth=2, heads=2, feedforward=48, channels=4, codebooks=2, codes=64)
    model = MaskedModel(recipe, -30.0, 20.0).eval()
    write_layout(model, recipe, tmp_path / "encoder")
    encoder = load_encoder(tmp_path / "encoder")
    assert encoder.layers == (0, 1, 2)
    assert encoder.frame_rate == 25.0
    waveforms = 0.1 * torch.randn(1, 24_000)
    with torch.no_grad():
        expected = torch.stack(list(model.encoder.states(waveforms, 2)), dim=1)
    # Weights are rounded to float16, three decimal digits.
    torch.testing.assert_close(encoder.encode(waveforms), expected, atol=0.02, rtol=0.02)
