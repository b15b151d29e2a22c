import pytest
import torch

from layerscope import load_encoder
from layerscope.encoders.conformer import ConformerConfig, ConformerModel
from layerscope.encoders.published_models import catalogue
from layerscope.encoders.sketch import LiveBytes, Sketch


@pytest.mark.parametrize("name", ["muq", "musicfm", "random:musicfm-fma"])
def test_a_sketch_says_what_the_network_would(name):
    sketch = Sketch(name, "0-2")
    facts = {each.name: each for each in catalogue()}[name.removeprefix("random:")]
    assert (sketch.name, sketch.layers, sketch.widths) == (name, (0, 1, 2), (facts.width,) * 3)
    assert (sketch.sample_rate, sketch.frame_rate) == (facts.sample_rate, facts.frame_rate)
    assert Sketch(name).layers[-1] == facts.depth
    assert sketch.untrained == name.startswith("random:")
    # The published number counts what pretraining adds: heads, codebooks.
    assert 0.9 * facts.million < sketch.parameters / 1e6 <= facts.million


def test_its_zeros_have_the_shape_of_the_states():
    sketch, real = Sketch("muq", "0-0"), load_encoder("random:small")
    for samples in (1025, 2400, 24_000, 24_001, 24_960, 31_111):
        noise = torch.randn(2, samples)
        assert sketch.encode(noise).shape[2] == real.encode(noise).shape[2]
    assert sketch.encode(torch.zeros(3, 24_000)).shape == (3, 1, 25, 1024)


def test_the_operations_are_those_that_the_papers_formula_gives():
    one, two = (Sketch("muq", f"0-{last}").operations(30.0) for last in (1, 2))
    frames, dim, wide, kernel = 750, 1024, 4096, 31
    # Two feed-forwards, four projections, pointwise convolutions (to twice the width, and back), attention.
    products = 2 * 2 * dim * wide + 4 * dim * dim + 3 * dim * dim + kernel * dim + 2 * frames * dim
    assert two - one == pytest.approx(2 * frames * products, rel=0.01)


def test_live_bytes_are_counted_until_they_are_let_go():
    with LiveBytes() as live:
        first = torch.empty(1000, device="meta")
        second = first.view(10, 100) + 1
        del first
        third = second + 1
        del second, third
        torch.empty(500, device="meta")
    # The first and the second, then the second and the third; a view takes nothing.
    assert live.peak == 2 * 4000


def test_what_a_pass_keeps_alive_grows_with_the_windows():
    sketch = Sketch("muq", "0-1")
    weights = 4 * sketch.parameters
    one, two = (sketch.peak_bytes(5.0, windows) - weights for windows in (1, 2))
    # But for the kernels of the widest convolution with its norm in them, of which there are as many for any number.
    kernels = 4 * 512 * 512 * 3 * 3
    assert two - kernels == pytest.approx(2 * (one - kernels), rel=0.01)
    # The widest maps of the front end, 512 channels of 64 bands by 250 frames, are alive twice at least.
    assert one > 2 * 4 * 512 * 64 * 250


def test_the_first_block_is_what_the_whole_network_begins_with():
    network = Sketch("musicfm").first_block(torch.device("cpu"))
    assert isinstance(network, ConformerModel)
    assert network.depth == 1
    assert network.dim == ConformerConfig().dim
    state = torch.random.get_rng_state()
    Sketch("musicfm").first_block(torch.device("cpu"))
    assert torch.equal(state, torch.random.get_rng_state())
