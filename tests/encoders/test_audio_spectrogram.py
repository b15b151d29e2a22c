import pytest
import torch
import transformers

from layerscope.encoders import load_encoder
from layerscope.encoders.own_encoder import verify
from layerscope.errors import ModelError
from layerscope.features.windows import window_spans

#: A second and a bit, where the published model takes ten.
SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
         "max_length": 116, "num_mel_bins": 46}  # fmt: skip


@pytest.fixture
def directory(tmp_path):
    torch.manual_seed(0)
    network = transformers.ASTForAudioClassification(transformers.ASTConfig(**SMALL)).eval()
    network.save_pretrained(tmp_path / "ast-small")  # the library writes the names of the published files
    transformers.ASTFeatureExtractor(max_length=116, num_mel_bins=46).save_pretrained(tmp_path / "ast-small")
    return tmp_path / "ast-small"


def official(directory, waveforms):
    """The library's hidden states as frames: (batch, row, column, dim) without the class tokens, rows averaged."""
    network = transformers.ASTForAudioClassification.from_pretrained(directory).eval()
    extractor = transformers.ASTFeatureExtractor.from_pretrained(directory)
    features = extractor(list(waveforms.numpy()), sampling_rate=16_000, return_tensors="pt").input_values
    with torch.inference_mode():
        returned = network.audio_spectrogram_transformer(features, output_hidden_states=True)
    states = [*returned.hidden_states[:3], returned.last_hidden_state]
    return [state[:, 2:].view(len(waveforms), 4, 11, 32).mean(dim=1) for state in states]


def test_states_are_the_librarys_and_end_with_the_sound(directory):
    waveforms = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    encoder = load_encoder(directory)
    found = encoder.encode(waveforms)
    assert (encoder.sample_rate, encoder.frame_rate, encoder.layers) == (16_000, 10.0, (0, 1, 2, 3))
    assert found.shape == (2, 4, 9, 32)  # 98 mel frames hold nine patches of 16 at steps of ten
    for layer, state in enumerate(official(directory, waveforms)):
        torch.testing.assert_close(found[:, layer], state[:, :9], rtol=0, atol=1e-4)


def test_a_batch_gives_what_single_clips_give(directory):
    encoder = load_encoder(directory)
    waveforms = 0.1 * torch.randn(3, 12_345, generator=torch.Generator().manual_seed(1))
    alone = torch.cat([encoder.encode(one[None]) for one in waveforms])
    torch.testing.assert_close(encoder.encode(waveforms), alone, rtol=0, atol=1e-4)


def test_the_shortest_and_the_longest(directory):
    encoder = load_encoder(directory, layers="0-1")
    assert encoder.encode(torch.zeros(1, encoder.minimum_samples)).shape == (1, 2, 1, 32)
    for seconds in (1.0, 1.1, 1.3, 2.2, 3.7):
        for first, stop in window_spans(round(seconds * 16_000), round(encoder.window * 16_000)):
            assert stop - first <= encoder.model.longest
    with pytest.raises(ModelError, match="choose a shorter --window"):
        encoder.encode(torch.zeros(1, 40_000))


def test_one_that_takes_less_than_what_the_contract_is_checked_with_keeps_it(directory):
    verify(load_encoder(directory), "ast-small")  # as one for speech commands, of 1.28 s


def test_the_untrained_twin_needs_no_weights_and_a_missing_tensor_is_named(directory):
    from safetensors.torch import load_file, save_file

    tensors = load_file(directory / "model.safetensors")
    del tensors["audio_spectrogram_transformer.encoder.layer.1.output.dense.weight"]
    save_file(tensors, directory / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"layers\.1\.mlp\.fc2\.weight|layer\.1\.output\.dense\.weight"):
        load_encoder(directory)
    (directory / "model.safetensors").unlink()
    assert load_encoder(f"random:{directory}").untrained
