"""Headers whose writer never came back to say how long the sound is, as it cannot where it writes into a pipe.

Each function returns a view of the file with what its header should say.
"""

from __future__ import annotations

import io
from typing import BinaryIO

import av

from layerscope.data.file_views import View, peek
from layerscope.errors import AudioError

__all__ = ["UNKNOWN_FRAMES", "finished_caf", "finished_flac", "finished_wav", "is_unknown", "wav_data"]

#: Sizes of 31 bits from which on they are streaming writers' word for "unknown".
UNKNOWN_SIZE = 0x7FFF_0000
#: Frames beyond this are libsndfile's word for "unknown".
UNKNOWN_FRAMES = 1 << 60


def is_unknown(size: int) -> bool:
    """Return whether a size in a header is a streaming writer's word for "unknown": the largest of 31 or 32 bits."""
    return size & 0x7FFF_FFFF >= UNKNOWN_SIZE if size <= 0xFFFF_FFFF else size >= UNKNOWN_FRAMES


def wav_data(file: BinaryIO, start: int) -> tuple[int, int, int]:
    """Return the format of a WAV, where its samples begin and how many bytes its header says they are."""
    kind, position = 0, start + 12
    while len(head := peek(file, position, 8)) == 8:
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"fmt ":
            kind = int.from_bytes(peek(file, position + 8, 2), "little")
        if head[:4] == b"data":
            return kind, position + 8, length
        # Chunks begin at even places.
        position += 8 + length + length % 2
    return kind, position, 0


def finished_wav(file: BinaryIO, start: int, data: int, length: int) -> View | BinaryIO:
    """Return a WAV whose samples reach to the end of the file where its header says that there are none."""
    size, stated = file.seek(0, io.SEEK_END), int.from_bytes(peek(file, start + 4, 4), "little")
    if length or data >= size or not (is_unknown(stated) or start + 8 + stated < size):
        return file
    head = bytearray(peek(file, start, data - start))
    for place, number in ((4, size - start - 8), (len(head) - 4, size - data)):
        head[place : place + 4] = min(number, 0xFFFF_FFFF).to_bytes(4, "little")
    return View(file, start, size, bytes(head))


def finished_caf(file: BinaryIO, start: int) -> View | BinaryIO:
    """Return a CAF whose samples reach to the end of the file where its header says -1."""
    size, position = file.seek(0, io.SEEK_END), start + 8
    while len(head := peek(file, position, 12)) == 12 and head[:4] != b"data":
        position += 12 + int.from_bytes(head[4:], "big")
    if head[4:] != b"\xff" * 8:
        return file
    return View(file, start, size, peek(file, start, position + 4 - start) + (size - position - 12).to_bytes(8, "big"))


def finished_flac(source: BinaryIO | View) -> View | BinaryIO:
    """Return a FLAC that is as long as its frames are where its header says 0.

    Raises
    ------
    AudioError
        If its header says less than its frames hold; that it says more is what the decoder tells better.
    """
    size, _ = source.seek(0, io.SEEK_END), source.seek(0)
    # Tags are in any encoding.
    with av.open(source, "r", format="flac", metadata_errors="replace") as container:
        counted = sum(packet.duration or 0 for packet in container.demux(container.streams.audio[0]))
    source.seek(0)
    head = bytearray(source.read(26))
    # 36 bits, of which the first four share a byte.
    stated = (head[21] & 0x0F) << 32 | int.from_bytes(head[22:], "big")
    if stated == 0:
        head[21] |= counted >> 32
        head[22:] = (counted & 0xFFFF_FFFF).to_bytes(4, "big")
        return View(source, 0, size, bytes(head))
    if counted > stated:
        raise AudioError(f"damaged: its header promises {stated} samples where its frames hold {counted}")
    return source
