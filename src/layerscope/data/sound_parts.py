"""What a file holds as sound: one part or several, each of one rate and of a length that is a promise.

Who decodes what, and why, is in docs/audio.md.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from layerscope.data.file_views import View, end_of_sound, past_tags, peek
from layerscope.data.mpeg_audio import frame_header, mpeg_parts
from layerscope.data.ogg_pages import ogg_links
from layerscope.errors import AudioError

__all__ = ["Part", "opened"]

#: Sizes of 31 bits from which on they are streaming writers' word for "unknown".
UNKNOWN_SIZE = 0x7FFF_0000
#: Frames beyond this are libsndfile's word for "unknown".
UNKNOWN_FRAMES = 1 << 60
#: Numbers decoded at once, so that all channels of a long file are never in memory together.
BLOCK = 1 << 20
#: Bytes that are read from the disk at once.
READ_AHEAD = 1 << 16
#: Formats of a WAV that are MPEG audio.
MPEG_IN_WAV = (0x50, 0x55)
#: How a FLAC begins: its mark, and a first block of 34 bytes.
FLAC = (b"fLaC\0\0\0\x22", b"fLaC\x80\0\0\x22")
#: How containers begin that libsndfile reads behind an ID3 tag.
CONTAINERS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff", b"riff", b".snd")
#: How libsndfile's log says that there are fewer bytes, or frames, of samples (first) than the header says (second).
SHORTER = {
    r"^ *(?:data|SSND|Data Size) *: (?P<promised>\d+) \(should be (?P<present>\d+)\)": "bytes of samples",
    # W64 says so of the whole file alone.
    r"^riff *: (?P<promised>\d+) \(should be (?P<present>\d+)\)": "bytes",
    r"Calculated frame count (?P<present>\d+) does not match value from 'ds64' chunk of (?P<promised>\d+)": "samples",
}


class Part(Protocol):
    """Sound of one rate.

    Attributes
    ----------
    rate : int
        In Hz.
    frames : int
        Samples of a channel.
    """

    @property
    def rate(self) -> int: ...  # noqa: D102
    @property
    def frames(self) -> int: ...  # noqa: D102

    def blocks(self, first: int, count: int) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of a span, (frame, channel) each; fewer where the file is damaged."""


@contextmanager
def opened(path: Path) -> Iterator[list[Part]]:
    """Yield the parts of a file; what goes wrong in them is an error that names it.

    Raises
    ------
    AudioError
        If it is no regular file, or not decodable, or not whole.
    """
    try:
        # A pipe or a device would be waited for.
        if not stat.S_ISREG(path.stat().st_mode):
            raise AudioError("not a regular file")
        with path.open("rb", buffering=READ_AHEAD) as file:
            if not peek(file, 0, 1):
                raise AudioError("the file is empty (0 bytes)")
            yield parts_of(file)
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from error
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".") or "libsndfile says no more"
        raise AudioError(f"{path}: not decodable as audio ({reason})") from error
    except av.FFmpegError as error:
        raise AudioError(f"{path}: not decodable as audio ({error.strerror})") from error
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise AudioError(f"{path!r}: cannot be read ({error})") from error


def parts_of(file: BinaryIO) -> list[Part]:
    """Return the parts of an open file, by what it begins with: names lie."""
    start, size = past_tags(file, 0), file.seek(0, io.SEEK_END)
    mark = peek(file, start, 12)
    if mark[:4] == b"OggS":
        links = ogg_links(file, start)
        return [SndfilePart(View(file, *link)) for link in links] if len(links) > 1 else [SndfilePart(file)]
    if mark[:8] in FLAC:
        starts = flac_starts(file, start)
        if len(starts) == 1:
            return [flac_part(file, file, start)]
        stretches = zip(starts, [*starts[1:], size], strict=True)
        return [flac_part(View(file, *stretch), file, stretch[0]) for stretch in stretches]
    if frame_header(mark[:4]):
        return list(mpeg_parts(file, start, end_of_sound(file)))
    # libsndfile would give these to libmpg123, which writes to the terminal.
    if mark[:1] == b"\xff" or (start and mark[:4] not in CONTAINERS):
        raise AudioError("not decodable as audio (it begins as no known format does)")
    if mark[:4] == b"RIFF" and mark[8:] == b"WAVE":
        return wav_parts(file, start, size)
    return [SndfilePart(file)]


class SndfilePart:
    """What libsndfile decodes: PCM in its containers, FLAC, Vorbis, Opus."""

    def __init__(self, file: BinaryIO | View) -> None:
        if isinstance(file, View):
            file.seek(0)
            self.sound = soundfile.SoundFile(file)
        else:
            # By descriptor, since of a path the library also reads the ending; where that stands the file begins.
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            self.sound = soundfile.SoundFile(file.fileno(), closefd=False)
        self.rate, self.frames = self.sound.samplerate, self.sound.frames
        refuse_shorter(self.sound.extra_info)

    def blocks(self, first: int, count: int) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of a span, (frame, channel) each."""
        self.sound.seek(first)
        size = max(1, BLOCK // self.sound.channels)
        while count > 0:
            block = self.sound.read(min(count, size), dtype="float32", always_2d=True)
            if not len(block):
                return
            count -= len(block)
            yield block


def refuse_shorter(log: str) -> None:
    """Raise if libsndfile's log says so: it opens a file that was cut short as a shorter one."""
    for pattern, unit in SHORTER.items():
        found = re.search(pattern, log, flags=re.MULTILINE)
        if found is None:
            continue
        present, promised = int(found["present"]), int(found["promised"])
        if present < promised and not is_unknown(promised):
            raise AudioError(f"truncated: {present} {unit} where the header promises {promised}")


def flac_starts(file: BinaryIO, start: int) -> list[int]:
    """Return where each FLAC begins of those that were joined to one file; most are one."""
    starts, position = [start], start + 1
    while len(block := peek(file, position, BLOCK)) >= len(FLAC[0]):
        found = [place for place in map(block.find, FLAC) if place >= 0]
        starts += [position + min(found)] if found else []
        position += min(found) + 1 if found else max(1, len(block) - len(FLAC[0]) + 1)
    return starts


def flac_part(source: BinaryIO | View, file: BinaryIO, first: int) -> SndfilePart:
    """Return a FLAC, which is as long as its frames are; streaming writers leave no length in its header."""
    last = first + source.seek(0, io.SEEK_END)
    source.seek(0)
    with av.open(source, "r", format="flac") as container:
        counted = sum(packet.duration or 0 for packet in container.demux(container.streams.audio[0]))
    part = SndfilePart(source)
    if 0 < part.frames < UNKNOWN_FRAMES:
        # Fewer than promised is what the decoder tells better.
        if counted > part.frames:
            raise AudioError(f"damaged: its header promises {part.frames} samples where its frames hold {counted}")
        return part
    # 36 bits, of which the first four share a byte.
    head = bytearray(peek(file, first, 26))
    head[21] |= counted >> 32
    head[22:26] = (counted & 0xFFFFFFFF).to_bytes(4, "big")
    return SndfilePart(View(file, first, last, bytes(head)))


def wav_parts(file: BinaryIO, start: int, size: int) -> list[Part]:
    """Return the parts of a WAV: one, except where it wraps an MP3."""
    kind, position = 0, start + 12
    while len(head := peek(file, position, 8)) == 8:
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"fmt ":
            kind = int.from_bytes(peek(file, position + 8, 2), "little")
        if head[:4] == b"data":
            if kind in MPEG_IN_WAV:
                return list(mpeg_parts(file, position + 8, min(size, position + 8 + length)))
            if length == 0 and unfinished(file, start, size):
                return [SndfilePart(completed(file, start, position, size))]
            break
        # Chunks begin at even places.
        position += 8 + length + length % 2
    return [SndfilePart(file)]


def unfinished(file: BinaryIO, start: int, size: int) -> bool:
    """Return whether the writer of a WAV never came back to fill in how long it is."""
    length = int.from_bytes(peek(file, start + 4, 4), "little")
    return is_unknown(length) or start + 8 + length < size


def completed(file: BinaryIO, start: int, data: int, size: int) -> View:
    """Return a WAV whose chunk of samples, at `data`, reaches to the end of the file."""
    head = bytearray(peek(file, start, data + 8 - start))
    for place, length in ((4, size - start - 8), (data - start + 4, size - data - 8)):
        head[place : place + 4] = min(length, 0xFFFF_FFFF).to_bytes(4, "little")
    return View(file, start, size, bytes(head))


def is_unknown(size: int) -> bool:
    """Return whether a size in a header is a streaming writer's word for "unknown": the largest of 31 or 32 bits."""
    return size & 0x7FFF_FFFF >= UNKNOWN_SIZE if size <= 0xFFFF_FFFF else size >= UNKNOWN_FRAMES
