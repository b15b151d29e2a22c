"""Chords over time, in Harte's syntax or in that of lead sheets (`layerscope.targets.chord_symbols`).

A probe names one of 25: twelve major and twelve minor triads and no chord, the order of MARBLE v2. Sevenths and
inversions count as their triad, by the rule of mir_eval's ``majmin``; other triads, what is unknown (``X``), and labels
that are no chord are not scored. Recall of whole tracks is mir_eval's, weighted by seconds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Any

import mir_eval

from layerscope.errors import DataError
from layerscope.targets.calibration import Calibration
from layerscope.targets.cells import Column, counted, is_list, most, shown
from layerscope.targets.changed_sound import whole_semitones
from layerscope.targets.chord_symbols import encoded, harte, is_chord, semitone
from layerscope.targets.kind import Labels
from layerscope.targets.metric import Metric
from layerscope.targets.note_names import PITCH_CLASSES, Notation, notation_of
from layerscope.targets.over_time import Scored, Scores
from layerscope.targets.spans import (
    FRAME_ACCURACY,
    IGNORED,
    KindOfSpans,
    Spans,
    as_span,
    span_labels,
    spans_from_frames,
    spans_of,
)

__all__ = ["CHORD_NAMES", "Chords", "chord_number", "chord_score"]

CHORD_NAMES = (*(f"{name}:maj" for name in PITCH_CLASSES), *(f"{name}:min" for name in PITCH_CLASSES), "N")
NO_CHORD = 24
#: Harte's label of what is not known, which is not scored.
UNKNOWN = "X"


@cache
def transposed(label: str, semitones: int) -> str:
    """Return a chord in Harte's syntax so many semitones higher; one without a root stays.

    Examples
    --------
    >>> [transposed(label, 1) for label in ("C#:min7/5", "B", "N")]
    ['D:min7/5', 'C', 'N']
    """
    root = re.match("[A-G][#b]*", label)
    return label if root is None else PITCH_CLASSES[(semitone(root[0]) + semitones) % 12] + label[root.end() :]


@cache
def chord_number(label: str) -> int:
    """Return the place in `CHORD_NAMES` of a label in Harte's syntax, or -1 for other triads and what is unknown.

    Sevenths and inversions count as their triad, by the rule of mir_eval's ``majmin``: the first eight semitones
    above the root decide.

    Raises
    ------
    DataError
        If the label is not of that syntax.

    Examples
    --------
    >>> CHORD_NAMES[chord_number("C#:maj7/5")], chord_number("G:dim")
    ('Db:maj', -1)
    """
    sounding = encoded(label)
    if sounding is None:
        raise DataError(f"'{label}' is not a chord in Harte's syntax")
    if label == mir_eval.chord.NO_CHORD:
        return NO_CHORD
    root, bitmap = sounding
    for first, quality in ((0, "maj"), (12, "min")):
        if root >= 0 and bitmap[:8] == mir_eval.chord.QUALITIES[quality][:8]:
            return first + root
    return IGNORED


#: Columns that are called so hold chords.
HARMONY = ("chord", "harmon", "akkord", "accord", "acorde")
#: Degrees of a key.
ROMAN = re.compile(
    r"[#b♭♯]?(?:VII|VI|V|IV|III|II|I|vii|vi|v|iv|iii|ii|i)(?:[°ø+:/\d#b]|o|maj|min|M|m|dim|aug|sus|add)*"
)
#: Columns that are called so hold sections, whatever these are called: "A7" may be the seventh A.
SECTIONS = ("segment", "section", "structure")
#: Labels that name chords and sections alike, and tell nothing of the two apart.
AMBIGUOUS = frozenset("ABCDEFGHNX")


#: A note with a hyphen behind, which lead sheets write for minor and music21 for a flat, and one that cannot be minor.
HYPHEN, NO_MINOR = re.compile(r"[A-G]-|.*/[A-G]-"), re.compile(r"[A-G]-m(?![a-z])")


def in_english(label: str, notation: Notation) -> str:
    """Return a chord of some notation with English letters, ``X`` where its note may be either of two.

    Examples
    --------
    >>> in_english("H7", Notation()), in_english("B", Notation(b="")), in_english("Bridge", Notation(b="Bb"))
    ('B7', 'X', 'Bridge')
    """
    english = notation.english(label)
    if is_chord(english):
        return english
    return UNKNOWN if is_chord(label) else label


def labels_in_english(labels: Sequence[str]) -> tuple[dict[str, str], str]:
    """Return the labels of a column in English letters, empty where that may be either of two, and how notes are read.

    Examples
    --------
    >>> labels_in_english(["B-", "E-m", "C"])
    ({'B-': '', 'E-m': '', 'C': 'C'}, "'-' is minor or, as in 'E-m', a flat")
    """
    notation = notation_of(labels, is_chord)
    english = {label: in_english(label, notation) for label in dict.fromkeys(labels)}
    flat = next(filter(NO_MINOR.match, english), None)
    if flat is None:
        return english, notation.words
    english |= dict.fromkeys(filter(HYPHEN.match, english), "")
    return english, "; ".join(filter(None, [notation.words, f"'-' is minor or, as in '{shown(flat)}', a flat"]))


def column_in_english(column: Column) -> Column:
    """Return a column whose chords have English letters; cells that hold no spans stay as they are."""
    english = labels_in_english(list(labels_of_column(column)))[0]
    cells = [
        [[*entry[:2], english[str(entry[2])]] for entry in map(as_span, cell)]
        if is_list(cell) and len(span_labels(cell)) == len(cell) > 0
        else cell
        for cell in column.cells
    ]
    return replace(column, cells=cells)


def chord_score(rule: str) -> Callable[[Spans, Spans], Scored]:
    """Return a weighted chord symbol recall of mir_eval, e.g. ``majmin``; what its rule leaves out has no weight."""
    compare = getattr(mir_eval.chord, rule)

    def measure(reference: Spans, estimate: Spans) -> Scored:
        if not len(reference.labels):
            return 0.0, 0.0
        start, end = reference.intervals[0, 0], reference.intervals[-1, 1]
        # Merging needs both to cover the same seconds: what the estimate leaves open is "no chord".
        intervals, labels = mir_eval.util.adjust_intervals(
            estimate.intervals, list(estimate.labels), start, end, mir_eval.chord.NO_CHORD, mir_eval.chord.NO_CHORD
        )
        merged, left, right = mir_eval.util.merge_labeled_intervals(
            reference.intervals, list(reference.labels), intervals, labels
        )
        seconds = mir_eval.util.intervals_to_durations(merged)
        hits = compare(left, right)
        # mir_eval marks with -1 what the rule leaves out.
        scored = hits >= 0
        weight = float(seconds[scored].sum())
        return (float((hits * seconds)[scored].sum()) / weight if weight else 0.0), weight

    return measure


def is_marble(cell: Any) -> bool:
    """Return whether a cell holds records of MARBLE v2's, which say that they are of chords."""
    return is_list(cell) and any(isinstance(entry, dict) and "chord_str" in entry for entry in cell)


def labels_of_column(column: Column) -> Iterable[str]:
    """Return the labels of all spans of a column."""
    return chain.from_iterable(map(span_labels, column.cells))


class Chords(KindOfSpans):
    """Chords of a track."""

    name, noun, namespace = "chords", "chords over time", "chord"
    column_words = ("chord",)
    written = '[[start, end, "C:maj"], …]'
    divisor = 2  # 12.5 frames a second
    metrics = (
        FRAME_ACCURACY,
        Metric("majmin", "majmin recall", chord_score("majmin")),
        Metric("root", "root recall", chord_score("root")),
    )

    def recognises(self, column: Column) -> bool:
        """Return whether most cells hold spans, most of whose labels are chords."""
        name, labels = column.name.lower(), labels_of_column(column_in_english(column))
        if "chord" not in name and not most(map(is_marble, column.cells)):
            labels = [label for label in labels if label not in AMBIGUOUS]
        named_otherwise = any(word in name for word in SECTIONS)
        return not named_otherwise and super().recognises(column) and most(map(is_chord, labels))

    def missed(self, column: Column) -> str:
        """Return that a column of chords, by its name or as Roman numerals, is in a notation that is not read."""
        labels = list(labels_of_column(column))
        named = any(word in column.name.lower() for word in HARMONY)
        degrees = most(ROMAN.fullmatch(label) is not None for label in labels) and not all(map(str.isupper, labels))
        odd = [label for label in dict.fromkeys(labels) if not is_chord(label)]
        if not (super().recognises(column) and odd and (named or degrees)):
            return ""
        words = ", ".join(f"'{shown(label)}'" for label in odd[:3])
        key = " (degrees are chords only in a key)" if degrees else ""
        return (
            f"most of its labels are no chords such as 'C:min7' or 'Cm7' ({words}){key}; write them so, or say "
            "--kind segments, to which each is a name"
        )

    def read(self, column: Column) -> Labels:
        """Read the chords of each track, however notes are called."""
        return super().read(column_in_english(column))

    def faults(self, column: Column) -> dict[int, str]:
        """Return why annotations cannot be read, or do not fit their clips, by row."""
        return super().faults(column_in_english(column))

    def read_track(self, cell: Any, clip: str, start: float) -> Spans:
        """Read spans, one of whose labels at least must be a chord; those that are none are unknown."""
        spans = spans_of(cell, clip, start)
        if spans.labels and not any(map(is_chord, spans.labels)):
            odd = shown(spans.labels[0])
            raise DataError(f"{clip}: '{odd}' is not a chord such as 'C:min7' or 'Cm7'; none of its labels is")
        return replace(spans, labels=tuple(harte(label) if is_chord(label) else UNKNOWN for label in spans.labels))

    def remark(self, column: Column) -> str:
        """Return how notes are read, where that is not as in English, and which labels are no chords."""
        counts = Counter(labels_of_column(column))
        english, notation = labels_in_english(list(counts.elements()))
        odd = {label: count for label, count in counts.items() if not is_chord(english[label])}
        words = [notation] if notation else []
        if odd:
            words.append(f"{sum(odd.values())} of {counts.total()} labels are no chords and not scored: {counted(odd)}")
        return "; ".join(words)

    def names_of(self, tracks: Sequence[Spans]) -> tuple[str, ...]:
        """Return all 25, whether they occur or not."""
        return CHORD_NAMES

    def changed_track(self, track: Spans, semitones: float, tempo: float) -> Spans:
        """Return the chords higher, at the times where they are then."""
        spans = super().changed_track(track, semitones, tempo)
        steps = whole_semitones(semitones)
        return replace(spans, labels=tuple(transposed(label, steps) for label in spans.labels)) if steps else spans

    def numbers(self, labels: Sequence[str], names: Sequence[str]) -> list[int]:
        """Return the triad of each label."""
        return [chord_number(label) for label in labels]

    def decode(self, scores: Scores, names: Sequence[str], rate: float, calibration: Calibration) -> list[Spans]:
        """Return the likeliest chord of every frame, neighbours joined."""
        return [spans_from_frames(track.argmax(axis=1), names, rate) for track in scores]
