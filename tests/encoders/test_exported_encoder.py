"""An encoder that was cut, written and read again gives the states of the whole one, whatever its family."""

import pytest
import torch
import transformers
from test_huggingface import CASES, write_model
from test_own_encoder import Own
from test_whisper import SECONDS, SMALL

from layerscope.encoders import load_encoder
from layerscope.encoders.exported_encoder import cut_encoder, read_portable, write_portable
from layerscope.errors import ModelError

WAVEFORMS = 0.1 * torch.randn(2, 24_000, generator=torch.Generator().manual_seed(0))


def round_trip(source, layers, directory):
    """States of some layers by the whole encoder, and by what is left of it on disk."""
    expected = load_encoder(source, layers=",".join(map(str, layers))).encode(WAVEFORMS)
    told = write_portable(cut_encoder(load_encoder(source), layers), directory)
    found = read_portable(told, directory)
    assert found.layers == layers
    return expected, found.encode(WAVEFORMS)


@pytest.mark.parametrize("name", ["muq-small", "mert2-small", "mert95-small", "mert330-small"])
@pytest.mark.parametrize("layers", [(0,), (2,), (0, 1), (3,)])
def test_golden_encoders(golden, name, layers, tmp_path):
    expected, found = round_trip(golden / name, layers, tmp_path)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_musicfm_keeps_its_own_window(golden, tmp_path):
    whole = load_encoder(golden / "musicfm-small", num_heads=4)
    expected = whole.encode(WAVEFORMS)[:, 1:2]
    told = write_portable(cut_encoder(whole, (1,)), tmp_path)
    torch.testing.assert_close(read_portable(told, tmp_path).encode(WAVEFORMS), expected, rtol=0, atol=0)


@pytest.mark.parametrize(("family", "changes"), CASES)
def test_encoders_of_the_library(family, changes, tmp_path):
    (source := tmp_path / "source").mkdir()
    write_model(source, family, changes)
    expected, found = round_trip(source, (1,), tmp_path / "use")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_whisper(tmp_path):
    torch.manual_seed(0)
    transformers.WhisperModel(transformers.WhisperConfig(**SMALL)).save_pretrained(tmp_path / "source")
    transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=SECONDS).save_pretrained(tmp_path / "source")
    expected, found = round_trip(tmp_path / "source", (2,), tmp_path / "use")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_a_plain_feature_is_its_name(tmp_path):
    told = write_portable(load_encoder("mel"), tmp_path)
    assert list(tmp_path.iterdir()) == []
    torch.testing.assert_close(read_portable(told, tmp_path).encode(WAVEFORMS), load_encoder("mel").encode(WAVEFORMS))
    with pytest.raises(ModelError, match="does not have"):
        read_portable({**told, "name": "bark"}, tmp_path)


def test_code_is_not_copied(tmp_path):
    with pytest.raises(ModelError, match="export with --no-weights"):
        write_portable(Own(), tmp_path)


def test_a_file_that_does_not_fit_is_named(golden, tmp_path):
    told = write_portable(cut_encoder(load_encoder(golden / "muq-small"), (1,)), tmp_path)
    with pytest.raises(ModelError, match=r"encoder\.safetensors"):
        read_portable({**told, "layers": [2]}, tmp_path)
    with pytest.raises(ModelError, match="'quartz' is not known"):
        read_portable({**told, "family": "quartz"}, tmp_path)
