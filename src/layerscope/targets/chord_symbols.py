"""Chord symbols of lead sheets ("Am7", "F#m", "Bb/D", "G7sus4") in Harte's syntax ("A:min7")."""

from __future__ import annotations

import re
from functools import cache

import mir_eval

from layerscope.targets.note_names import SEMITONES

__all__ = ["encoded", "harte", "is_chord", "semitone"]

#: What a symbol says after its root → Harte's name of it; ``(9)`` is a note that is added to the chord before.
QUALITIES = {
    "": "maj", "maj": "maj", "major": "maj", "M": "maj", "Maj": "maj", "Major": "maj",
    "m": "min", "min": "min", "minor": "min", "mi": "min", "-": "min", "Min": "min", "Minor": "min",
    "7": "7", "dom7": "7", "9": "9", "11": "11", "13": "13",
    "maj7": "maj7", "Maj7": "maj7", "M7": "maj7", "ma7": "maj7", "j7": "maj7", "Δ": "maj7", "Δ7": "maj7", "^7": "maj7",
    "^": "maj7", "major7": "maj7", "Ma7": "maj7", "△": "maj7", "△7": "maj7", "Δ9": "maj9",
    "maj9": "maj9", "Maj9": "maj9", "M9": "maj9", "ma9": "maj9", "maj11": "maj7(11)", "maj13": "maj13", "M13": "maj13",
    "m7": "min7", "min7": "min7", "mi7": "min7", "-7": "min7", "minor7": "min7", "m9": "min9", "min9": "min9",
    "-9": "min9", "m11": "min11", "min11": "min11", "m13": "min13", "min13": "min13",
    "mM7": "minmaj7", "mMaj7": "minmaj7", "mmaj7": "minmaj7", "minmaj7": "minmaj7", "-maj7": "minmaj7",
    "6": "maj6", "maj6": "maj6", "M6": "maj6", "m6": "min6", "min6": "min6", "-6": "min6",
    "69": "maj6(9)", "6/9": "maj6(9)", "m69": "min6(9)",
    "Ø": "hdim7", "Ø7": "hdim7",
    "dim": "dim", "°": "dim", "o": "dim", "dim7": "dim7", "°7": "dim7", "o7": "dim7",
    "ø": "hdim7", "ø7": "hdim7", "hdim7": "hdim7", "m7b5": "hdim7", "min7b5": "hdim7", "-7b5": "hdim7",
    "aug": "aug", "+": "aug", "aug7": "aug(b7)", "+7": "aug(b7)", "7+": "aug(b7)", "7#5": "aug(b7)",
    "sus": "sus4", "sus4": "sus4", "sus2": "sus2", "7sus4": "sus4(b7)", "7sus": "sus4(b7)", "sus47": "sus4(b7)",
    "9sus4": "sus4(b7,9)", "9sus": "sus4(b7,9)", "7sus2": "sus2(b7)",
    "add9": "maj(9)", "add2": "maj(9)", "2": "maj(9)", "madd9": "min(9)", "madd2": "min(9)", "add4": "maj(11)",
    "add11": "maj(11)", "madd4": "min(11)", "madd11": "min(11)", "5": "5",
    "7b9": "7(b9)", "7#9": "7(#9)", "7#11": "7(#11)", "7b13": "7(b13)", "maj7#11": "maj7(#11)", "M7#11": "maj7(#11)",
    "7b5": "7(*5,b5)", "maj7b5": "maj7(*5,b5)", "maj7#5": "maj7(*5,#5)",
}  # fmt: skip
#: Semitones above the root → Harte's degree of the bass.
DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")
NO_CHORD = ("NC", "N.C.", "N.C", "N/C", "no chord", "No chord")
SYMBOL = re.compile(r"(?P<root>[A-G](?:#+|b+)?)[ :]?(?P<quality>.*?)(?:/(?P<bass>[A-G](?:#+|b+)?))?")


@cache
def harte(label: str) -> str:
    """Return a chord symbol in Harte's syntax; a label that is none, or is of that syntax, as it is.

    Examples
    --------
    >>> [harte(label) for label in ("Am7", "F#m", "Bb/D", "G7sus4", "N.C.", "E:min7/b3", "verse")]
    ['A:min7', 'F#:min', 'Bb:maj/3', 'G:sus4(b7)', 'N', 'E:min7/b3', 'verse']
    """
    plain = label.strip().replace("♯", "#").replace("♭", "b")
    if plain in NO_CHORD:
        return "N"
    try:
        mir_eval.chord.validate_chord_label(plain)
    except mir_eval.chord.InvalidChordException:
        symbol = SYMBOL.fullmatch(plain)
    else:
        return plain
    # Brackets of a symbol only group: Cm(maj7) is CmMaj7.
    quality = QUALITIES.get(re.sub(r"[() ]", "", symbol["quality"])) if symbol else None
    if symbol is None or quality is None:
        return label
    root, bass = symbol["root"], symbol["bass"]
    degree = f"/{DEGREES[(semitone(bass) - semitone(root)) % 12]}" if bass else ""
    return f"{root}:{quality}{degree}"


@cache
def encoded(label: str) -> tuple[int, list[int]] | None:
    """Return the root of a label in Harte's syntax, in semitones above C, and which of the twelve above it sound.

    The root of no chord and of an unknown one is -1; None of a label that is not of that syntax.
    """
    try:
        root, bitmap, _ = mir_eval.chord.encode(label, reduce_extended_chords=False)
    except (mir_eval.chord.InvalidChordException, ValueError, KeyError):
        return None
    return int(root), bitmap.tolist()


def is_chord(label: str) -> bool:
    """Return whether a label is a chord, in Harte's syntax, no and an unknown one among them, or that of lead sheets.

    Examples
    --------
    >>> is_chord("A:min7"), is_chord("Am7"), is_chord("N"), is_chord("verse")
    (True, True, True, False)
    """
    return encoded(harte(label)) is not None


def semitone(note: str) -> int:
    """Return the semitones of a note above C.

    Examples
    --------
    >>> semitone("Bb"), semitone("C#")
    (10, 1)
    """
    return (SEMITONES[note[0]] + note.count("#") - note[1:].count("b")) % 12
