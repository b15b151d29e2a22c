"""From a file to mono float32 samples at a rate.

Conventions: channels are averaged; samples keep their stored level (a float file may exceed ±1); a file that
holds less than its header promises is refused, since a label for the whole says little about a part.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from layerscope.atomic_files import digest, file_digest
from layerscope.data.sound_parts import Part, opened
from layerscope.errors import AudioError

__all__ = [
    "EXTENSIONS", "RATES", "UNREAD", "FileFacts", "file_facts", "is_surveyed", "load", "measure", "refuse_unheard",
    "sound_digest", "span_within",
]  # fmt: skip

Samples = NDArray[np.float32]

#: What a folder is searched for; a file that a table names may end in anything.
EXTENSIONS = {
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".mp2",
    ".aif",
    ".aiff",
    ".aifc",
    ".au",
    ".caf",
    ".w64",
    ".rf64",
}
#: What holds sound as well, and is not searched for, because it is not read.
UNREAD = {
    ".3gp", ".aac", ".ac3", ".amr", ".ape", ".avi", ".dff", ".dsf", ".flv", ".m4a", ".m4b", ".m4v", ".mka", ".mkv",
    ".mov", ".mp4", ".mpc", ".mpeg", ".mpg", ".ogv", ".ogx", ".ra", ".snd", ".spx", ".tta", ".voc", ".wave", ".weba",
    ".webm", ".wma", ".wmv", ".wv",
}  # fmt: skip

#: A span may end this many seconds after the file: tables round.
SPAN_SLACK = 0.1
#: The mix of channels that cancel is below this share of their level (-60 dB).
CANCELLED = 1e-3
#: Rates, in Hz, beyond which a header is wrong: resampled from 1 Hz, a few bytes would be hours.
RATES = (1000, 1_000_000)
#: Largest value that is sound: 16 bits stored as floats are (32,768), what makes an encoder overflow is not.
LOUDEST = 1e6


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file before it is decoded.

    Attributes
    ----------
    digest : str
        SHA-256 of its bytes.
    duration : float
        Seconds, by its header.
    written : str
        Its size and when it was last written; see `is_surveyed`.
    """

    digest: str
    duration: float
    written: str


def file_facts(path: Path) -> FileFacts:
    """Return the digest of an audio file and how long it is, without decoding it.

    Raises
    ------
    AudioError
        If it cannot be read, or is seen not to be whole without decoding.
    """
    # First, since the digest of what is no regular file may never come.
    seconds, _ = measure(path)
    try:
        # Before the digest: what is written meanwhile is another file than this says.
        written = last_written(path)
        return FileFacts(file_digest(path), seconds, written)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror or error})") from error


def last_written(path: Path) -> str:
    """Return the size of a file and when it was last written."""
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


def is_surveyed(path: Path, written: str, clip_key: str) -> bool:
    """Return whether a file still holds what it held when it was surveyed."""
    try:
        # The same bytes may have been written again, or lie on another machine.
        return last_written(path) == written or clip_key.startswith(file_digest(path))
    except OSError:
        return False


def measure(path: Path) -> tuple[float, int]:
    """Return the length of an audio file in seconds, and its (first) sample rate in Hz.

    Raises
    ------
    AudioError
        If it cannot be read, or is seen not to be whole without decoding.
    """
    with opened(path) as parts:
        return seconds_of(parts), parts[0].rate


def seconds_of(parts: Sequence[Part]) -> float:
    """Return how long the parts of a file are together."""
    for part in parts:
        if not RATES[0] <= part.rate <= RATES[1]:
            raise AudioError(f"its header says {part.rate} Hz, which is no rate of music")
    seconds = sum(part.frames / part.rate for part in parts)
    if not seconds:
        raise AudioError("holds no samples, by its header")
    return seconds


def span_within(seconds: float, start: float, end: float | None) -> tuple[float, float]:
    """Return a span as far as a file reaches.

    Parameters
    ----------
    seconds : float
        Length of the file.
    start, end : float, optional
        The span; None, or NaN as tables have it, for the end of the file.

    Raises
    ------
    AudioError
        If it ends after the file by more than tables round.

    Examples
    --------
    >>> span_within(30.0, 15.0, 30.01)
    (15.0, 30.0)
    """
    end = None if end is None or np.isnan(end) else end
    if end is None and start >= seconds:
        raise AudioError(f"the span from {start:g} s on begins and ends after the file ({seconds:.2f} s)")
    last = seconds if end is None else end
    if start >= seconds or last > seconds + SPAN_SLACK:
        raise AudioError(f"the span {start:g}–{last:g} s ends after the file ({seconds:.2f} s)")
    return start, min(last, seconds)


def load(path: Path, sample_rate: int, start: float = 0.0, end: float | None = None) -> Samples:
    """Decode a span of a file, mix it to mono and resample it.

    Parameters
    ----------
    path : Path
        WAV, FLAC, Ogg Vorbis, Opus, MP3 or whatever else libsndfile decodes; the name's ending is irrelevant.
    sample_rate : int
        Wanted rate, in Hz.
    start, end : float, optional
        The span, in seconds; the whole file by default. An end of NaN is that of the file.

    Returns
    -------
    ndarray, shape (samples,), float32

    Raises
    ------
    AudioError
        If the file is unreadable, damaged, truncated or empty, holds values that are no sound, ends before the span
        does, or has channels that cancel in the mix.
    """
    with opened(path) as parts:
        start, end = span_within(seconds_of(parts), start, end)
        runs: list[Samples] = []
        # Neighbours of one rate are resampled together, so that no seam is heard.
        for rate, members in itertools.groupby(decoded_span(parts, start, end), key=lambda stretch: stretch[0]):
            runs += resampled(itertools.chain.from_iterable(blocks for _, blocks in members), rate, sample_rate)
    return joined(runs)


def resampled(blocks: Iterator[Samples], rate: int, wanted: int) -> Iterator[Samples]:
    """Yield samples, block by block, at another rate: a long file is never in memory at its own."""
    if rate == wanted:
        yield from blocks
        return
    # At soxr's default quality, HQ, which the description of a store names; samples are those of it at once.
    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def joined(stretches: Sequence[Samples]) -> Samples:
    """Return stretches one after another; a single one is not copied."""
    return stretches[0] if len(stretches) == 1 else np.concatenate(stretches)


def decoded_span(parts: Sequence[Part], start: float, end: float) -> Iterator[tuple[int, Iterator[Samples]]]:
    """Yield the rate and the mono samples, block by block, of each part that a span in seconds touches."""
    begin = 0.0
    for part in parts:
        first, last = (min(part.frames, max(0, round((time - begin) * part.rate))) for time in (start, end))
        begin += part.frames / part.rate
        if first < last:
            yield part.rate, decode_mono(part, first, last - first)


def decode_mono(part: Part, first: int, count: int) -> Iterator[Samples]:
    """Yield a span of a part in blocks, the channels of each averaged."""
    there, mixed_power, channel_power = 0, 0.0, 0.0
    for block in part.blocks(first, count):
        squares = power(block)
        # No value exceeds the root of all squares; half of them, because float32 rounds the sum. NaN is not less.
        if not squares < LOUDEST**2 / 2:
            refuse_unheard(block)
        channel_power += squares / block.shape[1]
        mono = mixed(block)
        mixed_power += power(mono)
        there += len(mono)
        yield mono
    if there < count:
        raise AudioError(f"damaged: {there / part.rate:.2f} s could be decoded of {count / part.rate:.2f} s promised")
    # Silence passes: 0 is not below 0.
    if mixed_power < CANCELLED**2 * channel_power:
        raise AudioError("its channels cancel when mixed to mono (opposite phase); keep one of them")


def mixed(block: Samples) -> Samples:
    """Return the mean of the channels of samples, (frame, channel), which are given up for it."""
    # Channel by channel: numpy's mean over so short an axis takes twenty times as long.
    total = functools.reduce(np.add, block.T)
    return np.divide(total, np.float32(block.shape[1]), out=total)


def power(samples: Samples) -> float:
    """Return the sum of squares of a block, to three digits at the least."""
    # "K", because another order is a copy. float32 has the digits for a block, and takes a third of float64's time.
    flat = samples.ravel("K")
    return float(np.einsum("i,i->", flat, flat))


def refuse_unheard(samples: NDArray[np.floating]) -> None:
    """Raise if values are no sound."""
    # NaN where a sample is.
    loudest = max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))
    if not np.isfinite(loudest):
        raise AudioError("holds non-finite samples (NaN or infinity)")
    if loudest > LOUDEST:
        raise AudioError(f"holds values up to {loudest:.3g}, where sound lies within ±1 and ±{LOUDEST:g} is refused")


def sound_digest(samples: Samples) -> str:
    """Return a digest of what is heard: equal for the same samples in another container, at 16-bit resolution."""
    # Whole numbers, which a float32 holds as they are, those beyond 16 bits of a float file too; 0 and -0 are one.
    steps = samples * np.float32(32768.0)
    np.rint(steps, out=steps)
    steps += np.float32(0.0)
    return digest(steps.data)
