"""What preset `paper` costs, with the arithmetic: `python -m benchmarks.paper_cost`.

Without data: published numbers and lengths of clips, cut as a pass cuts them; operations counted on the networks'
shapes; disk as `check` counts it. Seconds of two cores are measured here, by the front end and a block of the network;
those of an H100 are at the speed that `python -m benchmarks.gpu` measured on an H200, which has the same processors.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import torch

from layerscope.data.dataset import Dataset
from layerscope.encoders.sketch import Sketch
from layerscope.features.encoder_pass import Pass
from layerscope.features.frame_sample import SAMPLE_BYTES, sampled_of_clips
from layerscope.features.windows import FRAME_RATE, Cutting
from layerscope.study.encoding_cost import few_clips_speed, network_speed
from layerscope.tasks import PAPER_TASKS, known_tasks

MODELS = ("muq", "musicfm")
#: Operations a second of MuQ at full size, ten windows of 30 s at once, as a pass has them by default: measured on an
#: H200 by `python -m benchmarks.gpu` (docs/benchmarks.md, "What a GPU does").
H100 = {"bf16": 321.6e12, "tf32": 197.1e12, "float32": 30.2e12}
#: Dollars an hour of one H100 and of 16 cores, as taken here; prices change.
PRICES = {"H100": 3.0, "16 cores": 0.8}
#: Directory → clips and seconds of each, where `benchmark.toml` does not count them: songs of MTG-Jamendo (508 GiB at
#: 320 kbit/s are 3,790 h), of Harmonix (its table), recordings of VocalSet (as published).
COUNTED = {"MTG": (55_000, 248.0), "Harmonix": (912, 221.0), "VocalSet": (3_560, 10.1)}
#: Seconds of a clip of the others.
LENGTHS = {"GTZAN": 30.0, "GS": 30.0, "EMO": 45.0, "NSynth": 4.0, "MTT": 29.1}
#: Data sets whose tasks are over time: their frames are kept.
FRAMES = ("GTZAN", "Harmonix")


@dataclass(frozen=True)
class Row:
    """What the pass of one model over one data set takes."""

    name: str
    hours: float
    windows: int
    operations: float
    bytes: float


def main() -> None:
    """Print the tables."""
    sketch = Sketch(MODELS[0])
    rows = [row_of(sketch, folder) for folder in dict.fromkeys(known_tasks()[name].folder for name in PAPER_TASKS)]
    rows.append(
        Row("all", *(sum(getattr(row, name) for row in rows) for name in ("hours", "windows", "operations", "bytes")))
    )
    torch.set_num_threads(2)
    speed, feeding = network_speed(Pass(sketch, sketch.window), sketch, sketch.window), decoding_speed(sketch)
    cores_rate = sketch.operations(sketch.window) / sketch.window / speed
    print(
        f"one window of 30 s: {sketch.operations(30.0):.3g} operations, {sketch.parameters / 1e6:.0f} million numbers; "
        f"{' and '.join(MODELS)} have the same sizes: for both, twice what follows\n"
        f"two of {os.cpu_count()} cores here: {cores_rate / 1e9:.0f} · 10⁹ operations a second in float32\n"
        f"decoding, cutting, pooling, writing: {1000 * feeding:.1f} ms of two cores for a second of MP3\n"
    )
    header = ["data set", "hours", "windows", "10¹⁵ operations", "disk, GB", *(f"H100 {name}, h" for name in H100)]
    header += ["cores to feed it in bf16", "two cores, h"]
    print(f"| {' | '.join(header)} |\n{'|---' * len(header)}|")
    for row in rows:
        on_device = {name: row.operations / speed / 3600 for name, speed in H100.items()}
        numbers = [row.operations / 1e15, row.bytes / 1e9, *on_device.values()]
        numbers += [2 * feeding * row.hours / on_device["bf16"], (speed + feeding) * row.hours]
        cells = [row.name, f"{row.hours:,.0f}", f"{row.windows:,}", *map(rounded, numbers)]
        print(f"| {' | '.join(cells)} |")
    print_million(sketch, rows[-1], speed + feeding, feeding)


def rounded(number: float) -> str:
    """Return a number to two digits, or whole."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def print_million(sketch: Sketch, paper: Row, two_cores: float, feeding: float) -> None:
    """Print what a million songs of the mean length of MTG-Jamendo's would take."""
    hours = 1e6 * COUNTED["MTG"][1] / 3600
    operations = hours / paper.hours * paper.operations
    on_device = operations / H100["bf16"] / 3600
    fed = 2 * feeding * hours / 16
    width = sum(sketch.widths)
    windows = 1e6 * len(Cutting(sketch.window, overlapping=False).lengths(COUNTED["MTG"][1]))
    print(
        f"\na million songs of {COUNTED['MTG'][1]:.0f} s, one model: {hours:,.0f} h of sound, {windows:,.0f} windows\n"
        f"  one H100 in bf16: {on_device:,.0f} h, ${PRICES['H100'] * on_device:,.0f}\n"
        f"  decoding on 16 cores: {fed:,.0f} h, ${PRICES['16 cores'] * fed:,.0f}\n"
        f"  two cores alone: {two_cores * hours / 24 / 365:,.0f} years\n"
        f"  pooled states: {4 * windows * width / 1e12:.2f} TB; frames of all layers: "
        f"{2 * FRAME_RATE * 3600 * hours * width / 1e12:,.0f} TB"
    )


def row_of(sketch: Sketch, folder: str) -> Row:
    """Return what the pass over a data set takes."""
    tasks = [task for name, task in known_tasks().items() if task.folder == folder and name in PAPER_TASKS]
    count, seconds = COUNTED.get(folder) or (max(sum(task.expected.values()) for task in tasks), LENGTHS[folder])
    window = min(max(task.window or sketch.window for task in tasks), sketch.window)
    frames = folder in FRAMES
    lengths = Cutting(window, overlapping=frames).lengths(seconds)
    operations = {length: sketch.operations(length) for length in set(lengths)}
    # A few stand for all, but for the frames that are sampled for comparisons: those keep within a budget.
    few = 100
    clips = pd.DataFrame({"clip_key": [str(number) for number in range(few)], "clip_seconds": seconds})
    sampled = 2 * sum(sketch.widths) * sum(sampled_of_clips(clips, sum(sketch.widths)).values())
    kept = Pass(sketch, window, frames).stored_bytes(clips) - sampled
    stored = kept * count / few + min(SAMPLE_BYTES, sampled * count / few)
    return Row(
        folder, count * seconds / 3600, count * len(lengths), count * sum(operations[n] for n in lengths), stored
    )


def decoding_speed(sketch: Sketch) -> float:
    """Return the seconds that all but the network takes for a second of MP3 (44.1 kHz, stereo)."""
    with tempfile.TemporaryDirectory(prefix="layerscope-paper-") as name:
        place = Path(name) / "clips" / "noise"
        place.mkdir(parents=True)
        for number in range(6):
            noise = np.random.default_rng(number).normal(0, 0.1, (30 * 44_100, 2))
            soundfile.write(place / f"{number}.mp3", noise, 44_100)
        clips = Dataset.from_folder(place.parent).survey().clips
        return few_clips_speed(Pass(sketch, sketch.window), clips)


if __name__ == "__main__":
    main()
