"""MERT-v2 (m-a-p, 2026): mel with a deviation for each band, ConvNeXt subsampling, conformer blocks of its own.

With MuQ and MusicFM it shares the mel front end, the rotary angles and nothing else: its convolutions normalise by
layer, its feed-forward uses GELU, its queries and keys are rotated after their projection, and no norm follows the
last block. Module names follow the published checkpoint; numbers among them are places in its sequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerscope.encoders.conformer import rotary_angles, rotate
from layerscope.encoders.encoder import LayeredModel
from layerscope.encoders.mel import HOP, MEL_BINS, N_FFT, SAMPLE_RATE, MelSpectrogram
from layerscope.encoders.model_files import read_json, read_tensors, refuse_mismatch, refuse_non_finite, refuse_others
from layerscope.errors import ModelError

__all__ = ["Mert2Config", "Mert2Model", "read_mert2"]

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
SMALLEST_DEVIATION = 1e-5
#: Seconds that the variant for whole songs is given at once: six minutes.
WHOLE_SONG = 360.0
STRIDES = (1, 2, 2)


@dataclass(frozen=True)
class Mert2Config:
    """Sizes of a MERT-v2 encoder; the defaults are those of the published models."""

    dim: int = 1024
    depth: int = 24
    heads: int = 16
    feedforward: int = 4096
    channels: tuple[int, ...] = (128, 512, 1024)
    depths: tuple[int, ...] = (3, 4, 5)
    kernel: int = 31
    window: float = 30.0


class ResponseNorm(nn.Module):
    """Global response normalisation over time (Woo et al. 2023, ConvNeXt V2, algorithm 1)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1, dim))
        self.bias = nn.Parameter(torch.zeros(1, 1, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, dim) to the same shape."""
        response = x.norm(dim=1, keepdim=True)
        return self.weight * x * (response / (response.mean(dim=-1, keepdim=True) + 1e-6)) + self.bias + x


class ConvNeXtLayer(nn.Module):
    """Depthwise convolution over time, then two dense layers with a response norm between; added to its input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
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
        deep = self.depthwise_block["1"](x.transpose(1, 2)).transpose(1, 2)
        return x + block["4"](block["3"](F.gelu(block["1"](block["0"](deep)))))


class Stage(nn.Module):
    """ConvNeXt layers, after a change of width and rate where there is one."""

    def __init__(self, inputs: int, outputs: int, stride: int, depth: int) -> None:
        super().__init__()
        if inputs != outputs or stride != 1:
            self.resampling_layer = nn.ModuleDict(
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


class Mert2FeedForward(nn.Module):
    """Two dense layers with a GELU between."""

    def __init__(self, config: Mert2Config) -> None:
        super().__init__()
        self.w_1 = nn.Linear(config.dim, config.feedforward)
        self.w_2 = nn.Linear(config.feedforward, config.dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, dim) to the same shape."""
        return self.w_2(F.gelu(self.w_1(x)))


class Mert2Attention(nn.Module):
    """Multi-head attention with rotated queries and keys."""

    def __init__(self, config: Mert2Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.query_proj = nn.Linear(config.dim, config.dim)
        self.key_proj = nn.Linear(config.dim, config.dim)
        self.value_proj = nn.Linear(config.dim, config.dim)
        self.out_proj = nn.Linear(config.dim, config.dim)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """Map (batch, frame, dim) to the same shape; `rotation` holds cosine and sine, (frame, 1, dim / heads)."""
        query, key, value = (
            projection(x).unflatten(-1, (self.heads, -1))
            for projection in (self.query_proj, self.key_proj, self.value_proj)
        )
        mixed = F.scaled_dot_product_attention(
            rotate(query, rotation).transpose(1, 2), rotate(key, rotation).transpose(1, 2), value.transpose(1, 2)
        )
        return self.out_proj(mixed.transpose(1, 2).flatten(-2))


class Mert2Convolution(nn.Module):
    """Pointwise, gated, depthwise over time, layer norm, pointwise."""

    def __init__(self, config: Mert2Config) -> None:
        super().__init__()
        dim = config.dim
        self.layer_norm = nn.LayerNorm(dim)
        self.conv_block = nn.ModuleDict(
            {
                "1": nn.Conv1d(dim, 2 * dim, 1, bias=False),
                "3": nn.Conv1d(dim, dim, config.kernel, padding="same", groups=dim, bias=False),
                "4": nn.ModuleDict({"1": nn.LayerNorm(dim)}),
                "6": nn.Conv1d(dim, dim, 1, bias=False),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, dim) to the same shape."""
        block = self.conv_block
        gated = F.glu(block["1"](self.layer_norm(x).transpose(1, 2)), dim=1)
        normed = block["4"]["1"](block["3"](gated).transpose(1, 2))  # type: ignore[index]
        return block["6"](F.gelu(normed).transpose(1, 2)).transpose(1, 2)


class Mert2Block(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward, norm."""

    def __init__(self, config: Mert2Config) -> None:
        super().__init__()
        self.ffn1_layer_norm = nn.LayerNorm(config.dim)
        self.ffn1 = Mert2FeedForward(config)
        self.attn_layer_norm = nn.LayerNorm(config.dim)
        self.attn = Mert2Attention(config)
        self.conv_module = Mert2Convolution(config)
        self.ffn2_layer_norm = nn.LayerNorm(config.dim)
        self.ffn2 = Mert2FeedForward(config)
        self.final_layer_norm = nn.LayerNorm(config.dim)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """Map (batch, frame, dim) to the same shape."""
        x = x + 0.5 * self.ffn1(self.ffn1_layer_norm(x))
        x = x + self.attn(self.attn_layer_norm(x), rotation)
        x = x + self.conv_module(x)
        x = x + 0.5 * self.ffn2(self.ffn2_layer_norm(x))
        return self.final_layer_norm(x)


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
        self.register_buffer("mel_mean", torch.zeros(MEL_BINS))
        self.register_buffer("mel_std", torch.ones(MEL_BINS))
        widths = (MEL_BINS, *config.channels)
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
        yield x
        rotation = rotary_angles(x.shape[1], self.dim // self.config.heads, x.device)
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


def read_mert2(directory: Path) -> tuple[Mert2Config, dict[str, Tensor]]:
    """Read the configuration and the tensors of a MERT-v2 directory, under this project's names.

    Raises
    ------
    ModelError
        Naming what is missing, extra, misshapen, or not understood.
    """
    path, weights = directory / "config.json", directory / "model.safetensors"
    written = read_json(path)
    refuse_others(path, written, UNDERSTOOD)
    try:
        config = Mert2Config(
            dim=written["hidden_size"],
            depth=written["num_hidden_layers"],
            heads=written["num_attention_heads"],
            feedforward=written["intermediate_size"],
            channels=tuple(written["subsampling_channels"]),
            depths=tuple(written["subsampling_depths"]),
            kernel=written["conv_depthwise_kernel_size"],
            window=WHOLE_SONG if "full" in str(written.get("variant")).lower() else Mert2Config.window,
        )
    except KeyError as error:
        raise ModelError(f"{path}: {error} is missing; MERT-v2's configuration has it") from error
    if not weights.is_file():
        raise ModelError(f"{directory}: no model.safetensors beside config.json (MERT-v2's layout has one)")
    return config, {FRONT_END.get(name, name): value.float() for name, value in read_tensors(weights).items()}


#: What the file calls the front end's tensors → what they are called here.
FRONT_END = {
    "feature_extractor.spectrogram.window": "mel.window",
    "feature_extractor.mel_scale.fb": "mel.filters",
    "feature_extractor.mel_mean": "mel_mean",
    "feature_extractor.mel_std": "mel_std",
}


def build_mert2(config: Mert2Config, tensors: dict[str, Tensor], path: Path) -> Mert2Model:
    """Return the model with these weights, or raise naming the tensor that does not fit."""
    model = Mert2Model(config)
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    refuse_mismatch(path, {name: tuple(value.shape) for name, value in tensors.items()}, expected)
    refuse_non_finite(path, tensors)
    model.load_state_dict(tensors, strict=True)
    return model
