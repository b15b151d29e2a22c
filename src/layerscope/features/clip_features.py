"""What one pass leaves, and what probes are given: pooled states of every window of every clip."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from layerscope.data.label_cells import Odd, settle_column, tidy_cell
from layerscope.data.label_tables import fold_named, split_named
from layerscope.data.leaks import connected
from layerscope.data.table_files import unique_names
from layerscope.data.usual_columns import is_split
from layerscope.encoders.published_models import RANDOM
from layerscope.errors import DataError, UsageError, checks_arguments
from layerscope.features.pooling import Pooling
from layerscope.features.row_blocks import Rows
from layerscope.targets import Column, Labels, labels_of, most, recognise
from layerscope.targets.cells import shown
from layerscope.targets.values import MOST_ROUNDING

__all__ = ["Features", "refuse_different"]

#: Of fewer columns two clips may have the same states by chance.
FEWEST_COLUMNS = 8
#: Of how a column varies: float32 sums in another order differ by less, different sounds in all columns never.
EQUAL = 1e-5
#: What varies by less, beside its size, is constant but for rounding: of float32, and of float64.
CONSTANT, DOUBLE = 1e-6, 1e-13
#: What varies by less is taken for a constant by probes, however small it is.
SMALLEST = 1e-12


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
        read = read_labels(labels, kind)
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
        digest = hashlib.sha256()
        for array in arrays:
            # The shape is part of it: the same bytes in other rows and columns are other states.
            digest.update(f"{array.shape}".encode() + array.tobytes())
        return cls(
            model=model,
            layers=numbers,
            clips=clips,
            window_clip=np.arange(count),
            read=arrays.__getitem__,  # which can be pickled
            pooling="mean",
            fingerprint=digest.hexdigest()[:32],
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


def layer_numbers(layers: Sequence[Any]) -> tuple[int, ...]:
    """Return the numbers of layers, each once.

    Raises
    ------
    DataError
        If one is no whole number or below 0, or stands twice.
    """
    numbers = items_of("layers", layers)
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
            raise DataError(f"layers are whole numbers, not {number!r}")
        if number < 0:
            raise DataError(f"layers are numbered from 0 on, not {number}; count from the first")
        if numbers.count(number) > 1:
            raise DataError(f"layer {number} is named twice; each layer has a number of its own")
    return tuple(map(int, numbers))


def copied_rows(arrays: Sequence[NDArray[np.float32]]) -> list[str] | None:
    """Return which sound each clip is, or nothing where no two clips have the same states, or may by chance.

    Copies differ by rounding, as another batch size gives. States of whole numbers, or of few columns that vary, may
    well be equal without being copies.
    """
    means = [array.mean(axis=0, dtype=np.float64) for array in arrays]
    deviations = [array.std(axis=0, dtype=np.float64) for array in arrays]
    # What varies less is constant but for rounding.
    varying = sum(int((dev > CONSTANT * np.abs(mean)).sum()) for dev, mean in zip(deviations, means, strict=True))
    if varying < FEWEST_COLUMNS:
        return None
    # Rounding grows with the values, and not with how they vary.
    units = [np.maximum(dev + 0.02 * np.abs(mean), 1e-30) for dev, mean in zip(deviations, means, strict=True)]
    whole = np.all([(array == np.round(array)).all(axis=1) for array in arrays], axis=0)
    pairs = equal_rows(arrays, units, np.flatnonzero(~whole))
    return [str(sound) for sound in connected(pairs.T, len(whole))] if len(pairs) else None


def equal_rows(
    arrays: Sequence[NDArray[np.float32]], units: Sequence[NDArray[np.float64]], rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return pairs (pair, 2) that link those of some rows that are equal up to rounding, in units of each column.

    Rows are compared with the next in the order of a random projection, where equal rows lie beside each other;
    rounding to a grid instead would part neighbours at its edges.
    """
    random, width = np.random.default_rng(0), sum(array.shape[1] for array in arrays)
    # Of about length one, so that places differ by no more than twice what rows do.
    directions = [random.normal(size=len(unit)) / np.sqrt(width) / unit for unit in units]
    reach = EQUAL * np.sqrt(width)
    places = sum((array @ way for array, way in zip(arrays, directions, strict=True)), np.zeros(len(arrays[0])))[rows]
    order = np.argsort(places, kind="stable")
    places, rows = places[order], rows[order]
    pairs, unlinked = [np.empty((0, 2), dtype=np.int64)], np.arange(len(rows))
    for step in range(1, len(rows)):
        unlinked = unlinked[unlinked + step < len(rows)]
        unlinked = unlinked[places[unlinked + step] - places[unlinked] <= 2 * reach]
        if not len(unlinked):
            break
        here, there = rows[unlinked], rows[unlinked + step]
        squares = sum(
            (
                np.square((array[here] - array[there]) / unit).sum(axis=1)
                for array, unit in zip(arrays, units, strict=True)
            ),
            np.zeros(len(here)),
        )
        same = squares <= reach**2
        pairs.append(np.stack([here[same], there[same]], axis=1))
        # One link is enough: what is equal to the other is linked to that.
        unlinked = unlinked[~same]
    return np.concatenate(pairs)


def read_labels(labels: Any, kind: str | None = None) -> Labels:
    """Return labels as they come from someone's program: arrays, tensors, frames and lists, one entry a clip.

    Raises
    ------
    DataError
        If there are none, or a clip has none.
    """
    if isinstance(labels, pd.DataFrame) and labels.shape[1] > 1:
        return frame_labels(labels)
    # Lists may be of unequal lengths: tags by their names.
    if not isinstance(labels, (list, tuple)):
        array = plain_array(labels, "labels")
        if array.ndim not in (1, 2):
            raise DataError(
                f"labels ({type(labels).__name__}) have shape {array.shape}; expected (clip,) or (clip, target)"
            )
        if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind in "biuf":
            return labels_of(array.astype(np.int64) if array.dtype.kind == "b" else array)
        # One column is one target, and not a list for each clip.
        labels = list(array.ravel() if array.ndim == 2 and array.shape[1] == 1 else array)
    if not labels:
        raise DataError("there are no labels; give one for each clip")
    tidy = [tidy_cell(cell, f"label of clip {row}") for row, cell in enumerate(labels)]
    settled = settle_column("labels", tidy, [f"clip {row}" for row in range(len(tidy))], typed=True)
    for row, cell in enumerate(settled):
        if cell is None or isinstance(cell, Odd):
            reason = "it is missing" if cell is None else cell.reason
            raise DataError(
                f"the label of clip {row} cannot be used: {reason}; leave the clip out of states and labels"
            )
    # What is asked of a column in a table is asked here.
    recognised = recognise(Column("labels", settled), kind)
    if recognised.faults and not recognised.kind.over_time:
        row, reason = next(iter(recognised.faults.items()))
        raise DataError(f"the label of clip {row} cannot be used: {reason}; leave the clip out of states and labels")
    return labels_of(settled, kind)


def frame_labels(frame: pd.DataFrame) -> Labels:
    """Return the labels of a frame with a column a tag, of 0 and 1, or a dimension, called by its columns."""
    names = [str(name) for name in frame.columns]
    unique_names(names, "labels")
    if frame.isna().any(axis=None):
        row = int(np.flatnonzero(frame.isna().any(axis=1).to_numpy())[0])
        raise DataError(
            f"the label of clip {row} cannot be used: it is missing; leave the clip out of states and labels"
        )
    table = plain_array(frame, "labels")
    if table.dtype.kind not in "bif":
        raise DataError(f"labels have columns {', '.join(names)}, which are not all numbers; give one column")
    read = labels_of(table.astype(np.int64) if table.dtype.kind == "b" else table)
    return replace(read, names=tuple(names)) if len(read.names) == len(names) else read


def side_column(name: str, values: Any) -> list[str | None]:
    """Return the splits, folds or groups of clips as names, groups None where unknown."""
    cells = [tidy_cell(value, f"{name} of clip {row}") for row, value in enumerate(items_of(f"{name}s", values))]
    several = next((row for row, cell in enumerate(cells) if isinstance(cell, (list, dict))), None)
    if several is not None:
        # Clips of "a" and of ["a", "b"] would be apart.
        raise DataError(f"clip {several}: '{name}' {shown(cells[several])} is no one name; write one")
    if name == "group":
        return [None if cell is None else fold_named(cell) if isinstance(cell, float) else str(cell) for cell in cells]
    missing = next((row for row, cell in enumerate(cells) if cell is None), None)
    if missing is not None:
        raise DataError(f"clip {missing} has no '{name}', others do")
    if name == "fold" and most(map(is_split, cells)):
        raise DataError(f"folds are words for splits, such as '{cells[0]}'; give them as splits")
    if name == "fold":
        return [fold_named(cell) for cell in cells]
    return [split_named(cell, f"clip {row}") for row, cell in enumerate(cells)]


def items_of(name: str, values: Any) -> list[Any]:
    """Return the items of a sequence or an array, one a clip or layer.

    Raises
    ------
    DataError
        If it has none.
    """
    if isinstance(values, (Tensor, np.ndarray, pd.DataFrame)):
        array = plain_array(values, name)
        # One column is one name a clip, and not a list for each.
        values = array.ravel() if array.ndim == 2 and array.shape[1] == 1 else array
    try:
        return list(values)
    except TypeError as error:
        raise DataError(f"{name} are {shown(values)}; give a sequence of them") from error


def refuse_other_order(**given: Any) -> None:
    """Raise where two things of pandas have one index in two orders: rows are taken as they stand."""
    indices = {name: values.index for name, values in given.items() if isinstance(values, (pd.DataFrame, pd.Series))}
    for (name, index), (other, reference) in itertools.combinations(indices.items(), 2):
        if not index.equals(reference) and set(index) == set(reference):
            raise DataError(
                f"{other} and {name} have the same index in another order, and rows are taken as they stand; sort both "
                "by it (sort_index)"
            )


def plain_array(values: Any, name: str) -> NDArray[Any]:
    """Return an array of any kind as NumPy's: tensors from their device, without gradient, bfloat16 as float32."""
    if isinstance(values, Tensor):
        try:
            values = values.detach().to_dense().cpu()
            return (values.float() if values.is_floating_point() else values).resolve_conj().numpy()
        except (TypeError, RuntimeError) as error:  # nested, quantized, without storage
            raise DataError(f"{name} are a tensor that NumPy cannot take ({str(error).splitlines()[0]})") from error
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        row = int(np.argwhere(np.ma.getmaskarray(values))[0][0])
        raise DataError(f"{name} of clip {row} are masked, that is missing; leave the clip out of states and labels")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{name} are no array, or lists of unequal lengths ({str(error).splitlines()[0]})") from error
    if array.dtype.names:
        raise DataError(f"{name} are records with {', '.join(array.dtype.names)}; give an array of one of them")
    return array


def state_array(values: Any) -> NDArray[Any]:
    """Return states as real numbers, of the precision in which they are."""
    if isinstance(values, (list, tuple)) and values and isinstance(values[0], Tensor):
        values = [plain_array(value, "states") for value in values]
    array = plain_array(values, "states")
    if array.dtype.kind not in "biuf" and not str(array.dtype).startswith(("bfloat", "float8")):
        found = type(values).__name__ if array.ndim == 0 else array.dtype
        raise DataError(
            f"states are of type {found}; expected real numbers: one array (clip, layer, dim), or a list of one a layer"
        )
    return array


def single_precision(states: NDArray[Any]) -> NDArray[np.float32]:
    """Return states, (clip, width), as float32; columns that it would flatten as differences from their mean.

    To every probe a column and its differences are one, since states are standardised before they train.

    Examples
    --------
    >>> single_precision(np.array([[0.5, 1e6 + 1e-3], [1.5, 1e6 - 1e-3]])).tolist()
    [[0.5, 0.0010000000474974513], [1.5, -0.0010000000474974513]]
    """
    # What float32 cannot hold becomes infinite, and is refused as such by its clip.
    with np.errstate(over="ignore", invalid="ignore"):
        single = np.ascontiguousarray(states, dtype=np.float32)
        if np.can_cast(states.dtype, np.float32) or not np.isfinite(single).all():
            return single
        exact = states.astype(np.float64)
        mean, varies = exact.mean(axis=0), exact.std(axis=0)
        flat = (np.abs(exact - single).max(axis=0) > MOST_ROUNDING * varies) & (varies > DOUBLE * np.abs(mean))
    if flat.any():
        single[:, flat] = (exact - mean)[:, flat]
    return single


def refuse_vanishing(states: NDArray[np.float32], layer: int) -> None:
    """Raise where all that varies in a layer is so small that probes take it for rounding."""
    deviations, means = states.std(axis=0, dtype=np.float64), states.mean(axis=0, dtype=np.float64)
    varying = deviations > CONSTANT * np.abs(means)
    if varying.any() and deviations.max() <= SMALLEST:
        raise DataError(
            f"states of layer {layer} vary by {deviations.max():.3g} at most, which is too little for single "
            "precision; multiply them by a constant"
        )


def layer_arrays(states: ArrayLike | Sequence[ArrayLike], clips: int) -> list[NDArray[np.float32]]:
    """Return an array (clip, width) for each layer of states that come as one array, or as one a layer."""
    if isinstance(states, (list, tuple)) and len(states):
        states = [state_array(layer) for layer in states]
    shapes = {layer.shape for layer in states} if isinstance(states, list) else set()
    by_layer = bool(shapes) and all(len(shape) == 2 and shape[0] == clips for shape in shapes)
    if by_layer and len(states) == clips and len(shapes) == 1:  # type: ignore[arg-type]
        raise DataError(
            f"a list of {clips} arrays of {clips} rows may be clips or layers; give one array (clip, layer, dim)"
        )
    # A list of clips, each (layer, dim), has another length than its arrays; one of unequal shapes can be layers alone.
    if by_layer or len(shapes) > 1:
        assert isinstance(states, list)
        found = [layer.shape for layer in states]
        if any(len(shape) != 2 or shape[0] != found[0][0] for shape in found):
            raise DataError(
                f"states have shapes {sorted(set(found))}; expected (clip, width) for each layer, of the same clips"
            )
        return without_empty(list(map(single_precision, states)))
    array = state_array(states)
    if array.ndim != 3:
        raise DataError(f"states have shape {array.shape}; expected (clip, layer, dim)")
    # Copied apart, so that reading one layer does not stride over all the others.
    return without_empty([single_precision(array[:, position]) for position in range(array.shape[1])])


def without_empty(arrays: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Return the arrays of layers, or raise where there is no layer, no clip or no dimension."""
    if not arrays or not all(array.size for array in arrays):
        raise DataError(f"states are empty: {len(arrays)} layers of shapes {sorted({array.shape for array in arrays})}")
    return arrays
