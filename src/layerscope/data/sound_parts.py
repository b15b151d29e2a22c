"""What a file holds as sound: one part or several, each of one rate and of a length that is a promise.

Who decodes what, and why, is in docs/audio.md.
"""

from __future__ import annotations

import io
import itertools
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
from layerscope.data.mpeg_audio import frame_header, is_free_format, mpeg_parts, refuse_beginning
from layerscope.data.ogg_pages import ogg_body, ogg_links, ogg_sound
from layerscope.data.sound_chunks import samples_promised
from layerscope.data.unfinished_headers import (
    finished_caf,
    finished_flac,
    flac_frames,
    is_unknown,
    lean_flac,
    wav_data,
    whole_wavs,
)
from layerscope.data.unread_formats import refuse_unread
from layerscope.errors import AudioError

__all__ = ["Part", "opened"]

#: Numbers decoded at once, so that all channels of a long file are never in memory together; few enough for a
#: processor's cache.
BLOCK = 1 << 17
#: Bytes that are searched at once.
SEARCHED = 1 << 20
#: Bytes that are read from the disk at once.
READ_AHEAD = 1 << 16
#: Formats of a WAV that are MPEG audio.
MPEG_IN_WAV = (0x50, 0x55)
#: How DTS (of 16 and of 14 bits, in both orders) and IEC 61937 (AC-3 and others) begin, which a WAV calls PCM: noise.
CODED_AS_PCM = (b"\xfe\x7f\x01\x80", b"\x7f\xfe\x80\x01", b"\xff\x1f\x00\xe8", b"\x1f\xff\xe8\x00", b"\x72\xf8\x1f\x4e")
#: How the body of an Ogg stream begins that is nine bytes and a FLAC.
OGG_FLAC = b"\x7fFLAC"
#: How a FLAC begins: its mark, and a first block of 34 bytes; and how many bytes that are.
FLAC, FLAC_BYTES = re.compile(rb"fLaC[\0\x80]\0\0\x22"), 8
#: How containers begin that libsndfile reads, behind an ID3 tag, too.
CONTAINERS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"caff", b"riff", b".snd", b"dns.")
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
        if not is_regular(path):
            raise AudioError("not a regular file")
        with path.open("rb", buffering=READ_AHEAD) as file:
            # By its size, since what a kernel writes as it is read, which is of none, may be waited for.
            if not os.fstat(file.fileno()).st_size:
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


def is_regular(path: Path) -> bool:
    """Return whether a path leads to a file that ends."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except ValueError as error:
        raise AudioError(f"cannot be read ({error})") from error


def parts_of(file: BinaryIO) -> list[Part]:
    """Return the parts of an open file, by what it begins with: names lie."""
    start, size = past_tags(file, 0), file.seek(0, io.SEEK_END)
    for position in (0, start):
        refuse_unread(peek(file, position, 64))
    if start >= size:
        raise AudioError("holds tags or zeros alone, and no sound")
    mark = peek(file, start, 12)
    if mark[:4] == b"OggS":
        links = ogg_links(file, start)
        return [ogg_part(file, *link, alone=len(links) == 1) for link in links]
    if FLAC.match(mark):
        starts = [*flac_starts(file, start), size]
        # The file itself where it is nothing else: libsndfile reads that without coming back to Python.
        views = [View(file, *stretch) for stretch in itertools.pairwise(starts)] if starts != [0, size] else [file]
        with broken_inside(soundfile.LibsndfileError, av.FFmpegError):
            return [flac_part(finished_flac(view)) for view in views]
    if frame_header(mark[:4]):
        return list(mpeg_parts(file, start, end_of_sound(file)))
    if is_free_format(mark[:4]):
        raise AudioError("is an MP3 in free format, whose frames do not say their length; encode it with a bit rate")
    if mark[:4] not in CONTAINERS:
        refuse_beginning(file, start)
        # Of what libsndfile knows beyond these it does not say whether all is there, or it writes to the terminal.
        raise AudioError("not decodable as audio (it begins as no known format does)")
    if mark[:4] == b"RIFF":
        return wav_parts(file, start, size)
    frames, end = samples_promised(file, start)
    if mark[:4] == b"BW64":
        return [SndfilePart(View(file, start, size, b"RF64"))]
    if mark[:4] == b"riff" and end < size:
        # libsndfile takes all that follows for samples.
        return [SndfilePart(View(file, start, end, peek(file, start, 16) + (end - start).to_bytes(8, "little")))]
    part = SndfilePart(finished_caf(file, start) if mark[:4] == b"caff" else file)
    if part.frames < frames:
        raise AudioError(f"truncated: {part.frames:,} samples where its header promises {frames:,}")
    return [part]


def wav_parts(file: BinaryIO, start: int, size: int) -> list[Part]:
    """Return the parts of a WAV, or raise for what a RIFF holds that is none."""
    form = peek(file, start + 8, 4)
    if form != b"WAVE":
        raise AudioError(f"is a RIFF of {form.decode('latin-1')!r}, not a WAV; convert it to FLAC or WAV")
    wav = wav_data(file, start)
    if wav.kind in MPEG_IN_WAV:
        return list(mpeg_parts(file, wav.first, min(size, wav.first + wav.length)))
    if peek(file, wav.first, READ_AHEAD).lstrip(b"\0").startswith(CODED_AS_PCM):
        raise AudioError("holds DTS or AC-3 in place of samples, which is not read; convert it to FLAC or WAV")
    parts = [SndfilePart(each) for each in whole_wavs(file, start)]
    # What fills the last block of a codec (GSM, ADPCM) is no sound. Some writers count otherwise, by more than a block.
    if len(parts) == 1 and 0 < parts[0].frames - wav.frames < wav.block:
        parts[0].frames = wav.frames
    return [*parts]


@contextmanager
def broken_inside(*faults: type[Exception]) -> Iterator[None]:
    """Turn what decoders say of a stream that began well into the reason that it is damaged."""
    try:
        yield
    except faults as error:
        said = getattr(error, "error_string", "") or getattr(error, "strerror", "") or ""
        words = said.removeprefix("Error : ").rstrip(". ") or "its decoder says no more"
        raise AudioError(f"damaged: a piece inside is missing, or is no sound ({words})") from error


def ogg_part(file: BinaryIO, first: int, last: int, *, alone: bool) -> SndfilePart:
    """Return the part of a link; of FLAC in Ogg, which libsndfile does not always open, the FLAC."""
    sound = ogg_sound(file, first, last)
    if sound is not None:
        file, first, last, alone = io.BytesIO(sound), 0, len(sound), False
    if peek(file, first + 28, 5) == OGG_FLAC:
        return flac_part(finished_flac(io.BytesIO(ogg_body(file, first, last)[9:])))
    # libsndfile reads a file from its first byte to its last.
    return SndfilePart(file if alone and first == 0 else View(file, first, last))


def flac_part(source: BinaryIO | View) -> SndfilePart:
    """Return the part of a FLAC; where a picture in it is not as it should be, without that."""
    try:
        return SndfilePart(source)
    except soundfile.LibsndfileError:
        return SndfilePart(lean_flac(source))


class SndfilePart:
    """What libsndfile decodes: PCM in its containers, FLAC, Vorbis, Opus."""

    def __init__(self, file: BinaryIO | View) -> None:
        if isinstance(file, (View, io.BytesIO)):
            file.seek(0)
            self.sound = soundfile.SoundFile(file)
        else:
            # By descriptor, since of a path the library also reads the ending; where that stands the file begins.
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            self.sound = soundfile.SoundFile(file.fileno(), closefd=False)
        if self.sound.subtype.startswith("DWVW"):
            # libsndfile opens it, but finds no places in it.
            raise AudioError("holds DWVW, which is not read; convert it to FLAC or WAV")
        self.rate, self.frames = self.sound.samplerate, self.sound.frames
        refuse_shorter(self.sound.extra_info)
        # Of ALAC, whose packets have a table, the log says what it promises.
        valid = re.search(r"Valid frames *: (\d+)", self.sound.extra_info)
        if valid and self.frames < int(valid[1]):
            raise AudioError(f"truncated: {self.frames:,} samples where its header promises {int(valid[1]):,}")

    def blocks(self, first: int, count: int) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of a span, (frame, channel) each; where the codec finds no places (GSM), only once."""
        if self.sound.seekable():
            with broken_inside(soundfile.LibsndfileError):
                self.sound.seek(first)
        else:
            for _ in self.next_blocks(first):
                pass
        yield from self.next_blocks(count)

    def next_blocks(self, count: int) -> Iterator[NDArray[np.float32]]:
        """Yield so many samples, (frame, channel), from where the decoder stands."""
        size = max(1, BLOCK // self.sound.channels)
        while count > 0:
            with broken_inside(soundfile.LibsndfileError):
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
    # What looks like one in a picture is none.
    starts, position = [start], flac_frames(file, start)
    while len(block := peek(file, position, SEARCHED)) >= FLAC_BYTES:
        if found := FLAC.search(block):
            starts.append(position + found.start())
            position = flac_frames(file, starts[-1])
        else:
            # A mark that the end of a block cuts in two is whole in the next one.
            position += len(block) - FLAC_BYTES + 1
    return starts
