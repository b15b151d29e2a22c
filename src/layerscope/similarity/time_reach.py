"""How far in time a layer hears: what becomes of a state where the sound farther away is replaced.

Conventions: distances are seconds to either side of the middle of a frame. What is replaced is as loud as before: sound
of another time of the same clip. A change is the squared distance of the state before and after, relative to that where
all sound is replaced; the reach of a layer is the distance within which 90 % of the change arises.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from layerscope.encoders import Encoder
from layerscope.encoders.own_encoder import encode_batch

__all__ = [
    "REACH_COLUMNS", "REACH_SECONDS", "encoded_seconds", "reach", "reach_tables", "replaced", "state_changes",
    "states_of",
]  # fmt: skip

Samples = NDArray[np.float32]
Array = NDArray[np.float64]

#: Seconds of each clip: of a longer stretch a pass would cost more than it tells of most models' frames.
REACH_SECONDS = 10.0
#: The shortest distance, a frame of most models, and by how much each is longer than the one before: reaches are read
#: between them.
SHORTEST, STEP = 0.02, 2**0.5
#: The longest, as a share of the stretch: at a half nothing is left to be replaced, and any reach would seem to end.
LONGEST = 1 / 3
#: The share of the change that arises within the reach.
SHARE = 0.9
#: Seconds in which one sound passes into the other, so that no click is heard.
FADE = 0.005
#: Sound is encoded so many seconds at once.
AT_ONCE = 30.0
#: What sounds are called in messages.
REPLACED = "replaced sound"
#: Of the two tables: a row a layer, and a row a layer and distance.
REACH_COLUMNS = (
    ["model", "layer", "reach", "lowest", "highest", "clips", "longest"],
    ["model", "layer", "distance", "change"],
)


def distances_within(seconds: float) -> Array:
    """Return the distances that are tried in a stretch of sound, 0 the first.

    Examples
    --------
    >>> distances_within(0.25).round(3).tolist()
    [0.0, 0.02, 0.028, 0.04, 0.057, 0.08]
    """
    count = max(0, int(np.floor(np.log(seconds * LONGEST / SHORTEST) / np.log(STEP) + 1e-9)) + 1)
    return np.concatenate([[0.0], SHORTEST * STEP ** np.arange(count)])


def encoded_seconds(seconds: float) -> float:
    """Return how much sound is encoded for a stretch: itself twice, and once for each distance.

    Examples
    --------
    >>> encoded_seconds(0.25)
    2.0
    """
    return seconds * (2 + len(distances_within(seconds)))


def replaced(samples: Samples, sample_rate: int, instant: float, distances: Array) -> Samples:
    """Return a sound once for each distance, with what is farther away from an instant replaced.

    Parameters
    ----------
    samples : ndarray, shape (samples,)
        A stretch of sound.
    sample_rate : int
        Its rate, in Hz.
    instant : float
        Seconds from its start.
    distances : ndarray
        Seconds; at 0 nothing is left.

    Returns
    -------
    ndarray, shape (distance, samples), float32
    """
    # A third of the stretch later: the seam, where its end meets its start, is then far from the middle.
    other = np.roll(samples, -(len(samples) // 3))
    away = np.abs((np.arange(len(samples)) + 0.5) / sample_rate - instant)
    kept = np.clip((distances[:, None] - away) / FADE + 0.5, 0, 1) * (distances[:, None] > 0)
    return (kept * samples + (1 - kept) * other).astype(np.float32)


def state_changes(encoder: Encoder, windows: Sequence[Samples]) -> tuple[Array, Array]:
    """Return how much the state in the middle of each window changes where sound farther away is replaced.

    Parameters
    ----------
    encoder : Encoder
        One that takes sound.
    windows : sequence of ndarray, each (samples,)
        Stretches of one length, at its rate.

    Returns
    -------
    distances : ndarray, shape (distance,)
        Seconds, ascending from 0.
    changes : ndarray, shape (window, layer, distance)
        Squared distances of states.
    """
    seconds = len(windows[0]) / encoder.sample_rate
    distances = distances_within(seconds)
    changes = np.zeros((len(windows), len(encoder.layers), len(distances)))
    for row, window in zip(changes, windows, strict=True):
        frames = [len(layer[0]) for layer in states_of(encoder, window[None], REPLACED)]
        # The middle of a frame that lies in the middle; layers may have rates of their own.
        instant = (frames[0] // 2 + 0.5) / frames[0] * seconds
        places = [min(count - 1, int(instant / seconds * count)) for count in frames]
        sounds = np.concatenate([window[None], replaced(window, encoder.sample_rate, instant, distances)])
        for number, (layer, place) in enumerate(zip(states_of(encoder, sounds, REPLACED), places, strict=True)):
            before, *after = layer[:, place]
            row[number] = [float((state - before).square().sum()) for state in after]
    return distances, changes


def states_of(encoder: Encoder, sounds: Samples, names: str) -> list[torch.Tensor]:
    """Return the states of several sounds of one length, (sound, frame, width) float64 for each layer."""
    together = max(1, int(AT_ONCE * encoder.sample_rate / sounds.shape[1]))
    batches = [
        # float64, because a small change of large states would be lost; on the CPU, because MPS has none.
        [layer.cpu().double() for layer in encode_batch(encoder, torch.from_numpy(part), names)]
        for part in np.split(sounds, range(together, len(sounds), together))
    ]
    return [torch.cat(layers) for layers in zip(*batches, strict=True)]


def reach(distances: Array, changes: Array) -> float:
    """Return the distance within which 90 % of a change arises; infinite where it is beyond the longest.

    Parameters
    ----------
    distances : ndarray, shape (distance,)
        Ascending from 0.
    changes : ndarray, shape (distance,)
        What is left of the change where sound farther away is replaced; NaN is returned where there is none at 0.

    Examples
    --------
    >>> reach(np.array([0.0, 1.0, 2.0, 4.0]), np.array([4.0, 2.0, 0.0, 0.0]))  # a mean over two seconds to each side
    1.8
    """
    if not changes[0] > 0:
        return float("nan")
    rest = changes / changes[0] - (1 - SHARE)
    above = int(np.flatnonzero(rest > 0)[-1])
    if above == len(rest) - 1:
        return float("inf")
    # On the line between the last distance at which more is left and the next.
    part = rest[above] / (rest[above] - rest[above + 1])
    return float(distances[above] + part * (distances[above + 1] - distances[above]))


def reach_tables(encoder: Encoder, windows: Sequence[Samples]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the reach of each layer, and its curve: tables with `REACH_COLUMNS`.

    Parameters
    ----------
    encoder, windows : Encoder, sequence of ndarray
        See `state_changes`.

    Returns
    -------
    reaches : DataFrame
        Seconds over all windows, and the ``lowest`` and ``highest`` of single ones; infinite where it is beyond the
        ``longest`` distance; NaN of a layer that does not change at all.
    curves : DataFrame
        ``change`` from 1 at distance 0.
    """
    distances, changes = state_changes(encoder, windows)
    reaches, curves = [], []
    for number, layer in enumerate(encoder.layers):
        total = changes[:, number].sum(axis=0)
        single = [reach(distances, change) for change in changes[:, number]]
        known = [value for value in single if value == value] or [float("nan")]
        row = (encoder.name, layer, reach(distances, total), min(known), max(known), len(windows), distances[-1])
        reaches.append(row)
        shares = total / total[0] if total[0] > 0 else np.full(len(total), np.nan)
        curves += [
            (encoder.name, layer, float(far), float(share)) for far, share in zip(distances, shares, strict=True)
        ]
    return pd.DataFrame(reaches, columns=REACH_COLUMNS[0]), pd.DataFrame(curves, columns=REACH_COLUMNS[1])
