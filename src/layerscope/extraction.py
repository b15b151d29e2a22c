"""The one pass: an encoder over the clips of a dataset, and what is kept of it.

Each distinct (audio span, encoder) is decoded and encoded once; what it leaves is keyed by content, so that
another task, layer, probe, seed or run finds it again. Padding never enters a mean, because nothing is padded:
windows of equal length share a batch, and others wait for theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import filelock
import numpy as np
import pandas as pd
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerscope.audio import cut, load, sound_digest
from layerscope.encoders import Encoder
from layerscope.encoders.base import fingerprint_of, source_digest
from layerscope.errors import AudioError, ModelError, ResourceError
from layerscope.features import Features, Pooling
from layerscope.store import ClipEntry, FeatureStore

__all__ = ["Extraction", "extract", "open_store", "pool", "stored_bytes", "stored_features"]

Progress = Callable[[int, float], None]

#: A shard is the unit of resumption: a killed run repeats at most this much audio.
SHARD_SECONDS = 300.0
SHARD_CLIPS = 256
#: Audio that is encoded at once on a CPU; more gains nothing there and costs memory.
BATCH_SECONDS = 30.0
#: Seconds to wait for another run that makes the same features.
PATIENCE = 24 * 3600


def pool(states: Tensor, pooling: Pooling) -> Tensor:
    """Summarise frames over time.

    Parameters
    ----------
    states : Tensor, shape (..., frame, dim)
        All of them sound, none of them padding.
    pooling : {"mean", "moments"}
        ``"moments"`` is mean and deviation of the frames, of their first and of their second difference
        (Castellon et al. 2021), in this order, so that its first `dim` columns are the mean.

    Returns
    -------
    Tensor, shape (..., dim) or (..., 6 * dim)
    """
    if pooling == "mean":
        return states.mean(dim=-2)
    parts = []
    for order in range(3):
        differences = states.diff(n=order, dim=-2)
        if differences.shape[-2] == 0:  # fewer frames than the difference needs: nothing changed
            differences = torch.zeros_like(states[..., :1, :])
        parts += [differences.mean(dim=-2), differences.std(dim=-2, correction=0)]
    return torch.cat(parts, dim=-1)


@dataclass
class Extraction:
    """What a pass did.

    Attributes
    ----------
    decoded, encoded, cached : int
        Clips that were decoded, clips that were encoded, and clips that were there already.
    windows : int
        Windows that went through the encoder.
    failed : dict of str to str
        Key of each clip that could not be used, and why.
    """

    decoded: int = 0
    encoded: int = 0
    cached: int = 0
    windows: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def pooling_of(encoder: Encoder) -> Pooling:
    """Return how an encoder's frames are summarised: plain features by six moments, the mean among them."""
    return "moments" if encoder.baseline else "mean"


def stored_bytes(encoder: Encoder) -> int:
    """Return what a window takes on disk."""
    return 4 * len(encoder.layers) * encoder.dim * (6 if encoder.baseline else 1)


def open_store(encoder: Encoder, cache: Path, window: float) -> FeatureStore:
    """Open the store for an encoder and a window length in seconds, in a cache directory."""
    description = {
        "encoder": encoder.name,
        "fingerprint": encoder.fingerprint,
        "layers": encoder.layers,
        "baseline": encoder.baseline,
        "untrained": encoder.untrained,
        "official": [encoder.official_name(layer) for layer in encoder.layers],
        "window_seconds": window,
        "pooling": pooling_of(encoder),
        "resampler": f"soxr {soxr.__version__} HQ",
        "source": source_digest("layerscope.audio", __name__),
    }
    anonymous = {key: value for key, value in description.items() if key != "encoder"}
    return FeatureStore(cache / "features" / fingerprint_of(anonymous), description)


def extract(
    encoder: Encoder,
    clips: pd.DataFrame,
    store: FeatureStore,
    window: float,
    progress: Progress = lambda *_: None,
) -> Extraction:
    """Encode every clip that the store does not hold yet.

    Parameters
    ----------
    encoder : Encoder
        All its layers are kept.
    clips : DataFrame
        Columns ``clip``, ``path``, ``start``, ``end``, ``clip_key``, ``clip_seconds``.
    store : FeatureStore
        Where pooled states go, shard by shard.
    window : float
        Longest window, in seconds.
    progress : callable
        Called with the clips and the seconds of audio that have been dealt with since the last call.

    Raises
    ------
    ModelError
        If a state is not finite, naming clip and layer.
    ResourceError
        If the store cannot be written.
    """
    done = Extraction()
    distinct = clips.drop_duplicates("clip_key")
    with locked(store.directory), ThreadPoolExecutor(max_workers=2, thread_name_prefix="decode") as threads:
        store.refresh()
        for name, rows, decoding in ahead(plan_shards(distinct), store, encoder, window, threads):
            held = len(rows) - len(decoding)
            done.cached += held
            if held:
                progress(held, float(rows.clip_seconds.sum() - rows.loc[list(decoding)].clip_seconds.sum()))
            if decoding:
                write_shard(encoder, store, name, rows.loc[list(decoding)], decoding, done, progress)
    return done


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a store while it grows: a second run waits, and finds the features made."""
    lock = filelock.FileLock(directory / ".lock")
    try:
        lock.acquire(timeout=PATIENCE)
    except filelock.Timeout as error:
        raise ResourceError(f"{directory}: another run has held this store for a day") from error
    except OSError as error:
        raise ResourceError(f"{directory}: cannot be locked ({error.strerror})") from error
    try:
        yield
    finally:
        lock.release()


def plan_shards(clips: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Divide clips, in order, into shards; the same clips give the same shards, whatever is stored already."""
    first, seconds = 0, 0.0
    for row, length in enumerate(clips.clip_seconds):
        seconds += length
        if seconds >= SHARD_SECONDS or row + 1 - first >= SHARD_CLIPS or row + 1 == len(clips):
            part = clips.iloc[first : row + 1]
            yield hashlib.sha256("".join(part.clip_key).encode()).hexdigest()[:32], part
            first, seconds = row + 1, 0.0


Decoding = dict[int, "Future[tuple[NDArray[np.float32], str]]"]


def ahead(
    shards: Iterator[tuple[str, pd.DataFrame]],
    store: FeatureStore,
    encoder: Encoder,
    window: float,
    threads: ThreadPoolExecutor,
) -> Iterator[tuple[str, pd.DataFrame, Decoding]]:
    """Yield shards with the decoding of their missing clips under way, the next shard's begun already."""
    waiting: tuple[str, pd.DataFrame, Decoding] | None = None
    for name, rows in shards:
        decoding: Decoding = {
            row.Index: threads.submit(decode_clip, encoder, window, row.path, row.start, row.end)
            for row in rows.itertuples()
            if row.clip_key not in store
        }
        if waiting:
            yield waiting
        waiting = (name, rows, decoding)
    if waiting:
        yield waiting


def decode_clip(
    encoder: Encoder, window: float, path: str, start: float, end: float
) -> tuple[NDArray[np.float32], str]:
    """Return the windows of a clip, (window, samples), and the digest of its sound."""
    samples = load(Path(path), encoder.sample_rate, start, None if np.isnan(end) else end)
    windows = cut(samples, round(window * encoder.sample_rate)) if len(samples) else samples[None]
    if windows.shape[1] < encoder.minimum_samples:
        needed = encoder.minimum_samples / encoder.sample_rate
        raise AudioError(
            f"{path}: too short: {len(samples) / encoder.sample_rate:.4f} s, {encoder.name} needs {needed:.4f} s"
        )
    return windows, sound_digest(samples)


def write_shard(
    encoder: Encoder,
    store: FeatureStore,
    name: str,
    rows: pd.DataFrame,
    decoding: Decoding,
    done: Extraction,
    progress: Progress,
) -> None:
    """Encode the clips of a shard as they come out of the decoder, and write them."""
    entries: list[ClipEntry] = []
    windows: list[NDArray[np.float32]] = []
    names: list[str] = []
    for row in rows.itertuples():
        done.decoded += 1
        try:
            cuts, sound = decoding[row.Index].result()
        except AudioError as error:
            done.failed[row.clip_key] = str(error)
            progress(1, row.clip_seconds)
            continue
        entries.append(ClipEntry(row.clip_key, len(cuts), float(row.clip_seconds), sound))
        windows += list(cuts)
        names += [row.clip] * len(cuts)
    if entries:
        finish = iter_progress(entries, progress)
        pooled = encode_windows(encoder, windows, names, finish)
        store.write(name, pooled, entries)
        done.encoded += len(entries)
        done.windows += len(windows)


def iter_progress(entries: Sequence[ClipEntry], progress: Progress) -> Callable[[int], None]:
    """Return a callback that turns numbers of finished windows into clips and seconds of audio."""
    clips_a_window = len(entries) / sum(entry.windows for entry in entries)
    seconds_a_window = sum(entry.seconds for entry in entries) / sum(entry.windows for entry in entries)
    owed = 0.0

    def finish(windows: int) -> None:
        nonlocal owed
        owed += windows * clips_a_window
        whole = int(owed + 1e-9)
        owed -= whole
        progress(whole, windows * seconds_a_window)

    return finish


def encode_windows(
    encoder: Encoder,
    windows: Sequence[NDArray[np.float32]],
    names: Sequence[str],
    finish: Callable[[int], None] = lambda _: None,
) -> NDArray[np.float32]:
    """Encode windows in batches of equal length and pool them.

    Parameters
    ----------
    encoder : Encoder
        Which.
    windows : sequence of ndarray, each (samples,)
        Of any lengths.
    names : sequence of str
        The clip of each window, for messages.
    finish : callable
        Called with the size of each finished batch.

    Returns
    -------
    ndarray, shape (window, layer, dim), float32

    Raises
    ------
    ModelError
        If a pooled state is not finite: then so was a state, as no finite numbers have an infinite mean here.
    """
    by_length: dict[int, list[int]] = {}
    for position, samples in enumerate(windows):
        by_length.setdefault(len(samples), []).append(position)
    pooled: list[Tensor] = [torch.empty(0)] * len(windows)
    for length, positions in by_length.items():
        size = max(1, int(BATCH_SECONDS * encoder.sample_rate // length))
        for first in range(0, len(positions), size):
            batch = positions[first : first + size]
            states = encoder.encode(torch.from_numpy(np.stack([windows[position] for position in batch])))
            for position, summary in zip(batch, pool(states, pooling_of(encoder)), strict=True):
                refuse_non_finite(summary, encoder, names[position])
                pooled[position] = summary
            finish(len(batch))
    return torch.stack(pooled).numpy()


def refuse_non_finite(summary: Tensor, encoder: Encoder, name: str) -> None:
    """Raise if a clip's summary, (layer, dim), has a layer with values that are not finite."""
    bad = ~torch.isfinite(summary).all(dim=-1)
    if bad.any():
        layer = encoder.layers[int(bad.nonzero()[0])]
        raise ModelError(
            f"{encoder.name}: layer {layer} is not finite for clip '{name}'; check the weights, or leave the clip out"
        )


def stored_features(store: FeatureStore, clips: pd.DataFrame) -> Features:
    """Return the stored features of clips, read layer by layer when a probe asks for one."""
    keys = list(clips.clip_key)
    about = store.description
    return Features(
        model=about["encoder"],
        layers=tuple(about["layers"]),
        clips=clips,
        window_clip=np.repeat(np.arange(len(keys)), [store.entry(key).windows for key in keys]),
        read=lambda position: store.read(keys, position),
        pooling=about["pooling"],
        fingerprint=store.directory.name,
        baseline=about["baseline"],
        untrained=about["untrained"],
        official=tuple(about["official"]),
    )
