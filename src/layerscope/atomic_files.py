"""Whole files or none, their digests, and a directory that belongs to one process.

What is written appears under its name complete, or not at all: a reader, a kill or a full disk never leaves a part.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from layerscope.errors import ResourceError

__all__ = [
    "array_digest",
    "cache_directory",
    "damaged",
    "read_header",
    "read_tensors",
    "sole_use",
    "unfinished",
    "write_atomically",
    "write_tensors",
]

#: Metadata of a tensors file: what a reader should know, and a digest of each array.
HEADER = "layerscope"
#: Begins the names of what a killed run leaves behind.
UNFINISHED = ".unfinished-"


def cache_directory() -> Path:
    """Return where features are kept between runs: ``LAYERSCOPE_CACHE``, or the user's cache directory."""
    chosen = os.environ.get("LAYERSCOPE_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "layerscope"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a kill, finds the old one or the new one, never a part.

    Raises
    ------
    ResourceError
        If the disk is full or the place cannot be written.
    """
    with unfinished(path) as place:
        place.write_bytes(content)


@contextmanager
def sole_use(directory: Path) -> Iterator[None]:
    """Hold a directory of results for this process.

    Raises
    ------
    ResourceError
        If another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(directory / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise ResourceError(f"{directory} is in use by another run; wait for it or choose another --out") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def unfinished(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Yield a place beside a file; what is written there becomes that file, whole, at the end.

    Where it is not to be replaced, a file that is there by then stays: two writers of one name end with the first's.

    It lies in a directory of its own, because a writer of tensors leaves temporary files beside what it writes.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=path.parent))
        place = directory / "content"
        try:
            yield place
            with place.open("rb+") as file:
                os.fsync(file.fileno())
            place.chmod(0o666 & ~current_umask())
            if replace:
                place.replace(path)
            else:
                try:
                    os.link(place, path)  # unlike a renaming, it does not replace
                except OSError:  # there already, or a file system without hard links
                    if not path.exists():
                        place.replace(path)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    except OSError as error:
        way_out = (
            "free some space and run the same command again: it continues"
            if error.errno == errno.ENOSPC
            else "choose another place"
        )
        raise ResourceError(f"{path}: cannot be written ({error.strerror}); {way_out}") from error


@cache
def current_umask() -> int:
    """Return the permissions that the user's new files lack; a temporary file lacks more."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], header: Any, *, replace: bool = True) -> None:
    """Write arrays with a JSON header and a digest of each; the same content gives the same bytes.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file.
    tensors : mapping of str to ndarray
        By name.
    header : JSON value
        What a reader should know before it reads an array.
    replace : bool
        Whether a file of that name is replaced; otherwise the first one stays, whoever wrote it.
    """
    contiguous = {name: np.ascontiguousarray(value) for name, value in sorted(tensors.items())}
    digests = {name: array_digest(value) for name, value in contiguous.items()}
    with unfinished(path, replace=replace) as place:
        try:
            # One entry: a writer of several puts them in any order.
            save_file(contiguous, place, {HEADER: json.dumps({"about": header, "digests": digests})})
        except SafetensorError as error:
            raise refused_write(error) from error


def array_digest(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's type, shape and bytes."""
    digest = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def read_tensors(path: Path, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return some of the arrays that `write_tensors` wrote, or all, each held against its digest.

    Raises
    ------
    ResourceError
        If the file is not readable, or a byte of what is read is not what was written.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            digests = json.loads(file.metadata()[HEADER])["digests"]
            arrays = {name: file.get_tensor(name) for name in (digests if names is None else names)}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from error
    for name, array in arrays.items():
        if digests.get(name) != array_digest(array):
            raise damaged(path, f"'{name}' is not what was written")
    return arrays


def refused_write(error: SafetensorError) -> OSError:
    """Return the error of the system that a writer of tensors tells of in its own words."""
    number = re.search(r"os error (\d+)", str(error))
    code = int(number[1]) if number else errno.EIO
    return OSError(code, os.strerror(code) if number else str(error))


def read_header(path: Path) -> Any:
    """Return the JSON header that `write_tensors` wrote."""
    try:
        with safe_open(path, framework="numpy") as file:
            return json.loads(file.metadata()[HEADER])["about"]
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, why: object) -> ResourceError:
    """Return the error for a file of ours that cannot be used any more."""
    return ResourceError(f"{path}: damaged ({why}); delete it and run the same command again")
