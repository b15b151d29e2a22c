"""Near-duplicates: the same recording in another encoding, at another level or rate, or cut, found by how it sounds.

The fingerprint of Haitsma & Kalker (2002), "A highly robust audio fingerprinting system": 32 bits each 12 ms say in
which of 33 bands energy rises against its neighbour. Level cancels out, and what an encoder leaves out changes few of
them: two clips that share a few seconds agree in most bits of that stretch, different recordings in about half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEWEST_FRAMES", "RATE", "Fingerprint", "NearDuplicate", "fingerprint", "near_duplicates"]

#: Of what is listened to, in Hz; frames of 0.37 s, 12 ms apart; bands spaced evenly in pitch (all as published).
RATE, FRAME, HOP = 5500, 2048, 64
LOWEST, HIGHEST, BANDS = 300.0, 2000.0, 33
#: Frames that are held against each other: of 2.6 s of sound.
FEWEST_FRAMES = 192
#: Share of bits that differ, below which two stretches are the same recording. Published is 0.35, for songs: notes of
#: one instrument, and songs of one synthesizer, come nearer than that (docs/benchmarks.md).
MOST_DIFFERENT = 0.2
#: Frames this far below a clip's loudest are silence, whose bits mean nothing (-60 dB).
SILENCE = 1e-6
#: Equal sub-fingerprints that each is held against; more are of a sound that tells nothing, such as a steady tone.
NEIGHBOURS = 16
#: Sub-fingerprints that are looked up at most; of larger data an even share by value, which is the same in all clips.
MOST_LOOKED_UP = 20_000_000


@dataclass(frozen=True)
class Fingerprint:
    """What a clip sounds like.

    Attributes
    ----------
    bits : ndarray of uint32, shape (frame,)
        Of each frame.
    heard : ndarray of bool, shape (frame,)
        Whether it is louder than silence.
    """

    bits: NDArray[np.uint32]
    heard: NDArray[np.bool_]

    @property
    def usable(self) -> bool:
        """Return whether there is enough to hold against others."""
        return int(self.heard.sum()) >= FEWEST_FRAMES


@dataclass(frozen=True)
class NearDuplicate:
    """Two clips that share a stretch.

    Attributes
    ----------
    first, second : int
        Their numbers.
    offset : float
        Seconds by which what they share comes later in the first.
    different : float
        Share of bits that differ, 0–1, in the 2.6 s that agree best.
    """

    first: int
    second: int
    offset: float
    different: float


@cache
def band_edges() -> NDArray[np.int64]:
    """Return the bins of the spectrum at which the bands begin, and the one at which the last ends."""
    return np.round(np.geomspace(LOWEST, HIGHEST, BANDS + 1) * FRAME / RATE).astype(np.int64)


def fingerprint(samples: NDArray[np.float32]) -> Fingerprint:
    """Return the fingerprint of a clip.

    Parameters
    ----------
    samples : ndarray, shape (samples,), float32
        Mono, at `RATE`.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=5 * RATE).astype(np.float32)
    >>> loud, soft = fingerprint(noise), fingerprint(noise / 8)
    >>> bool((loud.bits == soft.bits).all()), loud.usable, fingerprint(noise[:RATE]).usable
    (True, True, False)
    """
    if len(samples) < FRAME + HOP:
        return Fingerprint(np.zeros(0, np.uint32), np.zeros(0, bool))
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    edges, window = band_edges(), np.hanning(FRAME).astype(np.float32)
    energy = np.concatenate([
        np.add.reduceat(np.abs(np.fft.rfft(block * window)) ** 2, edges, axis=1)[:, :-1]
        # In blocks, as the windows of a whole track would take gigabytes.
        for block in np.array_split(frames, max(1, len(frames) // 1024))
    ])  # fmt: skip
    rises = np.diff(np.diff(energy, axis=1), axis=0) < 0
    bits = np.packbits(rises, axis=1).view(">u4")[:, 0].astype(np.uint32)
    level = energy.sum(axis=1)
    return Fingerprint(bits, level[1:] > SILENCE * level.max())


def near_duplicates(clips: Sequence[Fingerprint]) -> list[NearDuplicate]:
    """Return all pairs of clips that share a stretch of 2.6 s.

    A pair is looked at where any of its sub-fingerprints is the same, and taken where the share of bits that differ
    stays below `MOST_DIFFERENT`; clips that are not `usable` are in no pair.
    """
    duplicates = []
    for first, second, offset in candidates(clips):
        different = difference(clips[first], clips[second], offset)
        if different < MOST_DIFFERENT:
            duplicates.append(NearDuplicate(first, second, offset * HOP / RATE, different))
    return duplicates


def candidates(clips: Sequence[Fingerprint]) -> list[tuple[int, int, int]]:
    """Return pairs of clips with equal sub-fingerprints, and for each the offset in frames that most of them have."""
    frames = [np.flatnonzero(clip.heard) if clip.usable else np.zeros(0, np.int64) for clip in clips]
    owner = np.repeat(np.arange(len(clips)), list(map(len, frames)))
    if not len(owner):
        return []
    frame = np.concatenate(frames)
    bits = np.concatenate([clip.bits[there] for clip, there in zip(clips, frames, strict=True)])
    # Mixed by an odd number, so that the share is even over what sounds alike.
    kept = (bits * np.uint32(2654435761)) % np.uint32(-(-len(bits) // MOST_LOOKED_UP)) == 0
    owner, frame, bits = owner[kept], frame[kept], bits[kept]
    order = np.lexsort((frame, owner, bits))
    owner, frame, bits = owner[order], frame[order], bits[order]
    # A clip that repeats itself counts once.
    new = np.ones(len(bits), bool)
    new[1:] = (bits[1:] != bits[:-1]) | (owner[1:] != owner[:-1])
    owner, frame, bits = owner[new], frame[new], bits[new]
    votes = [np.zeros((3, 0), np.int64)]
    for step in range(1, NEIGHBOURS + 1):
        same = np.flatnonzero(bits[step:] == bits[:-step])
        votes.append(np.stack([owner[same], owner[same + step], frame[same] - frame[same + step]]))
    pairs, counts = np.unique(np.concatenate(votes, axis=1), axis=1, return_counts=True)
    best: dict[tuple[int, int], tuple[int, int]] = {}
    for first, second, offset, count in zip(*pairs.tolist(), counts.tolist(), strict=True):
        best[first, second] = max(best.get((first, second), (0, 0)), (count, offset))
    return [(first, second, offset) for (first, second), (_, offset) in best.items()]


def difference(first: Fingerprint, second: Fingerprint, offset: int) -> float:
    """Return the share of bits that differ in the 2.6 s of two clips that agree best, 1 where they share less."""
    begin, end = max(0, offset), min(len(first.bits), len(second.bits) + offset)
    if end - begin < FEWEST_FRAMES:
        return 1.0
    ours, theirs = slice(begin, end), slice(begin - offset, end - offset)
    heard = first.heard[ours] & second.heard[theirs]
    unlike = np.bitwise_xor(first.bits[ours], second.bits[theirs])[heard]
    if len(unlike) < FEWEST_FRAMES:
        return 1.0
    sums = np.concatenate([[0], np.cumsum(np.unpackbits(unlike.view(np.uint8)).reshape(-1, 32).sum(axis=1))])
    return float((sums[FEWEST_FRAMES:] - sums[:-FEWEST_FRAMES]).min()) / (32 * FEWEST_FRAMES)
