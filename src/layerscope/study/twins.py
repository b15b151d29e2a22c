"""Untrained twins: several draws of random weights as one control, and one twin of several models shown once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerscope.encoders.model_names import without_seed
from layerscope.features.clip_features import Features
from layerscope.scores.evaluation import Entry
from layerscope.scores.resampling import resample_seeds

__all__ = ["distinct_networks", "draws_of_twins", "joined", "twin_of"]


def twin_of(features: Features) -> str:
    """Return the name under which results tell of features: draws of one untrained twin have the same."""
    return without_seed(features.model) if features.untrained else features.model


def draws_of_twins(features: Sequence[Features]) -> list[list[Features]]:
    """Return features with the draws of one untrained twin together; all others alone."""
    draws: dict[str, list[Features]] = {}
    for each in features:
        draws.setdefault(twin_of(each), []).append(each)
    return list(draws.values())


def distinct_networks(features: Sequence[Features]) -> tuple[list[Features], dict[str, list[str]]]:
    """Return features without the untrained networks that are there under an earlier name, and by it these names."""
    distinct: dict[str, Features] = {}
    names: dict[str, list[str]] = {}
    for each in features:
        # Features that were handed in have no network to compare.
        key = each.network if each.untrained and each.network else each.model
        if key in distinct:
            names.setdefault(distinct[key].model, []).append(each.model)
        distinct.setdefault(key, each)
    return list(distinct.values()), names


def joined(draws: Sequence[Entry]) -> Entry:
    """Return the entries of several draws (of weights, or of permuted labels) as one, whose rows are those of all.

    In each resample draws are drawn with replacement as well, so that the interval holds how far they differ.
    """
    first = draws[0]
    shared = None if first.shared is None else float(np.mean([entry.shared for entry in draws]))
    return replace(
        first,
        rows=[row for entry in draws for row in entry.rows],
        draws=resample_seeds(np.stack([entry.draws for entry in draws])),
        mixture=[weights for entry in draws for weights in entry.mixture],
        shared=shared,
    )
