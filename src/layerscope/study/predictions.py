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
from layerscope.scores.score_table import Results
from layerscope.scores.verdict import decide
from layerscope.study.job_scores import Finished, Study
from layerscope.targets.calibration import Calibration
from layerscope.targets.kind import Labels
from layerscope.targets.over_time import KindOverTime

__all__ = ["predictions_of", "read_predictions", "read_splits", "recommended", "splits_of_clips"]


def splits_of_clips(clips: pd.DataFrame, task: str) -> pd.DataFrame:
    """Return where each clip stands: columns ``task``, ``clip``, ``split`` or ``fold``, and ``group`` where known."""
    columns = [column for column in ("clip", "split", "fold", "group") if column in clips]
    # Where both are given, the split is what is used.
    columns = [column for column in columns if column != "fold" or "split" not in columns]
    return clips[columns].assign(task=task)[["task", *columns]]


def read_splits(directory: Path) -> pd.DataFrame | None:
    """Read ``splits.csv`` of a run's directory, as text; nothing where there is none."""
    path = directory / "splits.csv"
    return pd.read_csv(path, dtype=str, keep_default_na=False) if path.is_file() else None


def predictions_of(study: Study, finished: Finished) -> pd.DataFrame:
    """Return what a job says of each tested clip, the mean of its trainings.

    Returns
    -------
    DataFrame
        Columns ``task, model, input, layer, probe, clip, group, fold, truth, answer, probability, score``: the number
        of what is resampled as a whole, and of the training that tests the clip; texts and numbers as they are written;
        the probability that the probe gives its answer, calibrated on validation clips; and the primary metric of the
        clip alone, where it has one. Over time truth and answer are JSON, of the first training, and of the tracks that
        score lowest alone. Of tags also ``probabilities``, of each as JSON. Of clips of files also ``path``, ``start``
        and ``end``, to listen to them.
    """
    job, outcome, clips, tested = finished.job, finished.outcome, study.clips, study.splits["test"]
    # Over time as far as tracks are heard.
    labels = study.target.tracks.labels if study.target.tracks else study.labels
    kind = labels.kind
    test, valid = (scores.mean(axis=0) for scores in (outcome.test, outcome.valid))
    calibration = calibration_of(valid, labels)
    rows: list[dict[str, Any]] = []
    for clip, unit in zip(tested.rows, tested.units, strict=True):
        place = {"clip": clips["clip"].iloc[clip], "group": tested.groups[unit], "fold": tested.folds[unit]}
        if isinstance(kind, KindOverTime):
            answer = answer_of_track(kind, labels.values[clip], outcome.answers.get(int(clip)))
        else:
            answer = answer_of_clip(labels, labels.values[clip], test[clip], calibration)
        with np.errstate(invalid="ignore", divide="ignore"):
            score = float(labels.take(np.array([clip])).score(test[[clip]])[0])
        rows.append({**place, **answer, "score": score})
    named = {"task": study.task.name, "model": job.features.model, "input": job.chosen.name, "layer": job.chosen.layer,
             "probe": job.probe}  # fmt: skip
    table = pd.DataFrame(rows).assign(**named)
    places = [column for column in ("path", "start", "end") if column in clips]
    columns = [*named, "clip", "group", "fold", "truth", "answer", "probability", "score"]
    columns += [*(["probabilities"] if "probabilities" in table else []), *places]
    table[places] = clips[places].iloc[tested.rows].reset_index(drop=True)
    return table.reindex(columns=columns).astype({"layer": "Int64"})


def calibration_of(valid: NDArray[np.float32], labels: Labels) -> Calibration:
    """Return what makes scores probabilities, by the clips that validate them: NaN, (clip, output), for all others."""
    if labels.kind.over_time:
        return Calibration()
    known = ~np.isnan(valid.reshape(len(valid), -1)).any(axis=1)
    return labels.kind.calibrate(valid[known], labels.values[known])


def answer_of_clip(labels: Labels, value: Any, scores: NDArray[np.float32], calibration: Calibration) -> dict[str, Any]:
    """Return the label of a clip and what its scores, (output,), say, as a table has them."""
    answer = labels.kind.answer(scores, labels.names, calibration)
    text, probability = answer_text(answer)
    row = {"truth": truth_text(labels, value), "answer": text, "probability": probability}
    if "tags" in answer:
        # Ranking metrics ask for all, also of the tags that are not given.
        shares = {name: round(share, 6) for name, share in answer["probabilities"].items()}
        row["probabilities"] = json.dumps(shares, ensure_ascii=False)
    return row


def answer_of_track(kind: KindOverTime, track: Any, kept: dict[str, Any] | None) -> dict[str, Any]:
    """Return the annotation of a track and what is said of it, as JSON; nothing where that was not kept."""
    if kept is None:
        return {"truth": "", "answer": ""}
    return {"truth": as_json(kind.as_answer(track)), "answer": as_json(kept)}


def as_json(answer: dict[str, Any]) -> str:
    """Return an answer in few characters."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


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
        wanted = [(answer.model, answer.probe, answer.input)]
        wanted += [(answer.plain.name, answer.plain.probe, answer.plain.input)] if answer.plain else []
        rows = predictions[predictions.task == task]
        kept += [
            rows[(rows.model == model) & (rows.probe == probe) & (rows.input == name)] for model, probe, name in wanted
        ]
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
            for name in ("group", "fold", "probability", "score", *(name for name in ("start", "end") if name in table))
        }
        return table.assign(**numbers, layer=pd.to_numeric(table.layer).astype("Int64"))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: not readable as predictions ({error}); run the study again") from error
