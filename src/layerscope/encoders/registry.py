"""From a name, a directory or a file to an encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from layerscope.encoders.base import Encoder, LayeredEncoder, LayeredModel, parse_layers
from layerscope.encoders.baselines import BASELINES, Baseline
from layerscope.encoders.checkpoint import build_model, read_checkpoint
from layerscope.encoders.conformer import ConformerConfig, ConformerModel
from layerscope.encoders.download import fetch_file, find_file
from layerscope.encoders.files import read_json
from layerscope.encoders.mert2 import Mert2Config, Mert2Model, build_mert2, read_mert2
from layerscope.errors import ModelError, unknown

__all__ = ["MODELS", "PublishedModel", "load_encoder"]

RANDOM = "random:"


@dataclass(frozen=True)
class PublishedModel:
    """A model on the hub, pinned.

    Attributes
    ----------
    repository, revision : str
        Where on the hub, and the commit.
    weights, settings : str
        The two files it consists of.
    sha256 : str
        Of the weights file.
    licence : str
        Of the weights.
    config : ConformerConfig
        Sizes, known without its files.
    parameters : float
        In millions.
    """

    repository: str
    revision: str
    weights: str
    settings: str
    sha256: str
    licence: str
    config: ConformerConfig
    parameters: float

    def cached(self) -> bool:
        """Return whether the weights are already on disk."""
        return find_file(self.repository, self.revision, self.weights) is not None


MUSICFM_REVISION = "4513b38bc25ad1d227b1980819b9691ba97f4d87"
MODELS: dict[str, PublishedModel] = {
    "muq": PublishedModel(
        repository="OpenMuQ/MuQ-large-msd-iter",
        revision="0562a57814f6f8bbd9fdea0a25921a2fce1a841a",
        weights="model.safetensors",
        settings="config.json",
        sha256="273febab2be02872c37d2c37e48a9d6c52c1c9392f3eeeabd498efa281ccb7a6",
        licence="CC BY-NC 4.0 (non-commercial)",
        config=ConformerConfig(),
        parameters=333,
    ),
    "musicfm": PublishedModel(
        repository="minzwon/MusicFM",
        revision=MUSICFM_REVISION,
        weights="pretrained_msd.pt",
        settings="msd_stats.json",
        sha256="218b483a0256ddef736267425fabb166fd97008983696bb9270def464b47bded",
        licence="MIT",
        config=ConformerConfig(),
        parameters=329,
    ),
    "musicfm-fma": PublishedModel(
        repository="minzwon/MusicFM",
        revision=MUSICFM_REVISION,
        weights="pretrained_fma.pt",
        settings="fma_stats.json",
        sha256="68392eee13d34c2941b3761934abb6b1e67b2e9df498695bda2ea5c1087d4b96",
        licence="MIT",
        config=ConformerConfig(),
        parameters=329,
    ),
}


Config = ConformerConfig | Mert2Config
#: Sizes that exist untrained only, for demonstrations: ``random:small``.
UNTRAINED_SIZES = {"small": ConformerConfig(dim=64, depth=4, heads=4, feedforward=128, channels=16)}


def load_encoder(
    name: str | Path,
    *,
    layers: str | None = None,
    num_heads: int | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Encoder:
    """Return an encoder.

    Parameters
    ----------
    name : str or Path
        A published model (``layerscope ls models``), a baseline (``layerscope ls baselines``), a directory or
        file in the layout of MuQ, MusicFM or MERT-v2, or any of the models after ``random:`` for its untrained twin
        (``random:small`` is one of 4 layers of 64).
    layers : str, optional
        Layers to return, such as ``"0-5"``; nothing after the last of them is computed. All by default.
    num_heads : int, optional
        Attention heads, where the files do not say.
    seed : int
        Of the weights of an untrained twin.
    device : str
        ``"auto"`` takes a GPU where there is one.

    Raises
    ------
    UsageError
        For an unknown name or layer.
    ModelError
        For files that cannot be fetched, read or understood.

    Examples
    --------
    >>> encoder = load_encoder("random:muq", layers="0-2")      # doctest: +SKIP
    >>> encoder.encode(torch.zeros(1, 24000)).shape             # doctest: +SKIP
    torch.Size([1, 3, 25, 1024])
    """
    text = str(name)
    if text in BASELINES:
        return Baseline(text)
    untrained = text.startswith(RANDOM)
    source = text.removeprefix(RANDOM)
    config, build = blueprint(source, untrained, num_heads)
    known = source in MODELS or source in UNTRAINED_SIZES
    return LayeredEncoder(
        empty_model(config, seed) if untrained else build(),
        name=(RANDOM if untrained else "") + (source if known else Path(source).resolve().name),
        layers=parse_layers(layers, config.depth) if layers else None,
        untrained=untrained,
        device=("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device,
    )


def blueprint(source: str, untrained: bool, num_heads: int | None) -> tuple[Config, Callable[[], LayeredModel]]:
    """Return the sizes of a model, and how to make it with its weights; nothing is fetched for an untrained one."""
    if untrained and (source in MODELS or source in UNTRAINED_SIZES):
        config = MODELS[source].config if source in MODELS else UNTRAINED_SIZES[source]
        return config, lambda: empty_model(config, 0)
    path = fetch(MODELS[source]) if source in MODELS else local(source)
    settings = path / "config.json"
    model_type = read_json(settings).get("model_type") if settings.is_file() else None
    if model_type == "mert2":
        mert2, tensors = read_mert2(path)
        return mert2, lambda: build_mert2(mert2, tensors, path)
    if model_type is not None:
        raise ModelError(
            f"{settings}: model_type '{model_type}' is not understood; "
            "layerscope reads the layouts of MuQ, MusicFM and MERT-v2"
        )
    checkpoint = read_checkpoint(path, num_heads)
    return checkpoint.config, lambda: build_model(checkpoint)


def empty_model(config: Config, seed: int) -> LayeredModel:
    """Return a model with PyTorch's initial weights drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ConformerModel(config) if isinstance(config, ConformerConfig) else Mert2Model(config)


def local(source: str) -> Path:
    """Return the path of a local model, or say that the name is neither that nor known."""
    path = Path(source).expanduser()
    if path.exists():
        return path
    raise unknown("model", source, [*MODELS, *BASELINES], hint="(nor is it a directory or file here)")


def fetch(model: PublishedModel) -> Path:
    """Return the weights file of a published model, its settings beside it, downloaded where they are not on disk."""
    fetch_file(model.repository, model.revision, model.settings)
    return fetch_file(model.repository, model.revision, model.weights, model.sha256)
