"""Annotations in files of their own: JAMS, labelled intervals (``.lab``), and times of beats (``.beats``, ``.txt``).

A cell that names such a file stands for what is in it, and a target that is no column for the file beside the audio.
JAMS is read by `jams`; the others are lines of times and labels with blanks between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mir_eval

from layerscope.data.text_files import read_text
from layerscope.errors import DataError, optional_library

__all__ = ["ENDINGS", "UNREAD", "file_beside", "find_file", "names_file", "read_annotation"]

#: In the order in which they are looked for beside the audio.
ENDINGS = (".jams", ".lab", ".beats", ".txt")
#: Of files that may hold annotations as well, and are not read.
UNREAD = (
    *(".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".mid", ".midi", ".musicxml", ".mxl", ".svl", ".svx"),
    *(".textgrid", ".ann", ".npy", ".npz", ".pkl", ".mat", ".h5", ".arff", ".chords", ".key", ".seg", ".onsets"),
)
#: Kind of target, or what its column is called → the beginning of the namespaces of JAMS that say it.
NAMESPACES = {
    "chord": "chord", "beat": "beat", "key": "key_mode", "segment": "segment_", "section": "segment_",
    "structure": "segment_", "tag": "tag_", "genre": "tag_", "mood": "mood_", "tempo": "tempo",
    "melody": "pitch_contour", "f0": "pitch_contour", "note": "note_", "onset": "onset",
}  # fmt: skip

#: Of these each string or voice may have one of its own, and the first would be a part of the notes.
OF_ONE_VOICE = ("note_", "pitch_", "onset")


def names_file(cell: Any, endings: tuple[str, ...] = ENDINGS) -> bool:
    """Return whether a cell is the name of a file of annotations that is read, or of one with other endings.

    Examples
    --------
    >>> names_file("chords/song.lab"), names_file("song.wav"), names_file(["song.lab"])
    (True, False, False)
    >>> names_file("beats/song.csv", UNREAD), names_file("chords/song.lab", UNREAD), names_file("rock.", UNREAD)
    (True, False, False)
    """
    return isinstance(cell, str) and "\n" not in cell and cell.strip().lower().endswith(endings)


def find_file(name: str, places: Sequence[Path]) -> Path:
    """Return the first file of that name in some directories.

    Raises
    ------
    DataError
        If there is none.
    """
    for place in places or (Path(),):
        try:
            if (place / name.strip()).is_file():
                return place / name.strip()
            if (place / name.strip()).is_dir():
                raise DataError(f"'{name}' is a directory; write the name of a file in it")
        except (OSError, ValueError) as error:  # a name too long, or with a zero byte
            raise DataError(f"'{name[:60]}' is no file name ({error})") from error
    raise DataError(f"'{name}' does not exist (looked in {', '.join(map(str, places)) or 'the working directory'})")


def file_beside(audio: Path, target: str = "") -> Path | None:
    """Return the file of annotations beside an audio file, or None; of several, for beats, that of beats."""
    endings = sorted(ENDINGS, key=".beats".__ne__) if "beat" in target.lower() else ENDINGS
    spellings = [spelling for ending in endings for spelling in (ending, ending.upper())]
    return next((path for spelling in spellings if (path := audio.with_suffix(spelling)).is_file()), None)


def read_annotation(path: Path, target: str, kind: str | None = None) -> Any:
    """Return what a file of annotations says, as a cell of a table would.

    Parameters
    ----------
    path : Path
        Of the file.
    target, kind : str, str, optional
        Which of several annotations in a JAMS file is meant.

    Raises
    ------
    DataError
        If it cannot be read, or says nothing of the target.
    UsageError
        If reading it needs a package that is not installed.
    """
    if path.suffix.lower() == ".jams":
        return read_jams(path, target, kind)
    try:
        return read_rows(read_text(path))
    except DataError as error:
        raise DataError(f"{path.name}: {str(error).removeprefix(str(path)).lstrip(': ')}") from error


def read_rows(text: str) -> Any:
    r"""Return ``[start, end, label]``, ``[time, position]`` or a time for each line, or the text where it is but one.

    Examples
    --------
    >>> read_rows("0.0 1.5 C:maj\n1.5\t3.0\tverse 2\n")
    [[0.0, 1.5, 'C:maj'], [1.5, 3.0, 'verse 2']]
    >>> read_rows("0.5 1\n1.0 2\n"), read_rows("0.5\n1.0\n"), read_rows("Eb minor\n")
    ([[0.5, 1.0], [1.0, 2.0]], [0.5, 1.0], 'Eb minor')
    """
    lines = {
        number: line.strip().split(maxsplit=2)
        for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1)
        if line.strip() and not line.startswith("#")
    }
    if not lines:
        raise DataError("the file is empty")
    first = next(iter(lines.values()))
    if len(lines) == 1 and not is_time(first[0]):
        return text.strip()
    rows = [read_row(words, len(first), f"line {number}") for number, words in lines.items()]
    refuse_fourth_field(rows)
    return [row[0] for row in rows] if len(first) == 1 else rows


def read_row(words: Sequence[str], width: int, where: str) -> list[Any]:
    """Return the times of a line, and the label behind them where there are three fields."""
    if len(words) != width:
        raise DataError(f"{where}: {len(words)} fields, where the first line has {width}")
    odd = next((word for word in words[:2] if not is_time(word)), None)
    if odd is not None:
        raise DataError(f"{where}: '{odd[:60]}' is no number; write 1.5 2.5 label, with blanks between and no header")
    return [*map(float, words[:2]), *words[2:]]


#: A number with a point, as confidences and durations have it; "verse 2" is the name of a section.
MEASURED = re.compile(r"\d*\.\d+(?:e[+-]?\d+)?", re.IGNORECASE)


def refuse_fourth_field(rows: Sequence[list[Any]]) -> None:
    """Raise where every label has a number before or behind it, which would be a part of its name."""
    labels = [row[2].split() for row in rows if len(row) > 2]
    for place in (0, -1):
        if labels and all(len(words) > 1 and MEASURED.fullmatch(words[place]) for words in labels):
            raise DataError(
                f"line 1: '{' '.join(labels[0])}' is a label and a number, such as a confidence; write start, end and "
                "label alone"
            )


def is_time(word: str) -> bool:
    """Return whether a word is a number, of which Python would take "1_2" for 12."""
    try:
        return "_" not in word and isinstance(float(word), float)
    except ValueError:
        return False


def read_jams(path: Path, target: str, kind: str | None) -> Any:
    """Return what the first annotation of a JAMS file says that is of a target."""
    jams = optional_library("jams", "jams", "reading JAMS needs the package jams")
    try:
        found = jams.load(str(path), validate=False).annotations
        spaces = [str(annotation.namespace) for annotation in found]
        starts = namespaces_of(target, kind)
        saying = [number for number, space in enumerate(spaces) if space == target or space.startswith(starts)]
        # Programs leave annotations empty that nobody made; only where all are is there nothing.
        chosen = next((number for number in saying if len(found[number].data)), next(iter(saying), None))
        # A target that is called after none may be any.
        if chosen is None and len(set(spaces)) == 1 and not starts:
            chosen = 0
        if chosen is None:
            raise DataError(f"{path.name}: no annotation of '{kind or target}' (it has {', '.join(spaces) or 'none'})")
        voices = spaces.count(spaces[chosen])
        if spaces[chosen].startswith(OF_ONE_VOICE) and voices > 1:
            raise DataError(
                f"{path.name}: it has {voices} annotations '{spaces[chosen]}', of strings, voices or annotators; write "
                "the one that is meant, or all put together, into the table"
            )
        return cell_of(spaces[chosen], list(found[chosen].data))
    except DataError as error:
        raise DataError(f"{path.name}: {str(error).removeprefix(path.name).lstrip(': ')}") from error
    except (jams.JamsError, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{path.name}: not readable as JAMS ({type(error).__name__}: {error})") from error


def namespaces_of(target: str, kind: str | None) -> tuple[str, ...]:
    """Return the beginnings of the namespaces that say a target, none where its name tells of none."""
    return tuple(start for word, start in NAMESPACES.items() if word in (kind or target).lower())


def cell_of(namespace: str, observations: Sequence[Any]) -> Any:
    """Return the observations of an annotation as a cell of a table.

    Raises
    ------
    DataError
        If they hold nothing that can be a label, or what changes over time in a namespace that is not known here.
    """
    values = [seen.value for seen in observations]
    times = [float(seen.time) for seen in observations]
    if namespace.startswith("beat"):
        places = [value.get("position") if isinstance(value, dict) else value for value in values]
        known = any(place is not None for place in places)
        return [list(row) for row in zip(times, places, strict=True)] if known else times
    if namespace == "onset":
        return times
    if namespace == "pitch_contour" and all(
        isinstance(value, dict) and {"frequency", "voiced"} <= set(value) for value in values
    ):
        pitches = [value["frequency"] if value["voiced"] else 0.0 for value in values]
        return [list(row) for row in zip(times, pitches, strict=True)]
    if any(value is None or isinstance(value, dict) for value in values):
        noun = "nothing but times" if None in values else "records"
        raise DataError(f"its annotation '{namespace}' holds {noun}, which is no label")
    ends = [float(seen.time + seen.duration) for seen in observations]
    if namespace in ("note_hz", "pitch_hz"):
        values = [float(mir_eval.util.hz_to_midi(value)) for value in values]
    if namespace.startswith(("chord", "segment", "note_", "pitch_")):
        return [list(row) for row in zip(times, ends, values, strict=True)]
    if namespace == "tempo" and len(set(times)) == 1:
        # Of several at once the most confident, or, where none is said to be, the first.
        return max(observations, key=lambda seen: seen.confidence or 0.0).value
    distinct = [value for place, value in enumerate(values) if value not in values[:place]]
    if namespace.startswith("tag_"):
        # Who has no confidence at all says that it is none.
        doubted = [seen.value for seen in observations if seen.confidence == 0]
        return [value for value in distinct if value not in doubted]
    if len(set(times)) > 1 and not namespace.startswith(tuple(NAMESPACES.values())):
        raise DataError(f"its annotation '{namespace}' changes over time, and is none that is read so")
    # Of a key that changes, no one value is that of the clip.
    return distinct[0] if len(distinct) == 1 else " / ".join(map(str, distinct))
