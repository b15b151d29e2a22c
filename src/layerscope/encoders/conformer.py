"""The conformer of MuQ and MusicFM, which are one architecture: mel, convolutions by 4 in time, conformer blocks.

Module names follow the published checkpoints, so that a state dict fits without renaming. The architecture is
that of Gulati et al. 2020 (Conformer) with rotary positions applied to the hidden vector before the query and
key projections, as in the wav2vec2-conformer that both models were trained with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerscope.encoders import winograd
from layerscope.encoders.encoder import LayeredModel, source_digest
from layerscope.encoders.mel import HOP, MEL_BINS, N_FFT, SAMPLE_RATE, MelSpectrogram

__all__ = ["BlockSizes", "ConformerBlock", "ConformerConfig", "ConformerModel", "rotary_angles", "rotary_frequencies"]


@dataclass(frozen=True)
class BlockSizes:
    """Sizes of a block; the defaults are those of the published models."""

    dim: int = 1024
    heads: int = 16
    feedforward: int = 4096
    kernel: int = 31


@dataclass(frozen=True)
class ConformerConfig(BlockSizes):
    """Sizes and constants of a MuQ or MusicFM encoder; the defaults are those of the published models."""

    depth: int = 12
    channels: int = 512
    # In dB, of the Million Song Dataset: MusicFM's msd_stats.json, which MuQ's config.json repeats.
    mel_mean: float = 6.768444971712967
    mel_std: float = 18.417922652295623


class ResidualConvolution(nn.Module):
    """A residual 2-D block that halves frequency and time."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(outputs)
        # The shortcut is convolved as well, because the main path has another shape than its input.
        self.conv3 = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.bn3 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, inputs, mel, frame) to (batch, outputs, mel / 2, frame / 2)."""
        # In place, as below: a map of 30 s has 200 MB, and to ask the system for as much takes longer than to add.
        main = convolve_and_norm(F.relu_(convolve_and_norm(x, self.conv1, self.bn1)), self.conv2, self.bn2)
        return F.relu_(main.add_(convolve_and_norm(x, self.conv3, self.bn3)))


def convolve_and_norm(maps: Tensor, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
    """Map (batch, inputs, mel, frame) to (batch, outputs, mel, frame), or half of the last two by the stride."""
    if norm.training:
        return norm(convolution(maps))
    kernels, bias = fused(convolution, norm)
    if convolution.stride == (1, 1) and winograd.pays(maps, kernels):
        return winograd.convolve(maps, kernels, bias)
    return F.conv2d(maps, kernels, bias, convolution.stride, convolution.padding)


def fused(convolution: nn.Conv1d | nn.Conv2d, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return kernels and bias with which the convolution alone does what it and the norm after it do."""
    # At every call, which costs a hundredth of the convolution: so the module's own weights stay the published ones.
    statistics = dict(norm.named_buffers())
    scale = norm.weight * torch.rsqrt(statistics["running_var"] + norm.eps)
    mean = statistics["running_mean"] - (0 if convolution.bias is None else convolution.bias)
    shape = (-1,) + (1,) * (convolution.weight.ndim - 1)
    return convolution.weight * scale.view(shape), norm.bias - mean * scale


class Subsampling(nn.Module):
    """Two residual blocks and a projection: 100 Hz mel to 25 Hz frames."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            ResidualConvolution(1, config.channels), ResidualConvolution(config.channels, config.channels)
        )
        # Two halvings leave a quarter of the bands.
        self.linear = nn.Linear(config.channels * MEL_BINS // 4, config.dim)

    def forward(self, mel: Tensor) -> Tensor:
        """Map (batch, mel, frame) to (batch, frame / 4, dim)."""
        # With channels last in memory, which processors convolve faster, in bfloat16 above all.
        maps = self.conv(mel[:, None].to(memory_format=torch.channels_last))
        # Channels before bands: the order in which the published projection reads them.
        return self.linear(maps.permute(0, 3, 1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two dense layers with a swish between."""

    activation: Callable[[Tensor], Tensor] = staticmethod(F.silu)

    def __init__(self, config: BlockSizes) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(config.dim, config.feedforward)
        self.output_dense = nn.Linear(config.feedforward, config.dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, dim) to the same shape."""
        return self.output_dense(self.activation(self.intermediate_dense(x)))


class SelfAttention(nn.Module):
    """Multi-head attention; the rotation reaches queries and keys through the hidden vector."""

    def __init__(self, config: BlockSizes) -> None:
        super().__init__()
        self.heads = config.heads
        self.linear_q = nn.Linear(config.dim, config.dim)
        self.linear_k = nn.Linear(config.dim, config.dim)
        self.linear_v = nn.Linear(config.dim, config.dim)
        self.linear_out = nn.Linear(config.dim, config.dim)

    def split(self, x: Tensor) -> Tensor:
        """Map (batch, frame, dim) to (batch, frame, head, dim / heads)."""
        return x.unflatten(-1, (self.heads, -1))

    def queries_and_keys(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return both, each (batch, frame, head, dim / heads)."""
        # As in transformers' wav2vec2-conformer; most rotary models rotate after the projection instead.
        rotated = rotate(self.split(x), rotation).flatten(-2)
        return self.split(self.linear_q(rotated)), self.split(self.linear_k(rotated))

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """Map (batch, frame, dim) to the same shape; `rotation` holds cosine and sine, (frame, 1, dim / heads)."""
        query, key = self.queries_and_keys(x, rotation)
        # Positions belong to where one looks, not to what is found there: the value is not rotated.
        value = self.split(self.linear_v(x))
        # No mask: the published models are given none, and nothing here is padded.
        mixed = F.scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
        return self.linear_out(mixed.transpose(1, 2).flatten(-2))


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate pairs of halves by position (Su et al. 2021, eq. 34, half-split form)."""
    cosine, sine = rotation
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-second, first], dim=-1) * sine


class ConvolutionModule(nn.Module):
    """Pointwise, gated, depthwise over time, norm, pointwise."""

    def __init__(self, config: BlockSizes) -> None:
        super().__init__()
        dim = config.dim
        self.layer_norm = nn.LayerNorm(dim)
        # Twice the width, of which the gated linear unit takes half.
        self.pointwise_conv1 = nn.Conv1d(dim, 2 * dim, 1, bias=False)
        self.depthwise_conv = nn.Conv1d(dim, dim, config.kernel, padding="same", groups=dim, bias=False)
        self.batch_norm = nn.BatchNorm1d(dim)
        self.pointwise_conv2 = nn.Conv1d(dim, dim, 1, bias=False)

    def mix_frames(self, x: Tensor) -> Tensor:
        """Convolve (batch, frame, dim) over time, normalise, and apply a swish."""
        if self.batch_norm.training:
            convolved = depthwise(x, self.depthwise_conv.weight)
            return F.silu(self.batch_norm(convolved.transpose(1, 2)).transpose(1, 2))
        return F.silu(depthwise(x, *fused(self.depthwise_conv, self.batch_norm)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frame, dim) to the same shape."""
        # A pointwise convolution is a dense layer of each frame, and needs no transposed copy as one.
        gated = F.glu(F.linear(self.layer_norm(x), self.pointwise_conv1.weight[..., 0]), dim=-1)
        return F.linear(self.mix_frames(gated), self.pointwise_conv2.weight[..., 0])


def depthwise(x: Tensor, kernels: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve each channel of (batch, frame, dim) over time by kernels (dim, 1, length); frames stay as many."""
    # As an image of height one, channels last as they lie in memory: a convolution of one axis is many times slower.
    image = x.transpose(1, 2)[:, :, None]
    convolved = F.conv2d(image, kernels[:, :, None], bias, padding="same", groups=len(kernels))
    return convolved[:, :, 0].transpose(1, 2)


class ConformerBlock(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward, norm."""

    feed_forward: type[FeedForward] = FeedForward
    attention: type[SelfAttention] = SelfAttention
    convolution: type[ConvolutionModule] = ConvolutionModule

    def __init__(self, config: BlockSizes) -> None:
        super().__init__()
        self.ffn1_layer_norm = nn.LayerNorm(config.dim)
        self.ffn1 = self.feed_forward(config)
        self.self_attn_layer_norm = nn.LayerNorm(config.dim)
        self.self_attn = self.attention(config)
        self.conv_module = self.convolution(config)
        self.ffn2_layer_norm = nn.LayerNorm(config.dim)
        self.ffn2 = self.feed_forward(config)
        self.final_layer_norm = nn.LayerNorm(config.dim)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """Map (batch, frame, dim) to the same shape."""
        # Half a step for each of two feed-forwards (Gulati et al. 2020, section 2.4, after Macaron-Net).
        x = torch.add(x, self.ffn1(self.ffn1_layer_norm(x)), alpha=0.5)
        x = x + self.self_attn(self.self_attn_layer_norm(x), rotation)
        x = x + self.conv_module(x)
        x = torch.add(x, self.ffn2(self.ffn2_layer_norm(x)), alpha=0.5)
        return self.final_layer_norm(x)


class RotaryPositions(nn.Module):
    """Angles of the rotary embedding, base 10000."""

    inv_freq: Tensor

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        # In the state dict, because the published files hold it.
        self.register_buffer("inv_freq", rotary_frequencies(config.dim // config.heads))

    def forward(self, frames: int) -> tuple[Tensor, Tensor]:
        """Return cosine and sine, each (frames, 1, dim / heads)."""
        return rotary_angles(self.inv_freq, frames)


def rotary_angles(frequencies: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of positions times frequencies, both halves alike, each (frames, 1, 2 * frequencies)."""
    positions = torch.arange(frames, device=frequencies.device, dtype=frequencies.dtype)
    # Once more for the second half of a head: `rotate` turns the pair of a place in either half.
    angles = torch.outer(positions, frequencies).repeat(1, 2)[:, None]
    if angles.device.type == "cpu":
        # Of single precision, torch's threaded cosine is now and then off by 1e-4 at a process's first call; rounded
        # from double precision it is the same in every process.
        return angles.double().cos().to(angles), angles.double().sin().to(angles)
    return angles.cos(), angles.sin()


def rotary_frequencies(width: int) -> Tensor:
    """Return the frequencies of a rotary embedding, base 10000, for heads of a width: (width / 2,)."""
    # Su et al. 2021, section 3.2.2.
    return 10000.0 ** -(torch.arange(0, width, 2).float() / width)


class Conformer(nn.Module):
    """The stack of blocks."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.embed_positions = RotaryPositions(config)
        self.layers = nn.ModuleList(ConformerBlock(config) for _ in range(config.depth))
        self.layer_norm = nn.LayerNorm(config.dim)

    def states(self, x: Tensor, last: int) -> Iterator[Tensor]:
        """Yield states 0 … `last`; state 0 is `x`, and the model's very last is taken after the final norm."""
        yield x
        # Alike for all blocks.
        rotation = self.embed_positions(x.shape[1])
        for number, block in enumerate(self.layers[:last], start=1):
            x = block(x, rotation)
            # As published: the last block's own output is never returned, only what the encoder's norm makes of it.
            yield self.layer_norm(x) if number == len(self.layers) else x


class ConformerModel(LayeredModel):
    """Mel, subsampling and conformer: all that hidden states need of a MuQ or MusicFM checkpoint."""

    sample_rate = SAMPLE_RATE
    frame_rate = SAMPLE_RATE / HOP / 4
    minimum_samples = N_FFT // 2 + 1  # reflect padding needs one sample more than it mirrors

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.config = config
        self.depth, self.dim = config.depth, config.dim
        self.mel = MelSpectrogram()
        self.conv = Subsampling(config)
        self.conformer = Conformer(config)

    def states(self, waveforms: Tensor, last: int) -> Iterator[Tensor]:
        """See `LayeredModel.states`; the very last is taken after the final norm."""
        # One mean and deviation for all bands; a clip's own loudness stays, as in both published models.
        mel = (self.mel(waveforms) - self.config.mel_mean) / self.config.mel_std
        return self.conformer.states(self.conv(mel), last)

    @property
    def blocks(self) -> nn.ModuleList:
        """See `LayeredModel.blocks`."""
        return self.conformer.layers

    def description(self) -> dict[str, Any]:
        """See `LayeredModel.description`."""
        # Its source is not among those that the fingerprint of every network holds.
        return {"family": "conformer", "winograd": source_digest(winograd.__name__), **asdict(self.config)}
