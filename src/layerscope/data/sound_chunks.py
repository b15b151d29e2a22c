"""Containers of chunks other than a plain WAV: RIFX, RF64, W64, AIFF and CAF, and AU, which has but one.

libsndfile reads their samples, and passes over what follows them: another file that was joined, or all that a header
which counts too little leaves out. So the chunks are walked here first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Literal

from layerscope.data.file_views import past_tags, peek
from layerscope.data.unfinished_headers import SLOPPY, is_unknown
from layerscope.errors import AudioError

__all__ = ["samples_promised"]


@dataclass(frozen=True)
class Layout:
    """How a container writes its chunks.

    Attributes
    ----------
    head : int
        Bytes before the first.
    name, width : int
        Bytes of a chunk's name, and of its length.
    order : {"little", "big"}
        Of the bytes of a length.
    step : int
        Chunks begin at multiples of it.
    samples : bytes
        What the chunk of samples is called.
    """

    head: int
    name: int
    width: int
    order: Literal["little", "big"]
    step: int
    samples: bytes


#: By how a file begins. A W64's names are longer, and its lengths count name and length as well.
LAYOUTS = {
    b"RIFX": Layout(12, 4, 4, "big", 2, b"data"),
    b"RF64": Layout(12, 4, 4, "little", 2, b"data"),
    b"BW64": Layout(12, 4, 4, "little", 2, b"data"),
    b"FORM": Layout(12, 4, 4, "big", 2, b"SSND"),
    b"caff": Layout(8, 4, 8, "big", 1, b"data"),
    b"riff": Layout(40, 16, 8, "little", 8, b"data"),
}


def samples_promised(file: BinaryIO, start: int) -> tuple[int, int]:
    """Return how many samples of a channel an AIFF's header counts, 0 of what counts bytes, and where samples end.

    All chunks are walked.

    Raises
    ------
    AudioError
        If there is no chunk of samples, or more than chunks, tags and padding follows it.
    """
    mark, size = peek(file, start, 4), file.seek(0, 2)
    if mark in (b".snd", b"dns."):
        refuse_behind_au(file, start, size)
        return 0, size
    layout, position, frames, end, long = LAYOUTS[mark], start + LAYOUTS[mark].head, 0, 0, 0
    while (chunk := chunk_at(file, position, layout)) and position + chunk[1] <= size:
        name, length = chunk
        if end and name == layout.samples:
            raise AudioError(f"holds its samples in two '{name.decode()}' chunks, which is not read; write them as one")
        if mark == b"FORM" and name == b"COMM":
            frames = int.from_bytes(peek(file, position + 10, 4), "big")
        if name == b"ds64":
            # In place of the length of the samples, which is then written as unknown.
            long = int.from_bytes(peek(file, position + 16, 8), "little")
        if name == layout.samples and length == layout.name + layout.width:
            # A writer that never came back: the samples reach to the end.
            return 0 if is_unknown(frames) else frames, size
        end = position + length if name == layout.samples else end
        position += length + -length % layout.step
    if chunk and chunk[0] == layout.samples and not end:
        # What an RF64 or an unfinished file does not say here; else it is one that was cut.
        counted, present = chunk[1] - layout.name - layout.width, size - position - layout.name - layout.width
        if mark in (b"RF64", b"BW64") and counted == 0xFFFF_FFFF:
            end = position = min(position + 8 + long + long % 2, size)
        elif is_unknown(counted) or (mark == b"caff" and chunk[1] > 1 << 62):
            end = position = size
        else:
            raise AudioError(f"truncated: {present:,} bytes of samples where the header promises {counted:,}")
    if not end:
        raise AudioError(f"not decodable as audio (its chunks lead to no '{layout.samples.decode()}' chunk)")
    refuse_behind(file, position, size)
    return 0 if is_unknown(frames) else frames, end


def chunk_at(file: BinaryIO, position: int, layout: Layout) -> tuple[bytes, int] | None:
    """Return the name of a chunk and how long it is with name and length, or None where there is none."""
    head = peek(file, position, layout.name + layout.width)
    if len(head) < layout.name + layout.width or not all(0x20 <= byte < 0x7F for byte in head[:4]):
        return None
    length = int.from_bytes(head[layout.name :], layout.order)
    length += 0 if layout.name == 16 else len(head)
    # What begins as a file does was joined to this one.
    return (head[:4], length) if length >= len(head) and head[:4] not in LAYOUTS else None


def refuse_behind_au(file: BinaryIO, start: int, size: int) -> None:
    """Raise if more follows the samples of an AU than its header counts."""
    head = peek(file, start, 12)
    order: Literal["little", "big"] = "big" if head[:4] == b".snd" else "little"
    offset, length = (int.from_bytes(head[place : place + 4], order) for place in (4, 8))
    if not is_unknown(length):
        refuse_behind(file, min(start + offset + length, size), size)


def refuse_behind(file: BinaryIO, position: int, size: int) -> None:
    """Raise if more than tags and padding lies between a position and the end of the file."""
    rest = size - past_tags(file, position)
    if rest > SLOPPY:
        raise AudioError(f"{rest:,} bytes follow its samples that are no whole chunk: its sizes are wrong, or its end")
