"""States, labels, splits and groups as they come from someone else's program, read or refused in words."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.api.types import is_numeric_dtype
from torch import Tensor

from layerscope.data.label_cells import Odd, settle_column, tidy_cell
from layerscope.data.label_tables import fold_named, split_named
from layerscope.data.table_files import unique_names
from layerscope.data.usual_columns import is_split
from layerscope.errors import DataError
from layerscope.targets import Column, Labels, labels_of, most, recognise
from layerscope.targets.cells import shown
from layerscope.targets.values import MOST_ROUNDING

__all__ = [
    "CONSTANT",
    "given_labels",
    "layer_arrays",
    "layer_numbers",
    "refuse_other_order",
    "refuse_vanishing",
    "side_column",
]  # fmt: skip

#: What varies by less, beside its size, is constant but for rounding: of float32, and of float64.
CONSTANT, DOUBLE = 1e-6, 1e-13
#: The last number of a layer that a table of scores holds with room to spare.
LAST_LAYER = 2**31 - 1
#: What varies by less is taken for a constant by probes, however small it is.
SMALLEST = 1e-12


def layer_numbers(layers: Sequence[Any]) -> tuple[int, ...]:
    """Return the numbers of layers, each once.

    Raises
    ------
    DataError
        If one is no whole number, below 0 or beyond all that tables hold, or stands twice.
    """
    numbers = items_of("layers", layers)
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
            raise DataError(f"layers are whole numbers, not {number!r}")
        if not 0 <= number <= LAST_LAYER:
            raise DataError(f"layers are numbered from 0 on, not {number}; count from the first")
        if numbers.count(number) > 1:
            raise DataError(f"layer {number} is named twice; each layer has a number of its own")
    return tuple(map(int, numbers))


def given_labels(labels: Any, kind: str | None = None) -> Labels:
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
        labels = rows_of(array)
    if not labels:
        raise DataError("there are no labels; give one for each clip")
    tidy = [tidy_cell(cell, f"label of clip {row}") for row, cell in enumerate(labels)]
    settled = settle_column("labels", tidy, [f"clip {row}" for row in range(len(tidy))], typed=True)
    for row, cell in enumerate(settled):
        if cell is None or isinstance(cell, Odd):
            raise unusable_label(row, "it is missing" if cell is None else cell.reason)
    # What is asked of a column in a table is asked here.
    recognised = recognise(Column("labels", settled), kind)
    if recognised.faults and not recognised.kind.over_time:
        raise unusable_label(*next(iter(recognised.faults.items())))
    return labels_of(settled, kind)


def unusable_label(row: int, reason: str) -> DataError:
    """Return the error for a label that is none, with the way out."""
    return DataError(f"the label of clip {row} cannot be used: {reason}; leave the clip out of states and labels")


def frame_labels(frame: pd.DataFrame) -> Labels:
    """Return the labels of a frame with a column a tag, of 0 and 1, or a dimension, called by its columns."""
    names = [str(name) for name in frame.columns]
    unique_names(names, "labels")
    if frame.isna().any(axis=None):
        raise unusable_label(int(frame.isna().any(axis=1).to_numpy().argmax()), "it is missing")
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
        raise DataError(f"clip {missing} has no '{name}'; give one for each clip, or leave {name}s out")
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
        values = plain_array(values, name)
    try:
        return rows_of(values) if isinstance(values, np.ndarray) else list(values)
    except TypeError as error:
        raise DataError(f"{name} are {shown(values)}; give a sequence of them") from error


def rows_of(array: NDArray[Any]) -> list[Any]:
    """Return an item for each clip: of a single column what it holds, and not a list of one."""
    return list(array.ravel() if array.ndim == 2 and array.shape[1] == 1 else array)


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
    if array.dtype == object and isinstance(values, pd.DataFrame) and all(map(is_numeric_dtype, values.dtypes)):
        # Of columns that may have gaps pandas makes objects; where there are no gaps, they are numbers again.
        array = np.array(array.tolist())
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
        if np.can_cast(states.dtype, np.float32) or not states.size or not np.isfinite(single).all():
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
