"""The study in small, offline: generated tones, an untrained encoder, and the plain features."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from layerscope.plan import Plan
from layerscope.store import write_atomically

__all__ = ["NOTE", "demo_plan", "make_tones"]

NOTE = (
    "This is the demo: generated tones and an encoder with random weights. It shows the page, and what plain "
    "features and an untrained network reach; it says nothing about a trained model."
)
RATE = 24_000
SECONDS = 1.5
PITCHES = tuple(range(45, 75))
#: Envelope and share of each partial: what tells the instruments apart.
TIMBRES = ("plucked", "struck", "bowed", "organ", "reed")


def demo_plan(directory: Path) -> Plan:
    """Make the tones and return the study of them."""
    return Plan(data=make_tones(directory), model=["random:small"], probe=["mlp", "linear"], seeds=3)


def make_tones(directory: Path, seed: int = 0) -> Path:
    """Write 150 tones, five timbres on thirty pitches, into a directory, and their table beside them.

    Loudness, tuning, brightness and noise are random; a pitch is a group, so that no pitch is both trained on
    and tested. The same seed gives the same bytes.

    Returns
    -------
    Path
        The table: ``path, group, label``.
    """
    random = np.random.default_rng(seed)
    rows = [("path", "group", "label")]
    for timbre in TIMBRES:
        for pitch in PITCHES:
            name = f"{timbre}-{pitch}.wav"
            buffer = io.BytesIO()
            soundfile.write(buffer, tone(timbre, pitch, random), RATE, format="WAV", subtype="PCM_16")
            write_atomically(directory / name, buffer.getvalue())
            rows.append((name, str(pitch), timbre))
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    write_atomically(directory / "tones.csv", table.getvalue().encode())
    return directory / "tones.csv"


def tone(timbre: str, pitch: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return one tone under noise, peak below 1."""
    time = np.arange(int(SECONDS * RATE)) / RATE
    frequency = 440.0 * 2.0 ** ((pitch - 69 + random.normal(0, 0.1)) / 12)
    partials = np.arange(1, 9)
    roll_off = random.uniform(0.8, 1.6)
    share = {
        "plucked": partials**-roll_off,
        "struck": np.where(partials % 3 == 1, 1.0, 0.3) * partials**-roll_off,
        "bowed": partials**-roll_off,
        "organ": np.isin(partials, (1, 2, 4, 8)) * partials ** (-roll_off / 2),
        "reed": (partials % 2) * partials**-roll_off,
    }[timbre]
    decay = random.uniform(2, 5) if timbre in ("plucked", "struck") else 0.0
    vibrato = 0.003 * np.sin(2 * np.pi * random.uniform(4, 7) * time) if timbre == "bowed" else 0.0
    phase = 2 * np.pi * frequency * (time + vibrato / 5)
    wave = (share[:, None] * np.sin(partials[:, None] * phase + random.uniform(0, 6, (8, 1)))).sum(axis=0)
    wave *= np.exp(-decay * time) * np.minimum(1.0, time / (0.005 if decay else 0.05))
    noise = random.normal(0, random.uniform(0.1, 0.5), len(time))
    mixed = wave / np.abs(wave).max() + noise
    return random.uniform(0.1, 0.8) * mixed / np.abs(mixed).max()
