"""An encoder as a directory that needs nothing else: weights in safetensors, sizes in JSON, and no code."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from layerscope.atomic_files import write_atomically, write_json
from layerscope.encoders.conformer import ConformerConfig, ConformerModel
from layerscope.encoders.dasheng import DashengConfig, DashengModel
from layerscope.encoders.encoder import Encoder, LayeredEncoder, LayeredModel
from layerscope.encoders.huggingface import LibraryModel
from layerscope.encoders.mert2 import Mert2Config, Mert2Model
from layerscope.encoders.model_loading import build_from_directory
from layerscope.encoders.plain_features import BASELINES, Baseline
from layerscope.encoders.precision_effect import refuse_wrong_states
from layerscope.encoders.state_dicts import load_strictly, read_tensors
from layerscope.errors import ModelError

__all__ = ["cut_encoder", "read_portable", "write_portable"]

WEIGHTS = "encoder.safetensors"
CPU = torch.device("cpu")
#: Families that are made again from their sizes.
SIZED: dict[str, tuple[type[Any], type[Any]]] = {
    "conformer": (ConformerModel, ConformerConfig),
    "dasheng": (DashengModel, DashengConfig),
    "mert2": (Mert2Model, Mert2Config),
}
#: Families of the transformers library: they are made again from the settings that stand beside the weights.
LIBRARY = ("huggingface", "whisper", "audio_spectrogram")


def cut_encoder(encoder: Encoder, layers: tuple[int, ...]) -> Encoder:
    """Return an encoder that gives some layers, without the blocks after the last of them.

    Parameters
    ----------
    encoder : Encoder
        It loses these blocks too, where it has any.
    layers : tuple of int
        Of its own.
    """
    if not isinstance(encoder, LayeredEncoder):
        return encoder
    encoder.model.cut(layers[-1])
    # Made anew, because its fingerprint is that of the blocks that are left.
    how: dict[str, Any] = {"device": encoder.device, "precision": encoder.precision}
    return LayeredEncoder(encoder.model, encoder.name, layers, untrained=encoder.untrained, **how)


def write_portable(encoder: Encoder, directory: Path) -> dict[str, Any]:
    """Write an encoder, and return what `read_portable` needs beside the files.

    Raises
    ------
    ModelError
        If it is of no kind that can be written: one of your own is code, and stays where it is.
    """
    told: dict[str, Any] = {"name": encoder.name, "layers": list(encoder.layers), "untrained": encoder.untrained}
    if isinstance(encoder, Baseline):
        return {**told, "family": "baseline"}
    if not isinstance(encoder, LayeredEncoder):
        raise ModelError(f"{encoder.name} is an encoder of your own: it cannot be copied; export with --no-weights")
    model: Any = encoder.model
    family = next((name for name, (kind, _) in SIZED.items() if isinstance(model, kind)), None)
    if family is not None:
        told |= {"family": family, "config": asdict(model.config)}
    elif isinstance(model, LibraryModel):
        write_json(directory / "config.json", model.config)
        write_json(directory / "preprocessor_config.json", model.preprocessor_config)
        told["family"] = "huggingface"
    else:
        raise ModelError(f"{encoder.name}: a {type(model).__name__} cannot be written; export with --no-weights")
    # Cloned, because safetensors refuses tensors that share memory.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
    write_atomically(directory / WEIGHTS, save(tensors))
    return told


def read_portable(
    told: dict[str, Any], directory: Path, device: torch.device = CPU, precision: str = "float32"
) -> Encoder:
    """Return the encoder that was written.

    Parameters
    ----------
    told : dict
        What `write_portable` returned.
    directory : Path
        Where its files lie.
    device, precision : torch.device, str
        Where it is to compute, and how.

    Raises
    ------
    ModelError
        If a file is missing or does not fit.
    """
    if told["family"] == "baseline":
        if told["name"] not in BASELINES:
            raise ModelError(f"{directory}: needs the plain feature '{told['name']}', which this version does not have")
        return Baseline(told["name"])
    # The weights drawn here are replaced at once; the caller's random numbers stay as they were.
    with torch.random.fork_rng(devices=[]):
        model = empty_model(told, directory)
    layers = tuple(told["layers"])
    # Before the weights are read: of dropped blocks the file has none.
    model.cut(layers[-1])
    path = directory / WEIGHTS
    load_strictly(model, read_tensors(path), path)
    how: dict[str, Any] = {"untrained": told["untrained"], "device": device, "precision": precision}
    encoder = LayeredEncoder(model, told["name"], layers, **how)
    refuse_wrong_states(encoder)
    return encoder


def empty_model(told: dict[str, Any], directory: Path) -> LayeredModel:
    """Return a model of the right sizes with random weights."""
    if told["family"] in LIBRARY:
        return build_from_directory(directory, weights=False)
    if told["family"] not in SIZED:
        raise ModelError(f"{directory}: family '{told['family']}' is not known to this version")
    model, config = SIZED[told["family"]]
    return model(config(**told["config"]))
