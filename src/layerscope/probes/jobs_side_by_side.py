"""Train every probe on every input, and keep what they predict.

Trainings run side by side, one thread each: the numbers do not depend on how many there are.
"""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from layerscope.encoders.device import device_label
from layerscope.features.row_blocks import share_of_memory
from layerscope.probes import assemble
from layerscope.probes.fitting import CPU, Collected, Job, Target, problem_of, run_job, stacks
from layerscope.probes.kept_outcomes import job_digest, read_outcome, write_outcome
from layerscope.probes.stacked import fit_stacked, problems_at_once
from layerscope.probes.workers import calls_at_once, is_elsewhere, side_by_side
from layerscope.scores.evaluation import Outcome

__all__ = ["run_jobs", "run_side_by_side", "run_stacked"]

Progress = Callable[[int], None]


def run_jobs(
    jobs: Sequence[Job],
    target: Target,
    seeds: Sequence[int],
    directory: Path | None = None,
    workers: int | None = None,
    progress: Progress = lambda _: None,
    memory: float | None = None,
    device: torch.device | None = None,
) -> list[Outcome]:
    """Run jobs, or read what an earlier run of theirs has left.

    Parameters
    ----------
    jobs : sequence of Job
        See `plan_jobs`.
    target : Target
        What is to be predicted.
    seeds : sequence of int
        Of the probes.
    directory : Path, optional
        Where outcomes are kept.
    workers : int, optional
        Processes; by default as many as there are cores for this process (joblib's count, which heeds a container's
        limit, the process's affinity and `LOKY_MAX_CPU_COUNT`), or on a machine of what `calls_elsewhere` names.
    progress : callable
        Called with 1 for each finished job.
    memory : float, optional
        Gigabytes that the states of all processes of a machine may take; a half of what this one has by default. What
        takes more is read by blocks.
    device : torch.device, optional
        Where the mlp is trained: on CUDA all its trainings together, unless a cluster trains (see `calls_elsewhere`).

    Returns
    -------
    list of Outcome, in the order of `jobs`
    """
    names = [job_digest(job, target, seeds) for job in jobs]
    # Jobs of one name have one outcome: two encoders of the same size have the same untrained twin.
    first = {name: position for position, name in reversed(list(enumerate(names)))}
    shared = Counter(names)
    found: dict[str, Outcome] = {}
    for name in shared:
        path = directory / f"{name}.safetensors" if directory else None
        if path and path.is_file():
            # Never stale: the name is a digest of all that it depends on.
            found[name] = read_outcome(path)
            progress(shared[name])
    missing = [first[name] for name in shared if name not in found]
    stacked = [position for position in missing if stacks(jobs[position], device) and not is_elsewhere()]
    alone = [position for position in missing if position not in stacked]
    for position, outcome in itertools.chain(
        run_stacked(jobs, stacked, target, seeds, memory, device or CPU),
        run_side_by_side(jobs, alone, target, seeds, workers or calls_at_once(), memory),
    ):
        name = names[position]
        if directory:
            write_outcome(directory / f"{name}.safetensors", outcome)
        found[name] = outcome
        progress(shared[name])
    return [found[name] for name in names]


def run_side_by_side(
    jobs: Sequence[Job],
    positions: Sequence[int],
    target: Target,
    seeds: Sequence[int],
    workers: int,
    memory: float | None,
) -> Iterator[tuple[int, Outcome]]:
    """Yield outcomes as they are ready."""
    workers = max(1, min(workers, len(positions)))
    calls = ((position, jobs[position], target, seeds, share_of_memory(memory) / workers) for position in positions)
    # As they are ready, so that a killed run has kept all that it finished.
    yield from side_by_side(numbered, calls, workers, order="as ready")


def run_stacked(
    jobs: Sequence[Job],
    positions: Sequence[int],
    target: Target,
    seeds: Sequence[int],
    memory: float | None,
    device: torch.device,
) -> Iterator[tuple[int, Outcome]]:
    """Yield outcomes of the mlp, as many jobs trained together as a device holds."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for position in positions:
        # Encoders cut clips into windows of their own.
        windows = jobs[position].features.window_clip
        key = (*assemble(jobs[position].features, jobs[position].chosen, 0).shape, zlib.crc32(windows.tobytes()))
        alike.setdefault(key, []).append(position)
    for (*shape, _), left in alike.items():
        train = len(target.parts[0].train) * shape[0] // max(1, len(target.labels.values))
        most = problems_at_once(shape, len(target.labels.names), train, len(seeds), device)
        for first in range(0, len(left), most):
            together = left[first : first + most]
            outcomes = train_parts_stacked([jobs[position] for position in together], target, seeds, memory, device)
            yield from zip(together, outcomes, strict=True)


def train_parts_stacked(
    jobs: Sequence[Job], target: Target, seeds: Sequence[int], memory: float | None, device: torch.device
) -> list[Outcome]:
    """Train jobs together, part by part."""
    share = share_of_memory(memory) / len(jobs)
    states = [assemble(job.features, job.chosen, share) for job in jobs]
    made = [Collected(job, target) for job in jobs]
    for number in range(len(target.parts)):
        problems = [problem_of(job, rows, target, number) for job, rows in zip(jobs, states, strict=True)]
        for collected, predictions in zip(made, fit_stacked(problems, seeds, device), strict=True):
            collected.add(number, predictions)
    return [collected.outcome(device_label(device)) for collected in made]


def numbered(position: int, job: Job, target: Target, seeds: Sequence[int], memory: float) -> tuple[int, Outcome]:
    """Run a job and say which it was."""
    return position, run_job(job, target, seeds, memory)
