"""How alike two views of the same frames are, from their sums over clips.

All measures are 1 for the same view, near 0 for unrelated ones, and blind to rotation and scale; the CCA family is
blind to every invertible linear map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from layerscope.atomic_files import REQUESTS
from layerscope.errors import DataError
from layerscope.scores.resampling import LEVEL
from layerscope.scores.score_files import read_csv, read_record, write_csv, write_record
from layerscope.similarity.frame_sums import ViewSums

__all__ = [
    "FEWEST_CLIPS", "MEASURES", "NEIGHBOURS", "Estimate", "Similarities", "canonical", "cka", "debiased_cka",
    "frames_needed", "jackknife", "nearest", "procrustes", "shared_neighbours",
]  # fmt: skip

Array = NDArray[np.float64]

#: Directions with less than this share of the largest variance are noise of the arithmetic: they take no part.
FLOOR = 1e-8
#: SVCCA keeps the directions that hold this share of the variance (Raghu et al. 2017).
KEPT = 0.99
#: Frames for each dimension that canonical directions are fitted on; with fewer they fit noise.
FRAMES_A_DIMENSION = 10
#: As many as Huh et al. (2024) take.
NEIGHBOURS = 10
#: What an estimate without bias needs: two pairs of clips, all different.
FEWEST_CLIPS = 4


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval.

    Attributes
    ----------
    value, low, high : float
        NaN where it cannot be told.
    """

    value: float
    low: float
    high: float


#: How far layers hear, and by which curves.
REACH_FILES = ("reach.csv", "reach_curves.csv")


@dataclass
class Similarities:
    """How alike the layers of models are, to one another and to descriptors of the sound.

    Attributes
    ----------
    table : DataFrame
        Columns ``model, layer, other, other_layer, measure, value, ci_low, ci_high``; every pair once, descriptors
        without a layer. Measures are those of `MEASURES`.
    scores : DataFrame
        Label-free scores: columns ``model, layer, score, value, ci_low, ci_high``.
    facts : dict
        ``dataset``, ``clips``, ``hours``, ``frames``, ``parts``, ``models``, and what was ``refused``, in words.
    skipped : dict of str to str
        Clips not used, and why.
    reach : (DataFrame, DataFrame), optional
        How far in time layers hear, where that was asked for (see `layerscope.similarity.time_reach`).
    """

    table: pd.DataFrame
    scores: pd.DataFrame
    facts: dict[str, Any] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    reach: tuple[pd.DataFrame, pd.DataFrame] | None = None

    @property
    def measures(self) -> list[str]:
        """Return the measures that could be told."""
        return [name for name in MEASURES if (self.table.measure == name).any()]

    def save(self, directory: Path) -> None:
        """Write ``similarity.csv``, ``label_free.csv``, ``similarity.json``, and the two files of the reach."""
        write_csv(directory / "similarity.csv", self.table)
        write_csv(directory / "label_free.csv", self.scores)
        reaching = list(zip(REACH_FILES, self.reach, strict=True)) if self.reach else []
        for name, table in reaching:
            write_csv(directory / name, table)
        record = REQUESTS["comparison"]
        names = [
            "similarity.csv",
            "label_free.csv",
            *(name for name, _ in reaching),
            *([record] if (directory / record).is_file() else []),
        ]
        write_record(directory / "similarity.json", {**self.facts, "skipped": self.skipped}, names)

    @classmethod
    def read(cls, directory: Path) -> Similarities | None:
        """Read what `save` wrote, or return nothing where there is nothing.

        Raises
        ------
        DataError
            If it is damaged, or its files are not those of one comparison.
        """
        if not (directory / "similarity.json").is_file():
            return None
        try:
            facts, files = read_record(
                directory / "similarity.json",
                "are not of one comparison (one was changed, or a comparison was stopped while it wrote); "
                "compare again",
            )
            table, scores = (read_csv(directory / f"{name}.csv") for name in ("similarity", "label_free"))
            # Not by what lies there, which may be of an earlier comparison.
            reaches = [read_csv(directory / name) for name in REACH_FILES if name in files]
            return cls(table, scores, facts, facts.pop("skipped"), (reaches[0], reaches[1]) if reaches else None)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{directory}: not the directory of a finished comparison ({error})") from error


def cka(sums: ViewSums) -> float:
    """Return the linear CKA of two views, in [0, 1] (Kornblith et al. 2019, section 3); 0 where a view is constant."""
    xx, yy, xy = blocks(sums)
    # In covariances, (width, width): Gram matrices of all frames would not fit into memory.
    scale = np.linalg.norm(xx) * np.linalg.norm(yy)
    return float(np.square(xy).sum() / scale) if scale > 0 else 0.0


def debiased_cka(sums: ViewSums) -> float:
    """Return the linear CKA of two views without the bias of few samples, about 0 for unrelated ones.

    Each of its three terms is an unbiased estimator of HSIC: that of Song et al. (2012, HSIC₁) with clips in place of
    samples, so that only frames of different clips are ever multiplied. It can be slightly below 0, and is of
    `FEWEST_CLIPS` clips at least.
    """
    own = [hsic(sums, number, number) for number in (0, 1)]
    # Of a nearly constant view the unbiased estimate falls to 0 or below, where a ratio says nothing.
    if min(own) <= 0:
        return 0.0
    return float(hsic(sums, 0, 1) / np.sqrt(own[0] * own[1]))


def hsic(sums: ViewSums, first: int, second: int) -> float:
    """Return the unbiased HSIC of two views with linear kernels: the squared norm of their covariance.

    ``E k(x, x') l(y, y') + E k(x, x') E l(y, y') - 2 E k(x, x') l(y, y'')``, where x and y are of one frame and
    everything primed is of other clips, all different; each mean is over all such choices of clips, written in sums.
    """
    n = sums.clips
    a, b = sums.places[first], sums.places[second]
    mean_a, mean_b, cross, between = sums.sums[a], sums.sums[b], sums.cross[a, b], sums.between[a, b]
    lengths, form = sums.lengths[first, second], sums.forms[first, second]
    # All pairs of clips, less each with itself.
    pairs = np.square(cross).sum() - sums.within[first, second]
    total_a = mean_a @ mean_a - np.trace(sums.between[a, a])
    total_b = mean_b @ mean_b - np.trace(sums.between[b, b])
    # Products over clips i, j, k with i and k other than j (i may be k), by inclusion and exclusion.
    chain = mean_a @ between @ mean_b - sums.weighted[first, b] @ mean_b - sums.weighted[second, a] @ mean_a + lengths
    # Four different clips: of all pairs of pairs, those that share one clip or both are taken off.
    apart = total_a * total_b - 4 * chain + 2 * (np.square(between).sum() - lengths)
    # The same for a pair x, y of one frame in the middle, whose clip's mean of x y' is in `cross`; i is not k.
    third = mean_a @ cross @ mean_b - sums.turned[first, b] @ mean_b - sums.turned[second, a] @ mean_a
    third += 2 * form - np.vdot(cross, between)
    return float(
        pairs / (n * (n - 1)) + apart / (n * (n - 1) * (n - 2) * (n - 3)) - 2 * third / (n * (n - 1) * (n - 2))
    )


def procrustes(sums: ViewSums) -> float:
    """Return how well one view turns into the other by rotation and scale, in [0, 1].

    ``|Cxy|_* / sqrt(tr Cxx tr Cyy)``: one minus half the squared Procrustes distance of views of unit size
    (Ding et al. 2021).
    """
    xx, yy, xy = blocks(sums)
    scale = np.sqrt(np.trace(xx) * np.trace(yy))
    return float(np.linalg.svd(xy, compute_uv=False).sum() / scale) if scale > 0 else 0.0


def canonical(fitted: ViewSums, scored: ViewSums) -> dict[str, float]:
    """Return the measures of the CCA family: directions fitted on some clips, correlations measured on others.

    Parameters
    ----------
    fitted, scored : ViewSums
        Of the same two views.

    Returns
    -------
    dict of str to float
        ``cca``: mean canonical correlation (Hotelling 1936); ``svcca``: of the leading directions of each view
        (Raghu et al. 2017); ``pwcca_x`` and ``pwcca_y``: mean weighted by how much of the first, or of the
        second, view each direction accounts for (Morcos et al. 2018). At most 1; below 0 by chance only.
    """
    xx, yy, xy = blocks(fitted)
    axes_x, axes_y = principal(xx), principal(yy)
    measures = {}
    for name, share in (("cca", 1.0), ("svcca", KEPT)):
        x, y = directions(whitening(*axes_x, share), whitening(*axes_y, share), xy)
        held_out = correlations(scored, x, y)
        measures[name] = float(held_out.mean()) if len(held_out) else 0.0
        if name == "cca":
            # With unit variance, what a direction h explains of the columns of x is sum_j |<h, x_j>|.
            for side, (covariance, own) in {"pwcca_x": (xx, x), "pwcca_y": (yy, y)}.items():
                weights = np.abs(covariance @ own).sum(axis=0)
                measures[side] = float(weights @ held_out / weights.sum()) if len(held_out) else 0.0
    return measures


def directions(left: Array, right: Array, xy: Array) -> tuple[Array, Array]:
    """Return pairs of directions of unit variance that correlate most, (dim, pair) each, by falling correlation.

    Parameters
    ----------
    left, right : ndarray, shape (dim, kept)
        See `whitening`.
    xy : ndarray
        The covariance between both.
    """
    # Canonical pairs (Hotelling 1936). The singular values are too high, being of the clips that were fitted.
    u, _, v = np.linalg.svd(left.T @ xy @ right, full_matrices=False)
    return left @ u, right @ v.T


def principal(covariance: Array) -> tuple[Array, Array]:
    """Return the variances of the principal directions, falling, and the directions, (dim, direction)."""
    variances, axes = np.linalg.eigh(covariance)
    # eigh sorts upwards, and rounding leaves tiny negative variances.
    return variances[::-1].clip(min=0), axes[:, ::-1]


def whitening(variances: Array, axes: Array, share: float) -> Array:
    """Return a map to uncorrelated coordinates of unit variance, (dim, kept), that hold a share of the variance."""
    # tiny, so that a constant view, all of whose variances are 0, keeps no direction instead of all.
    kept = variances > FLOOR * max(variances[0], np.finfo(np.float64).tiny)
    if share < 1:
        held = np.cumsum(variances) / max(variances.sum(), np.finfo(np.float64).tiny)
        # Shifted by one: the direction with which the share is reached is kept as well.
        kept &= np.concatenate([[True], held[:-1] < share])
    whitened: Array = axes[:, kept] / np.sqrt(variances[kept])
    return whitened


def correlations(sums: ViewSums, x: Array, y: Array) -> Array:
    """Return the correlation of each pair of directions on given frames; a constant one correlates with nothing."""
    xx, yy, xy = blocks(sums)
    shared = np.einsum("ik,ik->k", x, xy @ y)
    scale = np.einsum("ik,ik->k", x, xx @ x) * np.einsum("ik,ik->k", y, yy @ y)
    # A direction may be constant on these clips though it was not on those that it was fitted on.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(scale > 0, shared / np.sqrt(scale), 0.0))


def frames_needed(first: int, second: int) -> int:
    """Return how many frames canonical directions of two views of these widths are to be fitted on."""
    return FRAMES_A_DIMENSION * max(first, second)


def blocks(sums: ViewSums) -> tuple[Array, Array, Array]:
    """Return the covariances of two views, each with itself and with the other."""
    return sums.covariance(0, 0), sums.covariance(1, 1), sums.covariance(0, 1)


Statistics = Callable[[ViewSums, ViewSums], dict[str, float]]


def jackknife(fit: Sequence[ViewSums], score: Sequence[ViewSums], statistics: Statistics) -> dict[str, Estimate]:
    """Return statistics with 95 % intervals, leaving out one part of the clips at a time.

    Parameters
    ----------
    fit, score : sequence of ViewSums
        Of parts that hold different clips: those that directions are fitted on, and the others.
    statistics : callable
        Takes the sums of both.

    Returns
    -------
    dict of str to Estimate
        The interval is the estimate ± t · standard error, ``SE² = (K - 1)/K Σ (θ₍ₖ₎ - θ̄)²`` over K parts (delete-a-
        group jackknife: Kott 2001); clips, not frames, are what varies.
    """
    whole_fit, whole_score = reduce(add, fit), reduce(add, score)
    point = statistics(whole_fit, whole_score)
    left_out = [statistics(whole_fit - part, whole_score) for part in fit] if len(fit) > 1 else []
    left_out += [statistics(whole_fit, whole_score - part) for part in score] if len(score) > 1 else []
    estimates = {}
    for name, value in point.items():
        draws = np.array([values[name] for values in left_out])
        k = len(draws)
        if k < 2:
            estimates[name] = Estimate(value, float("nan"), float("nan"))
            continue
        error = np.sqrt((k - 1) / k * np.square(draws - draws.mean()).sum())
        # Student's t, because of few parts the error is itself uncertain.
        reach = float(stats.t.ppf((1 + LEVEL) / 2, k - 1) * error)
        estimates[name] = Estimate(value, value - reach, value + reach)
    return estimates


def shared_neighbours(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return the mean share of neighbours, (sample, neighbour) each, that two views of the same samples have in common.

    It is in [0, 1], for unrelated views about ``neighbours / (samples - 1)`` (Huh et al. 2024).
    """
    shared = [len(np.intersect1d(a, b, assume_unique=True)) for a, b in zip(first, second, strict=True)]
    return float(np.mean(shared) / first.shape[1])


def nearest(x: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the nearest others of each sample, by the angle at the mean of all, (sample, neighbour)."""
    # Of fewer samples all are neighbours of all.
    if len(x) <= 2 * NEIGHBOURS:
        raise ValueError(f"{NEIGHBOURS} neighbours need more than {2 * NEIGHBOURS} samples, has {len(x)}")
    # Centred, because beside a large common offset all angles are near 0 and their order is noise.
    centred = np.asarray(x, np.float64) - np.mean(x, axis=0)
    # A sample at the mean has no direction: it becomes 0, at right angles to all.
    centred /= np.linalg.norm(centred, axis=1, keepdims=True).clip(min=1e-300)
    angles = centred @ centred.T
    np.fill_diagonal(angles, -np.inf)
    # Stable, so that ties fall alike in both views.
    order: NDArray[np.int64] = np.argsort(-angles, axis=1, kind="stable")[:, :NEIGHBOURS]
    return order


#: name → what it is, for tables and pages
MEASURES = {
    "cka": "linear CKA (Kornblith et al. 2019), of few clips too high, with its interval",
    "cka_debiased": "linear CKA without the bias of few samples (Song et al. 2012)",
    "procrustes": "Procrustes (Ding et al. 2021), of few clips too high, with its interval",
    "cca": "mean canonical correlation (Hotelling 1936)",
    "svcca": "SVCCA, 99 % of the variance (Raghu et al. 2017)",
    "pwcca_x": "PWCCA, weights of the first (Morcos et al. 2018)",
    "pwcca_y": "PWCCA, weights of the second (Morcos et al. 2018)",
    "neighbours": "mutual 10 nearest neighbours among clips (Huh et al. 2024)",
}
