"""What a probe is given: one layer, a set of layers, the last, a learned mixture, or all of them side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerscope.errors import UsageError
from layerscope.features.clip_features import Features
from layerscope.features.row_blocks import LazyRows, Rows, in_memory

__all__ = [
    "SEARCH", "Input", "assemble", "inputs_of", "layers_of_set", "name_of_set", "refuse_sets", "runs_of_layers",
    "set_named",
]  # fmt: skip

#: Beside layers, what a set may be called: the mean of all of them, and the sets that validation searches.
ALL, SEARCH = "mean", "search"
#: Layers and ranges of them; of four digits at most, so that no range fills the memory.
SET = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})?(\+[0-9]{1,4}(-[0-9]{1,4})?)*")

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
        ``concat``; of some layers ``mean(4+7)`` (of the states as they are) and ``concat(4+7)``; ``plain+layer``
        (see `probes.plain_beside`); for plain features ``mean`` or ``moments``, of single frames ``frame`` or
        ``context``.
    layer : int or None
        The layer, where it is one.
    layers : tuple of int
        Those of a set.
    """

    name: str
    layer: int | None = None
    layers: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Name it as tables do."""
        return f"layer {self.layer}" if self.name == "layer" else self.name


def layers_of_set(text: str) -> tuple[int, ...]:
    """Return the layers that a set names, ascending; none of the words `ALL` and `SEARCH`.

    Raises
    ------
    UsageError
        If it is no set, names a layer twice, or is of one layer.

    Examples
    --------
    >>> layers_of_set("7+4"), layers_of_set("0+5-8")
    ((4, 7), (0, 5, 6, 7, 8))
    """
    if text in (ALL, SEARCH):
        return ()
    if not SET.fullmatch(text):
        raise UsageError(f"layers-as '{text}': neither layers, such as 4+7 or 5-12, nor '{ALL}' nor '{SEARCH}'")
    layers: list[int] = []
    for part in text.split("+"):
        first, _, last = part.partition("-")
        if int(last or first) < int(first):
            raise UsageError(f"layers-as '{text}': '{part}' goes backwards; give {last}-{first}")
        layers += range(int(first), int(last or first) + 1)
    for layer in layers:
        if layers.count(layer) > 1:
            raise UsageError(f"layers-as '{text}': layer {layer} is in it twice; name each once")
    if len(layers) == 1:
        raise UsageError(f"layers-as '{text}': a set has two layers or more; every single layer is probed anyway")
    return tuple(sorted(layers))


def name_of_set(layers: Sequence[int]) -> str:
    """Return ascending layers as a set is written, three or more in a row as a range.

    Examples
    --------
    >>> name_of_set((4, 7)), name_of_set((4, 5)), name_of_set((0, 5, 6, 7, 8))
    ('4+7', '4+5', '0+5-8')
    """
    runs = runs_of_layers(layers)
    return "+".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else "+".join(map(str, run)) for run in runs)


def runs_of_layers(layers: Sequence[int]) -> list[list[int]]:
    """Return ascending layers with those that follow one another together.

    Examples
    --------
    >>> runs_of_layers([2, 3, 4, 7])
    [[2, 3, 4], [7]]
    """
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return runs


def set_named(name: str) -> Input:
    """Return the input that is called ``mean(…)`` or ``concat(…)``.

    Examples
    --------
    >>> set_named("concat(4+7)").layers
    (4, 7)
    """
    return Input(name, layers=layers_of_set(name.partition("(")[2].removesuffix(")")))


def refuse_sets(sets: Sequence[str], model: str, layers: Sequence[int]) -> None:
    """Raise a `UsageError` for a set of layers that a model of these layers does not have."""
    for text in sets:
        missing = sorted(set(layers_of_set(text)) - set(layers))
        if missing:
            raise UsageError(
                f"layers-as '{text}': {model} has no layer {missing[0]}; it has {name_of_set(sorted(layers))}"
            )
        if len(layers) < 2:
            raise UsageError(f"layers-as '{text}': {model} has one layer; leave it out")


def sets_of(features: Features, sets: Sequence[str]) -> list[Input]:
    """Return the inputs that sets of layers are of features: their mean, where widths allow, and side by side."""
    inputs = []
    for text in sets:
        layers = features.layers if text == ALL else layers_of_set(text)
        widths = {features.widths[features.layers.index(layer)] for layer in layers}
        if layers and len(widths) == 1:
            inputs.append(Input(f"mean({name_of_set(sorted(layers))})", layers=tuple(sorted(layers))))
        # All layers side by side are the input `concat` already.
        if layers and len(layers) < len(features.layers):
            inputs.append(Input(f"concat({name_of_set(layers)})", layers=layers))
    return inputs


def inputs_of(features: Features, sets: Sequence[str] = ()) -> list[Input]:
    """Return all inputs that features offer, layers first; with sets of layers where a model is to have them."""
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
    # The mean of all may be asked for in two ways.
    more = dict.fromkeys(sets_of(features, sets))
    return [*layers, Input("last", features.layers[-1]), *mixtures, Input("concat"), *more]


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
    numbers = chosen.layers or (features.layers[1:] if chosen.name == "weighted[1:]" else features.layers)
    layers = [features.read(features.layers.index(number)) for number in numbers]
    count = len(layers[0])
    if chosen.name.startswith("mean"):
        states = LazyRows(layers[0].shape, lambda rows: np.mean([layer[rows] for layer in layers], axis=0))
    elif chosen.name.startswith("concat"):
        columns = sum(layer.shape[1] for layer in layers)
        states = LazyRows((count, columns), lambda rows: np.concatenate([layer[rows] for layer in layers], axis=1))
    else:
        shape = (count, len(layers), layers[0].shape[1])
        states = LazyRows(shape, lambda rows: np.stack([layer[rows] for layer in layers], axis=1))
    return in_memory(states, memory)
