"""Data sets that mirdata knows how to read: its tracks as records of clips.

Any loader will do whose tracks have audio and something to predict: an attribute of its tracks that is a name, a
number, a list of names, a key, a tempo, chords, beats, sections, notes or a melody. Nothing is downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.data.label_tables import ASIDE, Record
from layerscope.data.usual_columns import is_split
from layerscope.errors import DataError, UsageError, optional_library, unknown

__all__ = ["PREFIX", "mirdata_records"]

#: Of what ``--data`` is given.
PREFIX = "mirdata:"
#: Attributes of tracks that say who plays or what is played, the closest first: clips of one must not be on both sides
#: of a split.
GROUPS = ("artist_id", "artist", "artists", "singer_id", "singer", "player_id", "drummer", "musician", "song_id",
          "mtrack_id", "album_id", "album", "work", "piece")  # fmt: skip
SPLITS = ("split", "subset")
#: What stands before the word where a data set has several splits: ``split01_test``.
NUMBERED = re.compile(r"split\d+_")
#: Attributes that are no targets: where things are, and what they are called.
NO_TARGETS = ("track_id", "title", "url", "audio", "start_time", "duration", *SPLITS)


def mirdata_records(name: str, root: Path | None, targets: Sequence[str] = ()) -> tuple[Path, list[Record]]:
    """Return where a data set of mirdata lies, and a record for each of its tracks.

    Parameters
    ----------
    name : str
        As mirdata calls it.
    root : Path, optional
        Where it lies; where mirdata would put it by default.
    targets : sequence of str
        Attributes of tracks to be read.

    Raises
    ------
    UsageError
        If mirdata is not installed, or it or the data set does not know a name.
    DataError
        If the data set or mirdata's index of it is not there, with the way to get it.
    """
    dataset = open_dataset(name, root)
    home = Path(dataset.data_home)
    tracks = [made_track(dataset, track) for track in identities(dataset, name)]
    first = next((track for track in tracks if not isinstance(track, dict)), None)
    for target in targets:
        if first is not None and not may_be_target(first, target):
            raise unknown("target", target, offered(first), hint=f"(--target names one of mirdata's {name})")
    return home, [track if isinstance(track, dict) else record_of(track, home, targets) for track in tracks]


def identities(dataset: Any, name: str) -> list[str]:
    """Return the names of a data set's tracks, as its index has them."""
    index = dataset.index_path
    try:
        tracks = list(dataset.track_ids)
    except Exception as error:  # a file that is no index makes mirdata raise anything
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{index}: no index of mirdata's {name} ({reason}); remove it, and get it again") from error
    if not tracks:
        raise DataError(f"{index}: names no tracks; remove it, and get it again")
    return tracks


def made_track(dataset: Any, name: str) -> Any:
    """Return mirdata's track, or, where it makes none, a record that says why."""
    try:
        return dataset.track(name)
    except Exception as error:  # an index of another version, or metadata that are absent, make it raise anything
        reason = f"{type(error).__name__}: {error}"
        return {"path": name, ASIDE: f"mirdata makes no track of it ({reason}): an index of another version?"}


def may_be_target(track: Any, field: str) -> bool:
    """Return whether a track has an attribute that is no path, no sound and none of the program's own."""
    if field.startswith(("_", "audio")) or field.endswith("_path"):
        return False
    return field in vars(track) or (hasattr(type(track), field) and not callable(getattr(type(track), field)))


def open_dataset(name: str, root: Path | None) -> Any:
    """Return mirdata's data set, whose index is there."""
    mirdata = optional_library("mirdata", "mirdata", f"'{PREFIX}{name}' needs mirdata")
    if name not in mirdata.list_datasets():
        raise unknown("data set of mirdata", name, mirdata.list_datasets())
    try:
        dataset = mirdata.initialize(name, data_home=None if root is None else str(root))
    except ImportError as error:  # some loaders need more packages than mirdata does
        reason = str(error) or f"see pip install 'mirdata[{name}]'"
        raise UsageError(f"mirdata's loader of {name} needs a package that is not installed ({reason})") from error
    get = f"python -c \"import mirdata; mirdata.initialize('{name}', '{dataset.data_home}').download(%s)\""
    if not Path(dataset.data_home).is_dir():
        fault = "is no directory" if Path(dataset.data_home).exists() else "does not exist"
        raise DataError(f"{dataset.data_home} {fault}; say where {name} lies with --root, or get it: {get % ''}")
    # Beside the data as well, for machines whose packages are read-only.
    places = [Path(dataset.index_path), Path(dataset.data_home) / Path(dataset.index_path).name]
    index = next((place for place in places if place.is_file()), None)
    if index is None:
        raise DataError(
            f"mirdata's index {places[0].name} is neither in {places[0].parent} nor in {places[1].parent}; "
            "get it: " + get % "['index']"
        )
    dataset.index_path = str(index)
    return dataset


def record_of(track: Any, home: Path, targets: Sequence[str]) -> Record:
    """Return the record of a track: its audio, where mirdata knows them its group and split, and its targets."""
    audio = audio_of(track)
    if audio is None:
        return {"path": str(track.track_id), ASIDE: "mirdata names no one audio file of this track"}
    record: Record = {"path": str(Path(audio).relative_to(home) if Path(audio).is_relative_to(home) else audio)}
    group = next((value for field in GROUPS if field not in targets and (value := known(track, field))), None)
    if group is not None:
        record["group"] = str(group[0] if isinstance(group, list) else group)
    split = next((word for field in SPLITS if is_split(word := NUMBERED.sub("", str(known(track, field))))), None)
    if split is not None:
        record["split"] = split
    for target in targets:
        try:
            record[target] = cell_of(getattr(track, target), target)
        except Exception as error:  # files that are absent or not as they should be make loaders raise anything
            record[ASIDE] = f"'{target}': mirdata cannot read it ({type(error).__name__}: {error})"
    return record


def audio_of(track: Any) -> str | None:
    """Return the path of a track's audio; of several, the one that mirdata's ``audio`` would name, or the first."""
    # Some have a list of them, of parts that are no whole.
    paths = {field: path for field, path in vars(track).items() if field.startswith("audio") and isinstance(path, str)}
    preferred = ("audio_path", "audio_mic_path", "audio_mix_path", *(field for field in paths if "path" in field))
    return next((paths[field] for field in preferred if paths.get(field)), None)


def known(track: Any, field: str) -> Any:
    """Return an attribute of a track as a cell, or None where there is none."""
    try:
        return cell_of(getattr(track, field, None), field)
    except Exception:  # as above
        return None


def cell_of(value: Any, target: str) -> Any:
    """Return what mirdata says of a track as a cell of a table.

    Raises
    ------
    ValueError
        If it is nothing that can be predicted.
    """
    from mirdata import annotations

    if isinstance(value, annotations.MultiAnnotator):
        value = next((one for one in value.annotations if one is not None), None)
    if isinstance(value, (annotations.SectionData, annotations.ChordData)):
        return [[*times, str(label)] for times, label in zip(value.intervals.tolist(), value.labels, strict=True)]
    if isinstance(value, annotations.BeatData):
        times = value.times.tolist()
        if value.positions is None:
            return times
        return [list(row) for row in zip(times, value.positions.tolist(), strict=True)]
    if isinstance(value, annotations.F0Data):
        hertz = annotations.convert_pitch_units(value.frequencies, value.frequency_unit, "hz")
        # Where it is said not to be voiced, a frequency is a guess.
        return {"times": value.times.tolist(), "frequencies": np.where(value.voicing > 0, hertz, 0.0).tolist()}
    if isinstance(value, annotations.NoteData):
        pitches = annotations.convert_pitch_units(value.pitches, value.pitch_unit, "midi")
        return [[*times, float(pitch)] for times, pitch in zip(value.intervals.tolist(), pitches, strict=True)]
    if isinstance(value, annotations.KeyData):
        return " / ".join(dict.fromkeys(map(str, value.keys)))
    if isinstance(value, annotations.TempoData):
        # Of several the most confident, or, where none is said to be, the first.
        return float(value.tempos[0 if value.confidence is None else int(value.confidence.argmax())])
    if isinstance(value, dict):
        value = value.get(target)
    if isinstance(value, str):
        return value.strip() or None
    if (
        value is None
        or isinstance(value, (int, float))
        or (isinstance(value, list) and all(isinstance(item, str) for item in value))
    ):
        return value
    raise ValueError(f"a {type(value).__name__} of mirdata is nothing that can be predicted")


def offered(track: Any) -> Iterator[str]:
    """Yield the attributes of a track that can be predicted."""
    for field in dir(track):
        if field.endswith("_id") or field in NO_TARGETS or not may_be_target(track, field):
            continue
        if known(track, field) is not None:
            yield field
