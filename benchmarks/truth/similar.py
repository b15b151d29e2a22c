"""What debiased CKA says of views that are unrelated and related, where frames of a clip are alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.tables import in_percent, judge, table
from layerscope.similarity.frame_sums import View, ViewSample, ViewSums, sums_of
from layerscope.similarity.measures import Estimate, cka, debiased_cka, jackknife

Array = NDArray[np.float64]
STUDIES = 200
#: Frames of a clip, the width of a view, and the parts that intervals leave out one by one.
FRAMES, WIDTH, PARTS = 25, 8, 8


def views(clips: int, shared: float, random: np.random.Generator) -> list[Array]:
    """Return two views (clip, frame, width), half of whose variance lies between clips, and so much of it in common.

    Their columns have like variances and none is correlated with another of its view, so that the linear CKA of the
    population is the square of what a column shares with the same column of the other view.
    """
    common, *own = (
        (random.normal(size=(clips, 1, WIDTH)) + random.normal(size=(clips, FRAMES, WIDTH))) for _ in range(3)
    )
    return [np.sqrt(shared) * common + np.sqrt(1 - shared) * each for each in own]


def sums_of_clips(sides: list[Array], rows: NDArray[np.int64]) -> ViewSums:
    """Return the sums of some clips of both views."""
    samples = []
    for number, side in enumerate(sides):
        taken = side[rows]
        steps = np.square(np.diff(taken, axis=1)).sum(axis=2).mean(axis=1)
        clip = np.arange(len(rows)).repeat(FRAMES)
        frames = taken.reshape(-1, WIDTH)
        samples.append(ViewSample(View(f"view {number}", 0, WIDTH), frames, clip, taken.mean(axis=1), steps))
    return sums_of(samples, [np.zeros(WIDTH)] * 2)


def compared(clips: int, shared: float, seed: int) -> tuple[Estimate, float]:
    """Return debiased CKA of two views, as a comparison tells it, and the plain one."""
    sides = views(clips, shared, np.random.default_rng(seed))
    parts = [sums_of_clips(sides, np.arange(part, clips, PARTS)) for part in range(PARTS)]
    told = jackknife(parts[0::2], parts[1::2], lambda fit, score: {"cka": debiased_cka(fit + score)})["cka"]
    return told, cka(sums_of_clips(sides, np.arange(clips)))


def main() -> None:
    """Print both, and how often intervals hold the truth."""
    means, covered, rows = {}, {}, []
    for shared, clips in ((0.0, 40), (0.0, 96), (0.5, 40), (0.5, 96), (0.9, 96)):
        told = [compared(clips, shared, study) for study in range(STUDIES)]
        values, name = np.array([estimate.value for estimate, _ in told]), f"{clips} clips, truth {shared**2:g}"
        means[name] = abs(float(values.mean()) - shared**2)
        covered[name] = 100 * float(np.mean([estimate.low <= shared**2 <= estimate.high for estimate, _ in told]))
        rows.append([clips, f"{shared**2:g}", f"{values.mean():.3f}", f"{values.std():.3f}",
                     in_percent(covered[name] / 100), f"{np.mean([plain for _, plain in told]):.3f}"])  # fmt: skip
    table(
        f"Debiased CKA of two views of {WIDTH} columns, {FRAMES} frames a clip, half of the variance between clips; "
        f"{STUDIES} studies a row.",
        ["clips", "truth", "mean", "deviation", "intervals that hold the truth, %", "plain CKA, mean"],
        rows,
    )
    judge("the mean lies within 0.02 of the truth", means, high=0.02)
    judge("at least 90 % of intervals hold the truth", covered, 90.0)
