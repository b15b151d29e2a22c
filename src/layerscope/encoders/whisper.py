"""Whisper's encoder, by the transformers library: log-mel of 30 s in, 50 Hz states out.

The network takes exactly 30 s; what is shorter is padded with silence, as its own preprocessor does, and the states of
the padding are cut off again, so that they enter no mean. State 0 is what enters the first block, with positions added.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from layerscope.encoders.base import LayeredModel
from layerscope.encoders.files import read_json
from layerscope.encoders.huggingface import hooked_states, library, load_part, own_settings, settings_of
from layerscope.errors import ModelError

__all__ = ["WhisperModel", "build_whisper"]

#: What stands before the encoder's names, with and without the head for transcription.
PREFIXES = ("model.encoder.", "encoder.")
#: Time is halved once, by the second convolution.
STRIDE = 2


class WhisperModel(LayeredModel):
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
        super().__init__()
        self.network = network
        self.preprocessor = preprocessor
        self.config = config
        self.sample_rate = int(preprocessor.sampling_rate)
        self.hop = STRIDE * int(preprocessor.hop_length)
        self.frame_rate = self.sample_rate / self.hop
        self.minimum_samples = int(preprocessor.n_fft)
        self.longest = int(config["max_source_positions"]) * self.hop
        # Windows may be longer by a tenth, so that no sliver is left over.
        self.window = self.longest / self.sample_rate / 1.1
        self.dim = config["d_model"]
        self.depth = config["encoder_layers"]

    def states(self, waveforms: Tensor, last: int) -> Iterator[Tensor]:
        """See `LayeredModel.states`."""
        samples = waveforms.shape[1]
        if samples > self.longest:
            raise ModelError(
                f"Whisper takes {self.longest / self.sample_rate:g} s at most, not {samples / self.sample_rate:.2f} s; "
                "choose a shorter --window"
            )
        prepared = self.preprocessor(
            list(waveforms.cpu().numpy()), sampling_rate=self.sample_rate, return_tensors="pt", padding="max_length"
        )
        features = prepared["input_features"].to(waveforms.device, torch.float32)
        frames = -(-samples // self.hop)
        for state in hooked_states(
            lambda: self.network(features).last_hidden_state,
            self.blocks,
            last,
        ):
            yield state[:, :frames]

    @property
    def blocks(self) -> nn.ModuleList:
        """See `LayeredModel.blocks`."""
        return cast(nn.ModuleList, self.network.layers)

    def preprocessor_config(self) -> dict[str, Any]:
        """Return what ``preprocessor_config.json`` says."""
        told: dict[str, Any] = self.preprocessor.to_dict()
        return told

    def description(self) -> dict[str, Any]:
        """See `LayeredModel.description`."""
        return {**self.config, "preprocessor": self.preprocessor.to_dict(), "transformers": version("transformers")}


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
