"""How many samples decoders find in MP3s of every kind: ours beside FFmpeg (PyAV), miniaudio and libsndfile.

    python -m benchmarks.mp3_lengths

FFmpeg decoding all packets is the reference: of some kinds the others estimate a length, or stop. Counts are at the
rate of the file's first frame.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import miniaudio
import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.hostile.made_audio import ape, headerless, id3, id3v1, mp3, music
from layerscope.data.audio import load
from layerscope.errors import AudioError

__all__ = ["DECODERS", "kinds"]

SECONDS = 4.0
#: Where an Info or Xing header says how many frames follow, from its name on.
FRAMES = slice(8, 12)


def lame(samples: NDArray[np.float32], rate: int, header: bool = True, **options: str) -> bytes:
    """Return samples as FFmpeg writes them with LAME."""
    buffer = io.BytesIO()
    settings = {"write_xing": str(int(header)), "id3v2_version": "0"}
    with av.open(buffer, "w", format="mp3", options=settings) as output:
        layout = "stereo" if samples.shape[1] == 2 else "mono"
        stream = output.add_stream("libmp3lame", rate=rate, layout=layout, options=options)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for packets in (stream.encode(frame), stream.encode(None)):
            output.mux(packets)
    return buffer.getvalue()


def lyrics3() -> bytes:
    """Return a Lyrics3 v2 tag, with the ID3v1 that it stands before."""
    body = b"LYRICSBEGIN" + b"IND00002" + b"00" + b"LYR00005" + b"words"
    return body + f"{len(body):06}".encode() + b"LYRICS200" + id3v1()


def with_count(content: bytes, frames: int) -> bytes:
    """Return an MP3 whose header tells of another number of frames."""
    place = max(content.find(b"Xing"), content.find(b"Info"))
    assert place > 0
    field = slice(place + FRAMES.start, place + FRAMES.stop)
    return content[: field.start] + frames.to_bytes(4, "big") + content[field.stop :]


def free_format(content: bytes) -> bytes:
    """Return an MP3 of frames of one length as one whose frames do not say their bit rate."""
    free, length = bytearray(content), 144 * 128_000 // 48_000
    free[2::length] = bytes(byte & 0x0F for byte in free[2::length])
    return bytes(free)


def kinds() -> dict[str, bytes]:
    """Return a file of each kind."""
    stereo, mono = music(SECONDS, channels=2, seed=1), music(SECONDS, seed=2)
    constant = {"b": "128000"}
    bare, whole = lame(stereo, 44_100, header=False, **constant), lame(stereo, 44_100, **constant)
    # FFmpeg's unit of quality is 118; 4 is LAME's V4.
    variable = {"global_quality": str(4 * 118), "flags": "+qscale"}
    files = {
        "with a header (Info)": whole,
        "of libsndfile, constant": mp3(stereo),
        "of libsndfile, variable (Xing)": mp3(stereo, mode="VARIABLE"),
        "bare, constant": bare,
        "bare, constant, ID3v2 of 2 kB": id3(2048) + bare,
        "bare, constant, a picture of 300 kB": id3(300_000) + bare,
        "bare, variable": lame(stereo, 44_100, header=False, **variable),
        "bare, of libsndfile, variable": headerless(mp3(stereo, mode="VARIABLE")),
        "two, joined": whole + whole,
        "two bare, joined": bare + bare,
        "tagged and joined": id3(5000) + whole + id3v1() + id3(5000) + whole,
        "ID3v1 at the end": bare + id3v1(),
        "APE at the end": bare + ape(header=True) + id3v1(),
        "APE without a header at the end": bare + ape(header=False),
        "Lyrics3 at the end": bare + lyrics3(),
        "44.1 kHz, then 48 kHz": bare + lame(music(SECONDS, 48_000, 2, seed=3), 48_000, header=False, **constant),
        "mono, then stereo": lame(mono, 44_100, header=False, b="64000") + bare,
        "free format": free_format(lame(music(SECONDS, 48_000, 2, seed=3), 48_000, header=False, **constant)),
        "its header tells of half": with_count(whole, 70),
        "its header tells of twice as many": with_count(whole, 400),
    }
    for rate in (48_000, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000):
        name = "MPEG-1" if rate >= 32_000 else "MPEG-2" if rate >= 16_000 else "MPEG-2.5"
        files[f"{name}, {rate} Hz, bare"] = lame(music(SECONDS, rate, seed=4), rate, header=False, b="32000")
    return files


def ours(content: bytes) -> int:
    """Return how many samples layerscope decodes."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "a.mp3"
        path.write_bytes(content)
        return len(load(path, rate_of(content)))


def rate_of(content: bytes) -> int:
    """Return the rate of the first frame."""
    return int(soundfile.info(io.BytesIO(content)).samplerate)


def ffmpeg(content: bytes) -> int:
    """Return how many samples FFmpeg decodes, at the rate of the first frame."""
    rate = rate_of(content)
    with av.open(io.BytesIO(content)) as container:
        return round(sum(frame.samples * rate / frame.sample_rate for frame in container.decode(audio=0)))


def miniaudio_count(content: bytes) -> int:
    """Return how many samples miniaudio decodes."""
    decoded = miniaudio.decode(content, sample_rate=rate_of(content), nchannels=1)
    return int(decoded.num_frames)


def libsndfile(content: bytes) -> int:
    """Return how many samples libsndfile decodes."""
    return len(soundfile.read(io.BytesIO(content))[0])


DECODERS: dict[str, Callable[[bytes], int]] = {
    "layerscope": ours, "FFmpeg": ffmpeg, "miniaudio": miniaudio_count, "libsndfile": libsndfile,
}  # fmt: skip


def count(decoder: Callable[[bytes], int], content: bytes) -> str:
    """Return a decoder's count, or that it refuses."""
    try:
        return f"{decoder(content):,}"
    except (AudioError, av.FFmpegError, miniaudio.DecodeError, soundfile.LibsndfileError):
        return "refused"


def main() -> None:
    """Print the table."""
    print(f"| MP3 of {SECONDS:g} s | " + " | ".join(DECODERS) + " |\n|---|" + "---|" * len(DECODERS))
    for name, content in kinds().items():
        print(f"| {name} | " + " | ".join(count(decoder, content) for decoder in DECODERS.values()) + " |")


if __name__ == "__main__":
    main()
