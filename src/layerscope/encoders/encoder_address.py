"""Your own encoder, found by its address or as an installed package's entry point.

The address ``package.module:factory`` names a callable that takes nothing and returns an `Encoder`; importing it runs
your code, which is why it is never done for a name that you did not write out. A package offers names through the
entry-point group ``layerscope.encoders``.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from layerscope.encoders.encoder import Encoder
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
        ``package.module:factory``, importable or in the working directory, or the name of an entry point.

    Raises
    ------
    ModelError
        If it cannot be imported or breaks the contract, saying what to mend.
    """
    offered = installed_encoders().get(address)
    with author_answers(address, offered.module if offered else address.partition(":")[0]):
        factory = offered.load() if offered else find_factory(address)
        encoder = factory()
        verify(encoder, address)
    return encoder


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
