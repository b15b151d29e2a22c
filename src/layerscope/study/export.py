"""The answer out: the chosen layer and its probe as a directory that works without the run, and what that costs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from huggingface_hub import EvalResult, ModelCardData

from layerscope.atomic_files import (
    new_directory,
    read_json,
    refuse_closed,
    refuse_occupied,
    write_atomically,
    write_tensors,
    write_text,
)
from layerscope.data.splits import Part, parts_of
from layerscope.encoders import Encoder, load_encoder
from layerscope.encoders.device import find_device, wait_for
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.exported_encoder import cut_encoder, read_portable, write_portable
from layerscope.encoders.model_names import names_code, pinned, result_name
from layerscope.encoders.own_encoder import encode_batch
from layerscope.encoders.published_models import licence_of
from layerscope.errors import DataError, UsageError, unknown
from layerscope.features.clip_features import Features
from layerscope.features.pooling import POOLINGS
from layerscope.predictor.onnx_file import onnx_note, refuse_onnx, write_onnx
from layerscope.predictor.predict import MANIFEST, ONNX, PROBE, Manifest, digests
from layerscope.probes import Input, Prediction, assemble, inputs_of, seen_by
from layerscope.probes.fitting import (
    Job,
    Target,
    clip_part,
    job_digest,
    left_of,
    read_outcome,
    single_thread,
    train_part,
)
from layerscope.probes.inputs import set_named
from layerscope.report.cautions import cautions_about
from layerscope.report.sentences import headline
from layerscope.report.wording import input_name, metric_name, with_interval
from layerscope.scores.evaluation import Outcome
from layerscope.scores.layer_selection import choose_row
from layerscope.scores.score_table import BESIDE_PLAIN, CONTROL_INPUTS, SEARCHED, SINGLE_INPUTS, Results, is_set
from layerscope.scores.verdict import Verdict, decide
from layerscope.study.extraction import Stores, extract_all, keep_usable
from layerscope.study.options import Plan, make_plan
from layerscope.study.predictions import calibration_of
from layerscope.study.progress import Progress, Silent
from layerscope.study.run_task import divide, features_and_target
from layerscope.study.study_tasks import StudyTask, load_tasks
from layerscope.targets import Labels, kind_named

__all__ = ["Costs", "Exported", "export"]

#: Encodings that a time is the median of.
#: The median of three stands, although another program may have disturbed one.
TIMED = 3


@dataclass(frozen=True)
class Costs:
    """What an encoder costs.

    Attributes
    ----------
    seconds : float
        Of a window of noise, the median of three, after one that is not counted.
    megabytes : float
        Of its weights in memory.
    """

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes
    ----------
    directory : Path
        Where.
    what : str
        Input, model and probe, in words.
    score : str
        What the run measured of it.
    answer : str
        What the run says to use, and that this is none of it, where so.
    window : float
        Seconds that were encoded to measure the costs.
    whole, cut : Costs
        Of the model with all its blocks, and of what was exported.
    """

    directory: Path
    what: str
    score: str
    answer: str
    window: float
    whole: Costs
    cut: Costs


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
    progress: Progress | None = None,
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
    row, why = choose_exported(own, answer, model, probe, given)
    words = answer_beside(own, answer, row)
    others = [name for called, _ in POOLINGS.values() if called and (name := str(row.model)).endswith(called)]
    if plan.pooling != ["mean"] and others:
        raise UsageError(f"a predictor takes means over time, and not what {others[0]} is; export another (--model)")
    source, encoder = encoder_named(plan, str(row.model))
    if encoder.reads_files:
        raise UsageError(f"{encoder.name} holds states of files and encodes no new sound; export a model (--model)")
    if onnx:
        refuse_onnx(encoder, str(row.probe), over_time=kind_named(own.facts["kind"]).over_time, copied=weights)
    study_task, stores = task_of(plan, results, own.facts["task"], encoder, progress or Silent())
    labels = study_task.labels()
    features, target, clips = divide(study_task, labels, stores, plan)
    seen = seen_by(str(row.probe), features[0])
    assert seen is not None  # the run has this very row
    chosen = input_of(seen, row)
    job = Job(seen, chosen, str(row.probe))
    prediction, outcome = trained_again(job, target, plan, run)
    window = float(stores[0].description["window_seconds"])
    layers = used_layers(encoder, chosen)
    # Before `written_encoder` drops blocks of this very model.
    whole = costs_of(encoder, window)
    # Not on clips of training, of which a probe is surer than of new ones, and as the run did for its predictions.
    if target.tracks:  # of frames, whose scores no run keeps
        valid = target.parts[0].valid
        calibration = labels.kind.calibrate(prediction.scores[valid], target.labels.values[valid])
    else:
        calibration = calibration_of(outcome.valid[0], labels)
    score = score_of(row)
    if refit:
        score += (
            f"; that is of the probe trained on {len(clip_part(target, 0).train)} clips, this one of all {len(clips)}"
        )
        prediction = trained_on_all(job, prediction.settings, study_task, labels, stores, clips)
    if job.probe == "knn":
        windows = prediction.weights["states"]
        score += f"; the probe holds the states of its {len(windows)} training windows ({windows.nbytes / 1e6:.1f} MB)"
    if onnx and (note := onnx_note(encoder.precision)):
        score += f"; {note}"
    scores = {name: row[name] for name in ("metric", "value", "ci_low", "ci_high", "n")}
    with new_directory(out, "predictor") as place:
        told, cut = written_encoder(encoder, layers, place, source, copied=weights)
        if onnx:
            portable = read_portable(told, place)
            assert isinstance(portable, LayeredEncoder)
            write_onnx(place / ONNX, portable, chosen.name, prediction.weights, labels.names, window)
        write_tensors(
            place / PROBE, {name: np.ascontiguousarray(value) for name, value in prediction.weights.items()}, {}
        )
        write_text(
            place / "README.md", card(own, answer, row, why, words, source, told, whole, cut, score, refit=refit)
        )
        # Last, because it holds the digests of the other files.
        manifest = Manifest(
            task=study_task.name,
            target=study_task.target,
            title=own.facts["title"],
            kind=labels.kind.name,
            names=list(labels.names),
            window=window,
            # Of what is said over time the kind says so already.
            stitched=stores[0].keeps_frames and not labels.kind.over_time,
            input=chosen.name,
            layers=list(layers),
            probe=job.probe,
            calibration=[list(curve) for curve in calibration.curves],
            thresholds=list(calibration.thresholds),
            encoder=told,
            scores={**scores, "n": int(row.n), "split": "test"},
            files=digests(place),
            version=version("layerscope"),
            settings=prediction.settings,
            refit=refit,
            surest=calibration.surest,
        )
        write_atomically(place / MANIFEST, manifest.as_json())
    return Exported(out, f"{what_of(row)}, {row.probe} probe", score, words, window, whole, cut)


def what_of(row: pd.Series) -> str:
    """Return an input and its model in words."""
    return f"{input_name(row)} of {row.model}"


def score_of(row: pd.Series) -> str:
    """Return what the run measured, in words."""
    score = with_interval(row.metric, row.value, row.ci_low, row.ci_high)
    return f"{metric_name(row.metric)} {score} on {row.n} test clips"


def input_of(features: Features, row: pd.Series) -> Input:
    """Return the input that a row of the summary is about; ``last`` is the last layer by another name."""
    if is_set(row.input):
        return set_named(str(row.input))
    layer = None if pd.isna(row.layer) else int(row.layer)
    wanted = Input("layer" if row.input == "last" else str(row.input), layer)
    return next(one for one in inputs_of(features) if one == wanted)


def choose_exported(
    own: Results, answer: Verdict, model: str | None, probe: str | None, given: str | None
) -> tuple[pd.Series, str]:
    """Return the row of the summary that is to be exported, nearest to the answer, and how it was chosen."""
    rows = own.of(metric=own.facts["primary"])
    refuse_apart(given)
    rows = kept = rows[~rows.input.isin((*CONTROL_INPUTS, *BESIDE_PLAIN)) & ~rows.input.str.startswith(SEARCHED)]
    names = rows.input.where(rows.input != "layer", "layer " + rows.layer.astype(str))
    for what, said, column in (("model", model, rows.model), ("probe", probe, rows.probe), ("input", given, names)):
        if said is not None and said not in set(column):
            raise unknown(what, said, set(column))
        kept = kept if said is None else kept[column[kept.index] == said]
    if kept.empty:
        raise UsageError(f"the run has no {probe or 'probe'} on {given or 'an input'} of {model or 'any model'}")
    if answer.row in kept.index:
        return own.summary.loc[answer.row], answer.chosen
    if model is None:
        kept = first_of(kept[~kept.model.isin(own.models("untrained"))], kept)
    kept = first_of(kept[kept.index.isin(answer.candidate_rows)], kept[kept.input.isin(SINGLE_INPUTS)], kept)
    choice = choose_row(kept)
    assert choice is not None
    return choice.chosen, choice.why


def refuse_apart(given: str | None) -> None:
    """Raise for an input that no one predictor can be of: of two encoders, or of another set in each training."""
    if given is not None and given.startswith(SEARCHED):
        raise UsageError(
            f"'{given}' is another set of layers in each fold; run again with one of them (--layers-as 4+7; the page "
            "names them), and export that"
        )
    if given is not None and given.partition(" ")[0] in BESIDE_PLAIN:
        raise UsageError(
            f"'{given}' takes two encoders, and a predictor has one; export the layer ('layer 3') or the plain feature"
        )


def first_of(*tables: pd.DataFrame) -> pd.DataFrame:
    """Return the first table that has rows, else the last."""
    return next((table for table in tables if len(table)), tables[-1])


def answer_beside(own: Results, answer: Verdict, row: pd.Series) -> str:
    """Return an answer in words, and that a row is none of its candidates, where so."""
    words = headline(own, answer)
    if answer.verdict == "nothing" or row.name in answer.candidate_rows:
        return words
    return f"{words} This, {what_of(row)} with the {row.probe} probe, is none of the answer's candidates."


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
    passes = extract_all([encoder], tasks, progress, asked=plan)
    number = [one.name for one in tasks].index(task)
    return keep_usable(tasks, passes)[number], passes.stores[number]


def trained_again(job: Job, target: Target, plan: Plan, run: Path) -> tuple[Prediction, Outcome]:
    """Train the probe of the first seed (and fold) as the run did, and see that it says what it said there.

    Its outcome there is returned as well.
    """
    seeds = list(range(plan.seeds))
    # Its name is a digest of all that the training depended on.
    kept = run / "probes" / f"{job_digest(job, target, seeds)}.safetensors"
    if not kept.is_file():
        raise DataError(f"{run}: its data, labels or models have changed since; run the study again")
    outcome, states = read_outcome(kept), assemble(job.features, job.chosen)
    # As it was trained, on a GPU or not: rounding grows over many steps.
    device = None if outcome.device == "cpu" else find_device(plan.device)
    with single_thread():
        prediction = train_part(job, states, target, 0, seeds[:1], device=device)[0]
    rows = (target.tracks.clip_parts if target.tracks else target.parts)[0].test
    before, now = outcome.test[0][rows], left_of(target, 0, prediction.scores, "test")
    # On another machine sums come out in another order; a probe that is another one differs by far more.
    if not np.allclose(before, now, rtol=1e-2, atol=1e-2, equal_nan=True):
        raise DataError(
            f"{run}: the {job.probe} probe on {job.chosen} does not come out as it did; run the study again"
        )
    return prediction, outcome


def trained_on_all(
    job: Job,
    settings: Mapping[str, float],
    study_task: StudyTask,
    labels: Labels,
    stores: Stores,
    clips: pd.DataFrame,
) -> Prediction:
    """Train a job's probe on all clips of its task, with settings that were chosen before."""
    first = parts_of(clips)[0]
    # What validation chose is held, so that its clips, and those that judged, may train.
    part = Part(np.arange(len(clips)), first.valid, first.test)
    features, target = features_and_target(study_task, labels, stores, clips, [part])
    seen = seen_by(job.probe, features[0])
    assert seen is not None  # as in the run
    again = replace(job, features=seen)
    with single_thread():
        return train_part(again, assemble(again.features, again.chosen), target, 0, [0], settings)[0]


def used_layers(encoder: Encoder, chosen: Input) -> tuple[int, ...]:
    """Return the layers that an input is made of."""
    if chosen.layer is not None:
        return (chosen.layer,)
    if chosen.layers:
        return chosen.layers
    # MARBLE v1's mixture leaves layer 0 out.
    return encoder.layers[1:] if chosen.name == "weighted[1:]" else encoder.layers


def written_encoder(
    encoder: Encoder, layers: tuple[int, ...], out: Path, source: str, *, copied: bool
) -> tuple[dict[str, Any], Costs]:
    """Write the encoder cut after the last layer that is used, or a reference to it; return what tells of it."""
    precision = {} if encoder.precision == "float32" else {"precision": encoder.precision}
    if names_code(source):  # it is code: whoever uses the predictor says where it is
        told = {"name": encoder.name, "code": source, "fingerprint": encoder.fingerprint}
        return told | precision, costs_of(encoder, encoder.window)
    if copied or encoder.baseline:
        cut = cut_encoder(encoder, layers)
        return write_portable(cut, out) | precision, costs_of(cut, cut.window)
    select = ",".join(map(str, layers)) if isinstance(encoder, LayeredEncoder) else None
    reference = pinned(source)
    cut = load_encoder(reference, layers=select, precision=encoder.precision)
    referred = {"name": cut.name, "reference": reference, "select": select, "fingerprint": cut.fingerprint}
    return referred | precision, costs_of(cut, cut.window)


def costs_of(encoder: Encoder, window: float) -> Costs:
    """Measure an encoder on a window of noise."""
    noise = np.random.default_rng(0).normal(0, 0.1, (1, round(min(window, encoder.window) * encoder.sample_rate)))
    waveform = torch.from_numpy(noise.astype(np.float32))
    # The first call pays for what later ones find ready.
    encode_batch(encoder, waveform, "noise")
    times = []
    for _ in range(TIMED):
        started = time.perf_counter()
        wait_for(encode_batch(encoder, waveform, "noise")[0].device)
        times.append(time.perf_counter() - started)
    held = encoder.model.state_dict().values() if isinstance(encoder, LayeredEncoder) else ()
    return Costs(float(np.median(times)), sum(value.numel() * value.element_size() for value in held) / 1e6)


def card(
    own: Results,
    answer: Verdict,
    row: pd.Series,
    why: str,
    words: str,
    source: str,
    told: dict[str, Any],
    whole: Costs,
    cut: Costs,
    score: str,
    *,
    refit: bool,
) -> str:
    """Return a model card with the hub's metadata in front."""
    facts, licence = own.facts, licence_of(source)
    cautions = "".join(f"\n- {caution}" for caution in cautions_about(own, answer, row))
    result = EvalResult(
        task_type="audio-classification",
        dataset_type=str(row.dataset),
        dataset_name=str(facts["title"]),
        dataset_split="test",
        metric_type=str(row.metric),
        metric_name=metric_name(row.metric),
        metric_value=round(float(row.value), 4),
    )
    front = ModelCardData(model_name=f"{row.model}-{row.task}", library_name="layerscope", eval_results=[result])
    where = (
        f"an encoder of one's own, `{told['code']}`, which is to be named (`--encoder`)"
        if "code" in told
        else "a reference to the weights"
        if "reference" in told
        else "its weights, cut after the last layer that is used"
    )
    sizes = ", ".join(f"{name} {count}" for name, count in facts["splits"].items())
    trained = "all of them, with the settings of the training" if refit else "the training"
    trained += " of the first seed (of folds, the first) of the study"
    return f"""---
{front.to_yaml()}
---

# {facts["title"]}: {what_of(row)}

Answers `{row.target}` ({facts["kind"]}: {", ".join(facts["names"][:12])}{", …" if len(facts["names"]) > 12 else ""}).

- **Score** in the run that it comes from: {score}.
- **Answer** of that run: {words}
- **Chosen** by {why}.
- **Trained on** `{row.dataset}`: {facts["clips"]} clips ({sizes}): {trained}.
- **Encoder**: {where}. Licence of the weights: {licence}.
- **Cost**: weights of {cut.megabytes:.1f} MB in place of {whole.megabytes:.1f} MB for the whole model.{cautions}

```sh
layerscope predict . songs/
```

```python
import layerscope as ls

predictor = ls.load_predictor(".")
predictor(waveform, sample_rate)
```
"""
