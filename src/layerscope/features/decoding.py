"""Clips decoded by several workers before they are asked for: in order, and never more than a bound of seconds.

Threads where a CPU encodes, which is busy with that. Where a GPU does, processes: threads would get no further than a
few cores, as part of the decoding of an MP3 is Python's (docs/decisions.md). They import neither torch nor pandas, and
what they decode comes through memory (`shared_windows`).
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import cpu_count
from joblib.externals.loky import ProcessPoolExecutor
from numpy.typing import NDArray

from layerscope.data.audio import load, sound_digest
from layerscope.errors import AudioError
from layerscope.features.orphaned_workers import end_with, ended_from_outside
from layerscope.features.shared_windows import shared, shared_places
from layerscope.features.windows import Cutting

if TYPE_CHECKING:
    import pandas as pd

    from layerscope.encoders.encoder import Encoder

__all__ = [
    "AHEAD_SECONDS", "Ahead", "ClipDecoder", "Decoded", "decoders", "decoding_workers", "lost_processes",
    "refuse_short", "too_short",
]  # fmt: skip

Samples = NDArray[np.float32]
Decode = Callable[[str, float, float], "Decoded"]

#: Seconds of audio that are decoded or being decoded for each worker: 29 MB at 24 kHz, and a long song is one clip.
AHEAD_SECONDS = 300.0


@dataclass(frozen=True)
class Decoded:
    """A clip before it is encoded: its windows (or, of an encoder that reads files, its states), and where they lie.

    Attributes
    ----------
    windows : sequence
        Samples of each window, or the states of the one.
    spans : list of (float, float)
        Of each window, in seconds from the start of the clip.
    sound : str
        Digest of what is heard.
    seconds : float
        Length.
    """

    windows: Sequence[Any]
    spans: list[tuple[float, float]]
    sound: str
    seconds: float


@dataclass(frozen=True)
class ClipDecoder:
    """What a worker must know of an encoder in order to decode for it.

    Attributes
    ----------
    name, sample_rate, minimum_samples : str, int, int
        The encoder's.
    cutting : Cutting
        How clips are cut.
    """

    name: str
    sample_rate: int
    minimum_samples: int
    cutting: Cutting

    def decode(self, path: str, start: float, end: float) -> Decoded:
        """Return the windows of a clip; an end of NaN is that of the file.

        Raises
        ------
        AudioError
            If it cannot be decoded, or is shorter than the encoder needs.
        """
        samples = self.samples(Path(path), start, end)
        refuse_short(self, samples, path)
        windows, spans = self.cutting.cut(samples, self.sample_rate)
        return Decoded(list(windows), spans, sound_digest(samples), len(samples) / self.sample_rate)

    def hear(self, path: str, start: float, end: float) -> Decoded:
        """Return a clip as one window, however long; see `decode`."""
        samples = self.samples(Path(path), start, end)
        refuse_short(self, samples, path)
        seconds = len(samples) / self.sample_rate
        return Decoded([samples], [(0.0, seconds)], "", seconds)

    def samples(self, path: Path, start: float, end: float) -> Samples:
        """Return what is heard of a clip."""
        return load(path, self.sample_rate, start, end)


def too_short(encoder: Encoder | ClipDecoder, samples: int, path: str) -> str:
    """Return how so many samples are fewer than an encoder needs, or nothing."""
    if samples >= encoder.minimum_samples:
        return ""
    needed = encoder.minimum_samples / encoder.sample_rate
    return f"{path}: too short: {samples / encoder.sample_rate:.4f} s, {encoder.name} needs {needed:.4f} s"


def refuse_short(encoder: Encoder | ClipDecoder, samples: Samples, path: str) -> None:
    """Raise if there is less sound than an encoder needs."""
    if reason := too_short(encoder, len(samples), path):
        raise AudioError(reason)


@contextmanager
def decoders(workers: int, *, processes: bool) -> Iterator[Executor]:
    """Yield what decodes; what has not begun when the pass is interrupted is dropped.

    Raises
    ------
    ResourceError
        If a process was ended from outside.
    """
    if processes:
        with shared_places() as places, lost_processes():
            executor = DecodingProcesses(workers, places)
            try:
                yield executor
            finally:
                executor.end()
    else:
        threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        try:
            yield threads
        finally:
            threads.shutdown(cancel_futures=True)


@contextmanager
def lost_processes() -> Iterator[None]:
    """Turn what comes of a process that decodes and was ended from outside into an error with the way out."""
    try:
        yield
    except BrokenProcessPool as error:
        raise ended_from_outside("decodes") from error


class DecodingProcesses(Executor):
    """Processes whose decoded windows come through memory.

    Parameters
    ----------
    workers : int
        How many.
    places : sequence of Path
        Where they write the windows.
    """

    def __init__(self, workers: int, places: Sequence[Path]) -> None:
        self.pool = ProcessPoolExecutor(workers, initializer=begin, initargs=(os.getpid(),))
        self.places = places

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:  # type: ignore[override]
        """Call a function in a process; what it returns is pickled, but for windows."""
        future: Future[Any] = self.pool.submit(call, self.places, function, *arguments)
        return future

    def end(self) -> None:
        """End the processes, whatever they are doing."""
        self.pool.shutdown(kill_workers=True)


def call(places: Sequence[Path], function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns; of a decoded clip the windows in a file."""
    result = function(*arguments)
    return replace(result, windows=shared(result.windows, places)) if isinstance(result, Decoded) else result


def begin(starter: int) -> None:
    """Begin as a process that decodes."""
    # An interrupt comes to all processes of a terminal, and the one that started this one decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(starter)


class Ahead:
    """Shards of clips whose decoding begins before they are asked for, in order.

    Parameters
    ----------
    shards : iterable of (DataFrame, DataFrame)
        Of each shard the clips that need no decoding, and those that do; asked for one by one, as late as may be.
    decode : callable
        Given path, start and end of a clip.
    executor : Executor
        Calls it.
    most : float
        Seconds of audio that may be decoded, or on their way, and not yet taken; a single clip may be longer.

    Yields
    ------
    (DataFrame, DataFrame, iterator of Future)
        The shard, and its clips as they are decoded: to be taken before the next shard is.
    """

    def __init__(
        self, shards: Iterable[tuple[pd.DataFrame, pd.DataFrame]], decode: Decode, executor: Executor, most: float
    ) -> None:
        self.decode, self.executor, self.most = decode, executor, most
        self.seconds = 0.0
        self.begun: deque[tuple[pd.DataFrame, pd.DataFrame, deque[Future[Decoded]]]] = deque()
        self.clips = self.submitted(iter(shards))

    def __iter__(self) -> Iterator[tuple[pd.DataFrame, pd.DataFrame, Iterator[Future[Decoded]]]]:
        self.fill()
        while self.begun:
            found, rows, futures = self.begun.popleft()
            yield found, rows, self.take(rows, futures)
            self.fill()

    def submitted(self, shards: Iterator[tuple[pd.DataFrame, pd.DataFrame]]) -> Iterator[float]:
        """Submit clip by clip, and yield the length of each."""
        for found, rows in shards:
            futures: deque[Future[Decoded]] = deque()
            self.begun.append((found, rows, futures))
            # Also of a shard that has nothing to decode, so that it is not waited for.
            yield 0.0
            for row in rows.itertuples():
                futures.append(self.executor.submit(self.decode, row.path, row.start, row.end))
                yield row.clip_seconds

    def fill(self) -> None:
        """Submit as many clips as the bound allows, one at least where none is on its way."""
        while self.seconds < self.most and (length := next(self.clips, None)) is not None:
            self.seconds += length

    def take(self, rows: pd.DataFrame, futures: deque[Future[Decoded]]) -> Iterator[Future[Decoded]]:
        """Yield the clips of a shard as they are decoded."""
        for length in rows.clip_seconds:
            self.fill()
            yield futures.popleft()
            self.seconds -= length


def decoding_workers() -> int:
    """Return how many workers decode: as many as there are cores for this process, by its affinity and container."""
    return int(cpu_count())
