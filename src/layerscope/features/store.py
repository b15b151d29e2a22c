"""What a pass leaves on disk: safetensors shards that are only ever added.

A store is one directory for one encoder and one way of cutting and pooling; its name is a fingerprint of both. A shard
is named by the clips that are in it, appears whole, and is never replaced, so that writers need no lock: of two that
make the same shard, the first one's stays. Each array of a shard carries a digest, which is held against it whenever it
is read. Every layer has arrays of its own, so that one is read without its neighbours, whatever their widths:

- ``pooled.L``: the summarised windows of all clips of the shard, (window, width) float32;
- ``frames.L``: where tracks are kept, their frames, (frame, width) float16, times ``scale``, (clip, layer) float32;
- ``sample.L``: a few frames of each clip for comparisons, (row, width) float16: what they differ from the mean of the
  clip's first window, over ``sample_scale``, (clip, layer) float32; ``sample_frame``, (row,), says which they are;
- ``steps``: mean squared distance of successive frames, (clip, layer) float64, where frames are sampled.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.atomic_files import damaged, digest, read_header, read_tensors, write_atomically, write_tensors
from layerscope.errors import ResourceError
from layerscope.features.stored_rows import StoredClips

__all__ = ["ClipEntry", "ClipSample", "FeatureStore"]

Array = NDArray[np.float32]


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
    length : int
        Frames that it has, at `FRAME_RATE`.
    frames : int
        Frames it occupies, where frames are kept.
    sampled : int
        Frames it occupies in the sample.
    """

    key: str
    windows: int
    seconds: float
    sound: str
    length: int
    frames: int = 0
    sampled: int = 0


@dataclass(frozen=True)
class ClipSample:
    """A few frames of a clip, and what is known of all of them, for one layer.

    Attributes
    ----------
    frames : ndarray of int, shape (row,)
        Which, on the grid of `FRAME_RATE`.
    states : ndarray, shape (row, width), float32
        Theirs.
    mean : ndarray, shape (width,)
        Of all frames of the clip.
    step : float
        Mean squared distance of successive frames of the clip; NaN for a single frame.
    """

    frames: NDArray[np.int64]
    states: Array
    mean: Array
    step: float


@dataclass(frozen=True)
class Place:
    """Where a clip stands: its shard, its number there, and the first of its rows."""

    path: Path
    number: int
    window: int
    frame: int
    sample: int
    entry: ClipEntry

    @property
    def windows(self) -> slice:
        """Return its rows among the pooled windows."""
        return slice(self.window, self.window + self.entry.windows)

    def sample_rows(self, count: int) -> slice:
        """Return the rows of the first so many of its sampled frames."""
        return slice(self.sample, self.sample + min(count, self.entry.sampled))

    def samples(self, count: int) -> bool:
        """Return whether so many of its frames are sampled, or all that it has."""
        return self.entry.sampled >= min(count, self.entry.length)


class FeatureStore:
    """The shards of one encoder and one way of cutting and pooling.

    Parameters
    ----------
    directory : Path
        Its own directory.
    description : mapping
        What the features are, ``layers`` among it; written beside them for a person to read.

    Attributes
    ----------
    directory, description
        As given.
    """

    def __init__(self, directory: Path, description: Mapping[str, Any]) -> None:
        self.directory = directory
        self.description = description
        #: Every place of a clip, the eldest first: what is added later changes nothing that was read before.
        self._places: dict[str, list[Place]] = {}
        self._known: set[str] = set()
        self.refresh()

    @property
    def keeps_frames(self) -> bool:
        """Return whether frames are held beside pooled states."""
        return self.description["frames_per_second"] is not None

    def refresh(self) -> None:
        """See the shards that were added since."""
        # Names alone, since a large study asks before each of its thousands of shards.
        names = set(glob("*.safetensors", root_dir=self.directory))  # noqa: PTH207
        new = [self.directory / name for name in names - self._known]
        # By time, so that the eldest comes first; the name decides where the file system's clock is too coarse.
        # A link is as old as itself: it may lead nowhere, which reading it tells.
        self._read_shards(sorted(new, key=lambda path: (path.lstat().st_mtime_ns, path.name)))

    def _read_shards(self, paths: Iterable[Path]) -> None:
        faults: list[ResourceError] = []
        for path in paths:
            window = frame = sample = 0
            try:
                entries = entries_of(path)
            except ResourceError as error:
                faults.append(error)
                continue
            self._known.add(path.name)
            for number, entry in enumerate(entries):
                place = Place(path, number, window, frame, sample, entry)
                self._places.setdefault(entry.key, []).append(place)
                window += entry.windows
                frame += entry.frames
                sample += entry.sampled
        if faults:
            # All at once, so that nobody deletes one, waits, and is told of the next.
            raise ResourceError("\n".join(map(str, faults)))

    def holds(self, key: str, sampled: int = 0) -> bool:
        """Return whether a clip is there, with so many frames in the sample at least, or all that it has."""
        return any(place.samples(sampled) for place in self._places.get(key, ()))

    def entry(self, key: str) -> ClipEntry:
        """Return what is known of a stored clip."""
        return self._places[key][0].entry

    def write(self, tensors: Mapping[str, NDArray[Any] | Sequence[NDArray[Any]]], entries: Sequence[ClipEntry]) -> None:
        """Add a shard.

        Parameters
        ----------
        tensors : mapping
            See the head of this file; an array may come in parts, clip by clip.
        entries : sequence of ClipEntry
            The clips, in the order of their rows.
        """
        self._describe()
        path = self.directory / f"{shard_name(self.directory.name, entries)}.safetensors"
        # Of two runs that make one shard the first one's stays: no lock, and what was read before does not change.
        write_tensors(path, tensors, [asdict(entry) for entry in entries], replace=False)
        self._read_shards([path])

    def adopt(self, name: str, content: bytes) -> None:
        """Add a shard that was written elsewhere, by the name of its file, which says whether it is one of this store.

        Raises
        ------
        ResourceError
            If it is not.
        """
        self._describe()
        path = self.directory / name
        write_atomically(path, content, replace=False)
        self._read_shards([path])

    def _describe(self) -> None:
        about = self.directory / "about.json"
        # The first run's stays: in one directory only the encoder's name could differ, and that is for people.
        if not about.is_file():
            write_atomically(about, json.dumps(self.description, indent=1, sort_keys=True).encode())

    def clips(self, keys: Sequence[str]) -> StoredClips:
        """Return where the states of clips lie, in the given order."""
        places = [self._places[key][0] for key in keys]
        paths = list(dict.fromkeys(place.path for place in places))
        shard = {path: number for number, path in enumerate(paths)}

        def column(values: Iterable[Any]) -> NDArray[np.int64]:
            return np.array(list(values), np.int64)

        return StoredClips(
            tuple(map(str, paths)),
            tuple(self.description["layers"]),
            shards=column(shard[place.path] for place in places),
            numbers=column(place.number for place in places),
            windows=column((place.window, place.entry.windows) for place in places).reshape(-1, 2),
            frames=column((place.frame, place.entry.frames) for place in places).reshape(-1, 2),
        )

    def sampled_frames(self, wanted: Mapping[str, int]) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Yield each clip's key and the first so many frames of its sample, by their numbers."""
        for path, places in by_shard(self._sampled(key, count) for key, count in wanted.items()):
            numbers = read_tensors(path, ["sample_frame"])["sample_frame"]
            for place in places:
                yield place.entry.key, numbers[place.sample_rows(wanted[place.entry.key])]

    def _sampled(self, key: str, count: int) -> Place:
        """Return the eldest place where so many frames of a clip are sampled."""
        return next(place for place in self._places[key] if place.samples(count))

    def read_sample(self, wanted: Mapping[str, int], layer: int, width: int) -> Iterator[tuple[str, ClipSample]]:
        """Yield each clip's key and the first so many frames of its sample, of a layer of that width."""
        position = list(self.description["layers"]).index(layer)
        for path, places in by_shard(self._sampled(key, count) for key, count in wanted.items()):
            names = (f"pooled.{layer}", f"sample.{layer}", "sample_frame", "sample_scale", "steps")
            pooled, sample, frames, scales, steps = read_tensors(path, names).values()
            for place in places:
                rows = place.sample_rows(wanted[place.entry.key])
                # Of six moments the first `width` columns are the mean.
                windows = pooled[place.windows, :width]
                # The reverse of what `Pass.tensors_of` does: the scale, then the mean of the first window.
                states = sample[rows].astype(np.float32) * scales[place.number, position] + windows[0]
                step = float(steps[place.number, position])
                # Windows of a clip are equally long, so that the mean of their means is the clip's.
                yield place.entry.key, ClipSample(frames[rows], states, windows.mean(axis=0), step)


def shard_name(store: str, entries: Sequence[ClipEntry]) -> str:
    """Return the name of a shard with these clips in it, in the store of that name."""
    # Not by its arrays, which another machine may round differently: the same clips are the same shard. With the
    # store's name, so that a shard that was copied from another encoder's store is not taken for this one's.
    return digest(json.dumps([store, *map(asdict, entries)]))[:32]


def entries_of(path: Path) -> list[ClipEntry]:
    """Return the clips of a shard, whose name says whether they are what was written."""
    header = read_header(path)
    try:
        entries = [ClipEntry(**fields) for fields in header]
    except TypeError as error:
        raise damaged(path, error) from error
    if shard_name(path.parent.name, entries) != path.stem:
        raise damaged(path, "its clips are not those that its name tells of, or it was made for another store")
    return entries


def by_shard(places: Iterable[Place]) -> Iterator[tuple[Path, list[Place]]]:
    """Yield each shard with the places in it, so that it is opened once."""
    shards: dict[Path, list[Place]] = {}
    for place in places:
        shards.setdefault(place.path, []).append(place)
    yield from shards.items()
