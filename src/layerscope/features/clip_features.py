"""What one pass leaves, and what probes are given: pooled states of every window of every clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from layerscope.atomic_files import digest
from layerscope.encoders.published_models import RANDOM
from layerscope.errors import DataError, UsageError, checks_arguments
from layerscope.features.copied_rows import copied_rows
from layerscope.features.given_arrays import (
    given_labels,
    layer_arrays,
    layer_numbers,
    refuse_other_order,
    refuse_vanishing,
    side_column,
)
from layerscope.features.pooling import Pooling
from layerscope.features.row_blocks import Rows
from layerscope.targets import Labels

__all__ = ["Features", "refuse_different"]


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
        Position on the layer axis → rows (window, width), float32: an array, or `LazyRows`, which are read when they
        are asked for; ``[:]`` gives all of either.
    pooling : {"mean", "spread", "moments", "frame", "context"}
        How frames were summarised, or that they were not.
    fingerprint : str
        Identifies the states.
    widths : tuple of int
        Of the frames of each layer.
    labels : Labels, optional
        Where the features bring their own.
    baseline, untrained : bool
        As of the encoder.
    official : tuple of str
        What the model's own authors call the layers, where there is a model.
    network : str
        Identifies the encoder, whatever the clips and how they were cut; empty where there is none.
    attended : Features, optional
        The frames of the same clips, where they are kept for probes that attend to them.
    """

    model: str
    layers: tuple[int, ...]
    clips: pd.DataFrame
    window_clip: NDArray[np.int64]
    read: Callable[[int], Rows]
    pooling: Pooling
    fingerprint: str
    widths: tuple[int, ...]
    labels: Labels | None = None
    baseline: bool = False
    untrained: bool = False
    official: tuple[str, ...] = ()
    network: str = ""
    attended: Features | None = None

    @classmethod
    @checks_arguments
    def from_arrays(
        cls,
        states: ArrayLike | Sequence[ArrayLike],
        labels: ArrayLike,
        *,
        splits: Sequence[str] | None = None,
        folds: Sequence[int] | None = None,
        groups: Sequence[str] | None = None,
        model: str = "features",
        layers: Sequence[int] | None = None,
        baseline: bool = False,
        kind: str | None = None,
    ) -> Features:
        """Take someone else's features; no audio is needed.

        Parameters
        ----------
        states : array, shape (clip, layer, dim), or sequence of arrays, each (clip, width)
            One vector a clip and layer; where layers have widths of their own, an array for each. Tensors of any
            device and precision are converted.
        labels : array, shape (clip,) or (clip, target)
            Strings or integers for classes (integers of more than 20 sorts are values, unless `kind` says otherwise),
            0/1 with a column a tag for tags (or lists of names), floats for values; the columns of a DataFrame name
            tags and dimensions. Row for row as `states`.
        splits : sequence of {"train", "valid", "test"}, optional
            The split of each clip; the usual other words for them, such as "val", are understood.
        folds : sequence of int, optional
            The fold of each clip, instead of splits.
        groups : sequence, optional
            What must not be shared between splits.
        model : str
            What results call them. ``random:NAME`` is the untrained twin of NAME, a control that is never recommended
            beside it; ``random:NAME#1`` another draw of its weights, and the draws are told of as one twin.
        layers : sequence of int, optional
            Numbers of the layers, none below 0; 0 … L by default.
        baseline : bool
            Whether this is a plain feature, of one layer: what models must beat to be recommended.
        kind : str, optional
            What the labels are (``layerscope ls metrics``), where it should not be worked out.

        Raises
        ------
        DataError
            If shapes do not fit, a value is not finite, or a split is none.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> features = Features.from_arrays(rng.normal(size=(90, 3, 8)), ["a", "b", "c"] * 30)
        >>> features.layers
        (0, 1, 2)
        """
        tables = states if isinstance(states, (list, tuple)) else [states]
        refuse_other_order(
            **{f"states of layer {place}": table for place, table in enumerate(tables)},
            labels=labels, splits=splits, folds=folds, groups=groups,
        )  # fmt: skip
        read = given_labels(labels, kind)
        arrays = layer_arrays(states, len(read.values))
        count = len(arrays[0])
        numbers = layer_numbers(layers) if layers is not None else tuple(range(len(arrays)))
        if splits is not None and folds is not None:
            raise DataError("give splits or folds, not both")
        columns = {
            name: side_column(name, values)
            for name, values in (("split", splits), ("fold", folds), ("group", groups))
            if values is not None
        }
        lengths = {"labels": len(read.values), **{name: len(values) for name, values in columns.items()}}
        for name, length in lengths.items():
            if length != count:
                raise DataError(f"{name} has {length} entries for {count} clips")
        if len(numbers) != len(arrays):
            raise DataError(f"layers names {len(numbers)} layers, states have {len(arrays)}")
        if not model.strip():
            raise DataError(f"model is {model!r}; give the features a name, which tables and figures show")
        untrained = model.startswith(RANDOM)
        if baseline and untrained:
            raise DataError(f"'{model}' names an untrained twin, which is no plain feature; give it another name")
        # `inputs_of` offers a plain feature's summaries, not layers: a second layer would be dropped silently.
        if baseline and len(arrays) > 1:
            raise DataError(f"a plain feature has one layer, these states {len(arrays)}; make features of each")
        for number, array in zip(numbers, arrays, strict=True):
            bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
            if len(bad):
                raise DataError(f"states of clip {bad[0]}, layer {number} are not finite")
            refuse_vanishing(array, number)
        # As objects, since pandas would make NaN of None.
        clips = pd.DataFrame({"clip": [str(row) for row in range(count)], **columns}, dtype=object)
        copies = copied_rows(arrays)
        if copies is not None:
            # What is equal up to rounding is one sound, which must not be on both sides of a split.
            clips["clip_sound"] = copies
        # States alone: a job's name adds the labels and the splits itself.
        # The shape is part of it: the same bytes in other rows and columns are other states.
        content = [part for array in arrays for part in (f"{array.shape}", array.ravel().data)]
        return cls(
            model=model,
            layers=numbers,
            clips=clips,
            window_clip=np.arange(count),
            read=arrays.__getitem__,  # which can be pickled
            pooling="mean",
            fingerprint=digest(*content)[:32],
            widths=tuple(array.shape[1] for array in arrays),
            labels=read,
            baseline=baseline,
            untrained=untrained,
        )


def refuse_different(features: Sequence[Features]) -> None:
    """Raise where features that are to be compared have one name, or are not of the same clips in the same order.

    Raises
    ------
    UsageError
        If they bring no labels, or two have one name.
    DataError
        If clips, labels, splits, folds or groups differ.
    """
    first, names = features[0], [each.model for each in features]
    for each in features:
        if each.labels is None:
            raise UsageError("these features bring no labels; make them with Features.from_arrays")
        if names.count(each.model) > 1:
            raise UsageError(f"two features are called '{each.model}'; give each a name of its own (model=...)")
        difference = difference_of(first, each)
        if difference:
            raise DataError(
                f"'{first.model}' and '{each.model}' differ in {difference}; "
                "features are compared on the same clips in the same order: sort both, or probe them one by one"
            )


def difference_of(first: Features, other: Features) -> str:
    """Return the first thing in which two features' clips differ, in words, or an empty text."""
    assert first.labels is not None
    assert other.labels is not None
    if len(first.clips) != len(other.clips):
        return f"the number of clips ({len(first.clips)} and {len(other.clips)})"
    for column in ("clip", "split", "fold", "group"):
        ours, theirs = (list(each.clips.get(column, [None] * len(each.clips))) for each in (first, other))
        for row, (here, there) in enumerate(zip(ours, theirs, strict=True)):
            if here != there:
                return f"the {column} of clip {row} ({here} and {there})"
    kinds = [(each.kind.name, each.names) for each in (first.labels, other.labels)]
    if kinds[0] != kinds[1]:
        return f"what their labels are ({kinds[0]} and {kinds[1]})"
    unequal = (first.labels.values != other.labels.values).reshape(len(first.clips), -1).any(axis=1)
    return f"the label of clip {unequal.argmax()}" if unequal.any() else ""
