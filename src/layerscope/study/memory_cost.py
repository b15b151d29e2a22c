"""How much memory processes have, and how much those would need that train."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from layerscope.features.row_blocks import BLOCK
from layerscope.probes.workers import in_forked_worker

__all__ = ["held_megabytes", "process_bytes", "training_bytes"]


def training_bytes(bare: float, workers: int, train: Callable[..., Any], *arguments: Any) -> float:
    """Return the memory of this process and so many that train, but for what they are given.

    Parameters
    ----------
    bare : float
        What a process has once it has imported all that it needs.
    workers : int
        How many there would be.
    train : callable
        A training, which is done in a worker where such are forked from this process: a worker has but that of its own
        which it has changed, and no pages of what is imported. Others import all of it anew.
    """
    worker = in_forked_worker(own_bytes_after, train, *arguments)
    if worker is None:
        return bare * (1 + workers)
    return pages("Rss") + workers * float(worker)


def own_bytes_after(train: Callable[..., Any], *arguments: Any) -> float:
    """Return the memory that no other process has, after a training."""
    train(*arguments)
    return pages("Private_Clean") + pages("Private_Dirty")


def pages(kind: str) -> float:
    """Return the bytes of this process's pages of a kind, as Linux counts them."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(1024.0 * float(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))


def held_megabytes(whole: float, share: float) -> float:
    """Return what a training holds of an input of so many megabytes: what exceeds its share is read by blocks.

    Examples
    --------
    >>> held_megabytes(80_000.0, share=4_000.0), held_megabytes(80_000.0, share=1.0)
    (4000.0, 268.435456)
    """
    # A block and its standardised copy, however little is asked for.
    return min(whole, max(share, 2 * 4 * BLOCK / 1e6))


def process_bytes() -> float:
    """Return the most memory that this process has had."""
    # Kilobytes but for macOS, which counts bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)
