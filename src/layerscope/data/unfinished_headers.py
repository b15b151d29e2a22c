"""Headers whose writer never came back to say how long the sound is, as it cannot where it writes into a pipe.

Each function returns a view of the file with what its header should say.
"""

from __future__ import annotations

import io
import re
import struct
from typing import BinaryIO, NamedTuple

import av

from layerscope.data.file_views import View, past_tags, peek
from layerscope.errors import AudioError

__all__ = [
    "SLOPPY", "UNKNOWN_FRAMES", "finished_caf", "finished_flac", "flac_frames", "is_unknown", "lean_flac", "wav_data",
    "whole_wavs",
]  # fmt: skip

#: Sizes of 31 bits from which on they are streaming writers' word for "unknown".
UNKNOWN_SIZE = 0x7FFF_0000
#: Frames beyond this are libsndfile's word for "unknown".
UNKNOWN_FRAMES = 1 << 60
#: Formats of a WAV whose samples are as wide as its header says: whole numbers, floats, and either by a longer name.
UNCOMPRESSED = (1, 3, 0xFFFE)
#: Bytes behind the samples of a WAV that are no chunk: so few are a careless writer's, more may be sound.
SLOPPY = 1024


def is_unknown(size: int) -> bool:
    """Return whether a size in a header is a streaming writer's word for "unknown": the largest of 31 or 32 bits."""
    # The first that 31 bits do not hold is what `arecord` writes.
    if size <= 0xFFFF_FFFF:
        return size == 1 << 31 or size & 0x7FFF_FFFF >= UNKNOWN_SIZE
    return size >= UNKNOWN_FRAMES


class WavData(NamedTuple):
    """Samples of a WAV: format, first byte, bytes by the header; its ``fmt`` chunk, whether chunks are padded; frames.

    These are how many samples of a channel were encoded, 0 where it does not say.
    """

    kind: int
    first: int
    length: int
    form: bytes
    padded: bool
    frames: int

    @property
    def block(self) -> int:
        """How many samples of a channel a codec encodes together, 0 of what is not encoded or does not say."""
        return int.from_bytes(self.form[26:28], "little") if self.frames and self.kind not in UNCOMPRESSED else 0


def wav_data(file: BinaryIO | View, start: int) -> WavData:
    """Return the format of a WAV, where its samples begin and how many bytes its header says they are.

    Raises
    ------
    AudioError
        If it does not say how samples are stored, or contradicts itself.
    """
    kind, form, padded, frames, position = None, b"", True, 0, start + 12
    while len(head := peek(file, position, 8)) == 8:
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"fmt ":
            form = peek(file, position, 8 + length)
            kind = wav_format(form[8:24])
        if head[:4] == b"fact":
            frames = int.from_bytes(peek(file, position + 8, 4), "little")
        if head[:4] == b"data":
            if kind is None:
                raise AudioError("not decodable as audio (no 'fmt ' chunk before its samples)")
            return WavData(kind, position + 8, length, form, padded, frames)
        position += 8 + length
        # Chunks begin at even places, which not every writer heeds.
        if length % 2 and (peek(file, position + 1, 4) in (b"fmt ", b"data") or not is_name(file, position)):
            position += 1
        elif length % 2:
            padded = False
    raise AudioError("not decodable as audio (a WAV whose chunks lead to no 'data' chunk)")


def is_name(file: BinaryIO | View, position: int) -> bool:
    """Return whether the name of a chunk may stand at a position."""
    return re.match(rb"[A-Za-z][\x20-\x7e]{3}", peek(file, position, 4)) is not None


def wav_format(form: bytes) -> int:
    """Return the format that a WAV's ``fmt`` chunk names."""
    if len(form) < 16:
        raise AudioError("not decodable as audio (its 'fmt ' chunk is cut short)")
    kind, channels, rate, _, size, bits = struct.unpack("<HHIIHH", form)
    if kind not in UNCOMPRESSED:
        return int(kind)
    if not channels or not rate:
        raise AudioError(f"its header says {channels} channels at {rate} Hz")
    width = -(-bits // 8)
    # Of 24 bits four bytes are common as well; of others libsndfile takes as many as they fill, whatever is said.
    if size != channels * width and not (bits == 24 and size == 4 * channels):
        fit = "do not fit into" if size < channels * width else "do not fill"
        raise AudioError(f"its header contradicts itself: {channels} channels of {bits} bits {fit} {size} bytes")
    return int(kind)


def whole_wavs(file: BinaryIO | View, start: int) -> list[View | BinaryIO]:
    """Return the WAVs of a file: most are one, some were joined; each with as many samples as there are.

    Raises
    ------
    AudioError
        If more follows the samples that a header counts than chunks and padding: it may be sound.
    """
    _, data, length, form, padded, _ = wav_data(file, start)
    size = file.seek(0, io.SEEK_END)
    if not padded:
        # As libsndfile reads it, without the chunks of odd length before its samples.
        head = b"RIFF" + bytes(4) + b"WAVE" + form + b"\0" * (len(form) % 2) + peek(file, data - 8, 8)
        return whole_wavs(View(file, data - len(head), size, head), 0)
    alone = View(file, start, size) if start else file
    # What is shorter than its header says is told by the decoder.
    if data >= size or is_unknown(length):
        return [alone]
    end = past_chunks(file, data + length, size)
    # Zeros may be silence. What other chunks follow in place of samples shows that there are none.
    if length == 0 and (end < size or peek(file, data, 1) == b"\0"):
        return [finished_wav(file, start, data, size)]
    if is_wav(file, end):
        return [View(file, start, end), *whole_wavs(file, end)]
    if size - end > SLOPPY:
        raise AudioError(
            f"its header promises {length:,} bytes of samples, and {size - end:,} bytes follow that are no "
            "whole chunk: its sizes are wrong, or its end"
        )
    return [alone]


def is_wav(file: BinaryIO | View, position: int) -> bool:
    """Return whether a WAV begins at a position."""
    head = peek(file, position, 12)
    return head[:4] == b"RIFF" and head[8:] == b"WAVE"


def past_chunks(file: BinaryIO | View, position: int, size: int) -> int:
    """Return where the chunks, tags and zeros end that follow the samples of a WAV, or where another WAV begins."""
    while position < size and not is_wav(file, position):
        head = peek(file, position, 8)
        length = 8 + int.from_bytes(head[4:], "little")
        if head[:4] == b"data" and length > 8:
            raise AudioError("holds its samples in two 'data' chunks, which is not read; write them as one")
        if len(head) == 8 and all(0x20 <= byte < 0x7F for byte in head[:4]) and position + length <= size:
            position += length
        # Chunks begin at even places, which not every writer heeds.
        elif (beyond := past_tags(file, position)) > position:
            position = beyond
        else:
            return position
    return min(position, size)


def finished_wav(file: BinaryIO | View, start: int, data: int, size: int) -> View:
    """Return a WAV whose samples reach to the end of the file."""
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
    with av.open(lean_flac(source), "r", format="flac", metadata_errors="replace") as container:
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


def lean_flac(source: BinaryIO | View) -> View:
    """Return a FLAC without its tags, pictures and cue sheets: decoders refuse sound for one that is not right."""
    first, size, _ = flac_frames(source, 0), source.seek(0, io.SEEK_END), source.seek(0)
    head = bytearray(source.read(42))
    # The first block is then the last one.
    head[4] |= 0x80
    return View(source, first - len(head), size, bytes(head))


def flac_frames(file: BinaryIO | View, start: int) -> int:
    """Return where the frames of a FLAC begin: behind the last of its blocks of metadata."""
    position, last = start + 4, False
    while not last and len(head := peek(file, position, 4)) == 4:
        last = head[0] >= 0x80
        position += 4 + int.from_bytes(head[1:], "big")
    return position
