"""Which labels may change where sound is made higher or faster, by what their column and they are called."""

from __future__ import annotations

import re
from collections.abc import Sequence

from layerscope.errors import DataError
from layerscope.targets.chord_symbols import harte, is_chord
from layerscope.targets.key_names import is_key

__all__ = ["refuse_change", "whole_semitones"]

#: What a pitch or a tempo may be called: a number with its unit, a note with its octave.
NUMBER, NOTE = r"[-+]?\d+([.,]\d+)?( ?(bpm|hz|BPM|Hz))?", r"[A-Ha-h](#|b|♯|♭|is|es|s)?-?\d?"
#: Words in the name of a column or label, in the singular, that may change with the pitch of the sound, and its tempo.
PITCH_WORDS = frozenset({
    "pitch", "note", "midi", "key", "tonic", "root", "chord", "melody", "register", "tessitura", "octave", "semitone",
    "transposition", "frequency", "hz", "f0", "tuning",
})  # fmt: skip
TEMPO_WORDS = frozenset({
    "tempo", "bpm", "beat", "pulse", "speed", "rate", "duration", "length", "second", "onset", "rhythm", "slow", "fast",
    "largo", "lento", "adagio", "andante", "moderato", "allegretto", "allegro", "vivace", "presto", "prestissimo",
})  # fmt: skip


def refuse_change(column: str, names: Sequence[str], semitones: float, tempo: float) -> None:
    """Raise where labels that are said of a whole clip may change with the pitch or the tempo of its sound.

    Parameters
    ----------
    column : str
        What they are called in their table.
    names : sequence of str
        The classes or tags; numbers, and names of notes, may be pitches.
    semitones, tempo : float
        By how much the sound is higher, and how many times as fast.

    Raises
    ------
    DataError
        If they may.

    Examples
    --------
    >>> refuse_change("genre", ("jazz", "rock"), semitones=1.0, tempo=1.0)
    >>> refuse_change("pitch", ("60", "62"), semitones=1.0, tempo=1.0)
    Traceback (most recent call last):
    layerscope.errors.DataError: its name, 'pitch', tells of pitch, which changes
    """
    for changes, what, telling in ((semitones != 0, "pitch", PITCH_WORDS), (tempo != 1, "tempo", TEMPO_WORDS)):
        if changes and words_of(column) & telling:
            raise DataError(f"its name, '{column}', tells of {what}, which changes")
        odd = [
            name for name in names
            if words_of(name) & telling or re.fullmatch(NUMBER, name) or (what == "pitch" and names_pitch(name))
        ]  # fmt: skip
        if changes and 2 * len(odd) > len(names):
            raise DataError(f"its names, such as '{odd[0]}', may tell of {what}, which changes")


def words_of(name: str) -> set[str]:
    """Return the words of a name in the singular, with and without the digits at their ends.

    Examples
    --------
    >>> sorted(words_of("meanF0")), sorted(words_of("BPM_2"))
    (['f', 'f0', 'mean'], ['bpm'])
    """
    parted = re.sub("([a-z])([A-Z])", r"\1 \2", name).lower()
    words = re.findall("[a-z]+[0-9]*", parted)
    return {form.removesuffix("s") for word in words for form in (word, word.rstrip("0123456789"))}


def names_pitch(name: str) -> bool:
    """Return whether a label is the name of a note, a key or a chord.

    Examples
    --------
    >>> [names_pitch(name) for name in ("C4", "Bb minor", "Am7", "C:maj", "Blues", "a cappella")]
    [True, True, True, True, False, False]
    """
    # What is no chord, and what nobody could name, are labels of the same syntax.
    return bool(re.fullmatch(NOTE, name)) or is_key(name) or (is_chord(name) and harte(name) not in ("N", "X"))


def whole_semitones(semitones: float) -> int:
    """Return a whole number of semitones.

    Raises
    ------
    DataError
        For a part of one, by which no note or chord is moved to another.
    """
    if semitones != round(semitones):
        raise DataError(f"notes that are {semitones:g} semitones higher lie between those that are named")
    return round(semitones)
