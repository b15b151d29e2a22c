"""What a whole song takes: `python -m benchmarks.whole_song`.

Six minutes through an encoder of MERT-v2's size (632 million parameters, random weights), all 25 states, each length in
a process of its own: seconds and peak memory.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import time

import torch
from rich.console import Console
from rich.table import Table

from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.mert2 import Mert2Config, Mert2Model

LENGTHS = (30, 120, 360)


def main() -> None:
    """Measure and print."""
    console = Console(width=120)
    console.print(
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {time.strftime('%d %B %Y')}"
    )
    table = Table(title="MERT-v2's size, float32, all layers kept")
    for column in ("seconds of sound", "seconds", "peak memory, GB"):
        table.add_column(column, justify="right")
    for length in LENGTHS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, peak = pool.apply(measure, (length,))
        table.add_row(str(length), f"{seconds:.0f}", f"{peak:.1f}")
    console.print(table)


def measure(length: int) -> tuple[float, float]:
    """Return the time of one encoding and the peak of this process."""
    encoder = LayeredEncoder(Mert2Model(Mert2Config(window=360.0)), "mert2", untrained=True)
    started = time.perf_counter()
    encoder.encode(torch.zeros(1, length * encoder.sample_rate))
    return time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
