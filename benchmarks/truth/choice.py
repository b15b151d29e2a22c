"""How much is lost by choosing a layer on few clips: by one validation split, and by cross-validation.

Made studies: four classes, ten layers whose states know the class to different degrees, the closed probe. The true
score of a layer is that of the probe that is trained on it, on 3,000 clips; the loss of a choice, how far its true
score lies below the best one. The best set is that of the clips which a study of this size would test.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.tables import in_percent, judge, table
from layerscope.data.splits import Part, choosing_parts, parts_of
from layerscope.features.clip_features import Features
from layerscope.probes.fitting import Target, plan_jobs, run_job
from layerscope.scores.evaluation import Outcome, evaluations
from layerscope.scores.layer_selection import choose
from layerscope.scores.resampling import best_set

CLASSES, LAYERS, DIM, TESTED = 4, 10, 16, 3000
SIZES, STUDIES = (60, 120, 250, 400), 50


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


def told_apart(outcomes: list[Outcome], target: Target, tested: int) -> NDArray[np.bool_]:
    """Return which layers belong to the best set, judged on so many tested clips."""
    rows = np.flatnonzero(~np.isnan(outcomes[0].test[0]).any(axis=1))[:tested]
    test = evaluations(target.labels, [Part(rows[:0], rows[:0], rows)], np.arange(len(target.labels.values)), 0)["test"]
    values, draws = [], []
    for number, outcome in enumerate(outcomes):
        values.append(float(test.score("accuracy", outcome.test[0])[0]))
        resampled = test.resample("accuracy", outcome.test[0], values[-1])
        draws.append(test.with_pseudo_group("accuracy", outcome.test[0], resampled, values[-1], f"layer {number}"))
    return best_set(values, np.stack(draws))


def choices(clips: int, seed: int) -> dict[str, tuple[float, bool]]:
    """Return the loss of both ways to choose a layer in one study, and whether it lies outside the best set."""
    features, target = made_study(clips, seed)
    jobs = [job for job in plan_jobs([features], ["closed"]) if job.chosen.name == "layer"]
    found = {}
    for name, way in (("one split", replace(target, choosing=[])), ("cross-validated", target)):
        outcomes = [run_job(job, way, [0]) for job in jobs]
        scores = []
        for split in ("valid", "test"):
            left = [getattr(outcome, split)[0] for outcome in outcomes]
            rows = np.flatnonzero(~np.isnan(left[0]).any(axis=1))
            scores.append([float(target.labels.take(rows).score(each[rows])[0]) for each in left])
        valid, truth = scores
        chosen = choose(range(LAYERS), valid.__getitem__).chosen
        inside = told_apart(outcomes, target, clips // 4)
        found[name] = (max(truth) - truth[chosen], not inside[chosen])
    return found


def main() -> None:
    """Print the mean loss, and how often the chosen layer lies outside its own best set."""
    outside: dict[str, float] = {}
    gained: dict[str, float] = {}
    rows = []
    for clips in SIZES:
        studies = [choices(clips, 1000 * clips + seed) for seed in range(STUDIES)]
        of_one, of_all = (np.array([each[name] for each in studies], float) for name in studies[0])
        outside[f"{clips} clips"] = 100 * of_all[:, 1].mean()
        gained[f"{clips} clips"] = 100 * (of_one[:, 0].mean() - of_all[:, 0].mean())
        rows.append([clips, *(f"{100 * each[:, 0].mean():.2f}" for each in (of_one, of_all)),
                     *(in_percent(each[:, 1].mean()) for each in (of_one, of_all))])  # fmt: skip
    table(
        f"What the chosen layer scores less than the truly best of {LAYERS}, in points of accuracy, and how often it "
        f"lies outside its own best set; {STUDIES} studies a size.",
        ["clips", "loss, one split", "loss, cross-validated", "outside, one split, %", "outside, cross-validated, %"],
        rows,
    )
    judge("chosen by cross-validation it lies outside in at most 5 %", outside, high=5.0)
    judge("cross-validation loses no more than one split; points gained", gained, low=0.0)
