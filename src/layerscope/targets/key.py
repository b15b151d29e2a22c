"""Keys: one of twelve major and twelve minor keys.

Cells are keys in their usual spellings ("Gb:maj", "F♯ minor", "A-flat major", "Ebm", a lower-case tonic alone for
minor), in German ("As-Dur", "h") or solfège ("La mineur"); a column of which "key" is a word is recognised. Where most
cells are of the wheel of DJs, Camelot's ("8A") or the Open Key's ("1m"), alone or beside the key ("8A - Am"), they are
read as such. They are classes in the order of MARBLE, flats spelled. Scores are mir_eval's weighted key score, and that
of MIREX, which also counts the fifth below.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from layerscope.targets.cells import Column, is_list, is_name, is_number, most, shown
from layerscope.targets.changed_sound import whole_semitones
from layerscope.targets.classes import ACCURACY, Classes
from layerscope.targets.key_names import KEY_NAMES, fault_of, is_key, is_nearly, spelled_twice, spelling_of
from layerscope.targets.kind import Labels, Observation
from layerscope.targets.metric import Metric
from layerscope.targets.note_names import notation_of

__all__ = ["Key", "key_score", "key_score_mirex"]

Array = NDArray[np.float64]

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
