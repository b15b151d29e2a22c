"""Train every probe on every input, and keep what they predict.

Trainings run side by side, one thread each: the numbers do not depend on how many there are.
"""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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

__all__ = ["Trainings", "run_jobs"]

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
    trainings = Trainings(jobs, target, seeds, memory)
    for position, outcome in itertools.chain(
        trainings.stacked(stacked, device or CPU), trainings.side_by_side(alone, workers or calls_at_once())
    ):
        name = names[position]
        if directory:
            write_outcome(directory / f"{name}.safetensors", outcome)
        found[name] = outcome
        progress(shared[name])
    return [found[name] for name in names]


@dataclass(frozen=True)
class Trainings:
    """Jobs that are to be trained; see `run_jobs`, whose parameters these are."""

    jobs: Sequence[Job]
    target: Target
    seeds: Sequence[int]
    memory: float | None = None

    def side_by_side(self, positions: Sequence[int], workers: int) -> Iterator[tuple[int, Outcome]]:
        """Yield the outcomes of some of the jobs as they are ready, and which these are."""
        workers = max(1, min(workers, len(positions)))
        share = share_of_memory(self.memory) / workers
        calls = ((position, self.jobs[position], self.target, self.seeds, share) for position in positions)
        # As they are ready, so that a killed run has kept all that it finished.
        yield from side_by_side(numbered, calls, workers, order="as ready")

    def stacked(self, positions: Sequence[int], device: torch.device) -> Iterator[tuple[int, Outcome]]:
        """Yield the outcomes of some of the jobs, of the mlp, as many trained together as a device holds."""
        alike: dict[tuple[int, ...], list[int]] = {}
        for position in positions:
            # Encoders cut clips into windows of their own.
            features, chosen = self.jobs[position].features, self.jobs[position].chosen
            key = (*assemble(features, chosen, 0).shape, zlib.crc32(features.window_clip.tobytes()))
            alike.setdefault(key, []).append(position)
        target = self.target
        for (*shape, _), left in alike.items():
            train = len(target.parts[0].train) * shape[0] // max(1, len(target.labels.values))
            most = problems_at_once(shape, len(target.labels.names), train, len(self.seeds), device)
            for first in range(0, len(left), most):
                together = left[first : first + most]
                yield from zip(together, self.part_by_part(together, device), strict=True)

    def part_by_part(self, positions: Sequence[int], device: torch.device) -> list[Outcome]:
        """Train some of the jobs together."""
        jobs, share = [self.jobs[position] for position in positions], share_of_memory(self.memory) / len(positions)
        states = [assemble(job.features, job.chosen, share) for job in jobs]
        made = [Collected(job, self.target) for job in jobs]
        for number in range(len(self.target.parts)):
            problems = [problem_of(job, rows, self.target, number) for job, rows in zip(jobs, states, strict=True)]
            for collected, predictions in zip(made, fit_stacked(problems, self.seeds, device), strict=True):
                collected.add(number, predictions)
        return [collected.outcome(device_label(device)) for collected in made]


def numbered(position: int, job: Job, target: Target, seeds: Sequence[int], memory: float) -> tuple[int, Outcome]:
    """Run a job and say which it was."""
    return position, run_job(job, target, seeds, memory)
