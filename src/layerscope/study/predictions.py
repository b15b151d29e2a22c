"""What a study says of each clip: where it was tested, what it is, and what a probe took it for."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.errors import DataError
from layerscope.probes.fitting import Job
from layerscope.scores.evaluation import Outcome
from layerscope.scores.score_table import Results
from layerscope.scores.verdict import decide
from layerscope.targets.kind import Labels

__all__ = ["predictions_of", "read_predictions", "recommended", "splits_of_clips"]


def splits_of_clips(clips: pd.DataFrame, task: str) -> pd.DataFrame:
    """Return where each clip stands: columns ``task``, ``clip``, ``split`` or ``fold``, and ``group`` where known."""
    columns = [column for column in ("clip", "split", "fold", "group") if column in clips]
    # Where both are given, the split is what is used.
    columns = [column for column in columns if column != "fold" or "split" not in columns]
    return clips[columns].assign(task=task)[["task", *columns]]


def predictions_of(
    job: Job, outcome: Outcome, labels: Labels, clips: pd.DataFrame, tested: NDArray[np.int64], task: str
) -> pd.DataFrame:
    """Return what a job says of each tested clip, the mean of its trainings.

    Returns
    -------
    DataFrame
        Columns ``task, model, input, layer, probe, clip, truth, answer, probability, score``: texts and numbers as
        they are written; the probability that the probe gives its answer, calibrated on validation clips; and the
        primary metric of the clip alone, where it has one. Of a target over time only the last. Of tags also
        ``probabilities``, of each as JSON. Of clips of files also ``path``, ``start`` and ``end``, to listen to them.
    """
    test, valid = (scores.mean(axis=0) for scores in (outcome.test, outcome.valid))
    known = ~np.isnan(valid.reshape(len(valid), -1)).any(axis=1)
    kind = labels.kind
    calibration = None if kind.over_time else kind.calibrate(valid[known], labels.values[known])
    rows: list[dict[str, Any]] = []
    for clip in tested:
        row: dict[str, Any] = {"clip": clips["clip"].iloc[clip]}
        if calibration is not None:
            row["truth"] = truth_text(labels, labels.values[clip])
            answer = kind.answer(test[clip], labels.names, calibration)
            row["answer"], row["probability"] = answer_text(answer)
            if "tags" in answer:
                # Ranking metrics ask for all, also of the tags that are not given.
                shares = {name: round(share, 6) for name, share in answer["probabilities"].items()}
                row["probabilities"] = json.dumps(shares, ensure_ascii=False)
        with np.errstate(invalid="ignore", divide="ignore"):
            row["score"] = float(labels.take(np.array([clip])).score(test[[clip]])[0])
        rows.append(row)
    named = {"task": task, "model": job.features.model, "input": job.chosen.name, "layer": job.chosen.layer,
             "probe": job.probe}  # fmt: skip
    table = pd.DataFrame(rows).assign(**named)
    columns = [
        *named,
        "clip",
        "truth",
        "answer",
        "probability",
        "score",
        *(["probabilities"] * ("probabilities" in table)),
        *(places := [column for column in ("path", "start", "end") if column in clips]),
    ]
    table[places] = clips[places].iloc[tested].reset_index(drop=True)
    return table.reindex(columns=columns).astype({"layer": "Int64"})


def truth_text(labels: Labels, value: Any) -> str:
    """Return the label of a clip as it is written in a table."""
    form = labels.kind.form
    if form == "classes":
        return labels.names[int(value)]
    if form == "tags":
        return "|".join(name for name, there in zip(labels.names, value, strict=True) if there)
    return values_text(dict(zip(labels.names, map(float, value), strict=True)))


def answer_text(answer: dict[str, Any]) -> tuple[str, float]:
    """Return the answer of a kind (see `Kind.answer`) as a table has it, and its probability if there is one."""
    if "label" in answer:
        return answer["label"], answer["probabilities"][answer["label"]]
    if "tags" in answer:
        return "|".join(answer["tags"]), math.nan
    # A kind of somebody else's may have words of its own.
    return values_text(answer["values"]) if "values" in answer else json.dumps(answer), math.nan


def values_text(values: dict[str, float]) -> str:
    """Return one value as a number, several by their names."""
    return f"{next(iter(values.values())):.6g}" if len(values) == 1 else json.dumps(values)


def recommended(results: Results, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of what each task's answer is about, and of its plain feature."""
    kept = []
    for task in results.tasks:
        answer = decide(results, task)
        wanted = [(answer.model, answer.probe)]
        wanted += [(answer.plain.name, answer.plain.probe)] if answer.plain else []
        rows = predictions[predictions.task == task]
        kept += [rows[(rows.model == model) & (rows.probe == probe)] for model, probe in wanted]
    return pd.concat(kept, ignore_index=True)


def read_predictions(directory: Path) -> pd.DataFrame | None:
    """Read ``predictions.csv`` of a run's directory; nothing where there is none, as of several runs together.

    Raises
    ------
    DataError
        If it is damaged.
    """
    path = directory / "predictions.csv"
    if not path.is_file():
        return None
    try:
        # As text: a class may be called 1 or NA.
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        numbers = {
            name: pd.to_numeric(table[name])
            for name in ("probability", "score", *(name for name in ("start", "end") if name in table))
        }
        return table.assign(**numbers, layer=pd.to_numeric(table.layer).astype("Int64"))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: not readable as predictions ({error}); run the study again") from error
