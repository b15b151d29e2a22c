"""Look before running: the data, their leaks, and what a study would cost, measured on a few windows."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from layerscope.audio import window_spans
from layerscope.dataset import Dataset
from layerscope.encoders import MODELS, Encoder, load_encoder
from layerscope.extraction import stored_bytes
from layerscope.features import Features
from layerscope.labels import Labels
from layerscope.plan import Plan
from layerscope.probes import Problem
from layerscope.probes.mlp import LEARNING_RATES, MLP, run_epoch
from layerscope.probes.problem import target_tensor
from layerscope.probing import plan_jobs
from layerscope.splits import Part, assign, find_leaks, parts_of, refuse_unlearnable
from layerscope.store import cache_directory
from layerscope.study import load_clips

__all__ = ["Check", "Cost", "check"]

#: Windows that are encoded to measure a speed.
MEASURED = 3
#: Epochs that an mlp takes until it stops: 20 after its best one, which tends to come early.
TYPICAL_EPOCHS = 40


@dataclass(frozen=True)
class Cost:
    """What one encoder would cost.

    Attributes
    ----------
    model : str
        Which.
    download : bool
        Whether its weights must be fetched first; its speed is then that of its untrained twin.
    windows : int
        Windows to encode.
    minutes : float
        Of encoding, by the speed of a few windows.
    megabytes : float
        Of features on disk.
    """

    model: str
    download: bool
    windows: int
    minutes: float
    megabytes: float


@dataclass(frozen=True)
class Check:
    """What a study would meet.

    Attributes
    ----------
    dataset : Dataset
        The clips that would be used, with ``split`` or ``fold``, and those that would not.
    labels : Labels
        Of the clips.
    leaks : list of str
        What lies on both sides of the splits that the data bring, by files and groups.
    hours : float
        Of audio, each span counted once.
    costs : list of Cost
        One an encoder.
    trainings : int
        Probes that would be trained.
    probe_minutes : float
        Of their training, by the time of one of them.
    free_megabytes : float
        On the disk of the cache.
    """

    dataset: Dataset
    labels: Labels
    leaks: list[str]
    hours: float
    costs: list[Cost]
    trainings: int
    probe_minutes: float
    free_megabytes: float


def check(plan: Plan, workers: int) -> Check:
    """Read the data and measure, without training or keeping anything.

    Parameters
    ----------
    plan : Plan
        The study.
    workers : int
        Processes that would train probes.
    """
    dataset, labels = load_clips(plan.model_copy(update={"allow_leaks": True}))
    clips = assign(dataset.clips, labels, plan.split_seed, plan.folds)
    parts = parts_of(clips)
    refuse_unlearnable(labels, parts)
    costs, features = [], []
    for name in [*plan.model, *plan.baseline]:
        encoder, download = stand_in(name, plan.layers if name in plan.model else None)
        cost, lengths = encoding_cost(encoder, dataset, plan.window or encoder.window, download)
        costs.append(cost)
        features.append(placeholder(encoder, dataset, lengths))
    jobs = plan_jobs(features, plan.probe)
    mlps = [job for job in jobs if job.probe == "mlp"]
    each = len(LEARNING_RATES) + plan.seeds - 1
    seconds = mlp_seconds(features, labels, parts[0]) * each * len(parts) * len(mlps) / max(1, workers) if mlps else 0.0
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    return Check(
        dataset=Dataset(dataset.name, clips, dataset.skipped),
        labels=labels,
        leaks=[str(leak) for leak in find_leaks(dataset.clips)],
        hours=float(dataset.clips.drop_duplicates("clip_key").clip_seconds.sum()) / 3600,
        costs=costs,
        trainings=each * len(parts) * len(mlps) + (len(jobs) - len(mlps)) * len(parts),
        probe_minutes=seconds / 60,
        free_megabytes=shutil.disk_usage(cache).free / 1e6,
    )


def stand_in(name: str, layers: str | None) -> tuple[Encoder, bool]:
    """Return an encoder of the right size without fetching anything, and whether it would have to be fetched."""
    download = name in MODELS and not MODELS[name].cached()
    return load_encoder(f"random:{name}" if download else name, layers=layers), download


def encoding_cost(encoder: Encoder, dataset: Dataset, window: float, download: bool) -> tuple[Cost, list[int]]:
    """Measure a few windows of the commonest length, and return the cost and the windows of each clip."""
    rate = encoder.sample_rate
    distinct = dataset.clips.drop_duplicates("clip_key")
    spans = {
        row.clip_key: window_spans(max(1, round(row.clip_seconds * rate)), round(window * rate))
        for row in distinct.itertuples()
    }
    lengths = [stop - first for each in spans.values() for first, stop in each]
    samples = max(encoder.minimum_samples, int(np.median(lengths)))
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (MEASURED + 1, 1, samples)).astype(np.float32))
    encoder.encode(noise[0])  # the first call pays for what later ones find ready
    started = time.perf_counter()
    for one in noise[1:]:
        encoder.encode(one)
    speed = (time.perf_counter() - started) / (MEASURED * samples)
    cost = Cost(
        model=encoder.name.removeprefix("random:") if download else encoder.name,
        download=download,
        windows=len(lengths),
        minutes=speed * sum(lengths) / 60,
        megabytes=len(lengths) * stored_bytes(encoder) / 1e6,
    )
    return cost, [len(spans[key]) for key in dataset.clips.clip_key]


def placeholder(encoder: Encoder, dataset: Dataset, windows: Sequence[int]) -> Features:
    """Return features of the right shape that hold noise."""
    clip = np.repeat(np.arange(len(dataset.clips)), windows)
    dim = encoder.dim * (6 if encoder.baseline else 1)
    noise = np.random.default_rng(0)
    return Features(
        model=encoder.name,
        layers=encoder.layers,
        clips=dataset.clips,
        window_clip=clip,
        read=lambda _: noise.standard_normal((len(clip), dim)).astype(np.float32),
        pooling="moments" if encoder.baseline else "mean",
        fingerprint="",
        baseline=encoder.baseline,
    )


def mlp_seconds(features: Sequence[Features], labels: Labels, part: Part) -> float:
    """Return the time of one training of the mlp probe: an epoch on noise as wide as the models', on one thread."""
    widest = max(features, key=lambda one: len(one.layers))
    problem = Problem(widest.read(0), widest.window_clip, labels, part.train, part.valid, part.test)
    states, (targets, _) = torch.from_numpy(problem.states), target_tensor(problem)
    probe = MLP(states.shape[1], len(labels.names))
    optimizer = torch.optim.AdamW(probe.parameters(), fused=True)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    started = time.perf_counter()
    run_epoch(
        probe,
        optimizer,
        labels.kind,
        states,
        targets[widest.window_clip],
        torch.from_numpy(problem.windows_of(part.train)),
    )
    torch.set_num_threads(before)
    return TYPICAL_EPOCHS * (time.perf_counter() - started)
