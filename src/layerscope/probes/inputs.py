"""What a probe is given: one layer, the last, a learned mixture of layers, or all of them side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerscope.features.clip_features import Features

__all__ = ["Input", "assemble", "inputs_of"]

Array = NDArray[np.float32]


#: The summaries of plain features, the narrow one the first part of the wide one, and how many parts that has.
NARROW_AND_WIDE: dict[str, tuple[str, ...]] = {
    "mean": ("mean",),
    "moments": ("mean", "moments"),
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


def assemble(features: Features, chosen: Input) -> Array:
    """Return an input's states, (window, dim), or (window, layer, dim) for a mixture."""
    if chosen.name in BLOCKS and chosen.name != features.pooling:
        both = features.read(0)
        return both[:, : both.shape[1] // BLOCKS[chosen.name]]
    if chosen.layer is not None:
        return features.read(features.layers.index(chosen.layer))
    first = 1 if chosen.name == "weighted[1:]" else 0
    states = [features.read(position) for position in range(first, len(features.layers))]
    return np.concatenate(states, axis=1) if chosen.name == "concat" else np.stack(states, axis=1)
