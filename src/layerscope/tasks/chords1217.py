"""Chords1217: MARBLE v2's tables, and which triad its count takes a chord for."""

from pathlib import Path
from typing import Any

import mir_eval

from layerscope.data.label_tables import Record
from layerscope.targets.note_names import PITCH_CLASSES
from layerscope.tasks.marble_records import marble_records
from layerscope.tasks.task import Preset


def songs(directory: Path, preset: Preset) -> list[Record]:
    """Return songs with their chords; in preset ``paper`` as the triads that MARBLE v2 counts them as."""
    records = marble_records(directory, "Chords1217")
    return [counted_as_published(record) for record in records] if preset == "paper" else records


def counted_as_published(record: Record) -> Record:
    """Return a record with MARBLE v2's triads; one whose chords cannot be read stays as it is, to be set aside."""
    try:
        label = [{**span, "chord_str": triad_within(span["chord_str"])} for span in record["label"]]
    except (KeyError, TypeError, ValueError, mir_eval.chord.InvalidChordException):
        return record
    return {**record, "label": label}


def triad_within(chord: Any) -> str:
    """Return the major or minor triad whose notes a chord holds, whatever else it holds, or the chord itself.

    What is unknown, ``X``, is no chord. The count of preset ``robust`` is mir_eval's ``majmin`` (`targets.chords`).

    Examples
    --------
    >>> [triad_within(chord) for chord in ("D:maj/2", "A:min7/b3", "X", "G:sus4")]
    ['D:maj', 'A:min', 'N', 'G:sus4']
    """
    root, notes, _ = mir_eval.chord.encode(chord)
    if root < 0:
        return mir_eval.chord.NO_CHORD
    held = [name for name in ("maj", "min") if (notes >= mir_eval.chord.QUALITIES[name]).all()]
    return f"{PITCH_CLASSES[root]}:{held[0]}" if len(held) == 1 else str(chord)
