"""How often 95 % intervals hold the truth: of metrics, of paired differences, with clips or groups as units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from benchmarks.truth.single_clips import ACCURACY, COUNTS, VALUES, single_clips
from benchmarks.truth.tables import in_percent, judge, table
from layerscope.data.splits import Part
from layerscope.scores.evaluation import Evaluation, evaluations
from layerscope.scores.resampling import interval
from layerscope.targets import kind_named
from layerscope.targets.chords import CHORD_NAMES
from layerscope.targets.key_names import KEY_NAMES
from layerscope.targets.kind import Labels

Array = NDArray[np.float64]
#: A share of 95 % is then known to 0.5 points (one standard error).
STUDIES = 2000
#: Of the metrics for which less is promised: 1.1 points.
FEWER_STUDIES = 400
#: What coverage of metrics but accuracy is to reach.
OTHERS = 90.0
#: Of a share of 93 % in so many, in points.
ERROR = 100 * np.sqrt(0.93 * 0.07 / FEWER_STUDIES)
#: Clips that the groups of a study have each.
GROUP = 4
#: What two inputs share of what makes a clip hard.
SHARED = 0.6
#: Frames of a track of usual length, and how unlike tracks are.
FRAMES, UNLIKE = 2000, 0.7

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


def rare_class(latent: Array, value: float, random: np.random.Generator) -> tuple[Labels, Array]:
    """Return two classes of nine clips in ten and one, each said rightly so often that macro F1 is the value."""
    rate = brentq(lambda rate: f1(0.1, rate) + f1(0.9, rate) - 2 * value, 0.0, 1.0)
    truth = (random.permutation(len(latent)) < 0.1 * len(latent)).astype(np.int64)
    said = np.where(latent < norm.ppf(rate), truth, 1 - truth)
    return Labels(kind_named("classes"), ("common", "rare"), truth), np.eye(2)[said]


def f1(share: float, rate: float) -> float:
    """Return the F1 score of a class of such a share, of two of which each is said rightly at a rate."""
    return 2 * share * rate / (share + share * rate + (1 - share) * (1 - rate))


def tags(*shares: float) -> Population:
    """Return tags of so many clips each, and scores of two normal distributions that far apart (the binormal AUC)."""

    def draw(latent: Array, value: float, random: np.random.Generator) -> tuple[Labels, Array]:
        clips = len(latent)
        truth = np.stack([random.permutation(clips) < share * clips for share in shares], axis=1).astype(np.float32)
        # What is hard of the first tag is not of the others.
        own = np.stack([latent, *(random.normal(size=clips) for _ in shares[1:])], axis=1)
        return Labels(kind_named("tags"), tuple(map(str, shares)), truth), own + np.sqrt(2) * norm.ppf(value) * truth

    return draw


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


def tracks(spread: float, tied: float = 0.0) -> Population:
    """Return tracks whose frames are said rightly so often, of lognormal lengths, which go with how easy they are."""

    def draw(latent: Array, value: float, random: np.random.Generator) -> tuple[Labels, Array]:
        lengths = np.sqrt(1 - tied**2) * random.normal(size=len(latent)) - tied * latent
        # By the seconds, the normal number of a track's length is higher by the spread, and its difficulty lower.
        hard = norm.ppf(value) * np.hypot(1, UNLIKE) - UNLIKE * spread * tied
        said = norm.cdf(hard - UNLIKE * latent)
        frames = np.ceil(FRAMES * np.exp(spread * lengths))
        left = np.stack([said, frames], axis=1)[:, None].repeat(3, axis=1)
        return Labels(kind_named("chords"), CHORD_NAMES, np.empty(len(latent), object)), left

    return draw


def shared_tag(groups: int) -> Population:
    """Return a tag that all clips of so many groups have, and scores as `tags` has them."""

    def draw(latent: Array, value: float, random: np.random.Generator) -> tuple[Labels, Array]:
        del random
        truth = (np.arange(len(latent)) < groups * GROUP)[:, None].astype(np.float32)
        return Labels(kind_named("tags"), ("tag",), truth), latent[:, None] + np.sqrt(2) * norm.ppf(value) * truth

    return draw


def shared_class(count: int) -> Population:
    """Return classes of whole groups, said as `classes` has them."""

    def draw(latent: Array, value: float, random: np.random.Generator) -> tuple[Labels, Array]:
        truth = np.arange(len(latent)) // GROUP % count
        wrong = (truth + random.integers(1, count, size=len(latent))) % count
        said = np.where(latent < norm.ppf(value), truth, wrong)
        return Labels(kind_named("classes"), tuple(map(str, range(count))), truth), np.eye(count)[said]

    return draw


def long_tail(latent: Array, value: float, random: np.random.Generator) -> tuple[Labels, Array]:
    """Return lognormal values (of deviation 1), said with so large an error in the logarithm that R² is the value."""

    def true(error: float) -> float:
        # Moments of the lognormal distribution: E exp(tz) = exp(t² / 2).
        lost = np.e**2 * (1 - 2 * np.exp(error**2 / 2) + np.exp(2 * error**2))
        return float(1 - lost / (np.e**2 - np.e))

    error = brentq(lambda error: true(error) - value, 1e-6, 1.0)
    truth = random.normal(size=len(latent))
    labels = Labels(kind_named("values"), ("value",), np.exp(truth)[:, None])
    return labels, np.exp(truth + error * latent)[:, None]


POPULATIONS: dict[str, tuple[str, Population]] = {
    "accuracy": ("accuracy", classes(2)),
    "macro F1, 2 classes": ("macro_f1", classes(2)),
    "macro F1, 4 classes": ("macro_f1", classes(4)),
    "ROC-AUC": ("roc_auc", tags(0.4)),
    "R²": ("r2", number),
    "key score": ("key_score", key),
}
#: Where one answer is rare.
RARE: dict[str, tuple[str, Population]] = {
    "macro F1, classes 90/10": ("macro_f1", rare_class),
    "ROC-AUC, a tag of 3 %": ("roc_auc", tags(0.03)),
    "ROC-AUC, a tag of 10 %": ("roc_auc", tags(0.1)),
    "ROC-AUC, tags of 50, 10, 3 and 3 %": ("roc_auc", tags(0.5, 0.1, 0.03, 0.03)),
}
#: Where whole groups share a label: a tag that few of them have, and classes of few groups each.
SHARED_LABELS: dict[str, tuple[str, Population]] = {
    **{f"ROC-AUC, a tag of {groups} groups": ("roc_auc", shared_tag(groups)) for groups in (2, 3, 5, 10)},
    "macro F1, 10 classes": ("macro_f1", shared_class(10)),
}
#: Where tracks differ in length, and the longer are the harder (-), the easier (+), or neither.
TRACKS: dict[str, tuple[str, Population]] = {
    f"{spread:g}, {tied:+g}": ("accuracy", tracks(spread, tied))
    for spread in (0.5, 1.0, 1.5)
    for tied in (-0.7, 0.0, 0.7)
}
#: Where few clips hold most of the variance.
LONG_TAILS: dict[str, tuple[str, Population]] = {"R², lognormal values": ("r2", long_tail)}


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
    return value, test.with_pseudo_group(metric, said, test.resample(metric, said, value), value, name)


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
    """Return the share of intervals that hold the truth; NaN where fewer than half of the studies have one.

    Parameters
    ----------
    name : str
        One of `POPULATIONS`, `RARE`, `SHARED_LABELS`, `TRACKS` or `LONG_TAILS`.
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
    metric, population = (POPULATIONS | RARE | SHARED_LABELS | TRACKS | LONG_TAILS)[name]
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
        alone = replace(test, labels=labels) if len(values) == 1 else None
        low, high = alone.interval(metric, draws, point) if alone else interval(draws, point)
        held.append(np.nan if np.isnan(low) else holds(low, high, truth))
    # Labels that are drawn leave a class now and then with too few clips for any interval.
    return float(np.nanmean(held)) if np.isfinite(held).mean() >= 0.5 else np.nan


def unit_name(count: int, size: int, correlation: float) -> str:
    groups = f"{count} groups" if size == GROUP else f"{count} groups of {size}"
    return f"{count} clips" if size == 1 else f"{groups}, correlation {correlation:g}"


def measured(cells: dict[str, float], key: str, share: float) -> str:
    """Keep a share under its name, in percent, and return it for a table."""
    cells[key] = 100 * share
    return in_percent(share)


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
    coverage_table(
        "Accuracy of groups of unlike sizes", ["groups", "correlation"], (0.5, 0.8, 0.95),
        (
            ([name, correlation], f"{name}, correlation {correlation:g}", ("accuracy", len(sizes), sizes, correlation))
            for name, sizes in UNEQUAL.items()
            for correlation in (0.0, 0.2, 0.5)
        ),
        ACCURACY[0], less_errors=True,
    )  # fmt: skip


def coverage_table(
    what: str,
    columns: Sequence[str],
    true: Sequence[float],
    rows: Iterable[tuple[list[Any], str, tuple[Any, ...]]],
    lowest: float,
    *,
    less_errors: bool = False,
) -> None:
    """Print coverages by true value, and judge them: the lowest that is wanted, or that less two standard errors.

    `rows` are the first cells of each, its name, and what `covered` takes before the values.
    """
    cells: dict[str, float] = {}
    table(
        f"{what}: 95 % intervals that hold the truth, %; {FEWER_STUDIES} studies a cell.",
        [*columns, *true],
        (
            [*first, *(measured(cells, f"{name}, at {value}", covered(*given, [value])) for value in true)]
            for first, name, given in rows
        ),
    )
    words = f", less two standard errors of {ERROR:.1f}" if less_errors else ""
    judge(f"at least {lowest:g}{words}", cells, lowest - 2 * ERROR * less_errors)


#: One clip a unit, and groups that agree much, of few clips and of many.
UNITS = ((1, 0.0), (GROUP, 0.5), (14, 0.5))


def other_metrics() -> None:
    """Print the coverage of all other metrics."""
    coverage_table(
        "Other metrics", ["metric", "units"], (0.5, 0.8, 0.95),
        (
            ([name, unit_name(count, *unit)], f"{name}, {unit_name(count, *unit)}", (name, count, *unit))
            for name in list(POPULATIONS)[1:]
            for unit, count in product(UNITS, (10, 15, 20, 40))
        ),
        OTHERS,
    )  # fmt: skip


def rare_answers() -> None:
    """Print the coverage of metrics in which a rare answer counts as much as a common one."""
    coverage_table(
        "Rare answers", ["metric", "clips"], (0.7, 0.9, 0.97),
        (
            ([name, count], f"{name}, {count} clips", (name, count, 1, 0.0))
            for name in RARE
            for count in (40, 100, 300)
        ),
        OTHERS, less_errors=True,
    )  # fmt: skip


def shared_labels() -> None:
    """Print the coverage of metrics of rare answers where whole groups share them."""
    coverage_table(
        f"Labels that whole groups of {GROUP} clips share", ["metric", "groups", "correlation"], (0.6, 0.85),
        (
            ([name, count, correlation], f"{name}, {count} groups, correlation {correlation}",
             (name, count, GROUP, correlation))
            for name, counts in [*((name, (40,)) for name in list(SHARED_LABELS)[:-1]),
                                 (list(SHARED_LABELS)[-1], (20, 30, 50))]
            for count in counts
            for correlation in (0.2, 0.8)
        ),
        OTHERS, less_errors=True,
    )  # fmt: skip


def track_lengths() -> None:
    """Print the coverage of the accuracy of frames where tracks differ in length."""
    coverage_table(
        "Tracks of lognormal lengths, whose frames are scored", ["deviation, with ease", "tracks"], (0.6, 0.8),
        (
            ([name, count], f"{name}, {count} tracks", (name, count, 1, 0.0))
            for name in TRACKS
            for count in (20, 40, 100)
        ),
        OTHERS, less_errors=True,
    )  # fmt: skip


def long_tails() -> None:
    """Print the coverage of R² where few clips hold most of the variance: where an interval is given at all."""
    coverage_table(
        "Values with a long tail", ["metric", "clips"], (0.7, 0.9, 0.97),
        (
            ([name, count], f"{name}, {count} clips", (name, count, 1, 0.0))
            for name in LONG_TAILS
            for count in (20, 60, 200)
        ),
        OTHERS,
    )  # fmt: skip


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
    draws = [perfect.with_pseudo_group("accuracy", np.ones((15, 2)), np.ones(1000), 1.0, name) for name in ("a", "b")]
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
    rare_answers()
    shared_labels()
    track_lengths()
    long_tails()
    differences()
