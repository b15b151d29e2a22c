"""The audio tower of CLAP (HTS-AT, Chen et al. 2022), by the transformers library: mel of 10 s in, patches by windows.

Blocks stand in stages; after each but the last, two by two patches become one of twice the width, which halves time. A
state is taken from every block, before patches are merged: a frame is the mean of the patches at its time. State 0 is
what enters the first block, the last is taken after the final norm. What is shorter than 10 s is repeated, as CLAP's
own preprocessor does, and the frames of the repetition are left out.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from layerscope.encoders.huggingface import FixedLengthModel, build_network, build_preprocessor, load_part
from layerscope.encoders.state_dicts import setting
from layerscope.errors import ModelError

__all__ = ["ClapModel", "build_clap"]

#: Before the tower's names where the text tower is beside it.
PREFIX = "audio_model."


class ClapModel(FixedLengthModel):
    """The network with its own preprocessor; see `FixedLengthModel`."""

    def __init__(self, network: nn.Module, config: dict[str, Any], preprocessor: Any) -> None:
        super().__init__(network, config, preprocessor, int(preprocessor.nb_max_samples))
        sizes: Any = network.config
        #: Of each block, from 0.
        self.stages = [stage for stage, depth in enumerate(sizes.depths) for _ in range(depth)]
        self.depth = len(self.stages)
        # Layer 0 is of the first stage.
        stages, width = [0, *self.stages], int(sizes.patch_embeds_hidden_size)
        self.widths = tuple(width * 2**stage for stage in stages)
        self.dim = self.widths[-1]
        # The spectrogram is cut into so many stretches of time, which lie one above the other in a square image.
        self.stretches = int(sizes.spec_size) // int(sizes.num_mel_bins)
        columns = int(sizes.spec_size) // pair(sizes.patch_stride)[1]
        #: Frames of the first stage in the longest input.
        self.columns = self.stretches * columns
        seconds = self.longest / self.sample_rate
        self.frame_rates = tuple(self.columns / 2**stage / seconds for stage in stages)
        self.frame_rate = self.frame_rates[-1]
        # One whole frame of the last stage.
        self.minimum_samples = math.ceil(self.longest * 2 ** self.stages[-1] / self.columns)

    def compute(self, features: Tensor) -> Tensor:
        """See `FixedLengthModel.compute`."""
        # Of what is no longer than the network takes, one with fusion sees the whole alone.
        longer = torch.zeros(len(features), 1, dtype=torch.bool, device=features.device)
        return cast(Tensor, self.network(features, is_longer=longer).last_hidden_state)

    def heard(self, state: Tensor, samples: int) -> Tensor:
        """See `FixedLengthModel.heard`; a frame is the mean of the patches at its time."""
        if state.ndim == 4:  # the last, (batch, width, band, frame), in the order of time already
            frames = state.mean(dim=2).mT
        else:
            side = math.isqrt(state.shape[1])
            image = state.unflatten(1, (self.stretches, side // self.stretches, side))
            frames = image.mean(dim=2).flatten(1, 2)
        # A frame that reaches beyond the sound has heard its repetition.
        return frames[:, : samples * frames.shape[1] // self.longest]

    @property
    def blocks(self) -> nn.ModuleList:
        """See `LayeredModel.blocks`; in one list, which is not the network's own."""
        encoder: Any = self.network.audio_encoder
        return nn.ModuleList(block for stage in encoder.layers for block in stage.blocks)

    def cut(self, last: int) -> None:
        """See `LayeredModel.cut`."""
        encoder: Any = self.network.audio_encoder
        places = [(stage.blocks, number) for stage in encoder.layers for number in range(len(stage.blocks))]
        for blocks, number in places[last:]:
            blocks[number] = nn.Identity()

    def official_name(self, layer: int) -> str:
        """See `LayeredModel.official_name`."""
        if not layer:
            return "audio_encoder.patch_embed"
        stage = self.stages[layer - 1]
        return f"audio_encoder.layers[{stage}].blocks[{layer - 1 - self.stages.index(stage)}]"


def build_clap(path: Path, config: dict[str, Any], *, weights: bool = True) -> ClapModel:
    """Make the model of a ``config.json`` of CLAP or its audio tower, with preprocessor and weights beside it.

    Raises
    ------
    ModelError
        If the library is not installed, or a file is missing or does not fit.
    """
    tower = setting(path, config, "audio_config", dict) if config["model_type"] == "clap" else config
    preprocessor = build_preprocessor("ClapFeatureExtractor", path.parent)
    network = build_network(path, "ClapAudioConfig", "ClapAudioModel", tower)
    refuse_image(path, network.config, preprocessor)
    if weights:
        load_part(network, path.parent, [PREFIX])
    return ClapModel(network, config, preprocessor)


def refuse_image(path: Path, sizes: Any, preprocessor: Any) -> None:
    """Raise if stretches of the spectrogram do not lie in the image as `ClapModel.heard` takes them out of it."""
    high, wide = pair(sizes.patch_stride)
    stretches = sizes.spec_size // sizes.num_mel_bins
    # Patches of one stretch in the last stage, where they are fewest.
    finest = wide * max(1, stretches) * 2 ** max(0, len(sizes.depths) - 1)
    told = f"spec_size {sizes.spec_size}, num_mel_bins {sizes.num_mel_bins}, patch_stride {sizes.patch_stride}"
    if high != wide or not sizes.depths or sizes.spec_size % sizes.num_mel_bins or sizes.spec_size % finest:
        raise ModelError(
            f"{path}: {told}, depths {sizes.depths}: no square image of whole patches, with equal strides, that its "
            "stages halve; give those of the model"
        )
    frames = preprocessor.nb_max_samples // preprocessor.hop_length + 1
    if preprocessor.feature_size != sizes.num_mel_bins or frames > stretches * sizes.spec_size:
        raise ModelError(
            f"{path}: {told}: does not take the {frames} frames of {preprocessor.feature_size} bands that the "
            "preprocessor beside it gives; give both files of one model"
        )


def pair(value: Any) -> tuple[int, int]:
    """Return a size of both axes, which may be written once.

    Examples
    --------
    >>> pair(4), pair([4, 4])
    ((4, 4), (4, 4))
    """
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))
