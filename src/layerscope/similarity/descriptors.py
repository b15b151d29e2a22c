"""Descriptors of the sound that layers are held against, at the rate of the frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerscope.encoders import BASELINES, Encoder
from layerscope.encoders.encoder import fingerprint_of, source_digest
from layerscope.encoders.mel import HOP, MEL_BINS, SAMPLE_RATE
from layerscope.encoders.plain_features import Baseline, mel

__all__ = ["DESCRIPTORS", "descriptor"]

Samples = NDArray[np.float32]
#: Frames a second of mel, from which the last two come.
RATE = SAMPLE_RATE // HOP


def onset(samples: Samples) -> Samples:
    """Return the onset strength, (frame, 1): the mean rise of mel bands in dB (spectral flux: Bello et al. 2005)."""
    bands = mel(samples[None])[0]
    # Only rises: a band that dies away is no onset. The first frame rises by nothing, so that the count stays.
    rise = np.diff(bands, axis=0, prepend=bands[:1]).clip(min=0)
    strength: Samples = rise.mean(axis=1, keepdims=True)
    return strength


def loudness(samples: Samples) -> Samples:
    """Return the loudness, (frame, 1): the power of all mel bands in dB."""
    # Back to power before summing: decibels do not add up.
    power = np.power(10.0, mel(samples[None])[0] / 10).sum(axis=1, keepdims=True)
    return np.asarray(10 * np.log10(power), dtype=np.float32)


class Descriptor(Encoder):
    """A descriptor that follows from mel, as an encoder with one layer.

    Parameters
    ----------
    name : str
        What tables call it.
    compute : callable
        Maps samples to (frame, 1).
    """

    sample_rate = SAMPLE_RATE
    frame_rate = float(RATE)
    layers = (0,)
    baseline = True
    dim = 1

    def __init__(self, name: str, compute: Callable[[Samples], Samples]) -> None:
        self.name = name
        self.fingerprint = fingerprint_of(
            {
                "descriptor": name,
                "source": source_digest(__name__, "layerscope.encoders.plain_features", "layerscope.encoders.mel"),
            }
        )
        self.compute = compute

    def encode(self, waveforms: Tensor) -> Tensor:
        """See `Encoder.encode`."""
        return torch.from_numpy(np.stack([self.compute(samples) for samples in waveforms.numpy()])[:, None])


#: name → width
DESCRIPTORS = {"mel": MEL_BINS, **{name: BASELINES[name][1] for name in ("mfcc", "chroma", "cqt")},
               "onset strength": 1, "loudness": 1}  # fmt: skip


def descriptor(name: str) -> Encoder:
    """Return a descriptor of the sound as an encoder with one layer."""
    own = {"onset strength": onset, "loudness": loudness}
    return Descriptor(name, own[name]) if name in own else Baseline(name)
