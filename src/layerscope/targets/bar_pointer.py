"""The bar-pointer model: beats and downbeats of a track from the probabilities of its frames, decoded jointly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["Path", "bar_pointer"]

Array = NDArray[np.float64]
#: Times of beats in seconds, and which of them are downbeats.
Path = tuple[Array, NDArray[np.bool_]]

#: The range that madmom's downbeat tracker has by default.
SLOWEST, FASTEST = 55.0, 215.0  # beats a minute
BEATS_PER_BAR = (3, 4)
#: How unlikely a change of tempo is, and the share of a beat in which its activation is expected (Krebs et al. 2015).
TRANSITION = 100.0
OBSERVATION = 16
#: A beat that is a frame longer or shorter is the rounding of 25 Hz, not a change of tempo; this much less likely.
ROUNDING = 0.2
#: No frame is certain: a probability of 0 would forbid a path for good.
FLOOR = 1e-5


@dataclass(frozen=True)
class StateSpace:
    """Positions in a bar for every tempo and metre, one after another.

    Attributes
    ----------
    at_beat, at_downbeat : ndarray of int
        The states in which a beat or a downbeat is heard; in the others none is.
    starts, ends : list of ndarray, each (beat, tempo)
        For each metre: the first and the last state of each beat at each tempo.
    changes : ndarray, shape (tempo, tempo)
        Log probability of going from one tempo to another at a beat.
    size : int
        Of the space. A state comes from the one before it, but for the first state of a beat.
    """

    at_beat: NDArray[np.int64]
    at_downbeat: NDArray[np.int64]
    starts: list[NDArray[np.int64]]
    ends: list[NDArray[np.int64]]
    changes: NDArray[np.float32]
    size: int


@cache
def state_space(rate: float) -> StateSpace:
    """Return the states of bars of three and of four beats at a frame rate."""
    intervals = np.arange(int(np.floor(60 * rate / FASTEST)), int(np.ceil(60 * rate / SLOWEST)) + 1)
    kinds: list[int] = []
    starts, ends = [], []
    for metre in BEATS_PER_BAR:
        first = np.zeros((metre, len(intervals)), np.int64)
        last = np.zeros_like(first)
        for tempo, length in enumerate(intervals):
            for beat in range(metre):
                first[beat, tempo] = len(kinds)
                # Rounded up: the fastest beat has a frame, too, in which it is heard.
                near = max(1, int(np.ceil(length / OBSERVATION)))
                kinds += [2 if beat == 0 else 1] * near + [0] * (length - near)
                last[beat, tempo] = len(kinds) - 1
        starts.append(first)
        ends.append(last)
    apart = np.abs(intervals[None, :] - intervals[:, None])
    # One frame of difference costs `ROUNDING` alone; beyond, the chance falls exponentially with the ratio.
    chances = np.exp(-TRANSITION * np.maximum(apart - 1, 0) / intervals[:, None]) * np.where(apart, ROUNDING, 1.0)
    # Far jumps underflow to 0, which has no logarithm.
    changes = np.log(chances / chances.sum(axis=1, keepdims=True) + 1e-30).astype(np.float32)
    at_beat, at_downbeat = (np.flatnonzero(np.array(kinds) == kind) for kind in (1, 2))
    return StateSpace(at_beat, at_downbeat, starts, ends, changes, len(kinds))


def bar_pointer(activations: Sequence[NDArray[np.floating]], rate: float) -> list[Path]:
    """Find beats and downbeats of tracks jointly: the likeliest path through tempo, metre and position in the bar.

    The bar-pointer model of Whiteley et al. 2006 with the state space of Krebs, Böck & Widmer 2015: position moves on
    one frame at a time, tempo may change at beats (exponentially unlikely in its ratio, beyond the rounding of a
    frame), and bars have three or four beats throughout.

    Parameters
    ----------
    activations : sequence of ndarray, each (frame, 2)
        Probability that a frame holds a beat, and a downbeat, in [0, 1].
    rate : float
        Frames a second.

    Returns
    -------
    list of (times, downbeat)
        Times of beats in seconds, refined between frames by the activation around them, and which are downbeats.

    Examples
    --------
    >>> activations = np.zeros((125, 2))  # five seconds
    >>> activations[12::12, 0] = activations[12::48, 1] = 1.0  # a beat every 0.48 s
    >>> times, downbeat = bar_pointer([activations], 25.0)[0]
    >>> times[:5].round(2).tolist(), downbeat[:5].tolist()
    ([0.5, 0.98, 1.46, 1.94, 2.42], [True, False, False, False, True])
    """
    # Tracks of like length, some 32 at a time: a batch runs as long as its longest, and holds every state of each.
    order = np.argsort([len(track) for track in activations])
    paths: dict[int, Path] = {}
    for batch in np.array_split(order, max(1, len(order) // 32)):
        if len(batch):
            decoded = decode_batch([activations[track] for track in batch], rate)
            paths.update(zip(batch.tolist(), decoded, strict=True))
    return [paths[track] for track in range(len(activations))]


def decode_batch(activations: Sequence[NDArray[np.floating]], rate: float) -> list[Path]:
    """Run the Viterbi recursion for tracks side by side; shorter ones end earlier."""
    space = state_space(rate)
    lengths = np.array([len(track) for track in activations])
    observed = log_densities(activations, int(lengths.max()))
    score = np.zeros((len(activations), space.size), np.float32)
    hear(score, observed[:, 0], space)
    choices: list[list[NDArray[np.int8]]] = []
    final = score.copy()
    for frame in range(1, int(lengths.max())):
        # Within a beat the position moves on by one state a frame: nothing is to be chosen.
        moved = np.empty_like(score)
        moved[:, 1:] = score[:, :-1]
        chosen = []
        for starts, ends in zip(space.starts, space.ends, strict=True):
            # A beat's first state is reached from the last state of the beat before, at any tempo.
            arriving = score[:, np.roll(ends, 1, axis=0)][..., None] + space.changes  # (track, beat, from, to)
            best = arriving.argmax(axis=2)
            moved[:, starts] = np.take_along_axis(arriving, best[:, :, None], axis=2)[:, :, 0]
            # 23 tempi at 25 Hz fit into int8, and every choice of every frame is kept.
            chosen.append(best.astype(np.int8))
        score = moved
        hear(score, observed[:, frame], space)
        choices.append(chosen)
        # A shorter track ends here; what follows is padding.
        ending = lengths == frame + 1
        final[ending] = score[ending]
    return [
        trace(space, final[track], choices, track, int(length), activations[track], rate)
        for track, length in enumerate(lengths)
    ]


def hear(score: NDArray[np.float32], observed: NDArray[np.float32], space: StateSpace) -> None:
    """Add the log density of what is observed to the scores of the states, (track, state), relative to no beat."""
    score[:, space.at_beat] += observed[:, :1]
    score[:, space.at_downbeat] += observed[:, 1:]


def log_densities(activations: Sequence[NDArray[np.floating]], longest: int) -> NDArray[np.float32]:
    """Return log densities of what is observed at beats and at downbeats over that between them, (track, frame, 2)."""
    observed = np.zeros((len(activations), longest, 2), np.float32)
    for track, values in enumerate(activations):
        both = np.clip(np.asarray(values, np.float64), FLOOR, 1 - FLOOR)
        # A downbeat is a beat: it cannot be likelier than one.
        down = np.minimum(both[:, 1], both[:, 0])
        beat = np.maximum(both[:, 0] - down, FLOOR)
        # "No beat" is spread over the other positions within a beat (Krebs et al. 2015).
        rest = np.maximum(1 - both[:, 0], FLOOR) / (OBSERVATION - 1)
        observed[track, : len(values)] = np.log(np.stack([beat / rest, down / rest], axis=1))
    return observed


def trace(
    space: StateSpace,
    final: Array,
    choices: list[list[NDArray[np.int8]]],
    track: int,
    length: int,
    activation: NDArray[np.floating],
    rate: float,
) -> Path:
    """Follow the best path back and write down its beats."""
    beginning = {
        int(state): (metre, beat, tempo)
        for metre, starts in enumerate(space.starts)
        for beat in range(len(starts))
        for tempo, state in enumerate(starts[beat])
    }
    state = int(final.argmax())
    frames: list[tuple[int, int]] = []
    for frame in range(length - 1, -1, -1):
        place = beginning.get(state)
        if place is None:
            state -= 1
            continue
        metre, beat, tempo = place
        frames.append((frame, beat))
        if frame:
            # Choices begin with the second frame.
            before = int(choices[frame - 1][metre][track, beat, tempo])
            state = int(np.roll(space.ends[metre], 1, axis=0)[beat, before])
    frames.reverse()
    times = np.array([refine(activation[:, 0], frame, rate) for frame, _ in frames])
    down = np.array([beat == 0 for _, beat in frames], dtype=bool)
    return times, down


def refine(activation: NDArray[np.floating], frame: int, rate: float) -> float:
    """Return the time of a beat near a frame: the vertex of a parabola through the highest activation there."""
    first = max(0, frame - 1)
    peak = first + int(np.argmax(activation[first : frame + 2]))
    offset = 0.0
    if 0 < peak < len(activation) - 1:
        left, middle, right = (float(value) for value in activation[peak - 1 : peak + 2])
        bend = left - 2 * middle + right
        # Only a peak has a vertex; of a flat stretch the middle of the frame stands.
        if bend < -1e-9:
            offset = float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))
    return (peak + 0.5 + offset) / rate
