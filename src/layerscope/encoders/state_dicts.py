"""Names and tensors of a model's files, of any layout: read without running anything in them, and taken strictly."""

from __future__ import annotations

import itertools
import pickle
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from layerscope.atomic_files import read_json
from layerscope.errors import ModelError

__all__ = [
    "WEIGHTS", "Shapes", "common_prefix", "load_strictly", "read_tensors", "refuse_others", "setting", "shard_names",
    "weights_beside",
]  # fmt: skip

Shapes = dict[str, tuple[int, ...]]
T = TypeVar("T")

#: The names of weights in the transformers library's layout; an index names the shards of a large model.
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
#: What training in parallel and compiling put before every name.
WRAPPERS = ("module.", "_orig_mod.")
#: Begins the few lines that a clone without Git LFS has in place of the weights.
LFS_POINTER = b"version https://git-lfs"


def weights_beside(directory: Path) -> Path:
    """Return the weights, or the index of their shards, of a directory in the library's layout."""
    for name in WEIGHTS:
        if (directory / name).is_file():
            return directory / name
    if (directory / "adapter_config.json").is_file():
        raise ModelError(
            f"{directory}: holds an adapter (LoRA) alone; merge it into its model (peft: merge_and_unload), save that"
        )
    raise ModelError(f"{directory}: neither model.safetensors nor pytorch_model.bin beside config.json")


def shard_names(index: Path) -> list[str]:
    """Return the names of the files that an index tells of, all of them beside it."""
    # By their text: values that are no names must get as far as the refusal below.
    names = sorted(set(setting(index, read_json(index, ModelError), "weight_map", dict).values()), key=str)
    for name in names:
        # A path could reach any file of the machine.
        if not isinstance(name, str) or not name or name != Path(name).name:
            raise ModelError(f"{index}: names a shard {name!r}; expected files of its own directory")
    return names


def read_tensors(weights: Path) -> dict[str, Tensor]:
    """Read a safetensors file, a pickled one with ``weights_only=True``, or the shards of an index.

    No code of a file is run. What a wrapper put before every name is taken off.
    """
    if weights.name.endswith(".index.json"):
        shards = [read_tensors(weights.with_name(name)) for name in shard_names(weights)]
        return {name: value for shard in shards for name, value in shard.items()}
    try:
        # A pipe would be waited for.
        if weights.exists() and not weights.is_file():
            raise ModelError(f"{weights}: not a regular file")
        with weights.open("rb") as file:
            pointer = file.read(len(LFS_POINTER)) == LFS_POINTER
        content = {} if pointer else load_any(weights)
    except ModelError:
        raise
    except pickle.UnpicklingError as error:
        raise ModelError(f"{weights}: {pickled_fault(error)}") from error
    except Exception as error:  # a damaged file makes its reader raise anything at all
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{weights}: not a readable checkpoint ({reason}); fetch it again") from error
    if pointer:
        raise ModelError(f"{weights}: is a Git LFS pointer, not the weights; fetch them with `git lfs pull`")
    # Training frameworks write other things beside it, as MusicFM's file shows.
    tensors = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(tensors, dict) or not tensors or not all(map(is_named_tensor, tensors.items())):
        keys = f" (it holds {', '.join(map(str, content))[:80]})" if content and isinstance(content, dict) else ""
        raise ModelError(
            f"{weights}: no state dict in it{keys}; expected names and tensors, as model.state_dict() gives"
        )
    # Where only some have it, it is a module of that name.
    while tensors and (wrapper := next((each for each in WRAPPERS if common_prefix(tensors).startswith(each)), None)):
        tensors = {name.removeprefix(wrapper): value for name, value in tensors.items()}
    return tensors


def is_named_tensor(item: tuple[Any, Any]) -> bool:
    """Return whether a name and what it names are a text and a tensor that is there, number by number."""
    name, value = item
    there = isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta and not value.is_quantized
    return isinstance(name, str) and there


def common_prefix(names: Iterable[str]) -> str:
    """Return the parts that all names begin with, each with its dot.

    Examples
    --------
    >>> common_prefix(["student.encoder.weight", "student.encoder.bias", "student.norm.bias"])
    'student.'
    """
    parts = zip(*(name.split(".")[:-1] for name in names), strict=False)
    return "".join(f"{part[0]}." for part in itertools.takewhile(lambda part: len(set(part)) == 1, parts))


def pickled_fault(error: pickle.UnpicklingError) -> str:
    """Return what is wrong with a pickled checkpoint; the library's own words advise to run what is in it."""
    code = re.search(r"GLOBAL ([\w.]+)", str(error))
    if code:
        return (
            f"holds code ('{code[1]}') beside or instead of tensors, which is never run; "
            "have its author save the tensors as model.safetensors"
        )
    return "not a readable checkpoint (no pickle of tensors alone, or damaged); fetch it again, or as model.safetensors"


def load_any(weights: Path) -> Any:
    """Return what a file of weights holds."""
    if weights.suffix == ".safetensors":
        return load_file(weights)
    # To the CPU, because a file written on a GPU wants one otherwise.
    with warnings.catch_warnings():
        # It doubts pickles of other makers, which it then reads or refuses.
        warnings.simplefilter("ignore", UserWarning)
        return torch.load(weights, map_location="cpu", weights_only=True)


def setting(path: Path, settings: Mapping[str, Any], key: str, kind: type[T]) -> T:
    """Return a value of a configuration; a whole number is a size, above 0."""
    if key not in settings:
        raise ModelError(f"{path}: '{key}' is missing")
    value: Any = settings[key]
    too_small = kind is int and isinstance(value, int) and value < 1
    # By type and not isinstance, for which true is the number 1.
    if type(value) is not kind or too_small:
        expected = "whole number above 0" if kind is int else kind.__name__
        raise ModelError(f"{path}: '{key}' = {value!r}: a value is of the wrong type, expected a {expected}")
    return value


def refuse_others(path: Path, written: Mapping[str, Any], understood: Mapping[str, Any]) -> None:
    """Raise for a configured value that this project would not honour."""
    for key, value in understood.items():
        # What is left out is what the family's own code takes by default.
        if written.get(key, value) != value:
            raise ModelError(f"{path}: {key} = {written[key]!r} is not understood (only {value!r} is)")


def load_strictly(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    prefix: str = "",
    unused: Shapes | None = None,
    optional: Collection[str] = (),
    name_in_file: Callable[[str], str] = str,
) -> None:
    """Give a model its tensors: every one of them, of the right shape, finite, and none beyond.

    Parameters
    ----------
    model : nn.Module
        It keeps the precision of its own parameters.
    tensors : mapping of str to Tensor
        Under the names of the file.
    path : Path
        Of the file, for messages.
    prefix : str
        What the file has in front of every name, for messages.
    unused : dict of str to tuple of int, optional
        Names and shapes of what the file must hold as well, and the model does not need.
    optional : collection of str
        Names of the file without which the model keeps what it has, or that it may hold in vain.
    name_in_file : callable
        From a name of the model to that of the file.

    Raises
    ------
    ModelError
        Naming the first tensor that is missing, extra or of the wrong shape, is quantised or holds non-finite values.
    """
    own = {name_in_file(name): value for name, value in model.state_dict().items()}
    given = {name: value for name, value in tensors.items() if name in own or name not in optional}
    complete = {name: own[name] for name in optional if name in own} | given
    refuse_mismatch(path, shapes(complete), shapes(own) | (unused or {}), prefix)
    for name, value in complete.items():
        # Whole numbers are what quantisation leaves, of which only its own code makes weights again.
        narrow = value.is_floating_point() and value.itemsize < 2
        if narrow or (name in own and own[name].is_floating_point() and not value.is_floating_point()):
            kind = str(value.dtype).removeprefix("torch.")
            raise ModelError(f"{path}: tensor '{prefix}{name}' is of {kind}: quantised? give the weights as floats")
        # One NaN would be in every state without a word, and so would a number that the model's precision lacks; as a
        # whole number each is finite.
        if not all(torch.isfinite(held).all() for held in (value, value.to(own[name].dtype) if name in own else value)):
            raise ModelError(f"{path}: tensor '{prefix}{name}' holds non-finite values")
    model.load_state_dict({name: complete[name_in_file(name)] for name in model.state_dict()}, strict=True)


def shapes(tensors: Mapping[str, Tensor]) -> Shapes:
    """Return the shape of every tensor."""
    return {name: tuple(value.shape) for name, value in tensors.items()}


def refuse_mismatch(path: Path, found: Shapes, expected: Shapes, prefix: str) -> None:
    """Compare names and shapes, and name the first that differs, with the count of the others."""
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    misshapen = sorted(name for name in expected.keys() & found.keys() if expected[name] != found[name])
    for names, verdict in ((missing, "is missing"), (extra, "is not part of this layout")):
        if names:
            raise ModelError(f"{path}: tensor '{prefix}{names[0]}' {verdict}{others(names)}")
    if misshapen:
        name = misshapen[0]
        shape = f"has shape {found[name]}, expected {expected[name]}"
        raise ModelError(f"{path}: tensor '{prefix}{name}' {shape}{others(misshapen)}")


def others(names: list[str]) -> str:
    """Return how many further names there are, in words."""
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
