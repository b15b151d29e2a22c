"""What an answer gets wrong: classes taken for one another, and the clips to listen to first."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from layerscope.scores.verdict import Verdict

__all__ = ["Mistakes", "mistakes_of"]

#: Classes of a matrix that is still read.
MOST_CLASSES = 24
#: Clips that are listed.
MOST_CLIPS = 10


@dataclass(frozen=True)
class Mistakes:
    """What is shown of one task.

    Attributes
    ----------
    confusion : DataFrame or None
        Tested clips by class (rows) and answer (columns), of classes that are few enough.
    clips : DataFrame
        Columns ``clip, truth, answer, probability, score``: the clips that score lowest, of equals those that the probe
        is surest of.
    """

    confusion: pd.DataFrame | None
    clips: pd.DataFrame


def mistakes_of(predictions: pd.DataFrame, answer: Verdict) -> Mistakes | None:
    """Return what the input that an answer is about gets wrong; nothing where that is not known.

    Parameters
    ----------
    predictions : DataFrame
        See `layerscope.study.predictions`.
    answer : Verdict
        Of a task.
    """
    rows = predictions[
        (predictions.task == answer.task) & (predictions.model == answer.model) & (predictions.probe == answer.probe)
    ]
    if rows.empty:
        return None
    # Values have no score of a clip alone, and nothing is the worst.
    wrong = rows[rows.score < 1].sort_values(["score", "probability"], ascending=[True, False], kind="stable")
    columns = ["clip", "truth", "answer", "probability", "score"]
    return Mistakes(confusion_of(rows), wrong[columns].head(MOST_CLIPS))


def confusion_of(rows: pd.DataFrame) -> pd.DataFrame | None:
    """Return how often each class was taken for each, or nothing where answers are no classes."""
    # Only an answer that is one of several names has a probability.
    if rows.probability.isna().any():
        return None
    names = sorted({*rows.truth, *rows.answer})
    if len(names) > MOST_CLASSES:
        return None
    return pd.crosstab(rows.truth, rows.answer).reindex(index=names, columns=names, fill_value=0)
