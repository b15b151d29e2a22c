"""Whisper's encoder, by the transformers library: log-mel of 30 s in, 50 Hz states out.

The network takes exactly 30 s; what is shorter is padded with silence. State 0 is what enters the first block, with
positions added.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from layerscope.encoders.huggingface import FixedLengthModel, build_network, build_preprocessor, load_part

__all__ = ["WhisperModel", "build_whisper"]

#: What stands before the encoder's names, with and without the head for transcription.
PREFIXES = ("model.encoder.", "encoder.")
#: Time is halved once, by the second convolution.
STRIDE = 2


class WhisperModel(FixedLengthModel):
    """The encoder with its own preprocessor; see `FixedLengthModel`."""

    def __init__(self, network: nn.Module, config: dict[str, Any], preprocessor: Any) -> None:
        self.hop = STRIDE * int(preprocessor.hop_length)
        sizes: Any = network.config
        # The table of positions fixes the length: 1,500 of them at 50 Hz are 30 s.
        super().__init__(network, config, preprocessor, int(sizes.max_source_positions) * self.hop)
        self.frame_rate = self.sample_rate / self.hop
        self.minimum_samples = int(preprocessor.n_fft)

    def heard(self, state: Tensor, samples: int) -> Tensor:
        """See `FixedLengthModel.heard`."""
        # Rounded up: a frame that hears any of the sound counts.
        return state[:, : -(-samples // self.hop)]

    @property
    def blocks(self) -> nn.ModuleList:
        """See `LayeredModel.blocks`."""
        return cast(nn.ModuleList, self.network.layers)


def build_whisper(path: Path, config: dict[str, Any], *, weights: bool = True) -> WhisperModel:
    """Make the model of a ``config.json``, with ``preprocessor_config.json`` and weights beside it.

    Raises
    ------
    ModelError
        If the library is not installed, or a file is missing or does not fit.
    """
    preprocessor = build_preprocessor("WhisperFeatureExtractor", path.parent)
    # The decoder is never run, so that its weights need not be there.
    network = cast(nn.Module, build_network(path, "WhisperConfig", "WhisperModel", config).encoder)
    if weights:
        load_part(network, path.parent, PREFIXES)
    return WhisperModel(network, config, preprocessor)
