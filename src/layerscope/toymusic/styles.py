"""What tells rhythm styles, instruments and harmonies of the built-in corpus apart: tables, not code."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["INSTRUMENTS", "MODES", "PROGRESSIONS", "STYLES", "Style"]


@dataclass(frozen=True)
class Style:
    """A rhythm style, on a grid of four steps a beat.

    Attributes
    ----------
    metre : int
        Beats in a bar.
    swing : float
        How late the second half of a beat comes, as a share of half a beat.
    kick, snare, hat : str
        One letter a step of a bar: ``x`` always, ``o`` at times, ``.`` never.
    bass, chords : str
        Steps on which the bass and the accompaniment play, in the same letters.
    """

    metre: int
    swing: float
    kick: str
    snare: str
    hat: str
    bass: str
    chords: str


STYLES = {
    "rock": Style(
        4, 0.0, "x.......x.o.....", "....x.......x...", "x.x.x.x.x.x.x.x.", "x.x.x.x.x.x.x.x.", "x.......x......."
    ),
    "disco": Style(
        4, 0.0, "x...x...x...x...", "....x.......x...", "..x...x...x...x.", "x.x.x.x.x.x.x.x.", "..x...x...x...x."
    ),
    "shuffle": Style(
        4, 0.33, "x.......x.......", "....x.......x...", "x.x.x.x.x.x.x.x.", "x...x...x...x...", "..x...x...x...x."
    ),
    "bossa": Style(
        4, 0.0, "x.....xxx.....xx", "x..o..x...x..x..", "x.x.x.x.x.x.x.x.", "x.....x.x.....x.", "x..x..x...x..x.."
    ),
    "reggae": Style(
        4, 0.12, "........x.......", "........x...o...", "x.x.x.x.x.x.x.x.", "..x.x...x..x..x.", "....x.......x..."
    ),
    "march": Style(
        4, 0.0, "x.......x.......", "..x.x.xx..x.x.xx", "................", "x.......x.......", "....x.......x..."
    ),
    "waltz": Style(3, 0.0, "x...........", "....o...o...", "....x...x...", "x...........", "....x...x..."),
    "ballad": Style(
        3, 0.2, "x.....o.....", "......x.....", "x.x.x.x.x.x.", "x.......x...", "x.x.x.x.x.x."
    ),
}  # fmt: skip

INSTRUMENTS = ("plucked", "struck", "bowed", "organ", "reed", "bell")

#: Semitones of the scale above the tonic, and the quality of the triad on each degree.
MODES = {
    "major": ((0, 2, 4, 5, 7, 9, 11), ("maj", "min", "min", "maj", "maj", "min", "dim")),
    "minor": ((0, 2, 3, 5, 7, 8, 10), ("min", "dim", "maj", "min", "min", "maj", "maj")),
}

#: Degrees, one a bar; the last bar of a section becomes a cadence of its own.
PROGRESSIONS = {
    "major": (
        (0, 4, 5, 3), (0, 5, 3, 4), (1, 4, 0, 0), (0, 3, 0, 4), (5, 3, 0, 4), (0, 2, 3, 4), (0, 3, 1, 4), (3, 4, 2, 5),
    ),
    "minor": (
        (0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 4), (0, 3, 6, 2), (5, 6, 0, 0), (0, 4, 0, 4), (3, 0, 4, 0), (0, 2, 5, 4),
    ),
}  # fmt: skip
