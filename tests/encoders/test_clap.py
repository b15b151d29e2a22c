import json
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import librosa
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from layerscope.encoders import load_encoder
from layerscope.encoders.exported_encoder import cut_encoder, read_portable, write_portable
from layerscope.encoders.own_encoder import verify
from layerscope.errors import ModelError
from layerscope.features.windows import window_spans

#: Two seconds at 16 kHz, where the published models take ten at 48 kHz: 201 mel frames become an image of 64 × 64.
SMALL = {"spec_size": 64, "num_mel_bins": 16, "patch_embeds_hidden_size": 8, "depths": [1, 2, 1],
         "num_attention_heads": [2, 2, 2], "window_size": 4, "hidden_size": 32, "num_hidden_layers": 3}  # fmt: skip
MEL = {"feature_size": 16, "sampling_rate": 16_000, "hop_length": 160, "max_length_s": 2, "fft_window_size": 512,
       "frequency_max": 8000}  # fmt: skip
#: Of a full input.
FRAMES, WIDTHS = [64, 64, 32, 32, 16], [8, 8, 16, 16, 32]
#: What the published configuration of 2023 holds of every model of the library beside the model's own sizes.
BESIDE = {"_name_or_path": "", "add_cross_attention": False, "architectures": None, "bad_words_ids": None,
          "begin_suppress_tokens": None, "do_sample": False, "early_stopping": False, "fusion_num_hidden_layers": 2,
          "is_decoder": False, "length_penalty": 1.0, "max_length": 20, "num_beams": 1, "pruned_heads": {},
          "return_dict": True, "temperature": 1.0, "torch_dtype": None, "top_k": 50, "torchscript": False,
          "use_bfloat16": False}  # fmt: skip


def write(directory, *, fused=False, padding="repeatpad"):
    torch.manual_seed(0)
    fusion = {"enable_fusion": True, "fusion_type": "aff_2d"} if fused else {}
    network = transformers.ClapAudioModel(transformers.ClapAudioConfig(**SMALL, **fusion)).eval()
    for name, value in network.named_buffers():
        if "running" in name:  # a norm that has seen something
            value.copy_(torch.rand_like(value) + 0.5)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    network.save_pretrained(directory)
    truncation = "fusion" if fused else "rand_trunc"
    transformers.ClapFeatureExtractor(**MEL, truncation=truncation, padding=padding).save_pretrained(directory)
    return network


def official(directory, network, waveforms, longer=False):
    """The library's states before patches are merged, (batch, width, height, side), and the last of all."""
    extractor = transformers.ClapFeatureExtractor.from_pretrained(directory)
    features = extractor([*waveforms.numpy()], sampling_rate=16_000, return_tensors="pt").input_features
    with torch.inference_mode():
        returned = network.audio_encoder(
            input_features=features, is_longer=torch.full((len(waveforms), 1), longer), output_hidden_states=True,
            output_hidden_states_before_downsampling=True,
        )  # fmt: skip
    return [*returned.hidden_states[:3], returned.last_hidden_state]


def frames_of(state):
    """Frames of an image whose four quarters of height are four stretches of time, (batch, frame, width)."""
    stretches = state.chunk(4, dim=2)
    return torch.cat([stretch.mean(dim=2) for stretch in stretches], dim=2).mT


@pytest.fixture
def waveforms():
    return 0.1 * torch.randn(2, 32_000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("fused", [False, True])
def test_states_are_the_librarys_stage_by_stage(tmp_path, waveforms, fused):
    network = write(tmp_path / "clap", fused=fused)
    encoder = load_encoder(tmp_path / "clap")
    assert (encoder.sample_rate, encoder.layers, list(encoder.widths)) == (16_000, (0, 1, 2, 3, 4), WIDTHS)
    assert encoder.model.frame_rates == (32.0, 32.0, 16.0, 16.0, 8.0)
    states = encoder.encode(waveforms)
    assert [state.shape for state in states] == [(2, *shape) for shape in zip(FRAMES, WIDTHS, strict=True)]
    front, first, second, last = official(tmp_path / "clap", network, waveforms)
    expected = {0: frames_of(front), 1: frames_of(first), 3: frames_of(second), 4: last.mean(dim=2).mT}
    for layer, frames in expected.items():
        torch.testing.assert_close(states[layer], frames, rtol=0, atol=1e-4)
        assert frames.std() > 1e-2
    assert (states[2] - states[3]).abs().max() > 1e-2


def test_a_frame_stands_where_its_sound_is(tmp_path):
    write(tmp_path / "clap")
    encoder = load_encoder(tmp_path / "clap", layers="0")
    silence = torch.zeros(1, 32_000)
    click = silence.clone()
    click[0, 16_000 + 4000] = 1.0
    (changed,) = torch.nonzero((encoder.encode(click) - encoder.encode(silence)).abs().amax(dim=(0, 1, 3)) > 1e-3).T
    assert 40 in changed  # 1.25 s at 32 Hz
    assert (changed - 40).abs().max() <= 1


@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
def test_what_is_shorter_is_padded_as_its_preprocessor_does_and_the_padding_left_out(tmp_path, waveforms, padding):
    network = write(tmp_path / "clap", padding=padding)
    encoder = load_encoder(tmp_path / "clap")
    states = encoder.encode(waveforms[:, :12_345])
    assert [state.shape[1] for state in states] == [24, 24, 12, 12, 6]  # 0.77 s at 32, 16 and 8 Hz
    last = official(tmp_path / "clap", network, waveforms[:, :12_345])[-1]
    torch.testing.assert_close(states[-1], last.mean(dim=2).mT[:, :6], rtol=0, atol=1e-4)


@pytest.mark.parametrize("fused", [False, True])
def test_the_contract_is_kept_whichever_layers_are_chosen(tmp_path, fused):
    write(tmp_path / "clap", fused=fused)
    for layers in (None, "0-1", "2-3", "4"):
        encoder = load_encoder(tmp_path / "clap", layers=layers)
        assert encoder.frame_rate == encoder.model.frame_rates[encoder.layers[-1]]
        verify(encoder, "clap")


def test_the_shortest_and_the_longest(tmp_path):
    write(tmp_path / "clap")
    encoder = load_encoder(tmp_path / "clap")
    assert [state.shape[1] for state in encoder.encode(torch.zeros(1, encoder.minimum_samples))] == [4, 4, 2, 2, 1]
    for seconds in (1.9, 2.0, 2.1, 3.7, 5.9):
        for first, stop in window_spans(round(seconds * 16_000), round(encoder.window * 16_000)):
            assert stop - first <= encoder.model.longest
    with pytest.raises(ModelError, match=r"takes 2 s at most, not 2\.50 s; choose a shorter --window"):
        encoder.encode(torch.zeros(1, 40_000))


def test_the_audio_tower_is_found_beside_the_text_tower_and_under_a_configuration_of_2023(tmp_path, waveforms):
    write(tmp_path / "clap")
    expected = load_encoder(tmp_path / "clap").encode(waveforms)
    path = tmp_path / "clap" / "model.safetensors"
    tower = {f"audio_model.{name}": value for name, value in load_file(path).items()}
    save_file({**tower, "text_model.pooler.dense.bias": torch.zeros(3), "logit_scale_a": torch.ones(())}, path)
    config = tmp_path / "clap" / "config.json"
    written = json.loads(config.read_text())
    config.write_text(json.dumps({"model_type": "clap", "audio_config": BESIDE | written, "text_config": {}}))
    for state, other in zip(load_encoder(tmp_path / "clap").encode(waveforms), expected, strict=True):
        torch.testing.assert_close(state, other, rtol=0, atol=0)


def test_later_blocks_are_not_computed_nor_exported(tmp_path, waveforms):
    write(tmp_path / "clap")
    expected = load_encoder(tmp_path / "clap").encode(waveforms)[2]
    part = load_encoder(tmp_path / "clap", layers="2")
    part.model.blocks[2].register_forward_pre_hook(lambda *_: pytest.fail("a later block was computed"))
    torch.testing.assert_close(part.encode(waveforms)[:, 0], expected, rtol=0, atol=0)
    (tmp_path / "out").mkdir()
    told = write_portable(cut_encoder(load_encoder(tmp_path / "clap"), (2,)), tmp_path / "out")
    assert not any(".layers.1.blocks.1." in name for name in load_file(tmp_path / "out" / "encoder.safetensors"))
    torch.testing.assert_close(read_portable(told, tmp_path / "out").encode(waveforms)[:, 0], expected, rtol=0, atol=0)


def test_a_missing_tensor_is_named_and_the_twin_needs_none(tmp_path):
    write(tmp_path / "clap")
    path = tmp_path / "clap" / "model.safetensors"
    tensors = load_file(path)
    del tensors["audio_encoder.layers.1.blocks.1.output.dense.bias"]
    save_file(tensors, path)
    with pytest.raises(ModelError, match=r"'audio_encoder\.layers\.1\.blocks\.1\.output\.dense\.bias' is missing"):
        load_encoder(tmp_path / "clap")
    path.unlink()
    assert load_encoder(f"random:{tmp_path / 'clap'}").untrained


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patch_stride": [4, 2]}, "equal strides"),
        ({"spec_size": 40}, "spec_size"),
        ({"depths": []}, "depths"),
        ({"num_mel_bins": 32}, "201 frames of 16 bands"),
    ],
)
def test_an_image_that_is_not_read_is_refused_with_its_file(tmp_path, change, words):
    write(tmp_path / "clap")
    path = tmp_path / "clap" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=rf"config\.json: .*{words}"):
        load_encoder(tmp_path / "clap")


@pytest.fixture
def htsat(monkeypatch):
    """The audio tower of CLAP's authors; what their package needs for text, files and training is not imported."""
    package = find_spec("laion_clap")
    if package is None or find_spec("torchlibrosa") is None:
        pytest.skip("laion-clap or torchlibrosa is not installed")
    for name in ("laion_clap", "laion_clap.clap_module"):
        module = ModuleType(name)
        module.__path__ = [str(Path(package.origin).parents[0].joinpath(*name.split(".")[1:]))]
        monkeypatch.setitem(sys.modules, name, module)
    # These two come before the states, in training, and after them.
    beside = ModuleType("laion_clap.clap_module.utils")
    vars(beside).update(do_mixup=None, interpolate=lambda states, _: states)
    monkeypatch.setitem(sys.modules, beside.__name__, beside)
    monkeypatch.delitem(sys.modules, "laion_clap.clap_module.htsat", raising=False)
    return import_module("laion_clap.clap_module.htsat").HTSAT_Swin_Transformer


#: Of a name of CLAP's authors, what the library renamed.
RENAMED = {"bn0.": "batch_norm.", ".attn.": ".attention.self.", ".self.proj.": ".output.dense.",
           ".mlp.fc1.": ".intermediate.dense.", ".mlp.fc2.": ".output.dense.", ".norm1.": ".layernorm_before.",
           ".norm2.": ".layernorm_after."}  # fmt: skip


def librarys_tensors(network):
    """Yield names and values of the library for those of the authors' network, up to what classifies."""
    heads = ("spectrogram_extractor.", "logmel_extractor.", "tscam_conv.", "head.")
    for name, value in network.state_dict().items():
        if name.startswith(heads) or name.endswith("attn_mask"):
            continue
        for theirs, renamed in RENAMED.items():
            name = name.replace(theirs, renamed)
        parts = dict(zip(("query", "key", "value"), value.chunk(3), strict=True)) if ".qkv." in name else {"": value}
        for part, one in parts.items():
            yield f"audio_encoder.{name.replace('qkv', part)}", one.clone()


@pytest.mark.filterwarnings("ignore:invalid escape sequence", "ignore:.*torch.meshgrid")
@pytest.mark.parametrize("fused", [False, True])
def test_clap_gives_the_states_of_its_authors_package_from_the_waveform_on(tmp_path, waveforms, htsat, fused):
    # Sizes of SMALL and MEL.
    sizes = SimpleNamespace(mel_bins=16, sample_rate=16_000, window_size=512, hop_size=160, fmin=0, fmax=8000)
    fusion = {"enable_fusion": True, "fusion_type": "aff_2d"} if fused else {}
    torch.manual_seed(1)
    network = htsat(
        spec_size=64, embed_dim=8, depths=[1, 2, 1], num_heads=[2, 2, 2], window_size=4, num_classes=3, config=sizes,
        **fusion,
    ).eval()  # fmt: skip
    for parameter in (parameter for parameter in network.parameters() if parameter.requires_grad):
        torch.nn.init.normal_(parameter, std=0.3)
    for name, value in network.named_buffers():
        if "running" in name:
            value.copy_(torch.rand_like(value) + 0.5)
    write(tmp_path / "clap", fused=fused)
    save_file(dict(librarys_tensors(network)), tmp_path / "clap" / "model.safetensors")
    blocks = [block for stage in network.layers for block in stage.blocks]
    taken = []
    network.pos_drop.register_forward_hook(lambda *call: taken.append(call[-1]))
    for block in blocks[:-1]:
        block.register_forward_hook(lambda *call: taken.append(call[-1][0]))
    network.norm.register_forward_hook(lambda *call: taken.append(call[-1]))
    heard = {"waveform": waveforms}
    if fused:  # their package takes the mel of torchaudio, which it says is librosa's so
        mel = librosa.feature.melspectrogram(
            y=waveforms.numpy(), sr=16_000, n_fft=512, hop_length=160, n_mels=16, fmin=0, fmax=8000, norm=None,
            htk=True, pad_mode="reflect",
        )  # fmt: skip
        decibels = librosa.power_to_db(mel, amin=1e-10, top_db=None)
        heard = {"mel_fusion": torch.from_numpy(decibels).mT[:, None].repeat(1, 4, 1, 1), "longer": torch.zeros(2, 1)}
    with torch.inference_mode():
        network(heard)
    states = load_encoder(tmp_path / "clap").encode(waveforms)
    for state, theirs in zip(states, taken, strict=True):
        side = round(theirs.shape[1] ** 0.5)
        expected = frames_of(theirs.mT.unflatten(2, (side, side)))
        torch.testing.assert_close(state, expected, rtol=0, atol=1e-5)
        assert expected.std() > 1e-2
