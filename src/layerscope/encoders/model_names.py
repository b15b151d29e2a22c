"""From a name, a directory or a file to an encoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from layerscope.atomic_files import read_json
from layerscope.encoders.audio_spectrogram import build_audio_spectrogram
from layerscope.encoders.checkpoint_paths import labelled
from layerscope.encoders.conformer import ConformerConfig, ConformerModel
from layerscope.encoders.conformer_checkpoint import build_model, read_checkpoint
from layerscope.encoders.download import fetch_repository
from layerscope.encoders.encoder import Encoder, LayeredEncoder, LayeredModel, parse_layers
from layerscope.encoders.huggingface import FAMILIES, build_waveform_model
from layerscope.encoders.mert2 import build_mert2
from layerscope.encoders.own_encoder import installed_encoders, load_custom
from layerscope.encoders.plain_features import BASELINES, Baseline
from layerscope.encoders.published_models import HUB, MODELS, PACKAGED, RANDOM, packaged
from layerscope.encoders.states_on_disk import FEATURES, Precomputed
from layerscope.encoders.whisper import build_whisper
from layerscope.errors import ModelError, UsageError, unknown

__all__ = [
    "build_from_directory",
    "load_encoder",
    "names_code",
    "pinned",
    "result_name",
    "stands_for_itself",
    "without_seed",
]

#: ``model_type`` of a configuration → what reads the directory; MuQ's and MusicFM's have none.
BUILDERS: dict[str, Callable[..., LayeredModel]] = {
    "audio-spectrogram-transformer": build_audio_spectrogram,
    "mert2": build_mert2,
    "whisper": build_whisper,
    **dict.fromkeys(FAMILIES, build_waveform_model),
}
#: Between the name of an untrained twin and the seed of its weights.
SEED = "#"
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
        Of the weights of an untrained twin, whose name ends in ``#`` and the seed where it is not 0.
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
    >>> encoder = load_encoder("toy-muq", layers="0-2")
    >>> encoder.encode(torch.zeros(1, 24_000)).shape
    torch.Size([1, 3, 25, 192])
    >>> load_encoder("random:small").layers
    (0, 1, 2, 3, 4)
    >>> load_encoder("hf:m-a-p/MERT-v1-95M", layers="0-6")      # doctest: +SKIP
    """
    text = str(name)
    if text in BASELINES:
        # A choice of layers is of those models that have several.
        return Baseline(text)
    if (Path(text) / FEATURES).is_file():
        return with_its_layers(Precomputed(Path(text)), layers)
    if names_code(text):
        return with_its_layers(load_custom(text), layers)
    untrained = text.startswith(RANDOM)
    source = labelled(text)[1].removeprefix(RANDOM)
    # On a fork, so that the caller's random numbers stay as they were.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make_model(source, num_heads, untrained=untrained)
    return LayeredEncoder(
        model,
        name=result_name(text) + (f"{SEED}{seed}" if untrained and seed else ""),
        layers=parse_layers(layers, model.depth) if layers else None,
        untrained=untrained,
        device=("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device,
    )


def with_its_layers(encoder: Encoder, layers: str | None) -> Encoder:
    """Return an encoder that has no blocks to leave out, or raise if other layers than it gives are asked for."""
    if layers and parse_layers(layers, encoder.layers[-1]) != encoder.layers:
        raise UsageError(
            f"layers '{layers}': {encoder.name} gives layers {', '.join(map(str, encoder.layers))} and no choice of "
            "them; leave --layers out, or study it by itself"
        )
    return encoder


def names_code(name: str) -> bool:
    """Return whether a name stands for an encoder of someone's own, whose loading runs code of theirs.

    Examples
    --------
    >>> names_code("my_package.encoders:make"), names_code("hf:m-a-p/MERT-v1-95M"), names_code("toy-muq")
    (True, False, False)
    """
    if name in installed_encoders():
        return True
    # A path may hold a colon too: what is on disk is no address of code.
    return ":" in name and not name.startswith((RANDOM, HUB)) and not Path(name).exists()


def stands_for_itself(name: str) -> bool:
    """Return whether a name is that of a model or plain feature, on the hub or of one's own, and no path.

    Examples
    --------
    >>> stands_for_itself("muq"), stands_for_itself("hf:m-a-p/MERT-v1-95M"), stands_for_itself("models/mine")
    (True, True, False)
    """
    known = (*MODELS, *PACKAGED, *UNTRAINED_SIZES, *BASELINES, *installed_encoders())
    return name in known or name.startswith(HUB)


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
        path = MODELS[source].fetch() if source in MODELS else local(source)
    # MuQ has a config.json as well, but without this key.
    if (path / "config.json").is_file() and "model_type" in read_json(path / "config.json", ModelError):
        return build_from_directory(path, weights=not untrained)
    checkpoint = read_checkpoint(path, num_heads)
    return ConformerModel(checkpoint.config) if untrained else build_model(checkpoint)


def build_from_directory(directory: Path, *, weights: bool = True) -> LayeredModel:
    """Return the model of a directory whose ``config.json`` names its type, without weights if they are not wanted."""
    path = directory / "config.json"
    model_type = read_json(path, ModelError).get("model_type")
    if not isinstance(model_type, str) or model_type not in BUILDERS:
        known = ", ".join(sorted(BUILDERS))
        raise ModelError(f"{path}: model_type '{model_type}' is not understood; known: {known}")
    return BUILDERS[model_type](directory, weights=weights)


def result_name(name: str) -> str:
    """Return what results call a model: its name, or that of its directory or repository.

    Examples
    --------
    >>> result_name("hf:m-a-p/MERT-v1-95M@main"), result_name("random:muq"), result_name("models/my-model/")
    ('MERT-v1-95M', 'random:muq', 'my-model')
    """
    label = labelled(name)[0]
    if label:
        return label
    if name.startswith(RANDOM):
        return RANDOM + result_name(name.removeprefix(RANDOM))
    if name in (*MODELS, *PACKAGED, *UNTRAINED_SIZES, *BASELINES):
        return name
    if name.startswith(HUB):
        return name.removeprefix(HUB).partition("@")[0].rpartition("/")[2]
    # Resolved, because `.` has no name of its own.
    return Path(name).resolve().name


def without_seed(name: str) -> str:
    """Return the name of an untrained twin, whichever draw of its weights results tell of.

    Examples
    --------
    >>> without_seed(load_encoder("random:small", seed=2).name), without_seed("random:small")
    ('random:small', 'random:small')
    """
    return name.partition(SEED)[0] if name.startswith(RANDOM) else name


def pinned(name: str) -> str:
    """Return a name that stands for the same weights everywhere and for ever, as far as there is one.

    A model on the hub is named with its commit; a directory by its whole path.
    """
    label, path = labelled(name)
    if label:
        return f"{label}={Path(path).resolve()}"
    source = name.removeprefix(RANDOM)
    prefix = RANDOM if source != name else ""
    if source.startswith(HUB):
        # A fetched directory is called by its commit.
        return f"{prefix}{HUB}{source.removeprefix(HUB).partition('@')[0]}@{fetch_repository(source[3:]).name}"
    if source in (*MODELS, *PACKAGED, *UNTRAINED_SIZES) or not Path(source).exists():
        return name
    return prefix + str(Path(source).resolve())


def local(source: str) -> Path:
    """Return the path of a local model, or say that the name is neither that nor known."""
    path = Path(source).expanduser()
    if path.exists():
        return path
    known = [*MODELS, *PACKAGED, *BASELINES, *installed_encoders()]
    raise unknown("model", source, known, hint="(nor is it a directory or file here)")
