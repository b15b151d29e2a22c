"""The Audio Spectrogram Transformer (Gong et al. 2021), by the transformers library: patches of mel in, 10 Hz out.

The network takes exactly ten seconds or so; what is shorter is padded, as its own preprocessor does, and the patches of
the padding are left out. A frame is the mean of the patches at its time; the two class tokens, which stand at no time,
are left out as well. State 0 is what enters the first block, with positions added.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from layerscope.encoders.huggingface import FixedLengthModel, build_network, build_preprocessor, load_part

__all__ = ["AudioSpectrogramModel", "build_audio_spectrogram"]

#: Before the encoder's names in a classifier's checkpoint; a file of the encoder alone has none.
PREFIX = "audio_spectrogram_transformer."
#: The names of published files, and those that the library gave its modules in version 5.
NEWER_NAMES = (
    (r"^encoder\.layer\.(\d+)\.", r"layers.\1."),
    (r"\.attention\.attention\.(query|key|value)\.", lambda found: f".attention.{found[1][0]}_proj."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(layers\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
)
#: AST begins from a distilled DeiT: a class and a distillation token come before the patches.
CLASS_TOKENS = 2
#: Samples of a mel frame and between two (25 and 10 ms), which the library's preprocessor does not let one choose.
FRAME, HOP = 400, 160


class AudioSpectrogramModel(FixedLengthModel):
    """The network with its own preprocessor; see `FixedLengthModel`."""

    def __init__(self, network: nn.Module, config: dict[str, Any], preprocessor: Any) -> None:
        sizes: Any = network.config
        super().__init__(network, config, preprocessor, FRAME + HOP * (int(sizes.max_length) - 1))
        self.patch, self.stride = int(sizes.patch_size), int(sizes.time_stride)
        # Patches overlap and nothing is padded, so that the bands left over at the top stand in no row.
        self.rows = (int(sizes.num_mel_bins) - self.patch) // int(sizes.frequency_stride) + 1
        self.frame_rate = self.sample_rate / HOP / self.stride
        # Of anything shorter not even the first patch would be all sound.
        self.minimum_samples = FRAME + HOP * (self.patch - 1)

    def heard(self, state: Tensor, samples: int) -> Tensor:
        """See `FixedLengthModel.heard`; a frame is the mean of the patches at its time."""
        # Mel frames are not centred: one that reaches beyond the sound has heard padding and is left out.
        frames = ((samples - FRAME) // HOP + 1 - self.patch) // self.stride + 1
        # Patches are flattened with frequency outermost, time running fastest.
        return state[:, CLASS_TOKENS:].unflatten(1, (self.rows, -1)).mean(dim=1)[:, :frames]

    @property
    def blocks(self) -> nn.ModuleList:
        """See `LayeredModel.blocks`."""
        # Version 4 of the library keeps the blocks in `encoder.layer`, version 5 in `layers`.
        older = getattr(self.network, "encoder", None)
        return cast(nn.ModuleList, self.network.layers if older is None else older.layer)


def build_audio_spectrogram(path: Path, config: dict[str, Any], *, weights: bool = True) -> AudioSpectrogramModel:
    """Make the model of a ``config.json``, with ``preprocessor_config.json`` and weights beside it.

    Raises
    ------
    ModelError
        If the library is not installed, or a file is missing or does not fit.
    """
    preprocessor = build_preprocessor("ASTFeatureExtractor", path.parent)
    network = build_network(path, "ASTConfig", "ASTModel", config)
    if weights:
        # Version 4 of the library still calls its modules as the published files do.
        load_part(network, path.parent, [PREFIX], newer_name if hasattr(network, "layers") else str)
    return AudioSpectrogramModel(network, config, preprocessor)


def newer_name(name: str) -> str:
    """Return what version 5 of the library calls a tensor of a published file."""
    for older, newer in NEWER_NAMES:
        name = re.sub(older, newer, name)
    return name
