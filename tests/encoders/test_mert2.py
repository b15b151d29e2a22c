import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from layerscope.encoders import load_encoder
from layerscope.encoders.mert2 import Mert2Config, Mert2Model, ResponseNorm
from layerscope.errors import ModelError


@pytest.fixture
def mert2(golden, tmp_path):
    return shutil.copytree(golden / "mert2-small", tmp_path / "mert2", copy_function=shutil.copyfile)


def test_states_are_those_of_the_published_architecture(golden):
    expected = load_file(golden / "mert2-small" / "expected.safetensors")
    found = load_encoder(golden / "mert2-small").encode(expected["waveforms"])
    assert found.shape == expected["hidden_states"].shape
    assert (found - expected["hidden_states"]).abs().max() <= 1e-4


def test_states_in_bfloat16_are_close(golden):
    expected = load_file(golden / "mert2-small" / "expected.safetensors")
    with torch.autocast("cpu", torch.bfloat16):
        states = load_encoder(golden / "mert2-small").encode(expected["waveforms"])
    # 8 bits of mantissa, of which every layer loses some.
    assert (states - expected["hidden_states"]).norm() <= 0.02 * expected["hidden_states"].norm()


def test_a_response_is_float32_in_any_precision():
    norm = ResponseNorm(4)
    norm.weight.data.fill_(1)
    x = torch.ones(1, 1001, 4, dtype=torch.bfloat16)
    # 1,001 has no bfloat16; its root times 4 channels alike is a response of 1, twice the input.
    assert norm(x).dtype == torch.float32
    torch.testing.assert_close(norm(x), torch.full((1, 1001, 4), 2.0), rtol=0, atol=1e-5)


def test_fewer_layers_are_the_same_layers(golden):
    waveform = load_file(golden / "mert2-small" / "expected.safetensors")["waveforms"][:1]
    whole = load_encoder(golden / "mert2-small").encode(waveform)
    part = load_encoder(golden / "mert2-small", layers="0-2").encode(waveform)
    torch.testing.assert_close(part, whole[:, :3], rtol=0, atol=0)


def test_its_own_count_starts_after_the_first_block(golden):
    encoder = load_encoder(golden / "mert2-small")
    assert [encoder.official_name(layer) for layer in encoder.layers] == [
        "not returned", "hidden_states[0]", "hidden_states[1]", "hidden_states[2]",
    ]  # fmt: skip


def test_full_size_has_the_published_number_of_parameters():
    with torch.device("meta"):
        model = Mert2Model(Mert2Config())
    # Published as 632 M.
    assert sum(value.numel() for value in model.parameters()) / 1e6 == pytest.approx(632, abs=1)


def test_no_code_of_the_directory_is_needed_or_run(mert2):
    assert "auto_map" in json.loads((mert2 / "config.json").read_text())
    (mert2 / "modeling_mert2.py").write_text("raise SystemExit('remote code was run')")
    load_encoder(mert2)


@pytest.mark.parametrize("change", [{"num_mel_bins": 80}, {"hop_length": 320}, {"rotary_embedding_base": 500}])
def test_a_configuration_that_is_not_understood_is_refused_by_name(mert2, change):
    config = json.loads((mert2 / "config.json").read_text())
    (mert2 / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelError, match=next(iter(change))):
        load_encoder(mert2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("layers.1.attn.key_proj.bias"), r"'layers\.1\.attn\.key_proj\.bias' is missing"),
        (lambda t: t.update(head=torch.zeros(1)), "'head' is not part of this layout"),
        (lambda t: t.update({"layers.0.ffn1.w_1.bias": torch.zeros(3)}), r"has shape \(3,\), expected \(128,\)"),
        (lambda t: t["layers.0.ffn1.w_1.bias"].fill_(float("inf")), "holds non-finite values"),
    ],
)
def test_tensors_that_do_not_fit_are_named(mert2, change, words):
    tensors = load_file(mert2 / "model.safetensors")
    change(tensors)
    save_file(tensors, mert2 / "model.safetensors")
    with pytest.raises(ModelError, match=words):
        load_encoder(mert2)


def test_half_a_directory_is_refused(mert2):
    (mert2 / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"neither model\.safetensors nor pytorch_model\.bin beside config\.json"):
        load_encoder(mert2)


def test_an_untrained_twin_has_its_sizes(golden):
    twin = load_encoder(f"random:{golden / 'mert2-small'}")
    assert (twin.layers, twin.dim, twin.untrained) == ((0, 1, 2, 3), 64, True)
    assert torch.isfinite(twin.encode(torch.zeros(1, 4800))).all()


def test_an_untrained_twin_hears_what_the_model_hears(mert2):
    tensors = load_file(mert2 / "model.safetensors")
    tensors["feature_extractor.mel_mean"] += 5.0
    tensors["feature_extractor.mel_std"] *= 3.0
    save_file(tensors, mert2 / "model.safetensors")
    twin, model = (load_encoder(f"{before}{mert2}").model for before in ("random:", ""))
    for name, value in model.named_buffers():
        torch.testing.assert_close(dict(twin.named_buffers())[name], value)
    assert all(
        not torch.equal(value, dict(twin.named_parameters())[name])
        for name, value in model.named_parameters()
        if value.std() > 0.0 and "linear" in name and name.endswith("weight")
    )


def test_the_variant_for_whole_songs_is_given_whole_songs(mert2):
    assert load_encoder(mert2).window == 30.0
    config = json.loads((mert2 / "config.json").read_text())
    (mert2 / "config.json").write_text(json.dumps({**config, "variant": "FullSong"}))
    assert load_encoder(mert2).window == 360.0


@pytest.mark.slow
def test_a_whole_song_takes_memory_by_its_length_not_its_square(mert2):
    encoder = load_encoder(mert2)
    peaks = [peak_megabytes(encoder, seconds) for seconds in (90, 360)]
    # Attention over 9,000 frames in one table would take 1.3 GB a block here; all else takes four times as much.
    assert peaks[1] < 6 * max(peaks[0], 50)


def peak_megabytes(encoder, seconds):
    """What encoding takes beyond what is there, by the allocator's own account."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        encoder.encode(torch.zeros(1, seconds * encoder.sample_rate))
    held = peak = 0
    for event in sorted(seen.profiler.kineto_results.events(), key=lambda one: one.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak / 1e6
