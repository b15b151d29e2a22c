"""What can be said of a layer without labels: how it fills its space, how it moves, and what it does not mind."""

from __future__ import annotations

from collections.abc import Callable

import librosa
import numpy as np
import torch
from numpy.typing import NDArray

from layerscope.encoders import Encoder
from layerscope.similarity.frame_sums import ViewSums
from layerscope.similarity.time_reach import states_of

__all__ = ["CHANGES", "SCORES", "geometry", "robustness"]

Samples = NDArray[np.float32]

#: name → what it is, for tables and pages
SCORES = {
    "effective_rank": "effective rank: exp of the entropy of the singular values (Roy & Vetterli 2007)",
    "participation_ratio": "participation ratio: (Σ variance)² / Σ variance², over principal directions",
    "anisotropy": "anisotropy: mean cosine of two frames of different clips (Ethayarajh 2019)",
    "smoothness": "smoothness: correlation of a frame with the next one",
    "robustness_gain": "robustness to 12 dB less gain: correlation of the states before and after",
    "robustness_noise": "robustness to white noise at 20 dB below the sound",
    "robustness_pitch": "robustness to a shift up by one semitone",
}


def geometry(sums: ViewSums) -> dict[str, float]:
    """Return the scores of one view that follow from its sums.

    Parameters
    ----------
    sums : ViewSums
        Of this view alone, at least two clips.

    Returns
    -------
    dict of str to float
        ``effective_rank`` and ``participation_ratio`` in [1, dim], 0 for a constant view; ``anisotropy`` in
        [-1/(n-1), 1], 1 where all frames point the same way; ``smoothness`` at most 1, 0 where successive frames
        differ as much as any two.
    """
    # Rounding leaves tiny negative eigenvalues.
    variances = np.linalg.eigvalsh(sums.covariance(0, 0)).clip(min=0)
    spread, n = variances.sum(), sums.clips
    scores = {
        "effective_rank": 0.0,
        "participation_ratio": 0.0,
        # Squared sum less each clip with itself: the sum over pairs of different clips.
        "anisotropy": float((sums.directions @ sums.directions - sums.direction_lengths[0]) / (n * (n - 1))),
        "smoothness": float("nan"),
    }
    if spread > 0:
        # The entropy is of singular values of the data: roots of the variances.
        sizes = np.sqrt(variances)
        shares = sizes[sizes > 0] / sizes.sum()
        scores["effective_rank"] = float(np.exp(-(shares * np.log(shares)).sum()))
        scores["participation_ratio"] = float(spread**2 / np.square(variances).sum())
        if sums.stepped[0]:
            # The mean squared distance of two unrelated frames is twice the variance.
            scores["smoothness"] = float(1 - sums.steps[0] / sums.stepped[0] / (2 * spread))
    return scores


def quieter(samples: Samples, sample_rate: int) -> Samples:  # noqa: ARG001 - all changes are called alike
    """Return the sound 12 dB lower."""
    return samples * np.float32(10 ** (-12 / 20))


def noisier(samples: Samples, sample_rate: int) -> Samples:  # noqa: ARG001
    """Return the sound with white noise 20 dB below it."""
    loudness = float(np.sqrt(np.mean(np.square(samples))))
    # A tenth of the root mean square is 20 dB below it; the seed is fixed, so that a comparison repeats.
    noise = np.random.default_rng(0).normal(0, 0.1 * loudness, samples.shape)
    return samples + noise.astype(np.float32)


def higher(samples: Samples, sample_rate: int) -> Samples:
    """Return the sound one semitone up, as long as before."""
    # The resampler that decoding uses as well.
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
    before = [layers_of(encoder, window) for window in windows]
    scores = {name: np.zeros(len(encoder.layers)) for name in CHANGES}
    changed = {
        name: [layers_of(encoder, change(window, encoder.sample_rate)) for window in windows]
        for name, change in CHANGES.items()
    }
    for position in range(len(encoder.layers)):
        plain = [layers[position] for layers in before]
        frames = torch.cat(plain)
        variance = (frames - frames.mean(dim=0)).square().sum(dim=1).mean()
        for name, layers in changed.items():
            moved = sum((after[position] - state).square().sum() for after, state in zip(layers, plain, strict=True))
            scores[name][position] = float(1 - moved / len(frames) / (2 * variance))
    return scores


def layers_of(encoder: Encoder, window: Samples) -> list[torch.Tensor]:
    """Return the states of a stretch of sound, (frame, width) float64 for each layer."""
    return [layer[0] for layer in states_of(encoder, window[None], "changed sound")]
