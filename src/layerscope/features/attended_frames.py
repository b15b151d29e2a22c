"""The frames of a clip that a probe attends to: few enough that those of a data set fit on a disk.

A clip keeps the means of equal stretches of its windows, `ATTENDED_RATE` a second and `MOST_ATTENDED` in all at most.
Means, since an event that lasts a few frames is in every stretch that it touches, and may lie between frames that are
drawn. Where every frame is kept anyway, for a task over time, they are averaged so when they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from layerscope.features.clip_features import Features
from layerscope.features.row_blocks import LazyRows
from layerscope.features.store import FeatureStore
from layerscope.features.windows import FRAME_RATE, Cutting, frame_count

__all__ = [
    "ATTENDED_RATE", "MOST_ATTENDED", "attended_counts", "attended_features", "attended_means", "attended_of_clip",
]  # fmt: skip

#: Stretches a second: 200 ms, about a note. MuQ's 13 layers take 4 MB of a clip of 30 s, a fifth of all its frames.
ATTENDED_RATE = 5.0
#: Of a clip: a minute at that rate. Longer ones have longer stretches.
MOST_ATTENDED = 300


def attended_counts(frames: Sequence[int]) -> list[int]:
    """Return into how many stretches windows of a clip are averaged that have so many frames, at least one each.

    Examples
    --------
    >>> attended_counts([750]), attended_counts([750, 750, 750, 750]), attended_counts([3])
    ([150], [75, 75, 75, 75], [1])
    """
    share = min(ATTENDED_RATE / FRAME_RATE, MOST_ATTENDED / sum(frames))
    return [max(1, round(count * share)) for count in frames]


def attended_of_clip(seconds: float, cutting: Cutting) -> int:
    """Return how many frames a clip of that length keeps.

    Examples
    --------
    >>> attended_of_clip(30.0, Cutting(30.0)), attended_of_clip(600.0, Cutting(30.0))
    (150, 300)
    """
    return sum(attended_counts([frame_count(length) for length in cutting.lengths(seconds)]))


def attended_means(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the stretches of one clip all of whose frames are kept, as `attended_features` averages them.

    Examples
    --------
    >>> attended_means(np.arange(10, dtype=np.float32)[:, None]).ravel().tolist()
    [2.0, 7.0]
    """
    count = attended_counts([len(frames)])[0]
    begins = np.arange(count) * len(frames) // count
    lengths = np.diff(np.append(begins, len(frames)))
    return (np.add.reduceat(frames, begins, axis=0) / lengths[:, None]).astype(np.float32)


def attended_features(features: Features, store: FeatureStore) -> Features | None:
    """Return the frames that a store keeps of the clips of features, a row each; nothing where it keeps none.

    Returns
    -------
    Features
        Those of a clip follow one another in time; ``window_clip`` says whose they are.
    """
    keys = list(features.clips.clip_key)
    kept = np.array([store.entry(key).frames for key in keys], np.int64)
    if not kept.all():
        return None
    counts = np.array([attended_counts([count])[0] for count in kept]) if store.keeps_frames else kept
    owner, places = np.repeat(np.arange(len(keys)), counts), np.concatenate([np.arange(count) for count in counts])
    # Frames of clip n begin at starts[n]; a stretch ends where the next one begins.
    starts = np.cumsum(kept) - kept
    firsts = starts[owner] + places * kept[owner] // counts[owner]
    stops = starts[owner] + (places + 1) * kept[owner] // counts[owner]

    stored = store.clips(keys)

    def read(position: int) -> LazyRows:
        frames = stored.kept_frames(features.layers[position])

        def means(rows: NDArray[np.int64]) -> NDArray[np.float32]:
            lengths = stops[rows] - firsts[rows]
            begins = np.cumsum(lengths) - lengths
            states = frames[np.repeat(firsts[rows] - begins, lengths) + np.arange(lengths.sum())]
            if not len(rows):
                return states
            sums: NDArray[np.float32] = np.add.reduceat(states, begins, axis=0)
            return (sums / lengths[:, None]).astype(np.float32)

        return LazyRows((len(owner), frames.shape[1]), means)

    return replace(features, window_clip=owner, read=read, pooling="frame")
