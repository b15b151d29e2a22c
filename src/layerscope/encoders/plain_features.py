"""Plain features, as encoders with one layer and no training: what a model must beat.

All at 24 kHz. Mel, MFCC and CQT are in decibels (chroma is a share), because loudness and what is heard grow
with the logarithm of power: a baseline that loses for want of a logarithm would flatter the models.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.metadata import version

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerscope.encoders.encoder import Encoder, fingerprint_of, source_digest
from layerscope.encoders.mel import HOP, MEL_BINS, SAMPLE_RATE, MelSpectrogram

__all__ = ["BASELINES", "Baseline", "mel"]

Samples = NDArray[np.float32]

#: 50 Hz, the rate of MARBLE v1's handcrafted features.
SLOW_HOP = SAMPLE_RATE // 50
#: C1 in Hz, where A4 is 440.
LOWEST_C = 32.703195662574764
#: Of magnitudes, librosa's own; its square is the floor of mel.
FLOOR = 1e-5


def mel(windows: Samples) -> Samples:
    """Return 128 mel bands in dB, (window, frame, 128): the very input of MuQ and MusicFM."""
    bands: Samples = MelSpectrogram()(torch.from_numpy(windows)).mT.numpy()
    return bands


def mfcc(windows: Samples) -> Samples:
    """Return 20 mel-frequency cepstral coefficients, (window, frame, 20).

    Examples
    --------
    >>> mfcc(np.zeros((2, 24_000), np.float32)).shape
    (2, 51, 20)
    """
    # Together, because librosa computes the filters of mel anew at every call.
    powers = librosa.feature.melspectrogram(y=windows, sr=SAMPLE_RATE, hop_length=SLOW_HOP)
    # One by one, because it cuts decibels off below the maximum of all that it is given.
    return np.stack([librosa.feature.mfcc(S=librosa.power_to_db(power), n_mfcc=20).T for power in powers])


def chroma(windows: Samples) -> Samples:
    """Return 12 pitch classes from the constant-Q transform, (window, frame, 12), the loudest of a frame being 1."""
    # Tuning is given, because librosa would estimate one for all windows of a call together.
    classes: Samples = librosa.feature.chroma_cqt(y=windows, sr=SAMPLE_RATE, hop_length=SLOW_HOP, tuning=0.0)
    return classes.swapaxes(1, 2)


def cqt(windows: Samples) -> Samples:
    """Return 336 constant-Q bins in dB, (window, frame, 336): 48 an octave, seven octaves up from C1."""
    magnitude = np.abs(
        librosa.cqt(windows, sr=SAMPLE_RATE, hop_length=SLOW_HOP, fmin=LOWEST_C, n_bins=336, bins_per_octave=48)
    )
    # No top_db: it counts from the maximum of all windows, so that one would depend on the others.
    decibels: Samples = librosa.amplitude_to_db(magnitude, ref=1.0, amin=FLOOR, top_db=None)
    return decibels.swapaxes(1, 2)


class Baseline(Encoder):
    """One plain feature.

    Parameters
    ----------
    name : str
        Which, a key of `BASELINES`.

    Examples
    --------
    >>> chroma = Baseline("chroma")
    >>> tone = torch.sin(2 * torch.pi * 440 * torch.arange(24_000) / 24_000)
    >>> states = chroma.encode(tone[None])                        # (batch, layer, frame, dim)
    >>> "C C# D D# E F F# G G# A A# B".split()[int(states.mean(dim=2).argmax())]
    'A'
    """

    sample_rate = SAMPLE_RATE
    layers = (0,)
    baseline = True
    device = "cpu"

    def __init__(self, name: str) -> None:
        self.name = name
        self.compute, self.dim, hop = BASELINES[name]
        self.frame_rate = SAMPLE_RATE / hop
        self.fingerprint = fingerprint_of(
            {
                "baseline": name,
                "librosa": version("librosa"),
                "source": source_digest(__name__, "layerscope.encoders.mel"),
            }
        )

    def encode(self, waveforms: Tensor) -> Tensor:
        """See `Encoder.encode`; the layer axis has one entry."""
        with warnings.catch_warnings():
            # A clip shorter than the lowest filter is padded with silence, which is what is wanted here.
            warnings.filterwarnings("ignore", message="n_fft=.* is too large for input signal")
            # Silence has no pitch to estimate; its chroma is zero.
            warnings.filterwarnings("ignore", message="Trying to estimate tuning from empty frequency set")
            # A batch at a time, because librosa computes the filters of the constant-Q transform anew at every call.
            frames = self.compute(waveforms.numpy())
        return torch.from_numpy(frames[:, None].astype(np.float32))

    def official_name(self, layer: int) -> str:  # noqa: ARG002 - a baseline has one layer
        """Return the name of the feature."""
        return self.name


#: name → (function, width, hop in samples)
BASELINES: dict[str, tuple[Callable[[Samples], Samples], int, int]] = {
    "mel": (mel, MEL_BINS, HOP),
    "mfcc": (mfcc, 20, SLOW_HOP),
    "chroma": (chroma, 12, SLOW_HOP),
    "cqt": (cqt, 336, SLOW_HOP),
}
