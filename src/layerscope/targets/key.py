"""Keys: one of twelve major and twelve minor keys.

Cells are keys in their usual spellings ("Gb:maj", "F♯ minor", "A-flat major", "Ebm", a lower-case tonic alone for
minor); a column whose name ends in "key" is recognised. They are classes in the order of MARBLE, flats spelled. Scores
are mir_eval's weighted key score, and that of MIREX, which also counts the fifth below.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError
from layerscope.targets.classes import ACCURACY, Classes
from layerscope.targets.kind import Column, Labels, Metric, Observation, most, shown

__all__ = ["KEY_NAMES", "PITCH_CLASSES", "Key", "is_key", "key_name", "key_score", "key_score_mirex"]

Array = NDArray[np.float64]

PITCH_CLASSES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
#: Twelve major and twelve minor keys, flats spelled: the order of MARBLE.
KEY_NAMES = tuple(f"{name} {mode}" for mode in ("major", "minor") for name in PITCH_CLASSES)
#: Upper and lower case tell "M" from "m".
MODES = {"M": "major", "m": "minor", "major": "major", "maj": "major", "minor": "minor", "min": "minor"}
SIGNS = {"": 0, "#": 1, "##": 2, "sharp": 1, "b": -1, "bb": -2, "flat": -1}
#: A letter or the number of a pitch class from C, signs, and the mode.
SPELLING = re.compile(
    r"(?P<tonic>[A-Ga-g]|1[01]|\d)(?P<signs>##?|bb?|[ -]?(?i:sharp|flat)|)(?:[ :_-]*(?P<mode>[A-Za-z]+)\.?)?"
)
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

NO_KEY = "not a major or minor key such as 'Eb minor'"


def key_name(text: str) -> str:
    """Return a key as `KEY_NAMES` spells it.

    Raises
    ------
    DataError
        If it is no major or minor key.

    Examples
    --------
    >>> key_name("F# major"), key_name("Gb:maj"), key_name("ebm"), key_name("A-flat Minor"), key_name("a")
    ('Gb major', 'Gb major', 'Eb minor', 'Ab minor', 'A minor')
    """
    plain = " ".join(text.replace("♯", "#").replace("♭", "b").split())
    spelling = SPELLING.fullmatch(plain)
    mode = mode_of(spelling["tonic"], spelling["mode"]) if spelling else None
    if spelling is None or mode is None:
        raise DataError(f"'{shown(text)}' is {NO_KEY}")
    tonic = spelling["tonic"].upper()
    semitone = int(tonic) if tonic.isdigit() else SEMITONES[tonic]
    return f"{PITCH_CLASSES[(semitone + SIGNS[spelling['signs'].strip(' -').lower()]) % 12]} {mode}"


def mode_of(tonic: str, word: str | None) -> str | None:
    """Return the mode that a word means, or, where there is none, the case of the tonic; None where neither does."""
    if word:
        return MODES.get(word) or MODES.get(word.lower() if len(word) > 1 else "")
    return None if tonic.isdigit() else "minor" if tonic.islower() else "major"


def is_key(cell: Any) -> bool:
    """Return whether a cell names a major or minor key.

    Examples
    --------
    >>> is_key("Bb:min"), is_key("D dorian")
    (True, False)
    """
    try:
        key_name(shown(cell))
    except DataError:
        return False
    return True


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
    metrics = (
        Metric("key_score", "key score", key_score),
        Metric("key_score_mirex", "key score (MIREX)", key_score_mirex),
        ACCURACY,
    )

    def recognises(self, column: Column) -> bool:
        """Return whether the column is called so and most of its cells are keys."""
        return "," not in column.name and column.name.lower().endswith("key") and most(map(is_key, column.cells))

    def faults(self, column: Column) -> dict[int, str]:
        """Return which cells are no keys."""
        return {row: f"'{shown(cell)}' is {NO_KEY}" for row, cell in enumerate(column.cells) if not is_key(cell)}

    def read(self, column: Column) -> Labels:
        """Read keys, of which all 24 are names, whether they occur or not."""
        numbers = [KEY_NAMES.index(key_name(shown(cell))) for cell in column.cells]
        return Labels(self, KEY_NAMES, np.array(numbers, dtype=np.int64))

    def observations(self, answer: dict[str, Any], seconds: float) -> tuple[str, list[Observation]]:
        """Return the key of all of the file."""
        tonic, mode = answer["label"].split()
        return "key_mode", [(0.0, seconds, f"{tonic}:{mode}", answer["probabilities"][answer["label"]])]
