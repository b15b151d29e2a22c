"""Masks cover what they should, and the loss falls on tokens that can be known."""

import numpy as np
import torch

from layerscope.pretrain import Recipe
from layerscope.pretrain.model import SPAN_TOKENS, MaskedModel, draw_mask
from layerscope.pretrain.training_audio import analyse


def test_masks_are_spans_of_four_tenths_of_a_second_with_probability_six_tenths():
    torch.manual_seed(0)
    mask = draw_mask(500, 150)
    spans = mask.unflatten(1, (-1, SPAN_TOKENS))
    assert (spans.all(dim=2) == spans.any(dim=2)).all()
    assert 0.58 < mask.float().mean() < 0.62
    assert mask.any(dim=1).all()
    assert not mask.all(dim=1).any()


def test_what_is_hidden_cannot_be_seen():
    recipe = Recipe(family="musicfm", dim=32, depth=1, heads=2, feedforward=32, channels=4, codes=16)
    model = MaskedModel(recipe, 0.0, 20.0).eval()
    seen = []
    model.encoder.conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(analyse(list(np.random.default_rng(0).normal(size=(2, 48_000)).astype(np.float32))))
    hidden = seen[0].abs().amax(dim=1) < 1.0  # noise of a tenth; sound is far above it in dB
    assert 0.1 < hidden.float().mean() < 0.95
