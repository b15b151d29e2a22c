import librosa
import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st

from layerscope.encoders.mel import HOP, N_FFT, SAMPLE_RATE, MelSpectrogram, hann_window, mel_filter_bank


def test_filter_bank_is_librosas():
    expected = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=128, htk=True, norm=None).T
    # Both are float32 roundings of the same float64 formula.
    np.testing.assert_allclose(mel_filter_bank().numpy(), expected, atol=1e-6)


def test_spectrogram_is_librosas():
    samples = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    power = librosa.feature.melspectrogram(
        y=samples, sr=SAMPLE_RATE, n_fft=N_FFT, hop_length=HOP, n_mels=128, htk=True, norm=None, pad_mode="reflect"
    )
    expected = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)[:, :-1]
    # In dB; librosa's FFT is of another library, and quiet bands lose digits.
    np.testing.assert_allclose(MelSpectrogram()(torch.from_numpy(samples)[None])[0], expected, atol=2e-3)


@given(st.integers(N_FFT // 2 + 1, 5000))
def test_number_of_frames(samples):
    assert MelSpectrogram()(torch.zeros(1, samples)).shape == (1, 128, samples // HOP)


def test_silence_is_the_floor():
    assert MelSpectrogram()(torch.zeros(1, 2400)).unique().tolist() == pytest.approx([-100.0])


def test_mel_is_float32_in_any_precision():
    samples = torch.randn(1, 4800, generator=torch.Generator().manual_seed(0))
    expected = MelSpectrogram()(samples)
    with torch.autocast("cpu", torch.bfloat16):
        mel = MelSpectrogram()(samples)
    torch.testing.assert_close(mel, expected, rtol=0, atol=0)


def test_the_window_is_the_rounded_one():
    # Of scipy, in double precision: torch's own is at times computed less exactly, and the fingerprint with it.
    expected = scipy.signal.windows.hann(2048, sym=False).astype(np.float32)
    np.testing.assert_allclose(hann_window(2048).numpy(), expected, rtol=0, atol=np.spacing(np.float32(0.5)))
