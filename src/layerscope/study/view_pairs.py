"""Every pair of views that a layer takes part in: how alike they are, by each measure, in one table."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from layerscope.probes.workers import side_by_side
from layerscope.similarity.frame_sums import View, ViewSample, ViewSums, sums_of
from layerscope.similarity.measures import (
    FEWEST_CLIPS,
    NEIGHBOURS,
    Estimate,
    canonical,
    cka,
    debiased_cka,
    frames_needed,
    jackknife,
    nearest,
    procrustes,
    shared_neighbours,
)
from layerscope.similarity.sampled_views import SampledView
from layerscope.study.progress import Progress

__all__ = ["Samples", "compare_views"]

#: Clips whose mean states are kept for neighbours.
#: Each is held against each, so that time grows with the square of their number.
MOST_MEANS = 2000


@dataclass(frozen=True)
class Samples:
    """What is compared.

    Attributes
    ----------
    views : list of SampledView
        Every layer of every model, then the descriptors.
    wanted : dict of str to int
        How many frames of each clip's sample are looked at.
    frames : dict of str to ndarray
        Those that every encoder has, clip by clip.
    parts : list of ndarray
        The clips of each part, by their number.
    """

    views: list[SampledView]
    wanted: dict[str, int]
    frames: dict[str, NDArray[np.int64]]
    parts: list[NDArray[np.int64]]

    def read(self, number: int) -> ViewSample:
        """Return the frames of a view."""
        return self.views[number].read(self.wanted, self.frames)

    def sums(self, *numbers: int) -> list[ViewSums]:
        """Return the sums of some views over each part."""
        samples = [self.read(number) for number in numbers]
        centres = [sample.means.mean(axis=0, dtype=np.float64) for sample in samples]
        return [sums_of([sample.take(part) for sample in samples], centres) for part in self.parts]


def compare_views(samples: Samples, progress: Progress) -> tuple[pd.DataFrame, list[str]]:
    """Return every measure of every pair that a layer takes part in, and what could not be told, in words."""
    views = [sampled.view for sampled in samples.views]
    layers = [number for number, view in enumerate(views) if view.layer is not None]
    plain = [number for number, view in enumerate(views) if view.layer is None]
    pairs = [*itertools.combinations(layers, 2), *itertools.product(layers, plain)]
    neighbours = neighbours_of(samples)
    rows: list[dict[str, Any]] = []
    needed: dict[int, tuple[int, float]] = {}
    with progress.task("comparing", len(pairs), "pairs") as step:
        results = side_by_side(compare_pair, ((samples, pair) for pair in pairs))
        for (a, b), (estimates, fitted) in zip(pairs, results, strict=True):
            if "cca" not in estimates:
                width = max(views[a].width, views[b].width)
                needed[width] = (frames_needed(width, width), fitted)
            if neighbours:
                shared = shared_neighbours(neighbours[a], neighbours[b])
                estimates["neighbours"] = Estimate(shared, float("nan"), float("nan"))
            rows += [pair_row(views[a], views[b], name, estimate) for name, estimate in estimates.items()]
            step(1)
    refused = [
        f"CCA, SVCCA and PWCCA of width {width} need {wanted:,} frames to be fitted on (10 a dimension) and "
        f"{have:,.0f} are there: give more clips, or draw more frames of each (--frames)"
        for width, (wanted, have) in sorted(needed.items())
    ]
    if not any(row["measure"] == "cka_debiased" for row in rows):
        refused.append("CKA without bias needs four clips beside any part of them; give more")
    if not neighbours:
        refused.append("Mutual nearest neighbours need more than 20 clips")
    table = pd.DataFrame(rows)
    # Descriptors have no layer, which numpy's whole numbers cannot say.
    table[["layer", "other_layer"]] = table[["layer", "other_layer"]].astype("Int64")
    return table, refused


def neighbours_of(samples: Samples) -> list[NDArray[np.int64]]:
    """Return the nearest neighbours of each clip in each view; none where there are too few clips."""
    # Of fewer clips half are neighbours of each, and any two views share many by chance.
    if len(samples.frames) <= 2 * NEIGHBOURS:
        return []
    return [nearest(samples.read(number).means[:MOST_MEANS]) for number in range(len(samples.views))]


def pair_row(first: View, second: View, measure: str, estimate: Estimate) -> dict[str, Any]:
    """Return a row of the table."""
    return {
        "model": first.model, "layer": first.layer, "other": second.model, "other_layer": second.layer,
        "measure": measure, "value": estimate.value, "ci_low": estimate.low, "ci_high": estimate.high,
    }  # fmt: skip


def compare_pair(samples: Samples, pair: tuple[int, int]) -> tuple[dict[str, Estimate], float]:
    """Return all measures of two views that follow from sums, and on how many frames directions were fitted."""
    # All cores are taken by other pairs.
    with threadpool_limits(limits=1):
        sums = samples.sums(*pair)
        # Directions are never scored on clips that they were fitted on.
        fit, score = sums[0::2], sums[1::2]
        fitted = sum(part.frames for part in fit)
        enough = fitted >= frames_needed(*(view.width for view in sums[0].views))
        # What is left where the jackknife leaves the largest part out.
        clips = sum(part.clips for part in sums) - max(part.clips for part in sums)

        def statistics(fitting: ViewSums, scoring: ViewSums) -> dict[str, float]:
            both = fitting + scoring
            measures = {"cka": cka(both), "procrustes": procrustes(both)}
            if clips >= FEWEST_CLIPS:
                measures["cka_debiased"] = debiased_cka(both)
            return measures | (canonical(fitting, scoring) if enough else {})

        estimates = jackknife(fit, score, statistics)
    # An interval from a deviation knows no bounds, and these measures end at 1.
    return {name: replace(estimate, high=min(1.0, estimate.high)) for name, estimate in estimates.items()}, fitted
