"""Sums over frames of several views of the same sound: all that similarities need, and adding up exactly over parts.

A view is one layer of a model, or one plain feature. The memory depends on the widths of the views, never on the
hours of audio.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from layerscope.atomic_files import read_header, write_tensors

__all__ = ["Gathering", "View", "ViewMoments", "read_moments", "squared_steps"]

Array = NDArray[np.float64]
#: Frames that are multiplied at once; fewer waste time, more waste memory.
ROWS = 1024


@dataclass(frozen=True)
class View:
    """One way of looking at a frame.

    Attributes
    ----------
    model : str
        The encoder or plain feature.
    layer : int or None
        Of the encoder; a plain feature has none.
    dim : int
        Width.
    """

    model: str
    layer: int | None
    dim: int

    def __str__(self) -> str:
        """Name it as tables do."""
        return self.model if self.layer is None else f"{self.model} {self.layer}"


@dataclass(frozen=True)
class ViewMoments:
    """Sums over frames, the views side by side in every row.

    Attributes
    ----------
    views : tuple of View
        In the order of the columns.
    count : float
        Frames.
    sums : ndarray, shape (width,)
        Of the values.
    cross : ndarray, shape (width, width)
        Of their products.
    directions : ndarray, shape (width,)
        Of the values after each view's frame is scaled to length 1.
    lengths : ndarray, shape (view, view)
        Of the products of squared lengths ``|x|² |y|²``.
    weighted : ndarray, shape (view, width)
        Of the values times each view's squared length.
    steps : ndarray, shape (view,)
        Of squared distances between frames that follow one another.
    pairs : float
        How many of those.
    """

    views: tuple[View, ...]
    count: float
    sums: Array
    cross: Array
    directions: Array
    lengths: Array
    weighted: Array
    steps: Array
    pairs: float

    def __add__(self, other: ViewMoments) -> ViewMoments:
        """Return the moments of both parts together."""
        return self.combined(other, 1.0)

    def __sub__(self, other: ViewMoments) -> ViewMoments:
        """Return the moments without those of a part."""
        return self.combined(other, -1.0)

    def combined(self, other: ViewMoments, sign: float) -> ViewMoments:
        """Return the sums with those of another part added or taken away."""
        if self.views != other.views:
            raise ValueError("moments of different views do not add up")
        return ViewMoments(
            self.views, *(getattr(self, name) + sign * getattr(other, name) for name in ("count", *ARRAYS, "pairs"))
        )

    @cached_property
    def places(self) -> list[slice]:
        """Return the columns of each view."""
        return places_of(self.views)

    def only(self, *numbers: int) -> ViewMoments:
        """Return the moments of some views."""
        columns = np.concatenate([np.arange(self.places[number].start, self.places[number].stop) for number in numbers])
        chosen = np.array(numbers)
        return ViewMoments(
            tuple(self.views[number] for number in numbers),
            self.count,
            self.sums[columns],
            self.cross[np.ix_(columns, columns)],
            self.directions[columns],
            self.lengths[np.ix_(chosen, chosen)],
            self.weighted[np.ix_(chosen, columns)],
            self.steps[chosen],
            self.pairs,
        )

    def covariance(self, first: int, second: int) -> Array:
        """Return the covariance of two views, (dim, dim), dividing by the count."""
        a, b = self.places[first], self.places[second]
        covariance: Array = self.cross[a, b] / self.count - np.outer(self.sums[a], self.sums[b]) / self.count**2
        return covariance


def squared_steps(frames: NDArray[np.floating]) -> float:
    """Return the sum of squared distances between frames that follow one another, (frame, dim)."""
    return float(np.square(np.diff(frames, axis=0), dtype=np.float64).sum())


#: What is stored of moments, and adds up.
ARRAYS = ("sums", "cross", "directions", "lengths", "weighted", "steps")


def places_of(views: Sequence[View]) -> list[slice]:
    """Return the columns of each view, side by side."""
    ends = np.cumsum([view.dim for view in views])
    return [slice(int(end - view.dim), int(end)) for view, end in zip(views, ends, strict=True)]


class Gathering:
    """Moments under way: frames go in clip by clip, in any order and in pieces of any size.

    Parameters
    ----------
    views : sequence of View
        The columns of what will come.
    """

    def __init__(self, views: Sequence[View]) -> None:
        self.views = tuple(views)
        self.places = places_of(views)
        width = self.places[-1].stop
        self.waiting: list[NDArray[np.float32]] = []
        self.count = self.pairs = 0.0
        self.sums, self.directions = np.zeros(width), np.zeros(width)
        self.lengths = np.zeros((len(views), len(views)))
        self.weighted = np.zeros((len(views), width))
        self.steps = np.zeros(len(views))
        # Of two views the later one's block alone: the whole is symmetric, and may be gigabytes.
        self.blocks: dict[tuple[int, int], Array] = {}

    def add(self, frames: NDArray[np.float32], steps: Sequence[float] = (), pairs: int = 0) -> None:
        """Take frames (frame, width), and the squared steps of each view over pairs of frames (see `squared_steps`)."""
        self.waiting.append(frames)
        if pairs:
            self.steps += steps
            self.pairs += pairs
        if sum(map(len, self.waiting)) >= ROWS:
            self.settle()

    def settle(self) -> None:
        """Work what waits into the sums."""
        if not self.waiting:
            return
        rows = np.concatenate(self.waiting).astype(np.float64)
        self.waiting = []
        self.count += len(rows)
        self.sums += rows.sum(axis=0)
        for later, earlier in self.pairs_of_views():
            products = rows[:, self.places[later]].T @ rows[:, self.places[earlier]]
            if (later, earlier) in self.blocks:
                self.blocks[later, earlier] += products
            else:
                self.blocks[later, earlier] = products
        squared = np.stack([np.square(rows[:, place]).sum(axis=1) for place in self.places], axis=1)
        self.lengths += squared.T @ squared
        self.weighted += squared.T @ rows
        for place, lengths in zip(self.places, squared.T, strict=True):
            with np.errstate(divide="ignore"):
                scale = np.where(lengths > 0, 1 / np.sqrt(lengths), 0.0)
            self.directions[place] += scale @ rows[:, place]

    def pairs_of_views(self) -> Iterator[tuple[int, int]]:
        """Yield each view with itself and with those before it."""
        return ((later, earlier) for later in range(len(self.views)) for earlier in range(later + 1))

    def moments(self) -> ViewMoments:
        """Return what has been gathered; further frames change it."""
        self.settle()
        cross = np.zeros((len(self.sums), len(self.sums)))
        for (later, earlier), block in self.blocks.items():
            cross[self.places[later], self.places[earlier]] = block
            cross[self.places[earlier], self.places[later]] = block.T
        return ViewMoments(
            self.views, self.count, self.sums, cross, self.directions, self.lengths, self.weighted, self.steps,
            self.pairs,
        )  # fmt: skip

    def save(self, path: Path) -> None:
        """Write what has been gathered."""
        self.settle()
        header = {
            "views": [[view.model, view.layer, view.dim] for view in self.views],
            "count": self.count,
            "pairs": self.pairs,
        }
        arrays = {name: getattr(self, name) for name in ARRAYS if name != "cross"}
        blocks = {f"cross.{later}.{earlier}": block for (later, earlier), block in self.blocks.items()}
        write_tensors(path, {**arrays, **blocks}, header)


def read_moments(path: Path, numbers: Sequence[int] | None = None) -> ViewMoments:
    """Return moments that were written, of some views or of all; only these are read from the disk."""
    header: dict[str, Any] = read_header(path)
    views = tuple(View(*view) for view in header["views"])
    chosen = list(range(len(views)) if numbers is None else numbers)
    places = [places_of(views)[number] for number in chosen]
    with safe_open(path, framework="numpy") as file:

        def block(a: int, b: int) -> Array:
            later, earlier = max(a, b), min(a, b)
            stored: Array = file.get_tensor(f"cross.{later}.{earlier}")
            return stored if a == later else stored.T

        rows = [[block(a, b) for b in chosen] for a in chosen]

        def columns(name: str) -> Array:
            part = file.get_slice(name)
            return np.concatenate([part[place] for place in places])

        weighted = file.get_tensor("weighted")[chosen]
        return ViewMoments(
            tuple(views[number] for number in chosen),
            header["count"],
            columns("sums"),
            np.block(rows),
            columns("directions"),
            file.get_tensor("lengths")[np.ix_(chosen, chosen)],
            np.concatenate([weighted[:, place] for place in places], axis=1),
            file.get_tensor("steps")[chosen],
            header["pairs"],
        )
