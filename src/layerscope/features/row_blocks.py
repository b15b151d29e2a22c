"""States as a matrix of rows, windows or frames, that need not be in memory: they are read by blocks.

What fits is an array, and everything else a `LazyRows`. Both have a ``shape`` and give an array for ``[rows]``, so that
who goes through them by `row_blocks` asks for neither.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LazyRows", "Rows", "clip_means", "give_back_memory", "held", "in_memory", "machine_memory", "row_blocks",
    "share_of_memory", "taken", "unit_length",
]  # fmt: skip

Array = NDArray[np.float32]

#: Numbers of a block: 128 MB in single precision. Rows of a small study are one block.
BLOCK = 2**25
#: What a probe makes of states that are in memory: the array, its standardised copy, and the rows that train.
COPIES = 3
#: Of all memory, where nobody says how much: other programs, and the pages of the files that are read, need theirs.
SHARE = 0.5
#: Where a container's limit stands, by version 2 and 1 of control groups.
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class LazyRows:
    """Rows that are read, or made of others, when they are asked for.

    Parameters
    ----------
    shape : tuple of int
        Rows, then what each has.
    read : callable
        Numbers of rows, in any order → an array of them.
    memory : float
        Bytes that some of them may take at once, where they are asked for again and again (see `held`).

    Examples
    --------
    >>> squares = LazyRows((1000, 2), lambda rows: np.stack([rows, rows**2], axis=1).astype(np.float32))
    >>> squares[2:4].tolist()
    [[2.0, 4.0], [3.0, 9.0]]
    """

    def __init__(
        self, shape: Sequence[int], read: Callable[[NDArray[np.int64]], Array], memory: float = np.inf
    ) -> None:
        self.shape = tuple(shape)
        self.read = read
        self.memory = memory

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Array:
        if isinstance(rows, np.ndarray) and rows.dtype == np.int64:
            return self.read(rows)
        # Slices, masks and a single number mean what they do of an array.
        numbers = np.arange(len(self))[rows]
        return self.read(numbers) if np.ndim(numbers) else self.read(np.array([numbers]))[0]


#: States by rows, in memory or not.
Rows = NDArray[np.float32] | LazyRows


def row_blocks(shape: Sequence[int]) -> Iterator[slice]:
    """Yield the blocks of rows of a matrix, none with more than `BLOCK` numbers, at least one.

    Examples
    --------
    >>> list(row_blocks((10_000, 8192)))
    [slice(0, 4096, None), slice(4096, 8192, None), slice(8192, 10000, None)]
    """
    step = max(1, BLOCK // max(1, int(np.prod(shape[1:]))))
    for first in range(0, max(1, shape[0]), step):
        yield slice(first, min(first + step, shape[0]))


def unit_length(rows: NDArray[Any]) -> NDArray[Any]:
    """Return rows scaled to length 1; those of zeros stay so.

    Examples
    --------
    >>> unit_length(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


def clip_means(rows: NDArray[Any], owner: NDArray[np.int64], clips: int) -> NDArray[Any]:
    """Return the mean of each clip's windows or frames, (clip, width), which stand in the order of their clips.

    Parameters
    ----------
    rows : ndarray, shape (row, width)
        States or scores; sums are of double precision, whatever these have.
    owner : ndarray of int, shape (row,)
        The clip of each, ascending.
    clips : int
        How many there are; those without a row are 0.
    """
    means = np.zeros((clips, rows.shape[1]), rows.dtype)
    present, first, counts = np.unique(owner, return_index=True, return_counts=True)
    if len(present):
        # The first rows are the borders of segments, none of them empty.
        means[present] = np.add.reduceat(rows, first, axis=0, dtype=np.float64) / counts[:, None]
    return means


def size_of(rows: Rows) -> float:
    """Return how many bytes rows take in single precision."""
    return 4.0 * float(np.prod(rows.shape))


def in_memory(rows: Rows, memory: float = np.inf) -> Rows:
    """Return rows as an array where that, and what probes make of it, fits in so many bytes; otherwise as they are."""
    if isinstance(rows, LazyRows):
        if COPIES * size_of(rows) > memory:
            return LazyRows(rows.shape, rows.read, memory)
        array = np.empty(rows.shape, np.float32)
        for block in row_blocks(rows.shape):
            array[block] = rows[block]
        return array
    return rows


def taken(rows: Rows, numbers: NDArray[np.int64]) -> LazyRows:
    """Return some rows, read when they are asked for."""
    memory = rows.memory if isinstance(rows, LazyRows) else np.inf
    return LazyRows((len(numbers), *rows.shape[1:]), lambda chosen: rows[numbers[chosen]], memory)


def held(rows: Rows, numbers: NDArray[np.int64]) -> Rows:
    """Return some rows: an array where that takes no more than a half of the memory, otherwise read when asked for."""
    some = taken(rows, numbers)
    return some if 2 * size_of(some) > some.memory else in_memory(some)


def machine_memory() -> int:
    """Return the bytes of memory of this machine, or of the container where that has a limit."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    texts = [Path(place).read_text().strip() for place in LIMITS if Path(place).is_file()]
    # Without a limit version 2 says "max", and version 1 a number beyond any machine.
    return min([whole, *(int(text) for text in texts if text.isdecimal())])


def share_of_memory(gigabytes: float | None) -> float:
    """Return the bytes that states may take: those that are asked for, or a share of what the machine has."""
    return SHARE * machine_memory() if gigabytes is None else gigabytes * 1e9


def give_back_memory() -> None:
    """Give the system what was freed: after a pass glibc keeps 60 to 150 MB, which processes that train then lack."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
