"""Encoders of neural codecs, EnCodec and DAC, by the transformers library: convolutions on the waveform, no attention.

State 0 is the output of the first convolution, at the rate of the waveform; state k that of stage k, which has fewer
and wider frames; then, in EnCodec, that of its recurrent layers; the last is what the codec quantizes. No codebook is
read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import mul
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from layerscope.encoders.huggingface import LibraryModel, build_network, load_part, newer_name
from layerscope.encoders.state_dicts import refuse_others

__all__ = ["CodecModel", "build_dac", "build_encodec"]

#: What a codec is given here: one channel, at its own loudness, a window as a whole. EnCodec at 48 kHz takes others.
ENCODEC_INPUT = {"audio_channels": 1, "normalize": False, "chunk_length_s": None}


class CodecModel(LibraryModel):
    """The stages of a codec's encoder, one after the other.

    Parameters
    ----------
    config : dict
        As written in ``config.json``.
    stages : sequence of sequence of (str, nn.Module)
        What makes state 0, 1, … of the one before, (batch, width, frame), under the names of its authors.
    widths, strides : sequence of int
        Width of a frame of each state, and how many frames of the one before make one.
    sample_rate : int
        Hz.
    multiple : int
        To a multiple of so many samples a waveform is padded with silence, as the family's preprocessor does.
    """

    def __init__(
        self,
        config: dict[str, Any],
        stages: Sequence[Sequence[tuple[str, nn.Module]]],
        widths: Sequence[int],
        strides: Sequence[int],
        sample_rate: int,
        multiple: int,
    ) -> None:
        front, *others = (nn.Sequential(*(module for _, module in stage)) for stage in stages)
        super().__init__(front, config, {})
        self.stages = nn.ModuleList(others)
        self.names = [stage[-1][0] for stage in stages]
        self.depth, self.dim, self.multiple = len(others), widths[-1], multiple
        self.widths = tuple(widths)
        #: Samples that one frame of each state stands for.
        self.hops = list(accumulate(strides, mul))
        self.sample_rate, self.frame_rate = sample_rate, sample_rate / self.hops[-1]
        self.frame_rates = tuple(sample_rate / hop for hop in self.hops)
        self.minimum_samples = self.hops[-1]

    def states(self, waveforms: Tensor, last: int) -> Iterator[Tensor]:
        """See `LayeredModel.states`."""
        samples = waveforms.shape[1]
        maps = nn.functional.pad(waveforms[:, None], (0, -samples % self.multiple))
        for stage, hop in zip([self.network, *self.stages][: last + 1], self.hops, strict=False):
            maps = stage(maps)
            # Rounded up: a frame that hears any of the sound counts, one of padding alone does not.
            yield maps[..., : -(-samples // hop)].mT

    @property
    def blocks(self) -> nn.ModuleList:
        """See `LayeredModel.blocks`."""
        return self.stages

    def official_name(self, layer: int) -> str:
        """See `LayeredModel.official_name`."""
        return self.names[layer]


def build_encodec(path: Path, config: dict[str, Any], *, weights: bool = True) -> CodecModel:
    """Make the model of EnCodec's ``config.json``, with weights beside it.

    Raises
    ------
    ModelError
        If the library is not installed, or a file is missing, does not fit, or asks for two channels or chunks.
    """
    refuse_others(path, config, ENCODEC_INPUT)
    model: Any = build_network(path, "EncodecConfig", "EncodecModel", config)
    encoder, sizes = model.encoder, model.config
    if weights:
        load_part(encoder, path.parent, ["encoder."], newer_name)
    strides = [1, *reversed(sizes.upsampling_ratios), 1, 1]
    # A stage is its residual units, an activation and the convolution that halves time.
    lengths = [1, *[sizes.num_residual_layers + 2] * len(sizes.upsampling_ratios), 1, 2]
    named = iter([(f"encoder.layers[{number}]", layer) for number, layer in enumerate(encoder.layers)])
    stages = [[next(named) for _ in range(length)] for length in lengths]
    widths = [sizes.num_filters * 2**number for number in range(len(strides) - 2)]
    return CodecModel(config, stages, [*widths, widths[-1], sizes.hidden_size], strides, sizes.sampling_rate, 1)


def build_dac(path: Path, config: dict[str, Any], *, weights: bool = True) -> CodecModel:
    """Make the model of DAC's ``config.json`` in the transformers library's layout, with weights beside it.

    Raises
    ------
    ModelError
        If the library is not installed, or a file is missing or does not fit.
    """
    model: Any = build_network(path, "DacConfig", "DacModel", config)
    encoder, sizes = model.encoder, model.config
    if weights:
        load_part(encoder, path.parent, ["encoder."])
    blocks = [[(f"encoder.block[{number}]", block)] for number, block in enumerate(encoder.block)]
    stages = [[("encoder.conv1", encoder.conv1)], *blocks]
    stages += [[("encoder.snake1", encoder.snake1), ("encoder.conv2", encoder.conv2)]]
    widths = [sizes.encoder_hidden_size * 2**number for number in range(len(blocks) + 1)]
    strides = [1, *sizes.downsampling_ratios, 1]
    return CodecModel(config, stages, [*widths, sizes.hidden_size], strides, sizes.sampling_rate, int(sizes.hop_length))
