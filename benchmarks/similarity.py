"""What a comparison costs: `python -m benchmarks.similarity`.

The passes of a comparison (13 layers, six descriptors of the sound, sampled frames written) against the bare forward
passes of the same model. The model is MuQ at full size with random weights.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.sweep import timed, write_clips
from layerscope.data.audio import load
from layerscope.data.dataset import Dataset
from layerscope.encoders import Encoder, load_encoder
from layerscope.features.encoder_pass import Pass
from layerscope.similarity.descriptors import DESCRIPTORS, descriptor

REPEATS = 3
CLIPS, CLIP_SECONDS = 8, 30.0


def main() -> None:
    """Measure and print."""
    console = Console(width=120)
    console.print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, "
                  f"{time.strftime('%d %B %Y')}")  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        console.print(overhead(Path(directory)))


def overhead(directory: Path) -> Table:
    """Compare the pass of a comparison with bare forward passes."""
    model = load_encoder("random:muq")
    folder = write_clips(directory / "clips", CLIPS, CLIP_SECONDS, 44_100)
    clips = Dataset.from_folder(folder).survey().clips
    everyone = [model, *(descriptor(name) for name in DESCRIPTORS)]
    waveforms = [torch.from_numpy(load(Path(path), model.sample_rate)[None]) for path in clips.path]
    bare, whole = [], []
    for number in range(REPEATS):
        bare.append(timed(lambda: [model.encode(waveform) for waveform in waveforms]))
        cache = directory / f"{number}"
        whole.append(timed(lambda: take_all(everyone, clips, cache)))  # noqa: B023
    medians = statistics.median(bare), statistics.median(whole)
    table = Table(
        title=f"{CLIPS} clips of {CLIP_SECONDS:.0f} s through MuQ at full size, medians of {REPEATS}, alternating"
    )
    for column in ("", "seconds", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("bare forward passes, waveforms in memory", f"{medians[0]:.1f}", "1.00")
    table.add_row("decode, encode, descriptors, sample, write", f"{medians[1]:.1f}", f"{medians[1] / medians[0]:.2f}")
    return table


def take_all(encoders: list[Encoder], clips: pd.DataFrame, cache: Path) -> None:
    """Take encoders over clips, into a cache of their own."""
    for encoder in encoders:
        one_pass = Pass(encoder, encoder.window)
        one_pass.extract(clips, one_pass.store(cache))


if __name__ == "__main__":
    main()
