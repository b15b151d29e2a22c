"""From a name, a directory or a file to an encoder."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch

from layerscope.encoders.audio_spectrogram import build_audio_spectrogram
from layerscope.encoders.conformer import ConformerConfig, ConformerModel
from layerscope.encoders.conformer_checkpoint import build_model, read_checkpoint
from layerscope.encoders.download import fetch_file, fetch_repository, find_file
from layerscope.encoders.encoder import Encoder, LayeredEncoder, LayeredModel, parse_layers
from layerscope.encoders.huggingface import FAMILIES, build_huggingface
from layerscope.encoders.mert2 import Mert2Model, build_mert2, read_mert2
from layerscope.encoders.model_files import read_json
from layerscope.encoders.own_encoder import installed_encoders, load_custom
from layerscope.encoders.plain_features import BASELINES, Baseline
from layerscope.encoders.states_on_disk import FEATURES, Precomputed
from layerscope.encoders.whisper import build_whisper
from layerscope.errors import ModelError, unknown

__all__ = [
    "HUB",
    "MODELS",
    "PACKAGED",
    "RANDOM",
    "PublishedModel",
    "load_encoder",
    "packaged",
    "pinned",
    "result_name",
]

RANDOM = "random:"
HUB = "hf:"


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


#: Encoders that come with the package, pretrained on its own music: name → parameters in millions.
PACKAGED = {"toy-muq": 4.8, "toy-musicfm": 4.1}


def packaged(name: str) -> Path:
    """Return the directory of an encoder that comes with the package."""
    return Path(str(files("layerscope.encoders") / "weights" / name))


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
        A published model or one that comes with the package (``layerscope ls models``), a baseline (``layerscope ls
        baselines``), a directory or file in the layout of MuQ, MusicFM, MERT or the transformers library,
        ``hf:owner/name`` or ``hf:owner/name@revision`` for such a directory on the hub, ``package.module:factory`` or
        the name of an installed entry point for an encoder of your own, or any of the models after ``random:`` for
        its untrained twin (``random:small`` is one of 4 layers of 64). A directory with ``features.json`` holds
        states that are computed already (`Precomputed`).
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
    if (Path(text) / FEATURES).is_file():
        return Precomputed(Path(text))
    if text in installed_encoders() or (":" in text and not text.startswith((RANDOM, HUB)) and not Path(text).exists()):
        return load_custom(text)
    untrained = text.startswith(RANDOM)
    source = text.removeprefix(RANDOM)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make_model(source, num_heads, untrained=untrained)
    return LayeredEncoder(
        model,
        name=result_name(text),
        layers=parse_layers(layers, model.depth) if layers else None,
        untrained=untrained,
        device=("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device,
    )


def make_model(source: str, num_heads: int | None, *, untrained: bool) -> LayeredModel:
    """Make what a name, directory or file stands for; a published model is not fetched for its untrained twin."""
    if untrained and source in UNTRAINED_SIZES:
        return ConformerModel(UNTRAINED_SIZES[source])
    if untrained and source in MODELS:
        return ConformerModel(MODELS[source].config)
    if source.startswith(HUB):
        path = fetch_repository(source.removeprefix(HUB))
    elif source in PACKAGED:
        path = packaged(source)
    else:
        path = fetch(MODELS[source]) if source in MODELS else local(source)
    settings = path / "config.json"
    model_type = read_json(settings).get("model_type") if settings.is_file() else None
    if model_type in FAMILIES:
        return build_huggingface(path, weights=not untrained)
    if model_type == "whisper":
        return build_whisper(path, weights=not untrained)
    if model_type == "audio-spectrogram-transformer":
        return build_audio_spectrogram(path, weights=not untrained)
    if model_type == "mert2":
        mert2, tensors = read_mert2(path)
        return Mert2Model(mert2) if untrained else build_mert2(mert2, tensors, path)
    if model_type is not None:
        known = ", ".join(sorted(["audio-spectrogram-transformer", "mert2", "whisper", *FAMILIES]))
        raise ModelError(f"{settings}: model_type '{model_type}' is not understood; known: {known}")
    checkpoint = read_checkpoint(path, num_heads)
    return ConformerModel(checkpoint.config) if untrained else build_model(checkpoint)


def result_name(name: str) -> str:
    """Return what results call a model: its name, or that of its directory or repository."""
    if name.startswith(RANDOM):
        return RANDOM + result_name(name.removeprefix(RANDOM))
    if name in MODELS or name in PACKAGED or name in UNTRAINED_SIZES or name in BASELINES:
        return name
    return short_name(name)


def pinned(name: str) -> str:
    """Return a name that stands for the same weights everywhere and for ever, as far as there is one.

    A model on the hub is named with its commit; a directory by its whole path.
    """
    source = name.removeprefix(RANDOM)
    prefix = RANDOM if source != name else ""
    if source.startswith(HUB):
        return f"{prefix}{HUB}{source.removeprefix(HUB).partition('@')[0]}@{fetch_repository(source[3:]).name}"
    if source in (*MODELS, *PACKAGED, *UNTRAINED_SIZES) or not Path(source).exists():
        return name
    return prefix + str(Path(source).resolve())


def short_name(source: str) -> str:
    """Return what results call a model that is not among the published ones: its directory or repository."""
    if source.startswith(HUB):
        return source.removeprefix(HUB).partition("@")[0].rpartition("/")[2]
    return Path(source).resolve().name


def local(source: str) -> Path:
    """Return the path of a local model, or say that the name is neither that nor known."""
    path = Path(source).expanduser()
    if path.exists():
        return path
    raise unknown(
        "model",
        source,
        [*MODELS, *PACKAGED, *BASELINES, *installed_encoders()],
        hint="(nor is it a directory or file here)",
    )


def fetch(model: PublishedModel) -> Path:
    """Return the weights file of a published model, its settings beside it, downloaded where they are not on disk."""
    fetch_file(model.repository, model.revision, model.settings)
    return fetch_file(model.repository, model.revision, model.weights, model.sha256)
