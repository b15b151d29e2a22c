"""The states of a clip, put together from those of its windows, on the device where they arise."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerscope.encoders.device import upload
from layerscope.encoders.encoder import Encoder
from layerscope.errors import ModelError
from layerscope.features.attended_frames import attended_counts
from layerscope.features.pooling import (
    Pooling,
    frame_distances,
    half_precision,
    half_precision_by_clip,
    pool,
    to_frame_rate,
)
from layerscope.features.windows import FRAME_RATE, Cutting, frame_count, window_spans

__all__ = ["Assembly", "ClipStates", "layers_together", "refuse_non_finite", "sample_together", "take_together"]

#: States in float16, and their scale: see `half_precision`.
Halves = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class ClipStates:
    """What an encoder leaves of a clip, a list with an entry for each layer.

    Attributes
    ----------
    pooled : list of Tensor, each (window, width) or (window, 6 * width)
        Summarised windows.
    frames : list of (Tensor, Tensor), each (frame, width) and ()
        At `FRAME_RATE`, where tracks are kept, or those that probes attend to: float16, and their scale.
    distances : list of Tensor, each (pair,)
        Of successive frames of one window.
    """

    pooled: list[Tensor]
    frames: list[Halves]
    distances: list[Tensor]

    def on_cpu(self) -> ClipStates:
        """Return these states on the CPU."""
        frames = [(halves.cpu(), scale.cpu()) for halves, scale in self.frames]
        pooled, distances = ([layer.cpu() for layer in part] for part in (self.pooled, self.distances))
        return ClipStates(pooled, frames, distances)


@dataclass(eq=False)
class Assembly:
    """The windows of a clip, taken as they come and put together with the last of them.

    Attributes
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
    attends : bool
        Whether frames are kept that probes attend to, of windows that do not overlap.
    """

    encoder: Encoder
    cutting: Cutting
    pooling: Pooling
    spans: list[tuple[float, float]]
    name: str
    rows: NDArray[np.int64]
    attends: bool = False

    def __post_init__(self) -> None:
        """Find out what each window has to leave."""
        self.bounds = [(round(first * FRAME_RATE), round(stop * FRAME_RATE)) for first, stop in self.spans]
        #: Frames of each window.
        self.counts = (
            [max(1, stop - first) for first, stop in self.bounds]
            if self.cutting.overlapping
            else [frame_count(stop - first) for first, stop in self.spans]
        )
        starts = np.array([first for first, _ in self.spans])
        middles = (self.rows + 0.5) / FRAME_RATE
        #: The window in which each sampled frame lies, and its number there; a window's last frame may be cut short.
        self.owner = np.maximum(np.searchsorted(starts, middles, side="right") - 1, 0)
        self.place = ((middles - starts[self.owner]) * FRAME_RATE).astype(np.int64)
        #: How many frames of each window are kept for probes that attend to them, where there are any.
        self.attended = attended_counts(self.counts) if self.attends else []
        #: By window, its summary, the frames that are kept of it, its sample and the distances within it (one across a
        #: border would be the encoder's, not the sound's), each layer by layer.
        self.taken: dict[int, tuple[list[Tensor], ...]] = {}
        self.tracks: list[Tensor] = []
        self.waiting = set(range(len(self.spans)))
        #: Of each layer, in the order in which they were drawn; there once all windows are taken.
        self.sampled: list[Tensor] = []
        self.left: ClipStates | None = None

    @property
    def states(self) -> ClipStates:
        """Return what is left of the clip but its sample; there once all windows are taken."""
        assert self.left is not None
        return self.left

    def places(self, number: int) -> NDArray[np.int64]:
        """Return which frames of a window are sampled."""
        # A frame whose middle lies past the window's last whole frame takes that last one.
        return np.minimum(self.place[self.owner == number], self.counts[number] - 1)

    def take(
        self, number: int, pooled: list[Tensor], frames: list[Tensor], distances: list[Tensor], sample: list[Tensor]
    ) -> None:
        """Take of each layer what a window left, its summary a row; one that was taken already changes nothing."""
        if number in self.waiting:
            if self.cutting.overlapping:
                self.stitch(number, frames)
            else:
                kept = [to_frame_rate(layer, FRAME_RATE, self.attended[number]) for layer in frames if self.attended]
                # Where the budget leaves less than a frame a clip, some clips have none.
                self.taken[number] = (pooled, kept, sample, distances) if len(self.rows) else (pooled, kept, [], [])
            self.waiting.remove(number)
        if not self.waiting and self.left is None:
            self.left = self.finish()

    def stitch(self, number: int, frames: list[Tensor]) -> None:
        """Put the frames of a window where they belong in their track."""
        bounds = self.bounds
        first, stop = bounds[number]
        if not self.tracks:
            self.tracks = [layer.new_empty(max(1, bounds[-1][1]), layer.shape[1]) for layer in frames]
        # Neighbours meet in the middle of their overlap, as far as may be from both edges.
        begin = first if number == 0 else (first + bounds[number - 1][1]) // 2
        end = max(1, stop) if number == len(bounds) - 1 else (stop + bounds[number + 1][0]) // 2
        for track, layer in zip(self.tracks, frames, strict=True):
            track[begin:end] = layer[begin - first : end - first]

    def finish(self) -> ClipStates:
        """Return what is left of the clip but its sample, and let go of its frames."""
        windows = len(self.bounds)
        if self.cutting.overlapping:
            count = len(self.tracks[0])
            # Summaries are of stretches that do not overlap, so that no frame counts twice.
            cuts = window_spans(count, self.cutting.window_frames)
            pooled = [
                torch.stack([pool(track[first:stop], self.pooling) for first, stop in cuts]) for track in self.tracks
            ]
            sample = picked(self.tracks, np.minimum(self.rows, count - 1))
            distances = [frame_distances(track if len(self.rows) else track[:1]) for track in self.tracks]
        else:
            parts = zip(*(self.taken[number] for number in range(windows)), strict=True)
            pooled, self.tracks, sample, distances = map(joined_layers, parts)
            if not len(self.rows):
                sample = [layer.new_empty(0, width) for layer, width in zip(pooled, self.encoder.widths, strict=True)]
                distances = [layer.new_empty(0) for layer in pooled]
            elif windows > 1:
                # Taken window by window, and wanted in the order that they were drawn in.
                sample = picked(sample, np.argsort(np.argsort(self.owner, kind="stable")))
        self.sampled = sample
        states = ClipStates(pooled, [half_precision(track) for track in self.tracks], distances)
        self.taken, self.tracks = {}, []
        return states


def sample_together(
    clips: Sequence[Assembly], pooled: Sequence[Tensor], layers: Iterable[Sequence[int]]
) -> list[Halves]:
    """Return of each layer the frames that are sampled of clips, (row, width) in float16, and their scales, (clip,).

    Less the mean of the first window of their clip while still float32: a common offset would spend the digits of
    float16.

    Parameters
    ----------
    clips : sequence of Assembly
        All of whose windows have been taken.
    pooled : sequence of Tensor
        Of each layer their summarised windows, clip by clip.
    layers : iterable of sequence of int
        Which are computed at once, of one width, by their positions: see `layers_together`.
    """
    counts = [len(clip.rows) for clip in clips]
    owner = np.arange(len(clips)).repeat(counts)
    first = np.cumsum([0, *(len(clip.states.pooled[0]) for clip in clips)])[owner]
    owners, firsts = upload(torch.from_numpy(np.stack([owner, first])), pooled[0].device)
    halves: dict[int, Halves] = {}
    for positions in layers:
        rows = stacked([torch.cat([clip.sampled[position] for clip in clips]) for position in positions])
        means = stacked([pooled[position] for position in positions])[:, firsts, : rows.shape[-1]]
        samples, scales = half_precision_by_clip(rows - means, owners, len(clips))
        halves |= zip(positions, zip(samples, scales, strict=True), strict=True)
    return [halves[position] for position in sorted(halves)]


def stacked(layers: Sequence[Tensor]) -> Tensor:
    """Return layers as one tensor, (layer, ...); a single one as it lies."""
    return layers[0][None] if len(layers) == 1 else torch.stack(list(layers))


def layers_together(encoder: Encoder) -> list[list[int]]:
    """Return the positions of layers that are computed at once: where calls cost more than numbers, all of a width."""
    positions = range(len(encoder.widths))
    if not encoder.device.startswith("cuda"):
        return [[position] for position in positions]
    return [[each for each in positions if encoder.widths[each] == width] for width in dict.fromkeys(encoder.widths)]


def take_together(members: Sequence[tuple[Assembly, int]], layers: Sequence[Tensor]) -> None:
    """Give clips what windows of one length and count of frames leave.

    Parameters
    ----------
    members : sequence of (Assembly, int)
        Of each window the clip and its number there.
    layers : sequence of Tensor, each (window, frame, width)
        Their states.
    """
    clip, number = members[0]
    stitched = clip.cutting.overlapping
    # At once for all windows: on a GPU the calls cost more than the numbers.
    pooled = [] if stitched else [pool(layer, clip.pooling) for layer in layers]
    frames, distances, samples = list[Tensor](), list[Tensor](), list[Sequence[Tensor]]()
    if stitched or any(clip.attended or len(clip.rows) for clip, _ in members):
        frames = [to_frame_rate(layer, clip.encoder.frame_rate, clip.counts[number]) for layer in layers]
        if not stitched:
            distances = [frame_distances(layer) for layer in frames]
            samples = sampled_together(members, frames)
    rows = [layer.split(1) for layer in pooled]
    parts = (rows, *([layer.unbind() for layer in part] for part in (frames, distances)), samples)
    # Window by window, where any layer left something of it.
    left = [zip(*part, strict=True) if part else itertools.repeat(()) for part in parts]
    for (clip, number), *window in zip(members, *left, strict=False):
        clip.take(number, *map(list, window))


def sampled_together(members: Sequence[tuple[Assembly, int]], frames: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    """Return of each layer the frames that are sampled of each window, given those of all windows."""
    places = [clip.places(number) for clip, number in members]
    counts = [len(rows) for rows in places]
    both = np.stack([np.arange(len(members)).repeat(counts), np.concatenate(places)])
    window, place = upload(torch.from_numpy(both), frames[0].device)
    return [layer[window, place].split(counts) for layer in frames]


def picked(layers: Sequence[Tensor], rows: NDArray[np.int64]) -> list[Tensor]:
    """Return some rows of each layer."""
    numbers = upload(torch.from_numpy(rows), layers[0].device)
    return [layer.index_select(0, numbers) for layer in layers]


def joined_layers(windows: Sequence[list[Tensor]]) -> list[Tensor]:
    """Return of each layer what its windows left, one after another; nothing where they left nothing."""
    # A single one as it is, since most clips are one window and each call costs.
    return [parts[0] if len(parts) == 1 else torch.cat(parts) for parts in zip(*windows, strict=True)]


def refuse_non_finite(
    encoder: Encoder, layer: int, pooled: NDArray[np.float32], names: Sequence[str], windows: Sequence[int]
) -> None:
    """Raise if the summary of a window is not finite: then so was a state, as no finite states sum to that.

    Parameters
    ----------
    encoder, layer : Encoder, int
        Whose states they are.
    pooled : ndarray, shape (window, width)
        Summarised windows of several clips, clip by clip.
    names, windows : sequence of str, sequence of int
        Of the clips, and how many windows each has.
    """
    bad = np.flatnonzero(~np.isfinite(pooled).all(axis=1))
    if len(bad):
        name = names[int(np.searchsorted(np.cumsum(windows), bad[0], side="right"))]
        raise ModelError(
            f"{encoder.name}: layer {layer} is not finite for clip '{name}'; check the weights, or leave the clip out"
        )
