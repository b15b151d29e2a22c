"""What can be said of a layer without labels: how it fills its space, how it moves, and what it does not mind."""

from __future__ import annotations

from collections.abc import Callable

import librosa
import numpy as np
import torch
from numpy.typing import NDArray

from layerscope.encoders import Encoder
from layerscope.similarity.frame_sums import ViewMoments

__all__ = ["CHANGES", "SCORES", "geometry", "robustness"]

Samples = NDArray[np.float32]

#: name → what it is, for tables and pages
SCORES = {
    "effective_rank": "effective rank: exp of the entropy of the singular values (Roy & Vetterli 2007)",
    "participation_ratio": "participation ratio: (Σ variance)² / Σ variance², over principal directions",
    "anisotropy": "anisotropy: mean cosine of two random frames (Ethayarajh 2019)",
    "smoothness": "smoothness: correlation of a frame with the next one",
    "robustness_gain": "robustness to 12 dB less gain: correlation of the states before and after",
    "robustness_noise": "robustness to white noise at 20 dB below the sound",
    "robustness_pitch": "robustness to a shift up by one semitone",
}


def geometry(moments: ViewMoments) -> dict[str, float]:
    """Return the scores of one view that follow from its moments.

    Parameters
    ----------
    moments : ViewMoments
        Of this view alone, at least two frames.

    Returns
    -------
    dict of str to float
        ``effective_rank`` and ``participation_ratio`` in [1, dim], 0 for a constant view; ``anisotropy`` in
        [-1/(n-1), 1], 1 where all frames point the same way; ``smoothness`` at most 1, 0 where successive frames
        differ as much as any two.
    """
    variances = np.linalg.eigvalsh(moments.covariance(0, 0)).clip(min=0)
    spread = variances.sum()
    n = moments.count
    found = {
        "effective_rank": 0.0,
        "participation_ratio": 0.0,
        "anisotropy": float((moments.directions @ moments.directions - n) / (n * (n - 1))),
        "smoothness": float("nan"),
    }
    if spread > 0:
        sizes = np.sqrt(variances)
        shares = sizes[sizes > 0] / sizes.sum()
        found["effective_rank"] = float(np.exp(-(shares * np.log(shares)).sum()))
        found["participation_ratio"] = float(spread**2 / np.square(variances).sum())
        if moments.pairs:
            found["smoothness"] = float(1 - moments.steps[0] / moments.pairs / (2 * spread))
    return found


def quieter(samples: Samples, sample_rate: int) -> Samples:  # noqa: ARG001 - all changes are called alike
    """Return the sound 12 dB lower."""
    return samples * np.float32(10 ** (-12 / 20))


def noisier(samples: Samples, sample_rate: int) -> Samples:  # noqa: ARG001
    """Return the sound with white noise 20 dB below it."""
    loudness = float(np.sqrt(np.mean(np.square(samples))))
    noise = np.random.default_rng(0).normal(0, 0.1 * loudness, samples.shape)
    return samples + noise.astype(np.float32)


def higher(samples: Samples, sample_rate: int) -> Samples:
    """Return the sound one semitone up, as long as before."""
    shifted: Samples = librosa.effects.pitch_shift(samples, sr=sample_rate, n_steps=1.0, res_type="soxr_hq")
    return shifted.astype(np.float32)


CHANGES: dict[str, Callable[[Samples, int], Samples]] = {
    "robustness_gain": quieter,
    "robustness_noise": noisier,
    "robustness_pitch": higher,
}


def robustness(encoder: Encoder, windows: list[Samples]) -> dict[str, NDArray[np.float64]]:
    """Return how little each layer minds that the sound is changed.

    Parameters
    ----------
    encoder : Encoder
        Which.
    windows : list of ndarray, each (samples,)
        A few stretches of sound, each encoded as it is and after each change of `CHANGES`.

    Returns
    -------
    dict of str to ndarray, shape (layer,)
        ``1 - E|x - x'|² / (2 V)`` with V the variance of the states: the correlation of states before and after,
        at most 1; 0 where the change moves a frame as far as another frame is away.
    """
    plain = [encoder.encode(torch.from_numpy(window[None]))[0] for window in windows]
    every = torch.cat(plain, dim=1).double()
    variance = (every - every.mean(dim=1, keepdim=True)).square().sum(dim=2).mean(dim=1)
    frames = every.shape[1]
    found = {}
    for name, change in CHANGES.items():
        moved = torch.zeros(len(encoder.layers), dtype=torch.float64)
        for window, before in zip(windows, plain, strict=True):
            after = encoder.encode(torch.from_numpy(change(window, encoder.sample_rate)[None]))[0]
            moved += (after.double() - before.double()).square().sum(dim=(1, 2))
        found[name] = (1 - moved / frames / (2 * variance)).numpy()
    return found
