"""Rows of an array that shards hold, read from them when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.atomic_files import damaged, locate_tensor
from layerscope.features.row_blocks import LazyRows

__all__ = ["stored_rows"]


def stored_rows(shards: Sequence[Path], name: str, spans: Sequence[tuple[int, int]], dtype: str = "<f4") -> LazyRows:
    """Return rows of an array that all shards have, to be read when they are asked for.

    Parameters
    ----------
    shards : sequence of Path
        Those of clips, one clip after another.
    name : str
        Of the array, which is held to its digest here and now.
    spans : sequence of (int, int)
        Of each clip, its first row in its shard, and how many it has.
    dtype : str
        Of the array.
    """
    paths = list(dict.fromkeys(shards))
    located = [locate_tensor(path, name) for path in paths]
    width = located[0][1][1]
    row_bytes = np.dtype(dtype).itemsize * width
    numbers = {path: number for number, path in enumerate(paths)}
    counts = np.array([count for _, count in spans])
    # Where each row lies: in which file, and from which byte on.
    shard = np.repeat([numbers[path] for path in shards], counts)
    firsts = np.repeat([first for first, _ in spans] - (np.cumsum(counts) - counts), counts) + np.arange(len(shard))
    byte = np.array([offset for offset, _ in located])[shard] + firsts * row_bytes

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
