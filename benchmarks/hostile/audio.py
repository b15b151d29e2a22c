"""Audio files that are damaged, cut, joined, tagged and misnamed.

What a file was made of says what must come out: of one that is whole all of it, of one that is not an error or, where
a format cannot tell (bits of PCM and of MP3 frames, a header that says another thing), as much as FFmpeg finds.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from benchmarks.hostile.made_audio import ape, encoded, headerless, id3, id3v1, mp3, music, unknown_length
from benchmarks.hostile.trials import Trial
from layerscope.data.audio import file_facts, load
from layerscope.data.mpeg_audio import file_header, frame_header, walk

RATE = 24_000
SECONDS = 1.5
ENDINGS = ("wav", "mp3", "flac", "ogg", "aiff", "raw", "txt", "")
#: Samples that a reference decoder may count more: the frames that hold an encoder's delay.
SLACK = 2 * 1152


@dataclass(frozen=True)
class Base:
    """A file that is whole: its bytes, whether it has checksums, whether two in one are one after the other."""

    content: bytes
    checked: bool = False
    joins: bool = False


def bases(seed: int) -> dict[str, Base]:
    """Return a file of each kind."""
    sound = music(SECONDS, RATE, channels=2, seed=seed)
    flac = encoded("FLAC", sound, RATE)
    constant, variable = mp3(sound, RATE), mp3(sound, RATE, "VARIABLE")
    pcm = {name: Base(encoded(name, sound, RATE)) for name in ("WAV", "AIFF", "AU", "CAF", "W64", "RF64")}
    return pcm | {
        "WAV float": Base(encoded("WAV", sound, RATE, subtype="FLOAT")),
        "FLAC": Base(flac, checked=True, joins=True),
        "FLAC piped": Base(unknown_length(flac), checked=True, joins=True),
        "Vorbis": Base(encoded("OGG", sound, RATE, subtype="VORBIS"), checked=True, joins=True),
        "Opus": Base(encoded("OGG", sound, RATE, subtype="OPUS"), checked=True, joins=True),
        "MP3": Base(constant, joins=True),
        "MP3 variable": Base(variable, joins=True),
        "MP3 bare": Base(headerless(constant), joins=True),
        "MP3 bare variable": Base(headerless(variable), joins=True),
    }


def flip(content: bytes, random: np.random.Generator, low: float = 0.3) -> bytes:
    """Return content with one to five bits flipped, in the body."""
    damaged = bytearray(content)
    for _ in range(random.integers(1, 6)):
        damaged[int(random.uniform(low, 1) * len(content))] ^= 1 << int(random.integers(8))
    return bytes(damaged)


def flip_header(content: bytes, random: np.random.Generator) -> bytes:
    """Return content with a byte of its beginning replaced."""
    place = int(random.integers(min(100, len(content))))
    return content[:place] + random.bytes(1) + content[place + 1 :]


def cut(content: bytes, random: np.random.Generator) -> bytes:
    """Return content without its end."""
    return content[: int(random.uniform(0.05, 0.99) * len(content))]


def behead(content: bytes, random: np.random.Generator) -> bytes:
    """Return content without its beginning."""
    return content[int(random.uniform(0.01, 0.9) * len(content)) :]


def hole(content: bytes, random: np.random.Generator) -> bytes:
    """Return content without a piece of its middle."""
    first = int(random.uniform(0.3, 0.8) * len(content))
    return content[:first] + content[first + int(random.integers(1, 5000)) :]


def zeros(content: bytes, random: np.random.Generator) -> bytes:
    """Return content with a piece of its middle, or its end, overwritten by zeros, as a download leaves it."""
    first, length = int(random.uniform(0.3, 0.98) * len(content)), int(random.integers(2000, 5000))
    return (content[:first] + bytes(length) + content[first + length :])[: len(content)]


def junk(content: bytes, random: np.random.Generator) -> bytes:
    """Return content with noise put in its middle."""
    first = int(random.uniform(0.3, 0.9) * len(content))
    return content[:first] + random.bytes(int(random.integers(200, 3000))) + content[first:]


def nonsense(content: bytes, random: np.random.Generator) -> bytes:
    """Return noise behind the first bytes of a file."""
    return content[: int(random.integers(0, 60))] + random.bytes(int(random.integers(0, 5000)))


DAMAGE: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "flipped": flip, "header": flip_header, "cut": cut, "beheaded": behead, "hole": hole, "zeros": zeros,
    "junk": junk, "nonsense": nonsense,
}  # fmt: skip
#: Damage after which a header may say another thing than it did.
OTHER_HEADER = ("header", "beheaded", "nonsense")


def whole(kind: str, base: Base, random: np.random.Generator) -> tuple[str, bytes, float]:
    """Return a file that is as it should be, in a way that decoders stumble over, and how long it is."""
    ways = {"as it is": (base.content, 1.0)}
    if base.joins:
        ways["joined"] = (base.content + base.content, 2.0)
    if kind.startswith("MP3"):
        picture, behind = id3(int(random.integers(30, 100_000))), (id3v1(), ape(True) + id3v1(), ape(False), b"")
        tail = behind[int(random.integers(len(behind)))]
        ways["tagged"] = (picture + base.content + tail, 1.0)
        ways["joined, tagged"] = (picture + base.content + id3v1() + picture + base.content + tail, 2.0)
    if kind in ("WAV", "WAV float"):
        place = base.content.index(b"data") + 4
        size = struct.pack("<I", int(random.choice([0, 0xFFFF_FFFF])))
        rest = base.content[8:place] + size + base.content[place + 4 :]
        ways["streamed"] = (b"RIFF" + size + rest, 1.0)
    way = str(random.choice(list(ways)))
    content, times = ways[way]
    return way, content, times


def trials(place: Path, seed: int, count: int) -> Iterator[Trial]:
    """Yield trials of audio files, a quarter of them whole."""
    random = np.random.default_rng(seed)
    made = bases(seed)
    sounds = {}
    for kind, base in made.items():
        path = place / "base"
        path.write_bytes(base.content)
        sounds[kind] = load(path, RATE)
        path.unlink()
    for number in range(count):
        kind = str(random.choice(list(made)))
        base, times, checked = made[kind], 1.0, made[kind].checked
        if intact := random.random() < 0.25:
            way, content, times = whole(kind, base, random)
        else:
            way = str(random.choice(list(DAMAGE)))
            content = DAMAGE[way](base.content, random)
            intact = content == base.content
        path = place / f"{number:05}.{random.choice(ENDINGS)}"
        path.write_bytes(content)
        about = {"path": path, "whole": intact, "sound": sounds[kind] if checked and times == 1 else None}
        unknowable = way in OTHER_HEADER or lacks_whole_frames(base.content, content)
        about["promised"] = 0 if unknowable else round(times * len(sounds[kind]))
        yield Trial(f"{kind}, {'whole' if intact else 'damaged'}", path.name, judge, {**about, "way": way})
        path.unlink()


def lacks_whole_frames(content: bytes, damaged: bytes) -> bool:
    """Return whether an MP3 without a header lacks as many bytes as frames take: what is left may be frames again."""
    lost = len(content) - len(damaged)
    if content[:1] != b"\xff" or lost <= 0 or file_header(content[:192], frame_header(content[:4]).file_header):
        return False
    starts = {position for position, *_ in walk(io.BytesIO(content), 0, len(content))} | {len(content)}
    return any(start + lost in starts for start in starts)


def judge(trial: Trial) -> tuple[str, str]:
    """Decode a file as a run does, and hold what comes out to what was put in."""
    about = trial.about
    path: Path = about["path"]
    seconds = file_facts(path).duration
    samples = load(path, RATE)
    words = f"{about['way']}: {len(samples)} samples"
    if abs(len(samples) - seconds * RATE) > 2:
        return "loss", f"{words} where {seconds:.3f} s were planned"
    promised = about["promised"] or reference(path.read_bytes())
    if len(samples) < promised - SLACK * (not about["promised"]):
        return "loss", f"{words} of {promised}"
    sound = about["sound"]
    if sound is not None and about["promised"] and not np.array_equal(samples, sound):
        return "other sound", words
    return "right", words


def reference(content: bytes) -> int:
    """Return how many samples, at our rate, FFmpeg decodes of a file; 0 where it does not know it."""
    try:
        with av.open(io.BytesIO(content), "r") as container:
            return round(sum(frame.samples / frame.sample_rate * RATE for frame in container.decode(audio=0)))
    except (av.FFmpegError, IndexError):
        return 0
