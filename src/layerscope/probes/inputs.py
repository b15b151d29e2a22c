"""What a probe is given: one layer, the last, a learned mixture of layers, or all of them side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerscope.features.clip_features import Features
from layerscope.features.row_blocks import LazyRows, Rows, in_memory

__all__ = ["Input", "assemble", "inputs_of"]

#: The summaries of plain features, the narrow one the first part of the wide one, and how many parts that has.
NARROW_AND_WIDE: dict[str, tuple[str, ...]] = {
    "mean": ("mean",),
    "moments": ("mean", "moments"),
    "frame": ("frame",),
    "context": ("frame", "context"),
}
#: Six moments (`features.pooling.MOMENTS`), and seven stretches (`frame_targets.context`).
BLOCKS = {"mean": 6, "frame": 7}


@dataclass(frozen=True)
class Input:
    """One choice of what a probe sees.

    Attributes
    ----------
    name : str
        ``layer``, ``last``, ``weighted`` (softmax mixture of 0..L), ``weighted[1:]`` (of 1..L, as MARBLE v1 does),
        ``concat``; for plain features ``mean`` or ``moments``, of single frames ``frame`` or ``context``.
    layer : int or None
        The layer, where it is one.
    """

    name: str
    layer: int | None = None

    def __str__(self) -> str:
        """Name it as tables do."""
        return f"layer {self.layer}" if self.name == "layer" else self.name


def inputs_of(features: Features) -> list[Input]:
    """Return all inputs that features offer, layers first."""
    if features.baseline:
        return [Input(name, features.layers[0]) for name in NARROW_AND_WIDE[features.pooling]]
    layers = [Input("layer", layer) for layer in features.layers]
    # A single layer is its own last, its own mixture and all of them side by side.
    if len(layers) == 1:
        return layers
    mixtures = []
    if len(set(features.widths)) == 1:  # what has another width cannot be added
        mixtures.append(Input("weighted"))
    # Of two layers, 1..L would be the second alone.
    if features.layers[0] == 0 and len(layers) > 2 and len(set(features.widths[1:])) == 1:
        mixtures.append(Input("weighted[1:]"))
    return [*layers, Input("last", features.layers[-1]), *mixtures, Input("concat")]


def assemble(features: Features, chosen: Input, memory: float = np.inf) -> Rows:
    """Return an input's states, (window, dim), or (window, layer, dim) for a mixture.

    They are an array where that, and what a probe makes of it, fits in so many bytes of memory, and read by blocks
    otherwise.
    """
    if chosen.name in BLOCKS and chosen.name != features.pooling:
        both = features.read(0)
        narrow = both.shape[1] // BLOCKS[chosen.name]
        return in_memory(LazyRows((len(both), narrow), lambda rows: both[rows][:, :narrow]), memory)
    if chosen.layer is not None:
        return in_memory(features.read(features.layers.index(chosen.layer)), memory)
    first = 1 if chosen.name == "weighted[1:]" else 0
    layers = [features.read(position) for position in range(first, len(features.layers))]
    count = len(layers[0])
    if chosen.name == "concat":
        columns = sum(layer.shape[1] for layer in layers)
        states = LazyRows((count, columns), lambda rows: np.concatenate([layer[rows] for layer in layers], axis=1))
    else:
        shape = (count, len(layers), layers[0].shape[1])
        states = LazyRows(shape, lambda rows: np.stack([layer[rows] for layer in layers], axis=1))
    return in_memory(states, memory)
