"""Errors that are meant for a person: what is wrong, with which value, and the way out."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "AudioError",
    "DataError",
    "LayerscopeError",
    "ModelError",
    "ResourceError",
    "UsageError",
    "one_of",
    "path_of",
    "unknown",
]


class LayerscopeError(Exception):
    """An error with a message for the user; the command line prints it without a traceback."""

    exit_code = 1


class UsageError(LayerscopeError):
    """A name, option or argument that layerscope does not know or cannot combine (exit code 2)."""

    exit_code = 2


class DataError(LayerscopeError):
    """A table, label or split that cannot be used (exit code 3)."""

    exit_code = 3


class AudioError(DataError):
    """One audio file that cannot be used; a run records it in ``skipped.csv`` and goes on."""


class ModelError(LayerscopeError):
    """A checkpoint or an encoder that cannot be used (exit code 4)."""

    exit_code = 4


class ResourceError(LayerscopeError):
    """The machine is in the way: a full disk, a missing permission, a lock held elsewhere (exit code 5)."""

    exit_code = 5


def unknown(kind: str, name: object, known: Iterable[str], *, hint: str = "") -> UsageError:
    """Return the error for a name that is not among the known ones, with the nearest suggested.

    Parameters
    ----------
    kind : str
        What the name stands for, e.g. ``"baseline"``.
    name : str
        What the user wrote; in Python that may be anything.
    known : iterable of str
        The names that would have been accepted.
    hint : str
        A further sentence on the way out.
    """
    names = sorted(known)
    # Whatever their case, of which two names may differ.
    folded = {each.casefold(): each for each in names}
    near = difflib.get_close_matches(str(name).strip().casefold(), folded, n=1, cutoff=0.5)
    suggestion = f"; did you mean '{folded[near[0]]}'?" if near else f"; known: {', '.join(names)}"
    return UsageError(f"unknown {kind} '{name}'{suggestion}{' ' + hint if hint else ''}")


def one_of(kind: str, name: object, known: Iterable[str]) -> str:
    """Return a name that is among the known ones.

    Raises
    ------
    UsageError
        If it is not, as `unknown` says it.

    Examples
    --------
    >>> one_of("probe", "mlp", ["mlp", "linear"])
    'mlp'
    """
    names = list(known)
    if isinstance(name, str) and name in names:
        return name
    raise unknown(kind, name, names)


def path_of(place: str | os.PathLike[str], call: str) -> Path:
    """Return what a call was given as a path.

    Raises
    ------
    UsageError
        If it is neither a text nor a path.
    """
    if isinstance(place, str | os.PathLike):
        return Path(place)
    raise UsageError(f"{call} takes a path, not {type(place).__name__}")
