"""MPEG audio (MP3 and its elders), frame by frame: a file is as long as its frames are, whatever a header says.

Frames follow one another without a gap; what else may lie between them is a tag. Their lengths are in their headers, so
that a walk over these finds how long the sound is and whether a piece is missing, without decoding.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from layerscope.data.file_views import past_tags, peek
from layerscope.errors import AudioError

__all__ = ["FrameHeader", "MpegPart", "frame_header", "is_free_format", "mpeg_parts", "refuse_beginning"]

#: kbit/s by index, of (MPEG-1 or not, layer); 0 is "free", which no encoder in use writes, 15 is forbidden.
BITRATES = {
    (True, 1): range(32, 449, 32),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = (44_100, 48_000, 32_000)
#: By two bits of the header: MPEG-2.5, reserved, MPEG-2, MPEG-1.
RATE_DIVISORS = (4, 0, 2, 1)
#: Samples by which every decoder is late.
DECODER_DELAY = 529
#: Encoders whose delay and padding are written behind the header of a file.
STATE_THEIR_DELAY = (b"LAME", b"Lavf", b"Lavc")
#: Frames decoded before a span: data of up to 511 bytes may lie in earlier frames, which hold 11 each at the least.
LEAD = 50
#: Frames given to the decoder at once, 75,000 numbers in stereo: one by one, half of the time would be Python's.
TOGETHER = 32
#: Bytes of a frame that hold its header and, in a first one, that of the file.
HEADERS = 192
#: Frames that are alike and follow one another: so many are not found by chance.
CERTAIN = 4
#: Bytes that are searched for the first of them.
SEARCHED = 1 << 16
#: Length of an ID3v1.
ERASED_TAG = 128
#: The decoder is to refuse what it knows to be wrong, instead of filling in.
STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}


@dataclass(frozen=True)
class FrameHeader:
    """What the four bytes at a frame's start say: layer, rate (Hz), samples, length, place of a file's header."""

    layer: int
    rate: int
    samples: int
    length: int
    file_header: int


@functools.lru_cache(maxsize=4096)
def frame_header(word: bytes) -> FrameHeader | None:
    """Return what a frame's first four bytes say; None where they are no frame's.

    Examples
    --------
    >>> frame_header(bytes.fromhex("fffb9064"))
    FrameHeader(layer=3, rate=44100, samples=1152, length=417, file_header=36)
    """
    if len(word) < 4 or word[0] != 0xFF or word[1] & 0xE0 != 0xE0:
        return None
    divisor, layer = RATE_DIVISORS[word[1] >> 3 & 3], 4 - (word[1] >> 1 & 3)
    bitrate, rate = word[2] >> 4, word[2] >> 2 & 3
    if divisor == 0 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    first, mono = divisor == 1, word[3] >> 6 == 3
    hertz, bits = RATES[rate] // divisor, 1000 * BITRATES[first, layer][bitrate - 1]
    samples = 384 if layer == 1 else 576 if layer == 3 and not first else 1152
    unit = 4 if layer == 1 else 1
    length = unit * (samples // 8 // unit * bits // hertz + (word[2] >> 1 & 1))
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return FrameHeader(layer, hertz, samples, length, 4 + side)


def is_free_format(word: bytes) -> bool:
    """Return whether four bytes are a frame's that leaves its bit rate, and so its length, unsaid.

    Examples
    --------
    >>> is_free_format(bytes.fromhex("fffb0064")), is_free_format(bytes.fromhex("fffb9064"))
    (True, False)
    """
    # With a bit rate it would be an ordinary frame.
    return len(word) == 4 and word[2] >> 4 == 0 and frame_header(bytes((*word[:2], word[2] | 16, word[3]))) is not None


@dataclass(frozen=True)
class FileHeader:
    """What an encoder writes in a first frame without sound: frames that follow, samples to cut off at both ends."""

    promised: int
    delay: int = 0
    padding: int = 0


def file_header(frame: bytes, place: int) -> FileHeader | None:
    """Return what a frame says of the file where it is a Xing, Info or VBRI header.

    Unknown encoders may have counted this frame, too.
    """
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return FileHeader(int.from_bytes(frame[50:54], "big") - 1)
    if frame[place : place + 4] not in (b"Xing", b"Info"):
        return None
    flags, rest = frame[place + 7], frame[place + 8 :]
    promised = int.from_bytes(rest[:4], "big") if flags & 1 else 0
    encoder = rest[4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1) :]
    if encoder[:4] not in STATE_THEIR_DELAY or len(encoder) < 24:
        return FileHeader(promised - 1)
    both = int.from_bytes(encoder[21:24], "big")
    return FileHeader(promised, both >> 12, both & 0xFFF)


@dataclass
class MpegPart:
    """Frames of one rate that follow one another, as samples.

    Attributes
    ----------
    file : binary file
        Which holds them.
    kind : FrameHeader
        Of the first of them.
    places : list of (int, int)
        First byte and length of each.
    header : FileHeader, optional
        Of the encoder.
    """

    file: BinaryIO
    kind: FrameHeader
    header: FileHeader | None = None
    places: list[tuple[int, int]] = field(default_factory=list)

    @property
    def rate(self) -> int:
        """Return the sample rate, in Hz."""
        return self.kind.rate

    @property
    def late(self) -> int:
        """Return how many samples the encoder and the decoder put in front."""
        return self.header.delay + DECODER_DELAY if self.header and self.header.delay else 0

    @property
    def frames(self) -> int:
        """Return how many samples a channel has."""
        padding = max(0, self.header.padding - DECODER_DELAY) if self.header and self.header.padding else 0
        return max(0, len(self.places) * self.kind.samples - self.late - padding)

    def blocks(self, first: int, count: int) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of a span, (frame, channel) each."""
        decoder = cast(AudioCodecContext, av.CodecContext.create(f"mp{self.kind.layer}float", "r"))
        decoder.options = STRICT
        size = self.kind.samples
        begin, end = first + self.late, first + self.late + count
        earliest, last = max(0, begin // size - LEAD), min(len(self.places), -(-end // size))
        position = earliest * size
        for number in range(earliest, last, TOGETHER):
            # A block has one number of channels, which a file may change.
            frames = self.decoded(decoder, number, min(number + TOGETHER, last))
            for channels, members in itertools.groupby(frames, key=lambda frame: len(frame.planes)):
                block = samples_of(list(members), channels, size)
                inside = block[max(0, begin - position) : end - position]
                position += len(block)
                if len(inside):
                    yield inside

    def decoded(self, decoder: AudioCodecContext, first: int, last: int) -> list[av.AudioFrame]:
        """Return frames that follow one another, decoded."""
        places = self.places[first:last]
        start = places[0][0]
        # Read at once, as nothing but tags lies between them.
        content = peek(self.file, start, sum(places[-1]) - start)
        packet = av.Packet(b"".join(content[place - start : place - start + length] for place, length in places))
        try:
            frames = decoder.decode(packet)
        except av.FFmpegError:
            frames = []
        if [frame.samples for frame in frames] != [self.kind.samples] * (last - first):
            begin, end = (number * self.kind.samples / self.rate for number in (first, last))
            raise AudioError(f"damaged: an MPEG frame between {begin:.2f} and {end:.2f} s cannot be decoded")
        return frames


def samples_of(frames: Sequence[av.AudioFrame], channels: int, size: int) -> NDArray[np.float32]:
    """Return what decoded frames hold, (sample, channel): channel by channel in memory, as the decoder gives them."""
    # PyAV's own way to an array copies each frame twice, which took a quarter of the decoder's time.
    planes: list[Any] = [frame.planes for frame in frames]
    held = [np.frombuffer(each[channel], np.float32, size) for channel in range(channels) for each in planes]
    return np.concatenate(held).reshape(channels, -1).T


def mpeg_parts(file: BinaryIO, first: int, last: int) -> list[MpegPart]:
    """Return the parts of a stretch of a file that holds MPEG audio.

    Raises
    ------
    AudioError
        If something else than tags lies between frames, or there are fewer than a header promises.
    """
    parts: list[MpegPart] = []
    for position, kind, header in walk(file, first, last):
        if header or not parts or not alike(parts[-1].kind, kind):
            parts.append(MpegPart(file, kind, header))
        if not header:
            parts[-1].places.append((position, kind.length))
    return parts


def walk(file: BinaryIO, first: int, last: int) -> Iterator[tuple[int, FrameHeader, FileHeader | None]]:
    """Yield the place of each frame, what its header says, and what it says of the file where it holds no sound."""
    position, seconds, frames, promised, counted = first, 0.0, 0, 0, 0
    while position < last:
        content = peek(file, position, HEADERS)
        kind = frame_header(content[:4])
        if kind and position + kind.length <= last:
            header = file_header(content, kind.file_header)
            if header:
                refuse_fewer(promised, counted)
            yield position, kind, header
            promised, counted = (header.promised, 0) if header else (promised, counted + 1)
            position, seconds, frames = position + kind.length, seconds + kind.samples / kind.rate, frames + 1
            continue
        if frames < 2 and position > first:
            refuse_beginning(file, first)
            raise AudioError("not decodable as audio (no two MPEG frames follow one another)")
        if kind:
            there = f"{last - position} bytes of {kind.length}"
            raise AudioError(f"truncated: its last MPEG frame, at {seconds:.2f} s, has {there}")
        beyond = past_tags(file, position)
        hole = content[:1] == b"\0" and position > first
        # An ID3v1 behind the last frame may have been erased. Other zeros may be all that is left of more frames,
        # unless a header counts no more.
        padded = beyond - position == ERASED_TAG or 0 < promised <= counted
        if beyond == position or (hole and not padded):
            raise AudioError(f"damaged: after {seconds:.2f} s come bytes that are neither MPEG frames nor a tag")
        position = beyond
    refuse_fewer(promised, counted)


def refuse_beginning(file: BinaryIO, first: int) -> None:
    """Raise if MPEG frames follow bytes that are none: what these were is lost."""
    content = peek(file, first, SEARCHED)
    place = content.find(b"\xff")
    while place >= 0 and not begins_frames(file, first + place):
        place = content.find(b"\xff", place + 1)
    if place > 0:
        raise AudioError(f"damaged: begins with {place:,} bytes that are no MPEG frame, before frames that are")


def begins_frames(file: BinaryIO, position: int) -> bool:
    """Return whether frames follow one another from a position, too many for chance."""
    first = frame_header(peek(file, position, 4))
    for _ in range(CERTAIN):
        kind = frame_header(peek(file, position, 4))
        if kind is None or first is None or not alike(first, kind):
            return False
        position += kind.length
    return True


def alike(kind: FrameHeader, other: FrameHeader) -> bool:
    """Return whether frames can stand in one part."""
    return (kind.layer, kind.rate, kind.samples) == (other.layer, other.rate, other.samples)


def refuse_fewer(promised: int, counted: int) -> None:
    """Raise if frames are missing."""
    if counted < promised:
        raise AudioError(f"truncated: {counted} MPEG frames where its header promises {promised}")
