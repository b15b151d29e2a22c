"""Train every probe on every input, keep what they predict, and score it.

A finished training is saved under a name that is a digest of all it depends on, so that a killed run continues
and a changed one does not reuse what is stale. Trainings run side by side, one thread each: the numbers do not
depend on how many there are.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from threadpoolctl import threadpool_limits

from layerscope.encoders.base import source_digest
from layerscope.features import Features
from layerscope.labels import Labels
from layerscope.metrics import metric_names, score
from layerscope.probes import PROBES, Input, Problem, assemble, inputs_of, offers
from layerscope.results import Entry
from layerscope.splits import Part
from layerscope.store import read_header, write_tensors
from layerscope.uncertainty import interval, resample_seeds, resample_weights

__all__ = ["Job", "Outcome", "evaluations", "plan_jobs", "run_jobs", "score_outcome"]

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Job:
    """One probe on one input of one model's features."""

    features: Features
    chosen: Input
    probe: str


@dataclass(frozen=True)
class Outcome:
    """What a job predicts.

    Attributes
    ----------
    valid, test : ndarray, shape (seed, clip, output), float32
        Scores of the clips that choose and that are tested; the rows of others are NaN.
    settings : list of dict
        What each training chose on validation.
    mixtures : list of list of float
        Learned weights of layers, one list a training, where there are any.
    """

    valid: NDArray[np.float32]
    test: NDArray[np.float32]
    settings: list[dict[str, float]]
    mixtures: list[list[float]]


def plan_jobs(features: Sequence[Features], probes: Sequence[str]) -> list[Job]:
    """Return all jobs, in the order of the tables; ``last`` is not among them, being the last layer again."""
    return [
        Job(one, chosen, probe)
        for one in features
        for probe in probes
        for chosen in inputs_of(one)
        if chosen.name != "last" and offers(probe, chosen)
    ]


def run_jobs(
    jobs: Sequence[Job],
    labels: Labels,
    parts: Sequence[Part],
    seeds: Sequence[int],
    directory: Path | None = None,
    workers: int | None = None,
    progress: Progress = lambda _: None,
) -> list[Outcome]:
    """Run jobs, or read what an earlier run of theirs has left.

    Parameters
    ----------
    jobs : sequence of Job
        See `plan_jobs`.
    labels : Labels
        Of all clips.
    parts : sequence of Part
        The trainings of each job: one, or one a fold.
    seeds : sequence of int
        Of the probes.
    directory : Path, optional
        Where outcomes are kept.
    workers : int, optional
        Processes; as many as there are cores by default.
    progress : callable
        Called with 1 for each finished job.

    Returns
    -------
    list of Outcome, in the order of `jobs`
    """
    names = [job_digest(job, labels, parts, seeds) for job in jobs]
    found: dict[int, Outcome] = {}
    for position, name in enumerate(names):
        path = directory / f"{name}.safetensors" if directory else None
        if path and path.is_file():
            found[position] = read_outcome(path)
            progress(1)
    missing = [position for position in range(len(jobs)) if position not in found]
    for position, outcome in run_side_by_side(jobs, missing, labels, parts, seeds, workers or os.cpu_count() or 1):
        if directory:
            write_outcome(directory / f"{names[position]}.safetensors", outcome)
        found[position] = outcome
        progress(1)
    return [found[position] for position in range(len(jobs))]


def run_side_by_side(
    jobs: Sequence[Job],
    positions: Sequence[int],
    labels: Labels,
    parts: Sequence[Part],
    seeds: Sequence[int],
    workers: int,
) -> Iterator[tuple[int, Outcome]]:
    """Yield outcomes as they are ready."""
    calls = (joblib.delayed(numbered)(position, jobs[position], labels, parts, seeds) for position in positions)
    workers = max(1, min(workers, len(positions)))
    yield from joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)(calls)


def numbered(
    position: int, job: Job, labels: Labels, parts: Sequence[Part], seeds: Sequence[int]
) -> tuple[int, Outcome]:
    """Run a job and say which it was."""
    return position, run_job(job, labels, parts, seeds)


def run_job(job: Job, labels: Labels, parts: Sequence[Part], seeds: Sequence[int]) -> Outcome:
    """Train a job's probe for every part and seed, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            return train_parts(job, labels, parts, seeds)
    finally:
        torch.set_num_threads(before)


def train_parts(job: Job, labels: Labels, parts: Sequence[Part], seeds: Sequence[int]) -> Outcome:
    """Train for every part, and put the predictions of the parts together."""
    states = assemble(job.features, job.chosen)
    settings: list[dict[str, float]] = []
    mixtures: list[list[float]] = []
    collected: dict[str, NDArray[np.float32]] = {}
    for part in parts:
        problem = Problem(states, job.features.window_clip, labels, part.train, part.valid, part.test)
        predictions = PROBES[job.probe](problem, seeds)
        for name, rows in (("valid", part.valid), ("test", part.test)):
            shape = (len(predictions), *predictions[0].scores.shape)
            scores = collected.setdefault(name, np.full(shape, np.nan, np.float32))
            scores[:, rows] = np.stack([prediction.scores[rows] for prediction in predictions])
        settings += [prediction.settings for prediction in predictions]
        mixtures += [list(prediction.mixture) for prediction in predictions if prediction.mixture]
    return Outcome(collected["valid"], collected["test"], settings, mixtures)


@cache
def probe_source() -> str:
    """Return the digest of the code that outcomes depend on."""
    rooms = ("inputs", "problem", "mlp", "linear", "closed_form")
    return source_digest(
        __name__, "layerscope.metrics", "layerscope.moments", *(f"layerscope.probes.{r}" for r in rooms)
    )


def job_digest(job: Job, labels: Labels, parts: Sequence[Part], seeds: Sequence[int]) -> str:
    """Return a name for a job that changes with anything its outcome depends on."""
    clips = job.features.clips
    told = {
        "features": job.features.fingerprint,
        "clips": list(clips["clip_key" if "clip_key" in clips else "clip"]),
        "input": [job.chosen.name, job.chosen.layer],
        "probe": job.probe,
        "seeds": list(seeds),
        "labels": [labels.kind, labels.names],
        "source": probe_source(),
        "torch": torch.__version__,
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(labels.values).tobytes())
    for part in parts:
        for rows in (part.train, part.valid, part.test):
            digest.update(rows.tobytes() + b"|")
    return digest.hexdigest()[:32]


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Keep an outcome."""
    header = {"settings": outcome.settings, "mixtures": outcome.mixtures}
    write_tensors(path, {"valid": outcome.valid, "test": outcome.test}, header)


def read_outcome(path: Path) -> Outcome:
    """Return a kept outcome."""
    header, tensors = read_header(path), load_file(path)
    return Outcome(tensors["valid"], tensors["test"], header["settings"], header["mixtures"])


@dataclass(frozen=True)
class Evaluation:
    """The clips of one split and how they are resampled, the same for every outcome.

    Attributes
    ----------
    rows : ndarray of int
        Its clips.
    labels : Labels
        Of these clips.
    weights : ndarray, shape (resample, clip), or None
        How often each counts in each resample; validation clips get no interval and are not resampled.
    """

    rows: NDArray[np.int64]
    labels: Labels
    weights: NDArray[np.float64] | None


def evaluations(labels: Labels, parts: Sequence[Part], groups: NDArray[np.int64], seed: int) -> dict[str, Evaluation]:
    """Return the evaluation of the validation and the test split, folds put together."""
    found = {}
    for name in ("valid", "test"):
        rows = np.sort(np.concatenate([getattr(part, name) for part in parts]))
        weights = resample_weights(groups[rows], seed) if name == "test" else None
        found[name] = Evaluation(rows, labels.take(rows), weights)
    return found


def score_outcome(
    label: dict[str, Any], outcome: Outcome, splits: dict[str, Evaluation], seeds: Sequence[int]
) -> list[Entry]:
    """Score an outcome by every metric of its kind of target.

    Parameters
    ----------
    label : dict
        The columns that name it: model, dataset, task, target, probe.
    outcome : Outcome
        Its predictions.
    splits : dict of str to Evaluation
        See `evaluations`.
    seeds : sequence of int
        Those of the probe; a probe without randomness has one.

    Returns
    -------
    list of Entry, the primary metric first
    """
    valid, test = splits["valid"], splits["test"]
    entries = []
    for metric in metric_names(test.labels):
        rows = [
            # No interval: these clips chose, so that one around their score would flatter.
            {
                "seed": seed,
                "split": "valid",
                "value": float(score(metric, scores, valid.labels)[0]),
                "n": len(valid.rows),
            }
            for seed, scores in zip(seeds, outcome.valid[:, valid.rows], strict=False)
        ]
        draws = []
        for seed, scores in zip(seeds, outcome.test[:, test.rows], strict=False):
            value = float(score(metric, scores, test.labels)[0])
            draws.append(score(metric, scores, test.labels, test.weights))
            low, high = interval(draws[-1])
            rows.append(
                {"seed": seed, "split": "test", "value": value, "ci_low": low, "ci_high": high, "n": len(test.rows)}
            )
        entries.append(Entry({**label, "metric": metric}, rows, resample_seeds(np.stack(draws)), outcome.mixtures))
    return entries
