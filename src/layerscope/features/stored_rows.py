"""Rows of an array that shards hold, read from them when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.atomic_files import damaged, locate_tensor, read_tensors
from layerscope.features.row_blocks import LazyRows

__all__ = ["StoredClips"]


@dataclass(frozen=True)
class StoredClips:
    """Where shards hold the states of clips, one clip after another.

    Every training is sent this and not the store, whose records of all clips took a worker as long as a short training.

    Attributes
    ----------
    paths : tuple of str
        Of the shards.
    layers : tuple of int
        Numbers of the layers.
    shards, numbers : ndarray of int, shape (clip,)
        The shard of each clip, by its place in `paths`, and the clip's number there.
    windows, frames : ndarray of int, shape (clip, 2)
        Of each clip the first row in its shard, and how many it has: among summarised windows, and among frames.
    """

    paths: tuple[str, ...]
    layers: tuple[int, ...]
    shards: NDArray[np.int64]
    numbers: NDArray[np.int64]
    windows: NDArray[np.int64]
    frames: NDArray[np.int64]

    def pooled(self, layer: int) -> LazyRows:
        """Return the summarised windows of a layer, (window, width)."""
        return self.rows(f"pooled.{layer}", self.windows, "<f4")

    def kept_frames(self, layer: int) -> LazyRows:
        """Return the frames of a layer, (frame, width)."""
        rows = self.rows(f"frames.{layer}", self.frames, "<f2")
        position = self.layers.index(layer)
        scales = [read_tensors(Path(path), ["scale"])["scale"][:, position] for path in self.paths]
        of_clips = [scales[shard][number] for shard, number in zip(self.shards, self.numbers, strict=True)]
        scale = np.repeat(np.array(of_clips, np.float32), self.frames[:, 1])
        # In float32, since the product may lie beyond what float16 holds.
        return LazyRows(rows.shape, lambda numbers: rows[numbers].astype(np.float32) * scale[numbers, None])

    def rows(self, name: str, spans: NDArray[np.int64], kind: str) -> LazyRows:
        """Return some rows of an array that all shards have, which is held to its digest here and now."""
        return stored_rows([Path(path) for path in self.paths], self.shards, name, spans, kind)


def stored_rows(
    paths: Sequence[Path], shards: NDArray[np.int64], name: str, spans: NDArray[np.int64], dtype: str
) -> LazyRows:
    """Return rows of an array that all of some shards have, to be read when they are asked for."""
    located = [locate_tensor(path, name) for path in paths]
    width = located[0][1][1]
    row_bytes = np.dtype(dtype).itemsize * width
    firsts, counts = spans.T
    # Where each row lies: in which file, and from which byte on.
    shard = np.repeat(shards, counts)
    places = np.repeat(firsts - (np.cumsum(counts) - counts), counts) + np.arange(len(shard))
    byte = np.array([offset for offset, _ in located])[shard] + places * row_bytes

    def read(rows: NDArray[np.int64]) -> NDArray[Any]:
        states = np.empty((len(rows), width), dtype)
        # File by file, and in the order of its bytes.
        order = np.lexsort((byte[rows], shard[rows]))
        files, starts = shard[rows[order]], byte[rows[order]]
        # What lies one after another on disk and in the answer is read at once.
        together = (np.diff(files) == 0) & (np.diff(starts) == row_bytes) & (np.diff(order) == 1)
        runs = np.split(order, np.flatnonzero(~together) + 1) if len(order) else []
        for number, of_file in groupby(runs, key=lambda run: int(shard[rows[run[0]]])):
            read_runs(paths[number], [(int(byte[rows[run[0]]]), states[run[0] : run[-1] + 1]) for run in of_file])
        return states

    return LazyRows((len(shard), width), read)


def read_runs(path: Path, runs: Iterable[tuple[int, NDArray[Any]]]) -> None:
    """Fill arrays with what a file holds from given bytes on."""
    try:
        with path.open("rb", buffering=0) as file:
            for start, states in runs:
                file.seek(start)
                if file.readinto(states.view(np.uint8).data) != states.nbytes:
                    raise damaged(path, "it ends too early")
    except OSError as error:
        raise damaged(path, error) from error
