"""The one pass: an encoder over the clips of a dataset, and what is kept of it.

Each distinct (audio span, encoder) is decoded and encoded once; what it leaves is keyed by content, so that
another task, layer, probe, seed or run finds it again. Padding never enters a mean, because nothing is padded:
windows of equal length share a batch, and others wait for theirs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pandas as pd
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d

from layerscope.data.audio import cut, load, overlapping_spans, sound_digest, window_spans
from layerscope.encoders import Encoder
from layerscope.encoders.encoder import fingerprint_of, source_digest
from layerscope.errors import AudioError, ModelError, ResourceError
from layerscope.features.clip_features import Features, Pooling
from layerscope.features.store import ClipEntry, FeatureStore

__all__ = [
    "FRAME_RATE",
    "Extraction",
    "batch_size",
    "encode_clip",
    "encode_waveform",
    "encode_windows",
    "extract",
    "frame_bytes",
    "frame_count",
    "frame_spans",
    "half_precision",
    "keeps_frames",
    "open_store",
    "pool",
    "pooled_windows",
    "stored_bytes",
    "stored_features",
]

Progress = Callable[[int, float], None]

#: A shard is the unit of resumption: a killed run repeats at most this much audio.
SHARD_SECONDS = 300.0
SHARD_CLIPS = 256
#: Audio that is encoded at once on a CPU; more gains nothing there and costs memory.
BATCH_SECONDS = 30.0
#: Of plain features more: librosa makes the filters of the constant-Q transform anew at every call.
PLAIN_BATCH_SECONDS = 120.0
#: Frames a second that are kept, that of MuQ, MusicFM and MERT-v2; what is faster is averaged.
FRAME_RATE = 25.0
#: Windows of tracks overlap by this many seconds, so that no frame is read near an edge.
OVERLAP = 4.0
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
    """Return what the pooled states of a window take on disk."""
    return 4 * len(encoder.layers) * encoder.dim * (6 if encoder.baseline else 1)


def frame_bytes(encoder: Encoder) -> float:
    """Return what the frames of a second take on disk, where they are kept."""
    return 2.0 * len(encoder.layers) * encoder.dim * FRAME_RATE


def open_store(encoder: Encoder, cache: Path, window: float, *, frames: bool = False) -> FeatureStore:
    """Open the store for an encoder and a window length in seconds, with or without frames, in a cache directory."""
    description = {
        "encoder": encoder.name,
        "fingerprint": encoder.fingerprint,
        "layers": encoder.layers,
        "baseline": encoder.baseline,
        "untrained": encoder.untrained,
        "official": [encoder.official_name(layer) for layer in encoder.layers],
        "window_seconds": window,
        "frames_per_second": FRAME_RATE if frames else None,
        "pooling": pooling_of(encoder),
        "resampler": f"soxr {soxr.__version__} HQ",
        "source": source_digest("layerscope.data.audio", __name__),
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
    with locked(store.directory), decoders() as threads:
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


@contextmanager
def decoders() -> Iterator[ThreadPoolExecutor]:
    """Yield the threads that decode; what has not begun when the pass is interrupted is dropped."""
    threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="decode")
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)


def plan_shards(clips: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Divide clips, in order, into shards; the same clips give the same shards, whatever is stored already."""
    first, seconds = 0, 0.0
    for row, length in enumerate(clips.clip_seconds):
        seconds += length
        if seconds >= SHARD_SECONDS or row + 1 - first >= SHARD_CLIPS or row + 1 == len(clips):
            part = clips.iloc[first : row + 1]
            yield hashlib.sha256("".join(part.clip_key).encode()).hexdigest()[:32], part
            first, seconds = row + 1, 0.0


Decoding = dict[int, "Future[tuple[NDArray[np.float32], str, float]]"]


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
            row.Index: threads.submit(decode_clip, encoder, window, keeps_frames(store), row.path, row.start, row.end)
            for row in rows.itertuples()
            if row.clip_key not in store
        }
        if waiting:
            yield waiting
        waiting = (name, rows, decoding)
    if waiting:
        yield waiting


def decode_clip(
    encoder: Encoder, window: float, frames: bool, path: str, start: float, end: float
) -> tuple[NDArray[np.float32], str, float]:
    """Return the windows of a clip, (window, samples), the digest of its sound, and its seconds.

    Where frames are kept the windows overlap. Of an encoder that reads files, the one window is the states themselves.
    """
    samples = load(Path(path), encoder.sample_rate, start, None if np.isnan(end) else end)
    if encoder.reads_files:
        states = encoder.encode_file(Path(path), start, end).numpy()
        return states[None], sound_digest(samples), len(samples) / encoder.sample_rate
    if not len(samples):
        windows = samples[None]
    elif frames:
        windows = cut_overlapping(samples, encoder.sample_rate, window)
    else:
        windows = cut(samples, round(window * encoder.sample_rate))
    if windows.shape[1] < encoder.minimum_samples:
        refuse_short(encoder, samples, path)
    return windows, sound_digest(samples), len(samples) / encoder.sample_rate


def refuse_short(encoder: Encoder, samples: NDArray[np.float32], path: str) -> None:
    """Raise if there is less sound than an encoder needs."""
    if len(samples) < encoder.minimum_samples:
        needed = encoder.minimum_samples / encoder.sample_rate
        raise AudioError(
            f"{path}: too short: {len(samples) / encoder.sample_rate:.4f} s, {encoder.name} needs {needed:.4f} s"
        )


def keeps_frames(store: FeatureStore) -> bool:
    """Return whether a store holds frames beside pooled states."""
    return store.description["frames_per_second"] is not None


def frame_spans(frames: int, window: float) -> list[tuple[int, int]]:
    """Return the windows of a track of that many frames, as frames."""
    longest = max(2, round(window * FRAME_RATE))
    return overlapping_spans(frames, longest, min(round(OVERLAP * FRAME_RATE), longest // 4))


def frame_count(seconds: float) -> int:
    """Return how many frames a track has."""
    return max(1, math.floor(seconds * FRAME_RATE + 1e-6))


def cut_overlapping(samples: NDArray[np.float32], sample_rate: int, window: float) -> NDArray[np.float32]:
    """Return overlapping windows that begin on the grid of frames, (window, samples)."""
    spans = frame_spans(frame_count(len(samples) / sample_rate), window)
    if len(spans) == 1:
        return samples[None]
    length = math.floor((spans[0][1] - spans[0][0]) / FRAME_RATE * sample_rate)
    starts = [round(first / FRAME_RATE * sample_rate) for first, _ in spans]
    return np.stack([samples[start : start + length] for start in starts])


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
            cuts, sound, seconds = decoding[row.Index].result()
        except AudioError as error:
            done.failed[row.clip_key] = str(error)
            progress(1, row.clip_seconds)
            continue
        entries.append(ClipEntry(row.clip_key, len(cuts), seconds, sound))
        windows += list(cuts)
        names += [row.clip] * len(cuts)
    if entries:
        finish = iter_progress(entries, progress)
        done.encoded += len(entries)
        done.windows += len(windows)
        if keeps_frames(store):
            tensors, entries = encode_tracks(encoder, windows, names, entries, store.description, finish)
        else:
            tensors = {"pooled": encode_windows(encoder, windows, names, finish)}
        store.write(name, tensors, entries)


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


def batch_size(encoder: Encoder, samples: int) -> int:
    """Return how many windows of a length go through an encoder at once."""
    seconds = PLAIN_BATCH_SECONDS if encoder.baseline else BATCH_SECONDS
    return max(1, int(seconds * encoder.sample_rate // samples))


def batches(
    encoder: Encoder, windows: Sequence[NDArray[np.float32]] | NDArray[np.float32], finish: Callable[[int], None]
) -> Iterator[tuple[int, Tensor]]:
    """Yield each window's position and states, (layer, frame, dim), batch by batch of equal length."""
    if encoder.reads_files:
        for position, states in enumerate(windows):
            yield position, torch.from_numpy(states)
            finish(1)
        return
    by_length: dict[int, list[int]] = {}
    for position, samples in enumerate(windows):
        by_length.setdefault(len(samples), []).append(position)
    for length, positions in by_length.items():
        size = batch_size(encoder, length)
        for first in range(0, len(positions), size):
            batch = positions[first : first + size]
            states = encoder.encode(torch.from_numpy(np.stack([windows[position] for position in batch])))
            yield from zip(batch, states, strict=True)
            finish(len(batch))


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
    pooled: list[Tensor] = [torch.empty(0)] * len(windows)
    for position, states in batches(encoder, windows, finish):
        pooled[position] = pool(states, pooling_of(encoder))
        refuse_non_finite(pooled[position], encoder, names[position])
    return torch.stack(pooled).numpy()


def encode_tracks(
    encoder: Encoder,
    windows: Sequence[NDArray[np.float32]],
    names: Sequence[str],
    entries: Sequence[ClipEntry],
    description: Mapping[str, Any],
    finish: Callable[[int], None],
) -> tuple[dict[str, NDArray[Any]], list[ClipEntry]]:
    """Encode the overlapping windows of tracks, stitch their frames, and pool these as well.

    Returns
    -------
    tensors : dict
        ``pooled``, ``frames`` and ``scale`` of `FeatureStore.write`.
    entries : list of ClipEntry
        With the numbers of windows (of pooled states, which do not overlap) and frames.
    """
    tracks: dict[int, Tensor] = {}
    owner = np.repeat(np.arange(len(entries)), [entry.windows for entry in entries])
    number = np.concatenate([np.arange(entry.windows) for entry in entries])
    spans = [frame_spans(frame_count(entry.seconds), description["window_seconds"]) for entry in entries]
    for position, states in batches(encoder, windows, finish):
        clip = int(owner[position])
        stitch(tracks, clip, encoder, states, spans[clip], int(number[position]), names[position])
    pooled, frames, scales, told = [], [], [], []
    for clip, entry in enumerate(entries):
        track = tracks[clip]
        own = pooled_windows(encoder, track, description["window_seconds"])
        halves, scale = half_precision(track)
        pooled.append(own)
        frames.append(halves.transpose(0, 1))
        scales.append(scale)
        told.append(replace(entry, windows=len(own), frames=track.shape[1]))
    tensors = {"pooled": torch.cat(pooled), "frames": torch.cat(frames), "scale": torch.stack(scales)}
    return {name: value.numpy() for name, value in tensors.items()}, told


def pooled_windows(encoder: Encoder, track: Tensor, window: float) -> Tensor:
    """Return the pooled states of the windows of a track, (window, layer, dim), which do not overlap."""
    cuts = window_spans(track.shape[1], round(window * FRAME_RATE))
    return torch.stack([pool(track[:, first:stop], pooling_of(encoder)) for first, stop in cuts])


def half_precision(track: Tensor) -> tuple[Tensor, Tensor]:
    """Return the states of a track, (layer, frame, dim), in float16, and the scale of each layer, (layer,).

    float16 has no room for what some layers hold; the scale makes it fit.
    """
    scale = track.abs().amax(dim=(1, 2)).clamp(min=1e-30)
    return (track / scale[:, None, None]).half(), scale


def stitch(
    tracks: dict[int, Tensor],
    clip: int,
    encoder: Encoder,
    states: Tensor,
    spans: Sequence[tuple[int, int]],
    number: int,
    name: str,
) -> None:
    """Put the states of a window, (layer, frame, dim), where they belong in their track."""
    first, stop = spans[number]
    own = to_frame_rate(states, encoder.frame_rate, stop - first)
    refuse_non_finite(own.mean(dim=1), encoder, name)
    track = tracks.setdefault(clip, own.new_empty(own.shape[0], spans[-1][1], own.shape[2]))
    # Neighbours meet in the middle of their overlap, as far as may be from both edges.
    begin = first if number == 0 else (first + spans[number - 1][1]) // 2
    end = stop if number == len(spans) - 1 else (stop + spans[number + 1][0]) // 2
    track[:, begin:end] = own[:, begin - first : end - first]


def encode_clip(encoders: Sequence[Encoder], path: Path, start: float, end: float, name: str) -> list[Tensor]:
    """Return each encoder's states of a clip at `FRAME_RATE`, (layer, frame, dim), put together from windows.

    Parameters
    ----------
    encoders : sequence of Encoder
        Which; the file is decoded once for all of one sample rate.
    path, start, end : Path, float, float
        The file, and the span in seconds; an end of NaN is that of the file.
    name : str
        Of the clip, for messages.

    Raises
    ------
    AudioError
        If it cannot be read, or is too short for an encoder.
    ModelError
        If a state is not finite.
    """
    until = None if np.isnan(end) else end
    rates = sorted({encoder.sample_rate for encoder in encoders if not encoder.reads_files})
    sounds = {rate: load(path, rate, start, until) for rate in rates}

    def states_of(encoder: Encoder) -> Tensor:
        if encoder.reads_files:
            states = encoder.encode_file(path, start, end)
            return to_frame_rate(states, encoder.frame_rate, frame_count(states.shape[1] / encoder.frame_rate))
        samples = sounds[encoder.sample_rate]
        refuse_short(encoder, samples, str(path))
        return encode_waveform(encoder, samples, encoder.window, name)

    with ThreadPoolExecutor(max_workers=1) as thread:  # plain features keep one core busy, while models keep all
        plain = {one.name: thread.submit(states_of, one) for one in encoders if one.baseline}
        return [plain[one.name].result() if one.baseline else states_of(one) for one in encoders]


def encode_waveform(encoder: Encoder, samples: NDArray[np.float32], window: float, name: str) -> Tensor:
    """Return the states of a waveform at `FRAME_RATE`, (layer, frame, dim), from overlapping windows."""
    spans = frame_spans(frame_count(len(samples) / encoder.sample_rate), window)
    tracks: dict[int, Tensor] = {}
    for position, states in batches(encoder, cut_overlapping(samples, encoder.sample_rate, window), lambda _: None):
        stitch(tracks, 0, encoder, states, spans, position, name)
    return tracks[0]


def to_frame_rate(states: Tensor, rate: float, frames: int) -> Tensor:
    """Bring states (layer, frame, dim) from an encoder's rate to a number of frames at `FRAME_RATE`.

    Frames are averaged over equal stretches; an encoder of that very rate keeps its own, the last one repeated
    where its count falls short by the rounding of its strides.
    """
    if abs(rate - FRAME_RATE) < 1e-3 and states.shape[1] >= frames - 2:
        missing = max(0, frames - states.shape[1])
        return torch.cat([states[:, :frames], states[:, -1:].expand(-1, missing, -1)], dim=1)
    return adaptive_avg_pool1d(states.transpose(1, 2), frames).transpose(1, 2)


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
