"""MERT-v2 (m-a-p, 2026): mel with a deviation for each band, ConvNeXt subsampling, conformer blocks of its own.

With MuQ and MusicFM it shares the mel front end and the plan of a block. Its convolutions normalise by
layer, its feed-forward uses GELU, its queries and keys are rotated after their projection, and no norm follows the
last block. Names of its subsampling follow the published checkpoint; numbers among them are places in its sequences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerscope.encoders.conformer import (
    BlockSizes,
    ConformerBlock,
    ConvolutionModule,
    FeedForward,
    SelfAttention,
    depthwise,
    rotary_angles,
    rotary_frequencies,
    rotate,
)
from layerscope.encoders.encoder import LayeredModel
from layerscope.encoders.mel import HOP, MEL_BINS, N_FFT, SAMPLE_RATE, MelSpectrogram
from layerscope.encoders.state_dicts import load_strictly, read_tensors, refuse_others, setting, weights_beside

__all__ = ["Mert2Config", "Mert2Model", "build_mert2"]

#: What this project computes; a configuration that asks for something else is refused by name.
UNDERSTOOD = {
    "sampling_rate": SAMPLE_RATE,
    "n_fft": N_FFT,
    "win_length": N_FFT,
    "hop_length": HOP,
    "num_mel_bins": MEL_BINS,
    "inputs_to_logits_ratio": 960,
    "rotary_embedding_base": 10000,
    "layer_norm_eps": 1e-5,
    "subsampling_layer_norm_eps": 1e-6,
}
#: Names of the model → those of the published files, as regular expressions.
NAMES_IN_FILE = (
    (r"^mel\.window$", "feature_extractor.spectrogram.window"),
    (r"^mel\.filters$", "feature_extractor.mel_scale.fb"),
    (r"^mel_(mean|std)$", r"feature_extractor.mel_\1"),
    (r"(ffn\d)\.intermediate_dense\.", r"\1.w_1."),
    (r"(ffn\d)\.output_dense\.", r"\1.w_2."),
    (r"self_attn_layer_norm\.", "attn_layer_norm."),
    (r"self_attn\.linear_q\.", "attn.query_proj."),
    (r"self_attn\.linear_k\.", "attn.key_proj."),
    (r"self_attn\.linear_v\.", "attn.value_proj."),
    (r"self_attn\.linear_out\.", "attn.out_proj."),
    (r"conv_module\.pointwise_conv1\.", "conv_module.conv_block.1."),
    (r"conv_module\.depthwise_conv\.", "conv_module.conv_block.3."),
    (r"conv_module\.batch_norm\.", "conv_module.conv_block.4.1."),
    (r"conv_module\.pointwise_conv2\.", "conv_module.conv_block.6."),
)
#: As in MERT-v2's own code: a band that was always silent would be divided by zero.
SMALLEST_DEVIATION = 1e-5
#: Seconds that the variant for whole songs is given at once: six minutes.
WHOLE_SONG = 360.0
#: Of the three stages, as in MERT-v2's own code: 100 Hz of mel become 25 Hz.
STRIDES = (1, 2, 2)


@dataclass(frozen=True)
class Mert2Config(BlockSizes):
    """Sizes of a MERT-v2 encoder; the defaults are those of the published models."""

    depth: int = 24
    channels: tuple[int, ...] = (128, 512, 1024)
    depths: tuple[int, ...] = (3, 4, 5)
    window: float = 30.0


class ResponseNorm(nn.Module):
    """Global response normalisation over time (Woo et al. 2023, ConvNeXt V2, algorithm 1)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        # Zero, so that it begins as the identity (ConvNeXt V2).
        self.weight = nn.Parameter(torch.zeros(1, 1, dim))
        self.bias = nn.Parameter(torch.zeros(1, 1, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, dim) to the same shape."""
        # Over all frames of a clip: padding would change every one, so that lengths must not be mixed in a batch.
        # In float32 in any precision: it is a sum over all frames.
        response = x.norm(dim=1, keepdim=True, dtype=torch.float32)
        return self.weight * x * (response / (response.mean(dim=-1, keepdim=True) + 1e-6)) + self.bias + x


class ConvNeXtLayer(nn.Module):
    """Depthwise convolution over time, then two dense layers with a response norm between; added to its input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        # Kernel 7 as in ConvNeXt; half of it on either side keeps the length.
        self.depthwise_block = nn.ModuleDict({"1": nn.Conv1d(dim, dim, 7, padding=3, groups=dim)})
        self.pointwise_block = nn.ModuleDict(
            {
                "0": nn.LayerNorm(dim, eps=1e-6),
                "1": nn.Linear(dim, 4 * dim),
                "3": ResponseNorm(4 * dim),
                "4": nn.Linear(4 * dim, dim),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, dim) to the same shape."""
        block = self.pointwise_block
        convolution = cast(nn.Conv1d, self.depthwise_block["1"])
        deep = depthwise(x, convolution.weight, convolution.bias)
        return x + block["4"](block["3"](F.gelu(block["1"](block["0"](deep)))))


class Stage(nn.Module):
    """ConvNeXt layers, after a change of width and rate where there is one."""

    def __init__(self, inputs: int, outputs: int, stride: int, depth: int) -> None:
        super().__init__()
        # The first stage of the published models keeps both, and its files hold no such layer.
        if inputs != outputs or stride != 1:
            self.resampling_layer = nn.ModuleDict(
                # Kernel 2 without padding, as published: at stride 2 an odd last frame is dropped.
                {"0": nn.LayerNorm(inputs, eps=1e-6), "2": nn.Conv1d(inputs, outputs, 2, stride=stride)}
            )
        self.convnext_layers = nn.ModuleList(ConvNeXtLayer(outputs) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, inputs) to (batch, frame / stride, outputs)."""
        if hasattr(self, "resampling_layer"):
            x = self.resampling_layer["2"](self.resampling_layer["0"](x).transpose(1, 2)).transpose(1, 2)
        for layer in self.convnext_layers:
            x = layer(x)
        return x


class Mert2FeedForward(FeedForward):
    """Two dense layers with a GELU between."""

    activation: Callable[[Tensor], Tensor] = staticmethod(F.gelu)


class Mert2Attention(SelfAttention):
    """Multi-head attention whose queries and keys are rotated after their projection."""

    def queries_and_keys(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """See `SelfAttention.queries_and_keys`."""
        return rotate(self.split(self.linear_q(x)), rotation), rotate(self.split(self.linear_k(x)), rotation)


class Mert2Convolution(ConvolutionModule):
    """The convolution module with a layer norm in the place of its batch norm, and a GELU."""

    def __init__(self, config: BlockSizes) -> None:
        super().__init__(config)
        # Under the name that the shared module has for it.
        self.batch_norm = nn.LayerNorm(config.dim)  # type: ignore[assignment]

    def mix_frames(self, x: Tensor) -> Tensor:
        """See `ConvolutionModule.mix_frames`."""
        return F.gelu(self.batch_norm(depthwise(x, self.depthwise_conv.weight)))


class Mert2Block(ConformerBlock):
    """A conformer block of these parts."""

    feed_forward, attention, convolution = Mert2FeedForward, Mert2Attention, Mert2Convolution


class Mert2Model(LayeredModel):
    """MERT-v2 without a head."""

    mel_mean: Tensor
    mel_std: Tensor
    sample_rate = SAMPLE_RATE
    frame_rate = SAMPLE_RATE / HOP / 4
    minimum_samples = N_FFT // 2 + 1

    def __init__(self, config: Mert2Config) -> None:
        super().__init__()
        self.config = config
        self.depth, self.dim, self.window = config.depth, config.dim, config.window
        self.mel = MelSpectrogram()
        # One pair a band, which the checkpoint brings; these leave mel as it is.
        self.register_buffer("mel_mean", torch.zeros(MEL_BINS))
        self.register_buffer("mel_std", torch.ones(MEL_BINS))
        widths = (MEL_BINS, *config.channels)
        # Not strict: the last width is an output alone.
        self.subsampling_module = nn.ModuleList(
            Stage(*sizes) for sizes in zip(widths, config.channels, STRIDES, config.depths, strict=False)
        )
        self.layers = nn.ModuleList(Mert2Block(config) for _ in range(config.depth))

    def states(self, waveforms: Tensor, last: int) -> Iterator[Tensor]:
        """See `LayeredModel.states`."""
        scale = self.mel_std.clamp(min=SMALLEST_DEVIATION)
        x = (self.mel(waveforms).transpose(1, 2) - self.mel_mean) / scale
        for stage in self.subsampling_module:
            x = stage(x)
        # The official output has no such state: it begins after the first block.
        yield x
        # No buffer, because the published files hold no table of them.
        rotation = rotary_angles(rotary_frequencies(self.dim // self.config.heads).to(x.device), x.shape[1])
        for block in self.layers[:last]:
            x = block(x, rotation)
            yield x

    @property
    def blocks(self) -> nn.ModuleList:
        """See `LayeredModel.blocks`."""
        return self.layers

    def description(self) -> dict[str, Any]:
        """See `LayeredModel.description`."""
        return {"family": "mert2", **asdict(self.config)}

    def official_name(self, layer: int) -> str:
        """Return MERT-v2's own index, which starts after the first block."""
        return f"hidden_states[{layer - 1}]" if layer else "not returned"


def build_mert2(path: Path, written: dict[str, Any], *, weights: bool = True) -> Mert2Model:
    """Make the model of MERT-v2's ``config.json``, with weights beside it.

    Parameters
    ----------
    path, written : Path, dict
        The file, and what it says.
    weights : bool
        Whether the weights are taken; otherwise they are random, and the mel front end's statistics alone are read.

    Raises
    ------
    ModelError
        Naming what is missing, extra, misshapen, or not understood.
    """
    refuse_others(path, written, UNDERSTOOD)
    config = Mert2Config(
        dim=setting(path, written, "hidden_size", int),
        depth=setting(path, written, "num_hidden_layers", int),
        heads=setting(path, written, "num_attention_heads", int),
        feedforward=setting(path, written, "intermediate_size", int),
        channels=tuple(setting(path, written, "subsampling_channels", list)),
        depths=tuple(setting(path, written, "subsampling_depths", list)),
        kernel=setting(path, written, "conv_depthwise_kernel_size", int),
        window=WHOLE_SONG if "full" in str(written.get("variant")).lower() else Mert2Config.window,
    )
    model = Mert2Model(config)
    place = weights_beside(path.parent)
    tensors = read_tensors(place)
    if not weights:
        # Its statistics are preprocessing, which the twin shares; all that was learnt stays random.
        tensors |= {name_in_file(name): value for name, value in model.named_parameters()}
    load_strictly(model, tensors, place, name_in_file=name_in_file)
    return model


def name_in_file(name: str) -> str:
    """Return what a published file calls a tensor of the model."""
    for own, published in NAMES_IN_FILE:
        name = re.sub(own, published, name)
    return name
