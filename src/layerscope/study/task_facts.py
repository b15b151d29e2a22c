"""What a reader must know of a task beside its scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from layerscope.features.clip_features import Features
from layerscope.probes.fitting import (
    Target,
    clip_part,
    left_of,
)
from layerscope.report.sentences import RARE
from layerscope.scores.evaluation import Evaluation
from layerscope.targets.kind import Labels
from layerscope.targets.over_time import KindOverTime

__all__ = ["chance_level", "facts_of"]


def facts_of(
    features: Sequence[Features],
    labels: Labels,
    clips: pd.DataFrame,
    groups: Any,
    splits: dict[str, Evaluation],
) -> dict[str, Any]:
    """Return what a reader must know beside the scores."""
    if "fold" in clips and "split" not in clips:
        sizes = {f"fold {name}": int(count) for name, count in sorted(clips.fold.value_counts().items())}
    else:
        sizes = {name: int((clips.split == name).sum()) for name in ("train", "valid", "test")}
    test = splits["test"]
    return {
        "kind": labels.kind.name,
        "names": list(labels.names),
        "primary": labels.metrics()[0],
        "metrics": labels.metrics(),
        "clips": len(clips),
        "digest": digest_of(clips, labels, splits),
        "splits": sizes,
        "groups": len(np.unique(groups)),
        "test_groups": len(np.unique(groups[test.rows])),
        "absent_tags": labels.kind.absent(test.labels),
        "grouped": "group" in clips,
        **class_facts(labels),
        "models": {
            one.model: {
                "layers": list(one.layers),
                "baseline": one.baseline,
                "untrained": one.untrained,
                "fingerprint": one.fingerprint,
                "network": one.network,
                "official": list(one.official),
            }
            for one in features
        },
    }


def class_facts(labels: Labels) -> dict[str, Any]:
    """Return which classes or tags are rare, and the share of the commonest class."""
    if labels.kind.over_time or labels.kind.form == "values":
        return {"rare": [], "majority": 0.0}
    single = labels.kind.form == "classes"
    counts = np.bincount(labels.values, minlength=len(labels.names)) if single else labels.values.sum(axis=0)
    # A class without clips is not rare: nothing is said of it.
    rare = [name for name, count in zip(labels.names, counts, strict=True) if 0 < count < RARE]
    return {"rare": rare, "majority": float(counts.max() / counts.sum()) if single else 0.0}


def digest_of(clips: pd.DataFrame, labels: Labels, splits: dict[str, Evaluation]) -> str:
    """Return what two studies must share for their scores to compare: clips, labels, splits, and the resamples."""
    kind, values = labels.kind, labels.values.tolist()
    if isinstance(kind, KindOverTime):
        values = [kind.as_answer(track) for track in values]
    digest = hashlib.sha256(json.dumps([kind.name, labels.names, values]).encode())
    for column in ("clip_key", "clip", "split", "fold"):
        # Names count only where nobody knows the sound; a file that was moved is the same clip.
        if column in clips and not (column == "clip" and "clip_key" in clips):
            digest.update("|".join(map(str, clips[column])).encode())
    # Differences are paired, which needs the same resamples.
    weights = splits["test"].weights
    digest.update(b"" if weights is None else weights.tobytes())
    return digest.hexdigest()[:32]


def chance_level(labels: Labels, target: Target, test: Evaluation) -> float:
    """Return what the primary metric gives a probe that ignores its input: the majority class, or a constant."""
    # That of R² is that of R² of one dimension as well.
    if labels.kind.chance is not None and labels.metrics()[0].partition(":")[0] == labels.kind.metrics[0].name:
        return labels.kind.chance
    left = []
    for number, part in enumerate(target.parts):
        constant = target.labels.kind.constant(target.labels.take(part.train)).astype(np.float32)
        left.append(left_of(target, number, np.tile(constant, (len(target.labels.values), 1)), "test"))
    # What no part tests stays NaN, and is not asked for.
    whole = np.full((int(test.rows.max()) + 1, *left[0].shape[1:]), np.nan, np.float32)
    for number, values in enumerate(left):
        whole[clip_part(target, number).test] = values
    return float(test.score(labels.metrics()[0], whole)[0])
