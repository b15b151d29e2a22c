"""The answer out: the chosen layer and its probe as a directory that works without the run, and what that costs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from layerscope.atomic_files import (
    new_directory,
    read_json,
    refuse_closed,
    refuse_occupied,
    write_atomically,
    write_tensors,
    write_text,
)
from layerscope.encoders import Encoder
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.exported_encoder import read_portable
from layerscope.encoders.model_names import names_code, result_name
from layerscope.errors import UsageError
from layerscope.features.pooling import POOLINGS
from layerscope.predictor.manifest import MANIFEST, ONNX, PROBE, Manifest, digests
from layerscope.predictor.onnx_file import onnx_note, refuse_onnx, write_onnx
from layerscope.probes import Input, Prediction
from layerscope.report.headline import headline
from layerscope.scores.score_table import Results
from layerscope.scores.verdict import decide
from layerscope.study.extraction import Stores, extract_all, keep_usable
from layerscope.study.options import Plan, make_plan
from layerscope.study.progress import SILENT, Progress
from layerscope.study.retraining import Retrained, retrain
from layerscope.study.row_to_export import RowToExport, row_to_export
from layerscope.study.study_tasks import StudyTask, load_tasks
from layerscope.study.workplace import Workplace
from layerscope.study.written_encoder import WrittenEncoder, write_encoder
from layerscope.targets import kind_named

__all__ = ["Exported", "export"]


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes
    ----------
    directory : Path
        Where.
    chosen : RowToExport
        Of which input, model and probe.
    score : str
        What the run measured of it, and what is to be known of that.
    window : float
        Seconds that were encoded to measure the costs.
    encoder : WrittenEncoder
        What was written of the model, and what that costs.
    """

    directory: Path
    chosen: RowToExport
    score: str
    window: float
    encoder: WrittenEncoder


def export(
    run: Path,
    out: Path,
    *,
    task: str | None = None,
    model: str | None = None,
    probe: str | None = None,
    given: str | None = None,
    weights: bool = True,
    refit: bool = False,
    insist: bool = False,
    onnx: bool = False,
    progress: Progress = SILENT,
) -> Exported:
    """Write a run's answer as a predictor: encoder, probe, names, thresholds, and a card that says what it is.

    Parameters
    ----------
    run : Path
        The directory of a finished run, whose audio and cached features are still there.
    out : Path
        A new directory.
    task : str, optional
        Which of its tasks; needed where there are several.
    model, probe, given : str, optional
        The model, the probe and its input ("layer 3", "weighted", "concat", "moments", …). Of all that have what is
        said, the answer's input is taken, else what validation prefers of the answer's candidates, else of single
        layers and plain features. Inputs of several layers are taken only where `given` says so, and random weights
        beside other models only where `model` does.
    weights : bool
        Whether the encoder's weights are copied; otherwise the predictor refers to where they came from.
    refit : bool
        Whether the probe is trained once more on all clips, with the settings that the run chose for it. The score
        stays that of the run's probe, which was trained on less, and so do the curves of its probabilities.
    insist : bool
        Export although the run's answer is that no input beats the controls.
    onnx : bool
        Whether encoder and probe are written as one ``model.onnx`` too (see `layerscope.predictor.onnx_file`).
    progress : Progress, optional
        Where progress is shown.

    Raises
    ------
    UsageError
        For a task, model, probe or input that the run does not have, one whose answer is nothing, or one that cannot be
        an ONNX file.
    DataError
        If there is no finished run, or features or labels are no longer those of it.
    """
    # Before the work; again by `new_directory`, for what has come there meanwhile.
    refuse_occupied(out, "predictor")
    refuse_closed(Path(os.path.realpath(out)).parent)
    # First, as it says in words what is no finished run.
    results = Results.read(run)
    plan = make_plan(read_json(run / "study.json", UsageError), str(run / "study.json"))
    own = results.only(results.sole_task(task))
    answer = decide(own, own.facts["task"])
    if answer.verdict == "nothing" and not insist:
        raise UsageError(f"{run}: {headline(own, answer)} Insist with --insist")
    chosen = row_to_export(own, answer, model, probe, given)
    source, encoder = encoder_of_row(plan, chosen.row)
    if onnx:
        over_time = kind_named(own.facts["kind"]).over_time
        refuse_onnx(encoder, str(chosen.row.probe), over_time=over_time, copied=weights)
    study_task, stores = task_of(plan, results, own.facts["task"], encoder, progress)
    trained = retrain(study_task, stores, chosen.row, plan, run)
    prediction = trained.on_all_clips() if refit else trained.prediction
    score = chosen.score + "".join(
        f"; {note}" for note in notes_on(trained, prediction, encoder, refit=refit, onnx=onnx)
    )
    window = float(stores[0].description["window_seconds"])
    with new_directory(out, "predictor") as place:
        layers = used_layers(encoder, trained.job.chosen)
        written = write_encoder(encoder, layers, window, place, source, copied=weights)
        if onnx:
            portable = read_portable(written.told, place)
            assert isinstance(portable, LayeredEncoder)
            write_onnx(
                place / ONNX, portable, trained.job.chosen.name, prediction.weights, trained.study.labels.names, window
            )
        contiguous = {name: np.ascontiguousarray(value) for name, value in prediction.weights.items()}
        write_tensors(place / PROBE, contiguous, {})
        write_text(place / "README.md", chosen.card(written, score, refit=refit))
        # Last, because it holds the digests of the other files.
        manifest = manifest_of(chosen, trained, prediction, written, layers, place, refit=refit)
        write_atomically(place / MANIFEST, manifest.as_json())
    return Exported(out, chosen, score, window, written)


def encoder_of_row(plan: Plan, row: pd.Series) -> tuple[str, Encoder]:
    """Return how the study calls the encoder of a row, and the encoder, or raise where a predictor cannot be of it."""
    others = [name for called, _ in POOLINGS.values() if called and (name := str(row.model)).endswith(called)]
    if plan.pooling != ["mean"] and others:
        raise UsageError(f"a predictor takes means over time, and not what {others[0]} is; export another (--model)")
    source, encoder = encoder_named(plan, str(row.model))
    if encoder.reads_files:
        raise UsageError(f"{encoder.name} holds states of files and encodes no new sound; export a model (--model)")
    return source, encoder


def notes_on(trained: Retrained, prediction: Prediction, encoder: Encoder, *, refit: bool, onnx: bool) -> Iterator[str]:
    """Yield what is to be known of a score: what the probe that is exported has more than the one that was scored."""
    if refit:
        count, every = len(trained.study.target.clip_parts[0].train), len(trained.study.clips)
        yield f"that is of the probe trained on {count} clips, this one of all {every}"
    if trained.job.probe == "knn":
        windows = prediction.weights["states"]
        yield f"the probe holds the states of its {len(windows)} training windows ({windows.nbytes / 1e6:.1f} MB)"
    if onnx and (note := onnx_note(encoder.precision)):
        yield note


def manifest_of(
    chosen: RowToExport,
    trained: Retrained,
    prediction: Prediction,
    encoder: WrittenEncoder,
    layers: tuple[int, ...],
    place: Path,
    *,
    refit: bool,
) -> Manifest:
    """Return what a predictor's directory says of itself."""
    row, kind, store = chosen.row, trained.study.labels.kind, trained.stores[0]
    scores = {name: row[name] for name in ("metric", "value", "ci_low", "ci_high")}
    calibration = trained.calibration
    return Manifest(
        task=trained.study.task.name,
        target=trained.study.task.target,
        title=chosen.results.facts["title"],
        kind=kind.name,
        names=list(trained.study.labels.names),
        window=float(store.description["window_seconds"]),
        # Of what is said over time the kind says so already.
        stitched=store.keeps_frames and not kind.over_time,
        input=trained.job.chosen.name,
        layers=list(layers),
        probe=trained.job.probe,
        calibration=[list(curve) for curve in calibration.curves],
        thresholds=list(calibration.thresholds),
        encoder=encoder.told,
        scores={**scores, "n": int(row.n), "split": "test"},
        files=digests(place),
        version=version("layerscope"),
        settings=prediction.settings,
        refit=refit,
        surest=calibration.surest,
    )


def encoder_named(plan: Plan, name: str) -> tuple[str, Encoder]:
    """Return how the study calls an encoder that its results call by a shorter name, and the encoder.

    An encoder of one's own says its name only when it is loaded; such are looked at last.
    """
    sources = sorted([*plan.baseline, *plan.model], key=lambda source: result_name(source) != name)
    for source in sources:
        if result_name(source) == name or names_code(source) or Path(source).is_dir():
            encoder = plan.load(source, layers=None if source in plan.baseline else plan.layers)
            if encoder.name == name:
                return source, encoder
    raise UsageError(f"no model of the study is called '{name}'; it has {', '.join(sources)}")


def task_of(plan: Plan, results: Results, task: str, encoder: Encoder, progress: Progress) -> tuple[StudyTask, Stores]:
    """Return a task with the clips that the run used, and what the pass left of them in the cache."""
    tasks = load_tasks(plan, progress)
    for one in tasks:
        # A run of several tasks writes the task before each clip that it left out.
        prefix = f"{one.name}: " if len(tasks) > 1 else ""
        names = set(one.dataset.clips["clip"])
        lost = {clip: why for clip, why in results.skipped.items() if clip.removeprefix(prefix) in names}
        if lost:
            one.dataset = one.dataset.without({clip.removeprefix(prefix): why for clip, why in lost.items()})
    passes = extract_all([encoder], tasks, plan, Workplace(progress))
    number = [one.name for one in tasks].index(task)
    return keep_usable(tasks, passes)[number], passes.stores[number]


def used_layers(encoder: Encoder, chosen: Input) -> tuple[int, ...]:
    """Return the layers that an input is made of."""
    if chosen.layer is not None:
        return (chosen.layer,)
    if chosen.layers:
        return chosen.layers
    # MARBLE v1's mixture leaves layer 0 out.
    return encoder.layers[1:] if chosen.name == "weighted[1:]" else encoder.layers
