"""From a name, a directory or a file to an encoder."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch

from layerscope.atomic_files import read_json
from layerscope.encoders.audio_codec import build_dac, build_encodec
from layerscope.encoders.audio_spectrogram import build_audio_spectrogram
from layerscope.encoders.checkpoint_paths import labelled
from layerscope.encoders.clap import build_clap
from layerscope.encoders.conformer import ConformerModel
from layerscope.encoders.conformer_checkpoint import build_model, read_checkpoint
from layerscope.encoders.dasheng import build_dasheng
from layerscope.encoders.device import find_device, refuse_batch_seconds, refuse_precision
from layerscope.encoders.download import fetch_repository
from layerscope.encoders.encoder import Encoder, LayeredEncoder, LayeredModel, parse_layers
from layerscope.encoders.encoder_address import installed_encoders, load_custom
from layerscope.encoders.huggingface import FAMILIES, build_waveform_model
from layerscope.encoders.mert2 import build_mert2
from layerscope.encoders.model_names import SEED, UNTRAINED_SIZES, names_code, refuse_address, refuse_twin, result_name
from layerscope.encoders.plain_features import BASELINES, Baseline
from layerscope.encoders.precision_effect import refuse_wrong_states
from layerscope.encoders.published_models import HUB, MODELS, PACKAGED, RANDOM, packaged
from layerscope.encoders.state_dicts import WEIGHTS
from layerscope.encoders.states_on_disk import FEATURES, Precomputed
from layerscope.encoders.whisper import build_whisper
from layerscope.errors import ModelError, UsageError, checks_arguments, unknown

__all__ = ["build_from_directory", "load_encoder"]

#: ``model_type`` of a ``config.json`` → what makes the model of it, given its path, what it says, and whether weights
#: are wanted; MuQ's and MusicFM's name no type.
BUILDERS: dict[str, Callable[..., LayeredModel]] = {
    "audio-spectrogram-transformer": build_audio_spectrogram,
    **dict.fromkeys(("clap", "clap_audio_model"), build_clap),
    "dac": build_dac,
    "dasheng": build_dasheng,
    "encodec": build_encodec,
    "mert2": build_mert2,
    "whisper": build_whisper,
    **dict.fromkeys(FAMILIES, build_waveform_model),
}
#: Where a directory around a model's has that: as it is unpacked, and as the hub's own cache has it.
INSIDE = ("*/config.json", "snapshots/*/config.json")


@checks_arguments
def load_encoder(
    name: str | Path,
    *,
    layers: str | None = None,
    num_heads: int | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    precision: str = "float32",
    batch_seconds: float | None = None,
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
    device : str or torch.device
        Where networks compute, and their states lie: ``cpu``, ``cuda``, ``cuda:n`` or ``mps``; ``auto`` takes a GPU
        where there is one. Plain features are of the CPU, and an encoder of your own goes where this names a device if
        it is a `LayeredEncoder`; any other computes where its code says.
    precision : str
        How networks compute: ``float32``, ``tf32`` (NVIDIA GPUs) or ``bf16``.
    batch_seconds : float, optional
        Audio that is encoded at once in a pass, in seconds; by default 30 on a CPU, and on CUDA what its memory holds.

    Raises
    ------
    UsageError
        For an unknown name or layer, a device or precision that is not there, or seconds that are none.
    ModelError
        For files that cannot be fetched, read or understood, or a precision in which torch computes a network wrongly.

    Examples
    --------
    >>> encoder = load_encoder("toy-muq", layers="0-2")
    >>> encoder.encode(torch.zeros(1, 24_000)).shape
    torch.Size([1, 3, 25, 192])
    >>> load_encoder("random:small").layers
    (0, 1, 2, 3, 4)
    >>> load_encoder("hf:m-a-p/MERT-v1-95M", layers="0-6")      # doctest: +SKIP
    """
    text, place = str(name), find_device(device)
    refuse_precision(precision, place)
    refuse_batch_seconds(batch_seconds)
    refuse_address(text.removeprefix(RANDOM))
    if text in BASELINES:
        # A choice of layers is of those models that have several; and so is a precision.
        encoder: Encoder = Baseline(text)
    elif (Path(text) / FEATURES).is_file():
        encoder = with_its_layers(Precomputed(Path(text)), layers)
    elif names_code(text):
        encoder = computing_so(
            with_its_layers(load_custom(text), layers), None if device == "auto" else place, precision
        )
    else:
        encoder = load_network(text, layers, num_heads, seed, place, precision)
    if batch_seconds is not None:
        encoder.batch_seconds = batch_seconds
    return encoder


def load_network(
    text: str, layers: str | None, num_heads: int | None, seed: int, place: torch.device, precision: str
) -> LayeredEncoder:
    """Return the encoder of a network that this project makes."""
    untrained = text.startswith(RANDOM)
    source = labelled(text)[1].removeprefix(RANDOM)
    if untrained:
        refuse_twin(source)
    # On a fork, so that the caller's random numbers stay as they were.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make_model(source, num_heads, untrained=untrained)
    encoder = LayeredEncoder(
        model,
        name=result_name(text) + (f"{SEED}{seed}" if untrained and seed else ""),
        layers=parse_layers(layers, model.depth) if layers else None,
        untrained=untrained,
        device=place,
        precision=precision,
    )
    refuse_wrong_states(encoder)
    return encoder


def computing_so(encoder: Encoder, place: torch.device | None, precision: str) -> Encoder:
    """Return an encoder of somebody's own on a device, where one is said, and in a precision.

    Raises
    ------
    UsageError
        If its code computes by itself, and another precision than float32 is asked for.
    """
    if isinstance(encoder, LayeredEncoder):
        if place is not None:
            encoder.move(place)
        encoder = encoder.at(precision)
        refuse_wrong_states(encoder)
        return encoder
    if precision != encoder.precision:
        raise UsageError(
            f"precision '{precision}': {encoder.name} is an encoder of your own, whose code computes as it does; give "
            "it a precision there (and say so in its 'precision'), and leave --precision out or study it by itself"
        )
    return encoder


def with_its_layers(encoder: Encoder, layers: str | None) -> Encoder:
    """Return an encoder that has no blocks to leave out, or raise if other layers than it gives are asked for."""
    if layers and parse_layers(layers, encoder.layers[-1]) != encoder.layers:
        raise UsageError(
            f"layers '{layers}': {encoder.name} gives layers {', '.join(map(str, encoder.layers))} and no choice of "
            "them; leave --layers out, or study it by itself"
        )
    return encoder


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
    refuse_place(path)
    # MuQ has a config.json as well, but without this key.
    if (path / "config.json").is_file() and "model_type" in read_json(path / "config.json", ModelError):
        return build_from_directory(path, weights=not untrained)
    return build_model(read_checkpoint(path, num_heads), weights=not untrained)


def refuse_place(path: Path) -> None:
    """Raise for a file of a directory that is a model only as a whole, and for a directory around one's directory."""
    config = path.parent / "config.json"
    if path == config or (path.name in WEIGHTS and config.is_file() and "model_type" in read_json(config, ModelError)):
        raise ModelError(f"{path}: is one file of a model; give the directory, {path.parent}")
    inner = next((place for pattern in INSIDE for place in sorted(path.glob(pattern))), None)
    if inner is not None and path.is_dir() and not [*path.glob("*.json"), *path.glob("*.pt")]:
        raise ModelError(f"{path}: holds no model itself; the one in it is {inner.parent}")


def build_from_directory(directory: Path, *, weights: bool = True) -> LayeredModel:
    """Return the model of a directory whose ``config.json`` names its type, without weights if they are not wanted."""
    path = directory / "config.json"
    config = read_json(path, ModelError)
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in BUILDERS:
        known = ", ".join(sorted(BUILDERS))
        raise ModelError(f"{path}: model_type '{model_type}' is not understood; known: {known}")
    return BUILDERS[model_type](path, config, weights=weights)


def local(source: str) -> Path:
    """Return the path of a local model, or say that the name is neither that nor known."""
    path = Path(source).expanduser()
    if path.exists():
        return path
    known = [*MODELS, *PACKAGED, *BASELINES, *installed_encoders()]
    hub = f"; on the hub it would be {HUB}{source}" if re.fullmatch(r"[\w.-]+/[\w.-]+", source) else ""
    raise unknown("model", source, known, hint=f"(nor is it a directory or file here{hub})")
