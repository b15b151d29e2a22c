"""Which windows go through an encoder together: as many of one length as its memory holds.

Nothing is padded, so that padding enters no mean; windows of other lengths wait for their like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerscope.encoders.encoder import Encoder
from layerscope.encoders.own_encoder import OutOfMemory, encode_batch, memory_faults
from layerscope.features.clip_states import Assembly, take_together

__all__ = ["BATCH_SECONDS", "BatchSize", "Window", "encode_windows"]

#: Audio that is encoded at once on a CPU; more gains nothing there and costs memory.
BATCH_SECONDS = 30.0
#: On CUDA as much as a shard may hold; where memory does not, it is halved.
GPU_BATCH_SECONDS = 300.0
#: Of plain features more: librosa makes the filters of the constant-Q transform anew at every call.
PLAIN_BATCH_SECONDS = 120.0


class BatchSize:
    """How much audio an encoder is given at once: less for good from the first time that memory did not hold it.

    Parameters
    ----------
    encoder : Encoder
        Which.

    Examples
    --------
    >>> from layerscope.encoders import load_encoder
    >>> size = BatchSize(load_encoder("random:small", device="cpu"))
    >>> size.windows(24_000)  # of one second
    30
    >>> size.halve(30, 24_000)
    >>> size.windows(24_000), size.windows(48_000)
    (15, 7)
    """

    def __init__(self, encoder: Encoder) -> None:
        seconds = encoder.batch_seconds or default_seconds(encoder)
        self.samples = int(seconds * encoder.sample_rate)

    def windows(self, samples: int) -> int:
        """Return how many windows of a length go through the encoder at once."""
        # One at least: a single window may be longer than that.
        return max(1, self.samples // samples)

    def halve(self, windows: int, samples: int) -> None:
        """Remember that memory does not hold so many windows of a length."""
        self.samples = windows // 2 * samples


def default_seconds(encoder: Encoder) -> float:
    """Return how much audio an encoder is given at once where nobody says it."""
    if encoder.baseline:
        return PLAIN_BATCH_SECONDS
    # Not on MPS, which shares its memory with all else that runs: it would be swapped out before it is said to be full.
    return GPU_BATCH_SECONDS if encoder.device.startswith("cuda") else BATCH_SECONDS


@dataclass(frozen=True)
class Window:
    """A window on its way to the encoder.

    Attributes
    ----------
    clip : Assembly
        What takes its states.
    number : int
        Of the window in the clip.
    samples : ndarray, shape (samples,), float32
        At the encoder's rate.
    """

    clip: Assembly
    number: int
    samples: NDArray[np.float32]


def encode_windows(encoder: Encoder, size: BatchSize, windows: Sequence[Window], finish: Callable[[int], None]) -> None:
    """Encode windows, those of equal length together, and give each clip what they leave.

    Parameters
    ----------
    encoder : Encoder
        Which.
    size : BatchSize
        Halved where memory is full.
    windows : sequence of Window
        Of any clips.
    finish : callable
        Called with the number of windows that have been dealt with since the last call.

    Raises
    ------
    ResourceError
        If memory does not hold a single window.
    """
    alike: dict[tuple[int, int], list[Window]] = {}
    for window in windows:
        # Windows of one length may differ by a frame where the rate has no whole number of samples a frame.
        alike.setdefault((len(window.samples), window.clip.counts[window.number]), []).append(window)
    for (samples, _), left in alike.items():
        first = 0
        while first < len(left):
            batch = left[first : first + size.windows(samples)]
            # Tried again here, and not while the error is handled, which holds on to what filled the memory.
            if fits(encoder, batch):
                first += len(batch)
                finish(len(batch))
            else:
                size.halve(len(batch), samples)


def fits(encoder: Encoder, batch: Sequence[Window]) -> bool:
    """Encode windows of equal length, and return whether memory held them; raise if it does not hold one."""
    names = [window.clip.name for window in batch]
    others = len(set(names)) - 1
    heard = f"'{names[0]}'" + (f" and {others} more" if others else "")
    try:
        with memory_faults(encoder.name, heard):
            waveforms = stacked([window.samples for window in batch], encoder.device)
            take_together([(window.clip, window.number) for window in batch], encode_batch(encoder, waveforms, heard))
    except OutOfMemory:
        if len(batch) == 1:
            raise
        return False
    return True


def stacked(samples: Sequence[NDArray[np.float32]], device: str) -> Tensor:
    """Return windows as one tensor of the CPU, (window, samples), from which a device can fetch them by itself.

    Examples
    --------
    >>> stacked([np.zeros(3, np.float32), np.ones(3, np.float32)], "cpu")
    tensor([[0., 0., 0.],
            [1., 1., 1.]])
    """
    # Pinned at once: windows would be copied twice. torch keeps pinned memory and gives it to the next batch.
    pinned = device.startswith("cuda")
    waveforms = torch.empty(len(samples), len(samples[0]), dtype=torch.float32, pin_memory=pinned)
    np.stack(samples, out=waveforms.numpy())
    return waveforms
