"""Waveform encoders of the transformers library, MERT-v1 among them, without running any code of their files.

The library's own module computes; configuration and weights are read here, and states are taken where they arise, by
hooks on the blocks: what a version of the library returns as ``hidden_states`` does not matter. State 0 is what enters
the first block, state k the output of block k, the last what the encoder returns.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, cast

import torch
from torch import Tensor, nn

from layerscope.atomic_files import read_json
from layerscope.encoders.encoder import LayeredModel
from layerscope.encoders.state_dicts import (
    WEIGHTS,
    common_prefix,
    load_strictly,
    read_tensors,
    refuse_others,
    setting,
    weights_beside,
)
from layerscope.errors import ModelError, optional_library

__all__ = [
    "FAMILIES",
    "FixedLengthModel",
    "LibraryModel",
    "WaveformModel",
    "build_network",
    "build_preprocessor",
    "build_waveform_model",
    "load_part",
]

#: model_type → (configuration class, model class, what heads' checkpoints put before the encoder's names)
FAMILIES = {
    "hubert": ("HubertConfig", "HubertModel", "hubert."),
    "mert_model": ("HubertConfig", "HubertModel", "mert."),
    "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2Model", "wav2vec2."),
    "wav2vec2-conformer": ("Wav2Vec2ConformerConfig", "Wav2Vec2ConformerModel", "wav2vec2_conformer."),
    "wavlm": ("WavLMConfig", "WavLMModel", "wavlm."),
    "data2vec-audio": ("Data2VecAudioConfig", "Data2VecAudioModel", "data2vec_audio."),
    "unispeech": ("UniSpeechConfig", "UniSpeechModel", "unispeech."),
    "unispeech-sat": ("UniSpeechSatConfig", "UniSpeechSatModel", "unispeech_sat."),
}
#: What MERT adds to HuBERT and this project does not compute; published models leave it off.
MERT_EXTRAS = {"feature_extractor_cqt": False, "deepnorm": False, "attention_relax": -1.0, "conv_pos_batch_norm": False}
#: What a configuration says beside the model: its type, its precision on disk, code to run and kernels to fetch.
NOT_OF_THE_MODEL = {"model_type", "auto_map", "torch_dtype", "dtype", "quantization_config", "attn_implementation",
                    "_attn_implementation", "_attn_implementation_internal", "experts_implementation"}  # fmt: skip
#: In Hz, below which a rate is none of sound, but one in kHz or a slip.
LOWEST_RATE, HIGHEST_RATE = 1000, 1_000_000
#: What `add_adapter` puts after the encoder.
ADAPTER = "adapter."
#: What says how many blocks there are, and how many no model has: the library would build them for hours.
DEPTHS, MOST_BLOCKS = ("num_hidden_layers", "encoder_layers", "decoder_layers"), 1000
#: Added to the variance when a waveform is normalised, as the library's feature extractor does.
EPSILON = 1e-7
#: Only pretraining replaces masked frames by it, and a configuration without masking has none.
MASK = "masked_spec_embed"


class Enough(Exception):
    """Raised inside the network once the last wanted state is there, so that nothing after it is computed."""


class LibraryModel(LayeredModel):
    """A network of the library, with what its own preprocessor says; how deep and wide it is, each family says.

    Parameters
    ----------
    network : nn.Module
        The library's module.
    config : dict
        As written in ``config.json``.
    preprocessor : dict
        As written in ``preprocessor_config.json``.
    """

    def __init__(self, network: nn.Module, config: dict[str, Any], preprocessor: dict[str, Any]) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.preprocessor_config = preprocessor

    def description(self) -> dict[str, Any]:
        """See `LayeredModel.description`."""
        return {**self.config, "preprocessor": self.preprocessor_config, "transformers": version("transformers")}


class WaveformModel(LibraryModel):
    """An encoder behind a convolutional front end on the waveform; see `LibraryModel`."""

    def __init__(self, network: nn.Module, config: dict[str, Any], preprocessor: dict[str, Any]) -> None:
        super().__init__(network, config, preprocessor)
        self.sample_rate, self.normalise = preprocessor["sampling_rate"], preprocessor["do_normalize"]
        sizes: Any = network.config  # what a file leaves out is what the library takes for it
        self.dim, self.depth = int(sizes.hidden_size), int(sizes.num_hidden_layers)
        # From the last convolution back to the waveform: how many samples stand behind one frame.
        hop, shortest = 1, 1
        for kernel, stride in zip(reversed(sizes.conv_kernel), reversed(sizes.conv_stride), strict=True):
            hop, shortest = hop * stride, (shortest - 1) * stride + kernel
        self.frame_rate = self.sample_rate / hop
        self.minimum_samples = shortest

    def states(self, waveforms: Tensor, last: int) -> Iterator[Tensor]:
        """See `LayeredModel.states`."""
        if self.normalise:
            # Each window by its own; correction 0 is the deviation that numpy takes, and the library with it.
            deviation, mean = torch.std_mean(waveforms, dim=1, correction=0, keepdim=True)
            waveforms = (waveforms - mean) / torch.sqrt(deviation.square() + EPSILON)
        yield from hooked_states(lambda: self.network(waveforms).last_hidden_state, self.blocks, last)

    @property
    def blocks(self) -> nn.ModuleList:
        """See `LayeredModel.blocks`."""
        return cast(nn.ModuleList, self.network.encoder.layers)  # type: ignore[union-attr]


class FixedLengthModel(LibraryModel):
    """A network that takes exactly one length, with the preprocessor that brings audio to it.

    What is shorter is padded, as the preprocessor does, and the states of the padding are cut off again, so that they
    enter no mean.

    Parameters
    ----------
    network, config
        See `LibraryModel`.
    preprocessor : callable
        The library's feature extractor.
    longest : int
        Samples that the network takes.
    """

    def __init__(self, network: nn.Module, config: dict[str, Any], preprocessor: Any, longest: int) -> None:
        told = preprocessor.to_dict()
        # Those two are arrays: JSON cannot hold them, and they follow from the other settings.
        super().__init__(network, config, {key: told[key] for key in told.keys() - {"mel_filters", "window"}})
        sizes: Any = network.config
        self.dim, self.depth = int(sizes.hidden_size), int(sizes.num_hidden_layers)
        self.preprocessor = preprocessor
        self.sample_rate = int(preprocessor.sampling_rate)
        self.set_longest(longest)

    @abstractmethod
    def heard(self, state: Tensor, samples: int) -> Tensor:
        """Return the frames of a state that stand for the first so many samples, and not for padding."""

    def compute(self, features: Tensor) -> Tensor:
        """Return the last state that the network makes of what its preprocessor gives."""
        return cast(Tensor, self.network(features).last_hidden_state)

    def states(self, waveforms: Tensor, last: int) -> Iterator[Tensor]:
        """See `LayeredModel.states`."""
        self.refuse_longer(waveforms)
        # The library's extractors take numpy arrays, and compute on the CPU; spectra always in float32.
        sounds = list(waveforms.cpu().numpy())
        with torch.autocast("cpu", enabled=False):
            prepared = self.preprocessor(sounds, sampling_rate=self.sample_rate, return_tensors="pt")
        features = prepared[self.network.main_input_name].to(waveforms.device, torch.float32)
        for state in hooked_states(lambda: self.compute(features), self.blocks, last):
            yield self.heard(state, waveforms.shape[1])


def hooked_states(compute: Callable[[], Tensor], blocks: nn.ModuleList, last: int) -> list[Tensor]:
    """Return states 0 … `last` of a network that computes, taken where they arise; what comes after is not computed.

    State 0 is what enters the first block, state k what block k returns; of all the last is what the network returns,
    after a final norm where there is one.
    """
    states: list[Tensor] = []

    def entering(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        # A version of the library may pass it by position or by name.
        keep(arguments[0] if arguments else named["hidden_states"])

    def leaving(_: nn.Module, __: Any, output: Any) -> None:
        # Some blocks return attention weights or caches beside the state, which comes first.
        keep(output[0] if isinstance(output, tuple) else output)

    def keep(state: Tensor) -> None:
        states.append(state)
        if len(states) == last + 1:
            raise Enough

    # Whatever happens, hooks come off: one that stayed would gather the states of later calls.
    with ExitStack() as hooks:
        hooks.callback(blocks[0].register_forward_pre_hook(entering, with_kwargs=True).remove)
        for block in list(blocks)[:-1]:  # the last state is what the network returns, after its final norm
            hooks.callback(block.register_forward_hook(leaving).remove)
        with suppress(Enough):
            # Reached where the very last state is wanted; for any other a hook has raised by then.
            states.append(compute())
    return states


def build_waveform_model(path: Path, config: dict[str, Any], *, weights: bool = True) -> WaveformModel:
    """Make the model of a ``config.json``, with what the preprocessor says and weights beside it.

    Parameters
    ----------
    path, config : Path, dict
        The file, in the library's layout, and what it says.
    weights : bool
        Whether the weights are read; otherwise they are random.

    Raises
    ------
    ModelError
        If the library is not installed, the model is of no family known here, or a file does not fit.
    """
    config_class, model_class, prefix = FAMILIES[config["model_type"]]
    if config["model_type"] == "mert_model":
        refuse_others(path, config, MERT_EXTRAS)
    preprocessor_path, settings = preprocessor_settings(path.parent)
    preprocessor = {
        "sampling_rate": setting(preprocessor_path, settings, "sampling_rate", int),
        "do_normalize": setting(preprocessor_path, settings, "do_normalize", bool),
    }
    if not LOWEST_RATE <= preprocessor["sampling_rate"] <= HIGHEST_RATE:
        raise ModelError(f"{preprocessor_path}: 'sampling_rate' = {preprocessor['sampling_rate']} Hz is none of music")
    network = build_network(path, config_class, model_class, config)
    sizes: Any = network.config
    strides = list(sizes.conv_stride)
    if min(strides) < 1:
        raise ModelError(f"{path}: 'conv_stride' = {strides}: expected whole numbers above 0")
    if weights:
        load_part(network, path.parent, [prefix], newer_name, optional=[MASK], left_out=ADAPTER)
    return WaveformModel(network, config, preprocessor)


def library() -> Any:
    """Return the transformers library.

    Raises
    ------
    ModelError
        If it is not installed.
    """
    return optional_library("transformers", "hf", "this model needs the transformers library", ModelError)


def build_network(path: Path, config_class: str, model_class: str, config: dict[str, Any]) -> nn.Module:
    """Return the library's model for the configuration of a file, with random weights."""
    classes = library()
    # The library's classes would fetch or run what these ask for.
    settings = {key: value for key, value in config.items() if key not in NOT_OF_THE_MODEL}
    # What it adds comes after the last state of the encoder, at another rate.
    settings |= {"add_adapter": False} if "add_adapter" in settings else {}
    for key in DEPTHS:
        depth = settings.get(key, 1)
        if isinstance(depth, int) and not 1 <= depth <= MOST_BLOCKS:
            raise ModelError(f"{path}: '{key}' = {depth}; a model has 1–{MOST_BLOCKS} blocks")
    with library_faults(path):
        network: nn.Module = getattr(classes, model_class)(getattr(classes, config_class)(**settings))
    return network


@contextmanager
def library_faults(path: Path) -> Iterator[None]:
    """Turn what the library raises where a file says what it cannot make into an error that names the file."""
    try:
        yield
    except Exception as error:  # sizes that do not fit make it raise anything at all
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelError(f"{path}: the transformers library makes no model of it ({reason})") from error


def build_preprocessor(class_name: str, directory: Path) -> Any:
    """Return the library's feature extractor as a directory says."""
    path, settings = preprocessor_settings(directory)
    with library_faults(path):
        return getattr(library(), class_name)(**settings)


def preprocessor_settings(directory: Path) -> tuple[Path, dict[str, Any]]:
    """Return what a directory says of its preprocessor, without the names of the library's classes, and where.

    Version 5 of the library may write it into ``processor_config.json`` alone, as a part of that.
    """
    path = directory / "preprocessor_config.json"
    whole = directory / "processor_config.json"
    if not path.is_file() and not whole.is_file():
        refuse_incomplete(directory)
    if path.is_file():
        settings = read_json(path, ModelError)
    else:
        path, settings = whole, read_json(whole, ModelError)
        settings = setting(path, settings, "feature_extractor", dict) if "feature_extractor" in settings else settings
    return path, {key: settings[key] for key in settings.keys() - {"feature_extractor_type", "processor_class"}}


def refuse_incomplete(directory: Path) -> NoReturn:
    """Raise for a directory without settings of its preprocessor; weights that cannot be read are said first."""
    for name in WEIGHTS:
        if (directory / name).is_file():
            read_tensors(directory / name)
            break
    raise ModelError(
        f"{directory}: preprocessor_config.json is missing; expected a model as the transformers library saves it: "
        "config.json, preprocessor_config.json and model.safetensors (save its feature extractor beside it)"
    )


def load_part(
    network: nn.Module,
    directory: Path,
    prefixes: Sequence[str],
    newer_name: Callable[[str], str] = str,
    *,
    optional: Sequence[str] = (),
    left_out: str | None = None,
) -> None:
    """Give a network its weights, strictly, out of what may be a larger model's.

    Parameters
    ----------
    network : nn.Module
        Which.
    directory : Path
        That of the model.
    prefixes : sequence of str
        Before the names of the network where there are heads beside it, with or without ``model.`` before, or what all
        names have; the first that any name has counts. Without one, the file is that of the network alone.
    newer_name : callable
        From a name of the file, without the prefix, to that of the network.
    optional : sequence of str
        See `load_strictly`.
    left_out : str, optional
        What begins the names, after the prefix, of parts that are not computed.
    """
    path = weights_beside(directory)
    tensors = read_tensors(path)
    if lora := next((name for name in tensors if ".lora_A." in name), None):
        raise ModelError(f"{path}: '{lora}' is of an adapter (LoRA); merge it into its model (peft: merge_and_unload)")
    # Training code puts one of its own before the names of a model, or before those of an encoder without a head.
    common = common_prefix(tensors)
    known = [f"{before}{prefix}" for before in ("", "model.", common, f"{common}model.") for prefix in prefixes]
    prefix = next((prefix for prefix in known if any(name.startswith(prefix) for name in tensors)), "")
    if not prefix and not {newer_name(name) for name in tensors} & network.state_dict().keys():
        prefix = common
    # What lacks the prefix is of the heads.
    kept = [name for name in tensors if name.startswith(prefix)]
    if left_out:
        kept = [name for name in kept if not name.removeprefix(prefix).startswith(left_out)]
    part = {newer_name(name.removeprefix(prefix)): tensors[name] for name in kept}
    load_strictly(network, part, path, prefix=prefix, optional=optional)


def newer_name(name: str) -> str:
    """Return PyTorch's newer name for a part of a weight norm."""
    return name.replace(".weight_g", ".parametrizations.weight.original0").replace(
        ".weight_v", ".parametrizations.weight.original1"
    )
