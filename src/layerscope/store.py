"""What one pass leaves on disk: safetensors shards that appear whole or not at all.

A store is one directory for one encoder and one way of cutting and pooling; its name is a fingerprint of both.
Each shard carries the keys of its clips, so that there is no second file to fall out of step with.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
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
    "ClipEntry",
    "FeatureStore",
    "cache_directory",
    "read_header",
    "sole_use",
    "write_atomically",
    "write_tensors",
]

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
    frames : int
        Frames it occupies, where frames are kept.
    """

    key: str
    windows: int
    seconds: float
    sound: str
    frames: int = 0


@dataclass(frozen=True)
class Place:
    """Where a clip stands: its shard, its number there, its first window and its first frame."""

    path: Path
    number: int
    window: int
    frame: int
    entry: ClipEntry


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
        self._places: dict[str, Place] = {}
        if not (directory / "about.json").is_file():
            write_atomically(directory / "about.json", json.dumps(description, indent=1, sort_keys=True).encode())
        self._read_shards(sorted(directory.glob("*.safetensors")))

    def _read_shards(self, paths: Iterable[Path]) -> None:
        for path in paths:
            window = frame = 0
            for number, fields in enumerate(read_header(path)):
                entry = ClipEntry(**fields)
                self._places.setdefault(entry.key, Place(path, number, window, frame, entry))
                window += entry.windows
                frame += entry.frames

    def refresh(self) -> None:
        """See shards that another run has added, and remove what a killed one left unfinished."""
        known = {place.path for place in self._places.values()}
        self._read_shards(path for path in sorted(self.directory.glob("*.safetensors")) if path not in known)
        for leftover in self.directory.glob(f"{UNFINISHED}*"):
            shutil.rmtree(leftover)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def entry(self, key: str) -> ClipEntry:
        """Return what is known of a stored clip."""
        return self._places[key].entry

    def write(self, name: str, tensors: Mapping[str, NDArray[Any]], entries: Sequence[ClipEntry]) -> None:
        """Add a shard.

        Parameters
        ----------
        name : str
            Of the shard.
        tensors : mapping
            ``pooled``, (window, layer, dim) float32, whose rows are the windows of `entries`; where frames are kept
            also ``frames``, (frame, layer, dim) float16, and ``scale``, (clip, layer) float32, by which they are
            to be multiplied.
        entries : sequence of ClipEntry
            The clips.
        """
        path = self.directory / f"{name}.safetensors"
        write_tensors(path, tensors, [asdict(entry) for entry in entries])
        self._read_shards([path])

    def read(self, keys: Sequence[str], layer: int) -> NDArray[np.float32]:
        """Return one position on the layer axis for clips in the given order, shape (window, dim).

        Each shard is opened once, and only that layer is read from it.
        """
        parts: dict[str, NDArray[np.float32]] = {}
        for path, places in self._by_shard(keys):
            with safe_open(path, framework="numpy") as file:
                states = file.get_slice("pooled")[:, layer]
            for place in places:
                parts[place.entry.key] = states[place.window : place.window + place.entry.windows]
        return np.concatenate([parts[key] for key in keys])

    def read_frames(self, keys: Sequence[str], layer: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield each distinct clip's key and frames, (frame, dim), shard by shard, one layer of them."""
        for path, places in self._by_shard(keys):
            with safe_open(path, framework="numpy") as file:
                states, scales = file.get_slice("frames")[:, layer], file.get_slice("scale")[:, layer]
            for place in places:
                own = states[place.frame : place.frame + place.entry.frames]
                yield place.entry.key, own.astype(np.float32) * scales[place.number]

    def _by_shard(self, keys: Sequence[str]) -> Iterator[tuple[Path, list[Place]]]:
        by_shard: dict[Path, list[Place]] = {}
        for key in dict.fromkeys(keys):
            by_shard.setdefault(self._places[key].path, []).append(self._places[key])
        yield from by_shard.items()
