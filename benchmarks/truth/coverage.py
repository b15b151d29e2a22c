"""How often 95 % intervals hold the truth: of metrics, of paired differences, with clips or groups as units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm

from benchmarks.truth.tables import in_percent, judge, table
from layerscope.data.splits import Part
from layerscope.scores.count_interval import count_interval
from layerscope.scores.evaluation import Evaluation, evaluations
from layerscope.scores.resampling import LEVEL, interval
from layerscope.targets import kind_named
from layerscope.targets.key_names import KEY_NAMES
from layerscope.targets.kind import Labels

Array = NDArray[np.float64]
#: A share of 95 % is then known to 0.5 points (one standard error).
STUDIES = 2000
#: Of the metrics for which less is promised: 1.1 points.
FEWER_STUDIES = 400
#: What coverage of accuracy is to lie in, and that of others to reach.
ACCURACY, OTHERS = (93.0, 97.0), 90.0
#: Of a share of 93 % in so many, in points.
ERROR = 100 * np.sqrt(0.93 * 0.07 / FEWER_STUDIES)
#: Clips that the groups of a study have each.
GROUP = 4
VALUES = (0.5, 0.8, 0.9, 0.95, 0.97)
#: Beside the cells of a table, so that nothing is made for these alone.
FINE, FINE_COUNTS = np.linspace(0.5, 0.99, 246), range(15, 201, 5)
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


def scored(test: Evaluation, metric: str, labels: Labels, said: Array, name: str) -> tuple[float, Array]:
    """Return the score of an input, and its resamples."""
    test = replace(test, labels=labels)
    value = float(test.score(metric, said)[0])
    return value, test.with_pseudo_group(metric, test.resample(metric, said, value), value, name)


def holds(low: float, high: float, truth: float) -> bool:
    """Return whether an interval holds the truth, but for rounding."""
    return low - 1e-9 <= truth <= high + 1e-9


def covered(
    name: str,
    count: int,
    size: int | Sequence[int],
    correlation: float,
    values: Sequence[float],
    studies: int = FEWER_STUDIES,
) -> float:
    """Return the share of studies whose interval holds the truth; NaN where there is no interval.

    Parameters
    ----------
    name : str
        One of `POPULATIONS`.
    count : int
        Groups.
    size : int or sequence of int
        The clips of each, one number of all or one for each.
    correlation : float
        Of the difficulty of clips of one group.
    values : sequence of float
        The true value of one input, or those of two whose difference is asked about.
    studies : int
        How many are drawn.
    """
    metric, population = POPULATIONS[name]
    groups = np.arange(count).repeat(size)
    test = evaluation_of(groups)
    if test.weights is None:
        return np.nan
    held = []
    for study in range(studies):
        shared = difficulty(groups, correlation, np.random.default_rng([study, 0]))
        inputs = []
        for place, value in enumerate(values):
            own = difficulty(groups, correlation, np.random.default_rng([study, 1 + place]))
            latent = np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own if len(values) > 1 else own
            labels, said = population(latent, value, np.random.default_rng([study, 9]))
            inputs.append(scored(test, metric, labels, said, f"input {place}"))
        truth, (point, draws) = values[0], inputs[0]
        for value, (theirs, their_draws) in zip(values[1:], inputs[1:], strict=True):
            truth, point, draws = truth - value, point - theirs, draws - their_draws
        low, high = test.interval(metric, draws, point) if len(values) == 1 else interval(draws, point)
        held.append(np.nan if np.isnan(low) else holds(low, high, truth))
    return float(np.mean(held))


def exactly_covered(clips: int, rates: Sequence[float]) -> Array:
    """Return the coverage of the interval of accuracy of single clips: that of every count, by its probability."""
    counts = np.arange(clips + 1)
    low, high = np.transpose([count_interval(right, clips) for right in counts])
    values = np.asarray(rates)[:, None]
    held = (low - 1e-9 <= values) & (values <= high + 1e-9)
    return np.asarray((held * binom.pmf(counts, clips, values)).sum(axis=1))


def attainable(clips: int, rates: Sequence[float]) -> tuple[Array, Array, Array]:
    """Return the coverages next to 95 %, below and above, that counts of single clips allow, and the better of the two.

    They are those of intervals that hold the truth for the likeliest counts; one count more is a step. The better is
    the one nearer to 95 %, of those that are not below 93 %.
    """
    likeliest = np.sort(binom.pmf(np.arange(clips + 1), clips, np.asarray(rates)[:, None]))[:, ::-1]
    steps = np.cumsum(likeliest, axis=1)
    place = np.argmax(steps >= LEVEL, axis=1)
    below, above = (np.take_along_axis(steps, each[:, None], axis=1)[:, 0] for each in (place - 1, place))
    best = np.where((below >= ACCURACY[0] / 100) & (LEVEL - below < above - LEVEL), below, above)
    return below, above, best


#: Groups, and what they are called.
COUNTS = (8, 15, 20, 40, 100)


def unit_name(count: int, size: int, correlation: float) -> str:
    groups = f"{count} groups" if size == GROUP else f"{count} groups of {size}"
    return f"{count} clips" if size == 1 else f"{groups}, correlation {correlation:g}"


def measured(cells: dict[str, float], key: str, share: float) -> str:
    """Keep a share under its name, in percent, and return it for a table."""
    cells[key] = 100 * share
    return in_percent(share)


def single_clips() -> None:
    """Print the coverage of accuracy on independent clips, and what any interval could have."""
    missed: dict[str, float] = {}
    rows = []
    for clips in COUNTS[1:]:
        covered_by, (below, above, best) = 100 * exactly_covered(clips, VALUES), attainable(clips, VALUES)
        steps = [f"({in_percent(low)}, {in_percent(high)})" for low, high in zip(below, above, strict=True)]
        rows.append([clips, *(f"{share:.1f} {pair}" for share, pair in zip(covered_by, steps, strict=True))])
        missed |= {f"{clips} clips at {value}": distance
                   for value, distance in zip(VALUES, too_far(covered_by, 100 * best), strict=True)}  # fmt: skip
    table(
        "Accuracy of single clips: exact coverage of 95 % intervals, %, and in brackets the steps that counts allow "
        "below and above 95.",
        ["clips", *VALUES],
        rows,
    )
    target = f"within {ACCURACY[0]:g} and {ACCURACY[1]:g}, or the step nearest to 95 that is not below {ACCURACY[0]:g}"
    judge(f"{target}; points beyond", missed, high=0.05)
    covering = [(exactly_covered(clips, FINE), attainable(clips, FINE)[2]) for clips in FINE_COUNTS]
    shares, best = (100 * np.concatenate(each) for each in zip(*covering, strict=True))
    print(
        f"\nOf {FINE_COUNTS[0]} to {FINE_COUNTS[-1]} clips at all rates from {FINE[0]:g} to {FINE[-1]:g}: "
        f"{in_percent(np.mean((shares >= ACCURACY[0]) & (shares <= ACCURACY[1])))} % of coverages lie within "
        f"{ACCURACY[0]:g} and {ACCURACY[1]:g}, {in_percent(np.mean(shares < ACCURACY[0]))} % below (the least is "
        f"{shares.min():.1f}), {in_percent(np.mean(shares > ACCURACY[1]))} % above; in "
        f"{in_percent(np.mean(too_far(shares, best) > 0.05))} % the target could be had and is missed. "
        f"The mean is {shares.mean():.1f}."
    )


def too_far(shares: Array, best: Array) -> Array:
    """Return by how many points coverages lie beyond the target, or beyond the best that counts allow."""
    low, high = np.minimum(ACCURACY[0], best), np.maximum(ACCURACY[1], best)
    return np.asarray(np.maximum(np.maximum(low - shares, shares - high), 0.0))


def grouped_clips() -> None:
    """Print the coverage of accuracy where clips come in groups."""
    cells: dict[str, float] = {}
    table(
        f"Accuracy of groups of {GROUP} clips: 95 % intervals that hold the truth, %; {STUDIES:,} studies a cell.",
        ["units", *VALUES],
        (
            [
                unit_name(count, GROUP, correlation),
                *(
                    measured(
                        cells, f"{unit_name(count, GROUP, correlation)} at {value}",
                        covered("accuracy", count, GROUP, correlation, [value], STUDIES),
                    )
                    for value in VALUES
                ),
            ]
            for correlation, count in product((0.0, 0.2, 0.5), COUNTS)
        ),
    )  # fmt: skip
    judge(f"at least {ACCURACY[0]:g}", cells, ACCURACY[0])
    judge(f"at most {ACCURACY[1]:g}", cells, high=ACCURACY[1])


#: The clips of groups that differ in size.
UNEQUAL: dict[str, Sequence[int]] = {
    "1 of 120 clips, 14 of 2": [120] + 14 * [2],
    "3 of 50, 12 of 5": 3 * [50] + 12 * [5],
    "3 of 30, 12 of 10": 3 * [30] + 12 * [10],
    "2 of 20, 30 of 4": 2 * [20] + 30 * [4],
    # By the quantiles, so that no draw makes them luckily alike.
    "30, lognormal": np.ceil(8 * np.exp(norm.ppf((np.arange(30) + 0.5) / 30))).astype(int).tolist(),
}


def unequal_groups() -> None:
    """Print the coverage of accuracy where groups differ in size."""
    cells: dict[str, float] = {}
    true = (0.5, 0.8, 0.95)
    table(
        f"Accuracy of groups of unlike sizes: 95 % intervals that hold the truth, %; {FEWER_STUDIES} studies a cell.",
        ["groups", "correlation", *true],
        (
            [
                name, correlation,
                *(measured(cells, f"{name}, correlation {correlation:g}, at {value}",
                           covered("accuracy", len(sizes), sizes, correlation, [value])) for value in true),
            ]
            for name, sizes in UNEQUAL.items()
            for correlation in (0.0, 0.2, 0.5)
        ),
    )  # fmt: skip
    judge(f"at least {ACCURACY[0]:g}, less two standard errors of {ERROR:.1f}", cells, ACCURACY[0] - 2 * ERROR)


#: One clip a unit, and groups that agree much, of few clips and of many.
UNITS = ((1, 0.0), (GROUP, 0.5), (14, 0.5))


def other_metrics() -> None:
    """Print the coverage of all other metrics."""
    cells: dict[str, float] = {}
    true = (0.5, 0.8, 0.95)
    table(
        f"Other metrics: 95 % intervals that hold the truth, %; {FEWER_STUDIES} studies a cell.",
        ["metric", "units", *true],
        (
            [
                name, unit_name(count, *unit),
                *(measured(cells, f"{name}, {unit_name(count, *unit)}, at {value}",
                           covered(name, count, *unit, [value])) for value in true),
            ]
            for name in list(POPULATIONS)[1:]
            for unit, count in product(UNITS, (10, 15, 20, 40))
        ),
    )  # fmt: skip
    judge(f"at least {OTHERS:g}", cells, OTHERS)


def differences() -> None:
    """Print the coverage of paired differences, and what perfect scores leave open."""
    cells: dict[str, float] = {}
    pairs = ((0.7, 0.7), (0.9, 0.8), (0.97, 0.97), (0.99, 0.95))
    table(
        f"Paired differences of two inputs: 95 % intervals that hold the truth, %; {FEWER_STUDIES} studies a cell.",
        ["metric", "units", *(f"{first:g} − {second:g}" for first, second in pairs)],
        (
            [
                name, unit_name(count, *unit),
                *(measured(cells, f"{name}, {unit_name(count, *unit)}, {pair[0]} − {pair[1]}",
                           covered(name, count, *unit, pair)) for pair in pairs),
            ]
            for name, counts in (("accuracy", (15, 20, 40, 100)), ("ROC-AUC", (20, 40)), ("R²", (20, 40)))
            for unit, count in product(((1, 0.0), (GROUP, 0.2)), counts)
        ),
    )  # fmt: skip
    of_accuracy = {name: value for name, value in cells.items() if name.startswith("accuracy")}
    judge(f"at least {ACCURACY[0]:g} of accuracy, less two standard errors of {ERROR:.1f}",
          of_accuracy, ACCURACY[0] - 2 * ERROR)  # fmt: skip
    judge(f"at least {OTHERS:g} of others", cells, OTHERS)
    perfect = evaluation_of(np.arange(15))
    draws = [perfect.with_pseudo_group("accuracy", np.ones(1000), 1.0, name) for name in ("a", "b")]
    table(
        "15 clips, all right (the exact lower bound of Clopper & Pearson is 78.2).",
        ["", "low", "high"],
        [
            ["one input", *map(in_percent, perfect.interval("accuracy", draws[0], 1.0))],
            ["two inputs, difference", *map(in_percent, interval(draws[0] - draws[1], 0.0))],
        ],
    )


def main() -> None:
    """Print all."""
    single_clips()
    grouped_clips()
    unequal_groups()
    other_metrics()
    differences()
