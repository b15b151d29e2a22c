"""How the frames of a layer are summarised, brought to one rate, and made small.

Conventions: states of one layer are (frame, width); every frame is sound, none is padding.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d

from layerscope.features.windows import FRAME_RATE

__all__ = [
    "MOMENTS", "POOLINGS", "SPREAD", "Pooling", "frame_distances", "half_precision", "half_precision_by_clip", "pool",
    "to_frame_rate",
]  # fmt: skip

#: ``mean``, ``spread`` and ``moments`` are of windows; ``frame`` and ``context`` (its neighbours too) of single frames.
Pooling = Literal["mean", "spread", "moments", "frame", "context"]
#: Mean, deviation and maximum of the frames.
SPREAD = 3
#: Mean and deviation of the frames, of their first and of their second difference.
MOMENTS = 6
#: How frames of a model may be summarised: what its results are called, and which of three parts it has (see `pool`).
POOLINGS: dict[str, tuple[str, slice]] = {
    "mean": ("", slice(0, 1)),
    "moments": (" (mean and deviation)", slice(0, 2)),
    "max": (" (max)", slice(2, 3)),
}
#: Least scale of states in float16: a layer of zeros can be divided by it.
SMALLEST = 1e-30


def pool(states: Tensor, pooling: Pooling) -> Tensor:
    """Summarise frames over time.

    Parameters
    ----------
    states : Tensor, shape (..., frame, width)
        All of them sound, none of them padding.
    pooling : {"mean", "spread", "moments"}
        ``"spread"`` is mean, deviation and maximum of the frames; ``"moments"`` is mean and deviation of the frames, of
        their first and of their second difference (Castellon et al. 2021). The first `width` columns are the mean.

    Returns
    -------
    Tensor, shape (..., width), (..., 3 * width) or (..., 6 * width)

    Examples
    --------
    >>> pool(torch.tensor([[1.0, 0.0], [3.0, 0.0]]), "mean")
    tensor([2., 0.])
    """
    if pooling == "mean":
        return states.mean(dim=-2)
    if pooling == "spread":
        # correction=0, because Bessel's would make the deviation of a single frame NaN.
        return torch.cat([states.mean(dim=-2), states.std(dim=-2, correction=0), states.amax(dim=-2)], dim=-1)
    parts = []
    for order in range(MOMENTS // 2):
        differences = states.diff(n=order, dim=-2)
        if differences.shape[-2] == 0:  # fewer frames than the difference needs: nothing changed
            differences = torch.zeros_like(states[..., :1, :])
        parts += [differences.mean(dim=-2), differences.std(dim=-2, correction=0)]
    return torch.cat(parts, dim=-1)


def to_frame_rate(states: Tensor, rate: float, frames: int) -> Tensor:
    """Bring states, (..., frame, width), from an encoder's rate in Hz to a number of frames at `FRAME_RATE`.

    Frames are averaged over equal stretches; an encoder of that very rate keeps its own, the last one repeated
    where its count falls short by the rounding of its strides. A layer that is slower or faster than its encoder says
    is brought to the same frames.

    Examples
    --------
    >>> to_frame_rate(torch.tensor([[1.0], [3.0], [5.0], [7.0]]), 50.0, 2)
    tensor([[2.],
            [6.]])
    """
    missing = frames - states.shape[-2]
    # Strides and their padding leave a frame or two more or less; averaging would blur all frames for that. Of a window
    # of few frames that may as well be a layer at half the rate, which is brought to the same frames.
    if abs(rate - FRAME_RATE) < 1e-3 and abs(missing) <= min(2, (frames - 1) // 2):
        if missing <= 0:
            return states[..., :frames, :]  # as they lie: no copy of what may be all that is in memory
        return torch.cat([states, states[..., -1:, :].expand(*states.shape[:-2], missing, -1)], dim=-2)
    # On MPS torch averages over stretches only where they divide the frames; its memory is that of the CPU.
    states = states.cpu() if states.device.type == "mps" else states
    # Works both ways: of a slower encoder the stretches overlap, and frames are repeated.
    return adaptive_avg_pool1d(states.mT, frames).mT


def frame_distances(states: Tensor) -> Tensor:
    """Return how far each frame is from the one before it: (..., frame, width) to (..., frame - 1).

    Examples
    --------
    >>> frame_distances(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    tensor([5.])
    """
    # float32 suffices for one frame; sums over many are of float64, which MPS lacks, and wait for the CPU.
    return torch.linalg.vector_norm(states.diff(dim=-2), dim=-1)


def half_precision(states: Tensor) -> tuple[Tensor, Tensor]:
    """Return states in float16, and the scale by which they are to be multiplied, a float32 without axes.

    float16 has no room for what some layers hold; the scale makes it fit.
    """
    if not states.numel():
        return states.half(), states.new_ones(())
    scale = states.abs().amax().clamp(min=SMALLEST)
    return (states / scale).half(), scale


def half_precision_by_clip(rows: Tensor, owners: Tensor, clips: int) -> tuple[Tensor, Tensor]:
    """Return rows of several clips in float16, and the scale of each clip; 1 of one that has no rows.

    At once for all clips: on a GPU the calls cost more than the numbers.

    Parameters
    ----------
    rows : Tensor, shape (..., row, width)
        Of all clips.
    owners : Tensor of int, shape (row,)
        The number of the clip that each is of.
    clips : int
        How many there are.

    Examples
    --------
    >>> halves, scales = half_precision_by_clip(torch.tensor([[2.0], [-4.0], [1.0]]), torch.tensor([0, 0, 2]), 3)
    >>> scales.tolist(), halves.flatten().tolist()
    ([4.0, 1.0, 1.0], [0.5, -1.0, 1.0])
    """
    largest = rows.abs().amax(dim=-1)
    ones = rows.new_ones(*largest.shape[:-1], clips)
    scales = ones.scatter_reduce(-1, owners.expand_as(largest), largest, "amax", include_self=False)
    scales = scales.clamp(min=SMALLEST)
    return (rows / scales[..., owners, None]).half(), scales
