"""An encoder of somebody's own, held to the contract: what it says of itself, its states, and what its code raises."""

from __future__ import annotations

import importlib
import inspect
import math
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from layerscope.encoders.encoder import Encoder, LayeredEncoder
from layerscope.errors import LayerscopeError, ModelError, ResourceError

__all__ = [
    "OutOfMemory", "author_answers", "encode_batch", "is_own", "memory_faults", "refuse_attributes", "verify",
]  # fmt: skip

#: What an encoder must say of itself, and how.
ATTRIBUTES: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "sample_rate": (int,),
    "frame_rate": (float, int),
    "layers": (tuple,),
    "fingerprint": (str,),
    "window": (float, int),
    "minimum_samples": (int,),
}
#: In Hz, below which a rate is taken for one that was written in kHz.
LOWEST_RATE = 1000
#: A clip alone and in a batch may differ by rounding.
ROUNDING = 1e-4
#: Of noise to check with: long enough to tell a wrong frame rate from a frame lost at an edge.
SECONDS = 2.0


def is_own(encoder: Encoder) -> bool:
    """Return whether an encoder, or the network in one of ours, is somebody's own code."""
    parts = (encoder, encoder.model) if isinstance(encoder, LayeredEncoder) else (encoder,)
    return not all(type(part).__module__.startswith("layerscope.") for part in parts)


def encode_batch(encoder: Encoder, waveforms: Tensor, names: str) -> list[Tensor]:
    """Return what an encoder makes of equally long waveforms, (batch, frame, width) for each layer.

    Parameters
    ----------
    encoder : Encoder
        Where it is somebody's own, it is held to its shapes.
    waveforms : Tensor, shape (batch, samples), float32
        At its rate.
    names : str
        Of the clips, for messages.

    Raises
    ------
    ModelError
        If its author's code raises anything, or breaks the contract.
    ResourceError
        If memory is full.
    """
    if not is_own(encoder):
        with memory_faults(encoder.name, names):
            return encoder.layer_states(waveforms)
    subject = f"{encoder.name}, given {names}"
    # What is kept outlives the batch, and would hold on to all that gradients need.
    said = attributes_of(encoder)
    with author_answers(subject, type(encoder).__module__), memory_faults(encoder.name, names), torch.no_grad():
        states = encoder.encode(waveforms)
    if changed := [name for name, value in attributes_of(encoder).items() if value != said[name]]:
        raise ModelError(f"{subject}: encode changed '{changed[0]}'; what an encoder says of itself stays as it is")
    return [layer.detach() for layer in states_of_layers(encoder, states, subject, waveforms)]


def attributes_of(encoder: Encoder) -> dict[str, Any]:
    """Return what an encoder says of itself."""
    return {name: getattr(encoder, name) for name in (*ATTRIBUTES, "widths")}


class OutOfMemory(ResourceError):
    """Memory, a device's or the machine's, does not hold what it was given."""


#: What torch's errors without a class of their own say where memory is full: of the CPU, of CUDA's libraries, of MPS.
FULL = ("can't allocate memory", "not enough memory", "out of memory", "alloc_failed")


@contextmanager
def memory_faults(name: str, given: str) -> Iterator[None]:
    """Turn what numpy and torch raise where memory is full into an error with the way out."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        told = str(error).lower()
        if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and not any(words in told for words in FULL):
            raise
        raise OutOfMemory(
            f"{name}: out of memory at {given}{place_of(error, '')}; choose a shorter --window, another --device, or "
            "free memory, and run the same command again: what was encoded is kept"
        ) from error


@contextmanager
def author_answers(subject: str, module: str) -> Iterator[None]:
    """Turn whatever somebody's own code raises, its way out of the process too, into an error that names its line.

    Parameters
    ----------
    subject : str
        What is named first.
    module : str
        Where the code lies.
    """
    try:
        yield
    except (LayerscopeError, KeyboardInterrupt):
        raise
    # Anything may come of code that is not ours; only an interrupt is the user's.
    except BaseException as error:
        # Of a syntax error the last line is the error; of others what follows the first may be a listing.
        said = " ".join(traceback.format_exception_only(error)[-1].split())
        raise ModelError(f"{subject}: its code raised {said}{place_of(error, module)}; mend it there") from error


def place_of(error: BaseException, module: str) -> str:
    """Return the line that an error comes from: the last in the author's own package, else outside of libraries."""
    if isinstance(error, SyntaxError):
        return f" ({error.filename}, line {error.lineno})"
    ours = str(Path(__file__).parents[1])
    libraries = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    package = module.partition(".")[0]
    frames = [
        (frame.f_code.co_filename, line, str(frame.f_globals.get("__name__")).partition(".")[0])
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith((ours, "<frozen importlib", str(importlib.__file__)))
    ]
    written = [place for place in frames if place[2] == package]
    outside = [place for place in frames if not place[0].startswith(libraries)]
    file, line, _ = (written or outside or frames or [("", 0, "")])[-1]
    return f" ({file}, line {line})" if file else ""


def verify(encoder: Any, address: str) -> None:
    """Raise if an object is not an encoder as `Encoder` describes one, with the first thing to mend.

    Checked on noise, and on silence: attributes, shape and type of the states, their rate, that the same waveforms give
    the same states, that a clip alone gives what it gives in a batch, and that all are finite.

    Examples
    --------
    >>> class Loudness(Encoder):
    ...     name, sample_rate, frame_rate, layers, dim, fingerprint = "loudness", 8000, 10.0, (0,), 1, "loudness-1"
    ...     def encode(self, waveforms):
    ...         frames = waveforms.unfold(1, 800, 800)
    ...         return frames.square().mean(dim=2).log1p()[:, None, :, None]
    >>> verify(Loudness(), "my_encoder:Loudness")
    >>> Loudness.dim = 2
    >>> verify(Loudness(), "my_encoder:Loudness")                 # doctest: +ELLIPSIS
    Traceback (most recent call last):
    layerscope.errors.ModelError: my_encoder:Loudness: encode returned shape (2, 1, 20, 1); expected ...
    """
    if not isinstance(encoder, Encoder):
        raise ModelError(
            f"{address}: returned {instead(encoder)}; return an instance of a subclass of layerscope.Encoder"
        )
    refuse_attributes(encoder, address)
    # It is held to its shapes file by file, as they are read.
    if encoder.reads_files:
        return
    # Two clips, to see whether a batch mixes them.
    samples = int(min(SECONDS, encoder.window) * encoder.sample_rate)
    noise = torch.randn(2, samples, generator=torch.Generator().manual_seed(0)) * 0.1
    # First, because what follows takes shapes for granted.
    states = states_of_layers(encoder, encoder.encode(noise), address, noise)
    # NaN differs from itself, which would read as chance.
    if not all(layer.isfinite().all() for layer in states):
        raise ModelError(f"{address}: states of noise are not finite")
    if not all(map(torch.equal, states, encoder.layer_states(noise))):
        raise ModelError(f"{address}: the same waveforms gave other states: set evaluation mode, seed what is random")
    if not all(map(alike, encoder.layer_states(noise[:1]), (layer[:1] for layer in states))):
        raise ModelError(f"{address}: a clip alone differs from the clip in a batch: the clips of a batch must not mix")
    # Silence is where logarithms and divisions fail.
    if not all(layer.isfinite().all() for layer in encoder.layer_states(torch.zeros_like(noise))):
        raise ModelError(f"{address}: states of silence are not finite")
    if min(layer.shape[1] for layer in encoder.layer_states(noise[:, : encoder.minimum_samples])) < 1:
        raise ModelError(f"{address}: minimum_samples gives no frame: raise it to what one frame needs")


def instead(value: Any) -> str:
    """Return what a function gave instead of what it was to give; a coroutine is closed, since it would be missed.

    Examples
    --------
    >>> instead(None), instead(Encoder), instead("muq")
    ('nothing', 'the class Encoder itself, not an instance (write Encoder())', 'str')
    """
    if inspect.iscoroutine(value):
        value.close()
        return "a coroutine (write def, not async def)"
    if isinstance(value, type):
        return f"the class {value.__name__} itself, not an instance (write {value.__name__}())"
    return "nothing" if value is None else type(value).__name__


def refuse_attributes(encoder: Encoder, address: str) -> None:
    """Raise if what an encoder says of itself is not there, or cannot be."""
    for name, kinds in ATTRIBUTES.items():
        value = getattr(encoder, name, None)
        # By type and not isinstance, for which true is the number 1.
        if type(value) is bool or not isinstance(value, kinds):
            raise ModelError(f"{address}: '{name}' is {value!r}; set it to a {kinds[0].__name__}")
        if isinstance(value, (int, float)) and not (value > 0 and math.isfinite(value)):
            raise ModelError(f"{address}: '{name}' is {value!r}; set it to a number above 0")
    if not encoder.name.strip() or not encoder.name.isprintable():
        raise ModelError(f"{address}: 'name' is {encoder.name!r}; set it to a name on one line, for tables and figures")
    if encoder.sample_rate < LOWEST_RATE:
        raise ModelError(f"{address}: 'sample_rate' is {encoder.sample_rate}; set it to that of music, in Hz")
    layers = encoder.layers
    if not layers or [*layers] != sorted({layer for layer in layers if type(layer) is int and layer >= 0}):
        raise ModelError(f"{address}: 'layers' is {layers!r}; set it to different whole numbers from 0 on, ascending")
    try:
        widths = tuple(encoder.widths)
    except (AttributeError, TypeError):  # by default it is made of `dim`
        widths = ()
    if len(widths) != len(layers) or not all(type(width) is int and width > 0 for width in widths):
        dim = repr(getattr(encoder, "dim", "not set"))
        raise ModelError(f"{address}: 'dim' is {dim}; set it to a int, or 'widths' to one for each layer")


def wrong_type(states: Any) -> str:
    """Return what something is that is no tensor of float32 whose numbers are all there; an empty text of one."""
    if not isinstance(states, Tensor):
        return instead(states)
    if states.is_meta or states.layout != torch.strided:
        return "a tensor without numbers (meta)" if states.is_meta else f"a tensor of layout {states.layout}"
    return "" if states.dtype == torch.float32 else str(states.dtype)


def alike(one: Tensor, other: Tensor) -> bool:
    """Return whether two states differ by no more than rounding."""
    return one.shape == other.shape and bool(
        (one - other).abs().max() <= ROUNDING * max(1.0, float(other.detach().abs().max()))
    )


def states_of_layers(encoder: Encoder, states: Any, address: str, waveforms: Tensor) -> list[Tensor]:
    """Return what `encode` gave, layer by layer, or raise if it is of another type, shape or rate than said."""
    whole, clips = isinstance(states, Tensor), len(waveforms)
    layers = [states] if whole else list(states) if isinstance(states, (list, tuple)) else [states]
    if given := next(filter(None, map(wrong_type, layers)), ""):
        raise ModelError(f"{address}: encode returned {given}; return a float32 tensor, or one for each layer")
    if whole:
        shape, wanted = tuple(states.shape), (clips, len(encoder.layers), "frame", encoder.widths[0])
        if len(set(encoder.widths)) > 1 or len(shape) != 4 or (shape[:2], shape[3]) != (wanted[:2], wanted[3]):
            raise ModelError(
                f"{address}: encode returned shape {shape}; expected (batch, layer, frame, dim) = {wanted}, or, where "
                f"widths differ, a tensor (batch, frame, width) for each layer, of widths {encoder.widths}"
            )
        layers = list(states.unbind(dim=1))
    shapes = [tuple(layer.shape) for layer in layers]
    if [(len(shape), shape[0], shape[-1]) for shape in shapes] != [(3, clips, width) for width in encoder.widths]:
        raise ModelError(
            f"{address}: encode returned shapes {shapes}; expected (batch, frame, width) for each layer, batch {clips} "
            f"and widths {encoder.widths}"
        )
    seconds, frames = waveforms.shape[1] / encoder.sample_rate, min(shape[1] for shape in shapes)
    expected = seconds * encoder.frame_rate
    # Edges cost or add a frame or two, and rates are rounded where they are written down.
    if whole and abs(frames - expected) > 0.05 * expected + 2:
        said = f"frame_rate {encoder.frame_rate:g} says {expected:g}"
        raise ModelError(f"{address}: {seconds:g} s gave {frames} frames; {said}")
    if not frames and seconds * encoder.sample_rate >= encoder.minimum_samples:
        needed = f"{waveforms.shape[1]} samples gave no frame; return one at least, or raise minimum_samples"
        raise ModelError(f"{address}: {needed} ({encoder.minimum_samples})")
    return layers
