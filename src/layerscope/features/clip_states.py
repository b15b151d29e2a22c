"""The states of a clip, put together from those of its windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerscope.encoders.encoder import Encoder
from layerscope.errors import ModelError
from layerscope.features.pooling import Pooling, pool, to_frame_rate
from layerscope.features.windows import FRAME_RATE, Cutting, frame_count, window_spans

__all__ = ["Assembly", "ClipStates"]


@dataclass(frozen=True)
class ClipStates:
    """What an encoder leaves of a clip, a list with an entry for each layer.

    Attributes
    ----------
    pooled : list of Tensor, each (window, width) or (window, 6 * width)
        Summarised windows.
    frames : list of Tensor, each (frame, width)
        At `FRAME_RATE`, where tracks are kept.
    sample : list of Tensor, each (row, width)
        The frames that are sampled.
    steps : list of float
        Mean squared distance of successive frames.
    """

    pooled: list[Tensor]
    frames: list[Tensor]
    sample: list[Tensor]
    steps: list[float]


class Assembly:
    """The windows of a clip, taken as they come and put together.

    Parameters
    ----------
    encoder : Encoder
        Whose states they are.
    cutting : Cutting
        How the clip was cut; every frame is kept where windows overlap.
    pooling : str
        How the frames of a window are summarised.
    spans : list of (float, float)
        Of the windows, in seconds.
    name : str
        Of the clip, for messages.
    rows : ndarray of int
        The frames that are sampled, on the grid of `FRAME_RATE`.
    """

    def __init__(
        self,
        encoder: Encoder,
        cutting: Cutting,
        pooling: Pooling,
        spans: list[tuple[float, float]],
        name: str,
        rows: NDArray[np.int64],
    ) -> None:
        self.encoder = encoder
        self.cutting = cutting
        self.pooling = pooling
        self.name = name
        self.rows = rows
        self.bounds = [(round(first * FRAME_RATE), round(stop * FRAME_RATE)) for first, stop in spans]
        starts = np.array([first for first, _ in spans])
        self.seconds = [stop - first for first, stop in spans]
        middles = (rows + 0.5) / FRAME_RATE
        #: The window in which each sampled frame lies, and its number there; a window's last frame may be cut short.
        self.owner = np.maximum(np.searchsorted(starts, middles, side="right") - 1, 0)
        self.place = ((middles - starts[self.owner]) * FRAME_RATE).astype(np.int64)
        layers = len(encoder.layers)
        self.pooled: list[list[Tensor]] = [[torch.empty(0)] * len(spans) for _ in range(layers)]
        self.tracks: list[Tensor] = []
        self.sample = [torch.empty(len(rows), width) for width in encoder.widths]
        self.steps = np.zeros(layers)
        self.pairs = 0

    def take(self, number: int, states: Sequence[Tensor]) -> None:
        """Take the states of a window, each layer's (frame, width)."""
        if self.cutting.overlapping:
            self.stitch(number, states)
            return
        for position, layer in enumerate(states):
            self.pooled[position][number] = pool(layer, self.pooling)
            refuse_non_finite(self.pooled[position][number], self.encoder, position, self.name)
        # Where the budget leaves less than a frame a clip, some clips have none.
        if not len(self.rows):
            return
        count, inside = frame_count(self.seconds[number]), self.owner == number
        frames = [to_frame_rate(layer, self.encoder.frame_rate, count) for layer in states]
        # Steps within windows alone: one across a border would be the encoder's, not the sound's.
        self.pairs += count - 1
        for position, layer in enumerate(frames):
            # A frame whose middle lies past the window's last whole frame takes that last one.
            self.sample[position][inside] = layer[np.minimum(self.place[inside], count - 1)]
            self.steps[position] += squared_steps(layer)

    def stitch(self, number: int, states: Sequence[Tensor]) -> None:
        """Put the states of a window where they belong in their track."""
        bounds = self.bounds
        first, stop = bounds[number]
        frames = [to_frame_rate(layer, self.encoder.frame_rate, max(1, stop - first)) for layer in states]
        for position, layer in enumerate(frames):
            refuse_non_finite(layer.mean(dim=0), self.encoder, position, self.name)
        if not self.tracks:
            self.tracks = [layer.new_empty(max(1, bounds[-1][1]), layer.shape[1]) for layer in frames]
        # Neighbours meet in the middle of their overlap, as far as may be from both edges.
        begin = first if number == 0 else (first + bounds[number - 1][1]) // 2
        end = max(1, stop) if number == len(bounds) - 1 else (stop + bounds[number + 1][0]) // 2
        for track, layer in zip(self.tracks, frames, strict=True):
            track[begin:end] = layer[begin - first : end - first]

    def finish(self) -> ClipStates:
        """Return what is left of the clip."""
        if self.cutting.overlapping:
            count = len(self.tracks[0])
            # Summaries are of stretches that do not overlap, so that no frame counts twice.
            cuts = window_spans(count, self.cutting.window_frames)
            self.pairs = count - 1
            for position, track in enumerate(self.tracks):
                self.pooled[position] = [pool(track[first:stop], self.pooling) for first, stop in cuts]
                self.sample[position] = track[np.minimum(self.rows, count - 1)]
                self.steps[position] = squared_steps(track) if len(self.rows) else 0.0
        # A clip of a single frame has no step: NaN, which sums over clips leave out.
        steps = self.steps / self.pairs if self.pairs else np.full_like(self.steps, np.nan)
        return ClipStates([torch.stack(windows) for windows in self.pooled], self.tracks, self.sample, steps.tolist())


def squared_steps(frames: Tensor) -> float:
    """Return the sum of squared distances between frames that follow one another, (frame, width)."""
    # float64, since small steps would be lost in a float32 sum over many frames.
    return float(frames.diff(dim=0).double().square().sum())


def refuse_non_finite(summary: Tensor, encoder: Encoder, position: int, name: str) -> None:
    """Raise if the summary of a layer of a clip is not finite: then so was a state, as no finite states sum to that."""
    if not torch.isfinite(summary).all():
        raise ModelError(
            f"{encoder.name}: layer {encoder.layers[position]} is not finite for clip '{name}'; check the weights, or "
            "leave the clip out"
        )
