"""Deformations of sound: what a recording meets on its way to a listener, at a strength that can be named.

Conventions: sound is deformed at the rate of its file, before it is resampled for an encoder, so that encoders of all
rates hear the same, and clean sound goes the same way but for the deformation. The level stays but for gain and for
what noise adds, and so do times but for tempo. What is random is drawn from the sound itself: the same clip is deformed
in the same way wherever and whenever that is done.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import av
import librosa
import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, oaconvolve, sosfiltfilt

from layerscope.errors import AudioError, UsageError, unknown

__all__ = ["DEFAULT_DEFORMATIONS", "DEFORMATIONS", "Deformation", "read_deformations"]

Samples = NDArray[np.float32]

#: What MPEG-1 layer III has, in Hz and kbit/s; sound of another rate is resampled to the second of them.
MPEG_RATES = (32_000, 44_100, 48_000)
BITRATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
#: Of the low-pass: with the way back, which takes the delay off, 48 dB an octave.
ORDER = 4
#: Below 16 bits' last digit there is no sound to hold noise against.
SILENT = 2.0**-16
#: Seconds that a phase vocoder takes at once: 2048 samples at 44.1 kHz, which smear a beat by less than is scored.
VOCODED = 0.0464


def gained(samples: Samples, rate: int, decibels: float) -> Samples:  # noqa: ARG001 - all are called alike
    """Return the sound louder or softer."""
    return samples * np.float32(10 ** (decibels / 20))


def noised(samples: Samples, rate: int, decibels: float) -> Samples:  # noqa: ARG001
    """Return the sound with white noise so far below its root mean square.

    Raises
    ------
    AudioError
        If there is no sound.
    """
    level = root_mean_square(samples)
    if level < SILENT:
        raise AudioError("it is silent, and noise has no level to be held against")
    noise = generator_of(samples).standard_normal(len(samples), dtype=np.float32)
    return samples + np.float32(level * 10 ** (-decibels / 20)) * noise


def lowpassed(samples: Samples, rate: int, hertz: float) -> Samples:
    """Return the sound without what is above a frequency, at which it is 6 dB down."""
    if hertz >= rate / 2:
        return samples  # nothing is above it
    sections = butter(ORDER, hertz, fs=rate, output="sos")
    # Padded as far as there is sound to mirror.
    padding = min(len(samples) - 1, round(4 * rate / hertz))
    return np.asarray(sosfiltfilt(sections, samples, padlen=padding), dtype=np.float32)


def compressed(samples: Samples, rate: int, kilobits: float) -> Samples:
    """Return the sound as an MP3 of so many kbit/s, one channel, keeps it."""
    if rate not in MPEG_RATES:
        # Very high quality, so that what is lost is lost by the MP3.
        usual = soxr.resample(samples, rate, MPEG_RATES[1], "VHQ")
        decoded = soxr.resample(compressed(usual, MPEG_RATES[1], kilobits), MPEG_RATES[1], rate, "VHQ")
        return as_long(decoded, samples)
    content = io.BytesIO()
    with av.open(content, "w", format="mp3") as file:
        stream = file.add_stream("libmp3lame", rate=rate, layout="mono", bit_rate=round(1000 * kilobits))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        for part in (frame, None):
            file.mux(stream.encode(part))
    content.seek(0)
    with av.open(content, "r") as file:
        decoded = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    return as_loud(as_long(decoded, samples), samples)


def reverberated(samples: Samples, rate: int, seconds: float) -> Samples:
    """Return the sound in a room where it dies away by 60 dB in so many seconds, as strong as what comes straight.

    The room is noise that decays (Polack 1988), and another one for each clip.
    """
    times = np.arange(1, round(seconds * rate) + 1) / rate
    # 60 dB are a factor of 1000.
    tail = generator_of(samples).standard_normal(len(times)) * np.exp(-math.log(1000) * times / seconds)
    room = np.concatenate([[1.0], tail / np.sqrt(np.square(tail).sum())])
    return as_loud(oaconvolve(samples.astype(np.float64), room)[: len(samples)], samples)


def shifted(samples: Samples, rate: int, semitones: float) -> Samples:
    """Return the sound so many semitones higher, as long as before, by a phase vocoder."""
    # The resampler that decoding uses as well.
    how: dict[str, Any] = {"res_type": "soxr_hq", "n_fft": vocoded(samples, rate)}
    return as_loud(librosa.effects.pitch_shift(samples, sr=rate, n_steps=semitones, **how), samples)


def hurried(samples: Samples, rate: int, tempo: float) -> Samples:
    """Return the sound so many times as fast, as high as before, by a phase vocoder."""
    return as_loud(librosa.effects.time_stretch(samples, rate=tempo, n_fft=vocoded(samples, rate)), samples)


def vocoded(samples: Samples, rate: int) -> int:
    """Return how many samples a phase vocoder takes at once.

    Raises
    ------
    AudioError
        If there are fewer.
    """
    # A power of two, of which transforms are quick.
    count = int(2 ** round(math.log2(VOCODED * rate)))
    if len(samples) < count:
        raise AudioError(f"it is {len(samples) / rate:.3f} s long, and a phase vocoder needs {count / rate:.3f} s")
    return count


def as_long(samples: Samples, reference: Samples) -> Samples:
    """Return a sound as long as another: encoders of MP3 and resamplers add some at the end, or leave it out."""
    return np.pad(samples, (0, max(0, len(reference) - len(samples))))[: len(reference)]


def as_loud(samples: NDArray[np.floating], reference: Samples) -> Samples:
    """Return a sound at the level of another: encoders of MP3 and vocoders leave it a little lower."""
    level = root_mean_square(samples)
    return np.asarray(samples * (root_mean_square(reference) / level if level else 1.0), dtype=np.float32)


def root_mean_square(samples: NDArray[np.floating]) -> float:
    """Return the level of a sound."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def generator_of(samples: Samples) -> np.random.Generator:
    """Return random numbers that are always the same for one sound."""
    digest = hashlib.sha256(np.ascontiguousarray(samples, dtype="<f4").tobytes()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


@dataclass(frozen=True)
class Sort:
    """A sort of deformation.

    Attributes
    ----------
    unit : str
        What a strength is, in words.
    low, high : float
        Strengths that it may have.
    apply : callable
        Samples, their rate and a strength → samples.
    none : float, optional
        The strength at which it would do nothing.
    only : sequence of float
        The strengths that there are, where not all between `low` and `high` are.
    """

    unit: str
    low: float
    high: float
    apply: Callable[[Samples, int, float], Samples]
    none: float | None = None
    only: Sequence[float] = ()


#: Name → what it is.
DEFORMATIONS = {
    "gain": Sort("dB", -60, 40, gained, none=0),
    "noise": Sort("dB of sound over white noise", -20, 80, noised),
    "lowpass": Sort("Hz", 50, 20_000, lowpassed),
    "mp3": Sort("kbit/s", BITRATES[0], BITRATES[-1], compressed, only=BITRATES),
    "reverb": Sort("seconds to die away by 60 dB", 0.05, 10, reverberated),
    "pitch": Sort("semitones", -12, 12, shifted, none=0),
    "tempo": Sort("times as fast", 0.5, 2, hurried, none=1),
}
#: What ``all`` stands for: each sort at strengths that listeners of music meet, the mildest first.
DEFAULT_DEFORMATIONS = (
    "gain:-12", "noise:30", "noise:20", "noise:10", "lowpass:8000", "lowpass:3000", "mp3:128", "mp3:64", "reverb:0.5",
    "pitch:-1", "pitch:1", "tempo:0.9", "tempo:1.1",
)  # fmt: skip


@dataclass(frozen=True, order=True)
class Deformation:
    """A deformation at a strength.

    Attributes
    ----------
    name : str
        One of `DEFORMATIONS`.
    strength : float
        In its unit.

    Examples
    --------
    >>> low = Deformation("lowpass", 1000.0)
    >>> tone = np.sin(2 * np.pi * 4000 * np.arange(24_000) / 24_000).astype(np.float32)
    >>> bool(np.abs(low.of(tone, 24_000))[1000:-1000].max() < 0.01)  # two octaves above the corner
    True
    >>> str(low), Deformation("pitch", 1.0).semitones, Deformation("tempo", 1.1).tempo
    ('lowpass:1000', 1.0, 1.1)
    """

    name: str
    strength: float

    def __str__(self) -> str:
        """Name it as options and tables do."""
        return f"{self.name}:{self.strength:g}"

    @property
    def semitones(self) -> float:
        """Return by how much it makes sound higher."""
        return self.strength if self.name == "pitch" else 0.0

    @property
    def tempo(self) -> float:
        """Return how many times as fast it makes sound."""
        return self.strength if self.name == "tempo" else 1.0

    def of(self, samples: Samples, rate: int) -> Samples:
        """Return a sound deformed.

        Parameters
        ----------
        samples : ndarray, shape (samples,), float32
            One at least.
        rate : int
            Of the samples, in Hz.

        Raises
        ------
        AudioError
            If it cannot be computed for this sound.
        """
        return DEFORMATIONS[self.name].apply(samples, rate, self.strength)


def read_deformations(texts: Sequence[str]) -> list[Deformation]:
    """Return deformations from what ``--deform`` says: ``name:strength`` each, or ``all`` for the default ones.

    Raises
    ------
    UsageError
        For a name or strength that there is not, or one that is given twice.

    Examples
    --------
    >>> [str(each) for each in read_deformations(["noise:20", "pitch:+1"])]
    ['noise:20', 'pitch:1']
    """
    whole = [part for text in texts for part in (DEFAULT_DEFORMATIONS if text == "all" else (text,))]
    deformations = [read_deformation(text) for text in whole]
    for deformation in deformations:
        if deformations.count(deformation) > 1:
            raise UsageError(f"'{deformation}' is given twice")
    return deformations


def read_deformation(text: str) -> Deformation:
    """Return a deformation from ``name:strength``."""
    name, colon, digits = text.partition(":")
    if name not in DEFORMATIONS:
        raise unknown("deformation", name, [*DEFORMATIONS, "all"])
    sort = DEFORMATIONS[name]
    examples = " or ".join(each for each in DEFAULT_DEFORMATIONS if each.startswith(f"{name}:"))
    try:
        strength = float(digits)
    except ValueError as error:
        found = f"'{digits}' is no number" if colon else "it has no strength"
        raise UsageError(f"'{text}': {found}; write its {sort.unit}, such as {examples}") from error
    if sort.only and strength not in sort.only:
        raise UsageError(f"'{text}': MP3 has no {digits} {sort.unit}; choose one of {', '.join(map(str, sort.only))}")
    if not sort.low <= strength <= sort.high:
        raise UsageError(f"'{text}': choose from {sort.low:g} to {sort.high:g} {sort.unit}, such as {examples}")
    if strength == sort.none:
        raise UsageError(f"'{text}' changes nothing; choose another strength, such as {examples}")
    if name == "mp3" and "libmp3lame" not in av.codecs_available:
        raise UsageError(f"'{text}': the PyAV that is installed writes no MP3; pip install --force-reinstall av")
    return Deformation(name, strength)
