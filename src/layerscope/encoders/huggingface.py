"""Waveform encoders of the transformers library, MERT-v1 among them, without running any code of their files.

The library's own module computes; configuration and weights are read here, and states are taken where they arise, by
hooks on the blocks: what a version of the library returns as ``hidden_states`` does not matter. State 0 is what enters
the first block, state k the output of block k, the last what the encoder returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from layerscope.encoders.encoder import LayeredModel
from layerscope.encoders.model_files import read_json, read_tensors, refuse_mismatch, refuse_non_finite, refuse_others
from layerscope.errors import ModelError, unknown

__all__ = [
    "FAMILIES",
    "HuggingFaceModel",
    "build_huggingface",
    "hooked_states",
    "library",
    "load_part",
    "own_settings",
    "settings_of",
]

#: model_type → (configuration class, model class, what heads' checkpoints put before the encoder's names)
FAMILIES = {
    "hubert": ("HubertConfig", "HubertModel", "hubert."),
    "mert_model": ("HubertConfig", "HubertModel", "mert."),
    "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2Model", "wav2vec2."),
    "wav2vec2-conformer": ("Wav2Vec2ConformerConfig", "Wav2Vec2ConformerModel", "wav2vec2_conformer."),
    "wavlm": ("WavLMConfig", "WavLMModel", "wavlm."),
    "data2vec-audio": ("Data2VecAudioConfig", "Data2VecAudioModel", "data2vec_audio."),
}
#: What MERT adds to HuBERT and this project does not compute; published models leave it off.
MERT_EXTRAS = {"feature_extractor_cqt": False, "deepnorm": False, "attention_relax": -1.0, "conv_pos_batch_norm": False}
#: Added to the variance when a waveform is normalised, as the library's feature extractor does.
EPSILON = 1e-7
#: Only pretraining replaces masked frames by it, and a configuration without masking has none.
MASK = "masked_spec_embed"


class Enough(Exception):
    """Raised inside the network once the last wanted state is there, so that nothing after it is computed."""


class HuggingFaceModel(LayeredModel):
    """An encoder of the library behind a convolutional front end on the waveform.

    Parameters
    ----------
    network : nn.Module
        The library's model, with ``encoder.layers``.
    config : dict
        As written in ``config.json``.
    sample_rate : int
        Of the waveforms, in Hz, as the preprocessor says.
    normalise : bool
        Whether waveforms are brought to mean 0 and deviation 1, as the preprocessor says.
    """

    def __init__(self, network: nn.Module, config: dict[str, Any], sample_rate: int, *, normalise: bool) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.sample_rate = sample_rate
        self.normalise = normalise
        self.dim = config["hidden_size"]
        self.depth = config["num_hidden_layers"]
        hop, shortest = 1, 1
        for kernel, stride in zip(reversed(config["conv_kernel"]), reversed(config["conv_stride"]), strict=True):
            hop, shortest = hop * stride, (shortest - 1) * stride + kernel
        self.frame_rate = sample_rate / hop
        self.minimum_samples = shortest

    def states(self, waveforms: Tensor, last: int) -> Iterator[Tensor]:
        """See `LayeredModel.states`."""
        if self.normalise:
            deviation, mean = torch.std_mean(waveforms, dim=1, correction=0, keepdim=True)
            waveforms = (waveforms - mean) / torch.sqrt(deviation.square() + EPSILON)
        yield from hooked_states(
            lambda: self.network(waveforms).last_hidden_state,
            self.blocks,
            last,
        )

    @property
    def blocks(self) -> nn.ModuleList:
        """See `LayeredModel.blocks`."""
        return cast(nn.ModuleList, self.network.encoder.layers)  # type: ignore[union-attr]

    def preprocessor_config(self) -> dict[str, Any]:
        """Return what ``preprocessor_config.json`` says."""
        return {"sampling_rate": self.sample_rate, "do_normalize": self.normalise}

    def description(self) -> dict[str, Any]:
        """See `LayeredModel.description`."""
        return {**self.config, "sample_rate": self.sample_rate, "normalise": self.normalise,
                "transformers": version("transformers")}  # fmt: skip


def hooked_states(run: Callable[[], Tensor], blocks: nn.ModuleList, last: int) -> list[Tensor]:
    """Return states 0 … `last` of a network, taken where they arise; what comes after is not computed.

    Parameters
    ----------
    run : callable
        Calls the network and returns its last state, after a final norm where there is one.
    blocks : nn.ModuleList
        State 0 is what enters the first, state k what block k returns.
    last : int
        The last that is wanted.
    """
    states: list[Tensor] = []

    def entering(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        keep(arguments[0] if arguments else named["hidden_states"])

    def leaving(_: nn.Module, __: Any, output: Any) -> None:
        keep(output[0] if isinstance(output, tuple) else output)

    def keep(state: Tensor) -> None:
        states.append(state)
        if len(states) == last + 1:
            raise Enough

    with ExitStack() as hooks:
        hooks.callback(blocks[0].register_forward_pre_hook(entering, with_kwargs=True).remove)
        for block in list(blocks)[:-1]:  # the last state is what the network returns, after its final norm
            hooks.callback(block.register_forward_hook(leaving).remove)
        with suppress(Enough):
            states.append(run())
    return states


def build_huggingface(directory: Path, *, weights: bool = True) -> HuggingFaceModel:
    """Read a directory with ``config.json``, ``preprocessor_config.json`` and weights.

    Parameters
    ----------
    directory : Path
        In the library's layout.
    weights : bool
        Whether the weights are read; otherwise they are random.

    Raises
    ------
    ModelError
        If the library is not installed, the model is of no family known here, or a file does not fit.
    """
    config = read_json(directory / "config.json")
    if config["model_type"] not in FAMILIES:
        raise ModelError(str(unknown("model_type", config["model_type"], FAMILIES, hint=f"({directory})")))
    if config["model_type"] == "mert_model":
        refuse_others(directory / "config.json", config, MERT_EXTRAS)
    preprocessor = read_json(directory / "preprocessor_config.json")
    try:
        sample_rate, normalise = preprocessor["sampling_rate"], preprocessor["do_normalize"]
    except KeyError as error:
        raise ModelError(f"{directory / 'preprocessor_config.json'}: {error} is missing") from error
    network = empty_network(config)
    if weights:
        load_weights(network, directory, FAMILIES[config["model_type"]][2])
    try:
        return HuggingFaceModel(network, config, sample_rate, normalise=normalise)
    except KeyError as error:
        raise ModelError(f"{directory / 'config.json'}: {error} is missing") from error


def empty_network(config: dict[str, Any]) -> nn.Module:
    """Return the library's model for a configuration, with random weights."""
    transformers = library()
    config_class, model_class, _ = FAMILIES[config["model_type"]]
    made = getattr(transformers, config_class)(**own_settings(config))
    network: nn.Module = getattr(transformers, model_class)(made)
    return network


def library() -> Any:
    """Return the transformers library.

    Raises
    ------
    ModelError
        If it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise ModelError("this model needs the transformers library: pip install 'layerscope[hf]'") from error
    return transformers


def own_settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a configuration says of the model itself: not its type, its precision on disk, or code to run."""
    return {
        key: value for key, value in config.items() if key not in ("model_type", "auto_map", "torch_dtype", "dtype")
    }


def load_weights(network: nn.Module, directory: Path, prefix: str) -> None:
    """Give a network the weights of a directory; the heads of a checkpoint that has some are left out."""
    path = weights_beside(directory)
    tensors = read_tensors(path)
    if any(name.startswith(prefix) for name in tensors):
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    tensors = {newer_name(name): value.float() for name, value in tensors.items()}
    own = network.state_dict()
    if MASK not in own:
        tensors.pop(MASK, None)
    elif MASK not in tensors:
        tensors[MASK] = own[MASK]
    refuse_mismatch(
        path,
        {name: tuple(value.shape) for name, value in tensors.items()},
        {name: tuple(value.shape) for name, value in own.items()},
    )
    refuse_non_finite(path, tensors)
    network.load_state_dict(tensors, strict=True)


def load_part(
    network: nn.Module, directory: Path, prefixes: Sequence[str], renamed: Callable[[str], str] = str
) -> None:
    """Give a network its weights out of a larger model's: those whose names begin with one of some prefixes.

    Parameters
    ----------
    network : nn.Module
        Which.
    directory : Path
        That of the model.
    prefixes : sequence of str
        The first that any name has counts; without one, the file is taken for that of the network alone.
    renamed : callable
        From the names of the file, without the prefix, to those of the network.

    Raises
    ------
    ModelError
        Naming a tensor that is missing, extra or of the wrong shape, or that holds non-finite values.
    """
    path = weights_beside(directory)
    tensors = read_tensors(path)
    prefix = next((one for one in prefixes if any(name.startswith(one) for name in tensors)), "")
    own = {
        renamed(name.removeprefix(prefix)): value.float() for name, value in tensors.items() if name.startswith(prefix)
    }
    refuse_mismatch(
        path,
        {name: tuple(value.shape) for name, value in own.items()},
        {name: tuple(value.shape) for name, value in network.state_dict().items()},
        prefix=prefix,
    )
    refuse_non_finite(path, own, prefix=prefix)
    network.load_state_dict(own, strict=True)


def settings_of(directory: Path) -> dict[str, Any]:
    """Return what a directory says of its preprocessor, without the names of the library's classes."""
    settings = read_json(directory / "preprocessor_config.json")
    return {key: value for key, value in settings.items() if key not in ("feature_extractor_type", "processor_class")}


def weights_beside(directory: Path) -> Path:
    """Return the weights file of a directory in the library's layout."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (directory / name).is_file():
            return directory / name
    raise ModelError(f"{directory}: neither model.safetensors nor pytorch_model.bin beside config.json")


def newer_name(name: str) -> str:
    """Return PyTorch's newer name for a part of a weight norm."""
    return name.replace(".weight_g", ".parametrizations.weight.original0").replace(
        ".weight_v", ".parametrizations.weight.original1"
    )
