"""Whole files or none, their digests, and a directory that belongs to one process.

What is written appears under its name complete, or not at all: a reader, a kill or a full disk never leaves a part.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
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

__all__ = ["cache_directory", "read_header", "sole_use", "unfinished", "write_atomically", "write_tensors"]

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
def unfinished(path: Path) -> Iterator[Path]:
    """Yield a place beside a file; what is written there becomes that file, whole, at the end.

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


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], header: Any) -> None:
    """Write arrays with a JSON header; the same content gives the same bytes."""
    contiguous = {name: np.ascontiguousarray(value) for name, value in sorted(tensors.items())}
    with unfinished(path) as place:
        try:
            save_file(contiguous, place, {HEADER: json.dumps(header)})
        except SafetensorError as error:
            raise refused_write(error) from error


def refused_write(error: SafetensorError) -> OSError:
    """Return the error of the system that a writer of tensors tells of in its own words."""
    number = re.search(r"os error (\d+)", str(error))
    code = int(number[1]) if number else errno.EIO
    return OSError(code, os.strerror(code) if number else str(error))


def read_header(path: Path) -> Any:
    """Return the JSON header that `write_tensors` wrote."""
    try:
        with safe_open(path, framework="numpy") as file:
            return json.loads(file.metadata()[HEADER])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ResourceError(f"{path}: damaged ({error}); delete it and run the same command again") from error
