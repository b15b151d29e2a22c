"""Your own encoder: found by its address or as an installed package's entry point, and held to the contract.

The address ``package.module:factory`` names a callable that takes nothing and returns an `Encoder`; importing it runs
your code, which is why it is never done for a name that you did not write out. A package offers names through the
entry-point group ``layerscope.encoders``.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from layerscope.encoders.encoder import Encoder
from layerscope.errors import LayerscopeError, ModelError

__all__ = ["installed_encoders", "load_custom", "verify"]

GROUP = "layerscope.encoders"
#: What an encoder must say of itself, and how.
ATTRIBUTES: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "sample_rate": (int,),
    "frame_rate": (float, int),
    "layers": (tuple,),
    "fingerprint": (str,),
}
#: A clip alone and in a batch may differ by rounding.
ROUNDING = 1e-4
#: Of noise to check with: long enough to tell a wrong frame rate from a frame lost at an edge.
SECONDS = 2.0


def installed_encoders() -> dict[str, EntryPoint]:
    """Return the encoders that installed packages offer."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def load_custom(address: str) -> Encoder:
    """Return the encoder that a factory makes, once it has kept the contract.

    Parameters
    ----------
    address : str
        ``package.module:factory``, importable or in the working directory, or the name of an entry point.

    Raises
    ------
    ModelError
        If it cannot be imported or breaks the contract, saying what to mend.
    """
    offered = installed_encoders().get(address)
    with author_answers(address):
        factory = offered.load() if offered else find_factory(address)
        encoder = factory()
        verify(encoder, address)
    return encoder


@contextmanager
def author_answers(address: str) -> Iterator[None]:
    """Turn whatever somebody's own code raises, its way out of the process too, into an error that names its line."""
    try:
        yield
    except (LayerscopeError, KeyboardInterrupt):
        raise
    # Anything may come of code that is not ours; only an interrupt is the user's.
    except BaseException as error:
        said = " ".join(traceback.format_exception_only(error)[-1].split())
        raise ModelError(f"{address}: its code raised {said}{place_of(error)}; mend it there") from error


def place_of(error: BaseException) -> str:
    """Return the line that an error comes from, as far as it lies in no library of ours."""
    if isinstance(error, SyntaxError):
        return f" ({error.filename}, line {error.lineno})"
    ours = str(Path(__file__).parents[1])
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((ours, "<frozen importlib", importlib.__file__))
    ]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def find_factory(address: str) -> Any:
    """Import the callable of an address."""
    module_name, _, attribute = address.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        # At the end, so that no file here takes the place of an installed package.
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ModelError(f"{address}: cannot be imported ({error}); run where '{module_name}' can be found") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise ModelError(f"{address}: module '{module_name}' has no callable '{attribute}'")
    return factory


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
        found = type(encoder).__name__
        raise ModelError(f"{address}: returned {found}; return an instance of a subclass of layerscope.Encoder")
    for name, kinds in ATTRIBUTES.items():
        if not isinstance(getattr(encoder, name, None), kinds):
            found = repr(getattr(encoder, name, "not set"))
            raise ModelError(f"{address}: '{name}' is {found}; set it to a {kinds[0].__name__}")
    widths = getattr(encoder, "widths", (None,))
    if len(widths) != len(encoder.layers) or not all(isinstance(width, int) for width in widths):
        found = repr(getattr(encoder, "dim", "not set"))
        raise ModelError(f"{address}: 'dim' is {found}; set it to a int, or 'widths' to one for each layer")
    # It is held to its shapes file by file, as they are read.
    if encoder.reads_files:
        return
    # Two clips, to see whether a batch mixes them.
    noise = torch.randn(2, int(SECONDS * encoder.sample_rate), generator=torch.Generator().manual_seed(0)) * 0.1
    # First, because what follows takes shapes for granted.
    refuse_shape(encoder, encoder.encode(noise), address)
    states = encoder.layer_states(noise)
    if not all(map(torch.equal, states, encoder.layer_states(noise))):
        raise ModelError(f"{address}: the same waveforms gave other states: set evaluation mode, seed what is random")
    if not all(map(alike, encoder.layer_states(noise[:1]), (layer[:1] for layer in states))):
        raise ModelError(f"{address}: a clip alone differs from the clip in a batch: the clips of a batch must not mix")
    # Silence is where logarithms and divisions fail.
    for what, waveforms in (("noise", noise), ("silence", torch.zeros_like(noise))):
        if not all(layer.isfinite().all() for layer in encoder.layer_states(waveforms)):
            raise ModelError(f"{address}: states of {what} are not finite")
    if min(layer.shape[1] for layer in encoder.layer_states(noise[:, : encoder.minimum_samples])) < 1:
        raise ModelError(f"{address}: minimum_samples gives no frame: raise it to what one frame needs")


def alike(one: Tensor, other: Tensor) -> bool:
    """Return whether two states differ by no more than rounding."""
    return one.shape == other.shape and bool((one - other).abs().max() <= ROUNDING * max(1.0, float(other.abs().max())))


def refuse_shape(encoder: Encoder, states: Any, address: str) -> None:
    """Raise if states have another type, shape or rate than the encoder says."""
    whole = isinstance(states, Tensor)
    layers = [states] if whole else list(states) if isinstance(states, (list, tuple)) else [states]
    wrong = next((layer for layer in layers if not isinstance(layer, Tensor) or layer.dtype != torch.float32), None)
    if wrong is not None:
        found = getattr(wrong, "dtype", type(wrong).__name__)
        raise ModelError(f"{address}: encode returned {found}; return a float32 tensor, or one for each layer")
    if whole:
        shape, wanted = tuple(states.shape), (2, len(encoder.layers), "frame", encoder.widths[0])
        if len(set(encoder.widths)) > 1 or len(shape) != 4 or (shape[:2], shape[3]) != (wanted[:2], wanted[3]):
            raise ModelError(
                f"{address}: encode returned shape {shape}; expected (batch, layer, frame, dim) = {wanted}, or, where "
                f"widths differ, a tensor (batch, frame, width) for each layer, of widths {encoder.widths}"
            )
        layers = list(states.unbind(dim=1))
    shapes = [tuple(layer.shape) for layer in layers]
    if [(len(shape), shape[0], shape[-1]) for shape in shapes] != [(3, 2, width) for width in encoder.widths]:
        raise ModelError(
            f"{address}: encode returned shapes {shapes}; expected (batch, frame, width) for each layer, batch 2 and "
            f"widths {encoder.widths}"
        )
    expected = SECONDS * encoder.frame_rate
    # Edges cost or add a frame or two, and rates are rounded where they are written down.
    if whole and abs(shapes[0][1] - expected) > 0.05 * expected + 2:
        said = f"frame_rate {encoder.frame_rate:g} says {expected:g}"
        raise ModelError(f"{address}: {SECONDS:g} s gave {shapes[0][1]} frames; {said}")
