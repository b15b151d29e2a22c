"""Answers for files: as a table, as JSON lines, and as JAMS, the field's annotation format."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.atomic_files import read_json, refuse_closed, sweep, write_text
from layerscope.data import folders
from layerscope.data.audio import EXTENSIONS, UNREAD, measure
from layerscope.errors import AudioError, DataError, UsageError, optional_library
from layerscope.features.decoding import AHEAD_SECONDS, Ahead, Decoded, decoders, decoding_workers
from layerscope.features.encoder_pass import Pass
from layerscope.predictor.predict import Predictor
from layerscope.targets import Kind

__all__ = [
    "Answered", "answer_files", "audio_files", "jams_of", "refuse_others", "table_of", "write_answers", "write_jams",
]  # fmt: skip


#: Files whose lengths are looked up together, before they are decoded; fewer where they are long.
MEASURED = 32
#: Files that threads decode where a GPU encodes, too: they are done before processes have begun, which takes seconds.
FEW = 8


@dataclass(frozen=True)
class Answered:
    """What is said of a file.

    Attributes
    ----------
    path : Path
        The file.
    answer : dict
        See `Predictor.__call__`; empty where there is none.
    error : str
        Why there is none.
    seconds : float
        Length of the sound that was heard.
    """

    path: Path
    answer: dict[str, Any]
    error: str = ""
    seconds: float = 0.0


def audio_files(places: Sequence[Path]) -> tuple[list[Path], dict[Path, str]]:
    """Return the files that are named, and those below the folders that are named, in order, and why some are left out.

    Of a folder the same files are taken as of one of data; of the others those are said that look like sound.

    Raises
    ------
    UsageError
        If a folder holds no audio, or a table is named.
    """
    found: list[Path] = []
    left_out: dict[Path, str] = {}
    for place in places:
        if place.is_dir():
            files, others = folders.audio_files(place)
            missed = {place / name: why for name, why in others.items() if looks_like_sound(name, why)}
            if not files and not missed:
                raise UsageError(f"{place}: holds no audio ({', '.join(sorted(EXTENSIONS))})")
            found += sorted([*(place / name for name in files), *missed])
            left_out |= missed
        elif place.suffix.lower() in folders.TABLES:
            raise UsageError(f"{place} is a table; give audio files or folders")
        else:
            # One that is missing is answered with that, as one that cannot be read: the others need not wait for it.
            found.append(place)
    # One that is named as well is wanted, whatever it is called.
    return found, {path: f"{path}: {why}" for path, why in left_out.items() if path not in places}


def looks_like_sound(name: str, why: str) -> bool:
    """Return whether what a folder leaves out may be missed: a picture beside the audio is not.

    Examples
    --------
    >>> [looks_like_sound(name, "") for name in ("a.M4A", ".b.wav", "cover.jpg")]
    [True, True, False]
    """
    # A name that is not UTF-8 stands in quotes there.
    return Path(name.strip("'\"")).suffix.lower() in EXTENSIONS | UNREAD or why.startswith("cannot be read")


def answer_files(
    predictor: Predictor, paths: Sequence[Path], left_out: Mapping[Path, str] = MappingProxyType({})
) -> Iterator[Answered]:
    """Yield what a predictor says of each file, or why it says nothing; short files are encoded together.

    Parameters
    ----------
    predictor : Predictor
        What answers.
    paths : sequence of Path
        The files.
    left_out : mapping of Path to str
        Why some of them are not even read; see `audio_files`.
    """
    waiting: list[Path] = []
    clips: dict[str, NDArray[np.float32]] = {}
    reasons = dict(left_out)
    wanted = [path for path in paths if path not in left_out]
    processes = predictor.one_pass.decodes_by_processes and len(wanted) > FEW
    with decoders(decoding_workers(), processes=processes) as executor:
        heard = heard_ahead(predictor.one_pass, wanted, executor)
        for path in paths:
            waiting.append(path)
            if path in left_out:
                continue
            try:
                # Copied: what processes decode stays open files, in a memory that is small, for as long as it is held.
                clips[str(path)] = np.array(next(heard).result().windows[0])
            except AudioError as error:
                reasons[path] = str(error)
            if sum(map(len, clips.values())) >= predictor.one_pass.batch_size.samples:
                yield from answered(predictor, waiting, clips, reasons)
                waiting, clips = [], {}
        yield from answered(predictor, waiting, clips, reasons)


def heard_ahead(one_pass: Pass, paths: Sequence[Path], executor: Executor) -> Iterator[Future[Decoded]]:
    """Yield files as they are decoded, in order, each of one window, while others are encoded."""

    def files() -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        rows: list[tuple[str, float, float, float]] = []
        for number, path in enumerate(paths, 1):
            rows.append((str(path), 0.0, np.nan, length(path)))
            if len(rows) == MEASURED or sum(row[-1] for row in rows) >= AHEAD_SECONDS or number == len(paths):
                with any_names():
                    table = pd.DataFrame(rows, columns=["path", "start", "end", "clip_seconds"])
                    none = table[:0]
                yield none, table
                rows = []

    for _, _, decoding in Ahead(files(), one_pass.decoder.hear, executor, AHEAD_SECONDS * decoding_workers()):
        yield from decoding


def any_names() -> AbstractContextManager[None]:
    """Have pandas make tables of names that are not UTF-8, too, which Arrow, where it is installed, does not take."""
    made: AbstractContextManager[None] = pd.option_context("mode.string_storage", "python")
    return made


def length(path: Path) -> float:
    """Return the seconds of a file, none of one that cannot be read, which its decoding tells."""
    try:
        return measure(path)[0]
    except AudioError:
        return 0.0


def answered(
    predictor: Predictor, paths: Sequence[Path], clips: Mapping[str, NDArray[np.float32]], reasons: Mapping[Path, str]
) -> Iterator[Answered]:
    """Yield the answers for clips that are encoded together, and the reasons of files that could not be read."""
    answers = dict(zip(clips, predictor.answers(clips), strict=True))
    for path in paths:
        if path in reasons:
            yield Answered(path, {}, reasons[path])
        else:
            seconds = len(clips[str(path)]) / predictor.encoder.sample_rate
            yield Answered(path, answers[str(path)], seconds=seconds)


def table_of(answers: Sequence[Answered], kind: Kind) -> pd.DataFrame:
    """Return answers of a kind as a table: a row a file, or, of targets over time, a row a span or beat.

    Returns
    -------
    DataFrame
        ``path``; then ``label``, ``tags`` or values, and a column of probabilities for each name; or ``start``,
        ``end``, ``label``; or ``time``, ``beat``; and ``error``, where a file could not be answered.
        A name that is a column already is written ``p(NAME)``, or ``value(NAME)``.
    """
    rows = [
        {"path": str(one.path), **row}
        for one in answers
        for row in ([{"error": one.error}] if one.error else kind.rows(one.answer))
    ]
    with any_names():
        frame = pd.DataFrame(rows)
        # Otherwise its place would depend on which file fails first.
        return frame[[name for name in frame.columns if name != "error"] + (["error"] if "error" in frame else [])]


def refuse_others(predictor: Predictor, out: Path | None, jams: Path | None, paths: Sequence[Path]) -> None:
    """Raise where the answers for files cannot be written, or over what is none: before the work, not after it.

    Raises
    ------
    UsageError
        If ``out``, or the JAMS of a file, exists and is nothing that this predictor, or layerscope, wrote; if two JAMS
        would be called the same, or their library is not installed.
    ResourceError
        If nothing can be written there.
    """
    if out is not None and out.suffix not in (".csv", ".jsonl"):
        raise UsageError(f"{out}: answers are written as .csv or .jsonl")
    if out is not None and out.exists() and not holds_answers(out, predictor):
        raise UsageError(f"{out} exists and holds no answers of `predict` with this predictor; give another name")
    if jams is not None:
        jams_library()
        for stem, count in Counter(path.stem for path in dict.fromkeys(paths)).items():
            if count > 1:
                raise UsageError(f"two files are called '{stem}': write their JAMS into directories of their own")
            place = jams / f"{stem}.jams"
            if place.exists() and not is_own_jams(place):
                raise UsageError(f"{place} exists and holds no answers of `predict`; give another directory")
    for directory in [*([out.parent] if out is not None else []), *([jams] if jams is not None else [])]:
        refuse_closed(directory)


def holds_answers(path: Path, predictor: Predictor) -> bool:
    """Return whether a ``.csv`` or ``.jsonl`` begins as one of a predictor's answers does; an empty one does."""
    keys, columns = written_names(predictor.kind, predictor.manifest.names)
    if not path.is_file() or path.stat().st_size <= 1:  # a line break is a table without rows
        return path.is_file()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            found = list(json.loads(file.readline())) if path.suffix == ".jsonl" else next(csv.reader(file), [])
    except (OSError, ValueError, TypeError, csv.Error):  # another encoding, or no such file within
        return False
    names = keys if path.suffix == ".jsonl" else columns
    if not names:  # of a kind of another package
        return found[:1] == ["path"]
    return found in (["path", *names], ["path", *names, "error"], ["path", "error"])


def written_names(kind: Kind, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the keys of a kind's answers, and the columns of their table; none for a kind of another package.

    Examples
    --------
    >>> from layerscope.targets import KINDS
    >>> written_names(KINDS["classes"], ["jazz", "rock"])
    (['label', 'probabilities'], ['label', 'jazz', 'rock'])
    """
    shares = dict.fromkeys(names, 0.0)
    made: list[dict[str, Any]] = [
        {"label": names[0], "probabilities": shares},
        {"tags": names, "probabilities": shares},
        {"values": shares},
        {"spans": [(0.0, 1.0, "")]},
        {"beats": [0.0], "downbeats": []},
        {"times": [0.0], "frequencies": [0.0]},
        {"notes": [[0.0, 1.0, 60]]},
        {"onsets": [0.0]},
    ]
    for answer in made:
        try:
            (row,) = kind.rows(answer)
        except (KeyError, ValueError):
            continue
        return list(answer), list(row)
    return [], []


def is_own_jams(path: Path) -> bool:
    """Return whether all annotations of a JAMS file are those of a predictor."""
    try:
        made = [annotation["annotation_metadata"]["annotation_tools"] for annotation in read_json(path)["annotations"]]
    except (DataError, KeyError, TypeError):
        return False
    return bool(made) and all(str(tools).startswith("layerscope ") for tools in made)


def write_answers(answers: Sequence[Answered], kind: Kind, path: Path) -> None:
    """Write answers as ``.csv`` or, with each answer whole, ``.jsonl``; see `refuse_others`."""
    sweep(path.parent, below=False)
    if path.suffix == ".jsonl":
        lines = [
            json.dumps({"path": str(one.path), **(one.answer or {"error": one.error})}, ensure_ascii=False)
            for one in answers
        ]
        write_text(path, "\n".join(lines) + "\n")
    else:
        write_text(path, table_of(answers, kind).to_csv(index=False, lineterminator="\n"))


def write_jams(predictor: Predictor, answers: Sequence[Answered], directory: Path) -> None:
    """Write a JAMS file for each answer, called as its audio; see `refuse_others`."""
    sweep(directory, below=False)
    for one in answers:
        if not one.error:
            made = jams_of(predictor, one)
            write_text(directory / f"{one.path.stem}.jams", made.dumps(indent=1) + "\n")


def jams_library() -> Any:
    """Return the library that reads and writes JAMS, an optional dependency, or raise a `UsageError`."""
    return optional_library("jams", "jams", "JAMS need their library")


def jams_of(predictor: Predictor, one: Answered) -> Any:
    """Return a `jams.JAMS` of an answer: the namespace that the field uses for its kind.

    Raises
    ------
    UsageError
        If the library is not installed.
    """
    jams = jams_library()
    # Not the file's, which may have changed since it was heard.
    duration = one.seconds
    namespace, rows = predictor.kind.observations(one.answer, duration)
    annotation = jams.Annotation(namespace=namespace, duration=duration)
    annotation.annotation_metadata.annotation_tools = f"layerscope {predictor.manifest.version}"
    annotation.annotation_metadata.data_source = "program"
    for time, length, value, confidence in rows:
        annotation.append(time=time, duration=length, value=value, confidence=confidence)
    made = jams.JAMS(annotations=jams.AnnotationArray([annotation]))
    made.file_metadata.duration = duration
    made.file_metadata.title = one.path.name
    # Better no file than one that other programs refuse.
    made.validate()
    return made
