"""What one pass leaves on disk: safetensors shards that appear whole or not at all.

A store is one directory for one encoder and one way of cutting and pooling; its name is a fingerprint of both.
Each shard carries the keys of its clips, so that there is no second file to fall out of step with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from layerscope.atomic_files import read_header, sweep, write_atomically, write_tensors

__all__ = ["ClipEntry", "FeatureStore"]


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
        sweep(self.directory)

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
