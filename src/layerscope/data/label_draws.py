"""Few labels: which training clips are taken to have a label, in nested draws of growing size.

Conventions
-----------
What is drawn is whole groups (see `layerscope.data.leaks.group_codes`): who labels a song has heard it, and its other
clips are no evidence of their own. Without groups a draw is of clips. Of classes a size counts the groups that hold a
class, 1, 2, 4, … of each; a class that has fewer gives all of them. Of tags and values, which cannot be evened, a size
is a share of the training clips. A larger size holds the smaller one of its draw, and the last is all training clips.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerscope.data.splits import Part
from layerscope.targets.kind import Labels

__all__ = ["ALL", "label_sizes", "nested_draws", "units_a_class"]

Rows = NDArray[np.int64]

#: The last size of classes.
ALL = "all"
#: Shares of the training clips, in percent, of targets without classes.
PERCENTS = (1, 2, 5, 10, 20, 50, 100)
#: Groups that a share must hold: of fewer no penalty can be chosen inside them.
FEWEST_DRAWN = 5


def label_sizes(labels: Labels, groups: Rows, parts: Sequence[Part]) -> list[str]:
    """Return the sizes of draws, as tables and the page name them.

    Parameters
    ----------
    labels : Labels
        Of all clips, not over time.
    groups : ndarray of int, shape (clip,)
        What is drawn as a whole.
    parts : sequence of Part
        The trainings; a size is one of all of them.

    Examples
    --------
    >>> from layerscope.targets import labels_of
    >>> rows = np.arange(40)
    >>> part = Part(rows, rows[:0], rows[:0])
    >>> label_sizes(labels_of(["a", "b", "a", "a"] * 10), rows, [part])
    ['1', '2', '4', '8', '16', 'all']
    >>> label_sizes(labels_of(np.linspace(0.0, 1.0, 40)), rows, [part])
    ['20 %', '50 %', '100 %']
    """
    if labels.kind.form == "classes":
        largest = min(int(units_a_class(labels, groups, part.train).max()) for part in parts)
        return [*(str(2**power) for power in range(largest.bit_length()) if 2**power < largest), ALL]
    fewest = min(len(np.unique(groups[part.train])) for part in parts)
    return [f"{percent} %" for percent in PERCENTS if percent * fewest >= 100 * FEWEST_DRAWN or percent == PERCENTS[-1]]


def units_a_class(labels: Labels, groups: Rows, rows: Rows) -> Rows:
    """Return in how many groups each class is, among some rows.

    Examples
    --------
    >>> from layerscope.targets import labels_of
    >>> units_a_class(labels_of(["a", "a", "b", "a"]), np.array([0, 0, 0, 1]), np.arange(4)).tolist()
    [2, 1]
    """
    pairs = np.unique(np.stack([groups[rows], labels.values[rows]]), axis=1)
    return np.bincount(pairs[1], minlength=len(labels.names))


def nested_draws(labels: Labels, groups: Rows, rows: Rows, sizes: Sequence[str], seed: int) -> list[Rows]:
    """Return the rows that have a label at each size, each part of the next; the last are all.

    Parameters
    ----------
    labels, groups
        As `label_sizes` takes them.
    rows : ndarray of int
        The training clips.
    sizes : sequence of str
        Of `label_sizes`.
    seed : int
        Of the draw.

    Returns
    -------
    list of ndarray of int, ascending, one a size

    Examples
    --------
    >>> from layerscope.targets import labels_of
    >>> labels, rows = labels_of(["a", "b"] * 20), np.arange(40)
    >>> drawn = nested_draws(labels, rows, rows, ["1", "2", "all"], seed=0)
    >>> [len(taken) for taken in drawn], bool(np.isin(drawn[0], drawn[1]).all())
    ([2, 4, 40], True)
    """
    order = np.random.default_rng(seed).permutation(np.unique(groups[rows]))
    if labels.kind.form == "classes":
        taken = draws_of_classes(labels.values[rows], groups[rows], order, [int(size) for size in sizes[:-1]])
    else:
        shares = [int(size.removesuffix(" %")) / 100 for size in sizes[:-1]]
        taken = draws_of_shares(groups[rows], order, shares)
    return [*(rows[np.isin(groups[rows], units)] for units in taken), rows]


def draws_of_classes(values: Rows, groups: Rows, order: Rows, sizes: Sequence[int]) -> list[Rows]:
    """Return the groups of each size: in their order, those that hold a class which has not enough yet."""
    pairs = np.unique(np.stack([groups, values]), axis=1)
    units, first = np.unique(pairs[0], return_index=True)
    classes = dict(zip(units.tolist(), np.split(pairs[1], first[1:]), strict=True))
    there = np.bincount(pairs[1])
    have, taken, waiting, draws = np.zeros_like(there), list[int](), order.tolist(), []
    for size in sizes:
        left: list[int] = []
        for place, unit in enumerate(waiting):
            if (have >= np.minimum(size, there)).all():
                left += waiting[place:]
                break
            if (have[classes[unit]] < size).any():
                taken.append(unit)
                have[classes[unit]] += 1
            else:
                left.append(unit)
        waiting = left
        draws.append(np.array(taken, np.int64))
    return draws


def draws_of_shares(groups: Rows, order: Rows, shares: Sequence[float]) -> list[Rows]:
    """Return the groups of each size: the first ones that together hold the share of the clips."""
    units, clips = np.unique(groups, return_counts=True)
    held = np.cumsum(clips[np.searchsorted(units, order)])
    # Never fewer than a penalty can be chosen with, though the first groups be large.
    return [order[: max(FEWEST_DRAWN, int(np.searchsorted(held, share * len(groups))) + 1)] for share in shares]
