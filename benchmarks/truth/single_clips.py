"""How often intervals of the accuracy of single clips hold the truth: computed, since counts are binomial."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom, binomtest

from benchmarks.truth.tables import in_percent, judge, table
from layerscope.scores.count_interval import count_interval
from layerscope.scores.resampling import LEVEL

Array = NDArray[np.float64]
#: Of right answers and clips.
IntervalOf = Callable[[int, int], tuple[float, float]]
#: What coverage of accuracy is to lie in, in percent.
ACCURACY = (93.0, 97.0)
#: Clips, or groups of them, and true values.
COUNTS, VALUES = (8, 15, 20, 40, 100), (0.5, 0.8, 0.9, 0.95, 0.97)
#: Beside these cells, so that nothing is made for them alone.
FINE_COUNTS, FINE = range(15, 201, 5), np.linspace(0.5, 0.99, 246)


def library_interval(method: str) -> IntervalOf:
    """Return an interval of scipy's."""

    def bounds(right: int, clips: int) -> tuple[float, float]:
        low, high = binomtest(right, clips).proportion_ci(LEVEL, method)
        return float(low), float(high)

    return bounds


def jeffreys(right: int, clips: int) -> tuple[float, float]:
    """Return the posterior interval of Jeffreys' prior, which the pseudo-group gives single clips."""
    low, high = beta.interval(LEVEL, right + 0.5, clips - right + 0.5)
    return (0.0 if right == 0 else float(low)), (1.0 if right == clips else float(high))


INTERVALS: dict[str, IntervalOf] = {
    "of the likeliest counts (layerscope's)": count_interval,
    "Jeffreys": jeffreys,
    "Wilson": library_interval("wilson"),
    "Clopper & Pearson": library_interval("exact"),
}


def exactly_covered(clips: int, rates: Sequence[float] | Array, interval_of: IntervalOf = count_interval) -> Array:
    """Return the coverage of an interval of the accuracy of single clips: that of every count, by its probability."""
    counts = np.arange(clips + 1)
    low, high = np.transpose([interval_of(right, clips) for right in counts])
    values = np.asarray(rates)[:, None]
    held = (low - 1e-9 <= values) & (values <= high + 1e-9)
    return np.asarray((held * binom.pmf(counts, clips, values)).sum(axis=1))


def attainable(clips: int, rates: Sequence[float] | Array) -> tuple[Array, Array, Array]:
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


def points_beyond(shares: Array, best: Array) -> Array:
    """Return by how many points coverages lie beyond the target, or beyond the best that counts allow."""
    low, high = np.minimum(ACCURACY[0], 100 * best), np.maximum(ACCURACY[1], 100 * best)
    return np.asarray(np.maximum(np.maximum(low - 100 * shares, 100 * shares - high), 0.0))


def single_clips() -> None:
    """Print the coverage of accuracy on independent clips, what any interval could have, and what others have."""
    missed: dict[str, float] = {}
    rows = []
    for clips in COUNTS[1:]:
        shares, (below, above, best) = exactly_covered(clips, VALUES), attainable(clips, VALUES)
        steps = [f"({in_percent(low)}, {in_percent(high)})" for low, high in zip(below, above, strict=True)]
        rows.append([clips, *(f"{in_percent(share)} {pair}" for share, pair in zip(shares, steps, strict=True))])
        names = [f"{clips} clips at {value}" for value in VALUES]
        missed |= dict(zip(names, points_beyond(shares, best), strict=True))
    table(
        "Accuracy of single clips: exact coverage of 95 % intervals, %, and in brackets the steps that counts allow "
        "below and above 95.",
        ["clips", *VALUES],
        rows,
    )
    target = f"within {ACCURACY[0]:g} and {ACCURACY[1]:g}, or the step nearest to 95 that is not below {ACCURACY[0]:g}"
    judge(f"{target}; points beyond", missed, high=0.05)
    table(
        f"Of {FINE_COUNTS[0]} to {FINE_COUNTS[-1]} clips at all rates from {FINE[0]:g} to {FINE[-1]:g}: the share of "
        "coverages, %, that lie so, and the interval's mean width in points.",
        ["interval", "within 93 and 97", "below 93", "above 97", "least", "mean", "width"],
        (fine_row(name, interval_of) for name, interval_of in INTERVALS.items()),
    )


def fine_row(name: str, interval_of: IntervalOf) -> list[str]:
    """Return how an interval covers on a grid that is finer than the table's."""
    shares = np.concatenate([exactly_covered(clips, FINE, interval_of) for clips in FINE_COUNTS])
    low, high = (np.mean(shares < ACCURACY[0] / 100), np.mean(shares > ACCURACY[1] / 100))
    figures = (1 - low - high, low, high, shares.min(), shares.mean(), mean_width(interval_of))
    return [name, *(in_percent(float(figure)) for figure in figures)]


def mean_width(interval_of: IntervalOf) -> float:
    """Return the mean width of an interval over the same counts and rates."""
    widths = []
    for clips in FINE_COUNTS:
        counts = np.arange(clips + 1)
        low, high = np.transpose([interval_of(right, clips) for right in counts])
        widths.append((binom.pmf(counts, clips, FINE[:, None]) @ (high - low)).mean())
    return float(np.mean(widths))
