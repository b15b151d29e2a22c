"""Small audio files of every kind, made where they are needed."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 44_100


def music(seconds: float, rate: int = RATE, channels: int = 1, seed: int = 0) -> NDArray[np.float32]:
    """Return a tone in noise, (frame, channel), of which no two stretches are alike."""
    noise = np.random.default_rng(seed).normal(0, 0.05, (round(seconds * rate), channels))
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(len(noise)) / rate)[:, None]
    return (noise + tone).astype(np.float32)


def encoded(container: str, samples: NDArray[np.float32], rate: int = RATE, **options: Any) -> bytes:
    """Return samples as libsndfile writes them."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=container, **options)
    return buffer.getvalue()


def mp3(samples: NDArray[np.float32], rate: int = RATE, mode: str = "CONSTANT") -> bytes:
    """Return samples as an MP3 of LAME's, with its header."""
    return encoded("MP3", samples, rate, bitrate_mode=mode, compression_level=0.5)


def headerless(content: bytes) -> bytes:
    """Return an MP3 without its first frame, which says how many follow: as other encoders, or a cut, leave it."""
    # Behind LAME's name the frame holds zeros.
    return content[content.index(b"\xff" + content[1:2], content.index(b"LAME") + 40) :]


def id3(size: int) -> bytes:
    """Return an ID3v2 of so many bytes, a picture in it."""
    picture = b"APIC" + struct.pack(">IH", size - 20, 0) + np.random.default_rng(0).bytes(size - 20)
    return b"ID3\x03\0\0" + bytes((size - 10) >> shift & 0x7F for shift in (21, 14, 7, 0)) + picture


def id3v1() -> bytes:
    """Return an ID3v1."""
    return b"TAG" + b"a title".ljust(125, b"\0")


def ape(header: bool) -> bytes:
    """Return an APE tag of one item."""
    item = struct.pack("<II", 4, 0) + b"Genre\0Funk"

    def fixed(flags: int) -> bytes:
        return b"APETAGEX" + struct.pack("<IIII8x", 2000, len(item) + 32, 1, flags)

    return (fixed(1 << 31 | 1 << 29) if header else b"") + item + fixed(header << 31)


def unknown_length(flac: bytes) -> bytes:
    """Return a FLAC as one that was piped: its header says 0 samples, and its digest is empty."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4 + 16) + flac[42:]


class Pipe(io.RawIOBase):
    """What is written to once, from beginning to end."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, content: Any) -> int:
        """Append bytes."""
        self.content += bytes(content)
        return len(content)


def piped(container: str, codec: str, samples: NDArray[np.float32], rate: int = RATE) -> bytes:
    """Return mono samples as `ffmpeg -f container -` writes them, which cannot go back to its header."""
    pipe = Pipe()
    with av.open(pipe, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(format=stream.codec_context.codec.audio_formats[0], layout="mono", rate=rate)
        frames = [*resampler.resample(frame), *resampler.resample(None)]
        for packets in [*map(stream.encode, frames), stream.encode(None)]:
            output.mux(packets)
    return bytes(pipe.content)
