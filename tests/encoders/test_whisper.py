import json

import pytest
import torch
import transformers

from layerscope.encoders import load_encoder
from layerscope.errors import ModelError
from layerscope.features.windows import window_spans

SMALL = {"d_model": 32, "encoder_layers": 3, "encoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_layers": 1,
         "decoder_attention_heads": 4, "decoder_ffn_dim": 32, "num_mel_bins": 20, "vocab_size": 50,
         "max_source_positions": 100, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3,
         "decoder_start_token_id": 2}  # fmt: skip
#: Two seconds, where the published models take thirty.
SECONDS = 2


@pytest.fixture
def directory(tmp_path):
    torch.manual_seed(0)
    network = transformers.WhisperForConditionalGeneration(transformers.WhisperConfig(**SMALL)).eval()
    network.save_pretrained(tmp_path / "whisper-small")
    extractor = transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=SECONDS)
    extractor.save_pretrained(tmp_path / "whisper-small")
    return tmp_path / "whisper-small"


def official(directory, waveforms):
    network = transformers.WhisperForConditionalGeneration.from_pretrained(directory).eval()
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(directory)
    features = extractor(list(waveforms.numpy()), sampling_rate=16_000, return_tensors="pt").input_features
    with torch.inference_mode():
        return network.model.encoder(features, output_hidden_states=True)


def test_states_are_the_librarys_and_end_with_the_sound(directory):
    waveforms = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    encoder = load_encoder(directory)
    found = encoder.encode(waveforms)
    assert (encoder.sample_rate, encoder.frame_rate, encoder.layers) == (16_000, 50.0, (0, 1, 2, 3))
    assert found.shape == (2, 4, 50, 32)
    returned = official(directory, waveforms)
    assert len(returned.hidden_states) == 4
    for layer in range(3):
        torch.testing.assert_close(found[:, layer], returned.hidden_states[layer][:, :50], rtol=0, atol=1e-4)
    torch.testing.assert_close(found[:, 3], returned.last_hidden_state[:, :50], rtol=0, atol=1e-4)


def test_a_batch_gives_what_single_clips_give(directory):
    encoder = load_encoder(directory)
    waveforms = 0.1 * torch.randn(3, 20_000, generator=torch.Generator().manual_seed(1))
    alone = torch.cat([encoder.encode(one[None]) for one in waveforms])
    torch.testing.assert_close(encoder.encode(waveforms), alone, rtol=0, atol=1e-4)


def test_later_blocks_are_not_computed(directory):
    part = load_encoder(directory, layers="0-1")
    part.model.network.layers[2].register_forward_pre_hook(lambda *_: pytest.fail("a later block was computed"))
    assert part.encode(torch.zeros(1, 8000)).shape == (1, 2, 25, 32)


def test_what_is_too_long_is_refused_in_words(directory):
    with pytest.raises(ModelError, match=r"takes 2 s at most, not 2\.50 s; choose a shorter --window"):
        load_encoder(directory).encode(torch.zeros(1, 40_000))


def test_a_tensor_that_is_missing_is_named(directory):
    from safetensors.torch import load_file, save_file

    tensors = load_file(directory / "model.safetensors")
    del tensors["model.encoder.layers.1.fc1.weight"]
    save_file(tensors, directory / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"layers\.1\.fc1\.weight"):
        load_encoder(directory)


def test_the_untrained_twin_needs_no_weights(directory):
    (directory / "model.safetensors").unlink()
    twin = load_encoder(f"random:{directory}")
    assert twin.untrained
    assert json.loads((directory / "config.json").read_text())["model_type"] == "whisper"


def test_no_window_that_a_study_cuts_is_too_long(directory):
    encoder = load_encoder(directory)
    rate = encoder.sample_rate
    for seconds in (1.9, 2.0, 2.1, 3.7, 4.0, 5.9):
        for first, stop in window_spans(round(seconds * rate), round(encoder.window * rate)):
            assert stop - first <= SECONDS * rate
