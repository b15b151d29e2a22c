"""What decoders are shown of a file: a stretch of it, as if it were a file, and where tags lie in it."""

from __future__ import annotations

import io
import struct
import sys
from typing import BinaryIO

__all__ = ["View", "end_of_sound", "past_tags", "peek", "tag_length"]

#: Lyrics3, of which alone the length is written behind it, may be this long by its specification.
LONGEST_LYRICS = 1 << 20
#: Bytes read at once in search of something.
BLOCK = 1 << 20


class View(io.RawIOBase):
    """A stretch of a file as a file of its own, whose first bytes may be others.

    Parameters
    ----------
    file : binary file
        Open, and of nobody else meanwhile.
    first, last : int
        The stretch, in bytes.
    head : bytes
        What is read in place of its first bytes.
    """

    def __init__(self, file: BinaryIO | View, first: int, last: int, head: bytes = b"") -> None:
        self.file, self.first, self.last, self.head = file, first, last, head
        self.position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.last - self.first}[whence]
        self.position = max(0, start + offset)
        return self.position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer as far as the stretch goes."""
        count = max(0, min(len(buffer), self.last - self.first - self.position))
        content = bytearray(peek(self.file, self.first + self.position, count))
        replaced = self.head[self.position : self.position + len(content)]
        content[: len(replaced)] = replaced
        buffer[: len(content)] = content
        self.position += len(content)
        return len(content)


def peek(file: BinaryIO | View, position: int, count: int) -> bytes:
    """Return bytes of a file from a position; none where a damaged header tells of one that no file has."""
    if position > sys.maxsize:
        return b""
    file.seek(position)
    return file.read(count)


def tag_length(file: BinaryIO | View, position: int) -> int:
    """Return how long the tag is that begins at a position: ID3, APE or Lyrics3; 0 where there is none."""
    head = peek(file, position, 32)
    if head[:3] == b"ID3" and len(head) >= 10:
        # Seven bits of each byte count; a flag tells of a footer as long as the header.
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        return 10 + size + (10 if head[5] & 0x10 else 0)
    if head[:3] == b"TAG":
        return 227 if head[3:4] == b"+" else 128
    if head[:8] == b"APETAGEX" and len(head) == 32:
        size, _, flags = struct.unpack("<III", head[12:24])
        return 32 + (size if flags & 1 << 29 else 0)
    if head[:11] == b"LYRICSBEGIN":
        lyrics = peek(file, position, LONGEST_LYRICS)
        ends = [place + 9 for place in (lyrics.find(b"LYRICS200"), lyrics.find(b"LYRICSEND")) if place > 0]
        return min(ends, default=0)
    return 0


def past_tags(file: BinaryIO | View, position: int) -> int:
    """Return where tags, and the zeros that pad them, end that begin at a position."""
    while length := tag_length(file, position) or zeros(file, position):
        position += length
    return position


def zeros(file: BinaryIO | View, position: int) -> int:
    """Return how many zeros follow a position, a block of them at most."""
    block = peek(file, position, BLOCK if peek(file, position, 1) == b"\0" else 0)
    return len(block) - len(block.lstrip(b"\0"))


def end_of_sound(file: BinaryIO) -> int:
    """Return where the tags begin that are found from a file's end alone: ID3v1, and APE without a header."""
    end = file.seek(0, io.SEEK_END)
    behind = 128 if end >= 128 and peek(file, end - 128, 3) == b"TAG" else 0
    footer = peek(file, end - behind - 32, 32) if end >= behind + 32 else b""
    if footer[:8] != b"APETAGEX":
        return end - behind
    size, _, flags = struct.unpack("<III", footer[12:24])
    return max(0, end - behind - size - (32 if flags & 1 << 31 else 0))
