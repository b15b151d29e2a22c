"""What a pass would cost, by a few clips that are really encoded, into a store that is thrown away."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from layerscope.encoders import MODELS, Encoder
from layerscope.encoders.device import computing, find_device, wait_for
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.precision_effect import precision_effect
from layerscope.encoders.published_models import RANDOM
from layerscope.encoders.sketch import Sketch, is_sketched
from layerscope.features.batches import BATCH_SECONDS
from layerscope.features.decoding import decoding_workers
from layerscope.features.encoder_pass import SHARD_CLIPS, SHARD_SECONDS, Pass
from layerscope.probes.inputs import BLOCKS, refuse_sets
from layerscope.study.clip_trial import evenly, first_windows, short_clips
from layerscope.study.memory_cost import process_bytes
from layerscope.study.options import Plan
from layerscope.study.ray_cluster import Cluster
from layerscope.study.study_tasks import StudyTask, pass_over, passes_of

__all__ = ["Cost", "Outline", "encoding_cost", "few_clips_speed", "network_speed", "seconds_of", "widths_of"]

#: Clips that are encoded to measure a speed at least, taken evenly from all, after one that pays for what later ones
#: find ready; of short clips as many as make a batch: four of half a second took three times as long for a second.
#: Where processes decode, so many for each.
FEW_CLIPS = 4
#: Seconds of each of them.
MOST_SECONDS = 60.0
#: Seconds of noise that a front end and a block of a sketched network are timed on.
NOISE_SECONDS = 5.0


@dataclass(frozen=True)
class Outline:
    """What of an encoder decides the shape of its features, so that the network need not be kept for it."""

    name: str
    layers: tuple[int, ...]
    widths: tuple[int, ...]
    baseline: bool
    window: float
    sample_rate: int
    reads_files: bool


@dataclass(frozen=True)
class Cost:
    """What one encoder would cost.

    Attributes
    ----------
    outline : Outline
        Which.
    model : str
        What it is called.
    device : str
        Where it would run.
    passes : int
        Over the clips: one, or one a draw of an untrained twin. Windows are of one, minutes and megabytes of all.
    download : bool
        Whether its weights must be fetched first.
    windows : int
        Windows to encode.
    minutes : float
        Of the pass, by the speed of a few clips.
    too_short : list of dict of str to str
        Of each task the clips that it could not take, and that would be used for no model then, and why. No other clip
        loses a window.
    megabytes : float
        Of features on disk.
    memory : float
        Megabytes of memory of a process that encodes.
    probe_megabytes : float
        Of memory that its widest input takes while a probe is trained on it.
    precision : str
        In which it computes.
    differences : list of float
        By how much the states of each layer differ from those in float32, relative to them, on a few windows; empty in
        float32.
    """

    outline: Outline
    model: str
    device: str
    passes: int
    download: bool
    windows: int
    minutes: float
    too_short: list[dict[str, str]]
    megabytes: float
    memory: float
    probe_megabytes: float
    precision: str
    differences: list[float]


def stand_in(name: str, plan: Plan) -> tuple[Encoder, bool]:
    """Return an encoder without fetching or making what is known without, and whether it would have to be fetched."""
    layers = plan.layers if name in plan.model else None
    if not is_sketched(name):
        return plan.load(name, layers=layers), False
    download = not name.startswith(RANDOM) and not MODELS[name].cached()
    if plan.precision == "float32":
        return Sketch(name, layers, find_device(plan.device)), download
    # What a precision changes only the network itself can show; of one that is not here, its twin.
    return plan.load(f"{RANDOM}{name}" if download else name, layers=layers), download


def encoding_cost(name: str, tasks: Sequence[StudyTask], plan: Plan, cluster: Cluster | None) -> Cost:
    """Measure a few clips of each pass that a study asks of an encoder, here or on a worker of a cluster."""
    encoder, download = stand_in(name, plan)
    if name in plan.model:
        refuse_sets(plan.layers_as, encoder.name, encoder.layers)
    passes = plan.draws(name)
    windows, seconds, size, rows, attended, memory = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    differences: list[float] = []
    workers = cluster.share_of(encoder)[0] if cluster else 1
    for (_, window), members in passes_of(encoder, tasks).items():
        clips = pd.concat([tasks[number].dataset.clips for number in members]).drop_duplicates("clip_key")
        one_pass = pass_over(encoder, window, [tasks[number] for number in members], plan)
        lengths = [length for duration in clips.clip_seconds for length in one_pass.cutting.lengths(duration)]
        windows += len(lengths)
        speed = cluster.measure(encoder, pass_speed, one_pass, clips) if cluster else pass_speed(one_pass, clips)
        seconds += speed * float(clips.clip_seconds.sum())
        size += one_pass.stored_bytes(clips)
        memory = max(memory, pass_bytes(one_pass, clips, float(np.median(lengths))))
        if encoder.precision != "float32" and isinstance(encoder, LayeredEncoder) and not differences:
            sounds = first_windows(encoder, clips, window)
            differences = precision_effect(encoder, sounds) if sounds else []
        pooled = sum(len(one_pass.cutting.pooled_spans(duration)) for duration in clips.clip_seconds)
        kept = one_pass.kept_frames(clips.clip_seconds)
        rows = max(rows, pooled, kept if one_pass.frames else 0.0)
        attended = max(attended, kept if one_pass.attended else 0.0)
    # Of a model's poolings the widest is mean and deviation.
    wide = 2 if "moments" in plan.pooling and not encoder.baseline else 1
    columns = widths_of(encoder, frames=any(task.over_time for task in tasks))
    return Cost(
        outline=Outline(**{field.name: getattr(encoder, field.name) for field in fields(Outline)}),
        model=encoder.name.removeprefix(RANDOM) if download else encoder.name,
        device=encoder.device or "cpu",
        passes=passes,
        download=download,
        windows=windows,
        minutes=passes * seconds / workers / 60,
        too_short=[short_clips(encoder, task) for task in tasks],
        megabytes=passes * size / 1e6,
        memory=memory / 1e6,
        # The states of all layers side by side, or the frames of one, and their standardised copy.
        probe_megabytes=2 * 4 * max(wide * rows * sum(columns), attended * max(encoder.widths)) / 1e6,
        precision=encoder.precision,
        differences=differences,
    )


def widths_of(encoder: Encoder | Outline, frames: bool) -> list[int]:
    """Return the width of each layer's states as a probe is given them."""
    blocks = BLOCKS["frame" if frames else "mean"] if encoder.baseline else 1
    return [blocks * width for width in encoder.widths]


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def pass_speed(one_pass: Pass, clips: pd.DataFrame) -> float:
    """Return the seconds that a pass takes for a second of audio."""
    encoder, rest = one_pass.encoder, few_clips_speed(one_pass, clips)
    if not isinstance(encoder, Sketch):
        return rest
    network = network_speed(one_pass, encoder, min(one_pass.window, float(clips.clip_seconds.median())))
    # A GPU encodes while the cores decode; on a CPU both take turns on the same cores.
    return network + rest if encoder.device == "cpu" else max(network, rest)


def few_clips_speed(one_pass: Pass, clips: pd.DataFrame) -> float:
    """Return the seconds for a second of audio of decoding, encoding (at no cost if sketched), pooling and writing."""
    batch = round(BATCH_SECONDS / float(clips.clip_seconds.median()))
    # All that decode are to have begun before, and to work side by side.
    workers = decoding_workers() if one_pass.decodes_by_processes else 1
    few = evenly(clips, max(FEW_CLIPS * workers, min(batch, SHARD_CLIPS)) + workers).copy()
    few["end"] = np.fmin(few.start + MOST_SECONDS, few.end.fillna(np.inf)).where(
        few.clip_seconds > MOST_SECONDS, few.end
    )
    few["clip_seconds"] = few.clip_seconds.clip(upper=MOST_SECONDS)
    few = few.sort_values("clip_seconds", kind="stable")
    with tempfile.TemporaryDirectory(prefix="layerscope-check-") as place, one_pass.decoders() as executor:
        encode = functools.partial(Pass.encode_shards, executor=executor)
        one_pass.extract(few.iloc[:workers], one_pass.store(Path(place)), encode_shards=encode)
        # Of so few clips the second time counts.
        timed = few.iloc[workers:] if len(few) > workers else few
        store = one_pass.store(Path(place) / "timed")
        seconds = seconds_of(lambda: one_pass.extract(timed, store, encode_shards=encode))
    return seconds / float(timed.clip_seconds.sum())


def network_speed(one_pass: Pass, sketch: Sketch, window: float) -> float:
    """Return the seconds that a network takes for a second of audio, by its front end and one of its blocks.

    On a CPU a short stretch is timed, since time grows with the audio there; a GPU is given all that it is in a pass.
    """
    device = torch.device(sketch.device)
    seconds = min(NOISE_SECONDS, window) if device.type == "cpu" else window
    samples = max(sketch.minimum_samples, round(seconds * sketch.sample_rate))
    batch = 1 if device.type == "cpu" else one_pass.batch_size.windows(samples)
    network = sketch.first_block(device)
    noise = torch.randn((batch, samples), generator=torch.Generator().manual_seed(0)) / 10
    blocks = sketch.layers[-1]

    def front_and_block() -> tuple[float, float]:
        started = time.perf_counter()
        # Some networks run their front end here, others when they are asked for its states.
        states = network.states(noise.to(device), min(1, blocks))
        finished(next(states), device)
        front = time.perf_counter() - started
        return front, seconds_of(lambda: finished(next(states), device)) if blocks else 0.0

    with torch.inference_mode(), computing(device, sketch.precision):
        front_and_block()  # pays for what later ones find ready
        # The least: other programs can only slow it down.
        front, block = np.min([front_and_block() for _ in range(2)], axis=0)
    return float(front + blocks * block) / (batch * seconds)


def finished(states: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Wait until a device has done what it was given."""
    wait_for(device)
    return states


def pass_bytes(one_pass: Pass, clips: pd.DataFrame, window: float) -> float:
    """Return the memory of a process that encodes: what it has loaded, a shard with its audio, and the network."""
    encoder, seconds = one_pass.encoder, float(clips.clip_seconds.sum())
    shard = min(1.0, SHARD_SECONDS / max(seconds, 1e-9))
    # The audio of the shard that is encoded and of the next one, which is decoded meanwhile.
    audio = 2 * shard * seconds * encoder.sample_rate * 4
    # Arrays of a shard as they are written, and the states that they are made of.
    states = 2 * shard * one_pass.stored_bytes(clips)
    network = 0.0
    if isinstance(encoder, Sketch):
        samples = max(encoder.minimum_samples, round(window * encoder.sample_rate))
        at_once = min(one_pass.batch_size.windows(samples), max(1, round(shard * seconds / max(window, 1e-9))))
        network = encoder.peak_bytes(window, at_once)
    return process_bytes() + audio + states + network
