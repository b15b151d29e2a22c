"""How much is lost by choosing a layer on few clips: by one validation split, and by cross-validation.

Made studies: four classes, ten layers whose states know the class to different degrees, the closed probe. The true
score of a layer is that of the probe that is trained on it, on 3,000 clips; the loss of a choice, how far its true
score lies below the best one. Run by ``python -m benchmarks.choice``; it takes about a minute on one core.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd

from layerscope.data.splits import choosing_parts, parts_of
from layerscope.features.clip_features import Features
from layerscope.probes.fitting import Target, plan_jobs, run_job
from layerscope.scores.layer_selection import choose

CLASSES, LAYERS, DIM, TESTED = 4, 10, 16, 3000
SIZES, STUDIES = (60, 120, 250, 400), 12


def made_study(clips: int, seed: int) -> tuple[Features, Target]:
    """Return features of clips, of which a quarter validates, and of those that only tell the truth."""
    random = np.random.default_rng(seed)
    count = clips + TESTED
    classes = np.arange(count) % CLASSES
    knows = random.uniform(0.3, 0.6, size=LAYERS)
    centres = random.normal(size=(LAYERS, CLASSES, DIM)) * knows[:, None, None]
    states = centres[:, classes].transpose(1, 0, 2) + random.normal(size=(count, LAYERS, DIM))
    split = np.where(
        np.arange(count) >= clips, "test", np.where(np.arange(count) // CLASSES % 4 == 0, "valid", "train")
    )
    features = Features.from_arrays(states, classes.astype(str), splits=list(split))
    assert features.labels is not None
    parts = parts_of(features.clips)
    return features, Target(features.labels, parts, choosing=choosing_parts(features.clips, features.labels, parts, 0))


def losses(clips: int, seed: int) -> dict[str, float]:
    """Return the loss of both ways to choose a layer in one study, and the seconds of each."""
    features, target = made_study(clips, seed)
    jobs = [job for job in plan_jobs([features], ["closed"]) if job.chosen.name == "layer"]
    row: dict[str, float] = {}
    for name, way in (("one split", replace(target, choosing=[])), ("cross-validation", target)):
        start = time.perf_counter()
        outcomes = [run_job(job, way, [0]) for job in jobs]
        seconds = time.perf_counter() - start
        scores = []
        for split in ("valid", "test"):
            left = [getattr(outcome, split)[0] for outcome in outcomes]
            rows = np.flatnonzero(~np.isnan(left[0]).any(axis=1))
            scores.append([float(target.labels.take(rows).score(each[rows])[0]) for each in left])
        valid, truth = scores
        chosen = choose(range(LAYERS), valid.__getitem__).chosen
        row |= {f"{name}: loss": 100 * (max(truth) - truth[chosen]), f"{name}: seconds": seconds}
    return row


def main() -> None:
    """Print the mean loss in points of accuracy for each size of study."""
    rows = [{"clips": clips, **losses(clips, 1000 * clips + seed)} for clips in SIZES for seed in range(STUDIES)]
    print(pd.DataFrame(rows).groupby("clips").mean().round(2).to_string())


if __name__ == "__main__":
    main()
