"""Chords over time, in Harte's syntax.

A probe names one of 25: twelve major and twelve minor triads and no chord, the order of MARBLE v2. Sevenths and
inversions count as their triad, by the rule of mir_eval's ``majmin``; other triads, and what is unknown (``X``), are
not scored. Recall of whole tracks is mir_eval's, weighted by seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import mir_eval

from layerscope.errors import DataError
from layerscope.targets.calibration import Calibration
from layerscope.targets.key import PITCH_CLASSES
from layerscope.targets.kind import Column, Metric, is_nested
from layerscope.targets.over_time import Scored, Scores
from layerscope.targets.spans import FRAME_ACCURACY, IGNORED, KindOfSpans, Spans, spans_from_frames, spans_of

__all__ = ["CHORD_NAMES", "Chords", "chord_number", "chord_score"]

CHORD_NAMES = (*(f"{name}:maj" for name in PITCH_CLASSES), *(f"{name}:min" for name in PITCH_CLASSES), "N")
NO_CHORD = 24


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
    try:
        root, bitmap, _ = mir_eval.chord.encode(label, reduce_extended_chords=False)
    except mir_eval.chord.InvalidChordException as error:
        raise DataError(f"'{label}' is not a chord in Harte's syntax") from error
    if label == mir_eval.chord.NO_CHORD:
        return NO_CHORD
    for first, quality in ((0, "maj"), (12, "min")):
        if root >= 0 and list(bitmap[:8]) == mir_eval.chord.QUALITIES[quality][:8]:
            return first + int(root)
    return IGNORED


def looks_like_chord(text: str) -> bool:
    """Return whether a text is a chord; lone letters name sections as well, and are not taken for chords."""
    if len(text) == 1 and text not in "NX":
        return False
    try:
        chord_number(text)
    except DataError:
        return False
    return True


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


class Chords(KindOfSpans):
    """Chords of a track."""

    name, noun, namespace = "chords", "chords over time", "chord"
    divisor = 2  # 12.5 frames a second
    metrics = (
        FRAME_ACCURACY,
        Metric("majmin", "majmin recall", chord_score("majmin")),
        Metric("root", "root recall", chord_score("root")),
    )

    def recognises(self, column: Column) -> bool:
        """Return whether cells are lists of spans, all of whose labels are chords."""
        if not is_nested(column):
            return False
        labels = {label for cell in column.cells for label in spans_of(list(cell), "labels").labels}
        return all(map(looks_like_chord, labels))

    def read_track(self, cell: Any, clip: str, start: float) -> Spans:
        """Read spans, all of whose labels must be chords."""
        spans = spans_of(cell, clip, start)
        for label in spans.labels:
            try:
                chord_number(label)
            except DataError as error:
                raise DataError(f"{clip}: {error}") from error
        return spans

    def names_of(self, tracks: Sequence[Spans]) -> tuple[str, ...]:
        """Return all 25, whether they occur or not."""
        return CHORD_NAMES

    def numbers(self, labels: Sequence[str], names: Sequence[str]) -> list[int]:
        """Return the triad of each label."""
        return [chord_number(label) for label in labels]

    def decode(self, scores: Scores, names: Sequence[str], rate: float, calibration: Calibration) -> list[Spans]:
        """Return the likeliest chord of every frame, neighbours joined."""
        return [spans_from_frames(track.argmax(axis=1), names, rate) for track in scores]
