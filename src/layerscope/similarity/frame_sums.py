"""Sums over clips of several views of the same frames: all that similarities need, and adding up exactly over clips.

A view is one layer of a model, or one plain feature. Every clip weighs the same, however many of its frames are drawn,
and is one independent sample: frames of one clip are alike for reasons of their own. Values are centred before they are
squared, so that a large common offset does not cancel what is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from layerscope.features.row_blocks import clip_means, unit_length

__all__ = ["View", "ViewSample", "ViewSums", "sums_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """One way of looking at a frame.

    Attributes
    ----------
    model : str
        The encoder or plain feature.
    layer : int or None
        Of the encoder; a plain feature has none.
    width : int
        Of a frame.
    """

    model: str
    layer: int | None
    width: int

    def __str__(self) -> str:
        """Name it as tables do."""
        return self.model if self.layer is None else f"{self.model} {self.layer}"


@dataclass(frozen=True)
class ViewSample:
    """Frames drawn of each clip, as one view sees them.

    Attributes
    ----------
    view : View
        Which.
    frames : ndarray, shape (row, width)
        Clip by clip.
    clip : ndarray of int, shape (row,)
        The number of each frame's clip, ascending from 0 without a gap.
    means : ndarray, shape (clip, width)
        Of all frames of the clips.
    steps : ndarray, shape (clip,)
        Mean squared distance of successive frames of the clips; NaN for a single frame.
    """

    view: View
    frames: NDArray[np.floating]
    clip: NDArray[np.int64]
    means: NDArray[np.floating]
    steps: Array

    def take(self, clips: NDArray[np.int64]) -> ViewSample:
        """Return the sample of some clips, by ascending number."""
        rows = np.isin(self.clip, clips)
        # Numbered anew without gaps, since `sums_of` takes every number for a clip; `clips` ascends.
        clip = np.searchsorted(clips, self.clip[rows])
        return ViewSample(self.view, self.frames[rows], clip, self.means[clips], self.steps[clips])


@dataclass(frozen=True)
class ViewSums:
    """Sums over clips, the views side by side in every row. Of clip c, ``m`` is the mean of its drawn frames.

    Attributes
    ----------
    views : tuple of View
        In the order of the columns.
    clips, frames : float
        How many.
    sums : ndarray, shape (width,)
        ``Σ m``.
    cross : ndarray, shape (width, width)
        ``Σ M`` with ``M`` the clip's mean of ``x xᵀ`` over its frames.
    between : ndarray, shape (width, width)
        ``Σ m mᵀ``.
    within : ndarray, shape (view, view)
        ``Σ |M_vw|²``.
    lengths : ndarray, shape (view, view)
        ``Σ |m_v|² |m_w|²``.
    weighted : ndarray, shape (view, width)
        ``Σ |m_v|² m``.
    turned : ndarray, shape (view, width)
        ``Σ M m_v``, with the part of ``M`` whose columns are those of v.
    forms : ndarray, shape (view, view)
        ``Σ m_vᵀ M_vw m_w``.
    directions : ndarray, shape (width,)
        ``Σ d`` with d the clip's mean of the frames as they are (not centred), scaled to length 1.
    direction_lengths : ndarray, shape (view,)
        ``Σ |d|²``.
    steps, stepped : ndarray, shape (view,)
        Sum of the clips' mean squared steps, and how many clips have one.
    """

    views: tuple[View, ...]
    clips: float
    frames: float
    sums: Array
    cross: Array
    between: Array
    within: Array
    lengths: Array
    weighted: Array
    turned: Array
    forms: Array
    directions: Array
    direction_lengths: Array
    steps: Array
    stepped: Array

    def __add__(self, other: ViewSums) -> ViewSums:
        """Return the sums over both."""
        return self.combined(other, 1.0)

    def __sub__(self, other: ViewSums) -> ViewSums:
        """Return the sums without those of a part."""
        return self.combined(other, -1.0)

    def combined(self, other: ViewSums, sign: float) -> ViewSums:
        """Return the sums with those of another part added or taken away."""
        if self.views != other.views:
            raise ValueError("sums of different views do not add up")
        names = [entry.name for entry in fields(self) if entry.name != "views"]
        return ViewSums(self.views, *(getattr(self, name) + sign * getattr(other, name) for name in names))

    @cached_property
    def places(self) -> list[slice]:
        """Return the columns of each view."""
        return places_of(self.views)

    def covariance(self, first: int, second: int) -> Array:
        """Return the covariance of two views, (width, width), over the frames of clips that weigh the same."""
        a, b = self.places[first], self.places[second]
        # Divided by the count of clips: in ratios of covariances, which similarities are, the factor cancels.
        covariance: Array = self.cross[a, b] / self.clips - np.outer(self.sums[a], self.sums[b]) / self.clips**2
        return covariance


def places_of(views: Sequence[View]) -> list[slice]:
    """Return the columns of each view, side by side."""
    ends = np.cumsum([view.width for view in views])
    return [slice(int(end - view.width), int(end)) for view, end in zip(views, ends, strict=True)]


def sums_of(samples: Sequence[ViewSample], centres: Sequence[NDArray[np.floating]]) -> ViewSums:
    """Return the sums of the same frames seen in several views.

    Parameters
    ----------
    samples : sequence of ViewSample
        Of the same clips and frames.
    centres : sequence of ndarray, each (width,)
        What is taken off each view, the same for all parts that are to be added up.
    """
    views = tuple(sample.view for sample in samples)
    clip, places = samples[0].clip, places_of(views)
    counts = np.bincount(clip).astype(np.float64)
    # Kept beside the centred rows: anisotropy is of the directions of frames as they are.
    raw = [np.asarray(sample.frames, np.float64) for sample in samples]
    rows = np.concatenate([frames - centre for frames, centre in zip(raw, centres, strict=True)], axis=1)
    # A frame weighs one over the frames of its clip, so that every clip weighs 1.
    share = 1 / counts[clip]
    means = clip_means(rows, clip, len(counts))
    squares = np.stack([np.square(means[:, place]).sum(axis=1) for place in places], axis=1)
    # What each frame has in common with the mean of its clip, (row, view).
    aligned = np.stack([np.einsum("nd,nd->n", rows[:, place], means[clip][:, place]) for place in places], axis=1)
    units = clip_means(np.concatenate([unit_length(frames) for frames in raw], axis=1), clip, len(counts))
    steps = np.stack([sample.steps for sample in samples], axis=1)
    return ViewSums(
        views,
        float(len(counts)),
        float(len(rows)),
        sums=means.sum(axis=0),
        cross=rows.T @ (rows * share[:, None]),
        between=means.T @ means,
        within=within_clips([rows[:, place] for place in places], clip, counts),
        lengths=squares.T @ squares,
        weighted=squares.T @ means,
        # M m is the clip's mean of x (x' m), so that no (width, width) matrix a clip is needed.
        turned=(aligned * share[:, None]).T @ rows,
        # In the same way m' M m is the clip's mean of (m' x) (x' m).
        forms=aligned.T @ (aligned * share[:, None]),
        directions=units.sum(axis=0),
        direction_lengths=np.array([np.square(units[:, place]).sum() for place in places]),
        steps=np.nansum(steps, axis=0),
        stepped=np.isfinite(steps).sum(axis=0).astype(np.float64),
    )


def within_clips(views: Sequence[Array], clip: NDArray[np.int64], counts: Array) -> Array:
    """Return ``Σ |M_vw|²`` over clips, (view, view), by the products of frames with those of their own clip."""
    total = np.zeros((len(views), len(views)))
    for count in np.unique(counts):
        own = counts[clip] == count
        # The squared norm of X'Y is the product of the Gram matrices XX' and YY', which are small: frames of one clip.
        grams = [frames[own].reshape(-1, int(count), frames.shape[1]) for frames in views]
        grams = [frames @ frames.swapaxes(1, 2) for frames in grams]
        total += np.array([[np.vdot(a, b) for b in grams] for a in grams]) / count**2
    return total
