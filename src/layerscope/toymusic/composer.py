"""A short piece from a seed: key, chords, rhythm, sections, melody, and with them the exact labels.

Sections return with their chords and their tune, fills announce them, and cadences close them, so that what
comes next can often be told from what came before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from layerscope.toymusic.styles import INSTRUMENTS, MODES, PROGRESSIONS, STYLES, Style

__all__ = ["Hit", "Note", "Piece", "compose", "compose_note"]

Random = np.random.Generator

PITCH_CLASSES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
SLOWEST, FASTEST = 70.0, 180.0
STEPS = 4
FORMS = ("ABAB", "AABA", "ABAC", "AABB", "ABCB", "ABCA")
NAMES = {"A": "verse", "B": "chorus", "C": "bridge"}


@dataclass(frozen=True)
class Note:
    """A note: seconds, MIDI number, loudness in [0, 1], and who plays it."""

    start: float
    duration: float
    pitch: int
    velocity: float
    instrument: str


@dataclass(frozen=True)
class Hit:
    """A stroke of a drum: seconds, ``kick``, ``snare`` or ``hat``, loudness in [0, 1]."""

    start: float
    drum: str
    velocity: float


@dataclass
class Piece:
    """A piece and what is true of it.

    Attributes
    ----------
    seed : int
        Of all that the synthesizer draws.
    seconds : float
        Its length; events may begin before 0, where it was cut out of something longer.
    key, mode, tempo, metre, style, instrument : str, str, float, int, str, str
        Of the whole; `key` as "Eb minor", `tempo` in beats a minute, `instrument` plays the melody.
    energy, brightness : float
        In [-1, 1]: how much is going on and how hard it is played; how much of the sound is treble.
    beats, downbeats : list of float
        Seconds.
    chords, sections : list of (start, end, label)
        Chords in Harte's syntax, ``N`` where no pitch sounds; sections intro, verse, chorus, bridge.
    notes, hits : list
        What is played.
    """

    seed: int
    seconds: float
    key: str = ""
    mode: str = ""
    tempo: float = 0.0
    metre: int = 4
    style: str = ""
    instrument: str = ""
    energy: float = 0.0
    brightness: float = 0.0
    beats: list[float] = field(default_factory=list)
    downbeats: list[float] = field(default_factory=list)
    chords: list[tuple[float, float, str]] = field(default_factory=list)
    sections: list[tuple[float, float, str]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)


def compose_note(seed: int, seconds: float = 1.5) -> Piece:
    """Return a single note of a random pitch between MIDI 45 and 74, on a random instrument."""
    # Notes, pieces and their sound draw from streams of their own, whatever the seed.
    random = np.random.default_rng([seed, 1])
    piece = Piece(seed, seconds, instrument=str(random.choice(INSTRUMENTS)))
    piece.brightness = float(random.uniform(-1, 1))
    start = float(random.uniform(0.0, 0.15))
    duration = float(random.uniform(0.5, 0.9)) * (seconds - start)
    piece.notes = [Note(start, duration, int(random.integers(45, 75)), float(random.uniform(0.5, 1)), piece.instrument)]
    return piece


def compose(seed: int, seconds: float = 12.0) -> Piece:
    """Compose a piece.

    Parameters
    ----------
    seed : int
        The same seed and length give the same piece.
    seconds : float
        Its length. It begins anywhere in a bar, as a clip from a recording does.

    Examples
    --------
    >>> piece = compose(3)
    >>> piece.key in {f"{tonic} {mode}" for tonic in PITCH_CLASSES for mode in ("major", "minor")}
    True
    >>> compose(3) == piece
    True
    """
    random = np.random.default_rng([seed, 0])
    piece = Piece(seed, seconds)
    piece.style = str(random.choice(list(STYLES)))
    piece.mode = str(random.choice(list(MODES)))
    tonic = int(random.integers(12))
    piece.key = f"{PITCH_CLASSES[tonic]} {piece.mode}"
    # Even in ratios, by which tempo is heard.
    piece.tempo = float(np.exp(random.uniform(np.log(SLOWEST), np.log(FASTEST))))
    piece.metre = STYLES[piece.style].metre
    piece.energy, piece.brightness = (float(value) for value in random.uniform(-1, 1, 2))
    piece.instrument = str(random.choice(INSTRUMENTS))
    lay_out(piece, tonic, random)
    return piece


def lay_out(piece: Piece, tonic: int, random: Random) -> None:
    """Fill the piece with sections, bar by bar, until it is long enough."""
    style = STYLES[piece.style]
    bar = piece.metre * 60.0 / piece.tempo
    # So that a section lasts four to eight seconds at any tempo.
    length = 4 if bar < 1.9 else 2
    letters = list(random.choice(FORMS))
    ideas = {letter: section_idea(piece, style, random) for letter in "ABC"}
    band = choose_band(random)
    time = -float(random.uniform(0, bar))
    begins_with_intro = random.random() < 0.3
    turn = int(random.integers(len(letters)))
    while time < piece.seconds:
        name = "intro" if begins_with_intro and not piece.sections else NAMES[letters[turn % len(letters)]]
        letter = letters[turn % len(letters)]
        end = time + length * bar
        piece.sections.append((max(0.0, time), min(end, piece.seconds), name))
        for number in range(length):
            play_bar(piece, style, band, ideas[letter], name, number, length, time + number * bar, tonic, random)
        time, turn = end, turn + 1


@dataclass(frozen=True)
class Idea:
    """What a section repeats: chords (degrees, one a bar), a rhythm and steps of a tune."""

    degrees: tuple[int, ...]
    rhythm: tuple[int, ...]
    steps: tuple[int, ...]
    octave: int


@dataclass(frozen=True)
class Band:
    """Who plays beside the melody, and whether they play at all."""

    bass: str
    accompaniment: str
    drums: bool
    has_bass: bool
    has_chords: bool
    has_melody: bool
    sevenths: bool


def section_idea(piece: Piece, style: Style, random: Random) -> Idea:
    """Draw chords and a tune."""
    options = PROGRESSIONS[piece.mode]
    eighths = style.metre * 2
    density = 0.45 + 0.2 * piece.energy
    rhythm = tuple(step for step in range(eighths) if step == 0 or random.random() < density)
    steps = tuple(int(value) for value in np.cumsum(random.choice([-2, -1, -1, 0, 1, 1, 2], len(rhythm))))
    return Idea(options[int(random.integers(len(options)))], rhythm, steps, int(random.integers(0, 2)))


def choose_band(random: Random) -> Band:
    """Draw who plays; now and then someone is missing."""
    bass = str(random.choice(["plucked", "bell", "organ", "reed"]))
    accompaniment = str(random.choice(INSTRUMENTS))
    return Band(bass, accompaniment, *(bool(random.random() < share) for share in (0.9, 0.9, 0.9, 0.9, 0.3)))


def play_bar(
    piece: Piece, style: Style, band: Band, idea: Idea, section: str,
    number: int, length: int, start: float, tonic: int, random: Random,
) -> None:  # fmt: skip
    """Write down one bar: beats, chord, drums, bass, accompaniment, melody."""
    beat = 60.0 / piece.tempo
    end = start + piece.metre * beat
    beats = [start + count * beat for count in range(piece.metre)]
    piece.beats += [time for time in beats if 0 <= time < piece.seconds]
    piece.downbeats += [time for time in beats[:1] if 0 <= time < piece.seconds]
    last = number == length - 1
    degree = idea.degrees[number % len(idea.degrees)]
    if last and section != "intro" and random.random() < 0.5:
        # A half or a full cadence: on the dominant, or home.
        degree = 4 if random.random() < 0.5 else 0
    triad, label = chord(piece.mode, degree, tonic, raised=degree == 4 and last)
    # Labels say what sounds, not what was meant.
    silent = not (band.has_bass or band.has_chords) or (section == "intro" and number % 2 == 1 and not band.has_chords)
    if start < piece.seconds and end > 0:
        piece.chords.append((max(0.0, start), min(end, piece.seconds), "N" if silent else label))
    bar = Bar(start, beat, style, random)
    if band.drums:
        drums(piece, bar, section, fill=last)
    if silent:
        return
    if band.has_bass and section != "intro":
        bass(piece, bar, band, triad)
    if band.has_chords or section == "intro":
        accompany(piece, bar, band, triad, section)
    if band.has_melody and section != "intro":
        sing(piece, bar, idea, tonic, triad, last=last, section=section)


@dataclass(frozen=True)
class Bar:
    """Where a bar is in time."""

    start: float
    beat: float
    style: Style
    random: Random

    def time(self, step: float) -> float:
        """Return the seconds of a step (four a beat); the second half of a beat comes late by the swing."""
        whole, part = divmod(step / STEPS, 1.0)
        late = self.style.swing * 0.5 * (1 - abs(2 * part - 1)) if part else 0.0
        # Players are some milliseconds off the beat; labels are not.
        return float(self.start + (whole + part + late) * self.beat + self.random.normal(0, 0.003))

    def hits(self, pattern: str, often: float) -> list[int]:
        """Return the steps of a pattern that sound this time."""
        return [
            step
            for step, letter in enumerate(pattern)
            if letter == "x" or (letter == "o" and self.random.random() < often)
        ]


def chord(mode: str, degree: int, tonic: int, *, raised: bool) -> tuple[tuple[int, ...], str]:
    """Return the pitch classes of the triad on a degree, and its label; a cadence's dominant in minor is major."""
    scale, qualities = MODES[mode]
    quality = "maj" if raised else qualities[degree]
    root = (tonic + scale[degree]) % 12
    third, fifth = (4, 7) if quality == "maj" else (3, 6) if quality == "dim" else (3, 7)
    return (root, (root + third) % 12, (root + fifth) % 12), f"{PITCH_CLASSES[root]}:{quality}"


def drums(piece: Piece, bar: Bar, section: str, *, fill: bool) -> None:
    """Play the style's pattern; the last half bar of a section is a fill."""
    style, often = bar.style, 0.5 + 0.4 * piece.energy
    force = 0.65 + 0.25 * piece.energy
    total = style.metre * STEPS
    until = total - 2 * STEPS if fill and bar.random.random() < 0.8 else total
    for drum, pattern in (("kick", style.kick), ("snare", style.snare), ("hat", style.hat)):
        if section == "intro" and drum == "snare":
            continue
        for step in bar.hits(pattern, often):
            if step < until and not (drum == "hat" and piece.energy < -0.4 and step % 4):
                strength = float(np.clip(force * bar.random.uniform(0.8, 1.1), 0.05, 1))
                piece.hits.append(Hit(bar.time(step), drum, strength * (0.5 if drum == "hat" else 1.0)))
    for step in range(until, total):
        if bar.random.random() < 0.7:
            piece.hits.append(Hit(bar.time(step), "snare", float(np.clip(force * (0.6 + 0.03 * step), 0.05, 1))))


def bass(piece: Piece, bar: Bar, band: Band, triad: Sequence[int]) -> None:
    """Play the root, at times the fifth, in the style's rhythm."""
    steps = bar.hits(bar.style.bass, 0.5)
    for place, (step, until) in enumerate(pairwise([*steps, bar.style.metre * STEPS])):
        tone = triad[2] if place % 4 == 3 and bar.random.random() < 0.5 else triad[0]
        pitch = 36 + (tone - 36) % 12
        length = 0.9 * (until - step) * bar.beat / STEPS
        piece.notes.append(Note(bar.time(step), length, pitch, 0.7, band.bass))


def accompany(piece: Piece, bar: Bar, band: Band, triad: Sequence[int], section: str) -> None:
    """Play the chord in the style's rhythm; a chorus is fuller."""
    steps = bar.hits(bar.style.chords, 0.5)
    # The seventh colours the sound; labels name triads alone.
    tones = [*triad, (triad[0] + 10) % 12] if band.sevenths and section == "bridge" else list(triad)
    pitches = sorted(55 + (tone - 55) % 12 for tone in tones)
    if section == "chorus":
        pitches.append(pitches[0] + 12)
    for step, until in pairwise([*steps, bar.style.metre * STEPS]):
        length = (0.9 if section != "verse" else 0.6) * (until - step) * bar.beat / STEPS
        time = bar.time(step)
        for pitch in pitches:
            piece.notes.append(Note(time, length, pitch, 0.35, band.accompaniment))


def sing(piece: Piece, bar: Bar, idea: Idea, tonic: int, triad: Sequence[int], *, last: bool, section: str) -> None:
    """Play the tune: chord tones on the beats, scale tones between, a long note at the end of a section."""
    scale = MODES[piece.mode][0]
    base = 67 + 12 * idea.octave + (2 if section == "chorus" else 0)
    rhythm = idea.rhythm[: max(1, len(idea.rhythm) // 2)] if last else idea.rhythm
    # Not strict: of a section's last bar the steps beyond the long note are left.
    for (eighth, until), step in zip(pairwise([*rhythm, bar.style.metre * 2]), idea.steps, strict=False):
        near = base + 2 * step
        allowed = triad if eighth % 2 == 0 else [(tonic + tone) % 12 for tone in scale]
        pitch = min(
            (near + shift for shift in range(-6, 7) if (near + shift) % 12 in allowed), key=lambda p: abs(p - near)
        )
        length = 0.95 * (until - eighth) * bar.beat / 2
        strength = float(np.clip(0.75 + 0.15 * piece.energy + bar.random.normal(0, 0.05), 0.2, 1))
        piece.notes.append(Note(bar.time(2 * eighth), length, pitch, strength, piece.instrument))
