"""Ogg, page by page: whether each is as it was written, none is missing, and every stream has its end.

Decoders pass over pages that are damaged and play what is left, so that they cannot be asked.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from layerscope.data.file_views import past_tags, peek
from layerscope.errors import AudioError

__all__ = ["ogg_body", "ogg_links", "ogg_sound"]

#: Bytes before a page's table of lengths.
FIXED = 27
#: Flags of a page: it begins a stream, or ends one.
FIRST, LAST = 2, 4
#: What stands for the place in the sound on a page on which no packet ends.
NO_PLACE = b"\xff" * 8
#: How streams of sound begin; others, such as a Skeleton or a picture, lie beside one.
SOUNDS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ", b"PCM     ")
#: Where an Opus says of what rate its source was, and what libsndfile is to read where it does not say: at 0 it would
#: decode at 8 kHz, and lose most of the sound.
SOURCE_RATE, FULL_RATE = slice(12, 16), (48_000).to_bytes(4, "little")
#: Every byte with its bits the other way round.
MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_links(file: BinaryIO, first: int) -> list[tuple[int, int]]:
    """Return the first and last byte of each link of a chain of Ogg streams; most files have one.

    Raises
    ------
    AudioError
        If a page is damaged or missing, or a stream has no end, or a sound's end is at no place.
    """
    starts: list[int] = []
    following: dict[bytes, int] = {}
    sounds: set[bytes] = set()
    beginning = False
    position = first
    for page in pages_from(file, first):
        flags, serial, number = page[5], serial_of(page), int.from_bytes(page[18:22], "little")
        if flags & FIRST:
            if body_of(page).startswith(SOUNDS):
                sounds.add(serial)
            if not beginning:
                refuse_endless(following)
                starts.append(position)
        elif following.get(serial) != number:
            raise AudioError(f"damaged: Ogg pages are missing before byte {position:,}")
        beginning = bool(flags & FIRST)
        following[serial] = number + 1
        if flags & LAST:
            # libsndfile would then leave out all since the last page that does.
            if serial in sounds and page[6:14] == NO_PLACE:
                raise AudioError("damaged: its last Ogg page does not say where the sound ends")
            del following[serial]
        position += len(page)
    refuse_endless(following)
    return list(zip(starts, [*starts[1:], position], strict=True))


def ogg_body(file: BinaryIO, first: int, last: int) -> bytes:
    """Return what the pages of a link carry."""
    return b"".join(map(body_of, pages_from(file, first, last)))


def ogg_sound(file: BinaryIO, first: int, last: int) -> bytes | None:
    """Return the pages of a link's sound where it must be given apart from others, or changed; else None.

    Raises
    ------
    AudioError
        If there are several sounds side by side.
    """
    heads = list(itertools.takewhile(lambda page: page[5] & FIRST, pages_from(file, first, last)))
    sounds = [page for page in heads if body_of(page).startswith(SOUNDS)]
    if len(sounds) > 1:
        raise AudioError(f"holds {len(sounds)} sounds side by side, of which one would be read; keep one")
    if not sounds or (len(heads) == 1 and not is_rateless(body_of(sounds[0]))):
        return None
    pages = [page for page in pages_from(file, first, last) if serial_of(page) == serial_of(sounds[0])]
    if is_rateless(body_of(sounds[0])):
        pages[0] = with_full_rate(pages[0])
    return b"".join(pages)


def pages_from(file: BinaryIO, first: int, last: float = math.inf) -> Iterator[bytes]:
    """Yield the pages from one position to another, or to the end of the file; see `read_page`."""
    position = first
    while position < last and (page := read_page(file, position)):
        yield page
        position += len(page)


def serial_of(page: bytes) -> bytes:
    """Return by what the pages of one stream are told from those of others beside it."""
    return page[14:18]


def body_of(page: bytes) -> bytes:
    """Return what a page carries, behind its table of lengths."""
    return page[FIXED + page[FIXED - 1] :]


def is_rateless(body: bytes) -> bool:
    """Return whether the head of a stream is that of an Opus that does not say its source's rate."""
    return body.startswith(b"OpusHead") and not any(body[SOURCE_RATE])


def with_full_rate(page: bytes) -> bytes:
    """Return the first page of an Opus with the rate at which it is decoded."""
    changed = bytearray(page)
    body = FIXED + page[FIXED - 1]
    changed[body + SOURCE_RATE.start : body + SOURCE_RATE.stop] = FULL_RATE
    changed[22:26] = bytes(4)
    changed[22:26] = checksum(bytes(changed)).to_bytes(4, "little")
    return bytes(changed)


def read_page(file: BinaryIO, position: int) -> bytes:
    """Return the page at a position, whole and as its checksum says; empty at the end of the file.

    Raises
    ------
    AudioError
        If there is no such page.
    """
    head = peek(file, position, FIXED)
    if head[:4] != b"OggS":
        if peek(file, past_tags(file, position), 1):
            raise AudioError(f"damaged: at byte {position:,} no Ogg page begins where one must")
        return b""
    table = peek(file, position + FIXED, head[-1])
    page = peek(file, position, FIXED + len(table) + sum(table))
    if len(page) < FIXED + head[-1] + sum(table):
        raise AudioError(f"truncated: its last Ogg page, at byte {position:,}, is not whole")
    if checksum(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
        raise AudioError(f"damaged: the Ogg page at byte {position:,} is not what its checksum says")
    return page


def checksum(content: bytes) -> int:
    """Return Ogg's CRC-32: that of zlib over bits the other way round, without its inversions."""
    mirrored = zlib.crc32(content.translate(MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def refuse_endless(following: dict[bytes, int]) -> None:
    """Raise if a stream has begun and not ended."""
    if following:
        raise AudioError("truncated: no Ogg page says that it is the last of its stream")
