"""Errors that are meant for a person: what is wrong, with which value, and the way out."""

from __future__ import annotations

import difflib
import inspect
import numbers
import os
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, wraps
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

__all__ = [
    "AudioError",
    "DataError",
    "LayerscopeError",
    "ModelError",
    "ResourceError",
    "UsageError",
    "checks_arguments",
    "one_of",
    "optional_library",
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


def optional_library(name: str, extra: str, needs: str, error: type[LayerscopeError] = UsageError) -> Any:
    """Return a library that only some have installed.

    Parameters
    ----------
    name, extra : str
        Of the library, and of the extra that installs it.
    needs : str
        What needs it, for the message where it is not there.
    error : type
        Of what is raised then.

    Examples
    --------
    >>> optional_library("json", "json", "reading JSON needs json").loads("[1]")
    [1]
    """
    try:
        return import_module(name)
    except ImportError as fault:
        raise error(f"{needs}: pip install 'layerscope[{extra}]'") from fault


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
    near = difflib.get_close_matches(str(name).strip().casefold(), folded, n=1)
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


#: What is checked of a signature → what stands for it, and how a message calls it.
PLAIN: dict[type, tuple[type | tuple[type, ...], str]] = {
    str: (str, "a text"),
    Path: (os.PathLike, "a path"),
    bool: (bool, "True or False"),
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
    NoneType: (NoneType, "None"),
}
Given = ParamSpec("Given")
Returned = TypeVar("Returned")


def checks_arguments(function: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """Hold what a public function is given to its signature, as the command line does with options.

    Names and their number are checked, texts, paths, numbers, None, and what is to hold several of anything; all other
    types (arrays, tensors, encoders) are left to the function, which knows what may stand for them.

    Examples
    --------
    >>> @checks_arguments
    ... def play(path: str | Path, *, tempo: float | None = None) -> None:
    ...     pass
    >>> play("a.wav", speed=90.0)
    Traceback (most recent call last):
    layerscope.errors.UsageError: unknown argument of play() 'speed'; known: path, tempo
    >>> play(3)
    Traceback (most recent call last):
    layerscope.errors.UsageError: play(): path is 3; give a text or a path
    """
    signature = inspect.signature(function)
    call = f"{function.__qualname__.removesuffix('.__call__').removesuffix('.__init__')}()"

    @wraps(function)
    def checked(*args: Given.args, **named: Given.kwargs) -> Returned:
        try:
            bound = signature.bind(*args, **named)
        except TypeError as error:
            known = [name for name in signature.parameters if name not in ("self", "cls")]
            strangers = [name for name in named if name not in known]
            if strangers:
                raise unknown(f"argument of {call}", strangers[0], known) from error
            raise UsageError(f"{call}: {error}; it takes {', '.join(known)}") from error
        hints = hints_of(function)
        for name, value in bound.arguments.items():
            allowed = alternatives(hints.get(name, Any))
            # A flag or a number of numpy is one of Python's, and is written to files as such.
            if isinstance(value, np.generic) and not PLAIN.keys().isdisjoint(allowed):
                bound.arguments[name] = value = value.item()
            if not any(is_of(value, hint) for hint in allowed):
                words = [
                    PLAIN[hint][1] if hint in PLAIN else "a mapping" if is_mapping(hint) else "several, in brackets"
                    for hint in allowed
                ]
                raise UsageError(f"{call}: {name} is {in_a_line(value)}; give {' or '.join(words)}")
        return function(*bound.args, **bound.kwargs)

    return checked


def in_a_line(value: object) -> str:
    """Return a value as an error shows it: of what takes several lines, such as a table, the type."""
    text = reprlib.repr(value)
    return f"of type {type(value).__name__}" if "\n" in text else text


@cache
def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of a signature; only when it is called, as it may name what its module defines further down."""
    return get_type_hints(function)


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the types that a hint allows."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def is_of(value: object, hint: Any) -> bool:
    """Return whether a value is of a type that is checked, or the type is not checked."""
    if hint in PLAIN:
        # True counts as a number in Python, and to nobody else.
        return isinstance(value, PLAIN[hint][0]) and (hint is bool or not isinstance(value, bool))
    if is_mapping(hint):
        return isinstance(value, Mapping)
    if get_origin(hint) in (Iterable, Sequence):
        # A text is one, not several letters.
        return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    return True


def is_mapping(hint: Any) -> bool:
    """Return whether a hint is of what has keys."""
    return get_origin(hint) is Mapping
