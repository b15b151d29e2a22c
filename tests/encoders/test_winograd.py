import pytest
import torch
from torch.nn import functional as F

from layerscope.encoders.winograd import FEWEST_CHANNELS, convolve, pays


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 64, 30), (2, 32, 41), (3, 5, 1), (1, 1, 2), (1, 9, 1700)])
def test_a_convolution_is_pytorchs(batch, height, width):
    generator = torch.Generator().manual_seed(height)
    maps = torch.randn(batch, 8, height, width, generator=generator)
    kernels, bias = torch.randn(6, 8, 3, 3, generator=generator), torch.randn(6, generator=generator)
    expected = F.conv2d(maps.double(), kernels.double(), bias.double(), padding=1)
    convolved = convolve(maps, kernels, bias)
    assert convolved.shape == expected.shape
    # Sums of 72 products of unit variance, that is about 8, in float32 whose transforms amplify rounding.
    assert (convolved - expected).abs().max() <= 2e-4


def test_rounding_stays_small_at_the_published_width():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(1, 512, 16, 24, generator=generator).relu()
    kernels = torch.randn(512, 512, 3, 3, generator=generator) / (512 * 9) ** 0.5
    expected = F.conv2d(maps.double(), kernels.double(), padding=1)
    error = (convolve(maps, kernels, torch.zeros(512)) - expected).square().mean().sqrt()
    assert error <= 3e-6 * expected.std()


def test_where_it_does_not_pay_it_is_not_used():
    wide, narrow = torch.empty(FEWEST_CHANNELS, FEWEST_CHANNELS, 3, 3), torch.empty(8, FEWEST_CHANNELS, 3, 3)
    maps = torch.empty(1, FEWEST_CHANNELS, 4, 4)
    assert pays(maps, wide)
    assert not pays(maps, narrow)
    assert not pays(maps.to("meta"), wide)
    assert not pays(maps.bfloat16(), wide)
    with torch.autocast("cpu", torch.bfloat16):
        assert not pays(maps, wide)
