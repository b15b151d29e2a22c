"""What a GPU does with encoders, passes and probes, in five minutes: `python -m benchmarks.gpu`.

Each section is printed as soon as it is measured, and one that fails says why and leaves the others alone:

- `peak`: matrix products of 8192 by 8192, by precision.
- `encoders`: MuQ and MusicFM at full size with random weights, windows of 30 s: clips a second by batch and precision,
  the share of the peak that their operations are, memory, and how far states are from those of a CPU in float32.
- `probes`: the mlp's trainings of a task in a stack on the device, against the loop on all cores of the CPU.
- `pipeline`: MP3 files through the whole pass, against decoding alone: by threads, by processes that drop what they
  decode (what the cores give) and by processes through memory; and how busy cores, encoder and the thread between were.
- `check`: what `layerscope check` tells of a small study on the device, and what `layerscope run` then takes.
- `parity`: how far states of small checkpoints of published kinds are from a CPU's, where `--golden` names a folder.
- `cluster`, which is not among the default ones: the pass over 640 WAV files without a cluster, on a local one that
  starts a worker for it, and once more on that worker; and whether all leave the same files.
- `kernels`: what the time of an encoder in bf16 goes to; `switches`: what other ways to compute would give. `compile`,
  which is not among the default ones, is torch's compiler for the blocks.

`--device cpu --small` shows in a minute that all of it works.
"""

from __future__ import annotations

import argparse
import copy
import functools
import itertools
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import joblib
import numpy as np
import pandas as pd
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from layerscope.data.dataset import Dataset
from layerscope.data.splits import Part
from layerscope.encoders import load_encoder
from layerscope.encoders.conformer import Subsampling
from layerscope.encoders.device import computing, device_label, find_device, wait_for
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.precision_effect import relative_differences
from layerscope.encoders.sketch import Sketch, is_sketched
from layerscope.features.clip_features import Features
from layerscope.features.decoding import decoders, decoding_workers
from layerscope.features.encoder_pass import Pass
from layerscope.features.shared_windows import shared_places
from layerscope.probes.fitting import Target, plan_jobs
from layerscope.probes.jobs_side_by_side import Trainings
from layerscope.probes.workers import side_by_side
from layerscope.scores.evaluation import Outcome
from layerscope.tasks.task import Schedule

GOLDEN = ("muq-small", "musicfm-small", "mert2-small", "mert95-small", "mert330-small")
RATE = 44_100


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    models: tuple[str, ...] = ("random:muq", "random:musicfm")
    seconds: float = 30.0
    batches: tuple[int, ...] = (1, 4, 10, 20)
    matrix: int = 8192
    #: Seconds for which each number is measured, after a first call.
    measured: float = 0.6
    clips: int = 2000
    task: tuple[int, int, int] = (4000, 13, 1024)
    classes: int = 10
    epochs: int = 20


#: Six seconds, as what is shorter goes through the pipe.
SMALL = Sizes(("random:small",), 6.0, (1, 2), 256, 0.05, 12, (200, 2, 16), 3, 3)


@dataclass
class Bench:
    """What the sections share: the device, how much is measured, and what earlier ones found."""

    device: torch.device
    sizes: Sizes
    golden: Path | None
    peaks: dict[str, float]
    encoders: dict[str, LayeredEncoder]

    @property
    def precisions(self) -> tuple[str, ...]:
        """Return the precisions of the device."""
        return ("float32", "tf32", "bf16") if self.device.type == "cuda" else ("float32", "bf16")

    def encoder(self, name: str) -> LayeredEncoder:
        """Return an encoder in float32, on the device; made once."""
        if name not in self.encoders:
            encoder = load_encoder(name, device="cpu")
            assert isinstance(encoder, LayeredEncoder)
            encoder.move(self.device)
            self.encoders[name] = encoder
        return self.encoders[name]

    def rate(self, action: Callable[[], Any]) -> float:
        """Return how often a second an action is done."""
        action()
        wait_for(self.device)
        started, count = time.perf_counter(), 0
        while (taken := time.perf_counter() - started) < self.sizes.measured or not count:
            action()
            wait_for(self.device)
            count += 1
            taken = time.perf_counter() - started
        return count / taken

    def noise(self, batch: int, seconds: float | None = None, rate: int = 24_000) -> Tensor:
        """Return noise as loud as music."""
        samples = round((seconds or self.sizes.seconds) * rate)
        return torch.randn(batch, samples, generator=torch.Generator().manual_seed(batch)) / 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--small", action="store_true", help="sizes that a CPU does in a minute")
    parser.add_argument("--golden", type=Path, help="folder of small checkpoints")
    defaults = [name for name in SECTIONS if name not in ("cluster", "compile")]
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=defaults)
    parser.add_argument("--most-seconds", type=float, default=270, help="after which no section begins")
    asked, began = parser.parse_args(), time.perf_counter()
    device = find_device(asked.device)
    bench = Bench(device, SMALL if asked.small else Sizes(), asked.golden, {}, {})
    say(f"{device_label(device)}, torch {torch.__version__}, {platform.machine()}, {joblib.cpu_count()} cores of the "
        f"CPU, {time.strftime('%d %B %Y')}")  # fmt: skip
    for name in asked.sections:
        started = time.perf_counter()
        if started - began > asked.most_seconds:
            say(f"\n{name}: left out, as {started - began:.0f} s are over")
            continue
        say(f"\n## {name}")
        try:
            SECTIONS[name](bench)
        except Exception as error:
            say(f"{name} failed: {type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}")
        if device.type == "cuda":
            torch.cuda.empty_cache()
        say(f"({name}: {time.perf_counter() - started:.0f} s)")


def say(*lines: object) -> None:
    """Print, and see to it that it is there."""
    print(*lines, sep="\n", flush=True)


def row(*cells: object) -> None:
    """Print a line of a table: the first cell wide, the others to the right."""
    say(f"{cells[0]!s:<34}" + "".join(f"{cell!s:>13}" for cell in cells[1:]))


def peak(bench: Bench) -> None:
    """Print what matrix products reach, in TFLOP/s, by precision."""
    size = bench.sizes.matrix
    row(f"product of {size} by {size}", "TFLOP/s")
    for precision in bench.precisions:
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        matrix = torch.randn(size, size, device=bench.device, dtype=kind)
        with computing(bench.device, "tf32" if precision == "tf32" else "float32"):
            product = functools.partial(torch.mm, matrix, matrix, out=torch.empty_like(matrix))
            bench.peaks[precision] = 2 * size**3 * bench.rate(product)
        row(precision, f"{bench.peaks[precision] / 1e12:.1f}")


def encoders(bench: Bench) -> None:
    """Print what full-size encoders reach, and how far their states are from a CPU's."""
    row("", "batch", "clips/s", "TFLOP/s", "of peak", "GPU memory", "difference")
    for name in bench.sizes.models:
        encoder = bench.encoder(name)
        operations = Sketch(name).operations(bench.sizes.seconds) if is_sketched(name) else float("nan")
        exact = on_cpu(bench, encoder, bench.noise(1))
        for precision, batch in itertools.product(bench.precisions, bench.sizes.batches):
            computed = encoder.at(precision)
            difference = ""
            if batch == bench.sizes.batches[0]:
                states = [state.cpu() for state in computed.layer_states(bench.noise(1))]
                difference = f"{max(relative_differences([exact], [states])):.1e}"
            sound = bench.noise(batch)
            with peak_memory(bench.device) as used:
                speed = batch * bench.rate(functools.partial(computed.layer_states, sound))
            share = speed * operations / bench.peaks[precision] if precision in bench.peaks else float("nan")
            row(f"{name} {precision}", batch, f"{speed:.1f}", f"{speed * operations / 1e12:.1f}", f"{share:.2f}",
                f"{used[0] / 1e9:.1f} GB", difference)  # fmt: skip


def on_cpu(bench: Bench, encoder: LayeredEncoder, sound: Tensor) -> list[Tensor]:
    """Return an encoder's states as the CPU computes them in float32."""
    alike = copy.copy(encoder)
    # Its own copy, as a network moves in place.
    alike.model = copy.deepcopy(encoder.model).cpu() if bench.device.type != "cpu" else encoder.model
    alike.device = "cpu"
    return alike.layer_states(sound)


@contextmanager
def peak_memory(device: torch.device) -> Iterator[list[float]]:
    """Yield a list that holds, at the end, the bytes of the device that were used at most."""
    used: list[float] = []
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    yield used
    used.append(torch.cuda.max_memory_allocated(device) if device.type == "cuda" else float("nan"))


def parity(bench: Bench) -> None:
    """Print how far the states of small checkpoints are from a CPU's in float32."""
    if bench.golden is None:
        say("no --golden")
        return
    row("largest relative difference", *bench.precisions)
    for name in GOLDEN:
        try:
            encoder = load_encoder(bench.golden / name, device="cpu")
        except Exception as error:
            say(f"{name}: {str(error)[:150]}")
            continue
        assert isinstance(encoder, LayeredEncoder)
        sound = bench.noise(2, 4.0, encoder.sample_rate)
        exact = encoder.layer_states(sound)
        encoder.move(bench.device)
        cells = []
        for precision in bench.precisions:
            states = [state.cpu() for state in encoder.at(precision).layer_states(sound)]
            cells.append(f"{max(relative_differences([exact], [states])):.1e}")
        row(name, *cells)


def read_layer(path: str, position: int) -> NDArray[np.float32]:
    """Return the states of a layer of a file."""
    states: NDArray[np.float32] = np.ascontiguousarray(np.load(path, mmap_mode="r")[position])
    return states


def probes(bench: Bench) -> None:
    """Print what the mlp's trainings of a task take in a stack, and in a loop on the cores of the CPU."""
    clips, layers, width = bench.sizes.task
    random = np.random.default_rng(0)
    values = random.integers(0, bench.sizes.classes, clips)
    with tempfile.TemporaryDirectory() as place:
        # What a layer knows grows with its number; on disk, as in a study.
        states = random.standard_normal((layers, clips, width), dtype=np.float32)
        directions = random.standard_normal((bench.sizes.classes, width), dtype=np.float32)
        for layer in range(layers):
            states[layer] += 0.06 * layer / layers * directions[values]
        path = str(Path(place) / "states.npy")
        np.save(path, states)
        small = Features.from_arrays(np.zeros((clips, layers, 1)), [f"class {value}" for value in values])
        features = replace(small, read=functools.partial(read_layer, path), widths=(width,) * layers)
        part = Part(*np.split(random.permutation(clips), [int(0.6 * clips), int(0.8 * clips)]))
        assert features.labels is not None
        target = Target(features.labels, [part], schedule=Schedule(epochs=bench.sizes.epochs))
        compare_probes(bench, features, target)


def compare_probes(bench: Bench, features: Features, target: Target) -> None:
    """Train both ways, and print times and how far scores differ."""
    jobs = [job for job in plan_jobs([features], ["mlp"]) if job.chosen.name == "layer"]
    seeds, positions, cores = [0, 1], list(range(len(jobs))), joblib.cpu_count()

    def stacked(asked: Target) -> dict[int, Outcome]:
        return dict(Trainings(jobs, asked, seeds).stacked(positions, bench.device))

    stacked(replace(target, schedule=Schedule(epochs=1)))  # the first products of a process take longer
    started = time.perf_counter()
    with peak_memory(bench.device) as used:
        together = stacked(target)
    seconds = time.perf_counter() - started
    row(f"{len(jobs)} inputs, 6 rates, 2 seeds", "seconds", "GPU memory")
    row(f"stack, {bench.sizes.epochs} epochs at most", f"{seconds:.1f}", f"{used[0] / 1e9:.1f} GB")
    deque(side_by_side(torch.ones, [(1,)] * cores, cores), maxlen=0)  # workers start, and import torch
    started = time.perf_counter()
    alone = dict(Trainings(jobs, target, seeds).side_by_side(positions, cores))
    loop = time.perf_counter() - started
    row(f"loop, the same on {cores} cores", f"{loop:.1f}", f"{loop / seconds:.1f} times")
    pairs = [(together[position], alone[position]) for position in positions]
    differences = [float(np.nanmax(np.abs(a.test - b.test)) / np.nanmax(np.abs(b.test))) for a, b in pairs]
    same = sum(a.settings == b.settings for a, b in pairs)
    say(f"relative difference of scores: largest {max(differences):.1e}, median {statistics.median(differences):.1e}; "
        f"{same} of {len(pairs)} inputs with the same rate and epochs")  # fmt: skip
    rows = target.parts[0].test
    right = [[float(target.labels.take(rows).score(each.test[0][rows])[0]) for each in pair] for pair in pairs]
    say(f"test accuracy differs by {max(abs(a - b) for a, b in right):.4f} at most "
        f"(that of the last layer is {right[-1][1]:.3f})")  # fmt: skip
    if bench.sizes is not SMALL:
        started = time.perf_counter()
        stacked(replace(target, schedule=Schedule()))
        row("stack, 100 epochs at most", f"{time.perf_counter() - started:.1f}")


class Timed(LayeredEncoder):
    """An encoder that says how long its device was busy with it."""

    # What is somebody's own is asked otherwise, and held to its shapes.
    __module__ = LayeredEncoder.__module__
    spans: list[tuple[Any, Any]]

    @classmethod
    def of(cls, encoder: LayeredEncoder) -> Timed:
        """Return an encoder that counts."""
        timed = cls.__new__(cls)
        vars(timed).update(vars(encoder))
        timed.spans = []
        return timed

    def layer_states(self, waveforms: Tensor) -> list[Tensor]:
        """See `Encoder.layer_states`."""
        if not self.device.startswith("cuda"):
            started = time.perf_counter()
            states = super().layer_states(waveforms)
            self.spans.append((started, time.perf_counter()))
            return states
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        states = super().layer_states(waveforms)
        end.record()
        self.spans.append((start, end))
        return states

    def busy(self) -> float:
        """Return the seconds in which the device encoded."""
        if not self.device.startswith("cuda"):
            return float(sum(end - start for start, end in self.spans))
        torch.cuda.synchronize()
        return float(sum(start.elapsed_time(end) for start, end in self.spans)) / 1000


def pipeline(bench: Bench) -> None:
    """Print how many clips a second go from MP3 files to states on disk, and what is short: cores, way or encoder."""
    sizes = bench.sizes
    encoder = Timed.of(bench.encoder(sizes.models[0]).at("bf16"))
    with tempfile.TemporaryDirectory() as place:
        clips = written_sounds(Path(place), sizes.clips, sizes.seconds)
        # As in a pass where the CPU is free, on a CPU too, so that all of it is tried there.
        one_pass = DecodedByProcesses(encoder, sizes.seconds)
        few, half = clips[: 20 * decoding_workers()], clips[: len(clips) // 2]
        with shared_places() as shared:
            rooms = [f"{each.parent} ({shutil.disk_usage(each).free / 1e9:.2f} GB free)" for each in shared]
        say(f"memory through which samples come: {', then '.join(rooms)}")
        row(f"MP3 of {sizes.seconds:g} s, {decoding_workers()} workers", "clips", "clips/s", "cores busy")
        for name, members, processes, kept in (
            ("decoding, by threads", few, False, True),
            ("by processes, dropped there", half, True, False),
            ("by processes, through memory", half, True, True),
        ):
            with cores_busy() as busy:
                speed = decoded(one_pass, members, Path(place), processes=processes, kept=kept)
            row(name, len(members), f"{speed:.1f}", f"{busy[0]:.2f}")
        one_pass.extract(clips[:1].assign(clip_key="first"), one_pass.store(Path(place)))  # the first takes longer
        encoder.spans.clear()
        started, thread = time.perf_counter(), time.thread_time()
        with cores_busy() as busy:
            done = one_pass.extract(clips, one_pass.store(Path(place)))
        seconds, thread = time.perf_counter() - started, time.thread_time() - thread
        encoding = encoder.busy()
    row(f"the pass, {encoder.name} bf16", len(clips), f"{done.encoded / seconds:.1f}", f"{busy[0]:.2f}")
    row("the encoder while it was busy", done.encoded, f"{done.encoded / encoding:.1f}")
    say(f"of the pass the encoder, with what it is sent, was busy {encoding / seconds:.2f}, and the thread that gives "
        f"it work {thread / seconds:.2f}; the pass is {done.encoded / seconds / speed:.2f} of decoding through memory; "
        f"{len(done.failed)} clips failed {list(done.failed.values())[:1]}")  # fmt: skip


class DecodedByProcesses(Pass):
    """A pass for which processes decode, whatever encodes."""

    on_gpu = True


@contextmanager
def cores_busy() -> Iterator[list[float]]:
    """Yield a list that holds, at the end, the share of this machine's cores that this process and its own took."""
    shares: list[float] = []
    before, started = processor_seconds(), time.perf_counter()
    yield shares
    shares.append((processor_seconds() - before) / (time.perf_counter() - started) / decoding_workers())


def processor_seconds() -> float:
    """Return the seconds of processors that this process took, and those of its own that have ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def written_sounds(place: Path, count: int, seconds: float) -> pd.DataFrame:
    """Write a few MP3 files, and return a table of as many clips; of another key each, so that each is decoded."""
    paths = [place / f"{number}.mp3" for number in range(8)]
    times = np.arange(round(seconds * RATE)) / RATE
    for number, path in enumerate(paths):
        random = np.random.default_rng(number)
        tones = sum(np.sin(2 * np.pi * pitch * times) for pitch in random.uniform(100, 4000, 12)) / 24
        soundfile.write(path, np.stack([tones, tones], axis=1) + random.normal(0, 0.01, (len(times), 2)), RATE)
    rows = [
        {"clip": str(number), "path": str(paths[number % len(paths)]), "start": 0.0, "end": np.nan,
         "clip_key": str(number)}
        for number in range(count)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(clip_seconds=seconds)


def decoded(one_pass: Pass, clips: pd.DataFrame, cache: Path, *, processes: bool, kept: bool) -> float:
    """Return how many clips a second are decoded and thrown away, here or, not kept, where they were decoded.

    Workers have to start, as in a pass.
    """
    started, sampled = time.perf_counter(), dict.fromkeys(clips.clip_key, 0)
    with decoders(decoding_workers(), processes=processes) as executor:
        ahead = one_pass.ahead([clips], one_pass.store(cache), sampled, executor)
        if not kept:
            drop: Any = functools.partial(dropped, ahead.decode)
            ahead.decode = drop
        for _, _, futures in ahead:
            # Read, as an encoder would.
            deque((np.stack(future.result().windows) if kept else future.result() for future in futures), maxlen=0)
    return len(clips) / (time.perf_counter() - started)


def dropped(decode: Callable[..., Any], path: str, start: float, end: float) -> int:
    """Decode a clip and return its number of windows alone."""
    return len(decode(path, start, end).windows)


def check(bench: Bench) -> None:
    """Print what `layerscope check` tells of a small study on this device, and what it then takes."""
    small = bench.sizes is SMALL
    with tempfile.TemporaryDirectory() as place:
        write_study(Path(place), 16 if small else 64, bench.sizes.seconds)
        asked = ["--data", f"{place}/sounds", "--model", bench.sizes.models[0], "--baseline", "mel", "--device",
                 str(bench.device), "--precision", "bf16", "--probe", "closed" if small else "mlp"]  # fmt: skip
        for command in (["check", *asked], ["run", *asked, "--out", f"{place}/out"]):
            started = time.perf_counter()
            lines = said(["-m", "layerscope", *command], os.environ | {"LAYERSCOPE_CACHE": f"{place}/cache"})
            say(f"$ layerscope {command[0]}, {time.perf_counter() - started:.1f} s:", *lines[-40:])


def cluster(bench: Bench) -> None:
    """Print what a cluster of this machine makes of a pass, and whether it leaves the same files."""
    from layerscope.study.ray_connection import connected
    from layerscope.study.workplace import Workplace

    small = bench.sizes is SMALL
    encoder = bench.encoder(bench.sizes.models[0]).at("float32" if small else "bf16")
    with tempfile.TemporaryDirectory() as place:
        write_study(Path(place), 16 if small else 640, bench.sizes.seconds)
        clips = Dataset.load(Path(place, "sounds")).survey().clips
        left: dict[str, dict[str, bytes]] = {}

        def passed(name: str, work: Workplace) -> None:
            with patch.dict(os.environ, LAYERSCOPE_CACHE=str(Path(place, name))):
                started = time.perf_counter()
                store, done = work.encode(Pass(encoder, bench.sizes.seconds), clips, encoder.name)
                row(name, f"{time.perf_counter() - started:.1f} s", f"{done.encoded} clips")
            left[name] = {path.name: path.read_bytes() for path in store.directory.glob("*.safetensors")}

        passed("in one process", Workplace())
        with patch.dict(os.environ, LAYERSCOPE_CACHE=place), connected("local") as found:
            assert found is not None
            for name in ("on a cluster", "on its worker again"):
                Path(place, name).mkdir()
                passed(name, Workplace(cluster=replace(found, cache=Path(place, name))))
        say("the same files" if all(files == left["in one process"] for files in left.values()) else "OTHER FILES")


def said(arguments: Sequence[str], environment: dict[str, str]) -> list[str]:
    """Return the lines that a command of Python prints in three quarters of a minute, errors too."""
    command = [sys.executable, *arguments]
    try:
        ended = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=45, check=False
        )
        text = ended.stdout + (b"" if ended.returncode == 0 else f"\n(exit {ended.returncode})".encode())
    except subprocess.TimeoutExpired as error:
        text = (error.stdout or b"") + b"\n(ended after 45 s)"
    return [line for line in text.decode(errors="replace").splitlines() if line.strip()]


def write_study(place: Path, clips: int, seconds: float) -> None:
    """Write a folder of sounds of two classes, each of its own bytes."""
    times = np.arange(round(seconds * 24_000)) / 24_000
    for number in range(clips):
        random, folder = np.random.default_rng(number), place / "sounds" / ("low", "high")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        tone = np.sin(2 * np.pi * random.uniform(200, 400) * (1 + number % 2) * times) / 4
        soundfile.write(folder / f"{number}.wav", tone + random.normal(0, 0.02, len(times)), 24_000)


def switches(bench: Bench) -> None:
    """Print what other ways to compute in bf16 give, and how far they take the states."""
    encoder = bench.encoder(bench.sizes.models[0]).at("bf16")
    exact = [state.cpu() for state in bench.encoder(bench.sizes.models[0]).layer_states(bench.noise(1))]
    # One window, which is bound by what is launched, and as many as a pass takes.
    batches = (bench.sizes.batches[0], bench.sizes.batches[-2])
    row(f"{encoder.name}: clips/s, bf16", *(f"batch {batch}" for batch in batches), "difference")
    for name, way in WAYS.items():
        try:
            with way(bench, encoder) as changed:
                states = [state.cpu() for state in changed(bench.noise(1))]
                speeds = [batch * bench.rate(functools.partial(changed, bench.noise(batch))) for batch in batches]
            row(name, *(f"{speed:.1f}" for speed in speeds), f"{max(relative_differences([exact], [states])):.1e}")
        except Exception as error:
            say(f"{name}: {type(error).__name__}: {str(error)[:200]}")
        if bench.device.type == "cuda":
            torch.cuda.empty_cache()


Encode = Callable[[Tensor], Sequence[Tensor]]


@contextmanager
def as_it_is(_: Bench, encoder: LayeredEncoder) -> Iterator[Encode]:
    """Yield what the product does."""
    yield encoder.layer_states


@contextmanager
def searched(_: Bench, encoder: LayeredEncoder) -> Iterator[Encode]:
    """Yield it with convolutions for which cuDNN tries all its algorithms."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield encoder.layer_states
    finally:
        torch.backends.cudnn.benchmark = before


@contextmanager
def weights_held(_: Bench, encoder: LayeredEncoder) -> Iterator[Encode]:
    """Yield it with the weights of dense layers and convolutions in bf16, so that none is cast at every call."""
    other = copy.copy(encoder)
    other.model = copy.deepcopy(encoder.model)
    for module in other.model.modules():
        # Those of the front end are multiplied by the norms' numbers first, which are float32.
        if isinstance(module, nn.Linear | nn.Conv1d):
            module.to(torch.bfloat16)
    yield other.layer_states


@contextmanager
def all_in_bfloat16(bench: Bench, encoder: LayeredEncoder) -> Iterator[Encode]:
    """Yield a network in bf16 throughout but for mel: norms and the sum that blocks add to as well."""
    model: Any = copy.deepcopy(encoder.model)
    model.conv.to(torch.bfloat16)
    model.conformer.to(torch.bfloat16)
    config = model.config

    @torch.inference_mode()
    def encode(waveforms: Tensor) -> list[Tensor]:
        mel = (model.mel(waveforms.to(bench.device)) - config.mel_mean) / config.mel_std
        states = model.conformer.states(model.conv(mel.to(torch.bfloat16)), encoder.layers[-1])
        return [state.float() for state in states]

    yield encode


@contextmanager
def front_end_plain(_: Bench, encoder: LayeredEncoder) -> Iterator[Encode]:
    """Yield it with the front end's maps as they come, channels first."""
    before = Subsampling.forward

    def forward(self: Any, mel: Tensor) -> Tensor:
        maps = self.conv(mel[:, None].contiguous())
        return self.linear(maps.permute(0, 3, 1, 2).flatten(2))

    Subsampling.forward = forward  # type: ignore[method-assign]
    try:
        yield encoder.layer_states
    finally:
        Subsampling.forward = before  # type: ignore[method-assign]


@contextmanager
def attending(backend: str, _: Bench, encoder: LayeredEncoder) -> Iterator[Encode]:
    """Yield it with one of the ways in which torch attends."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(getattr(SDPBackend, backend)):
        yield encoder.layer_states


@contextmanager
def captured(base: Callable[..., Any], bench: Bench, encoder: LayeredEncoder) -> Iterator[Encode]:
    """Yield a way recorded once and played back, so that nothing is launched kernel by kernel."""
    graphs: dict[int, tuple[Any, Tensor, list[Tensor]]] = {}
    with base(bench, encoder) as encode:

        def play(waveforms: Tensor) -> list[Tensor]:
            if waveforms.shape[0] not in graphs:
                graphs.clear()  # each holds on to all the memory of its batch
                given = waveforms.to(bench.device)
                stream = torch.cuda.Stream()
                with torch.cuda.stream(stream):
                    for _ in range(2):
                        encode_on_device(encode, given)
                torch.cuda.current_stream().wait_stream(stream)
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    states = encode_on_device(encode, given)
                graphs[waveforms.shape[0]] = (graph, given, states)
            graph, given, states = graphs[waveforms.shape[0]]
            given.copy_(waveforms.pin_memory(), non_blocking=True)
            graph.replay()
            return states

        yield play


@torch.inference_mode()
def encode_on_device(encode: Encode, given: Tensor) -> list[Tensor]:
    """Return states of what is on the device already: nothing that is recorded may come from the CPU."""
    encoder = getattr(encode, "__self__", None)
    if encoder is None:
        return list(encode(given))
    # Without the cache of autocast, whose casts would be outside the recording.
    with (
        computing(torch.device(encoder.device), "float32"),
        torch.autocast("cuda", torch.bfloat16, cache_enabled=False),
    ):
        return [state.float() for state in encoder.model.states(given, encoder.layers[-1])]


WAYS: dict[str, Callable[..., Any]] = {
    "as it is": as_it_is,
    "cuDNN searches": searched,
    "weights held in bf16": weights_held,
    "norms and sums in bf16 too": all_in_bfloat16,
    "front end channels first": front_end_plain,
    **{
        f"attention by {backend}": functools.partial(attending, backend)
        for backend in ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH")
    },
    "as it is, recorded": functools.partial(captured, as_it_is),
    "weights held, recorded": functools.partial(captured, weights_held),
    "all in bf16, recorded": functools.partial(captured, all_in_bfloat16),
}


def kernels(bench: Bench) -> None:
    """Print what the time of an encoder in bf16 goes to."""
    from torch.profiler import ProfilerActivity, profile

    encoder, cuda = bench.encoder(bench.sizes.models[0]).at("bf16"), bench.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    for batch in (bench.sizes.batches[0], bench.sizes.batches[-2]):
        encode = functools.partial(encoder.layer_states, bench.noise(batch))
        seconds = 1 / bench.rate(encode)
        with profile(activities=activities) as seen:
            encode()
            wait_for(bench.device)
        # An operation's own time on the device is that of its kernels, which are listed besides.
        times: dict[bool, dict[str, tuple[float, int]]] = {False: {}, True: {}}
        for event in seen.key_averages():
            taken = event.self_device_time_total if cuda else event.self_cpu_time_total
            times["CUDA" in str(event.device_type)][event.key] = (taken, event.count)
        total = sum(taken for taken, _ in times[cuda].values())
        say(f"batch {batch}: {1000 * seconds:.1f} ms, and {total / 1000:.1f} ms of {'kernels' if cuda else 'the CPU'}:")
        for names, most in ((times[False], 12), (times[True], 8)):
            for name, (taken, count) in sorted(names.items(), key=lambda item: -item[1][0])[:most]:
                say(f"  {taken / total:6.1%} {count:5d} times  {name[:90]}")


def compiled(bench: Bench) -> None:
    """Print what torch's compiler makes of the blocks."""
    encoder = bench.encoder(bench.sizes.models[0]).at("bf16")
    other = copy.copy(encoder)
    other.model = copy.deepcopy(encoder.model)
    for block in other.model.blocks:
        block.compile()
    row(f"{encoder.name}: clips/s, bf16", *(f"batch {batch}" for batch in bench.sizes.batches))
    for name, encode in {"as it is": encoder.layer_states, "compiled": other.layer_states}.items():
        speeds = [batch * bench.rate(functools.partial(encode, bench.noise(batch))) for batch in bench.sizes.batches]
        row(name, *(f"{speed:.1f}" for speed in speeds))


SECTIONS: dict[str, Callable[[Bench], None]] = {
    "peak": peak,
    "encoders": encoders,
    "probes": probes,
    "pipeline": pipeline,
    "check": check,
    "cluster": cluster,
    "parity": parity,
    "kernels": kernels,
    "switches": switches,
    "compile": compiled,
}


if __name__ == "__main__":
    main()
