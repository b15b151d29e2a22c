"""What a trained probe is worth, as the entries of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layerscope.probes import Input
from layerscope.probes.fitting import Job, Target, is_cross_validated
from layerscope.scores.evaluation import Entry, Evaluation, Outcome, score_outcome

__all__ = ["score_job", "splits_of"]


def splits_of(job: Job, target: Target, splits: dict[str, Evaluation]) -> dict[str, Evaluation]:
    """Return what a job is scored on: one that was cross-validated chooses by all clips that are not tested."""
    kept = {name: splits[name] for name in ("valid", "test")}
    if is_cross_validated(job, target):
        return {**kept, "valid": splits["choosing"], "shared": splits["shared"]}
    return kept


def score_job(
    job: Job, outcome: Outcome, splits: dict[str, Evaluation], names: dict[str, str], seeds: Sequence[int]
) -> list[Entry]:
    """Score a job; the last layer's scores are those of the input ``last`` as well."""
    inputs = [job.chosen]
    layers = job.features.layers
    # A plain feature has one layer, and `last` would say it twice.
    if job.chosen.name == "layer" and job.chosen.layer == layers[-1] and len(layers) > 1:
        inputs.append(Input("last", layers[-1]))
    label = {"model": job.features.model, "probe": job.probe, **names}
    scored = score_outcome(label | {"input": inputs[0].name, "layer": inputs[0].layer}, outcome, splits, seeds)
    return [replace(entry, label=entry.label | {"input": one.name}) for one in inputs for entry in scored]
