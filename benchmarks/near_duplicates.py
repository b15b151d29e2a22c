"""How surely near-duplicates are found, and how alike distinct recordings are to them.

Copies of the beginnings of some clips are encoded anew, changed in level, resampled and cut: how many of them are
found, and the largest share of bits that differs. Of all pairs of distinct clips: the smallest share. Run by
``python -m benchmarks.near_duplicates FOLDER [FOLDER ...]``; it takes a minute for an hour of audio on one core.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from layerscope.data.acoustic_fingerprint import (
    HOP,
    MOST_DIFFERENT,
    RATE,
    Fingerprint,
    candidates,
    difference,
    fingerprint,
    near_duplicates,
)
from layerscope.data.audio import EXTENSIONS, load
from layerscope.errors import AudioError

Samples = NDArray[np.float32]
#: Rate of the copies, in Hz, how many clips are copied, and how much of each, in seconds.
COPIED_RATE, COPIED, SECONDS = 44_100, 24, 12.0


def wav(samples: Samples, rate: int = COPIED_RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def ogg(samples: Samples) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, COPIED_RATE, format="OGG", subtype="VORBIS", compression_level=0.9)
    return file.getvalue()


def mp3(samples: Samples, kilobits: int, rate: int = COPIED_RATE) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as output:
        stream = output.add_stream("libmp3lame", rate=rate, layout="mono")
        stream.bit_rate = 1000 * kilobits
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for packets in (stream.encode(frame), stream.encode(None)):
            output.mux(packets)
    return file.getvalue()


def cut(samples: Samples, seconds: float) -> Samples:
    first = (len(samples) - int(seconds * COPIED_RATE)) // 2
    return samples[first : first + int(seconds * COPIED_RATE)]


def halved(samples: Samples) -> Samples:
    return soxr.resample(samples, COPIED_RATE, COPIED_RATE // 2)


CHANGES: dict[str, Callable[[Samples], bytes]] = {
    "MP3, 128 kbit/s": lambda samples: mp3(samples, 128),
    "MP3, 64 kbit/s": lambda samples: mp3(samples, 64),
    "MP3, 32 kbit/s": lambda samples: mp3(samples, 32),
    "Ogg Vorbis, lowest quality": ogg,
    "12 dB louder, clipped": lambda samples: wav(np.clip(4 * samples, -1, 1)),
    "12 dB softer": lambda samples: wav(samples / 4),
    "22.05 kHz": lambda samples: wav(halved(samples), COPIED_RATE // 2),
    "10 s cut out": lambda samples: wav(cut(samples, 10)),
    "5 s cut out": lambda samples: wav(cut(samples, 5)),
    "3 s cut out": lambda samples: wav(cut(samples, 3)),
    "5 s cut out, 12 dB softer, 22.05 kHz, MP3 of 64 kbit/s": lambda samples: mp3(
        halved(cut(samples, 5)) / 4, 64, COPIED_RATE // 2
    ),
    "faster by 2 %": lambda samples: wav(soxr.resample(samples, 1.02, 1.0)),
}


def heard(folders: list[Path]) -> dict[Path, Fingerprint]:
    """Return the fingerprints of the clips below folders."""
    prints = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS):
        try:
            prints[path] = fingerprint(load(path, RATE))
        except AudioError:
            continue
    return prints


def copies_found(paths: list[Path], originals: list[Fingerprint]) -> None:
    """Print of each change how many copies are found among all clips, and how different they are at most."""
    print("| change | found | bits that differ, at most |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for name, change in CHANGES.items():
            found = []
            for number, path in enumerate(paths):
                copy = Path(place) / f"{number}.audio"
                copy.write_bytes(change(load(path, COPIED_RATE, 0.0, SECONDS)))
                pairs = near_duplicates([originals[number], fingerprint(load(copy, RATE))])
                found += [pair.different for pair in pairs]
            print(f"| {name} | {len(found)} of {len(paths)} | {max(found, default=1.0):.3f} |", flush=True)


def main() -> None:
    started = time.perf_counter()
    folders = [Path(name) for name in sys.argv[1:]]
    prints = heard(folders)
    paths, usable = list(prints), [one.usable for one in prints.values()]
    print(f"{len(paths)} clips, {sum(usable)} of them usable, {time.perf_counter() - started:.0f} s\n")
    frames = int(SECONDS * RATE / HOP)
    # Some begin with silence, and then there is nothing to recognise.
    long = [path for path in paths if len(prints[path].bits) > frames and prints[path].heard[:frames].mean() > 0.9]
    chosen = [long[row] for row in np.random.default_rng(0).permutation(len(long))[:COPIED]]
    copies_found(chosen, [prints[path] for path in chosen])
    listed = list(prints.values())
    pairs = [(difference(listed[one], listed[other], offset), one, other) for one, other, offset in candidates(listed)]
    count = sum(usable) * (sum(usable) - 1) // 2
    print(f"\n{count:,} pairs of clips, {len(pairs):,} looked at; the most alike:")
    for different, one, other in sorted(pairs)[:6]:
        taken = "taken" if different < MOST_DIFFERENT else "left"
        print(f"  {different:.3f} {taken}: {paths[one].name}, {paths[other].name}")
    print(f"{time.perf_counter() - started:.0f} s in all")


if __name__ == "__main__":
    main()
