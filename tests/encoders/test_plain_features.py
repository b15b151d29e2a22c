import librosa
import numpy as np
import pytest
import torch

from layerscope.encoders import BASELINES, load_encoder


def tone(frequency, seconds=1.0):
    return torch.sin(2 * torch.pi * frequency * torch.arange(int(seconds * 24_000)) / 24_000)[None]


@pytest.mark.parametrize(
    ("name", "dim", "rate"), [("mel", 128, 100), ("mfcc", 20, 50), ("chroma", 12, 50), ("cqt", 336, 50)]
)
def test_shapes_and_rates(name, dim, rate):
    encoder = load_encoder(name)
    states = encoder.encode(tone(440.0, 2.0))
    assert (encoder.dim, encoder.frame_rate, encoder.layers, encoder.baseline) == (dim, rate, (0,), True)
    assert states.dtype == torch.float32
    assert states.shape[:2] == (1, 1)
    assert states.shape[3] == dim
    assert abs(states.shape[2] - 2 * rate) <= 1


def test_mfcc_is_librosas():
    samples = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    expected = librosa.feature.mfcc(y=samples, sr=24_000, n_mfcc=20, hop_length=480).T
    np.testing.assert_array_equal(load_encoder("mfcc").encode(torch.from_numpy(samples)[None])[0, 0], expected)


@pytest.mark.parametrize("name", BASELINES)
def test_a_window_does_not_depend_on_its_neighbours(name):
    # A loud neighbour would raise the floor of decibels that are cut off below the maximum.
    quiet, loud = 1e-3 * tone(440.0), 0.9 * tone(1000.0)
    together = load_encoder(name).encode(torch.cat([quiet, loud]))
    alone = load_encoder(name).encode(quiet)[0]
    # Chroma sums its bins in another order: float32 rounding of values up to 1.
    torch.testing.assert_close(together[0], alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("frequency", "pitch_class"), [(261.63, 0), (440.0, 9), (493.88, 11)])
def test_chroma_and_cqt_hear_the_pitch(frequency, pitch_class):
    chroma = load_encoder("chroma").encode(tone(frequency))[0, 0].mean(0)
    assert int(chroma.argmax()) == pitch_class
    cqt = load_encoder("cqt").encode(tone(frequency))[0, 0].mean(0)
    assert round(int(cqt.argmax()) / 4) % 12 == pitch_class


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("samples", [1025, 1200, 24_000])
def test_silence_and_short_clips_are_finite(name, samples):
    assert torch.isfinite(load_encoder(name).encode(torch.zeros(1, samples))).all()


def test_fingerprints_differ():
    assert len({load_encoder(name).fingerprint for name in BASELINES}) == len(BASELINES)
