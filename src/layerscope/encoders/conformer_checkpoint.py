"""Published MuQ and MusicFM files: read safely, checked tensor by tensor, turned into a `ConformerModel`.

MuQ is a directory with ``config.json`` and ``model.safetensors``; every name starts with ``model.``.
MusicFM is a pickled ``pretrained_*.pt`` with a ``state_dict`` whose names start with ``model.`` and, beside it,
``*_stats.json``; it publishes no configuration, so sizes are read off the tensors. Both files also hold what
only pretraining used; those tensors are checked and left out. MuQ-MuLan is a directory too, in whose weights MuQ is a
part of the audio tower, and whose configuration names the MuQ that it was trained from instead of its sizes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from layerscope.atomic_files import read_json
from layerscope.encoders.conformer import ConformerConfig, ConformerModel
from layerscope.encoders.mel import MEL_BINS
from layerscope.encoders.pretraining_tensors import muq_pretraining, musicfm_pretraining
from layerscope.encoders.state_dicts import (
    Shapes,
    common_prefix,
    load_strictly,
    read_tensors,
    refuse_others,
    setting,
    weights_beside,
)
from layerscope.errors import ModelError

__all__ = ["MEL_NAMES", "MULAN", "UNDERSTOOD", "UNDERSTOOD_BLOCK", "Checkpoint", "build_model", "read_checkpoint"]

Family = Literal["muq", "musicfm"]

#: What MuQ-MuLan's weights put before the names of MuQ's own files; all else is of the text tower and of the heads.
MULAN = "mulan.audio.model."
#: The MuQ that MuQ-MuLan's configuration may name: its constants, which stand nowhere else, are known.
MULAN_MUQ = {"name": "OpenMuQ/MuQ-large-msd-iter"}

#: What this project computes; a configuration that asks for something else is refused by name.
UNDERSTOOD = {"label_rate": 25, "hop_length": 240, "n_mels": 128, "features": ["melspec_2048"], "is_flash": False}
#: Of facebook/wav2vec2-conformer-rope-large-960h-ft, from whose configuration both models took their blocks.
UNDERSTOOD_BLOCK = {
    "position_embeddings_type": "rotary", "rotary_embedding_base": 10000, "hidden_act": "swish", "layer_norm_eps": 1e-5,
}  # fmt: skip
#: Name of a tensor of the front end → what MusicFM's files call it; MuQ's leave it out.
MEL_NAMES = {
    "mel.window": "preprocessor_melspec_2048.mel_stft.spectrogram.window",
    "mel.filters": "preprocessor_melspec_2048.mel_stft.mel_scale.fb",
}


@dataclass(frozen=True)
class Checkpoint:
    """What a published file says.

    Attributes
    ----------
    family : {"muq", "musicfm"}
        Whose layout it is.
    config : ConformerConfig
        Sizes and constants.
    pretraining : dict of str to tuple of int
        Names and shapes of the tensors that features do not need.
    tensors : dict of str to Tensor
        All tensors, without the leading ``model.``.
    path : Path
        Where they came from, for messages.
    window : float
        Longest stretch that the model was trained on, in seconds.
    """

    family: Family
    config: ConformerConfig
    pretraining: Shapes
    tensors: dict[str, Tensor]
    path: Path
    window: float = ConformerModel.window


def read_checkpoint(path: Path, num_heads: int | None = None) -> Checkpoint:
    """Read a directory or file in the official layout of MuQ or MusicFM.

    Parameters
    ----------
    path : Path
        A directory, or the weights file in it.
    num_heads : int, optional
        Attention heads, where the files do not say. They say so through the configuration or through the
        rotary table; a number that contradicts them is an error.

    Raises
    ------
    ModelError
        If files are missing, unreadable, of an unknown layout, or ask for what is not understood.
    """
    weights = weights_file(path)
    named = read_tensors(weights)
    if any(name.startswith(MULAN) for name in named):
        return mulan_checkpoint(weights, named, num_heads)
    tensors = strip_prefix(named, weights)
    # Only MusicFM writes its mel front end beside the weights, and only MusicFM is published as .pt.
    if MEL_NAMES["mel.window"] in tensors or weights.suffix == ".pt":
        return musicfm_checkpoint(weights, tensors, num_heads)
    return muq_checkpoint(weights, tensors, num_heads)


def weights_file(path: Path) -> Path:
    """Return the one weights file of a model directory, or `path` itself if it is a file."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise ModelError(
            f"model '{path}' does not exist; give a known name (`layerscope ls models`), a directory or a file"
        )
    found = sorted(path.glob("*.pt"))
    # MusicFM's repository holds two models, trained on other music; neither is the one that is meant.
    if len(found) > 1:
        raise ModelError(f"{path} holds {', '.join(file.name for file in found)}: name the file, not the directory")
    if found:
        return found[0]
    try:
        return weights_beside(path)
    except ModelError as error:
        expected = "model.safetensors with config.json (MuQ), or pretrained_*.pt with *_stats.json (MusicFM)"
        raise ModelError(f"{error}; {path} holds no weights: expected {expected}") from error


def strip_prefix(tensors: Mapping[str, Tensor], weights: Path) -> dict[str, Tensor]:
    """Remove ``model.``, and what else every name begins with; give the older weight norm its newer names."""
    prefix = common_prefix(tensors)
    if not prefix or not any(name.startswith(f"{prefix}conformer.") for name in tensors):
        foreign = next((name for name in tensors if not name.startswith("model.")), next(iter(tensors), None))
        raise ModelError(
            f"{weights}: tensor '{foreign}' is of no layout known here; MuQ's and MusicFM's start with 'model.'"
        )
    renamed = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    # PyTorch's older weight norm wrote these; its successor, a parametrization, writes the names on the right.
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
        key = f"conformer.pos_conv_embed.conv.{old}"
        if key in renamed:
            renamed[f"conformer.pos_conv_embed.conv.parametrizations.weight.{new}"] = renamed.pop(key)
    return renamed


def settings_beside(weights: Path, family: str) -> tuple[Path, dict[str, Any]]:
    """Return the path and the content of the configuration beside a file of weights."""
    path = weights.parent / "config.json"
    if not path.is_file():
        raise ModelError(f"{weights}: no config.json beside it ({family}'s layout has one)")
    return path, read_json(path, ModelError)


def muq_checkpoint(weights: Path, tensors: dict[str, Tensor], num_heads: int | None) -> Checkpoint:
    """Combine MuQ's tensors with the configuration beside them."""
    path, written = settings_beside(weights, "MuQ")
    block = setting(path, written, "w2v2_config", dict)
    refuse_others(path, written, UNDERSTOOD)
    refuse_others(path, block, UNDERSTOOD_BLOCK)
    dim = setting(path, written, "encoder_dim", int)
    config = ConformerConfig(
        dim,
        depth=setting(path, written, "encoder_depth", int),
        heads=agreed_heads(path, tensors, dim, num_heads or setting(path, block, "num_attention_heads", int)),
        feedforward=setting(path, block, "intermediate_size", int),
        channels=setting(path, written, "conv_dim", int),
        kernel=setting(path, block, "conv_depthwise_kernel_size", int),
        **mel_statistics(path, setting(path, written, "stat", dict)),
    )
    if config.depth > len(tensors):
        # It would be built before its tensors are missed.
        raise ModelError(
            f"{path}: 'encoder_depth' = {config.depth:,} blocks, where {weights} holds {len(tensors)} tensors"
        )
    quantized = setting(path, written, "use_rvq_target", bool)
    # Without the residual target the file has no such quantizers to check.
    codebooks = setting(path, written, "rvq_n_codebooks", int) if quantized else 0
    pretraining = muq_pretraining(config, setting(path, written, "codebook_size", int), codebooks)
    return Checkpoint("muq", config, pretraining, tensors, weights)


def musicfm_checkpoint(weights: Path, tensors: dict[str, Tensor], num_heads: int | None) -> Checkpoint:
    """Combine MusicFM's tensors, whose shapes are its configuration, with the statistics beside them."""
    path = statistics_file(weights)
    statistics = mel_statistics(path, read_json(path, ModelError))
    config, outputs, codes = tensor_sizes(weights, tensors, "quantizer_melspec_2048_0.codebook", num_heads)
    config = replace(config, mel_mean=statistics["mel_mean"], mel_std=statistics["mel_std"])
    return Checkpoint("musicfm", config, musicfm_pretraining(config, outputs, (codes[0], codes[1])), tensors, weights)


def mulan_checkpoint(weights: Path, named: dict[str, Tensor], num_heads: int | None) -> Checkpoint:
    """Return the MuQ in MuQ-MuLan's audio tower; sizes are read off the tensors, as none are written."""
    path, written = settings_beside(weights, "MuQ-MuLan")
    refuse_others(path, setting(path, written, "audio_model", dict), MULAN_MUQ)
    seconds = setting(path, setting(path, written, "mulan", dict), "clip_secs", int)
    tower = {name.removeprefix(MULAN): tensor for name, tensor in named.items() if name.startswith(MULAN)}
    tensors = strip_prefix(tower, weights)
    config, outputs, _ = tensor_sizes(weights, tensors, "linear.weight", num_heads)
    quantizers = sum(name.endswith(".codebook.weight") for name in tensors)
    return Checkpoint("muq", config, muq_pretraining(config, outputs, quantizers), tensors, weights, float(seconds))


def tensor_sizes(
    path: Path, tensors: Mapping[str, Tensor], codebook: str, num_heads: int | None
) -> tuple[ConformerConfig, int, Sequence[int]]:
    """Return the sizes that tensors have, the width of the masked-token head, and the shape of a codebook."""
    try:
        dim, inputs = tensors["conv.linear.weight"].shape
        config = ConformerConfig(
            dim,
            depth=1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("conformer.layers.")),
            heads=agreed_heads(path, tensors, dim, num_heads),
            feedforward=tensors["conformer.layers.0.ffn1.intermediate_dense.weight"].shape[0],
            # The projection reads all channels of a quarter of the bands.
            channels=inputs * 4 // MEL_BINS,
            kernel=tensors["conformer.layers.0.conv_module.depthwise_conv.weight"].shape[-1],
        )
        return config, tensors["linear.weight"].shape[0], tensors[codebook].shape
    except KeyError as error:
        raise ModelError(f"{path}: {error} is missing; files of this layout have it") from error
    except ValueError as error:
        # A tensor with another number of axes does not unpack, and a block may have no number.
        raise ModelError(f"{path}: not the layout of MuQ or MusicFM ({error})") from error


def mel_statistics(path: Path, written: Mapping[str, Any]) -> dict[str, float]:
    """Return mean and deviation of mel, in dB, as `ConformerConfig` calls them."""
    values: list[Any] = [written.get("melspec_2048_mean"), written.get("melspec_2048_std")]
    # By type and not isinstance, for which true is a number.
    if not all(type(value) in (int, float) and math.isfinite(value) for value in values) or not values[1] > 0:
        wanted = "expected two numbers of dB, the second above 0"
        raise ModelError(
            f"{path}: melspec_2048_mean and melspec_2048_std are {values[0]!r} and {values[1]!r}; {wanted}"
        )
    return {"mel_mean": values[0], "mel_std": values[1]}


def statistics_file(weights: Path) -> Path:
    """Return the mel statistics that belong to a MusicFM checkpoint: ``pretrained_X.pt`` has ``X_stats.json``."""
    own = weights.with_name(f"{weights.stem.removeprefix('pretrained_')}_stats.json")
    if own.is_file():
        return own
    others = sorted(weights.parent.glob("*_stats.json"))
    # Renamed weights may have one file of statistics beside them; of several, none is sure to be theirs.
    if len(others) != 1:
        raise ModelError(f"{weights}: no {own.name} beside it (MusicFM's layout has one)")
    return others[0]


def agreed_heads(path: Path, tensors: Mapping[str, Tensor], dim: int, said: int | None) -> int:
    """Return the number of heads, which the rotary table (half a head wide) and what was said must agree on."""
    table = tensors.get("conformer.embed_positions.inv_freq")
    if table is None:
        # Both published models have heads of 64.
        heads = said or dim // 64
    else:
        heads = dim // (2 * table.numel())
        if said is not None and said != heads:
            raise ModelError(f"{path}: num_heads={said}, but its rotary table is for {heads} heads of {dim // heads}")
    # Rotation pairs the two halves of a head, whose width must be even.
    if heads < 1 or dim % (2 * heads):
        raise ModelError(f"{path}: a width of {dim} does not divide into {heads} heads of even width; give num_heads")
    return heads


def build_model(checkpoint: Checkpoint, *, weights: bool = True) -> ConformerModel:
    """Return the model with the checkpoint's weights, or with random ones.

    Raises
    ------
    ModelError
        Naming a tensor that is missing, extra or of the wrong shape, or that holds non-finite values.
    """
    model = ConformerModel(checkpoint.config)
    model.window = checkpoint.window
    if not weights:
        return model
    load_strictly(
        model,
        checkpoint.tensors,
        checkpoint.path,
        prefix="model.",
        unused=checkpoint.pretraining,
        optional=MEL_NAMES.values() if checkpoint.family == "muq" else (),
        name_in_file=lambda name: MEL_NAMES.get(name, name),
    )
    return model
