"""Which frames of which clips are kept for comparisons: few enough for any disk, and the same for every encoder.

The frames of a clip have an order that follows from its key alone, and a clip keeps the first of them. How many depends
on the audio of the study: halved until all clips together stay within a budget. What a larger study keeps of a clip is
therefore the beginning of what a smaller one keeps, and a comparison is the same whichever command came before it.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.features.windows import frame_count

__all__ = ["FRAMES_A_CLIP", "sampled_frames", "sampled_of_clips"]

#: Frames of a clip at most, so that no long one dominates.
FRAMES_A_CLIP = 100
#: Of a model: 56,000 frames of 13 layers of 1,024 in float16, where CCA of that width is fitted on half of 20,480.
SAMPLE_BYTES = 1.5e9


def sampled_of_clips(clips: pd.DataFrame, width: int, most: int = FRAMES_A_CLIP) -> dict[str, int]:
    """Return how many frames of each distinct clip are kept.

    Parameters
    ----------
    clips : DataFrame
        Columns ``clip_key``, ``clip_seconds``.
    width : int
        Of all layers of the encoder together.
    most : int
        Frames of a clip.
    """
    distinct = clips.drop_duplicates("clip_key")
    wanted = np.array([min(most, frame_count(seconds)) for seconds in distinct.clip_seconds])
    # Two bytes a number: float16. Scales and frame numbers are small beside it.
    budget = SAMPLE_BYTES / (2 * width)
    share = 1.0
    # Halved, not scaled exactly, so that studies of like sizes keep the same frames (docs/decisions.md).
    while wanted.sum() * share > budget:
        share /= 2
    # Rounded up or down by chance that the clip's key decides, so that clips too many for a frame each take turns.
    chances = np.array([int.from_bytes(digest_of(key)[:4]) / 2**32 for key in distinct.clip_key])
    counts = np.floor(wanted * share + chances).astype(int)
    return dict(zip(distinct.clip_key, counts.tolist(), strict=True))


def sampled_frames(key: str, frames: int, count: int) -> NDArray[np.int64]:
    """Return the first so many frames of a clip in the order of its key, out of those that it has."""
    # random(n) begins alike for every n, so that encoders that count a frame more at the end draw nearly the same.
    # As an array: one number after another takes five times as long to begin with, and begins alike.
    random = np.random.default_rng(np.frombuffer(digest_of(key), np.uint8).astype(np.uint32))
    return np.argsort(random.random(frames), kind="stable")[:count].astype(np.int64)


def digest_of(key: str) -> bytes:
    """Return the 256 bits from which a clip's chances follow: the same on every machine and in every study."""
    return hashlib.sha256(key.encode()).digest()
