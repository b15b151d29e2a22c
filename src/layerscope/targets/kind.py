"""The contract of a kind of target, and the labels that it reads from the cells of a column.

A kind is one object that answers every question about its targets: what cells look like, what a probe is to answer,
how that is scored, what chance gives, and how an answer is written. Everything else asks it, and switches on nothing.

Conventions
-----------
Scores are what a probe says of every clip, (clip, output): one output a class, tag or dimension. Weights are
(resample, clip): how often a clip counts in a resample of a bootstrap, so that intervals and point values come from one
definition. Of kinds over time (`layerscope.targets.over_time`) a probe scores frames, and a score is of tracks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from layerscope.errors import DataError, unknown
from layerscope.targets.calibration import Calibration
from layerscope.targets.cells import Column
from layerscope.targets.metric import Metric

__all__ = ["Form", "Kind", "Labels", "Observation", "defined_mean", "row_of"]

Array = NDArray[np.float64]
#: What a probe answers: one of several outputs, any of them, or numbers. It decides the probe's loss.
Form = Literal["classes", "tags", "values"]
#: Time and duration in seconds, value, and confidence, of one observation in a JAMS annotation.
Observation = tuple[float, float, Any, Any]


@dataclass(frozen=True)
class Labels:
    """The target of every clip, or of every frame that is used.

    Attributes
    ----------
    kind : Kind
        What they are, and what can be done with them.
    names : tuple of str
        The classes, tags or dimensions: one an output of a probe.
    values : ndarray
        Classes: (clip,) int64, an index into `names`; tags: (clip, tag) float32 of 0 and 1; values: (clip, dimension)
        float32; of kinds over time (clip,) objects, the annotation of each track.
    chosen_by : str
        The metric by which validation chooses; the first of the kind where it is empty.
    """

    kind: Kind
    names: tuple[str, ...]
    values: NDArray[Any]
    chosen_by: str = ""

    def by(self, metric: str | None) -> Labels:
        """Return labels of which validation chooses by a metric; the first of the kind where none is named.

        Raises
        ------
        UsageError
            If the kind has no such metric.

        Examples
        --------
        >>> from layerscope.targets import labels_of
        >>> labels_of(["jazz", "rock", "rock"]).by("macro_f1").metrics()
        ['macro_f1', 'accuracy']
        """
        if metric is not None and metric not in self.metrics():
            raise unknown(f"metric of {self.kind.name}", metric, self.metrics())
        return replace(self, chosen_by=metric or "")

    def take(self, rows: NDArray[np.int64]) -> Labels:
        """Return the labels of some rows, with all the names."""
        return replace(self, values=self.values[rows])

    def metrics(self) -> list[str]:
        """Return the names of the metrics, the primary one first: that by which validation chooses."""
        names = [metric.name for metric in self.kind.metrics_of(self.names)]
        return sorted(names, key=lambda name: name != self.chosen_by)

    def metric(self, name: str) -> Metric:
        """Return the metric of a name in `metrics`."""
        return next(metric for metric in self.kind.metrics_of(self.names) if metric.name == name)

    def score(self, scores: NDArray[Any], metric: str | None = None, weights: Array | None = None) -> Array:
        """Return a metric for every weighting of the clips.

        Parameters
        ----------
        scores : ndarray, shape (clip, output)
            Of classes or tags on any monotone scale, or predicted values; of a kind over time, value and weight of
            each metric, (clip, metric, 2).
        metric : str, optional
            One of `metrics`; the primary one by default.
        weights : ndarray, shape (resample, clip), optional
            How often each clip counts; once by default.

        Returns
        -------
        ndarray, shape (resample,)
            NaN where a resample leaves the metric undefined.

        Examples
        --------
        >>> from layerscope.targets import labels_of
        >>> labels_of(["jazz", "rock", "rock"]).score(np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.5]]))
        array([0.66666667])
        """
        weights = np.ones((1, len(scores))) if weights is None else weights
        return self.kind.score(self.place(metric or self.metrics()[0]), np.asarray(scores, np.float64), self, weights)

    def counted(self, scores: NDArray[Any], metric: str) -> Array:
        """Return how much each clip counts in a metric, (clip,), given its scores; see `score`."""
        return self.kind.counted(self.place(metric), np.asarray(scores, np.float64))

    def place(self, metric: str) -> int:
        """Return the place of a metric among those of the kind."""
        return [each.name for each in self.kind.metrics_of(self.names)].index(metric)


class Kind:
    """A kind of target; a new one is a subclass, and an instance of it in the table of kinds.

    Attributes
    ----------
    name : str
        On the command line and in files.
    noun : str
        What its names are, on the page: "classes", "chords over time".
    form : {"classes", "tags", "values"}
        What a probe answers.
    metrics : tuple of Metric
        The first is maximised on validation, unless another is asked for: the one that MARBLE reports first.
    over_time : bool
        Whether it is said of a track over time, so that frames are needed.
    column_words : tuple of str
        What columns of it are called, in the singular: cells of another kind in such a column are asked about.
    written : str
        What a cell of a kind with such words looks like, for messages.
    chance : float, optional
        What the first metric gives a constant answer; None where that depends on the labels.
    """

    name: str
    noun: str
    form: Form
    metrics: tuple[Metric, ...]
    over_time: bool = False
    column_words: tuple[str, ...] = ()
    written: str = "otherwise"
    chance: float | None = None

    def __repr__(self) -> str:
        return self.name

    def recognises(self, column: Column) -> bool:
        """Return whether cells are of this kind, where nobody says so: by default never.

        One odd cell among many decides nothing: ask whether `most` of the cells are of the kind.
        """
        return False

    def doubt(self, column: Column) -> str:
        """Return why cells that it recognises are to be of it only where somebody says so, or an empty text."""
        return ""

    def missed(self, column: Column) -> str:
        """Return why cells that it does not recognise look meant to be of it all the same, or an empty text.

        What is then refused would be taken for another kind in silence.
        """
        return ""

    def read(self, column: Column) -> Labels:
        """Read the labels of a column; raise a `DataError` that names what is wrong with a cell."""
        raise NotImplementedError

    def faults(self, column: Column) -> dict[int, str]:
        """Return why cells cannot be read, by their rows: by default what `read` says of each alone."""
        try:
            self.read(column)
        except DataError:
            reasons = {row: self.fault(column.take([row])) for row in range(len(column.cells))}
            return {row: reason for row, reason in reasons.items() if reason}
        return {}

    def fault(self, column: Column) -> str:
        """Return why a column of one cell cannot be read, or an empty text."""
        try:
            self.read(column)
        except DataError as error:
            return str(error)
        return ""

    def remark(self, column: Column) -> str:
        """Return what a reader must know of how the cells are read, or an empty text."""
        return ""

    def metrics_of(self, names: Sequence[str]) -> tuple[Metric, ...]:
        """Return the metrics of a target with such names."""
        return self.metrics

    def score(self, number: int, scores: Array, labels: Labels, weights: Array) -> Array:
        """Return a metric, by its number, for every weighting of the clips; see `Labels.score`."""
        result: Array = self.metrics_of(labels.names)[number].measure(scores, labels.values, weights)
        return result

    def counted(self, number: int, scores: Array) -> Array:
        """Return how much each clip counts in a metric, by its number; by default one as much as another."""
        return np.ones(len(scores))

    def strata(self, labels: Labels) -> NDArray[np.int64]:
        """Return a whole number for each clip, which a split that is made keeps even; by default none does."""
        return np.zeros(len(labels.values), np.int64)

    def unlearnable(self, train: Labels) -> str:
        """Return why nothing can be learnt of the training clips' labels, or an empty text."""
        return ""

    def unscorable(self, labels: Labels, split: str) -> str:
        """Return why nothing can be scored on the labels of a split, or an empty text."""
        return ""

    def absent(self, labels: Labels) -> list[str]:
        """Return the names for which no metric is defined, and which are left out."""
        return []

    def constant(self, train: Labels) -> NDArray[Any]:
        """Return the scores, (output,), of a probe that ignores its input: what the training labels alone say."""
        raise NotImplementedError

    def curves(self, scores: NDArray[np.float32], values: NDArray[Any]) -> Calibration:
        """Return what makes probabilities of scores, by those of the validation clips or frames."""
        return Calibration()

    def calibrate(self, scores: NDArray[np.float32], values: NDArray[Any]) -> Calibration:
        """Return what a predictor needs to make answers of scores, by those of the validation clips or frames."""
        return self.curves(scores, values)

    def answer(self, scores: NDArray[np.float32], names: Sequence[str], calibration: Calibration) -> dict[str, Any]:
        """Return what the scores of a clip, (output,), say: plain lists, numbers and texts."""
        raise NotImplementedError

    def changed(self, labels: Labels, column: str, semitones: float, tempo: float) -> Labels:
        """Return what labels become where sound is so many semitones higher and so many times as fast.

        By default they stay where neither changes, and nothing is known of them otherwise.

        Parameters
        ----------
        labels : Labels
            Of this kind.
        column : str
            What they are called in their table.
        semitones, tempo : float
            0 and 1 where nothing changes.

        Raises
        ------
        DataError
            If that is not known.
        """
        if semitones or tempo != 1:
            raise DataError(f"what becomes of {self.noun} in '{column}' then is not known")
        return labels

    def rows(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return an answer as the rows of a table."""
        raise NotImplementedError

    def observations(self, answer: dict[str, Any], seconds: float) -> tuple[str, list[Observation]]:
        """Return the JAMS namespace of an answer about a file of so many seconds, and its observations."""
        raise NotImplementedError

    def words(self, names: Sequence[str]) -> str:
        """Return what a probe has to say, on the page."""
        return f"{len(names)} {self.noun}"


#: What a table of answers says of each file, whatever its kind.
FILE_COLUMNS = ("path", "error")


def row_of(answer: Mapping[str, Any], numbers: Mapping[str, float], sign: str) -> dict[str, Any]:
    """Return a row of an answer and a column for each name; a name that the table itself uses gets a sign.

    Examples
    --------
    >>> row_of({"label": "error"}, {"error": 0.9, "music": 0.1}, "p")
    {'label': 'error', 'p(error)': 0.9, 'music': 0.1}
    """
    reserved, columns = {*FILE_COLUMNS, *answer}, dict(answer)
    for name, number in numbers.items():
        column = name
        # Another name may be spelt as one with its sign.
        while column in reserved or (column != name and column in numbers):
            column = f"{sign}({column})"
        columns[column] = number
    return columns


def defined_mean(values: Array) -> Array:
    """Average along the last axis over what is defined; NaN where nothing is.

    Examples
    --------
    >>> defined_mean(np.array([[1.0, np.nan, 2.0], [np.nan, np.nan, np.nan]]))
    array([1.5, nan])
    """
    defined = ~np.isnan(values)
    count = defined.sum(axis=1)
    with np.errstate(invalid="ignore"):
        # Divided by NaN instead of 0, so that a row with nothing defined is NaN.
        return np.where(defined, values, 0.0).sum(axis=1) / np.where(count, count, np.nan)
