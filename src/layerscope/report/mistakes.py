"""What an answer gets wrong: by class, tag, kind of error and value, and the clips to listen to first."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.report.scatter import Scatter, digits, scatter
from layerscope.report.scores_by_name import class_scores, tag_scores
from layerscope.report.track_strips import Strip, strip
from layerscope.scores.verdict import Verdict
from layerscope.targets.key import Key
from layerscope.targets.key_names import KEY_NAMES
from layerscope.targets.kind import Kind
from layerscope.targets.note_names import PITCH_CLASSES
from layerscope.targets.over_time import KindOverTime

Array = NDArray[np.float64]

__all__ = ["Mistakes", "Track", "key_relation", "mistakes_of"]

#: Classes of a matrix that is still read.
MOST_CLASSES = 24
#: Clips that are listed.
MOST_CLIPS = 10


@dataclass(frozen=True)
class Track:
    """A tested track: its name, its score alone, where a player finds it or nothing, and its two lanes."""

    clip: str
    score: float
    audio: str
    strip: Strip


@dataclass(frozen=True)
class Mistakes:
    """What is shown of one task.

    Attributes
    ----------
    confusion : DataFrame or None
        Tested clips by class (rows) and answer (columns), of classes that are few enough.
    classes : DataFrame
        See `class_scores`; no rows where answers are no classes.
    tags : DataFrame
        See `tag_scores`; no rows where answers are no tags.
    keys : dict of str to int
        How many answers are the key itself, a fifth off, its relative, its parallel, or another; empty of other kinds.
    scatters : list of Scatter
        Of values, one a dimension.
    tracks : list of Track
        Over time, those that score lowest.
    clips : DataFrame
        Columns ``clip, truth, answer, probability, score, audio``: the clips that score lowest, of equals those that
        the probe is surest of; of values and tags those farthest from the truth; over time those that follow `tracks`.
        The last is where a player finds the clip, or nothing where there is no such file.
    """

    confusion: pd.DataFrame | None
    classes: pd.DataFrame
    tags: pd.DataFrame
    keys: dict[str, int]
    scatters: list[Scatter]
    tracks: list[Track]
    clips: pd.DataFrame


def mistakes_of(
    predictions: pd.DataFrame, answer: Verdict, kind: Kind, names: Sequence[str], page: Path
) -> Mistakes | None:
    """Return what the input that an answer is about gets wrong; nothing where that is not known.

    Parameters
    ----------
    predictions : DataFrame
        See `layerscope.study.predictions`.
    answer : Verdict
        Of a task.
    kind, names : Kind, sequence of str
        Of the target.
    page : Path
        The HTML file, from which clips are played.
    """
    asked = pd.Series({name: getattr(answer, name) for name in ("task", "model", "probe", "input")})
    rows = predictions[(predictions[asked.index] == asked).all(axis=1)]
    if answer.layer is not None:
        # Where the predictions of every input are kept, a model's layers are all called "layer".
        rows = rows[rows.layer == answer.layer]
    if rows.empty:
        return None
    form = "" if kind.over_time else kind.form
    # A kind of somebody else's may answer in words of its own, without a probability.
    named = form == "classes" and bool(rows.probability.notna().all())
    values = values_of(rows) if form == "values" else {}
    shares, owners = shares_of(rows) if form == "tags" else (pd.DataFrame(), pd.DataFrame())
    # Neither values nor tags have a score of a clip alone.
    pairs = values or {name: (owners[name].to_numpy(float), shares[name].to_numpy(float)) for name in shares}
    wrong = worst_clips(rows, pairs).head(MOST_CLIPS)
    tracks = tracks_of(wrong, kind, names, page) if isinstance(kind, KindOverTime) else {}
    wrong = wrong.drop(index=list(tracks))
    if values:
        wrong = wrong.assign(truth=wrong.truth.map(values_text), answer=wrong.answer.map(values_text))
    columns = ["clip", "truth", "answer", "probability", "score", "audio"]
    return Mistakes(
        confusion_of(rows) if named else None,
        class_scores(rows) if named else pd.DataFrame(),
        tag_scores(shares, owners, rows) if form == "tags" else pd.DataFrame(),
        relations_of(rows) if isinstance(kind, Key) else {},
        [scatter(name, list(rows["clip"]), *pair) for name, pair in values.items()],
        list(tracks.values()),
        wrong.assign(audio=[address(row, page) for _, row in wrong.iterrows()])[columns],
    )


def tracks_of(rows: pd.DataFrame, kind: KindOverTime, names: Sequence[str], page: Path) -> dict[int, Track]:
    """Return the tracks whose answers are kept and can be drawn, by the index of their rows."""
    tracks = {}
    for index, row in rows[rows.answer != ""].iterrows():
        lanes = strip(row["clip"], kind, names, *(json.loads(row[column]) for column in ("truth", "answer")))
        if lanes:
            tracks[index] = Track(row["clip"], row.score, address(row, page), lanes)
    return tracks


def worst_clips(rows: pd.DataFrame, values: Mapping[str, tuple[Array, Array]]) -> pd.DataFrame:
    """Return the clips that are answered wrong, the worst first: by their scores, or by truth and answer in numbers."""
    if values:
        # Each dimension in units of its spread, so that one of large numbers does not decide alone.
        errors = [np.abs(truth - answer) / (np.std(truth) or 1.0) for truth, answer in values.values()]
        order = np.argsort(-np.mean(errors, axis=0), kind="stable")
        return rows.iloc[order]
    return rows[rows.score < 1].sort_values(["score", "probability"], ascending=[True, False], kind="stable")


def address(row: pd.Series, page: Path) -> str:
    """Return where a page finds the sound of a clip, with its span, or nothing where there is no such file."""
    path = Path(str(row.get("path", "")))
    if not row.get("path") or not path.is_file():
        return ""
    try:
        # From the page, so that a run and its data may move together.
        place = quote(Path(os.path.relpath(path.absolute(), page.parent.absolute())).as_posix())
    except ValueError:  # on another drive
        place = path.absolute().as_uri()
    start, end = float(row.get("start", math.nan)), float(row.get("end", math.nan))
    span = f"{0.0 if math.isnan(start) else start:g}{'' if math.isnan(end) else f',{end:g}'}"
    return place if span == "0" else f"{place}#t={span}"


def confusion_of(rows: pd.DataFrame) -> pd.DataFrame | None:
    """Return how often each class was taken for each, or nothing of more classes than are read."""
    names = sorted({*rows.truth, *rows.answer})
    if len(names) > MOST_CLASSES:
        return None
    return pd.crosstab(rows.truth, rows.answer).reindex(index=names, columns=names, fill_value=0)


def shares_of(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the probability of each tag (column) of each clip (row), and whether the clip has it."""
    shares = pd.DataFrame(list(map(json.loads, rows.probabilities)))
    owners = pd.DataFrame({name: [name in text.split("|") for text in rows.truth] for name in shares})
    return shares, owners


def relations_of(rows: pd.DataFrame) -> dict[str, int]:
    """Return how many answers stand in which relation to the key, in the order of how near they are."""
    counts = Counter(map(key_relation, rows.truth, rows.answer))
    order = ["the key itself", "a fifth above", "a fifth below", "relative", "parallel", "another"]
    return {name: counts[name] for name in order}


def key_relation(reference: str, estimate: str) -> str:
    """Return what an estimated key is to a reference, both as `KEY_NAMES` spells them.

    Examples
    --------
    >>> key_relation("C major", "G major"), key_relation("C major", "A minor"), key_relation("C minor", "C major")
    ('a fifth above', 'relative', 'parallel')
    """
    if reference not in KEY_NAMES or estimate not in KEY_NAMES:
        return "another"
    (tonic, mode), (other, other_mode) = (name.split() for name in (reference, estimate))
    up = (PITCH_CLASSES.index(other) - PITCH_CLASSES.index(tonic)) % 12
    if mode == other_mode:
        return {0: "the key itself", 7: "a fifth above", 5: "a fifth below"}.get(up, "another")
    # A minor key lies three semitones below its relative major.
    return {0: "parallel", 9 if mode == "major" else 3: "relative"}.get(up, "another")


def values_of(rows: pd.DataFrame) -> dict[str, tuple[Array, Array]]:
    """Return truth and answer of each dimension, by its name; of one dimension that is empty."""
    truth, answer = ([as_values(text) for text in rows[column]] for column in ("truth", "answer"))
    # A kind of somebody else's may answer in words of its own.
    if any(values.keys() != truth[0].keys() for values in answer):
        return {}
    return {
        name: (np.array([values[name] for values in truth]), np.array([values[name] for values in answer]))
        for name in truth[0]
    }


def as_values(text: str) -> dict[str, float]:
    """Return the values of a cell of ``predictions.csv``."""
    read = json.loads(text)
    return read if isinstance(read, dict) else {"": float(read)}


def values_text(text: str) -> str:
    """Return a cell of ``predictions.csv`` as it is read.

    Examples
    --------
    >>> values_text('{"energy": 0.8514000177383423, "brightness": -1}'), values_text("134.292")
    ('energy 0.8514, brightness −1', '134.3')
    """
    return ", ".join(f"{name} {digits(value)}".strip() for name, value in as_values(text).items())
