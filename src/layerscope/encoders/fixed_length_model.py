"""Encoders of the transformers library that take exactly one length, with the preprocessor that brings audio to it.

What is shorter is padded, as the preprocessor does, and the states of the padding are cut off again, so that they enter
no mean.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from layerscope.encoders.encoder import LayeredModel
from layerscope.encoders.huggingface import hooked_states
from layerscope.errors import ModelError

__all__ = ["FixedLengthModel"]


class FixedLengthModel(LayeredModel):
    """A network with its own preprocessor.

    Parameters
    ----------
    network : nn.Module
        The library's module.
    preprocessor : callable
        The library's feature extractor.
    config : dict
        As written in ``config.json``.
    longest : int
        Samples that the network takes.
    """

    def __init__(self, network: nn.Module, preprocessor: Any, config: dict[str, Any], longest: int) -> None:
        super().__init__()
        self.network = network
        self.preprocessor = preprocessor
        self.config = config
        self.longest = longest
        self.sample_rate = int(preprocessor.sampling_rate)
        # Windows may be longer by a tenth, so that no sliver is left over.
        self.window = longest / self.sample_rate / 1.1

    @abstractmethod
    def heard(self, state: Tensor, samples: int) -> Tensor:
        """Return the frames of a state that stand for the first so many samples, and not for padding."""

    def states(self, waveforms: Tensor, last: int) -> Iterator[Tensor]:
        """See `LayeredModel.states`."""
        samples = waveforms.shape[1]
        if samples > self.longest:
            raise ModelError(
                f"this model takes {self.longest / self.sample_rate:g} s at most, not "
                f"{samples / self.sample_rate:.2f} s; choose a shorter --window"
            )
        prepared = self.preprocessor(list(waveforms.cpu().numpy()), sampling_rate=self.sample_rate, return_tensors="pt")
        features = prepared[self.network.main_input_name].to(waveforms.device, torch.float32)
        for state in hooked_states(lambda: self.network(features).last_hidden_state, self.blocks, last):
            yield self.heard(state, samples)

    def preprocessor_config(self) -> dict[str, Any]:
        """Return what ``preprocessor_config.json`` says."""
        told: dict[str, Any] = self.preprocessor.to_dict()
        return {key: value for key, value in told.items() if key not in ("mel_filters", "window")}

    def description(self) -> dict[str, Any]:
        """See `LayeredModel.description`."""
        return {**self.config, "preprocessor": self.preprocessor_config(), "transformers": version("transformers")}
