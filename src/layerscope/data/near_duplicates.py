"""Which clips of a data set are the same recording, though their files and samples differ, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from layerscope.data.acoustic_fingerprint import RATE, Fingerprint, NearDuplicate, fingerprint, near_duplicates
from layerscope.data.audio import load
from layerscope.data.leaks import connected, side_of
from layerscope.errors import AudioError

__all__ = ["join_near_duplicates"]

#: Threads that decode.
DECODERS = 2
#: What a clip that cannot be decoded sounds like; the pass says why.
NOTHING = Fingerprint(np.zeros(0, np.uint32), np.zeros(0, bool))


def join_near_duplicates(clips: pd.DataFrame, step: Callable[[int, float], None]) -> tuple[pd.DataFrame, list[str]]:
    """Return clips with ``clip_alike``, which near-duplicates share, and what is to be said of them.

    Parameters
    ----------
    clips : DataFrame
        Columns ``clip``, ``path``, ``start``, ``end``, ``clip_key``, ``clip_seconds``.
    step : callable
        Called with each clip, and its seconds, that was listened to.

    Returns
    -------
    DataFrame, list of str
        Sentences, those of pairs on both sides of the given splits or folds first.
    """
    distinct = clips.drop_duplicates("clip_key").reset_index(drop=True)

    def listen(row: Any) -> Fingerprint:
        try:
            return fingerprint(load(Path(row.path), RATE, row.start, row.end))
        except AudioError:
            return NOTHING

    prints = []
    with ThreadPoolExecutor(DECODERS) as threads:
        for heard, seconds in zip(threads.map(listen, distinct.itertuples()), distinct.clip_seconds, strict=True):
            prints.append(heard)
            step(1, seconds)
    files = [key.partition("@")[0] for key in distinct.clip_key]
    # Spans of one file stay together in any case.
    pairs = [pair for pair in near_duplicates(prints) if files[pair.first] != files[pair.second]]
    number = dict(zip(distinct.clip_key, families(pairs, len(distinct)), strict=True))
    joined = clips.assign(clip_alike=[number[key] for key in clips.clip_key])
    unheard = sum(not one.usable for one in prints)
    said = sorted(words(distinct, pair) for pair in pairs)
    if unheard:
        said.append((2, f"clips too short or too quiet to be compared by their sound: {unheard:,}"))
    return joined, [sentence for _, sentence in said]


def families(pairs: list[NearDuplicate], count: int) -> list[int | None]:
    """Return a number for each clip that is in any pair, which those share that pairs connect, and None for others."""
    ends = np.array([(pair.first, pair.second) for pair in pairs], np.int64).reshape(-1, 2).T
    joined = np.isin(np.arange(count), ends)
    return [int(code) if one else None for code, one in zip(connected(ends, count), joined, strict=True)]


def words(clips: pd.DataFrame, pair: NearDuplicate) -> tuple[int, str]:
    """Return what is said of a pair, after 0 where it lies on both sides of the given splits, else 1."""
    side, names = side_of(clips), list(clips["clip"])
    share = f"{names[pair.first]} and {names[pair.second]} share a recording ({pair.different:.0%} of bits differ"
    share += f", {abs(pair.offset):.1f} s apart)" if abs(pair.offset) >= 0.05 else ")"
    if side is None:
        return 1, f"{share} and stay together"
    if side[pair.first] == side[pair.second]:
        return 1, f"{share}, both in {side[pair.first]}"
    return 0, f"{share}, in {side[pair.first]} and {side[pair.second]}"
