"""What one pass leaves on disk: safetensors shards that appear whole or not at all.

A store is one directory for one encoder and one way of cutting and pooling; its name is a fingerprint of both.
Each shard carries the keys of its clips, so that there is no second file to fall out of step with.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from layerscope.errors import ResourceError

__all__ = ["ClipEntry", "FeatureStore", "cache_directory", "read_header", "write_atomically", "write_tensors"]

HEADER = "layerscope"


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".unfinished-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o666 & ~current_umask())
            Path(name).replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise
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
    write_atomically(path, save(contiguous, {HEADER: json.dumps(header)}))


def read_header(path: Path) -> Any:
    """Return the JSON header that `write_tensors` wrote."""
    try:
        with safe_open(path, framework="numpy") as file:
            return json.loads(file.metadata()[HEADER])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ResourceError(f"{path}: damaged ({error}); delete it and run the same command again") from error


@dataclass(frozen=True)
class ClipEntry:
    """A clip in the store.

    Attributes
    ----------
    key : str
        Identifies the file's bytes and the span.
    windows : int
        Rows it occupies.
    seconds : float
        Length of the span.
    sound : str
        Digest of the decoded samples.
    """

    key: str
    windows: int
    seconds: float
    sound: str


class FeatureStore:
    """The shards of one encoder and one way of cutting and pooling.

    Parameters
    ----------
    directory : Path
        Its own directory.
    description : mapping
        What the features are; written beside them for a person to read.

    Attributes
    ----------
    directory, description
        As given.
    """

    def __init__(self, directory: Path, description: Mapping[str, Any]) -> None:
        self.directory = directory
        self.description = description
        self._places: dict[str, tuple[Path, int, ClipEntry]] = {}
        if not (directory / "about.json").is_file():
            write_atomically(directory / "about.json", json.dumps(description, indent=1, sort_keys=True).encode())
        self._read_shards(sorted(directory.glob("*.safetensors")))

    def _read_shards(self, paths: Iterable[Path]) -> None:
        for path in paths:
            row = 0
            for fields in read_header(path):
                entry = ClipEntry(**fields)
                self._places.setdefault(entry.key, (path, row, entry))
                row += entry.windows

    def refresh(self) -> None:
        """See shards that another run has added, and remove what a killed one left unfinished."""
        known = {path for path, _, _ in self._places.values()}
        self._read_shards(path for path in sorted(self.directory.glob("*.safetensors")) if path not in known)
        for leftover in self.directory.glob(".unfinished-*"):
            leftover.unlink()

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def entry(self, key: str) -> ClipEntry:
        """Return what is known of a stored clip."""
        return self._places[key][2]

    def write(self, name: str, pooled: NDArray[np.float32], entries: Sequence[ClipEntry]) -> None:
        """Add a shard of pooled states, shape (window, layer, dim), whose rows are the windows of `entries`."""
        path = self.directory / f"{name}.safetensors"
        write_tensors(path, {"pooled": pooled}, [asdict(entry) for entry in entries])
        self._read_shards([path])

    def read(self, keys: Sequence[str], layer: int) -> NDArray[np.float32]:
        """Return one position on the layer axis for clips in the given order, shape (window, dim).

        Each shard is opened once, and only that layer is read from it.
        """
        parts: dict[str, NDArray[np.float32]] = {}
        by_shard: dict[Path, list[tuple[str, int, int]]] = {}
        for key in dict.fromkeys(keys):
            path, row, entry = self._places[key]
            by_shard.setdefault(path, []).append((key, row, entry.windows))
        for path, places in by_shard.items():
            with safe_open(path, framework="numpy") as file:
                states = file.get_slice("pooled")[:, layer]
            for key, row, windows in places:
                parts[key] = states[row : row + windows]
        return np.concatenate([parts[key] for key in keys])
