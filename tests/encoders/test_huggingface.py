import json
import shutil
import sys

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from layerscope.encoders import load_encoder
from layerscope.encoders.huggingface import FAMILIES
from layerscope.errors import ModelError

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 2, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
CASES = [
    *((family, {}) for family in FAMILIES if family != "mert_model"),
    ("hubert", {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}),
    ("wav2vec2", {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}),
    ("wavlm", {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}),
]


def write_model(directory, family, changes, *, normalise=True):
    config_class, model_class, _ = FAMILIES[family]
    torch.manual_seed(0)
    network = getattr(transformers, model_class)(getattr(transformers, config_class)(**SMALL, **changes)).eval()
    network.save_pretrained(directory)
    (directory / "preprocessor_config.json").write_text(
        json.dumps({"sampling_rate": 16_000, "do_normalize": normalise})
    )
    return network


@pytest.fixture
def waveforms():
    return torch.randn(2, 8000, generator=torch.Generator().manual_seed(0)) * 0.1 + 0.02


@pytest.mark.parametrize("name", ["mert95-small", "mert330-small"])
def test_mert_gives_the_states_of_the_official_code(golden, name):
    expected = load_file(golden / name / "expected.safetensors")
    encoder = load_encoder(golden / name)
    found = encoder.encode(expected["waveforms"])
    assert found.shape == expected["hidden_states"].shape
    assert (found - expected["hidden_states"]).abs().max() <= 1e-4
    assert (encoder.sample_rate, encoder.frame_rate) == (24_000, 75.0)


@pytest.mark.parametrize(("family", "changes"), CASES)
def test_states_are_what_the_library_returns_first_and_last_included(tmp_path, family, changes, waveforms):
    network = write_model(tmp_path / "model", family, changes, normalise=False)
    with torch.inference_mode():
        returned = network(waveforms, output_hidden_states=True)
    found = load_encoder(tmp_path / "model").encode(waveforms)
    assert found.shape[:2] == (2, len(returned.hidden_states)) == (2, 4)
    for layer in range(3):
        torch.testing.assert_close(found[:, layer], returned.hidden_states[layer], rtol=0, atol=1e-5)
    torch.testing.assert_close(found[:, 3], returned.last_hidden_state, rtol=0, atol=1e-5)
    # Version 4 took the last state after the final norm, as the models' authors did; version 5 takes it before.
    normed_last = family == "wav2vec2-conformer" or changes.get("do_stable_layer_norm", False)
    same = torch.equal(returned.hidden_states[-1], returned.last_hidden_state)
    assert same == (not normed_last or transformers.__version__.startswith("4."))


@pytest.mark.parametrize(("family", "changes"), CASES)
def test_fewer_layers_are_the_same_layers_and_later_blocks_are_not_computed(tmp_path, family, changes, waveforms):
    write_model(tmp_path / "model", family, changes)
    whole = load_encoder(tmp_path / "model").encode(waveforms)
    part = load_encoder(tmp_path / "model", layers="0-1")
    part.model.network.encoder.layers[2].register_forward_pre_hook(lambda *_: pytest.fail("a later block was computed"))
    torch.testing.assert_close(part.encode(waveforms), whole[:, :2], rtol=0, atol=0)


@pytest.mark.parametrize(("family", "changes"), CASES)
def test_a_batch_gives_what_single_clips_give(tmp_path, family, changes, waveforms):
    write_model(tmp_path / "model", family, changes)
    encoder = load_encoder(tmp_path / "model")
    alone = torch.cat([encoder.encode(one[None]) for one in waveforms])
    torch.testing.assert_close(encoder.encode(waveforms), alone, rtol=0, atol=1e-4)


def test_normalisation_is_that_of_the_librarys_feature_extractor(tmp_path, waveforms):
    network = write_model(tmp_path / "model", "hubert", {})
    extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=16_000, do_normalize=True)
    inputs = extractor([one.numpy() for one in waveforms], sampling_rate=16_000, return_tensors="pt").input_values
    with torch.inference_mode():
        expected = network(inputs).last_hidden_state
    torch.testing.assert_close(load_encoder(tmp_path / "model").encode(waveforms)[:, -1], expected, rtol=0, atol=1e-4)


def test_rates_and_the_shortest_clip_follow_from_the_convolutions(tmp_path):
    write_model(tmp_path / "model", "hubert", {})
    encoder = load_encoder(tmp_path / "model")
    assert (encoder.sample_rate, encoder.frame_rate) == (16_000, 800.0)
    shortest = encoder.minimum_samples
    assert encoder.encode(torch.zeros(1, shortest)).shape[2] == 1
    with pytest.raises(RuntimeError):
        encoder.encode(torch.zeros(1, shortest - 1))


def test_heads_of_a_checkpoint_are_left_out(tmp_path, waveforms):
    write_model(tmp_path / "model", "hubert", {})
    expected = load_encoder(tmp_path / "model").encode(waveforms)
    path = tmp_path / "model" / "model.safetensors"
    with_head = {f"hubert.{name}": value for name, value in load_file(path).items()}
    save_file({**with_head, "lm_head.weight": torch.zeros(2, 2)}, path)
    torch.testing.assert_close(load_encoder(tmp_path / "model").encode(waveforms), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"feature_extractor_cqt": True}, "feature_extractor_cqt = True is not understood"),
        ({"deepnorm": True}, "deepnorm = True is not understood"),
    ],
)
def test_what_mert_can_but_this_project_cannot_is_refused_by_name(golden, tmp_path, change, words):
    copy = shutil.copytree(golden / "mert95-small", tmp_path / "mert", copy_function=shutil.copyfile)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelError, match=words):
        load_encoder(copy)


@pytest.mark.parametrize("name", ["preprocessor_config.json", "model.safetensors"])
def test_half_a_directory_is_refused(tmp_path, name):
    write_model(tmp_path / "model", "hubert", {})
    (tmp_path / "model" / name).unlink()
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        load_encoder(tmp_path / "model")


def test_a_missing_tensor_is_named(tmp_path):
    write_model(tmp_path / "model", "hubert", {})
    path = tmp_path / "model" / "model.safetensors"
    tensors = load_file(path)
    del tensors["encoder.layers.1.attention.k_proj.bias"]
    save_file(tensors, path)
    with pytest.raises(ModelError, match=r"'encoder\.layers\.1\.attention\.k_proj\.bias' is missing"):
        load_encoder(tmp_path / "model")


def test_without_the_library_the_message_names_the_extra(golden, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match=r"pip install 'layerscope\[hf\]'"):
        load_encoder(golden / "mert95-small")


def test_an_untrained_twin_has_its_sizes(golden):
    twin, again = (load_encoder(f"random:{golden / 'mert95-small'}") for _ in range(2))
    assert (twin.layers, twin.dim, twin.untrained) == ((0, 1, 2, 3), 48, True)
    assert twin.fingerprint == again.fingerprint != load_encoder(golden / "mert95-small").fingerprint


@pytest.mark.parametrize("family", ["wav2vec2", "wav2vec2-conformer", "wavlm", "data2vec-audio"])
def test_an_adapter_after_the_encoder_is_left_off(family, tmp_path, waveforms):
    """`add_adapter` shortens what comes after the encoder; the library's `hidden_states` are those before it."""
    network = write_model(tmp_path, family, {"add_adapter": True}, normalise=False)
    expected = network(waveforms, output_hidden_states=True).hidden_states
    found = load_encoder(tmp_path).encode(waveforms)
    assert found.shape[1] == 4
    for layer in range(3):
        torch.testing.assert_close(found[:, layer], expected[layer], atol=1e-5, rtol=1e-5)
    whole = network.encoder(network.feature_projection(network.feature_extractor(waveforms).transpose(1, 2))[0])
    torch.testing.assert_close(found[:, 3], whole.last_hidden_state, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_size": "x"}, "makes no model of it"),
        ({"hidden_size": -4}, "negative dimension"),
        ({"num_attention_heads": 5}, "divisible by num_heads"),
        ({"conv_stride": [5]}, "makes no model of it"),
        ({"conv_stride": [0, 0, 0]}, "expected whole numbers above 0|makes no model of it"),
        ({"hidden_act": "nope"}, "makes no model of it"),
        ({"conv_kernel": None}, "makes no model of it"),
        ({"num_hidden_layers": 10**9}, "a model has 1–1000 blocks"),
        ({"num_hidden_layers": 0}, "a model has 1–1000 blocks"),
        ({"model_type": ["wavlm"]}, "is not understood"),
    ],
)
def test_sizes_that_make_no_model_are_named_with_their_file(changes, words, tmp_path):
    write_model(tmp_path, "wav2vec2", {})
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(ModelError, match=rf"config\.json: .*{words}"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("name", ["mert95-small", "mert330-small"])
def test_attention_is_the_fused_one(golden, name, monkeypatch):
    calls = []
    fused = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional,
        "scaled_dot_product_attention",
        lambda *arguments, **named: calls.append(1) or fused(*arguments, **named),
    )
    load_encoder(golden / name).encode(torch.zeros(1, 24_000))
    assert len(calls) == 3  # a block each
