"""What computing in less than float32 changes in the states of a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from layerscope.encoders.encoder import LayeredEncoder
from layerscope.errors import ModelError

__all__ = ["MOST", "precision_effect", "refuse_wrong_states", "relative_differences"]

#: Of the states, by which those of a layer may differ; networks that are computed rightly stay near 0.01 in bf16.
MOST = 0.2
#: Seconds of noise that a network is tried on.
SECONDS = 1.0


def precision_effect(encoder: LayeredEncoder, sounds: Iterable[Tensor]) -> list[float]:
    """Return how far each layer's states are from those in float32, relative to them; see `relative_differences`.

    Parameters
    ----------
    encoder : LayeredEncoder
        In its precision.
    sounds : iterable of Tensor, each (batch, samples)
        At its rate, one at least.
    """
    exact = encoder.at("float32")
    pairs = [(exact.layer_states(sound), encoder.layer_states(sound)) for sound in sounds]
    return relative_differences([states for states, _ in pairs], [states for _, states in pairs])


def relative_differences(exact: Sequence[Sequence[Tensor]], other: Sequence[Sequence[Tensor]]) -> list[float]:
    """Return for each layer the norm of the differences of states over that of the states.

    Parameters
    ----------
    exact, other : sequence of sequence of Tensor, each (batch, frame, width)
        Of each sound, the states of each layer.

    Examples
    --------
    >>> relative_differences([[torch.tensor([3.0, 4.0])]], [[torch.tensor([3.0, 4.5])]])
    [0.1]
    """
    squares = np.zeros((2, len(exact[0])))
    for states, changed in zip(exact, other, strict=True):
        for position, (layer, layer_changed) in enumerate(zip(states, changed, strict=True)):
            difference = layer_changed - layer
            squares[:, position] += float(difference.square().sum()), float(layer.square().sum())
    # 1e-30 lets a layer of zeros be divided: 0 / 1e-30 is 0.
    return [float(share) for share in np.sqrt(squares[0] / squares[1].clip(min=1e-30))]


def refuse_wrong_states(encoder: LayeredEncoder) -> None:
    """Raise if an encoder's precision changes its states by more than rounding can; tried on noise as it is loaded.

    Libraries have kernels that are wrong for some shapes: oneDNN's of bf16 on CPUs with AMX gives, without an error,
    other numbers for convolutions in groups of 12 channels.

    Raises
    ------
    ModelError
        Naming the layer and the way out.
    """
    if encoder.precision == "float32":
        return
    samples = max(encoder.minimum_samples, round(SECONDS * encoder.sample_rate))
    noise = torch.randn(1, samples, generator=torch.Generator().manual_seed(0)) / 10
    differences = precision_effect(encoder, [noise])
    worst = int(np.argmax(differences))
    share = f"{100 * differences[worst]:.0f} %"
    # Not below, so that NaN is refused as well.
    if not max(differences) <= MOST:
        raise ModelError(
            f"{encoder.name}: in {encoder.precision} on {encoder.device}, layer {encoder.layers[worst]} differs from "
            f"float32 by {share} on noise, more than rounding does: torch computes some of its shapes wrongly there; "
            "give --precision float32"
        )
