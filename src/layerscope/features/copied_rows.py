"""Clips with the same states, but for rounding, are copies of one sound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerscope.data.leaks import connected
from layerscope.features.given_arrays import CONSTANT

__all__ = ["copied_rows"]

#: Of fewer columns two clips may have the same states by chance.
FEWEST_COLUMNS = 8
#: Of how a column varies: float32 sums in another order differ by less, different sounds in all columns never.
EQUAL = 1e-5


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
