"""Model files of any layout: read without running anything in them, and compared with what is expected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from layerscope.errors import ModelError

__all__ = ["read_json", "read_tensors", "refuse_mismatch", "refuse_non_finite", "refuse_others"]


def read_tensors(weights: Path) -> dict[str, Tensor]:
    """Read a safetensors file, or a pickled one with ``weights_only=True``: no code of the file is run."""
    try:
        if weights.suffix == ".safetensors":
            return load_file(weights)
        content = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes its reader raise anything at all
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{weights}: not a readable checkpoint ({reason}); fetch it again") from error
    tensors = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise ModelError(f"{weights}: no state dict in it; expected names and tensors")
    return tensors


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object, or say which file is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def refuse_others(path: Path, written: Mapping[str, Any], understood: Mapping[str, Any]) -> None:
    """Raise for a configured value that this project would not honour."""
    for key, value in understood.items():
        if written.get(key, value) != value:
            raise ModelError(f"{path}: {key} = {written[key]!r} is not understood (only {value!r} is)")


def refuse_mismatch(
    path: Path, found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]], prefix: str = ""
) -> None:
    """Compare names and shapes, and name the first that differs, with the count of the others.

    Parameters
    ----------
    path : Path
        Of the weights, for the message.
    found, expected : mapping of str to tuple of int
        Names and shapes.
    prefix : str
        What the file has in front of every name.
    """
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    misshapen = sorted(name for name in expected.keys() & found.keys() if expected[name] != found[name])
    for names, verdict in ((missing, "is missing"), (extra, "is not part of this layout")):
        if names:
            raise ModelError(f"{path}: tensor '{prefix}{names[0]}' {verdict}{others(names)}")
    if misshapen:
        name = misshapen[0]
        raise ModelError(
            f"{path}: tensor '{prefix}{name}' has shape {found[name]}, expected {expected[name]}{others(misshapen)}"
        )


def others(names: list[str]) -> str:
    """Return how many further names there are, in words."""
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def refuse_non_finite(path: Path, tensors: Mapping[str, Tensor], prefix: str = "") -> None:
    """Raise for a tensor that holds NaN or infinity."""
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise ModelError(f"{path}: tensor '{prefix}{name}' holds non-finite values")
