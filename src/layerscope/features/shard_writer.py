"""From the states of clips on a device to a shard on disk, while the next one is decoded and encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerscope.encoders.device import Arriving
from layerscope.encoders.encoder import Encoder
from layerscope.features.clip_states import Assembly, layers_together, refuse_non_finite, sample_together
from layerscope.features.store import ClipEntry, FeatureStore

__all__ = ["Shard", "ShardWriter"]

#: Shards that are written at once: one is handed to the system while another's bytes are waited for to be on disk.
WRITTEN_AT_ONCE = 2


class Shard:
    """Clips whose states are on their way to the CPU.

    Parameters
    ----------
    clips : sequence of Assembly
        With all their windows.
    entries : sequence of ClipEntry
        Of the clips, without their numbers of rows: only now are they known, as a stitched track is cut anew.
    """

    def __init__(self, clips: Sequence[Assembly], entries: Sequence[ClipEntry]) -> None:
        states = [clip.states for clip in clips]
        # Not the clips, which hold on to their states on the device.
        self.names, self.rows = [clip.name for clip in clips], [clip.rows for clip in clips]
        self.encoder = clips[0].encoder
        self.entries = [
            replace(
                entry,
                windows=len(left.pooled[0]),
                frames=len(left.frames[0][0]) if left.frames else 0,
                sampled=len(clip.rows),
            )
            for entry, clip, left in zip(entries, clips, states, strict=True)
        ]
        self.pairs = [len(left.distances[0]) for left in states]
        self.arriving = Arriving(tensors_of(self.encoder, clips))

    def arrays(self) -> dict[str, list[NDArray[Any]]]:
        """Return the arrays of the shard (see `features.store`), in parts, once they are there.

        Raises
        ------
        ModelError
            If a state is not finite.
        """
        arrays = self.arriving.arrays()
        for layer in self.encoder.layers:
            windows = [entry.windows for entry in self.entries]
            refuse_non_finite(self.encoder, layer, arrays[f"pooled.{layer}"][0], self.names, windows)
        squares = np.square(arrays.pop("distances")[0], dtype=np.float64)
        ends = np.cumsum(self.pairs)
        steps = [
            # A clip of a single frame has no step: NaN, which sums over clips leave out.
            squares[:, end - count : end].mean(axis=1) if count else np.full(len(squares), np.nan)
            for end, count in zip(ends, self.pairs, strict=True)
        ]
        return arrays | {"sample_frame": [*self.rows], "steps": [np.stack(steps)]}


def tensors_of(encoder: Encoder, clips: Sequence[Assembly]) -> dict[str, list[Tensor]]:
    """Return what of clips is kept, on their device: in one tensor, or clip by clip where that is much."""
    states = [clip.states for clip in clips]
    pooled = [torch.cat(layer) for layer in zip(*(clip.pooled for clip in states), strict=True)]
    samples = sample_together(clips, pooled, layers_together(encoder))
    tensors = {f"pooled.{layer}": [windows] for layer, windows in zip(encoder.layers, pooled, strict=True)}
    tensors |= {f"sample.{layer}": [halves] for layer, (halves, _) in zip(encoder.layers, samples, strict=True)}
    tensors["sample_scale"] = [torch.stack([scales for _, scales in samples], dim=1)]
    if states[0].frames:
        # Put together, frames would take their memory once more, and new memory takes longer than it does to write.
        for position, layer in enumerate(encoder.layers):
            tensors[f"frames.{layer}"] = [clip.frames[position][0] for clip in states]
        scales = [[scale for _, scale in clip.frames] for clip in states]
        tensors["scale"] = [torch.stack([torch.stack(clip) for clip in scales])]
    distances = zip(*(clip.distances for clip in states), strict=True)
    tensors["distances"] = [torch.stack([torch.cat(layer) for layer in distances])]
    return tensors


class ShardWriter:
    """Writes shards while the next ones are decoded and encoded.

    Parameters
    ----------
    store : FeatureStore
        Where they go.
    """

    def __init__(self, store: FeatureStore) -> None:
        self.store = store
        # Threads are enough: digests, files and what waits for a GPU let go of Python's lock.
        self.threads = ThreadPoolExecutor(WRITTEN_AT_ONCE, thread_name_prefix="shards")
        self.writing: deque[Future[None]] = deque()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        # After an error or an interrupt too: what was encoded is kept.
        try:
            self.wait(0)
        finally:
            self.threads.shutdown()

    def add(self, shard: Shard) -> None:
        """Write a shard once fewer than `WRITTEN_AT_ONCE` are being written: no more than these and one are in memory.

        Raises
        ------
        ModelError, ResourceError
            What came of one before it: see `Shard.arrays` and `FeatureStore.write`.
        """
        self.wait(WRITTEN_AT_ONCE - 1)
        self.writing.append(self.threads.submit(lambda: self.store.write(shard.arrays(), shard.entries)))

    def wait(self, left: int) -> None:
        """Return once no more than so many are being written."""
        while len(self.writing) > left:
            self.writing.popleft().result()
