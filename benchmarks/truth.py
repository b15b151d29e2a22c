"""Whether the answers are right: `python -m benchmarks.truth [SECTION ...]` prints tables, each against its target.

Studies are simulated from populations whose answer is known, and judged by the code that judges real ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks import choice, noise
from layerscope.data.splits import Part, assign, parts_of
from layerscope.features.clip_features import Features
from layerscope.probes.fitting import Target, plan_jobs, run_jobs
from layerscope.scores.evaluation import Evaluation, evaluations
from layerscope.scores.resampling import interval
from layerscope.targets import kind_named
from layerscope.targets.key import KEY_NAMES
from layerscope.targets.kind import Labels

Array = NDArray[np.float64]
#: A share of 95 % is then known to 1.1 points (one standard error).
STUDIES = 400
#: Of the metrics for which less is promised: 2 points.
FEWER_STUDIES = 200
#: Clips that the groups of a study have each.
GROUP = 4
VALUES = (0.5, 0.8, 0.9, 0.95, 0.97)
#: What two inputs share of what makes a clip hard.
SHARED = 0.6

#: Labels of clips and what a probe says of them: latent difficulty (clip,), true value of the metric, random numbers.
Population = Callable[[Array, float, np.random.Generator], tuple[Labels, Array]]


def classes(count: int) -> Population:
    """Return classes of which a clip's is said rightly if it is not too hard, and else any other one."""

    def draw(latent: Array, value: float, random: np.random.Generator) -> tuple[Labels, Array]:
        truth = random.integers(count, size=len(latent))
        wrong = (truth + random.integers(1, count, size=len(latent))) % count
        said = np.where(latent < norm.ppf(value), truth, wrong)
        return Labels(kind_named("classes"), tuple(map(str, range(count))), truth), np.eye(count)[said]

    return draw


def tag(latent: Array, value: float, random: np.random.Generator) -> tuple[Labels, Array]:
    """Return a tag of four clips in ten, and scores of two normal distributions that far apart (the binormal AUC)."""
    truth = (random.permutation(len(latent))[:, None] < 0.4 * len(latent)).astype(np.float32)
    return Labels(kind_named("tags"), ("tag",), truth), latent[:, None] + np.sqrt(2) * norm.ppf(value) * truth


def number(latent: Array, value: float, random: np.random.Generator) -> tuple[Labels, Array]:
    """Return normal numbers, and answers whose errors have the rest of the variance."""
    truth = random.normal(size=(len(latent), 1))
    return Labels(kind_named("values"), ("value",), truth), truth + np.sqrt(1 - value) * latent[:, None]


def key(latent: Array, value: float, random: np.random.Generator) -> tuple[Labels, Array]:
    """Return keys, of which the harder clips are taken for the fifth, and the hardest for one a semitone off."""
    del random
    right = max(2 * value - 1, value / 2)
    said = np.digitize(norm.cdf(latent), [right, right + 2 * (value - right)])
    keys = np.array([0, 7, 1])[said]  # C, G and D flat major: 1, a half and nothing
    return Labels(kind_named("key"), KEY_NAMES, np.zeros(len(latent), np.int64)), np.eye(24)[keys]


POPULATIONS: dict[str, tuple[str, Population]] = {
    "accuracy": ("accuracy", classes(2)),
    "macro F1, 2 classes": ("macro_f1", classes(2)),
    "macro F1, 4 classes": ("macro_f1", classes(4)),
    "ROC-AUC": ("roc_auc", tag),
    "R²": ("r2", number),
    "key score": ("key_score", key),
}


def difficulty(groups: NDArray[np.int64], correlation: float, random: np.random.Generator) -> Array:
    """Return a normal number for each clip, of which groups share a part."""
    own = random.normal(size=len(groups))
    common = random.normal(size=int(groups.max()) + 1)[groups]
    latent: Array = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    return latent


def evaluation_of(groups: NDArray[np.int64]) -> Evaluation:
    """Return the evaluation of test clips in such groups, with labels to be replaced."""
    rows = np.arange(len(groups))
    labels, _ = classes(2)(np.zeros(len(groups)), 0.5, np.random.default_rng(0))
    return evaluations(labels, [Part(rows[:0], rows[:0], rows)], groups, 0)["test"]


def covered(
    name: str, count: int, size: int, correlation: float, values: Sequence[float], studies: int = FEWER_STUDIES
) -> tuple[float, float]:
    """Return the share of studies whose interval holds the truth, and the mean width of intervals.

    Parameters
    ----------
    name : str
        One of `POPULATIONS`.
    count, size : int
        Groups, and the clips of each.
    correlation : float
        Of the difficulty of clips of one group.
    values : sequence of float
        The true value of one input, or those of two whose difference is asked about.
    studies : int
        How many are drawn.
    """
    metric, population = POPULATIONS[name]
    groups = np.arange(count).repeat(size)
    study_of = evaluation_of(groups)
    held, widths = [], []
    for study in range(studies):
        shared = difficulty(groups, correlation, np.random.default_rng([study, 0]))
        scored, drawn = [], []
        for place, value in enumerate(values):
            own = difficulty(groups, correlation, np.random.default_rng([study, 1 + place]))
            latent = np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own if len(values) > 1 else own
            labels, said = population(latent, value, np.random.default_rng([study, 9]))
            test = replace(study_of, labels=labels)
            scored.append(float(test.score(metric, said)[0]))
            draws = test.resample(metric, said, scored[-1])
            drawn.append(test.with_pseudo_group(metric, draws, scored[-1], f"input {place}"))
        truth, point, draws = (
            (values[0], scored[0], drawn[0])
            if len(values) == 1
            else (values[0] - values[1], scored[0] - scored[1], drawn[0] - drawn[1])
        )
        low, high = interval(draws, point)
        held.append(low - 1e-9 <= truth <= high + 1e-9)
        widths.append(high - low)
    return (float(np.mean(held)), float(np.mean(widths))) if np.isfinite(widths).all() else (np.nan, np.nan)


def in_percent(share: float) -> str:
    """Return a share, or the words of the page where there is no interval."""
    return "too few" if np.isnan(share) else f"{100 * share:.1f}"


def table(title: str, head: Sequence[object], rows: Iterator[Sequence[object]]) -> None:
    """Print a table in Markdown, row by row."""
    print(f"\n{title}\n\n| {' | '.join(map(str, head))} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)


#: Clips of a group, and the correlation within: single clips first.
UNITS = ((1, 0.0), (GROUP, 0.0), (GROUP, 0.2), (GROUP, 0.5))


def unit_name(count: int, size: int, correlation: float) -> str:
    return f"{count} clips" if size == 1 else f"{count} groups, correlation {correlation:g}"


def coverage() -> None:
    """Print how often 95 % intervals hold the truth."""
    table(
        "Accuracy: 95 % intervals that hold the truth, %. Target: 93–97 from 15 units, where counts of clips allow it.",
        ["units", *VALUES],
        (
            [
                unit_name(count, *unit),
                *(in_percent(covered("accuracy", count, *unit, [value], STUDIES)[0]) for value in VALUES),
            ]
            for unit, count in product(UNITS, (8, 15, 20, 40, 100))
        ),
    )
    true = (0.5, 0.8, 0.95)
    table(
        "Other metrics. Target: at least 90.",
        ["metric", "units", *true],
        (
            [name, unit_name(count, *unit), *(in_percent(covered(name, count, *unit, [value])[0]) for value in true)]
            for name in list(POPULATIONS)[1:]
            for unit, count in product((UNITS[0], UNITS[3]), (10, 15, 20, 40))
        ),
    )
    pairs = ((0.7, 0.7), (0.9, 0.8), (0.97, 0.97), (0.99, 0.95))
    table(
        "Paired differences of two inputs. Target: at least 93 for accuracy, 90 for others.",
        ["metric", "units", *(f"{first:g} − {second:g}" for first, second in pairs)],
        (
            [name, unit_name(count, *unit), *(in_percent(covered(name, count, *unit, pair)[0]) for pair in pairs)]
            for name, counts in (("accuracy", (15, 20, 40, 100)), ("ROC-AUC", (20, 40)), ("R²", (20, 40)))
            for unit, count in product((UNITS[0], UNITS[2]), counts)
        ),
    )
    perfect = evaluation_of(np.arange(15))
    draws = [perfect.with_pseudo_group("accuracy", np.ones(1000), 1.0, name) for name in ("a", "b")]
    table(
        "15 clips, all right (the exact lower bound of Clopper & Pearson is 78.2).",
        ["", "low", "high"],
        iter([
            ["one input", *map(in_percent, interval(draws[0], 1.0))],
            ["two inputs, difference", *map(in_percent, interval(draws[0] - draws[1], 0.0))],
        ]),
    )  # fmt: skip


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


def folds() -> None:
    """Print what ranking metrics give noise over folds."""
    scored, pooled = auc_of_noise()
    table(
        f"ROC-AUC of noise over five folds drawn at random, {len(scored)} studies of 100 clips. Target: 0.500.",
        ["", "mean", "standard error"],
        (
            [name, f"{values.mean():.3f}", f"{values.std() / np.sqrt(len(values)):.3f}"]
            for name, values in (("mean of the folds' scores", scored), ("of the folds' predictions pooled", pooled))
        ),
    )


SECTIONS = {"coverage": coverage, "folds": folds, "noise": noise.print_tables, "choice": choice.main}


def main() -> None:
    """Print the sections that are named, or all."""
    for name in sys.argv[1:] or SECTIONS:
        SECTIONS[name]()


if __name__ == "__main__":
    main()
