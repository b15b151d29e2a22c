"""What the cache holds of features: which encoders, how much, and how to let go of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from layerscope.atomic_files import read_json
from layerscope.errors import DataError

__all__ = ["CachedStore", "UnknownStore", "cached_stores", "prune"]

#: How the name of a file of features ends.
SHARD = ".safetensors"
#: What is said of what layerscope did not write.
NOT_OURS = "no features of layerscope's; move it away"


@dataclass(frozen=True)
class CachedStore:
    """The features of one encoder and one way of cutting.

    Attributes
    ----------
    directory : Path
        Where they are.
    encoder : str
        Name of the first encoder that left them.
    window : float
        Seconds.
    frames : bool
        Whether every frame is kept.
    size : int
        Bytes.
    changed : float
        When something was last added, in seconds since 1970.
    """

    directory: Path
    encoder: str
    window: float
    frames: bool
    size: int
    changed: float


@dataclass(frozen=True)
class UnknownStore:
    """What lies among the stores and cannot be told as one.

    Attributes
    ----------
    directory : Path
        Where it is.
    size : int
        Bytes of all that could be seen of it.
    reason : str
        Why it cannot be told, and the way out.
    """

    directory: Path
    size: int
    reason: str


def cached_stores(cache: Path) -> tuple[list[CachedStore], list[UnknownStore]]:
    """Return the stores of a cache directory, by encoder, and what else lies among them."""
    stores, unknown = [], list[UnknownStore]()
    for place in places_in(cache / "features"):
        try:
            store = store_at(place)
        except DataError as error:
            unknown.append(UnknownStore(place, size_of(place), str(error)))
        else:
            stores += [store] if store else []
    return sorted(stores, key=lambda store: (store.encoder, store.window, store.frames)), unknown


def places_in(directory: Path) -> list[Path]:
    """Return what lies in the directory of stores, or that directory where it cannot be looked into."""
    try:
        return sorted(place for place in directory.iterdir() if not place.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError:
        return [directory]


def store_at(directory: Path) -> CachedStore | None:
    """Return the store in a directory, or None where a process has just begun to fill it.

    Raises
    ------
    DataError
        If it is none, or cannot be told.
    """
    about = directory / "about.json"
    try:
        shards = list(directory.iterdir())
        if all(shard.name.startswith(".") for shard in shards):
            return None
        facts = [shard.stat() for shard in shards if shard.suffix == SHARD]
    except NotADirectoryError as error:
        raise DataError(f"{directory}: {NOT_OURS}") from error
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}); let it be read, or delete it") from error
    mend = "a run makes features again, so delete it" if facts else NOT_OURS
    try:
        description = read_json(about)
        name, window = str(description["encoder"]), float(description["window_seconds"])
        frames = description["frames_per_second"] is not None
    except DataError as error:
        raise DataError(f"{error}; {mend}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{about}: says nothing of features ({error!r}); {mend}") from error
    changed = max((shard.st_mtime for shard in facts), default=0.0)
    return CachedStore(directory, name, window, frames, sum(shard.st_size for shard in facts), changed)


def size_of(place: Path) -> int:
    """Return the bytes of a file or of all files below a directory, as far as they can be seen."""
    files = [Path(root, name) for root, _, names in os.walk(place) for name in names] or [place]
    size = 0
    for file in files:
        with contextlib.suppress(OSError):
            size += file.lstat().st_size if not file.is_dir() else 0
    return size


def prune(stores: Iterable[CachedStore]) -> None:
    """Delete stores, and of their directories what layerscope wrote there and nothing else."""
    for store in stores:
        for path in (*store.directory.glob(f"*{SHARD}"), store.directory / "about.json"):
            path.unlink(missing_ok=True)
        if not any(store.directory.iterdir()):
            store.directory.rmdir()
