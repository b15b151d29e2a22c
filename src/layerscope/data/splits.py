"""Who trains, who validates, who is tested: splits that are given, and splits that are made.

A split that is made keeps groups whole, keeps clips with the same sound together, and is stratified and seeded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from layerscope.data.leaks import group_codes
from layerscope.errors import DataError
from layerscope.targets.kind import Labels

__all__ = [
    "Part", "assign", "choosing_parts", "divided", "fold_order", "never_trained", "parts_of", "refuse_unlearnable",
]  # fmt: skip

Rows = NDArray[np.int64]

#: A made split tests one fifth, validates on one fifth and trains on the rest.
FIFTHS = 5


@dataclass(frozen=True)
class Part:
    """One training: the rows that train, that choose, and that are tested."""

    train: Rows
    valid: Rows
    test: Rows


def assign(clips: pd.DataFrame, labels: Labels, seed: int, folds: int | None = None) -> pd.DataFrame:
    """Return the clips with a ``split`` (or ``fold``) for each, made where the data bring none.

    Where the data bring a test split but no validation split, one fifth of the training groups becomes it.

    Parameters
    ----------
    clips : DataFrame
        With ``group``, ``key`` and ``sound`` where known.
    labels : Labels
        To stratify by.
    seed : int
        Of the assignment.
    folds : int, optional
        Make this many folds instead of one split.

    Raises
    ------
    DataError
        If given splits are incomplete, or there are too few groups to divide.
    """
    clips = clips.copy()
    groups = group_codes(clips)
    if "fold" in clips and "split" not in clips:
        return refuse_incomplete(clips, "fold")
    if "split" in clips:
        clips = refuse_incomplete(clips, "split")
        present = set(clips.split)
        if not {"train", "test"} <= present:
            raise DataError(f"the data's splits are {', '.join(sorted(present))}; train and test are needed")
        if "valid" not in present:
            train = np.flatnonzero(clips.split == "train")
            fifths = stratified_folds(labels.take(train), groups[train], FIFTHS, seed)
            clips.loc[train[fifths == 0], "split"] = "valid"
        return clips
    if folds is not None:
        clips["fold"] = [str(fold) for fold in stratified_folds(labels, groups, folds, seed)]
        return clips
    fifths = stratified_folds(labels, groups, FIFTHS, seed)
    clips["split"] = np.select([fifths == 0, fifths == 1], ["test", "valid"], "train")
    return clips


def refuse_incomplete(clips: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the clips, or raise if some have no split or fold."""
    missing = clips[column].isna()
    if missing.any():
        raise DataError(
            f"{int(missing.sum())} clips have no '{column}' (the first: {clips['clip'][missing].iloc[0]}), others do"
        )
    return clips


def stratified_folds(labels: Labels, groups: Rows, folds: int, seed: int) -> Rows:
    """Return a fold for each clip: groups whole, classes (or the rarest tag, or quintiles of a value) even."""
    distinct = len(np.unique(groups))
    if distinct < folds:
        raise DataError(
            f"{distinct} groups cannot be divided into {folds} parts (clips of one group, file or sound are one); "
            "give more data, or splits of your own"
        )
    strata = labels.kind.strata(labels)
    result = np.zeros(len(groups), np.int64)
    # scikit-learn refuses fewer folds than the rarest class has members only with a warning; rare strata join.
    counts = np.bincount(strata)
    strata = np.where(counts[strata] < folds, counts.argmax(), strata)
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    for fold, (_, rows) in enumerate(splitter.split(np.zeros(len(groups)), strata, groups)):
        result[rows] = fold
    return result


def parts_of(clips: pd.DataFrame) -> list[Part]:
    """Return the trainings that splits or folds ask for.

    One for splits. For K folds, K: fold k is tested, fold k + 1 chooses, the others train, so that every clip is
    tested once and chooses once.
    """
    if "split" in clips:
        split = clips.split.to_numpy()
        return [Part(*(np.flatnonzero(split == name) for name in ("train", "valid", "test")))]
    fold = clips.fold.to_numpy()
    names = sorted(set(fold), key=fold_order)
    if len(names) < 3:
        raise DataError(f"{len(names)} folds; at least 3 are needed: one to test, one to choose, one to train")
    sides = (
        ((fold != tested) & (fold != choosing), fold == choosing, fold == tested)
        for tested, choosing in zip(names, [*names[1:], names[0]], strict=True)
    )
    return [Part(*map(np.flatnonzero, side)) for side in sides]


def choosing_parts(clips: pd.DataFrame, labels: Labels, parts: Sequence[Part], seed: int) -> list[Part]:
    """Return five trainings inside the training and validation clips, each validating a fifth of them, groups whole.

    None where the data are in folds, in which every clip chooses already, or where a fifth could not be done without.
    """
    if len(parts) > 1:
        return []
    # Without the tested clips, which may not choose.
    rows, groups = np.sort(np.concatenate([parts[0].train, parts[0].valid])), group_codes(clips)
    if len(np.unique(groups[rows])) < FIFTHS:
        return []
    fifths = stratified_folds(labels.take(rows), groups[rows], FIFTHS, seed)
    choosing = [Part(rows[fifths != fifth], rows[fifths == fifth], parts[0].test) for fifth in range(FIFTHS)]
    # Large groups may leave a fifth empty, or the rest with a single class.
    learnable = all(len(part.valid) and not labels.kind.unlearnable(labels.take(part.train)) for part in choosing)
    return choosing if learnable else []


def fold_order(name: str) -> tuple[int, str]:
    """Sort folds that are numbers by number."""
    return (int(name), "") if str(name).isdecimal() else (1 << 30, str(name))


def never_trained(labels: Labels, parts: Sequence[Part]) -> dict[str, int]:
    """Return the classes that no clip trains where they are tested, with how many tested clips that are.

    Examples
    --------
    >>> from layerscope.targets import labels_of
    >>> part = Part(train=np.array([0, 1]), valid=np.array([0, 1]), test=np.array([2, 3]))
    >>> never_trained(labels_of(["jazz", "rock", "rock", "new"]), [part])
    {'new': 1}
    """
    if labels.kind.over_time or labels.kind.form != "classes":
        return {}
    tested = [labels.values[part.test] for part in parts]
    trained = [labels.values[part.train] for part in parts]
    alone = np.concatenate([these[~np.isin(these, those)] for these, those in zip(tested, trained, strict=True)])
    return {labels.names[value]: int(count) for value, count in zip(*np.unique(alone, return_counts=True), strict=True)}


def divided(clips: pd.DataFrame, labels: Labels, seed: int, folds: int | None) -> tuple[pd.DataFrame, list[Part]]:
    """Return the clips with their splits (see `assign`), and the trainings, of which each can learn and be scored."""
    clips = assign(clips, labels, seed, folds)
    parts = parts_of(clips)
    refuse_unlearnable(labels, parts)
    return clips, parts


def refuse_unlearnable(labels: Labels, parts: Sequence[Part]) -> None:
    """Raise for a split in which nothing can be learnt or scored: no clips, one class, no tag or value that varies."""
    for part in parts:
        for name, rows in (("train", part.train), ("valid", part.valid), ("test", part.test)):
            if len(rows) == 0:
                raise DataError(f"the {name} split is empty")
        fault = labels.kind.unlearnable(labels.take(part.train))
        if fault:
            raise DataError(f"the train split {fault}; nothing can be learnt")
    # Folds are scored together, so that one may lack a class that another has.
    for name in ("train", "valid", "test"):
        rows = np.concatenate([getattr(part, name) for part in parts])
        fault = labels.kind.unscorable(labels.take(rows), name)
        if fault:
            raise DataError(f"{fault}; nothing can be scored")
    alone = never_trained(labels, parts)
    if alone and sum(alone.values()) == sum(len(part.test) for part in parts):
        raise DataError(
            f"no test clip is of a class that a training clip has (tested: {', '.join(alone)[:200]}); nothing can be "
            "right: spell the classes alike in all splits, or split anew"
        )
    faults = [labels.kind.unscorable(labels.take(part.valid), "valid") for part in parts]
    unscored = [fault for fault in faults if fault]
    # Each training chooses by its own clips: of one clip there is no ranking and no R².
    if 2 * len(unscored) > len(parts):
        raise DataError(
            f"{unscored[0]} of {len(unscored)} of {len(parts)} folds; nothing can be chosen: make fewer folds"
        )
