"""From a file to mono float32 samples at a rate.

Conventions: channels are averaged; samples keep their stored level (a float file may exceed ±1); a file that
holds less than its header promises is refused, since a label for the whole says little about a part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from layerscope.atomic_files import digest, file_digest
from layerscope.errors import AudioError

__all__ = ["EXTENSIONS", "FileFacts", "file_facts", "load", "sound_digest"]

Samples = NDArray[np.float32]

#: What a folder is searched for; a file that a table names may end in anything.
EXTENSIONS = {
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aif",
    ".aiff",
    ".au",
    ".caf",
    ".w64",
    ".rf64",
}

#: A decoder may give two MPEG frames less than promised (its delay and padding) without anything being lost.
DECODER_SLACK = 2 * 1152
#: A span may end this many seconds after the file: tables round.
SPAN_SLACK = 0.1
#: The mix of channels that cancel is below this share of their level (-60 dB).
CANCELLED = 1e-3
#: Sizes that streaming writers put in a header for "unknown".
UNKNOWN_SIZE = 0x7FFF_0000
#: Frames decoded at once, so that all channels of a long file are never in memory together.
BLOCK = 1 << 20


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file before it is decoded.

    Attributes
    ----------
    digest : str
        SHA-256 of its bytes.
    duration : float
        Seconds, by its header.
    """

    digest: str
    duration: float


def file_facts(path: Path) -> FileFacts:
    """Return the digest and duration of an audio file without decoding it.

    Raises
    ------
    AudioError
        If it does not exist, is empty, or its header cannot be read.
    """
    try:
        sha256 = file_digest(path)
        with soundfile.SoundFile(path) as sound:
            duration = sound.frames / sound.samplerate
    except (soundfile.LibsndfileError, OSError) as error:
        raise unreadable(path, error) from error
    return FileFacts(sha256, duration)


def unreadable(path: Path, error: Exception) -> AudioError:
    """Return the error for a file that no decoder opens."""
    if isinstance(error, OSError):
        return AudioError(f"{path}: cannot be read ({error.strerror or error})")
    if path.stat().st_size == 0:
        return AudioError(f"{path}: the file is empty (0 bytes)")
    reason = str(error).split(": ", 1)[-1].rstrip(".")
    return AudioError(f"{path}: not decodable as audio ({reason})")


def load(path: Path, sample_rate: int, start: float = 0.0, end: float | None = None) -> Samples:
    """Decode a span of a file, mix it to mono and resample it.

    Parameters
    ----------
    path : Path
        WAV, FLAC, Ogg Vorbis, Opus, MP3 or whatever else libsndfile decodes; the name's ending is irrelevant.
    sample_rate : int
        Wanted rate, in Hz.
    start, end : float, optional
        The span, in seconds; the whole file by default.

    Returns
    -------
    ndarray, shape (samples,), float32

    Raises
    ------
    AudioError
        If the file is unreadable, truncated, empty, holds non-finite samples, ends before the span does, or
        has channels that cancel in the mix.
    """
    try:
        path.stat()  # the decoder's own word for a missing file is "System error"
        with soundfile.SoundFile(path) as sound:
            # libsndfile opens a WAV that was cut short as a shorter one, and says so in its log alone.
            refuse_truncated(path, sound.extra_info)
            first, count = span_in_frames(path, sound, start, end)
            sound.seek(first)
            samples = decode_mono(path, sound, count)
            rate = sound.samplerate
    except (soundfile.LibsndfileError, OSError) as error:
        raise unreadable(path, error) from error
    if len(samples) < count - DECODER_SLACK:
        raise AudioError(
            f"{path}: damaged: {len(samples) / rate:.2f} s could be decoded of {count / rate:.2f} s promised"
        )
    if rate == sample_rate:
        return samples
    # At soxr's default quality, HQ, which the description of a store names.
    resampled: Samples = soxr.resample(samples, rate, sample_rate)
    return resampled


def refuse_truncated(path: Path, log: str) -> None:
    """Raise if libsndfile's log says that the sample data are shorter than their header says."""
    found = re.search(r"^data *: (\d+) \(should be (\d+)\)", log, flags=re.MULTILINE)
    if found:
        promised, present = int(found[1]), int(found[2])
        if present < promised < UNKNOWN_SIZE:
            raise AudioError(f"{path}: truncated: {present} bytes of samples where the header promises {promised}")


def span_in_frames(path: Path, sound: soundfile.SoundFile, start: float, end: float | None) -> tuple[int, int]:
    """Return the first frame and the number of frames of a span given in seconds."""
    rate, frames = sound.samplerate, sound.frames
    if frames == 0:
        raise AudioError(f"{path}: holds no samples")
    first = round(start * rate)
    last = frames if end is None else round(end * rate)
    if first >= frames or last > frames + SPAN_SLACK * rate:
        raise AudioError(f"{path}: the span {start:g}–{last / rate:g} s ends after the file ({frames / rate:.2f} s)")
    return first, min(last, frames) - first


def decode_mono(path: Path, sound: soundfile.SoundFile, count: int) -> Samples:
    """Read `count` frames from where the file stands, averaging channels block by block."""
    blocks, mixed_power, channel_power = [], 0.0, 0.0
    while count > 0:
        block = sound.read(min(count, BLOCK), dtype="float32", always_2d=True)
        if not len(block):
            break
        count -= len(block)
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        if not np.isfinite(mono).all():
            raise AudioError(f"{path}: holds non-finite samples (NaN or infinity)")
        # float64, because squares of minutes of sound outgrow the digits of float32.
        mixed_power += float(np.square(mono, dtype=np.float64).sum())
        channel_power += float(np.square(block, dtype=np.float64).mean(axis=1).sum())
        blocks.append(mono)
    # Silence passes: 0 is not below 0.
    if mixed_power < CANCELLED**2 * channel_power:
        raise AudioError(f"{path}: its channels cancel when mixed to mono (opposite phase); keep one of them")
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def sound_digest(samples: Samples) -> str:
    """Return a digest of what is heard: equal for the same samples in another container, at 16-bit resolution."""
    # Whole numbers, of which 0 and -0 are one; int64, since a float file may exceed 16 bits.
    return digest(np.round(samples * 32768.0).astype(np.int64).tobytes())
