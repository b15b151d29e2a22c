import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from layerscope.encoders import load_encoder, winograd
from layerscope.encoders.conformer import ConformerConfig, ConvolutionModule, ResidualConvolution

SMALL = ["muq-small", "musicfm-small"]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("waveforms", "states"), [("waveforms", "hidden_states"), ("waveform_4s", "hidden_states_4s")])
def test_states_are_those_of_the_official_code(golden, name, waveforms, states):
    expected = load_file(golden / name / "expected.safetensors")
    found = load_encoder(golden / name).encode(expected[waveforms])
    assert found.shape == expected[states].shape
    assert (found - expected[states]).abs().max() <= 1e-4


@pytest.mark.parametrize("name", SMALL)
def test_fewer_layers_are_the_same_layers(golden, name):
    waveform = load_file(golden / name / "expected.safetensors")["waveform_4s"]
    whole = load_encoder(golden / name).encode(waveform)
    part = load_encoder(golden / name, layers="0-1,2")
    assert part.layers == (0, 1, 2)
    torch.testing.assert_close(part.encode(waveform), whole[:, :3], rtol=0, atol=0)


def test_blocks_after_the_last_wanted_layer_are_not_computed(golden, monkeypatch):
    encoder = load_encoder(golden / "muq-small", layers="0-1")
    for block in encoder.model.conformer.layers[1:]:
        monkeypatch.setattr(block, "forward", lambda *_: pytest.fail("a block beyond layer 1 was computed"))
    encoder.encode(torch.zeros(1, 24_000))


def test_a_batch_gives_what_single_clips_give(golden):
    waveforms = load_file(golden / "musicfm-small" / "expected.safetensors")["waveforms"]
    encoder = load_encoder(golden / "musicfm-small")
    alone = torch.cat([encoder.encode(one[None]) for one in waveforms])
    # Matrix products of other shapes round differently.
    torch.testing.assert_close(encoder.encode(waveforms), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("samples", "frames"), [(1025, 1), (1200, 2), (96_000, 100), (240_000, 250)])
def test_number_of_frames(samples, frames):
    assert load_encoder("random:small").encode(torch.zeros(1, samples)).shape == (1, 5, frames, 64)


def test_random_weights_follow_the_seed():
    waveform = torch.linspace(-1, 1, 4800)[None]
    first, again, other = (load_encoder("random:small", seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    torch.testing.assert_close(first.encode(waveform), again.encode(waveform), rtol=0, atol=0)
    assert not torch.allclose(first.encode(waveform), other.encode(waveform))
    assert first.untrained
    assert first.name == "random:small"


def test_random_twin_of_a_checkpoint_has_its_sizes_and_none_of_its_weights(golden):
    twin, own = load_encoder(f"random:{golden / 'muq-small'}"), load_encoder(golden / "muq-small")
    assert (twin.layers, twin.dim) == (own.layers, own.dim)
    assert twin.name == "random:muq-small"
    assert twin.fingerprint != own.fingerprint


def test_fingerprint_depends_on_weights_not_on_the_name(golden, tmp_path):
    source, copy = golden / "muq-small", tmp_path / "renamed"
    copy.mkdir()
    for file in ("config.json", "model.safetensors"):
        (copy / file).write_bytes((source / file).read_bytes())
    assert load_encoder(source).fingerprint == load_encoder(copy).fingerprint


def with_statistics(module):
    """Return a module in evaluation whose norms hold what training leaves: other than 0 and 1."""
    generator = torch.Generator().manual_seed(0)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
                tensor.normal_(1, 0.5, generator=generator)
            norm.running_var.uniform_(0.1, 4, generator=generator)
    return module.eval().requires_grad_(False)


@pytest.mark.parametrize("channels", [8, winograd.FEWEST_CHANNELS])
def test_norms_within_the_kernels_do_what_norms_after_them_do(channels):
    block = with_statistics(ResidualConvolution(channels, channels))
    x = torch.randn(2, channels, 12, 15, generator=torch.Generator().manual_seed(1))
    main = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu()))
    torch.testing.assert_close(block(x), (main + block.bn3(block.conv3(x))).relu(), rtol=0, atol=1e-4)


def test_the_convolution_of_a_block_is_the_published_one():
    module = with_statistics(ConvolutionModule(ConformerConfig(dim=16, kernel=7)))
    x = torch.randn(2, 9, 16, generator=torch.Generator().manual_seed(1))
    gated = nn.functional.glu(module.pointwise_conv1(module.layer_norm(x).transpose(1, 2)), dim=1)
    expected = module.pointwise_conv2(nn.functional.silu(module.batch_norm(module.depthwise_conv(gated))))
    torch.testing.assert_close(module(x), expected.transpose(1, 2), rtol=0, atol=1e-5)


def test_computing_leaves_the_published_weights_alone(golden):
    encoder = load_encoder(golden / "muq-small")
    before = {name: value.clone() for name, value in encoder.model.state_dict().items()}
    encoder.encode(torch.zeros(1, 24_000))
    after = encoder.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("name", SMALL)
def test_states_in_bfloat16_are_close(golden, name):
    expected = load_file(golden / name / "expected.safetensors")
    with torch.autocast("cpu", torch.bfloat16):
        states = load_encoder(golden / name).encode(expected["waveforms"])
    # 8 bits of mantissa, of which three blocks lose some.
    assert (states - expected["hidden_states"]).norm() <= 0.02 * expected["hidden_states"].norm()
