"""Files of arrays in the format of safetensors, with what a reader should know, and a digest of each array."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from layerscope.atomic_files.whole_files import BLOCK, digest, refuse_irregular, unfinished
from layerscope.errors import ResourceError

__all__ = ["array_digest", "damaged", "locate_tensor", "read_header", "read_tensors", "write_tensors"]

#: Metadata of a tensors file: what a reader should know, and a digest of each array.
HEADER = "layerscope"
#: Begins the digest of an array. It is to show what a disk or a copy did to some bytes, not who changed them: SHA-256
#: took longer than the decoding of the clips whose frames it was of.
XXH3 = "xxh3:"
#: What safetensors calls the types of arrays that are read in parts → numpy's names.
SAFETENSORS_TYPES = {"F16": "float16", "F32": "float32"}


def write_tensors(
    path: Path,
    tensors: Mapping[str, NDArray[Any] | Sequence[NDArray[Any]]],
    header: Any,
    *,
    replace: bool = True,
) -> None:
    """Write arrays with a JSON header and a digest of each; the same content under a name gives the same bytes.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file.
    tensors : mapping of str to ndarray, or sequence of ndarray
        By name; one that comes in parts is these one after another, along their first axis.
    header : JSON value
        What a reader should know before it reads an array.
    replace : bool
        Whether a file of that name is replaced; otherwise the first one stays, whoever wrote it.
    """
    parts = {
        # Unlike `ascontiguousarray`, this leaves a number without axes one.
        name: [np.asarray(part, order="C") for part in (value if isinstance(value, Sequence) else [value])]
        for name, value in sorted(tensors.items())
    }
    digests = {name: XXH3 + array_digest(*arrays) for name, arrays in parts.items()}
    about = json.dumps(header)
    told = {"name": path.name, "about": about, "of": digest(about), "digests": digests}
    # The widest numbers first, so that each array begins at a multiple of its own.
    ordered = dict(sorted(parts.items(), key=lambda pair: -pair[1][0].itemsize))
    with unfinished(path, replace=replace) as place, place.open("wb") as file:
        file.write(tensors_head(ordered, json.dumps(told)))
        for arrays in ordered.values():
            for array in arrays:
                file.write(content_of(array))


def tensors_head(tensors: Mapping[str, Sequence[NDArray[Any]]], told: str) -> bytes:
    """Return how a safetensors file begins: where the parts of each array lie, and what is told beside them.

    The library's own writer takes each array as one string of bytes: of a shard with all its frames these copies took
    longer than the writing (docs/decisions.md, "Shards are written as they lie").
    """
    entries: dict[str, Any] = {"__metadata__": {HEADER: told}}
    end = 0
    for name, arrays in tensors.items():
        begin, end = end, end + sum(array.nbytes for array in arrays)
        kind, bits = arrays[0].dtype.kind.upper(), 8 * arrays[0].itemsize
        entries[name] = {
            "dtype": "BOOL" if kind == "B" else f"{kind}{bits}",
            "shape": whole_shape(arrays),
            "data_offsets": [begin, end],
        }
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    # With blanks to a multiple of eight, where the arrays begin.
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def whole_shape(parts: Sequence[NDArray[Any]]) -> tuple[int, ...]:
    """Return the shape of an array that comes in parts."""
    first = parts[0].shape
    return first if len(parts) == 1 else (sum(map(len, parts)), *first[1:])


def content_of(array: NDArray[Any]) -> bytes | memoryview:
    """Return the bytes of an array, as they lie."""
    # An empty array cannot be viewed as another type.
    return np.ascontiguousarray(array).view(np.uint8).data if array.size else b""


def array_digest(*parts: NDArray[Any], kind: str = XXH3) -> str:
    """Return the digest of an array's type, shape and bytes; one that comes in parts is these one after another."""
    begun = begin_digest(f"{parts[0].dtype} {whole_shape(parts)}", kind)
    for part in parts:
        begun.update(content_of(part))
    return begun.hexdigest()


def begin_digest(about: str, kind: str) -> Any:
    """Return a digest that can go on, of the kind that a recorded one begins with: those of old files are SHA-256."""
    return (xxhash.xxh3_128 if kind.startswith(XXH3) else hashlib.sha256)(about.encode())


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield a file that `write_tensors` wrote, and what it told of it beside its arrays.

    Raises
    ------
    ResourceError
        If the file is not readable, or another writer's; also for what goes wrong with what is read of it.
    """
    try:
        refuse_irregular(path)
        with safe_open(path, framework="numpy") as file:
            told = dict(json.loads(file.metadata()[HEADER]))
            # Many are named by what they hold: one that was put in another's place would be taken for it.
            if told.get("name", path.name) != path.name:
                raise damaged(path, f"it was written as {told['name']}")
            yield file, told
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        # A file of another writer has no metadata, or lacks our entry.
        raise damaged(path, error) from error


def read_tensors(path: Path, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return some of the arrays that `write_tensors` wrote, or all, each held against its digest.

    Raises
    ------
    ResourceError
        If the file is not readable, or a byte of what is read is not what was written.
    """
    with opened(path) as (file, told):
        digests = told["digests"]
        arrays = {name: file.get_tensor(name) for name in (digests if names is None else names)}
    for name, array in arrays.items():
        recorded = str(digests.get(name))
        if recorded.removeprefix(XXH3) != array_digest(array, kind=recorded):
            raise damaged(path, f"'{name}' is not what was written")
    return arrays


def locate_tensor(path: Path, name: str) -> tuple[int, tuple[int, ...]]:
    """Return where in a file an array begins, and its shape: one that is read in parts, once it is held to its digest.

    Raises
    ------
    ResourceError
        If the file is not readable, or a byte of the array is not what was written.
    """
    try:
        refuse_irregular(path)
        with path.open("rb") as file:
            # The format of safetensors: the length of the header, the header, and the arrays one after another.
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
            recorded = str(json.loads(header["__metadata__"][HEADER])["digests"][name])
            shape, (first, last) = tuple(header[name]["shape"]), header[name]["data_offsets"]
            begun = begin_digest(f"{SAFETENSORS_TYPES[header[name]['dtype']]} {shape}", recorded)
            file.seek(8 + length + first)
            for start in range(0, last - first, BLOCK):
                begun.update(file.read(min(BLOCK, last - first - start)))
    except (OSError, OverflowError, MemoryError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from error
    if begun.hexdigest() != recorded.removeprefix(XXH3):
        raise damaged(path, f"'{name}' is not what was written")
    return 8 + length + first, shape


def read_header(path: Path) -> Any:
    """Return the JSON header that `write_tensors` wrote, held against its digest."""
    with opened(path) as (_, told):
        if "of" not in told:
            raise damaged(path, "written by another version of layerscope")
        if told["of"] != digest(told["about"]):
            raise damaged(path, "its header is not what was written")
        return json.loads(told["about"])


def damaged(path: Path, why: object) -> ResourceError:
    """Return the error for a file of ours that cannot be used any more."""
    return ResourceError(f"{path}: damaged ({why}); delete it and run the same command again")
