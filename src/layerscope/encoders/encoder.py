"""The contract of an encoder: waveforms in, the hidden states of every layer out."""

from __future__ import annotations

import copy
import hashlib
import importlib
import inspect
import json
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from layerscope.atomic_files import digest
from layerscope.encoders.device import computing, upload
from layerscope.errors import ModelError, UsageError, checks_arguments

__all__ = ["Encoder", "LayeredEncoder", "LayeredModel", "fingerprint_of", "parse_layers", "source_digest"]


class Encoder(ABC):
    """Waveform to hidden states.

    Attributes
    ----------
    name : str
        What results call the encoder.
    sample_rate : int
        Rate of the waveforms it takes, in Hz.
    frame_rate : float
        Rate of the frames it gives, in Hz; where layers have rates of their own, that of the last of them. Frames are
        equal stretches of the waveform, of which each stands at its middle: frame n at ``(n + 0.5) / frame_rate``.
    layers : tuple of int
        The layers that `encode` returns, in order. 0 is what enters the first block, k the output of
        block k; the last of the model is taken after its final norm where there is one.
    dim : int
        Width of a frame, where all layers have the same.
    widths : tuple of int
        Width of a frame of each layer; `dim` for every one by default. An encoder whose layers differ, such as a
        convolutional network, sets this instead of `dim`.
    window : float
        Longest stretch it should be given at once, in seconds (its training length).
    minimum_samples : int
        Shortest waveform it can take, in samples.
    untrained : bool
        Whether its weights are random: a control, never a recommendation.
    baseline : bool
        Whether it is a plain feature, with one layer and no training.
    reads_files : bool
        Whether it finds the states of a file instead of computing those of a waveform: see `encode_file`.
    device : str
        Where it computes, as torch calls it (``cuda:0``); empty where its author does not say.
    precision : str
        How precisely: one of ``layerscope.encoders.device.PRECISIONS``.
    batch_seconds : float, optional
        Audio that it is given at once, in seconds, where that is said.
    fingerprint : str
        Changes whenever the states could change: weights, sizes, constants, the code that computes them or its
        precision. The device is not part of it: it changes them by rounding alone.
    """

    name: str
    sample_rate: int
    frame_rate: float
    layers: tuple[int, ...]
    dim: int
    # MuQ and MusicFM were trained on 30 s.
    window: float = 30.0
    # Half a window of their mel front end and one more, which its reflect padding needs.
    minimum_samples: int = 1025
    untrained: bool = False
    baseline: bool = False
    reads_files: bool = False
    device: str = ""
    precision: str = "float32"
    batch_seconds: float | None = None
    fingerprint: str

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Return the width of a frame of each layer."""
        return (self.dim,) * len(self.layers)

    @abstractmethod
    def encode(self, waveforms: Tensor) -> Tensor | Sequence[Tensor]:
        """Return the hidden states of equally long waveforms.

        Parameters
        ----------
        waveforms : Tensor, shape (batch, samples), float32
            Mono, at `sample_rate`, nominally in [-1, 1]. Nothing is padded: all samples are sound.

        Returns
        -------
        Tensor, shape (batch, layer, frame, dim), float32
            One entry on the layer axis for each of `layers`, on the device that computed it. Where layers have widths
            (or rates) of their own, a sequence with a tensor (batch, frame, width) for each.
        """

    def layer_states(self, waveforms: Tensor) -> list[Tensor]:
        """Return what `encode` does, a tensor (batch, frame, width) for each layer."""
        states = self.encode(waveforms)
        return list(states.unbind(dim=1)) if isinstance(states, Tensor) else list(states)

    def expect_files(self, paths: Iterable[Path]) -> None:  # noqa: B027 - nothing to do for most encoders
        """Hear of all the files of a pass before any is asked for; by default nothing comes of it."""

    def encode_file(self, path: Path, start: float, end: float) -> Tensor | Sequence[Tensor]:
        """Return the states of a span of a file, where `reads_files` says so: (layer, frame, dim), float32.

        Parameters
        ----------
        path, start, end : Path, float, float
            The audio file, and the span in seconds; an end of NaN is that of the file.

        Raises
        ------
        AudioError
            If there are none: the clip is then set aside with the reason.
        """
        raise ModelError(f"{self.name} encodes waveforms; it reads no states of {path} ({start:g}–{end:g} s)")

    def official_name(self, layer: int) -> str:
        """Return what the model's own authors call a layer of this project's numbering."""
        return f"hidden_states[{layer}]"


def parse_layers(text: str, depth: int) -> tuple[int, ...]:
    """Read a selection of layers such as ``"0-5"``, ``"3"`` or ``"0,4-6"``.

    Parameters
    ----------
    text : str
        Numbers and inclusive ranges, separated by commas.
    depth : int
        Number of the last layer of the model.

    Raises
    ------
    UsageError
        For anything that is not a layer between 0 and `depth`.

    Examples
    --------
    >>> parse_layers("0,4-6", 12)
    (0, 4, 5, 6)
    """
    chosen: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise UsageError(f"layers '{text}': '{part}' is neither a layer nor a range such as 0-5")
        start, stop = int(first), int(last or first)
        if stop < start or stop > depth:
            raise UsageError(f"layers '{text}': '{part}' is not within 0-{depth}, the layers of this model")
        chosen.update(range(start, stop + 1))
    return tuple(sorted(chosen))


def source_digest(*modules: str) -> str:
    """Return a digest of the source text of modules, so that a change of code is a change of fingerprint."""
    # The text, because compiled code differs between versions of Python.
    paths = [inspect.getsourcefile(importlib.import_module(module)) for module in modules]
    return digest(*(Path(str(path)).read_bytes() for path in paths))


@checks_arguments
def fingerprint_of(description: Mapping[str, Any], tensors: Iterable[tuple[str, Tensor]] = ()) -> str:
    """Return 32 hexadecimal digits that identify a description and the bytes of tensors.

    Parameters
    ----------
    description : mapping
        Anything JSON can write; the order of its keys is irrelevant.
    tensors : iterable of (str, Tensor)
        Named tensors; their order is irrelevant.

    Raises
    ------
    UsageError
        For a description that JSON cannot write, or tensors without names.

    Examples
    --------
    >>> fingerprint_of({"a": 1, "b": 2}) == fingerprint_of({"b": 2, "a": 1})
    True
    >>> len(fingerprint_of({}, [("weight", torch.zeros(2))]))
    32
    """
    try:
        sha256 = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    except (TypeError, ValueError) as error:
        raise UsageError(f"fingerprint_of(): description is nothing that JSON can write ({error})") from error
    pairs = list(tensors)
    strangers = [pair for pair in pairs if not isinstance(pair, tuple) or not isinstance(pair[-1], Tensor)]
    if strangers:
        raise UsageError(
            f"fingerprint_of(): tensors holds {reprlib.repr(strangers[0])}; give pairs of a name and a tensor, such as "
            "model.state_dict().items()"
        )
    for name, tensor in sorted(pairs, key=lambda item: item[0]):
        sha256.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        # As bytes, because numpy has no bfloat16.
        sha256.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    # 128 bits: no two encoders meet by chance, and names of directories stay short.
    return sha256.hexdigest()[:32]


class LayeredModel(nn.Module, ABC):
    """A network whose hidden states come out one after another, so that those after the last wanted are not computed.

    Attributes
    ----------
    depth : int
        Number of its last layer.
    dim : int
        Width of a frame; of the last layer, where they differ.
    widths, frame_rates : tuple of int, tuple of float
        Width and rate of the frames of each layer; `dim` and `frame_rate` for every one by default.
    sample_rate, frame_rate : int, float
        Rates of what it takes and gives, in Hz; of the last layer, where they differ.
    minimum_samples : int
        Shortest waveform it can take.
    window : float
        Longest stretch it should be given at once, in seconds.
    longest : int
        Samples that it can take at most, where there is such a bound (see `set_longest`).
    """

    window: float = 30.0
    longest: int
    depth: int
    dim: int
    sample_rate: int
    frame_rate: float
    minimum_samples: int

    def set_longest(self, samples: int) -> None:
        """Set how many samples it can take at most, and with that its window."""
        self.longest = samples
        # Windows may be longer by a tenth, so that no sliver is left over.
        self.window = samples / self.sample_rate / 1.1

    def refuse_longer(self, waveforms: Tensor) -> None:
        """Raise for waveforms, (batch, samples), that are longer than it can take."""
        if waveforms.shape[1] > self.longest:
            raise ModelError(
                f"this model takes {self.longest / self.sample_rate:g} s at most, not "
                f"{waveforms.shape[1] / self.sample_rate:.2f} s; choose a shorter --window"
            )

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Return the width of a frame of each layer."""
        return (self.dim,) * (self.depth + 1)

    @cached_property
    def frame_rates(self) -> tuple[float, ...]:
        """Return the rate of the frames of each layer, in Hz."""
        return (self.frame_rate,) * (self.depth + 1)

    @abstractmethod
    def states(self, waveforms: Tensor, last: int) -> Iterator[Tensor]:
        """Yield the states 0 … `last` of waveforms (batch, samples), each (batch, frame, width)."""

    @property
    @abstractmethod
    def blocks(self) -> nn.ModuleList:
        """Return the blocks; state k is what block k - 1 of this list returns."""

    def cut(self, last: int) -> None:
        """Drop the blocks after state `last`, for good; what is left gives the same states."""
        for number in range(last, len(self.blocks)):
            self.blocks[number] = nn.Identity()  # never called: it keeps the count, by which the last block is known

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """Return what, beside weights and source code, the states depend on."""

    def official_name(self, layer: int) -> str:
        """Return what the model's own authors call a layer of this project's numbering."""
        return f"hidden_states[{layer}]"


class LayeredEncoder(Encoder):
    """A `LayeredModel` as an encoder.

    Parameters
    ----------
    model : LayeredModel
        With its weights; it is set to evaluation mode and moved to `device`.
    name : str
        What results call it.
    layers : tuple of int, optional
        The layers to return, all by default; blocks after the last of them are never computed.
    untrained : bool
        Whether the weights are random.
    device : str or torch.device
        Where it runs.
    precision : str
        How its network computes: see `layerscope.encoders.device`. The states are float32 all the same.
    """

    def __init__(
        self,
        model: LayeredModel,
        name: str,
        layers: tuple[int, ...] | None = None,
        *,
        untrained: bool = False,
        device: str | torch.device = "cpu",
        precision: str = "float32",
    ) -> None:
        self.layers = layers or tuple(range(model.depth + 1))
        # Evaluation: norms by their stored statistics and no dropout, so that a clip does not depend on its batch.
        self.model = model.eval().requires_grad_(False)
        self.network = self.network_fingerprint()
        self.model.to(device)
        self.name = name
        self.sample_rate = model.sample_rate
        self.frame_rate = model.frame_rates[self.layers[-1]]
        self.minimum_samples = model.minimum_samples
        self.window = model.window
        self.widths = tuple(model.widths[layer] for layer in self.layers)
        if len(set(self.widths)) == 1:
            self.dim = self.widths[0]
        self.untrained = untrained
        self.device = str(device)
        self.precision = precision
        self.fingerprint = self.fingerprint_at(precision)

    def network_fingerprint(self) -> str:
        """Return the fingerprint of the network as it is in memory."""
        # Conformer and mel in any case, on which models of other modules are built.
        sources = (type(self.model).__module__, "layerscope.encoders.conformer", "layerscope.encoders.mel", __name__)
        return fingerprint_of(
            {**self.model.description(), "layers": self.layers, "source": source_digest(*sources)},
            self.model.state_dict().items(),
        )

    def fingerprint_at(self, precision: str) -> str:
        """Return the fingerprint of the network in a precision; in float32 that of the network alone."""
        if precision == "float32":
            return self.network
        how = source_digest("layerscope.encoders.device")
        return fingerprint_of({"network": self.network, "precision": precision, "source": how})

    def move(self, device: torch.device) -> None:
        """Go to another device."""
        self.model.to(device)
        self.device = str(device)

    def at(self, precision: str) -> LayeredEncoder:
        """Return this encoder, with the same weights in memory, in a precision."""
        other = copy.copy(self)
        other.precision, other.fingerprint = precision, self.fingerprint_at(precision)
        return other

    def as_it_is(self) -> LayeredEncoder:
        """Return this encoder by the weights that it has now: somebody may have trained it on since it was loaded.

        Raises
        ------
        UsageError
            If its network is in training mode, in which the same sound has other states each time.
        """
        if self.model.training:
            raise UsageError(f"{self.name} is in training mode; call its model.eval() first")
        other = copy.copy(self)
        other.network = self.network_fingerprint()
        return other.at(self.precision)

    def encode(self, waveforms: Tensor) -> Any:
        """See `Encoder.encode`: one tensor, or where layers differ in width or rate a list with one for each."""
        states = self.layer_states(waveforms)
        return torch.stack(states, dim=1) if len({state.shape for state in states}) == 1 else states

    @torch.inference_mode()
    def layer_states(self, waveforms: Tensor) -> list[Tensor]:
        """See `Encoder.layer_states`; the layers lie in memory as they were computed."""
        device = torch.device(self.device)
        with computing(device, self.precision):
            states = self.model.states(upload(waveforms, device), self.layers[-1])
            return [state.float() for layer, state in enumerate(states) if layer in self.layers]

    def official_name(self, layer: int) -> str:
        """See `LayeredModel.official_name`."""
        return self.model.official_name(layer)
