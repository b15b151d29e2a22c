"""The encoder of a predictor: cut after the last layer that is used, or referred to, and what both cost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from layerscope.encoders import Encoder, load_encoder
from layerscope.encoders.device import wait_for
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.exported_encoder import cut_encoder, write_portable
from layerscope.encoders.model_names import names_code, pinned
from layerscope.encoders.own_encoder import encode_batch

__all__ = ["Costs", "WrittenEncoder", "write_encoder"]

#: Encodings that a time is the median of.
#: The median of three stands, although another program may have disturbed one.
TIMED = 3


@dataclass(frozen=True)
class Costs:
    """What an encoder costs.

    Attributes
    ----------
    seconds : float
        Of a window of noise, the median of three, after one that is not counted.
    megabytes : float
        Of its weights in memory.
    """

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class WrittenEncoder:
    """What was written of an encoder.

    Attributes
    ----------
    source : str
        How the study calls it.
    told : dict
        What a manifest tells of it.
    whole, cut : Costs
        Of the model with all its blocks, and of what was written.
    """

    source: str
    told: dict[str, Any]
    whole: Costs
    cut: Costs


def write_encoder(
    encoder: Encoder, layers: tuple[int, ...], window: float, out: Path, source: str, *, copied: bool
) -> WrittenEncoder:
    """Write an encoder cut after the last layer that is used, or a reference to it, measured on so many seconds."""
    # Before blocks of this very model are dropped.
    whole = costs_of(encoder, window)
    cut, told = encoder_or_reference(encoder, layers, out, source, copied=copied)
    if encoder.precision != "float32":
        told["precision"] = encoder.precision
    return WrittenEncoder(source, told, whole, costs_of(cut, cut.window))


def encoder_or_reference(
    encoder: Encoder, layers: tuple[int, ...], out: Path, source: str, *, copied: bool
) -> tuple[Encoder, dict[str, Any]]:
    """Write an encoder, or refer to it; return what is left of it, and what tells of it."""
    if names_code(source):  # it is code: whoever uses the predictor says where it is
        return encoder, {"name": encoder.name, "code": source, "fingerprint": encoder.fingerprint}
    if copied or encoder.baseline:
        cut = cut_encoder(encoder, layers)
        return cut, write_portable(cut, out)
    select = ",".join(map(str, layers)) if isinstance(encoder, LayeredEncoder) else None
    reference = pinned(source)
    cut = load_encoder(reference, layers=select, precision=encoder.precision)
    return cut, {"name": cut.name, "reference": reference, "select": select, "fingerprint": cut.fingerprint}


def costs_of(encoder: Encoder, window: float) -> Costs:
    """Measure an encoder on a window of noise."""
    noise = np.random.default_rng(0).normal(0, 0.1, (1, round(min(window, encoder.window) * encoder.sample_rate)))
    waveform = torch.from_numpy(noise.astype(np.float32))
    # The first call pays for what later ones find ready.
    encode_batch(encoder, waveform, "noise")
    times = []
    for _ in range(TIMED):
        started = time.perf_counter()
        wait_for(encode_batch(encoder, waveform, "noise")[0].device)
        times.append(time.perf_counter() - started)
    held = encoder.model.state_dict().values() if isinstance(encoder, LayeredEncoder) else ()
    return Costs(float(np.median(times)), sum(value.numel() * value.element_size() for value in held) / 1e6)
