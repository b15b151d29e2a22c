"""Plays a piece: a few clearly different timbres, drums, a room, a noise floor, random loudness and tuning."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from layerscope.toymusic.composer import Note, Piece

__all__ = ["RATE", "render", "wav_file"]

Samples = NDArray[np.float32]
Random = np.random.Generator

#: That of the encoders that are pretrained on it, so that nothing is resampled.
RATE = 24_000
#: Samples of a period; a power of two, so that a phase wraps by its lower bits.
TABLE = 2048
#: attack and release in seconds, decay rate a second (0 sustains), vibrato depth
ENVELOPES = {
    "plucked": (0.004, 0.06, 5.0, 0.0),
    "struck": (0.002, 0.10, 2.5, 0.0),
    "bowed": (0.080, 0.12, 0.0, 0.006),
    "organ": (0.015, 0.03, 0.0, 0.0),
    "reed": (0.030, 0.05, 0.0, 0.003),
    "bell": (0.002, 0.20, 3.5, 0.0),
}
#: Roll-off of the partials, and which of them sound.
ROLL_OFF = {"plucked": 1.1, "struck": 1.7, "bowed": 0.9, "organ": 0.6, "reed": 0.8}


def render(piece: Piece) -> Samples:
    """Return the sound of a piece, shape (samples,), float32 at 24 kHz, peak below 1."""
    random = np.random.default_rng([piece.seed, 2])
    count = round(piece.seconds * RATE)
    mix = np.zeros(count, np.float32)
    tuning = float(random.normal(0, 0.12))
    tilt = float(random.normal(0, 0.15))
    for note in piece.notes:
        add(mix, note.start, tone(note, piece, tuning, tilt, random))
    kit = {drum: make_drum(drum, piece, random) for drum in ("kick", "snare", "hat")}
    for hit in piece.hits:
        add(mix, hit.start, np.float32(hit.velocity) * kit[hit.drum])
    mix = room(mix, piece, random)
    drive = 1.0 + 1.5 * max(0.0, piece.energy)
    # A piece may be silent.
    mix = np.tanh(drive * mix / (np.abs(mix).max() + 1e-9)).astype(np.float32)
    mix += (10 ** random.uniform(-3.5, -2.2)) * random.standard_normal(count, dtype=np.float32)
    loudness = 10 ** random.uniform(-1.0, -0.05)
    return (loudness * mix / np.abs(mix).max()).astype(np.float32)


def wav_file(samples: Samples) -> bytes:
    """Return the content of a WAV file, 16 bits a sample."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def add(mix: Samples, start: float, sound: Samples) -> None:
    """Mix a sound in at a time, cutting what lies outside."""
    first = round(start * RATE)
    if first < 0:
        sound, first = sound[-first:], 0
    part = sound[: max(0, len(mix) - first)]
    mix[first : first + len(part)] += part


def tone(note: Note, piece: Piece, tuning: float, tilt: float, random: Random) -> Samples:
    """Return one note."""
    attack, release, decay, vibrato = ENVELOPES[note.instrument]
    count = int((max(note.duration, 0.05) + release) * RATE)
    time = np.arange(count, dtype=np.float32) / RATE
    frequency = 440.0 * 2.0 ** ((note.pitch - 69 + tuning) / 12)
    phase = np.float32(frequency) * time
    if vibrato:
        rate = float(random.uniform(4.5, 6.5))
        swing = frequency * vibrato / (2 * np.pi * rate)
        # It sets in over a quarter of a second, as players let it.
        phase -= np.float32(swing) * np.cos(np.float32(2 * np.pi * rate) * time) * np.minimum(time * 4, 1)
    if note.instrument == "bell":
        depth = (1.2 + 0.8 * piece.brightness + tilt) * np.exp(-4 * time)
        # A modulator at no whole multiple of the pitch gives partials that are inharmonic, as a bell's are.
        wave = np.sin(2 * np.pi * phase + depth * np.sin(2 * np.pi * 3.5 * phase)).astype(np.float32)
    else:
        index = (phase * TABLE).astype(np.int64) & (TABLE - 1)
        # Partials beyond half the rate would come back as other pitches.
        partials = int(min(24, max(1, 0.45 * RATE // frequency)))
        # Rounded, so that kept periods serve many notes.
        slope = round(ROLL_OFF[note.instrument] - 0.35 * piece.brightness + tilt, 1)
        wave = table(note.instrument, partials, slope)[index]
        if note.instrument in ("plucked", "struck"):  # the treble dies first
            soft = table(note.instrument, max(1, partials // 3), slope + 0.8)[index]
            wave = soft + (wave - soft) * np.exp(np.float32(-3 * decay) * time)
    envelope = np.minimum(time / attack, 1.0, dtype=np.float32)
    if decay:
        envelope *= np.exp(np.float32(-decay) * time)
    tail = int(release * RATE)
    envelope[-tail:] *= np.linspace(1, 0, tail, dtype=np.float32) ** 2
    return (np.float32(0.3 * note.velocity) * envelope * wave).astype(np.float32)


@lru_cache(maxsize=4096)
def table(instrument: str, partials: int, slope: float) -> Samples:
    """Return one period of a timbre, root mean square 1."""
    numbers = np.arange(1, partials + 1)
    share = numbers.astype(np.float64) ** -slope
    if instrument == "organ":
        share *= np.isin(numbers, (1, 2, 3, 4, 6, 8, 12, 16))
    elif instrument == "reed":
        share *= np.where(numbers % 2, 1.0, 0.08)
    elif instrument == "struck":
        share *= np.where(numbers % 4 == 0, 0.25, 1.0)
    elif instrument == "plucked":
        share *= np.abs(np.sin(np.pi * numbers * 0.18)) + 0.02
    spectrum = np.zeros(TABLE // 2 + 1, np.complex128)
    spectrum[numbers] = share * np.exp(1j * 2.4 * numbers**2)  # phases that keep the peak low
    period = irfft(spectrum, TABLE)
    return (period / np.sqrt(np.mean(period**2))).astype(np.float32)


def make_drum(drum: str, piece: Piece, random: Random) -> Samples:
    """Return a stroke at full loudness; each piece has its own kit."""
    if drum == "kick":
        time = np.arange(int(0.25 * RATE)) / RATE
        fall = random.uniform(90, 160) * np.exp(-time * random.uniform(25, 45)) + random.uniform(42, 60)
        wave = np.sin(2 * np.pi * np.cumsum(fall) / RATE) * np.exp(-time * random.uniform(10, 18))
    elif drum == "snare":
        time = np.arange(int(0.2 * RATE)) / RATE
        body = np.sin(2 * np.pi * random.uniform(160, 240) * time) * np.exp(-time * 28)
        wave = 0.6 * body + 0.7 * random.standard_normal(len(time)) * np.exp(-time * random.uniform(18, 32))
    else:
        time = np.arange(int(0.09 * RATE)) / RATE
        # Differences of noise are noise without bass.
        hiss = np.diff(random.standard_normal(len(time) + 2), n=2)
        wave = (0.25 + 0.1 * piece.brightness) * hiss * np.exp(-time * random.uniform(45, 90))
    return (0.8 * wave).astype(np.float32)


def room(mix: Samples, piece: Piece, random: Random) -> Samples:
    """Add decaying echoes and tilt the spectrum, in one product of spectra."""
    length = float(random.uniform(0.05, 0.4))
    time = np.arange(int(length * RATE)) / RATE
    # 6.9 is ln 1000: down by 60 dB at the end, as reverberation times are given.
    echo = random.standard_normal(len(time)) * np.exp(-6.9 * time / length)
    echo *= random.uniform(0.0, 0.35) / np.sqrt(np.sum(echo**2))
    echo[0] += 1.0
    size = next_fast_len(len(mix) + len(echo), real=True)
    frequency = rfftfreq(size, 1 / RATE)
    shelf = np.maximum(frequency / 1000.0, 0.1) ** (0.25 * piece.brightness + random.normal(0, 0.1))
    shaped = irfft(rfft(mix, size) * rfft(echo.astype(np.float32), size) * shelf.astype(np.float32), size)
    return shaped[: len(mix)].astype(np.float32)
