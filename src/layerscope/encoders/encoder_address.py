"""Your own encoder, found by its address or as an installed package's entry point.

The address ``package.module:factory`` names a callable that returns an `Encoder`; it takes nothing, or what stands
behind a question mark: ``package.module:factory?step=1000``. Importing it runs your code, which is why it is never done
for a name that you did not write out. A package offers names through the entry-point group ``layerscope.encoders``.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from layerscope.encoders.checkpoint_paths import at_step
from layerscope.encoders.encoder import Encoder, LayeredEncoder, fingerprint_of
from layerscope.encoders.own_encoder import author_answers, verify
from layerscope.errors import ModelError

__all__ = ["find_factory", "installed_encoders", "load_custom"]

GROUP = "layerscope.encoders"


def installed_encoders() -> dict[str, EntryPoint]:
    """Return the encoders that installed packages offer."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def load_custom(address: str) -> Encoder:
    """Return the encoder that a factory makes, once it has kept the contract.

    Parameters
    ----------
    address : str
        ``package.module:factory``, importable or in the working directory, or the name of an entry point; with what the
        factory takes behind it, such as ``?step=1000&size=small``. One with a step is called ``name@step``.

    Raises
    ------
    ModelError
        If it cannot be imported or breaks the contract, saying what to mend.
    """
    place, _, query = address.partition("?")
    offered = installed_encoders().get(place)
    arguments = arguments_of(address)
    with author_answers(address, offered.module if offered else place.partition(":")[0]):
        factory = offered.load() if offered else find_factory(place)
        encoder = factory(**arguments)
        verify(encoder, address)
        if "step" in arguments and "@" not in encoder.name:
            encoder.name = at_step(encoder.name, arguments["step"])
        if query and not isinstance(encoder, LayeredEncoder):
            # The author may have thought of one encoder only: states of one step are not to be taken for another's.
            encoder.fingerprint = fingerprint_of({"own": encoder.fingerprint, "arguments": arguments})
    return encoder


def arguments_of(address: str) -> dict[str, int | float | str]:
    """Return what an address has for its factory: numbers as such, all else as text.

    Examples
    --------
    >>> arguments_of("mine:factory?step=1000&size=small"), arguments_of("mine:factory")
    ({'step': 1000, 'size': 'small'}, {})
    """
    _, mark, query = address.partition("?")
    try:
        pairs = parse_qsl(query or "=", keep_blank_values=True, strict_parsing=True) if mark else []
    except ValueError:
        pairs = [("", "")]
    arguments = {name: number_or_text(text) for name, text in pairs}
    if len(arguments) < len(pairs) or not all(map(str.isidentifier, arguments)):
        raise ModelError(f"{address}: write what the factory takes, each once, as ?name=value&name=value")
    return arguments


def number_or_text(text: str) -> int | float | str:
    """Return a number where a text is one as Python writes it."""
    for kind in (int, float):
        try:
            if str(number := kind(text)) == text:
                return number
        except ValueError:
            continue
    return text


def find_factory(address: str) -> Any:
    """Import the callable of an address."""
    module_name, _, attribute = address.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
        raise ModelError(f"{address}: is no address of an encoder; write package.module:factory")
    here = str(Path.cwd())
    if here not in sys.path:
        # At the end, so that no file here takes the place of an installed package.
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # What the module itself asks for in vain is its author's error.
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise
        mend = f"write {module_name[:-3]}:{attribute}" if module_name.endswith(".py") else ""
        mend = mend or f"run where '{module_name}' can be found"
        raise ModelError(f"{address}: cannot be imported ({error}); {mend}") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        mend = f"; '{attribute}' is one, not a function that returns it" if isinstance(factory, Encoder) else ""
        raise ModelError(f"{address}: module '{module_name}' has no callable '{attribute}'{mend}")
    return factory
