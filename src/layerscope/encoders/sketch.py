"""A published model by its sizes alone: what it would give, keep and compute, without its numbers.

A network of 330 million parameters takes seconds to make and a gigabyte to hold. On torch's device "meta" it takes
neither: tensors there have a shape and no content.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from layerscope.encoders.conformer import ConformerModel
from layerscope.encoders.encoder import Encoder, parse_layers
from layerscope.encoders.published_models import MODELS, RANDOM

__all__ = ["Sketch", "is_sketched"]

#: 4 bytes of a float32.
FLOAT32 = 4


def is_sketched(name: str) -> bool:
    """Return whether the sizes behind a name are known without a file.

    Examples
    --------
    >>> is_sketched("muq"), is_sketched("random:musicfm"), is_sketched("mfcc"), is_sketched("models/mine")
    (True, True, False, False)
    """
    return name.removeprefix(RANDOM) in MODELS


class Sketch(Encoder):
    """A published model, of which only shapes are known.

    Parameters
    ----------
    name : str
        See `is_sketched`.
    layers : str, optional
        As `load_encoder` takes it.
    device : torch.device, optional
        Where it would run.

    Examples
    --------
    >>> muq = Sketch("muq")
    >>> muq.layers[-1], muq.dim, round(muq.parameters / 1e6)
    (12, 1024, 316)
    >>> f"{muq.operations(30.0):.2e}"  # of one window, multiplications and additions
    '1.28e+12'
    """

    fingerprint = ""

    def __init__(self, name: str, layers: str | None = None, device: torch.device | None = None) -> None:
        self.name = name
        self.device = str(device or "cpu")
        self.untrained = name.startswith(RANDOM)
        self.config = MODELS[name.removeprefix(RANDOM)].config
        self.dim = self.config.dim
        self.sample_rate = ConformerModel.sample_rate
        self.frame_rate = ConformerModel.frame_rate
        self.minimum_samples = ConformerModel.minimum_samples
        self.window = ConformerModel.window
        self.layers = parse_layers(layers, self.config.depth) if layers else tuple(range(self.config.depth + 1))

    @cached_property
    def shape(self) -> ConformerModel:
        """Return the network without content."""
        with torch.device("meta"):
            return ConformerModel(self.config).eval()

    @property
    def parameters(self) -> int:
        """Return how many numbers are learnt, of what states need."""
        return sum(parameter.numel() for parameter in self.shape.parameters())

    def encode(self, waveforms: Tensor) -> Tensor:
        """Return zeros of the shape that the states would have, at no cost."""
        # Whole hops make a mel frame each; of these two halvings, rounded up, leave a quarter.
        frames = -(-int(waveforms.shape[1] * 4 * self.frame_rate // self.sample_rate) // 4)
        return torch.zeros(len(waveforms), len(self.layers), frames, self.dim)

    def first_block(self, device: torch.device) -> ConformerModel:
        """Return the front end and one block with random numbers, by which the time of all can be told."""
        with torch.random.fork_rng(devices=[]):
            return ConformerModel(replace(self.config, depth=1)).eval().requires_grad_(False).to(device)

    def operations(self, seconds: float) -> float:
        """Return the multiplications and additions of a window, counted on the network itself."""
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            self._go_through(seconds, 1)
        return float(counter.get_total_flops())

    def peak_bytes(self, seconds: float, windows: int) -> float:
        """Return what weights, and all that is alive at once while so many windows are encoded, take in float32."""
        weights = FLOAT32 * self.parameters
        with torch.inference_mode(), LiveBytes() as live:
            states = self._go_through(seconds, windows)
        kept = sum(state.numel() for layer, state in enumerate(states) if layer in self.layers)
        # The kept states once more, side by side.
        return weights + FLOAT32 * kept + live.peak

    def _go_through(self, seconds: float, windows: int) -> list[Tensor]:
        samples = max(self.minimum_samples, round(seconds * self.sample_rate))
        return list(self.shape.states(torch.empty(windows, samples, device="meta"), self.layers[-1]))


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors that are alive at once, at most.

    Attributes
    ----------
    peak : int
        Bytes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call an operation, and count what it made."""
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self.count(tensor.untyped_storage())
        return out

    def count(self, storage: torch.UntypedStorage) -> None:
        """Count a storage until it is let go; views have that of what they show."""
        key = storage._cdata
        if key not in self.known:
            self.known.add(key)
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.release, key, storage.nbytes())

    def release(self, key: int, size: int) -> None:
        """Forget a storage."""
        self.known.discard(key)
        self.now -= size
