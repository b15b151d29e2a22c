"""MuQ-MuLan's audio tower is MuQ: what is read from a file in its layout is held to the states of MuQ's own code."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from layerscope.encoders import load_encoder
from layerscope.encoders.own_encoder import verify
from layerscope.errors import ModelError

#: As the published config.json is made: five parts, none with the sizes of the MuQ that it names.
CONFIG = {
    "mulan": {"sr": 24_000, "clip_secs": 10, "dim_latent": 512},
    "audio_model": {"name": "OpenMuQ/MuQ-large-msd-iter", "model_dim": 1024, "use_layer_idx": -1},
    "text_model": {"name": "xlm-roberta-base", "model_dim": None, "use_layer_idx": -1},
    "audio_transformer": {"dim": 768, "tf_depth": 8},
    "text_transformer": {"dim": 768, "tf_depth": 8},
}


@pytest.fixture
def mulan(golden, tmp_path):
    tower = {
        f"mulan.audio.model.{name}": value for name, value in load_file(golden / "muq-small/model.safetensors").items()
    }
    others = ("mulan.audio.proj.weight", "mulan.audio.aggregator.bias", "mulan.text.model.pooler.dense.weight")
    directory = tmp_path / "mulan"
    directory.mkdir()
    torch.save({**tower, **{name: torch.zeros(2, 2) for name in others}}, directory / "pytorch_model.bin")
    (directory / "config.json").write_text(json.dumps(CONFIG))
    return directory


def test_the_tower_gives_the_states_of_muqs_own_code(golden, mulan):
    expected = load_file(golden / "muq-small" / "expected.safetensors")
    encoder = load_encoder(mulan)
    states = encoder.encode(expected["waveforms"])
    assert (encoder.layers, encoder.sample_rate, encoder.frame_rate) == ((0, 1, 2, 3), 24_000, 25.0)
    assert encoder.window == 10.0
    assert states.shape == expected["hidden_states"].shape
    assert (states - expected["hidden_states"]).abs().max() <= 1e-4
    verify(encoder, "mulan")


def test_the_twin_has_the_same_sizes_and_window(mulan):
    twin = load_encoder(f"random:{mulan}")
    assert (twin.layers, twin.dim, twin.window, twin.untrained) == ((0, 1, 2, 3), 64, 10.0, True)


def test_a_tower_that_is_not_muq_is_refused_by_name(mulan):
    config = CONFIG | {"audio_model": {"name": "m-a-p/MERT-v1-330M"}}
    (mulan / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"name = 'm-a-p/MERT-v1-330M' is not understood"):
        load_encoder(mulan)


def test_a_missing_tensor_of_the_tower_is_named(mulan):
    tensors = torch.load(mulan / "pytorch_model.bin")
    del tensors["mulan.audio.model.model.conformer.layers.1.ffn1.output_dense.bias"]
    save_file(tensors, mulan / "model.safetensors")
    with pytest.raises(ModelError, match=r"'model\.conformer\.layers\.1\.ffn1\.output_dense\.bias' is missing"):
        load_encoder(mulan)
