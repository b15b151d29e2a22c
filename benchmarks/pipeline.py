"""How many clips a second reach an encoder: `python -m benchmarks.pipeline`.

Clips of 30 s, 44.1 kHz stereo, as MP3, FLAC and WAV, through the whole pass (decode, cut, put together, write), by
kind and number of workers. The encoder is a stand-in of MuQ's size that gives what is kept at no cost, as a GPU that
is fast enough would: the means of windows with a sample of frames for comparisons (a hundred of each clip; or one, as
a study of tens of thousands of clips keeps), or every frame at 25 Hz. The ceiling beside it is the decoding alone, by
as many workers of the same kind, in the same minute. Before that, what the decoding of one clip takes, part by part,
what its last five seconds alone take, and what the system takes to write the bytes of its frames to new files that are
on disk at the end, with nothing of ours: no pass that keeps frames can do without, nor be faster than the disk.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import soxr
import torch
from joblib import cpu_count
from rich.console import Console
from rich.table import Table

from layerscope.data.audio import decode_mono, load, sound_digest
from layerscope.data.sound_parts import Part, opened
from layerscope.encoders import Encoder
from layerscope.features import shard_writer
from layerscope.features.clip_states import Assembly, sample_together
from layerscope.features.decoding import decoders, decoding_workers
from layerscope.features.encoder_pass import Pass
from layerscope.features.frame_sample import FRAMES_A_CLIP
from layerscope.toymusic.composer import compose_note
from layerscope.toymusic.synthesizer import render

SECONDS, RATE = 30.0, 44_100
LAYERS, WIDTH = 13, 1024
#: Least share of the ceiling that the pass is to reach, by what is kept.
TARGETS = {"means": 0.85, "means of a large study": 0.85, "frames": 0.7}
#: Frames of a clip that are kept for comparisons, of a study so large that its clips share the budget of the sample.
SAMPLED = {"means of a large study": 1}
FORMATS = ("mp3", "flac", "wav")


class StandIn(Encoder):
    """As many states as MuQ's, of every window the same."""

    name, sample_rate, frame_rate, layers = "stand-in", 24_000, 25.0, tuple(range(LAYERS))
    dim, fingerprint = WIDTH, "stand-in"

    def encode(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return states, (batch, layer, frame, width)."""
        frames = round(waveforms.shape[1] / self.sample_rate * self.frame_rate)
        return torch.randn(LAYERS, frames, WIDTH).expand(len(waveforms), -1, -1, -1)


@dataclass(frozen=True)
class Ready(Pass):
    """A pass whose encoder takes no time: what the first clip left is what all leave."""

    processes: bool = False
    left: list[Assembly] = field(default_factory=list)

    @property
    def on_gpu(self) -> bool:
        """Return whether processes decode."""
        return self.processes

    def encode(
        self, clips: Sequence[Assembly], windows: Sequence[Sequence[Any]], finish: Callable[[int], None]
    ) -> None:
        """Leave of each clip what the first one left."""
        if not self.left:
            super().encode(clips[:1], windows[:1], lambda _: None)
            self.left.append(clips[0])
        finish(sum(map(len, windows)))
        for clip in clips:
            clip.left, clip.sampled = self.left[0].left, self.left[0].sampled


#: Samples in float16, which a device would make as well, by the number of clips and of a clip's frames.
HALVES: dict[tuple[int, int], Any] = {}


def sampled_before(clips: Sequence[Assembly], *given: Any) -> Any:
    """Return what as many clips left first: see `sample_together`."""
    key = len(clips), len(clips[0].rows)
    if key not in HALVES:
        HALVES[key] = sample_together(clips, *given)
    return HALVES[key]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=120, help="of each format; below 500")
    parser.add_argument("--workers", type=int, nargs="+", default=sorted({1, cpu_count()}))
    parser.add_argument("--formats", choices=FORMATS, nargs="+", default=list(FORMATS))
    parser.add_argument("--repeats", type=int, default=3, help="of which the median ratio is printed")
    asked = parser.parse_args()
    # A name that is imported there, and called.
    vars(shard_writer)["sample_together"] = sampled_before
    console = Console(width=120)
    console.print(f"{platform.machine()}, {cpu_count()} cores, torch {torch.__version__}, {time.strftime('%d %B %Y')}, "
                  f"load {os.getloadavg()[0]:.1f}; {asked.clips} clips of {SECONDS:g} s")  # fmt: skip
    table = Table(box=None)
    for column in ("format", "workers", "ceiling, clips/s", *TARGETS):
        table.add_column(column, justify="left" if column in ("format", "workers") else "right")
    parts = Table(title="milliseconds of a processor for one clip", box=None)
    for column in ("format", "open", "decode", "and mix", "resample", "digest", "its last 5 s, all"):
        parts.add_column(column, justify="left" if column == "format" else "right")
    with tempfile.TemporaryDirectory() as place:
        for ending in asked.formats:
            clips = write_sounds(Path(place), ending, asked.clips)
            parts.add_row(ending, *(f"{1000 * least(part):.1f}" for part in parts_of_decoding(Path(clips.path[0]))))
            for workers in asked.workers:
                for processes in (False, True):
                    lines = [measured(clips, workers, processes, Path(place)) for _ in range(asked.repeats)]
                    table.add_row(ending, f"{workers} {'processes' if processes else 'threads'}", *cells(lines))
        processor, wall = seconds_of_writing(Path(place), asked.clips)
    written = (
        f"frames of one clip, written by the system: {1000 * processor:.1f} ms of a processor; {1 / wall:.1f} clips/s"
    )
    console.print(parts, written, table, sep="\n")


def parts_of_decoding(path: Path) -> list[Callable[[], object]]:
    """Return what is done for a clip, step by step."""
    with opened(path) as parts:
        mono = np.concatenate(list(decode_mono(parts[0], 0, parts[0].frames)))
    samples = load(path, StandIn.sample_rate)

    def in_file(action: Callable[[Part], object]) -> None:
        with opened(path) as parts:
            action(parts[0])

    return [
        lambda: in_file(lambda _: None),
        lambda: in_file(lambda part: deque(part.blocks(0, part.frames), maxlen=0)),
        lambda: in_file(lambda part: list(decode_mono(part, 0, part.frames))),
        lambda: soxr.resample(mono, RATE, StandIn.sample_rate),
        lambda: sound_digest(samples),
        lambda: sound_digest(load(path, StandIn.sample_rate, SECONDS - 5.0)),
    ]


def seconds_of_writing(place: Path, clips: int) -> tuple[float, float]:
    """Return the seconds, of a processor and on the clock, of writing the frames of a clip, ten a file."""
    frames = bytes(2 * LAYERS * WIDTH * round(SECONDS * StandIn.frame_rate))
    started = time.process_time(), time.perf_counter()
    for first in range(0, clips, 10):
        with (place / f"written-{first}").open("wb") as file:
            for _ in range(min(10, clips - first)):
                file.write(frames)
            file.flush()
            os.fsync(file.fileno())
    seconds = time.process_time() - started[0], time.perf_counter() - started[1]
    for path in place.glob("written-*"):
        path.unlink()
    return seconds[0] / clips, seconds[1] / clips


def least(action: Callable[[], object], repeats: int = 5) -> float:
    """Return the fewest seconds of a processor that an action took."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        action()
        times.append(time.process_time() - started)
    return min(times)


def write_sounds(place: Path, ending: str, count: int) -> pd.DataFrame:
    """Write a few files, and return a table of as many clips; of another key each, so that each is decoded."""
    paths = []
    for number in range(8):
        note = np.resize(render(compose_note(number, 1.5)), round(SECONDS * RATE))
        noise = np.random.default_rng(number).normal(0, 0.01, (len(note), 2))
        paths.append(place / f"{number}.{ending}")
        soundfile.write(paths[-1], noise + 0.5 * note[:, None], RATE)
    rows = [
        {"clip": str(row), "path": str(paths[row % len(paths)]), "start": 0.0, "end": np.nan, "clip_key": str(row)}
        for row in range(count)
    ]
    return pd.DataFrame(rows).assign(clip_seconds=SECONDS)


def measured(clips: pd.DataFrame, workers: int, processes: bool, place: Path) -> dict[str, float]:
    """Return clips a second: of decoding alone, and of passes that keep means, or every frame."""
    # What sets the number of workers, for people as well.
    os.environ["LOKY_MAX_CPU_COUNT"] = str(workers)
    passes = {kept: Ready(StandIn(), SECONDS, kept == "frames", processes=processes) for kept in TARGETS}
    return {"ceiling": decoded(passes["means"], clips, place / "cache")} | {
        kept: passed(one_pass, clips, place / "cache", SAMPLED.get(kept, FRAMES_A_CLIP))
        for kept, one_pass in passes.items()
    }


def decoded(one_pass: Ready, clips: pd.DataFrame, cache: Path) -> float:
    """Return how many clips a second are decoded and thrown away; workers have to start, as in a pass."""
    started = time.perf_counter()
    with decoders(decoding_workers(), processes=one_pass.processes) as executor:
        for _, _, futures in one_pass.ahead([clips], one_pass.store(cache), dict.fromkeys(clips.clip_key, 0), executor):
            deque((future.result() for future in futures), maxlen=0)
    return len(clips) / (time.perf_counter() - started)


def passed(one_pass: Ready, clips: pd.DataFrame, cache: Path, sample: int) -> float:
    """Return how many clips a second go through a pass that samples so many frames of each."""
    store = one_pass.store(cache)
    one_pass.extract(clips[:1].assign(clip_key="first"), store, sample=sample)
    started = time.perf_counter()
    done = one_pass.extract(clips, store, sample=sample)
    speed = len(clips) / (time.perf_counter() - started)
    if done.encoded < len(clips):
        raise SystemExit(f"only {done.encoded} of {len(clips)} clips were encoded: {done.failed}")
    shutil.rmtree(cache)
    return speed


def cells(lines: Sequence[dict[str, float]]) -> list[str]:
    """Return what a line of the table says: speeds, and whether they are what they are to be."""
    cells = [f"{np.median([line['ceiling'] for line in lines]):.1f}"]
    for kept, target in TARGETS.items():
        share = float(np.median([line[kept] / line["ceiling"] for line in lines]))
        verdict = "met" if share >= target else f"missed: {target:g}"
        cells.append(f"{np.median([line[kept] for line in lines]):.1f} ({share:.2f}, {verdict})")
    return cells


if __name__ == "__main__":
    main()
