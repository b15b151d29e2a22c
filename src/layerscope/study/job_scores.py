"""What a trained probe is worth, as the entries of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
    chosen, layers = job.chosen, job.features.layers
    label = {"model": job.features.model, "probe": job.probe, **names}
    scored = score_outcome(label | {"input": chosen.name, "layer": chosen.layer}, outcome, splits, seeds)
    # A plain feature has one layer, and `last` would say it twice.
    is_last = chosen.name == "layer" and chosen.layer == layers[-1] and len(layers) > 1
    names_of_input = [chosen.name, "last"] if is_last else [chosen.name]
    return [replace(entry, label=entry.label | {"input": name}) for name in names_of_input for entry in scored]
