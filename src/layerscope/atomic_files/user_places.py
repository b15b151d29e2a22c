"""Where a user's files are: what the environment says, else the system."""

from __future__ import annotations

import os
from pathlib import Path

from layerscope.errors import ResourceError

__all__ = ["HOMELESS", "cache_directory", "chosen_place"]

#: Said where neither the environment nor the system says where a user's files are.
HOMELESS = "this user has no home directory; say where to keep things in LAYERSCOPE_CACHE"


def cache_directory() -> Path:
    """Return where features are kept between runs: ``LAYERSCOPE_CACHE``, or the user's cache directory.

    Raises
    ------
    ResourceError
        If neither the environment nor the system says where the user's files are.
    """
    if chosen := chosen_place("LAYERSCOPE_CACHE"):
        return chosen
    try:
        # Empty counts as not set, by the XDG specification.
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "layerscope"
    except RuntimeError as error:  # a container's user often has neither HOME nor an entry in passwd
        raise ResourceError(HOMELESS) from error


def chosen_place(variable: str) -> Path | None:
    """Return the place that a variable of the environment names, or None; a ``~`` that no shell replaced is home."""
    chosen = os.environ.get(variable)
    return Path(os.path.expanduser(chosen)) if chosen else None  # noqa: PTH111 - Path's fails where there is no home
