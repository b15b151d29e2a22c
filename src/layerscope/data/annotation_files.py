"""Annotations in files of their own: JAMS, labelled intervals (``.lab``), and times of beats (``.beats``, ``.txt``).

A cell that names such a file stands for what is in it, and a target that is no column for the file beside the audio.
JAMS is read by `jams`, the others by `mir_eval.io`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mir_eval

from layerscope.errors import DataError, UsageError

__all__ = ["ENDINGS", "file_beside", "find_file", "names_file", "read_annotation"]

#: In the order in which they are looked for beside the audio.
ENDINGS = (".jams", ".lab", ".beats", ".txt")
#: Kind of target, or what its column is called → the beginning of the namespaces of JAMS that say it.
NAMESPACES = {
    "chord": "chord", "beat": "beat", "key": "key_mode", "segment": "segment_", "section": "segment_",
    "structure": "segment_", "tag": "tag_", "genre": "tag_", "mood": "mood_", "tempo": "tempo",
    "melody": "pitch_contour", "f0": "pitch_contour", "note": "note_", "onset": "onset",
}  # fmt: skip


def names_file(cell: Any) -> bool:
    """Return whether a cell is the name of a file of annotations.

    Examples
    --------
    >>> names_file("chords/song.lab"), names_file("song.wav"), names_file(["song.lab"])
    (True, False, False)
    """
    return isinstance(cell, str) and "\n" not in cell and cell.strip().lower().endswith(ENDINGS)


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
        except (OSError, ValueError) as error:  # a name too long, or with a zero byte
            raise DataError(f"'{name[:60]}' is no file name ({error})") from error
    raise DataError(f"'{name}' does not exist (looked in {', '.join(map(str, places)) or 'the working directory'})")


def file_beside(audio: Path) -> Path | None:
    """Return the file of annotations beside an audio file, or None."""
    return next((path for ending in ENDINGS if (path := audio.with_suffix(ending)).is_file()), None)


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
        text = path.read_text(encoding="utf-8-sig")
        return read_rows(text)
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name}: {' '.join(str(error).split())}") from error


def read_rows(text: str) -> Any:
    r"""Return ``[start, end, label]``, ``[time, position]`` or a time for each line, or the text where it is but one.

    Examples
    --------
    >>> read_rows("0.0 1.5 C:maj\n1.5\t3.0\tverse 2\n")
    [[0.0, 1.5, 'C:maj'], [1.5, 3.0, 'verse 2']]
    >>> read_rows("0.5 1\n1.0 2\n"), read_rows("0.5\n1.0\n"), read_rows("Eb minor\n")
    ([[0.5, 1.0], [1.0, 2.0]], [0.5, 1.0], 'Eb minor')
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise DataError("the file is empty")
    words = lines[0].split(maxsplit=2)
    numeric = [is_time(word) for word in words]
    if not numeric[0] and len(lines) == 1:
        return lines[0].strip()
    columns: list[Callable[[str], Any]] = [time_of, time_of, str] if len(words) == 3 else [time_of] * len(words)
    # Lines may begin or end with blanks, of which each would be a column of nothing.
    rows = mir_eval.io.load_delimited(io.StringIO("\n".join(line.strip() for line in lines)), columns)
    return list(rows) if len(words) == 1 else [list(row) for row in zip(*rows, strict=True)]


def is_time(word: str) -> bool:
    """Return whether a word is a number."""
    try:
        time_of(word)
    except ValueError:
        return False
    return True


def time_of(word: str) -> float:
    """Return the number that a word is; raise a `ValueError` where it is none."""
    # Python would take "1_2" for 12 as well.
    if "_" in word:
        raise ValueError(f"{word} is no number")
    return float(word)


def read_jams(path: Path, target: str, kind: str | None) -> Any:
    """Return what the first annotation of a JAMS file says that is of a target."""
    try:
        import jams
    except ImportError as error:
        raise UsageError("reading JAMS needs the package jams: pip install 'layerscope[jams]'") from error
    try:
        found = jams.load(str(path), validate=False).annotations
        spaces = [str(annotation.namespace) for annotation in found]
        chosen = next((number for number, space in enumerate(spaces) if says(space, target, kind)), None)
        if chosen is None and len(set(spaces)) == 1:
            chosen = 0
        if chosen is None:
            raise DataError(f"{path.name}: no annotation of '{kind or target}' (it has {', '.join(spaces) or 'none'})")
        return cell_of(spaces[chosen], list(found[chosen].data))
    except DataError:
        raise
    except (jams.JamsError, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{path.name}: not readable as JAMS ({type(error).__name__}: {error})") from error


def says(namespace: str, target: str, kind: str | None) -> bool:
    """Return whether a namespace of JAMS says a target."""
    names = [start for word, start in NAMESPACES.items() if word in (kind or target).lower()]
    return namespace == target or any(namespace.startswith(name) for name in names)


def cell_of(namespace: str, observations: Sequence[Any]) -> Any:
    """Return the observations of an annotation as a cell of a table."""
    if namespace.startswith(("chord", "segment")):
        return [[float(seen.time), float(seen.time + seen.duration), seen.value] for seen in observations]
    if namespace.startswith("beat"):
        places = [seen.value.get("position") if isinstance(seen.value, dict) else seen.value for seen in observations]
        times = [float(seen.time) for seen in observations]
        known = all(isinstance(place, (int, float)) for place in places)
        return [list(row) for row in zip(times, places, strict=True)] if known else times
    if namespace == "pitch_contour":
        heard = [(float(seen.time), seen.value) for seen in observations]
        return [[time, value["frequency"] if value["voiced"] else 0.0] for time, value in heard]
    if namespace.startswith("note_"):
        midi = namespace == "note_midi"
        return [
            [
                float(seen.time),
                float(seen.time + seen.duration),
                float(seen.value if midi else mir_eval.util.hz_to_midi(seen.value)),
            ]
            for seen in observations
        ]
    if namespace == "onset":
        return [float(seen.time) for seen in observations]
    values = list(dict.fromkeys(seen.value for seen in observations))
    if namespace.startswith("tag_"):
        return values
    # Of a key or a tempo that changes, no one value is that of the clip.
    return values[0] if len(values) == 1 else " / ".join(map(str, values))
