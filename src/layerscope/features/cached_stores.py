"""What the cache holds of features: which encoders, how much, and how to let go of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from layerscope.atomic_files import read_json
from layerscope.errors import DataError

__all__ = ["CachedStore", "cached_stores", "prune"]


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


def cached_stores(cache: Path) -> tuple[list[CachedStore], dict[Path, str]]:
    """Return the stores of a cache directory, by encoder, and why other directories there cannot be told as such."""
    stores, strangers = [], dict[Path, str]()
    for directory in sorted((cache / "features").glob("[!.]*")):
        about = directory / "about.json"
        if not any(directory.glob("[!.]*")):  # a file, or one that a process has just begun to fill
            continue
        try:
            description = read_json(about)
            name, window = str(description["encoder"]), float(description["window_seconds"])
            frames = description["frames_per_second"] is not None
        except DataError as error:
            strangers[directory] = str(error)
            continue
        except (KeyError, TypeError, ValueError) as error:
            strangers[directory] = f"{about}: says nothing of features ({error!r})"
            continue
        shards = [path.stat() for path in directory.glob("*.safetensors")]
        size, changed = sum(shard.st_size for shard in shards), max((shard.st_mtime for shard in shards), default=0.0)
        stores.append(CachedStore(directory, name, window, frames, size, changed))
    return sorted(stores, key=lambda store: (store.encoder, store.window, store.frames)), strangers


def prune(stores: Iterable[CachedStore]) -> None:
    """Delete stores, and of their directories what layerscope wrote there and nothing else."""
    for store in stores:
        for path in (*store.directory.glob("*.safetensors"), store.directory / "about.json"):
            path.unlink(missing_ok=True)
        if not any(store.directory.iterdir()):
            store.directory.rmdir()
