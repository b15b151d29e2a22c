"""What a job is named and how its outcome is kept.

The name is a digest of all that an outcome depends on, so that a killed run continues and a changed one does not reuse
what is stale.
"""

from __future__ import annotations

import json
import pkgutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import torch

from layerscope import targets
from layerscope.atomic_files import digest, read_header, read_tensors, write_tensors
from layerscope.encoders.encoder import source_digest
from layerscope.probes.fitting import Job, Target, is_cross_validated
from layerscope.scores.evaluation import Outcome

__all__ = ["job_digest", "read_outcome", "write_outcome"]


@cache
def source_of(kind_module: str) -> str:
    """Return the digest of the code that outcomes depend on, of a kind of target that a module defines."""
    probes = (
        "fitting", "inputs", "problem", "epochs", "mlp", "adam", "stacked", "linear", "linear_mixture", "convex_solver",
        "closed_form", "sample_sums", "knn", "attention", "frame_targets",
    )  # fmt: skip
    modules = [__name__, "layerscope.features.row_blocks", "layerscope.scores.layer_selection"]
    modules += [f"layerscope.probes.{name}" for name in probes]
    modules += sorted(module.name for module in pkgutil.iter_modules(targets.__path__, "layerscope.targets."))
    # A kind that was typed in has no file; it ends with its session, and so does what is known of it.
    if getattr(sys.modules[kind_module], "__file__", None):
        modules.append(kind_module)
    return source_digest(*modules)


def job_digest(job: Job, target: Target, seeds: Sequence[int]) -> str:
    """Return a name for a job that changes with anything its outcome depends on."""
    clips, kind = job.features.clips, (target.tracks or target.labels).kind
    told = {
        "features": job.features.fingerprint,
        # Features that were handed in have no keys; their fingerprint is of all states.
        "clips": list(clips["clip_key" if "clip_key" in clips else "clip"]),
        "input": [job.chosen.name, job.chosen.layer],
        "probe": job.probe,
        "seeds": list(seeds),
        "labels": [kind.name, target.labels.names, target.labels.metrics()[0]],
        "tracks": target.tracks.digest() if target.tracks else None,
        "schedule": asdict(target.schedule),
        "source": source_of(type(kind).__module__),
        "torch": torch.__version__,
    }
    # The choosing only where it is used, so that other jobs keep their names when it changes.
    parts = (*target.parts, *(target.choosing if is_cross_validated(job, target) else ()))
    sides = [rows.tobytes() for part in parts for rows in (part.train, part.valid, part.test)]
    values = np.ascontiguousarray(target.labels.values).tobytes()
    # A mark behind each, so that rows that change sides change the name.
    return digest(json.dumps(told, sort_keys=True), values, *(side + b"|" for side in sides))[:32]


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Keep an outcome."""
    header = {"settings": outcome.settings, "mixtures": outcome.mixtures, "answers": list(outcome.answers.items())}
    # Where it is not what it is without a GPU.
    header |= {"device": outcome.device} if outcome.device != "cpu" else {}
    write_tensors(path, {"valid": outcome.valid, "test": outcome.test}, header)


def read_outcome(path: Path) -> Outcome:
    """Return a kept outcome, or raise a `ResourceError` if it is not what was kept."""
    header, tensors = read_header(path), read_tensors(path)
    answers, device = dict(header["answers"]), header.get("device", "cpu")
    return Outcome(tensors["valid"], tensors["test"], header["settings"], header["mixtures"], answers, device)
