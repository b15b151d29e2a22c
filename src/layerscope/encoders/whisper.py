"""Whisper's encoder, by the transformers library: log-mel of 30 s in, 50 Hz states out.

The network takes exactly 30 s; what is shorter is padded with silence. State 0 is what enters the first block, with
positions added.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from layerscope.encoders.fixed_length_model import FixedLengthModel
from layerscope.encoders.huggingface import library, load_part, own_settings, settings_of
from layerscope.encoders.model_files import read_json
from layerscope.errors import ModelError

__all__ = ["WhisperModel", "build_whisper"]

#: What stands before the encoder's names, with and without the head for transcription.
PREFIXES = ("model.encoder.", "encoder.")
#: Time is halved once, by the second convolution.
STRIDE = 2


class WhisperModel(FixedLengthModel):
    """The encoder with its own preprocessor.

    Parameters
    ----------
    network : nn.Module
        The library's encoder, with ``layers``.
    preprocessor : callable
        The library's feature extractor.
    config : dict
        As written in ``config.json``.
    """

    def __init__(self, network: nn.Module, preprocessor: Any, config: dict[str, Any]) -> None:
        hop = STRIDE * int(preprocessor.hop_length)
        super().__init__(network, preprocessor, config, int(config["max_source_positions"]) * hop)
        self.hop = hop
        self.frame_rate = self.sample_rate / self.hop
        self.minimum_samples = int(preprocessor.n_fft)
        self.dim = config["d_model"]
        self.depth = config["encoder_layers"]

    def heard(self, state: Tensor, samples: int) -> Tensor:
        """See `FixedLengthModel.heard`."""
        return state[:, : -(-samples // self.hop)]

    @property
    def blocks(self) -> nn.ModuleList:
        """See `LayeredModel.blocks`."""
        return cast(nn.ModuleList, self.network.layers)


def build_whisper(directory: Path, *, weights: bool = True) -> WhisperModel:
    """Read a directory with ``config.json``, ``preprocessor_config.json`` and weights.

    Raises
    ------
    ModelError
        If the library is not installed, or a file is missing or does not fit.
    """
    transformers = library()
    config = read_json(directory / "config.json")
    preprocessor = transformers.WhisperFeatureExtractor(**settings_of(directory))
    made = transformers.WhisperConfig(**own_settings(config))
    network: nn.Module = transformers.WhisperModel(made).encoder
    if weights:
        load_part(network, directory, PREFIXES)
    try:
        return WhisperModel(network, preprocessor, config)
    except KeyError as error:
        raise ModelError(f"{directory / 'config.json'}: {error} is missing") from error
