"""What ranking metrics give noise over folds, where the predictions of several trainings meet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.tables import judge, table
from layerscope.data.splits import assign, parts_of
from layerscope.features.clip_features import Features
from layerscope.probes.fitting import Target, plan_jobs
from layerscope.probes.jobs_side_by_side import run_jobs
from layerscope.scores.evaluation import evaluations

Array = NDArray[np.float64]


def auc_of_noise(divisions: int = 20, layers: int = 20, clips: int = 100, folds: int = 5) -> tuple[Array, Array]:
    """Return ROC-AUC of layers of noise over folds drawn at random, as it is scored, and pooled."""
    scored, pooled = [], []
    for division in range(divisions):
        random = np.random.default_rng(division)
        tags = ["yes|" if mark else "|" for mark in random.permutation(np.arange(clips) % 2)]
        states = random.normal(size=(clips, layers, 8))
        features = Features.from_arrays(states, tags, folds=random.permutation(np.arange(clips) % folds).tolist())
        parts = parts_of(assign(features.clips, features.labels, 0))
        jobs = [job for job in plan_jobs([features], ["closed"]) if job.chosen.name == "layer"]
        test = evaluations(features.labels, parts, np.arange(clips), 0)["test"]
        for outcome in run_jobs(jobs, Target(features.labels, parts), [0], workers=1):
            scored.append(test.score("roc_auc", outcome.test[0])[0])
            pooled.append(features.labels.score(outcome.test[0], "roc_auc")[0])
    return np.array(scored), np.array(pooled)


def main() -> None:
    """Print what ranking metrics give noise over folds."""
    scored, pooled = auc_of_noise()
    table(
        f"ROC-AUC of noise over five folds drawn at random, {len(scored)} studies of 100 clips.",
        ["", "mean", "standard error"],
        (
            [name, f"{values.mean():.3f}", f"{values.std() / np.sqrt(len(values)):.3f}"]
            for name, values in (("mean of the folds' scores", scored), ("of the folds' predictions pooled", pooled))
        ),
    )
    error = scored.std() / np.sqrt(len(scored))
    judge(
        "the mean is 0.500, give or take two standard errors", {"mean": scored.mean()}, 0.5 - 2 * error, 0.5 + 2 * error
    )
