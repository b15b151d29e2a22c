"""Writes a pretrained encoder as its published family does, so that the ordinary loader reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from layerscope.atomic_files import write_atomically, write_json
from layerscope.encoders.conformer_checkpoint import MEL_NAMES, UNDERSTOOD, UNDERSTOOD_BLOCK
from layerscope.encoders.pretraining_tensors import common_pretraining
from layerscope.errors import ModelError
from layerscope.pretrain.model import MaskedModel
from layerscope.pretrain.recipe import Recipe

__all__ = ["write_layout"]


def write_layout(model: MaskedModel, recipe: Recipe, directory: Path) -> None:
    """Write ``model.safetensors`` in float16 with ``config.json`` (MuQ) or ``model_stats.json`` (MusicFM) beside it.

    Raises
    ------
    ModelError
        If a weight does not fit into float16.
    """
    tensors = official_tensors(model, recipe)
    halves = {name: value.detach().cpu().half().contiguous().clone() for name, value in tensors.items()}
    for name, value in halves.items():
        if not torch.isfinite(value).all():
            raise ModelError(f"'{name}' does not fit into float16")
    config = model.encoder.config
    statistics = {"melspec_2048_mean": config.mel_mean, "melspec_2048_std": config.mel_std}
    if recipe.family == "muq":
        write_json(directory / "config.json", muq_settings(model, recipe, statistics))
    else:
        write_json(directory / "model_stats.json", statistics)
    write_atomically(directory / "model.safetensors", save(halves))


def official_tensors(model: MaskedModel, recipe: Recipe) -> dict[str, Tensor]:
    """Return every tensor of the published layout; what it holds but nobody uses is zero."""
    config = model.encoder.config
    outputs = model.linear.out_features
    tensors = {name: torch.zeros(shape) for name, shape in common_pretraining(config, outputs).items()}
    own = model.encoder.state_dict().items()
    tensors |= {name: value for name, value in own if name not in MEL_NAMES}
    tensors |= {"linear.weight": model.linear.weight, "linear.bias": model.linear.bias}
    for name, value in model.quantizer.state_dict().items():
        prefix = "rvq." if recipe.family == "muq" else "quantizer_melspec_2048_0."
        tensors[prefix + name] = value
    if recipe.family == "musicfm":
        tensors |= {MEL_NAMES[name]: value for name, value in own if name in MEL_NAMES}
    return {f"model.{name}": value for name, value in tensors.items()}


def muq_settings(model: MaskedModel, recipe: Recipe, statistics: dict[str, float]) -> dict[str, Any]:
    """Return MuQ's configuration."""
    config = model.encoder.config
    return {
        **UNDERSTOOD,
        "encoder_dim": config.dim,
        "encoder_depth": config.depth,
        "conv_dim": config.channels,
        "use_rvq_target": True,
        "rvq_n_codebooks": recipe.codebooks,
        "codebook_size": model.linear.out_features,
        "stat": statistics,
        "w2v2_config": {
            **UNDERSTOOD_BLOCK,
            "num_attention_heads": config.heads,
            "intermediate_size": config.feedforward,
            "conv_depthwise_kernel_size": config.kernel,
        },
    }
