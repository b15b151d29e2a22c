"""What similarities cost: `python -m benchmarks.similarity`.

1. Moments gathered clip by clip against all frames stacked in memory, each side in a process of its own: seconds and
   peak memory for the CKA of all pairs of layers.
2. The whole pass of a comparison (13 layers, six descriptors of the sound, moments written) against the bare forward
   passes of the same model. The model is MuQ at full size with random weights.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import platform
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.sweep import timed, write_clips
from layerscope.data.audio import load
from layerscope.data.dataset import Dataset
from layerscope.encoders import load_encoder
from layerscope.similarity.descriptors import DESCRIPTORS, descriptor
from layerscope.similarity.frame_sums import Gathering, View
from layerscope.similarity.measures import cka
from layerscope.study.compare import gather_part, views_of
from layerscope.study.options import Comparison

REPEATS = 3
#: Frames that are drawn of each clip, as `compare` does.
FRAMES = Comparison.model_fields["frames"].default
LAYERS, WIDTH = 7, 192
CLIPS, CLIP_SECONDS = 8, 30.0


def main() -> None:
    """Measure and print."""
    console = Console(width=120)
    console.print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, "
                  f"{time.strftime('%d %B %Y')}")  # fmt: skip
    console.print(streaming())
    with tempfile.TemporaryDirectory() as directory:
        console.print(overhead(Path(directory)))


def streaming() -> Table:
    """Compare gathering with stacking, for ever more clips."""
    table = Table(
        title=f"CKA of all pairs of {LAYERS} layers of width {WIDTH}, {FRAMES} frames a clip, medians of {REPEATS}"
    )
    for column in ("clips", "stacked, s", "streamed, s", "ratio", "stacked, MB", "streamed, MB", "ratio"):
        table.add_column(column, justify="right")
    for clips in (100, 400, 1600):
        seconds, memory = {}, {}
        for way in ("stacked", "streamed"):
            runs = [in_own_process(way, clips) for _ in range(REPEATS)]
            seconds[way] = statistics.median(run[0] for run in runs)
            memory[way] = statistics.median(run[1] for run in runs)
        table.add_row(
            str(clips), f"{seconds['stacked']:.1f}", f"{seconds['streamed']:.1f}",
            f"{seconds['streamed'] / seconds['stacked']:.2f}", f"{memory['stacked']:.0f}", f"{memory['streamed']:.0f}",
            f"{memory['streamed'] / memory['stacked']:.2f}",
        )  # fmt: skip
    return table


def in_own_process(way: str, clips: int) -> tuple[float, float]:
    """Return the seconds of one way, and the megabytes by which it raised the peak of its process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (way, clips))


def measure(way: str, clips: int) -> tuple[float, float]:
    """Run one way."""
    frames_of_clip(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = timed(lambda: stacked(clips) if way == "stacked" else streamed(clips))
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def frames_of_clip(number: int) -> NDArray[np.float32]:
    """Return made frames of a clip."""
    return np.random.default_rng(number).standard_normal((FRAMES, LAYERS * WIDTH), dtype=np.float32)


def stacked(clips: int) -> list[float]:
    """Keep all frames, then compare."""
    frames = np.concatenate([frames_of_clip(number) for number in range(clips)])
    layers = [part - part.mean(axis=0) for part in np.split(frames, LAYERS, axis=1)]
    norms = [np.linalg.norm(layer.T @ layer) for layer in layers]
    pairs = itertools.combinations(range(LAYERS), 2)
    return [float(np.square(layers[a].T @ layers[b]).sum() / (norms[a] * norms[b])) for a, b in pairs]


def streamed(clips: int) -> list[float]:
    """Gather, then compare."""
    gathering = Gathering([View("m", layer, WIDTH) for layer in range(LAYERS)])
    for number in range(clips):
        gathering.add(frames_of_clip(number))
    moments = gathering.moments()
    return [cka(moments.only(a, b)) for a, b in itertools.combinations(range(LAYERS), 2)]


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
        place = directory / f"{number}"
        whole.append(
            timed(lambda: gather_part(everyone, clips, views_of(everyone), FRAMES, place, {}, lambda *_: None))  # noqa: B023
        )
    medians = statistics.median(bare), statistics.median(whole)
    table = Table(
        title=f"{CLIPS} clips of {CLIP_SECONDS:.0f} s through MuQ at full size, medians of {REPEATS}, alternating"
    )
    for column in ("", "seconds", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("bare forward passes, waveforms in memory", f"{medians[0]:.1f}", "1.00")
    table.add_row("decode, encode, descriptors, moments, write", f"{medians[1]:.1f}", f"{medians[1] / medians[0]:.2f}")
    return table


if __name__ == "__main__":
    main()
