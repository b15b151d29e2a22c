"""What one pass leaves, and what probes are given: pooled states of every window of every clip."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from layerscope.errors import DataError
from layerscope.targets import Labels, labels_of

__all__ = ["Features", "Pooling"]

#: ``mean`` and ``moments`` are of windows; ``frame`` and ``context`` (a frame and its neighbours) of single frames.
Pooling = Literal["mean", "moments", "frame", "context"]


@dataclass(frozen=True)
class Features:
    """What probes are given: pooled states of every window of every clip.

    Attributes
    ----------
    model : str
        Whose states they are.
    layers : tuple of int
        Numbers of the layers.
    clips : DataFrame
        One row a clip: ``clip`` (its name) and, where known, ``split``, ``fold``, ``group``.
    window_clip : ndarray of int, shape (window,)
        The row in `clips` of each window, ascending.
    read : callable
        Position on the layer axis → ndarray (window, dim), float32.
    pooling : {"mean", "moments", "frame", "context"}
        How frames were summarised, or that they were not.
    fingerprint : str
        Identifies the states.
    labels : Labels, optional
        Where the features bring their own.
    baseline, untrained : bool
        As of the encoder.
    official : tuple of str
        What the model's own authors call the layers, where there is a model.
    """

    model: str
    layers: tuple[int, ...]
    clips: pd.DataFrame
    window_clip: NDArray[np.int64]
    read: Callable[[int], NDArray[np.float32]]
    pooling: Pooling
    fingerprint: str
    labels: Labels | None = None
    baseline: bool = False
    untrained: bool = False
    official: tuple[str, ...] = ()

    @classmethod
    def from_arrays(
        cls,
        states: ArrayLike,
        labels: ArrayLike,
        *,
        splits: Sequence[str] | None = None,
        folds: Sequence[int] | None = None,
        groups: Sequence[str] | None = None,
        model: str = "features",
        layers: Sequence[int] | None = None,
    ) -> Features:
        """Take someone else's features; no audio is needed.

        Parameters
        ----------
        states : array, shape (clip, layer, dim)
            One vector a clip and layer.
        labels : array, shape (clip,) or (clip, target)
            Strings or integers for classes, 0/1 with a column a tag for tags, floats for values.
        splits : sequence of {"train", "valid", "test"}, optional
            The split of each clip.
        folds : sequence of int, optional
            The fold of each clip, instead of splits.
        groups : sequence, optional
            What must not be shared between splits.
        model : str
            What results call them.
        layers : sequence of int, optional
            Numbers of the layers; 0 … L by default.

        Raises
        ------
        DataError
            If shapes do not fit or a value is not finite.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> features = Features.from_arrays(rng.normal(size=(90, 3, 8)), ["a", "b", "c"] * 30)
        >>> features.layers
        (0, 1, 2)
        """
        array = np.ascontiguousarray(states, dtype=np.float32)
        if array.ndim != 3:
            raise DataError(f"states have shape {array.shape}; expected (clip, layer, dim)")
        numbers = tuple(layers) if layers is not None else tuple(range(array.shape[1]))
        columns = {"split": splits, "fold": folds, "group": groups}
        lengths = {
            "labels": len(np.asarray(labels)),
            **{k: len(v) for k, v in columns.items() if v is not None},
        }
        for name, length in lengths.items():
            if length != len(array):
                raise DataError(f"{name} has {length} entries for {len(array)} clips")
        if len(numbers) != array.shape[1]:
            raise DataError(f"layers names {len(numbers)} layers, states have {array.shape[1]}")
        bad = ~np.isfinite(array).all(axis=2)
        if bad.any():
            clip, position = np.argwhere(bad)[0]
            raise DataError(f"states of clip {clip}, layer {numbers[position]} are not finite")
        clips = pd.DataFrame({"clip": [str(row) for row in range(len(array))]})
        for name, values in columns.items():
            if values is not None:
                clips[name] = list(values)
        return cls(
            model=model,
            layers=numbers,
            clips=clips,
            window_clip=np.arange(len(array)),
            read=lambda position: array[:, position],
            pooling="mean",
            fingerprint=hashlib.sha256(f"{array.shape}".encode() + array.tobytes()).hexdigest()[:32],
            labels=labels_of(labels),
        )
