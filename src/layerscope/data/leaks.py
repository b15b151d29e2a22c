"""What must stay together: clips that share a group, a file or a sound, and those that a split puts on both sides."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from layerscope.data.usual_columns import FLAGS
from layerscope.targets.label_names import ABSENT, said_alike

__all__ = [
    "Leak", "clips_beside_tested", "connected", "disputed_sounds", "find_leaks", "group_codes", "remark_on_groups",
    "side_of",
]  # fmt: skip

#: What tables call those who are not known, beside `ABSENT`, in small letters.
UNKNOWN = frozenset({"unknown", "various", "various artists", "anonymous", "-1"})
#: What stands between several names.
PARTED = re.compile(r"[;|/&+,]|\s(?:feat\.?|ft\.?|and)\s")
#: What columns of groups are called elsewhere.
PERSONS = frozenset({
    "artist", "singer", "speaker", "player", "performer", "composer", "drummer", "musician", "band", "song", "album",
    "recording",
})  # fmt: skip
#: What joins near-duplicates.
ALIKE = "likeness"


@dataclass(frozen=True)
class Leak:
    """Something on both sides of a split.

    Attributes
    ----------
    what : str
        ``"group"`` or ``"sound"``.
    name : str
        Which group, or the clips that sound the same.
    sides : tuple of str
        The splits it lies in.
    """

    what: str
    name: str
    sides: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in words."""
        subject = f"group '{self.name}'" if self.what == "group" else f"the same audio ({self.name})"
        return f"{subject} is in {' and '.join(self.sides)}"


def group_codes(clips: pd.DataFrame) -> NDArray[np.int64]:
    """Return a number for each clip such that what must stay together shares it, counted in the order of first rows.

    Clips are joined by ``group``, by ``clip_key`` up to the span (the same file) and by ``clip_sound`` (the same
    samples) and by ``clip_alike`` (near-duplicates), where the table has these columns; without any of them each clip
    stands alone.

    Examples
    --------
    >>> group_codes(pd.DataFrame({"clip": ["a", "b", "c"], "group": ["x", "y", "x"]})).tolist()
    [0, 1, 0]
    """
    # A graph of clips and of what they share: clips come first, so that components are numbered in their order.
    nodes = len(clips)
    edges = [np.zeros((2, 0), np.int64)]
    for values in joining_columns(clips).values():
        codes, shared = pd.factorize(np.array(values, dtype=object))
        known = np.flatnonzero(codes >= 0)
        # What is shared is numbered after the clips and after the columns before.
        edges.append(np.stack([known, codes[known] + nodes]))
        nodes += len(shared)
    return connected(np.concatenate(edges, axis=1), nodes)[: len(clips)]


def remark_on_groups(clips: pd.DataFrame, target: str = "") -> str:
    """Return how many clips have no group where others have one, and which groups may be none or one, in words.

    Parameters
    ----------
    clips : DataFrame
        With ``group`` where known.
    target : str
        The columns that are asked for, which are no groups.

    Examples
    --------
    >>> remark_on_groups(pd.DataFrame({"clip": ["a", "b", "c"], "group": ["x", None, "x"]}))
    "1 of 3 clips has no 'group' and stands alone"
    """
    groups = clips.group if "group" in clips else pd.Series(dtype=object)
    words, gaps = [], int(groups.isna().sum())
    if 0 < gaps < len(groups):
        words.append(
            f"{gaps} of {len(groups)} clips {'have' if gaps > 1 else 'has'} no 'group' and "
            f"{'each stands' if gaps > 1 else 'stands'} alone"
        )
    for name, count in groups.dropna().value_counts().items():
        if count > 1 and str(name).casefold() in ABSENT | UNKNOWN:
            words.append(f"{count} of {len(groups)} clips are of the group '{name}': if it is none, empty its cells")
    # One artist in two spellings is on both sides of a split.
    counts = groups.dropna().astype(str).value_counts().to_dict()
    words += said_alike(counts, "groups taken as different")
    several = [
        name for name in counts if PARTED.search(name) and {part.strip() for part in PARTED.split(name)} & counts.keys()
    ]
    if several:
        words.append(f"group '{several[0]}' looks like several, which are apart: write one, such as the first")
    return "; ".join([*words, *remark_on_persons(clips, target)])


def remark_on_persons(clips: pd.DataFrame, target: str) -> list[str]:
    """Return that a column looks like groups where none is called so, or nothing."""
    if "group" in clips:
        return []
    for column in clips:
        words = re.sub(r"[\W_]?(id|name|uid)?s?$", "", str(column).casefold())
        if (
            words in PERSONS
            and column not in target.split(",")
            and 1 < clips[column].astype(str).nunique() < len(clips)
            # Of a tag that is called "singer" it is said whether there is one.
            and not set(clips[column].astype(str).str.lower()) <= FLAGS
        ):
            return [f"no 'group': if clips of one '{column}' must not be on both sides, call that column 'group'"]
    return []


def connected(pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return a number for each of some nodes, the same for those that pairs (2, pair) connect, in the order of nodes.

    Examples
    --------
    >>> connected(np.array([[0, 3], [2, 4]]), 5).tolist()
    [0, 1, 0, 2, 2]
    """
    graph = coo_array((np.ones(pairs.shape[1], np.int8), (pairs[0], pairs[1])), shape=(count, count))
    components: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return components


def joining_columns(clips: pd.DataFrame) -> dict[str, list[object]]:
    """Return what joins clips: group, file, sound and likeness, None where unknown."""
    columns: dict[str, list[object]] = {}
    if "group" in clips:
        columns["group"] = [None if pd.isna(value) else value for value in clips.group]
    if "clip_key" in clips:
        columns["file"] = [key.partition("@")[0] for key in clips.clip_key]
    if "clip_sound" in clips:
        columns["sound"] = list(clips.clip_sound)
    if "clip_alike" in clips:
        columns[ALIKE] = [None if pd.isna(value) else value for value in clips.clip_alike]
    return columns


def find_leaks(clips: pd.DataFrame) -> list[Leak]:
    """Return groups, files and sounds that lie on both sides of the given splits or folds.

    Near-duplicates are not among them: they are told by a likeness, which is said and refuses nothing.
    """
    side = side_of(clips)
    if side is None:
        return []
    leaks: list[Leak] = []
    reported: set[str] = set()
    certain = {what: values for what, values in joining_columns(clips).items() if what != ALIKE}
    for what, values in certain.items():
        table = pd.DataFrame({"value": values, "side": side, "clip": clips["clip"]}).dropna()
        crossing = table[table.groupby("value").side.transform("nunique") > 1]
        for value, rows in crossing.groupby("value", sort=False):
            name = str(value) if what == "group" else ", ".join(sorted(rows["clip"])[:3])
            # The same file is the same sound: told once.
            if name not in reported:
                reported.add(name)
                leaks.append(Leak("group" if what == "group" else "sound", name, tuple(dict.fromkeys(rows.side))))
    return leaks


def disputed_sounds(clips: pd.DataFrame, answers: Iterable[object]) -> list[str]:
    """Return the sounds that stand under several names with different labels: the names of each.

    Parameters
    ----------
    clips : DataFrame
        With ``clip_key``, or, once decoded, ``clip_sound``; without either nothing is known to be the same.
    answers : iterable
        The label of each clip, as it was read: a number, an array or an annotation.

    Examples
    --------
    >>> clips = pd.DataFrame({"clip": ["a.wav", "b.wav", "c.wav"], "clip_sound": ["s", "s", "t"]})
    >>> disputed_sounds(clips, ["sad", "happy", "sad"]), disputed_sounds(clips, ["sad", "sad", "happy"])
    (['a.wav and b.wav'], [])
    """
    column = next((name for name in ("clip_sound", "clip_key") if name in clips), None)
    if column is None:
        return []
    # Annotations hold arrays, which are compared as they are written; shortened, two could read the same.
    with np.printoptions(threshold=sys.maxsize):
        table = pd.DataFrame({"sound": clips[column], "answer": list(map(repr, answers)), "clip": clips["clip"]})
    table = table.drop_duplicates(["sound", "answer"])
    crowded = table[table.groupby("sound").answer.transform("size") > 1]
    return [" and ".join(map(str, rows["clip"])) for _, rows in crowded.groupby("sound", sort=False)]


def clips_beside_tested(clips: pd.DataFrame) -> dict[str, str]:
    """Return the training clips that are joined to any that validate or are tested, those that validate to tested ones.

    Without them nothing lies on both sides of the given splits; what is tested stays as it is.

    Examples
    --------
    >>> clips_beside_tested(pd.DataFrame({"clip": ["a", "b"], "split": ["train", "test"], "group": ["x", "x"]}))
    {'a': 'shares its group, file or sound with a clip that is tested'}
    """
    if "split" not in clips:
        return {}
    places = clips.split.map(["train", "valid", "test"].index)
    highest = places.groupby(group_codes(clips)).transform("max")
    words = {1: "validates", 2: "is tested"}
    return {
        clip: f"shares its group, file or sound with a clip that {words[side]}"
        for clip, place, side in zip(clips["clip"], places, highest, strict=True)
        if place < side
    }


def side_of(clips: pd.DataFrame) -> list[str] | None:
    """Return the given split of each clip, else its fold in words, or None where the data bring neither."""
    if "split" in clips:
        return list(clips.split)
    return [f"fold {fold}" for fold in clips.fold] if "fold" in clips else None
