"""Keys as they are written, and which of the 24 each is: with a mode, by the case of the tonic, by steps of a wheel."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from layerscope.errors import DataError
from layerscope.targets.cells import is_name, most, shown
from layerscope.targets.note_names import PITCH_CLASSES, SEMITONES, Notation, notation_of, plain_signs

__all__ = ["KEY_NAMES", "fault_of", "is_key", "is_nearly", "key_name", "spelled_twice", "spelling_of"]

#: Twelve major and twelve minor keys, flats spelled: the order of MARBLE.
KEY_NAMES = tuple(f"{name} {mode}" for mode in ("major", "minor") for name in PITCH_CLASSES)
#: Upper and lower case tell "M" from "m".
MODES = {
    "M": "major", "m": "minor", "major": "major", "maj": "major", "minor": "minor", "min": "minor", "mi": "minor",
    "dur": "major", "majeur": "major", "maggiore": "major", "mayor": "major", "maior": "major",
    "moll": "minor", "mol": "minor", "mineur": "minor", "minore": "minor", "menor": "minor",
}  # fmt: skip
#: Beside these words B is B flat.
GERMAN_MODES = ("dur", "moll", "mol")
#: As music21 writes flats; "B-major" has a hyphen between.
HYPHEN_FLAT = re.compile(r"^([A-Ga-g])- (?=[A-Za-z])")
SIGNS = {"": 0, "#": 1, "##": 2, "sharp": 1, "b": -1, "bb": -2, "flat": -1}
#: A letter or the number of a pitch class from C, signs, and the mode.
SPELLING = re.compile(
    r"(?P<tonic>[A-Ga-g]|1[01]|\d)(?P<signs>##?|bb?|[ _-]?(?i:sharp|flat)|)(?:[ :_-]*(?P<mode>[A-Za-z]+)\.?)?"
)
#: A step around the wheel is a fifth up; before or behind it may stand the same key by another name.
WHEEL = r"0?(?P<step>1[0-2]|[1-9])(?P<letter>[ABDM])"
BETWEEN = r"[\s/|,;:=(\[–—-]+"
BETWEEN_PARTS = r"\s*[/|,;:=()\[\]–—]\s*|\s+-\s+"
STEPS = (
    re.compile(rf"{WHEEL}(?:{BETWEEN}(?P<name>.+?)[)\]]?)?", re.IGNORECASE),
    re.compile(rf"(?P<name>.+?){BETWEEN}{WHEEL}[)\]]?", re.IGNORECASE),
)
#: Letter → the mode, and the tonic at step 1: of Camelot, 8A is A minor and 8B C major; of the Open Key, 1m and 1d are.
CAMELOT = {"a": ("minor", 8), "b": ("major", 11)}
OPEN_KEY = {"m": ("minor", 9), "d": ("major", 0)}

#: A tonic and a mode that is none of the two, several keys, and the degrees of a key.
NEARLY = re.compile(
    r"[A-Ha-h](#|b|♯|♭|is|es|s)?[ :_-]+[A-Za-z]+.*|[A-H][^/|,]*[/|,].+|[b#♭♯]?(?i:vii|vi|v|iv|iii|ii|i)[°ø]?7?"
)

NO_KEY = "not a major or minor key such as 'Eb minor'"


def key_name(text: str, notation: Notation | None = None) -> str:
    """Return a key as `KEY_NAMES` spells it.

    Parameters
    ----------
    text : str
        The key; of one that has two names, both may stand, with a slash between.
    notation : Notation, optional
        Of its column; English by default.

    Raises
    ------
    DataError
        If it is no major or minor key.

    Examples
    --------
    >>> key_name("F# major"), key_name("Gb:maj"), key_name("ebm"), key_name("A-flat Minor"), key_name("a")
    ('Gb major', 'Gb major', 'Eb minor', 'Ab minor', 'A minor')
    >>> key_name("h-moll"), key_name("Si bémol majeur"), key_name("C#/Db minor"), key_name("B- major")
    ('B minor', 'Bb major', 'Db minor', 'Bb major')
    """
    plain = plain_signs(text)
    parts = [part.strip() for part in plain.split("/")]
    # "C#/Db major" has one mode.
    mode = parts[-1].partition(" ")[2]
    names = {one_key(part if " " in part or len(parts) == 1 else f"{part} {mode}", notation) for part in parts}
    name = names.pop()
    if name is None or names:
        unread = notation is not None and not notation.english(plain)
        raise DataError(f"'{shown(text)}' is {'B or, as in German, B flat' if unread else NO_KEY}")
    return name


def one_key(plain: str, notation: Notation | None) -> str | None:
    """Return the key that a text of plain signs names, or None."""
    plain = HYPHEN_FLAT.sub(r"\1b ", plain)
    if plain.lower().endswith(GERMAN_MODES):
        notation = Notation(b="Bb")
    # Of solfège the case says nothing, so that it needs a mode.
    for spelled, case in ((notation or Notation(), True), (Notation(solfege=True), False)):
        spelling = SPELLING.fullmatch(spelled.english(plain))
        mode = mode_of(spelling["tonic"], spelling["mode"]) if spelling else None
        if spelling and mode and (case or spelling["mode"]):
            tonic = spelling["tonic"].upper()
            semitone = int(tonic) if tonic.isdigit() else SEMITONES[tonic]
            return f"{PITCH_CLASSES[(semitone + SIGNS[spelling['signs'].strip(' _-').lower()]) % 12]} {mode}"
    return None


def mode_of(tonic: str, word: str | None) -> str | None:
    """Return the mode that a word means, or, where there is none, the case of the tonic; None where neither does."""
    if word:
        # "1m" is a step of the Open Key's wheel, and no C sharp minor.
        if tonic.isdigit() and len(word) == 1:
            return None
        return MODES.get(word) or MODES.get(word.lower() if len(word) > 1 else "")
    return None if tonic.isdigit() else "minor" if tonic.islower() else "major"


def is_key(cell: Any) -> bool:
    """Return whether a cell names a major or minor key.

    Examples
    --------
    >>> is_key("Bb:min"), is_key("D dorian")
    (True, False)
    """
    return not fault_of(cell, key_name)


def wheel_name(text: str, letters: dict[str, tuple[str, int]]) -> str:
    """Return the key of a step on a wheel, whose letters are given, as `KEY_NAMES` spells it.

    Raises
    ------
    DataError
        If it is no step, or what stands beside it is no name of the same key.

    Examples
    --------
    >>> wheel_name("8A", CAMELOT), wheel_name("6d", OPEN_KEY), wheel_name("Am (8A)", CAMELOT)
    ('A minor', 'B major', 'A minor')
    """
    step = step_of(text)
    if step is None or step["letter"].lower() not in letters:
        raise DataError(f"'{shown(text)}' is no step of the wheel of keys, as most labels are")
    mode, first = letters[step["letter"].lower()]
    name = f"{PITCH_CLASSES[(first + 7 * (int(step['step']) - 1)) % 12]} {mode}"
    if step["name"]:
        readers = (partial(wheel_name, letters=CAMELOT), partial(wheel_name, letters=OPEN_KEY), key_name)
        others = {reader(step["name"]) for reader in readers if not fault_of(step["name"], reader)}
        if others != {name}:
            raise DataError(f"'{shown(text)}': {step['step']}{step['letter']} is {name}, and what stands beside it not")
    return name


def step_of(text: str) -> re.Match[str] | None:
    """Return the step of a wheel with which a text begins or ends, and the name beside it."""
    return next(filter(None, (steps.fullmatch(text.strip()) for steps in STEPS)), None)


def is_nearly(text: str) -> bool:
    """Return whether a text looks like a key, or has one among its parts: "Am - 128" does."""
    parts = [part for part in re.split(BETWEEN_PARTS, text) if len(part) > 1]
    return bool(NEARLY.fullmatch(text)) or any(
        re.fullmatch(WHEEL, part, re.IGNORECASE) or is_key(part) for part in parts
    )


def spelling_of(cells: Sequence[Any]) -> Callable[[str], str]:
    """Return what reads the keys of a column: by the wheel where most cells are of one, or in its notation."""
    for letters in (CAMELOT, OPEN_KEY):
        reader = partial(wheel_name, letters=letters)
        if most(not fault_of(cell, reader) for cell in cells):
            return reader
    return partial(key_name, notation=notation_of(map(shown, cells), is_key))


def fault_of(cell: Any, reader: Callable[[str], str]) -> str:
    """Return why a cell cannot be read as a key, or an empty text."""
    try:
        reader(shown(cell))
    except DataError as error:
        return str(error)
    return ""


def spelled_twice(cells: Sequence[Any]) -> tuple[str, str] | None:
    """Return two names of one key, where most cells are keys, whatever their column is called.

    Examples
    --------
    >>> spelled_twice(["F#m", "C", "Gbm"]), spelled_twice(["A", "B", "C"])
    (('F#m', 'Gbm'), None)
    """
    # Letters alone may be those of anything.
    names = [shown(cell) for cell in cells if is_name(cell) and is_key(cell) and len(shown(cell).strip()) > 1]
    first: dict[str, str] = {}
    pairs = [(first.setdefault(key_name(name), name), name) for name in dict.fromkeys(names)]
    return next((pair for pair in pairs if pair[0] != pair[1] and 2 * len(names) > len(cells)), None)
