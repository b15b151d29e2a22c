"""Keys: one of twelve major and twelve minor keys.

Cells are keys in their usual spellings ("Gb:maj", "F♯ minor", "A-flat major", "Ebm", a lower-case tonic alone for
minor), in German ("As-Dur", "h") or solfège ("La mineur"); a column of which "key" is a word is recognised. Where most
cells are of the wheel of DJs, Camelot's ("8A") or the Open Key's ("1m"), alone or beside the key ("8A - Am"), they are
read as such. They are classes in the order of MARBLE, flats spelled. Scores are mir_eval's weighted key score, and that
of MIREX, which also counts the fifth below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError
from layerscope.targets.cells import is_list, is_name, is_number, most, shown
from layerscope.targets.classes import ACCURACY, Classes
from layerscope.targets.kind import Column, Labels, Metric, Observation, whole_semitones
from layerscope.targets.note_names import Notation, notation_of, plain_signs

__all__ = ["KEY_NAMES", "PITCH_CLASSES", "Key", "is_key", "key_name", "key_score", "key_score_mirex"]

Array = NDArray[np.float64]

PITCH_CLASSES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
#: Twelve major and twelve minor keys, flats spelled: the order of MARBLE.
KEY_NAMES = tuple(f"{name} {mode}" for mode in ("major", "minor") for name in PITCH_CLASSES)
#: Upper and lower case tell "M" from "m".
MODES = {
    "M": "major", "m": "minor", "major": "major", "maj": "major", "minor": "minor", "min": "minor",
    "dur": "major", "majeur": "major", "maggiore": "major", "mayor": "major", "maior": "major",
    "moll": "minor", "mol": "minor", "mineur": "minor", "minore": "minor", "menor": "minor",
}  # fmt: skip
#: Beside these words B is B flat.
GERMAN_MODES = ("dur", "moll", "mol")
SIGNS = {"": 0, "#": 1, "##": 2, "sharp": 1, "b": -1, "bb": -2, "flat": -1}
#: A letter or the number of a pitch class from C, signs, and the mode.
SPELLING = re.compile(
    r"(?P<tonic>[A-Ga-g]|1[01]|\d)(?P<signs>##?|bb?|[ -]?(?i:sharp|flat)|)(?:[ :_-]*(?P<mode>[A-Za-z]+)\.?)?"
)
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
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
    >>> key_name("h-moll"), key_name("Si bémol majeur"), key_name("C#/Db minor")
    ('B minor', 'Bb major', 'Db minor')
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
    if plain.lower().endswith(GERMAN_MODES):
        notation = Notation(b="Bb")
    # Of solfège the case says nothing, so that it needs a mode.
    for spelled, case in ((notation or Notation(), True), (Notation(solfege=True), False)):
        spelling = SPELLING.fullmatch(spelled.english(plain))
        mode = mode_of(spelling["tonic"], spelling["mode"]) if spelling else None
        if spelling and mode and (case or spelling["mode"]):
            tonic = spelling["tonic"].upper()
            semitone = int(tonic) if tonic.isdigit() else SEMITONES[tonic]
            return f"{PITCH_CLASSES[(semitone + SIGNS[spelling['signs'].strip(' -').lower()]) % 12]} {mode}"
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


#: What columns of keys are called as well, in tags of files and by programs of DJs.
KEY_WORDS = dict.fromkeys(("keys", "initialkey", "musicalkey", "openkey", "camelot", "tonart"), "key")
#: Words of a column's name beside which letters alone are keys; those of ``answer_key`` need none to be.
MUSICAL = frozenset({"key", "music", "musical", "song", "track", "global", "tonal", "label", "estimated"})


def may_hold_keys(column: Column) -> bool:
    """Return whether "key" is a word of a column's name, and the cells are not the letters of something else."""
    # Words begin at capitals as well: "musicalKey".
    words = {KEY_WORDS.get(word.lower(), word.lower()) for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", column.name)}
    letters = all(len(shown(cell).strip()) == 1 for cell in column.cells)
    return "key" in words and "," not in column.name and (words <= MUSICAL or not letters)


@cache
def key_table(*, both_fifths: bool) -> Array:
    """Return the score of an estimated key (column) for a reference (row), 24 × 24 in the order of `KEY_NAMES`.

    mir_eval's: 1 for the key itself, 0.5 a fifth above, 0.3 the relative, 0.2 the parallel key. MIREX accepts a
    fifth below as well since 2017.
    """
    table = np.array([[mir_eval.key.weighted_score(right, guess) for guess in KEY_NAMES] for right in KEY_NAMES])
    # A fifth below is a fifth above, seen from the estimate; what scores otherwise already keeps its score.
    return np.where((table.T == 0.5) & (table == 0.0), 0.5, table) if both_fifths else table


def key_score(scores: Array, targets: NDArray[np.int64], weights: Array) -> Array:
    """Return the mean weighted key score, in [0, 1], mir_eval's convention: a fifth above the reference counts half.

    Examples
    --------
    >>> g_major = np.eye(24)[[KEY_NAMES.index("G major")]]
    >>> key_score(g_major, np.array([KEY_NAMES.index("C major")]), np.ones((1, 1)))
    array([0.5])
    """
    return weights @ key_table(both_fifths=False)[targets, scores.argmax(axis=1)] / weights.sum(axis=1)


def key_score_mirex(scores: Array, targets: NDArray[np.int64], weights: Array) -> Array:
    """Return the mean weighted key score, in [0, 1], MIREX's since 2017: fifths in both directions count half.

    Examples
    --------
    >>> f_major = np.eye(24)[[KEY_NAMES.index("F major")]]
    >>> key_score_mirex(f_major, np.array([KEY_NAMES.index("C major")]), np.ones((1, 1)))
    array([0.5])
    """
    return weights @ key_table(both_fifths=True)[targets, scores.argmax(axis=1)] / weights.sum(axis=1)


class Key(Classes):
    """One of the 24 keys."""

    name, noun = "key", "keys"
    column_words = ("key",)
    written = "C major"
    metrics = (
        Metric("key_score", "key score", key_score),
        Metric("key_score_mirex", "key score (MIREX)", key_score_mirex),
        ACCURACY,
    )

    def recognises(self, column: Column) -> bool:
        """Return whether the column is called so and most of its cells are keys."""
        reader = spelling_of(column.cells)
        return may_hold_keys(column) and most(not fault_of(cell, reader) for cell in column.cells)

    def doubt(self, column: Column) -> str:
        """Return nothing: keys are keys however often each occurs."""
        return ""

    def missed(self, column: Column) -> str:
        """Return that cells of a column that is called so look like keys, but that most are none that is read."""
        several = [cell for cell in column.cells if is_list(cell) and cell and all(map(is_key, cell))]
        if may_hold_keys(column) and 2 * len(several) > len(column.cells):
            return f"{shown(several[0])} is a list of keys; write one a clip, or say --kind tags"
        # -1 is written where no key was heard.
        codes = [cell for cell in column.cells if is_number(cell) and cell in range(-1, len(KEY_NAMES))]
        if may_hold_keys(column) and len(codes) == len(column.cells):
            code = max(codes)
            return f"{code} may be the number of a key in any order; write 'C major', or say --kind classes or values"
        if twice := spelled_twice(column.cells):
            return (
                f"'{twice[0]}' and '{twice[1]}' are one key; say --kind key, or --kind classes, to which they are two"
            )
        cells = [cell for cell in column.cells if is_name(cell)]
        odd = [shown(cell) for cell in cells if not is_key(cell)]
        nearly = most(is_key(cell) or is_nearly(shown(cell)) for cell in cells)
        if not (odd and nearly and may_hold_keys(column)):
            return ""
        return (
            f"{len(odd)} of {len(cells)} cells are no major or minor keys, such as '{odd[0]}'; write 'C major' or "
            "'F#m', or say --kind key, which sets these aside, or --kind classes, to which each is a name"
        )

    def faults(self, column: Column) -> dict[int, str]:
        """Return which cells are no keys."""
        reader = spelling_of(column.cells)
        reasons = {row: fault_of(cell, reader) for row, cell in enumerate(column.cells)}
        return {row: reason for row, reason in reasons.items() if reason}

    def remark(self, column: Column) -> str:
        """Return how notes are read, where that is not as in English."""
        return notation_of(map(shown, column.cells), is_key).words

    def constant(self, train: Labels) -> NDArray[Any]:
        """Return what each key scores as the answer to all: the best need not be the commonest, as fifths count."""
        answers, clips = np.eye(len(train.names)), len(train.values)
        return np.array([train.score(np.tile(answer, (clips, 1)))[0] for answer in answers])

    def read(self, column: Column) -> Labels:
        """Read keys, of which all 24 are names, whether they occur or not."""
        reader = spelling_of(column.cells)
        numbers = [KEY_NAMES.index(reader(shown(cell))) for cell in column.cells]
        return Labels(self, KEY_NAMES, np.array(numbers, dtype=np.int64))

    def changed(self, labels: Labels, column: str, semitones: float, tempo: float) -> Labels:
        """Return the keys so many semitones higher."""
        tonics, modes = labels.values % 12, labels.values // 12
        return replace(labels, values=12 * modes + (tonics + whole_semitones(semitones)) % 12)

    def observations(self, answer: dict[str, Any], seconds: float) -> tuple[str, list[Observation]]:
        """Return the key of all of the file."""
        tonic, mode = answer["label"].split()
        return "key_mode", [(0.0, seconds, f"{tonic}:{mode}", answer["probabilities"][answer["label"]])]
