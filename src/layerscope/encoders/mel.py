"""The mel front end that MuQ and MusicFM share, by torch.stft and a filter bank made here.

Conventions: 24 kHz mono; 2048-sample periodic Hann window, hop 240 (100 Hz), centred with reflect padding;
power spectrum; 128 HTK mel bands from 0 to 12 kHz without area normalisation; ``10 log10(max(power, 1e-10))``;
the last frame is dropped, so that N samples give ``floor(N / 240)`` frames.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from layerscope.encoders.device import bfloat16_products

__all__ = [
    "HOP", "MEL_BINS", "N_FFT", "SAMPLE_RATE", "MelSpectrogram", "hann_window", "mel_decibels", "mel_filter_bank",
]  # fmt: skip

#: As in MuQ, MusicFM and MERT-v2, which is why one front end serves all three.
SAMPLE_RATE = 24_000
N_FFT = 2048
HOP = 240
MEL_BINS = 128
#: Of power: torchaudio's amin, with which the published models were trained. Silence is -100 dB.
FLOOR = 1e-10


def mel_filter_bank(bins: int = MEL_BINS, n_fft: int = N_FFT, sample_rate: int = SAMPLE_RATE) -> Tensor:
    """Return triangular filters on the HTK mel scale, from 0 Hz to half the sample rate.

    The scale is ``mel = 2595 log10(1 + f / 700)`` (Young et al., The HTK Book, eq. 5.13); peaks are 1.

    Returns
    -------
    Tensor, shape (n_fft // 2 + 1, bins), float32

    Examples
    --------
    >>> filters = mel_filter_bank()
    >>> tuple(filters.shape), bool(filters.max() <= 1)
    ((1025, 128), True)
    """
    nyquist = sample_rate / 2
    # In double precision, rounded once at the end: slopes are differences of close numbers.
    frequencies = torch.linspace(0, nyquist, n_fft // 2 + 1, dtype=torch.float64)
    mels = torch.linspace(0, 2595.0 * math.log10(1.0 + nyquist / 700.0), bins + 2, dtype=torch.float64)
    edges = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    width = edges.diff()
    offset = edges[None, :] - frequencies[:, None]
    rising = -offset[:, :-2] / width[:-1]
    falling = offset[:, 2:] / width[1:]
    # The lower of two slopes is the triangle; outside of it that is negative.
    return torch.minimum(rising, falling).clamp(min=0).float()


def hann_window(length: int) -> Tensor:
    """Return a periodic Hann window, float32.

    Examples
    --------
    >>> bool(torch.allclose(hann_window(2048), torch.hann_window(2048), atol=1e-4))
    True
    """
    # By NumPy: torch's cosine is shared out among threads, of which one in some hundred processes computes it less
    # exactly (by 8e-5: MKL chooses how at the first call, in each thread), and the network's fingerprint is another.
    return torch.tensor(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length), dtype=torch.float32)


class MelSpectrogram(nn.Module):
    """Waveforms to mel bands in decibels.

    The window and the filters are buffers, since a checkpoint may bring its own.
    """

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Periodic; MusicFM's files bring the window they were trained with.
        self.register_buffer("window", hann_window(N_FFT))
        self.register_buffer("filters", mel_filter_bank())

    def forward(self, waveforms: Tensor) -> Tensor:
        """Map (batch, samples) to (batch, mel, frame), in dB relative to 1.0, float32."""
        # Whatever the precision of the network: power spans more digits than bfloat16 has.
        with bfloat16_products(waveforms.device, allowed=False):
            return self.decibels(waveforms.float())

    def decibels(self, waveforms: Tensor) -> Tensor:
        """See `forward`."""
        spectrum = torch.stft(waveforms, N_FFT, HOP, window=self.window, center=True, pad_mode="reflect",
                              return_complex=True)  # fmt: skip
        # Without the root of a magnitude, which the square would undo.
        return mel_decibels(spectrum.real.square() + spectrum.imag.square(), self.filters)


def mel_decibels(power: Tensor, filters: Tensor) -> Tensor:
    """Return the mel bands of a power spectrum, (batch, frequency, frame), in dB relative to 1.0."""
    decibels: Tensor = 10.0 * torch.log10((filters.T @ power).clamp(min=FLOOR))
    # Centred frames are one more than there are hops; the published models leave the last out.
    return decibels[..., :-1]
