"""Answers for files: as a table, as JSON lines, and as JAMS, the field's annotation format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from layerscope.atomic_files import write_atomically
from layerscope.data.audio import EXTENSIONS, file_facts
from layerscope.errors import AudioError, UsageError
from layerscope.predictor.predict import Predictor

__all__ = ["Answered", "answer_files", "audio_files", "jams_of", "table_of", "write_answers", "write_jams"]


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
    """

    path: Path
    answer: dict[str, Any]
    error: str = ""


def audio_files(places: Sequence[Path]) -> list[Path]:
    """Return the files that are named, and those below the folders that are named, in order.

    Raises
    ------
    UsageError
        If one does not exist, or a folder holds no audio.
    """
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = sorted(path for path in place.rglob("*") if path.suffix.lower() in EXTENSIONS)
            if not inside:
                raise UsageError(f"{place}: holds no audio ({', '.join(sorted(EXTENSIONS))})")
            found += inside
        elif place.is_file():
            found.append(place)
        else:
            raise UsageError(f"{place}: does not exist")
    return found


def answer_files(predictor: Predictor, paths: Sequence[Path]) -> Iterator[Answered]:
    """Yield what a predictor says of each file, or why it says nothing."""
    for path in paths:
        try:
            yield Answered(path, predictor.predict_file(path))
        except AudioError as error:
            yield Answered(path, {}, str(error))


def table_of(answers: Sequence[Answered]) -> pd.DataFrame:
    """Return answers as a table: a row a file, or, of targets over time, a row a span or beat.

    Returns
    -------
    DataFrame
        ``path``; then ``label``, ``tags`` or values, and a column of probabilities for each name; or ``start``,
        ``end``, ``label``; or ``time``, ``beat``; and ``error``, where a file could not be answered.
    """
    frame = pd.DataFrame([{"path": str(one.path), **row} for one in answers for row in rows_of(one)])
    return frame[[name for name in frame.columns if name != "error"] + (["error"] if "error" in frame else [])]


def rows_of(one: Answered) -> list[dict[str, Any]]:
    """Return the rows of one file."""
    answer = one.answer
    if one.error:
        return [{"error": one.error}]
    if "spans" in answer:
        return [{"start": start, "end": end, "label": label} for start, end, label in answer["spans"]]
    if "beats" in answer:
        down = set(answer["downbeats"])
        return [{"time": time, "beat": "downbeat" if time in down else "beat"} for time in answer["beats"]]
    if "values" in answer:
        return [answer["values"]]
    said = {"label": answer["label"]} if "label" in answer else {"tags": "|".join(answer["tags"])}
    return [{**said, **answer["probabilities"]}]


def write_answers(answers: Sequence[Answered], path: Path) -> None:
    """Write answers as ``.csv`` or, with each answer whole, ``.jsonl``.

    Raises
    ------
    UsageError
        For another ending.
    """
    if path.suffix == ".jsonl":
        lines = [
            json.dumps({"path": str(one.path), **(one.answer or {"error": one.error})}, ensure_ascii=False)
            for one in answers
        ]
        write_atomically(path, ("\n".join(lines) + "\n").encode())
    elif path.suffix == ".csv":
        write_atomically(path, table_of(answers).to_csv(index=False, lineterminator="\n").encode())
    else:
        raise UsageError(f"{path}: answers are written as .csv or .jsonl")


def write_jams(predictor: Predictor, answers: Sequence[Answered], directory: Path) -> None:
    """Write a JAMS file for each answer, called as its audio.

    Raises
    ------
    UsageError
        If the library is not installed, or two files would be called the same.
    """
    names = [one.path.stem for one in answers if not one.error]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two files are called '{twice}': write their JAMS into directories of their own")
    for one in answers:
        if not one.error:
            made = jams_of(predictor, one)
            write_atomically(directory / f"{one.path.stem}.jams", (made.dumps(indent=1) + "\n").encode())


def jams_of(predictor: Predictor, one: Answered) -> Any:
    """Return a `jams.JAMS` of an answer: the namespace that the field uses for its kind.

    Raises
    ------
    UsageError
        If the library is not installed.
    """
    try:
        import jams
    except ImportError as error:
        raise UsageError("JAMS need their library: pip install 'layerscope[jams]'") from error
    duration = file_facts(one.path).duration
    namespace, rows = observations(predictor.manifest.kind, one.answer, duration)
    annotation = jams.Annotation(namespace=namespace, duration=duration)
    annotation.annotation_metadata.annotation_tools = f"layerscope {predictor.manifest.version}"
    annotation.annotation_metadata.data_source = "program"
    for time, length, value, confidence in rows:
        annotation.append(time=time, duration=length, value=value, confidence=confidence)
    made = jams.JAMS(annotations=jams.AnnotationArray([annotation]))
    made.file_metadata.duration = duration
    made.file_metadata.title = one.path.name
    made.validate()
    return made


def observations(kind: str, answer: dict[str, Any], seconds: float) -> tuple[str, list[tuple[float, float, Any, Any]]]:
    """Return the JAMS namespace of a kind of target, and (time, duration, value, confidence) of each observation."""
    if kind == "beats":
        positions = beat_positions(answer["beats"], set(answer["downbeats"]))
        return "beat", [(time, 0.0, place, None) for time, place in zip(answer["beats"], positions, strict=True)]
    if kind in ("chords", "segments"):
        namespace = "chord" if kind == "chords" else "segment_open"
        return namespace, [(start, end - start, label, None) for start, end, label in answer["spans"]]
    if kind == "key":
        tonic, mode = answer["label"].split()
        return "key_mode", [(0.0, seconds, f"{tonic}:{mode}", answer["probabilities"][answer["label"]])]
    if kind == "values":
        return "tag_open", [(0.0, seconds, f"{name}={value:.6g}", None) for name, value in answer["values"].items()]
    said = [answer["label"]] if kind == "classes" else answer["tags"]
    return "tag_open", [(0.0, seconds, name, answer["probabilities"][name]) for name in said]


def beat_positions(beats: Sequence[float], downbeats: set[float]) -> list[int]:
    """Return the place of each beat in its bar, from 1; beats before the first downbeat count up to it."""
    first = next((number for number, time in enumerate(beats) if time in downbeats), 0)
    metre = next((number - first for number, time in enumerate(beats) if number > first and time in downbeats), 4)
    places: list[int] = []
    for number, time in enumerate(beats):
        if time in downbeats:
            places.append(1)
        elif places:
            places.append(places[-1] + 1)
        else:
            places.append((number - first) % metre + 1)
    return places
