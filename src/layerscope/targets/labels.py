"""Targets: what is to be read off the states of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError
from layerscope.targets.annotations import CHORDS, PITCH_CLASSES, Annotation, Spans, beats_of, chord_number, spans_of
from layerscope.targets.annotations import HARTE as CHORD_SYNTAX

__all__ = ["KEYS", "TRACK_KINDS", "Form", "Kind", "Labels", "TrackLabels", "labels_of", "track_labels", "value_labels"]

#: What a target is; those from ``chords`` on are said of a track over time.
Kind = Literal["classes", "key", "tags", "values", "chords", "segments", "beats"]
#: What a probe answers.
Form = Literal["classes", "tags", "values"]
TRACK_KINDS = ("chords", "segments", "beats")

#: Twelve major and twelve minor keys, flats spelled: the order of MARBLE.
KEYS = tuple(f"{name} {mode}" for mode in ("major", "minor") for name in PITCH_CLASSES)
MODES = {"major": "major", "maj": "major", "minor": "minor", "min": "minor"}

#: Whole numbers with more distinct values than this are quantities, not names of classes.
MOST_NUMBERED_CLASSES = 20


@dataclass(frozen=True)
class Labels:
    """The target of every clip.

    Attributes
    ----------
    kind : {"classes", "key", "tags", "values"}
        One of several names, one of the 24 keys, any of several names, or numbers.
    names : tuple of str
        The classes, the tags or the dimensions.
    values : ndarray
        classes: (clip,) int64, an index into `names`; tags: (clip, tag) float32 of 0 and 1;
        values: (clip, dimension) float32.
    """

    kind: Kind
    names: tuple[str, ...]
    values: NDArray[Any]

    @property
    def form(self) -> Form:
        """Return what a probe answers: a key is a class."""
        return "classes" if self.kind == "key" else cast(Form, self.kind)

    def take(self, rows: NDArray[np.int64]) -> Labels:
        """Return the labels of some rows, with all the names."""
        return Labels(self.kind, self.names, self.values[rows])


@dataclass(frozen=True)
class TrackLabels:
    """What is said of every clip over time.

    Attributes
    ----------
    kind : {"chords", "segments", "beats"}
        Chords in Harte's syntax, sections (or any other labelled spans), beats and downbeats.
    names : tuple of str
        The 25 chords, the sections, or ``("beat", "downbeat")``.
    tracks : tuple of Spans or Beats
        One a clip.
    """

    kind: Kind
    names: tuple[str, ...]
    tracks: tuple[Annotation, ...]

    def take(self, rows: NDArray[np.int64]) -> TrackLabels:
        """Return the labels of some clips, with all the names."""
        return TrackLabels(self.kind, self.names, tuple(self.tracks[row] for row in rows))

    def numbers(self, row: int) -> list[int]:
        """Return the class of each span of a clip, -1 for chords that are not scored."""
        spans = self.tracks[row]
        assert isinstance(spans, Spans)
        if self.kind == "chords":
            return [chord_number(label) for label in spans.labels]
        return [self.names.index(label) for label in spans.labels]


def labels_of(cells: Any, kind: Kind | None = None) -> Labels:
    """Read labels, and work out their kind where it is not said.

    Parameters
    ----------
    cells : sequence, array or tensor
        One a clip: a name or a whole number (classes), a list of names or a string with ``|`` between them
        (tags), a number or a list of numbers (values). Whole numbers with more than 20 distinct values are
        values.
    kind : {"classes", "key", "tags", "values"}, optional
        Overrides what would be worked out.

    Raises
    ------
    DataError
        If the cells are of no one kind.

    Examples
    --------
    >>> labels_of(["rock", "jazz", "rock"]).names
    ('jazz', 'rock')
    >>> labels_of([["drums"], ["drums", "bass"]]).kind
    'tags'
    """
    if getattr(cells, "ndim", 1) == 2:
        return table_labels(np.asarray(cells), kind)
    listed = cells.tolist() if hasattr(cells, "tolist") else list(cells)
    kind = kind or kind_of(listed)
    if kind in TRACK_KINDS:
        raise DataError(f"labels are {kind}, said over time; they need audio")
    if kind == "key":
        return Labels("key", KEYS, np.array([KEYS.index(key_name(str(cell))) for cell in listed], dtype=np.int64))
    if kind == "tags":
        return tag_labels([cell.split("|") if isinstance(cell, str) else list(cell) for cell in listed])
    if kind == "values":
        return value_labels([[cell] if np.isscalar(cell) else list(cell) for cell in listed])
    names = sorted(
        {cell if isinstance(cell, int) else str(cell) for cell in listed},
        key=lambda name: (str(type(name)), name),
    )
    index = {str(name): number for number, name in enumerate(names)}
    return Labels("classes", tuple(index), np.array([index[str(cell)] for cell in listed], dtype=np.int64))


def key_name(text: str) -> str:
    """Return a key as `KEYS` spells it: "Gb:maj", "F# major" and "Eb minor" are understood.

    Raises
    ------
    DataError
        If it is no major or minor key.
    """
    tonic, _, mode = text.replace(":", " ").strip().partition(" ")
    letter, signs = tonic[:1].upper(), tonic[1:]
    known = mode.strip().lower() in MODES and letter in SEMITONES and set(signs) <= {"b", "#"}
    if not known:
        raise DataError(f"'{text}' is not a major or minor key such as 'Eb minor'")
    semitone = (SEMITONES[letter] + signs.count("#") - signs.count("b")) % 12
    return f"{PITCH_CLASSES[semitone]} {MODES[mode.strip().lower()]}"


def is_key(cell: Any) -> bool:
    """Return whether a cell names a major or minor key."""
    try:
        key_name(str(cell))
    except DataError:
        return False
    return True


SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def kind_of(cells: Sequence[Any]) -> Kind:
    """Work out what labels are."""
    if any(isinstance(cell, dict) for cell in cells):
        return "beats"
    if any(isinstance(cell, (list, tuple)) and any(map(is_nested, cell)) for cell in cells):
        return track_kind(cells)
    if all(isinstance(cell, (list, tuple)) for cell in cells):
        numeric = all(isinstance(item, (int, float)) for cell in cells for item in cell)
        if numeric and len({len(cell) for cell in cells}) > 1:
            return "beats"
        return "values" if numeric and any(len(cell) for cell in cells) else "tags"
    if all(isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in cells):
        whole = all(float(cell).is_integer() for cell in cells)
        return "classes" if whole and len(set(cells)) <= MOST_NUMBERED_CLASSES else "values"
    if any(isinstance(cell, (list, tuple)) for cell in cells):
        raise DataError("some labels are lists and some are not")
    return "tags" if any(isinstance(cell, str) and "|" in cell for cell in cells) else "classes"


def track_kind(cells: Sequence[Any]) -> Kind:
    """Work out what nested labels are: pairs of lists of times, chords, or other spans."""
    first = next(cell for cell in cells if isinstance(cell, (list, tuple)) and cell)
    if len(first) == 2 and all(isinstance(part, (list, tuple)) and all(map(is_number, part)) for part in first):
        return "beats"
    texts = [label for cell in cells for label in spans_of(list(cell), "labels").labels]
    return "chords" if all(CHORD_SYNTAX.match(text) and known_chord(text) for text in set(texts)) else "segments"


def known_chord(text: str) -> bool:
    """Return whether a text is a chord; lone letters name sections as well, and are not taken for chords."""
    if len(text) == 1 and text not in "NX":
        return False
    try:
        chord_number(text)
    except DataError:
        return False
    return True


def is_number(item: Any) -> bool:
    """Return whether an item is a number."""
    return isinstance(item, (int, float)) and not isinstance(item, bool)


def track_labels(cells: Sequence[Any], kind: Kind, clips: Sequence[str], starts: Sequence[float]) -> TrackLabels:
    """Read what is said of clips over time.

    Parameters
    ----------
    cells : sequence
        One a clip, as `spans_of` or `beats_of` takes it.
    kind : {"chords", "segments", "beats"}
        Which.
    clips : sequence of str
        Their names, for messages.
    starts : sequence of float
        Where they begin in their files, to which the annotation's times refer.

    Raises
    ------
    DataError
        Naming the clip and what is wrong with its annotation.
    """
    if kind == "beats":
        beats = tuple(beats_of(cell, clip, start) for cell, clip, start in zip(cells, clips, starts, strict=True))
        return TrackLabels(kind, ("beat", "downbeat"), beats)
    tracks = tuple(spans_of(cell, clip, start) for cell, clip, start in zip(cells, clips, starts, strict=True))
    if kind == "segments":
        return TrackLabels(kind, tuple(sorted({label for track in tracks for label in track.labels})), tracks)
    for track, clip in zip(tracks, clips, strict=True):
        for label in track.labels:
            try:
                chord_number(label)
            except DataError as error:
                raise DataError(f"{clip}: {error}") from error
    return TrackLabels(kind, CHORDS, tracks)


def is_nested(item: Any) -> bool:
    """Return whether an item of a label has parts of its own."""
    return isinstance(item, (list, tuple, dict))


def table_labels(array: NDArray[Any], kind: Kind | None) -> Labels:
    """Read a (clip, column) array: 0/1 are tags, other numbers values."""
    binary = bool(np.isin(array, (0, 1)).all())
    names = tuple(str(column) for column in range(array.shape[1]))
    chosen = kind or ("tags" if binary and array.shape[1] > 1 else "values")
    if not np.isfinite(np.asarray(array, dtype=np.float64)).all():
        raise DataError("labels hold values that are not finite")
    return Labels(chosen, names, array.astype(np.float32))


def tag_labels(cells: Sequence[Sequence[Any]]) -> Labels:
    """Turn lists of names into a table of 0 and 1."""
    names = sorted({str(name).strip() for cell in cells for name in cell if str(name).strip()})
    if not names:
        raise DataError("no clip has any tag")
    index = {name: number for number, name in enumerate(names)}
    values = np.zeros((len(cells), len(names)), np.float32)
    for row, cell in enumerate(cells):
        for name in cell:
            if str(name).strip():
                values[row, index[str(name).strip()]] = 1.0
    return Labels("tags", tuple(names), values)


def value_labels(cells: Sequence[Sequence[Any]]) -> Labels:
    """Turn numbers into a (clip, dimension) table."""
    lengths = sorted({len(cell) for cell in cells})
    if len(lengths) != 1:
        raise DataError(
            f"labels have from {lengths[0]} to {lengths[-1]} numbers; values need as many for every clip "
            "(times of beats are of kind 'beats')"
        )
    try:
        values = np.array(cells, dtype=np.float32)
    except ValueError as error:
        raise DataError(f"labels are not numbers ({error})") from error
    if not np.isfinite(values).all():
        raise DataError("labels hold values that are not finite")
    return Labels("values", tuple(str(column) for column in range(values.shape[1])), values)
