"""Dasheng (Dinkel et al. 2024): mel at 100 Hz, patches of four frames and all bands, transformer blocks at 25 Hz.

State 0 is what enters the first block, with positions added; the last is
taken after the final norm. The table of positions fixes the longest input, some ten seconds; what is shorter takes the
first of them, and nothing is padded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerscope.encoders.device import bfloat16_products
from layerscope.encoders.encoder import LayeredModel
from layerscope.encoders.huggingface import MOST_BLOCKS, load_part, preprocessor_settings
from layerscope.encoders.mel import mel_filter_bank
from layerscope.encoders.state_dicts import refuse_others, setting
from layerscope.errors import ModelError

__all__ = ["DashengConfig", "DashengModel", "build_dasheng"]

#: The front end of all published models; their preprocessor's settings are held to it.
SAMPLE_RATE, N_FFT, HOP, MEL_BINS = 16_000, 512, 160, 64
UNDERSTOOD_MEL = {"sampling_rate": SAMPLE_RATE, "n_fft": N_FFT, "win_size": N_FFT, "hop_size": HOP, "center": True,
                  "feature_size": MEL_BINS, "f_min": 0, "f_max": 8000}  # fmt: skip
#: Of power, and how far below its loudest a clip is heard, in dB.
FLOOR, RANGE = 1e-10, 120.0
#: Mel frames of a patch, which holds all bands.
PATCH = 4
#: What this project computes of what the family's code can.
UNDERSTOOD = {"patch_size": [MEL_BINS, PATCH], "patch_stride": [MEL_BINS, PATCH], "n_mels": MEL_BINS, "init_bn": True,
              "mlp_ratio": 4.0, "qkv_bias": True, "init_values": None, "pooling": "mean", "block_type": "Block",
              "attention_type": "Attention"}  # fmt: skip


@dataclass(frozen=True)
class DashengConfig:
    """Sizes; the defaults are those of ``mispeech/dasheng-base``. `target_length` is in mel frames."""

    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    target_length: int = 1012


class Attention(nn.Module):
    """Multi-head attention of all frames with all."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, dim) to the same shape."""
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two dense layers, four times as wide between."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, dim) to the same shape."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention and a feed-forward, each after a norm and added to what it was given."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = FeedForward(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, dim) to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    """A projection of each patch."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, dim, (MEL_BINS, PATCH), (MEL_BINS, PATCH))

    def forward(self, mel: Tensor) -> Tensor:
        """Map (batch, mel, frame) to (batch, dim, 1, frame / 4)."""
        return self.proj(mel[:, None])


class DashengModel(LayeredModel):
    """Mel, patches and blocks: all that hidden states need of a checkpoint."""

    sample_rate = SAMPLE_RATE
    frame_rate = SAMPLE_RATE / HOP / PATCH
    #: Three hops make the four frames of a patch.
    minimum_samples = HOP * (PATCH - 1)
    hann: Tensor
    filters: Tensor

    def __init__(self, config: DashengConfig) -> None:
        super().__init__()
        self.config = config
        self.depth, self.dim = config.depth, config.embed_dim
        # A centred frame more than there are hops.
        self.set_longest(config.target_length * HOP - 1)
        self.register_buffer("hann", torch.hann_window(N_FFT), persistent=False)
        self.register_buffer("filters", mel_filter_bank(MEL_BINS, N_FFT, SAMPLE_RATE), persistent=False)
        self.init_bn = nn.BatchNorm1d(MEL_BINS)
        self.patch_embed = PatchEmbedding(self.dim)
        self.time_pos_embed = nn.Parameter(0.02 * torch.randn(1, self.dim, 1, config.target_length // PATCH))
        self.freq_pos_embed = nn.Parameter(0.02 * torch.randn(1, self.dim, 1, 1))
        self.layers = nn.ModuleList(Block(self.dim, config.num_heads) for _ in range(self.depth))
        self.norm = nn.LayerNorm(self.dim, eps=1e-6)

    def decibels(self, waveforms: Tensor) -> Tensor:
        """Map (batch, samples) to mel bands (batch, mel, frame), in dB, float32."""
        with bfloat16_products(waveforms.device, allowed=False):
            spectrum = torch.stft(waveforms.float(), N_FFT, HOP, window=self.hann, return_complex=True)
            mel = self.filters.T @ (spectrum.real.square() + spectrum.imag.square())
        decibels = 10.0 * torch.log10(mel.clamp(min=FLOOR))
        # By the loudest of each clip, so that clips of a batch do not mix.
        return decibels.maximum(decibels.amax(dim=(1, 2), keepdim=True) - RANGE)

    def states(self, waveforms: Tensor, last: int) -> Iterator[Tensor]:
        """See `LayeredModel.states`; the very last is taken after the final norm."""
        self.refuse_longer(waveforms)
        patches = self.patch_embed(self.init_bn(self.decibels(waveforms)))
        x = (patches + self.time_pos_embed[..., : patches.shape[-1]] + self.freq_pos_embed).flatten(2).mT
        yield x
        for number, block in enumerate(self.layers[:last], start=1):
            x = block(x)
            yield self.norm(x) if number == len(self.layers) else x

    @property
    def blocks(self) -> nn.ModuleList:
        """See `LayeredModel.blocks`."""
        return self.layers

    def description(self) -> dict[str, Any]:
        """See `LayeredModel.description`."""
        return {"family": "dasheng", **asdict(self.config)}

    def official_name(self, layer: int) -> str:
        """See `LayeredModel.official_name`."""
        return "norm" if layer == self.depth else f"blocks[{layer - 1}]" if layer else "patch_embed + positions"


def build_dasheng(path: Path, written: dict[str, Any], *, weights: bool = True) -> DashengModel:
    """Make the model of a ``config.json``, with ``preprocessor_config.json`` and weights beside it, as on the hub.

    Raises
    ------
    ModelError
        If a file is missing or does not fit, or asks for what is not computed here.
    """
    sizes = setting(path, written, "encoder_kwargs", dict)
    refuse_others(path, sizes, UNDERSTOOD)
    refuse_others(*preprocessor_settings(path.parent), UNDERSTOOD_MEL)
    config = DashengConfig(**{name: setting(path, sizes, name, int) for name in asdict(DashengConfig())})
    if config.embed_dim % config.num_heads or config.depth > MOST_BLOCKS or config.target_length < PATCH:
        raise ModelError(f"{path}: {config} is no model: heads divide the width, and a patch is {PATCH} frames")
    model = DashengModel(config)
    if weights:
        # The authors' own package has its mel filters among the weights; they are those made here.
        load_part(model, path.parent, ["encoder."], newer_name, left_out="front_end.")
    return model


def newer_name(name: str) -> str:
    """Return what a tensor of a published file is called here."""
    return name.replace("init_bn.1.", "init_bn.").replace("blocks.", "layers.")
