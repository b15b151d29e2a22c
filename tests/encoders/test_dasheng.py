import json

import librosa
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from layerscope.encoders import load_encoder
from layerscope.encoders.dasheng import DashengConfig, DashengModel
from layerscope.encoders.exported_encoder import cut_encoder, read_portable, write_portable
from layerscope.encoders.own_encoder import verify
from layerscope.errors import ModelError
from layerscope.features.windows import window_spans

#: Two seconds and a bit, where the published models take ten.
SMALL = {"embed_dim": 16, "depth": 2, "num_heads": 2, "target_length": 216, "patch_size": [64, 4],
         "patch_stride": [64, 4]}  # fmt: skip
MEL = {"f_min": 0, "sampling_rate": 16_000, "win_size": 512, "center": True, "n_fft": 512, "f_max": 8000,
       "hop_size": 160, "feature_size": 64, "padding_value": 0.0}  # fmt: skip
#: By dasheng 0.0.9: frame 3 of the first clip and frame 20 of the second, by layer, every fifth number.
EXPECTED = [
    [[0.32593, 0.32495, -1.3759, 1.41008], [-0.67359, 0.88314, -0.89696, 0.65295],
     [-0.12227, 0.18395, -0.15181, 0.054]],
    [[0.30965, 0.23791, -1.28301, 1.08466], [-0.69023, 0.79551, -0.80307, 0.32689],
     [-0.12081, 0.18414, -0.14821, 0.07073]],
]  # fmt: skip


def weights():
    """A number for every weight that follows from its place alone, under the names of published files."""
    sizes = {name: SMALL[name] for name in ("embed_dim", "depth", "num_heads", "target_length")}
    model = DashengModel(DashengConfig(**sizes))
    tensors = {}
    for number, (name, value) in enumerate(sorted(model.state_dict().items())):
        official = name.replace("init_bn.", "init_bn.1.").replace("layers.", "blocks.")
        if not value.is_floating_point():
            tensors[official] = value
            continue
        waves = torch.sin(0.7 * torch.arange(value.numel(), dtype=torch.float64) + number).view(value.shape)
        tensors[official] = (60 + 30 * waves if "running" in name else 0.2 * waves).float()
    return tensors


@pytest.fixture
def directory(tmp_path):
    place = tmp_path / "dasheng"
    place.mkdir()
    tensors = {f"encoder.{name}": value for name, value in weights().items()}
    save_file({**tensors, "outputlayer.1.bias": torch.zeros(3)}, place / "model.safetensors")
    (place / "config.json").write_text(json.dumps({"model_type": "dasheng", "name": None, "encoder_kwargs": SMALL}))
    (place / "preprocessor_config.json").write_text(
        json.dumps(MEL | {"feature_extractor_type": "DashengFeatureExtractor"})
    )
    return place


@pytest.fixture
def waveforms():
    places = torch.arange(16_000, dtype=torch.float64)
    times = places / 16_000
    tones = torch.stack([torch.sin(2 * np.pi * 500 * times * (1 + times)), 0.2 * torch.sin(2e4 * times**2)])
    # A floor of noise: the bands beside a pure tone hold only what rounding leaves, which differs among processors.
    return (tones + 0.01 * torch.sin(1.7 * places**2)).float()


def test_states_are_those_of_the_authors_package(directory, waveforms):
    """The package's own network, given these weights, and its front end."""
    package = pytest.importorskip(
        "dasheng.pretrained.pretrained", reason="dasheng is not installed", exc_type=ImportError
    )
    network = package.Dasheng(**SMALL).eval()
    front_end = {name: value for name, value in network.state_dict().items() if name.startswith("front_end.")}
    network.load_state_dict(weights() | front_end)
    kept = []
    network.blocks[0].register_forward_pre_hook(lambda _, arguments: kept.append(arguments[0]))
    network.blocks[0].register_forward_hook(lambda _, __, output: kept.append(output))
    with torch.inference_mode():
        # One by one: in a batch its front end hears a quiet clip by the range of the loudest.
        last = [network(one[None]) for one in waveforms]
    expected = [torch.cat(kept[0::2]), torch.cat(kept[1::2]), torch.cat(last)]
    states = load_encoder(directory).encode(waveforms)
    assert states.shape == (2, 3, 25, 16)
    for layer, state in enumerate(expected):
        torch.testing.assert_close(states[:, layer], state, rtol=0, atol=1e-4)


def test_states_are_the_numbers_that_the_authors_package_gave(directory, waveforms):
    states = load_encoder(directory).encode(waveforms)
    found = torch.stack([states[0, :, 3, ::5], states[1, :, 20, ::5]])
    torch.testing.assert_close(found, torch.tensor(EXPECTED), rtol=0, atol=1e-4)


def test_the_front_end_is_librosas_mel(directory):
    model = load_encoder(directory).model
    waveforms = 0.1 * torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0))
    mel = librosa.feature.melspectrogram(
        y=waveforms[0].numpy(), sr=16_000, n_fft=512, hop_length=160, n_mels=64, htk=True, norm=None, pad_mode="reflect"
    )
    expected = librosa.power_to_db(mel, ref=1.0, amin=1e-10, top_db=120)
    np.testing.assert_allclose(model.decibels(waveforms)[0].numpy(), expected, rtol=0, atol=1e-3)


def test_the_contract_is_kept(directory):
    for layers in (None, "0", "1-2"):
        verify(load_encoder(directory, layers=layers), "dasheng")
    encoder = load_encoder(directory)
    assert (encoder.sample_rate, encoder.frame_rate, encoder.layers) == (16_000, 25.0, (0, 1, 2))
    assert encoder.encode(torch.zeros(1, encoder.minimum_samples)).shape == (1, 3, 1, 16)


def test_the_longest(directory):
    encoder = load_encoder(directory)
    assert encoder.encode(torch.zeros(1, encoder.model.longest)).shape[2] == 54
    for seconds in (1.0, 1.1, 1.3, 2.2, 3.7):
        for first, stop in window_spans(round(seconds * 16_000), round(encoder.window * 16_000)):
            assert stop - first <= encoder.model.longest
    with pytest.raises(ModelError, match="choose a shorter --window"):
        encoder.encode(torch.zeros(1, encoder.model.longest + 1))


def test_the_exported_encoder_gives_the_same_states(directory, waveforms, tmp_path):
    encoder = load_encoder(directory)
    expected = encoder.encode(waveforms)[:, :2]
    (tmp_path / "out").mkdir()
    told = write_portable(cut_encoder(encoder, (0, 1)), tmp_path / "out")
    torch.testing.assert_close(read_portable(told, tmp_path / "out").encode(waveforms), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("config.json", {"encoder_kwargs": SMALL | {"pooling": "token"}}, "pooling = 'token' is not understood"),
        ("config.json", {"encoder_kwargs": SMALL | {"patch_size": [16, 16]}}, "patch_size = .* is not understood"),
        ("config.json", {"encoder_kwargs": SMALL | {"num_heads": 3}}, "heads divide the width"),
        ("config.json", {"encoder_kwargs": SMALL | {"depth": True}}, "'depth' = True"),
        ("preprocessor_config.json", {"hop_size": 320}, "hop_size = 320 is not understood"),
    ],
)
def test_what_is_not_computed_is_refused_by_name(directory, name, changes, words):
    path = directory / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ModelError, match=rf"{name.replace('.', '[.]')}: .*{words}"):
        load_encoder(directory)


def test_a_missing_tensor_is_named_and_the_twin_needs_none(directory):
    path = directory / "model.safetensors"
    tensors = load_file(path)
    del tensors["encoder.blocks.1.mlp.fc2.bias"]
    save_file(tensors, path)
    with pytest.raises(ModelError, match=r"'encoder\.layers\.1\.mlp\.fc2\.bias' is missing"):
        load_encoder(directory)
    path.unlink()
    assert load_encoder(f"random:{directory}").untrained
