"""The study as a call in Python: encoders on a dataset, or features that someone has already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from layerscope.data.dataset import Dataset
from layerscope.data.leaks import disputed_sounds
from layerscope.data.splits import divided
from layerscope.encoders import Encoder, verify
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.own_encoder import author_answers, is_own
from layerscope.errors import UsageError, checks_arguments
from layerscope.features.clip_features import Features, refuse_different
from layerscope.probes.fitting import Target
from layerscope.probes.inputs import SEARCH, refuse_sets
from layerscope.study.extraction import extract_all, keep_usable
from layerscope.study.further_inputs import studied_models
from layerscope.study.job_scores import Study
from layerscope.study.option_base import Computing, checked
from layerscope.study.option_values import located, refuse_same_names
from layerscope.study.options import Call, Probing
from layerscope.study.run import probe_tasks, results_of
from layerscope.study.run_task import cross_validated, probe_features
from layerscope.study.study_results import Results
from layerscope.study.study_tasks import StudyTask, refuse_leaks, refuse_probes, tasks_of

__all__ = ["probe"]


@checks_arguments
def probe(
    subject: str | Encoder | Features | Sequence[str | Encoder | Features],
    dataset: str | Path | Dataset | pd.DataFrame | None = None,
    *,
    target: str | Sequence[str] = "label",
    kind: str | None = None,
    metric: str | None = None,
    probes: str | Sequence[str] = ("mlp", "linear", "closed"),
    layers_as: str | Sequence[str] = (),
    beyond_plain: bool = False,
    pooling: str | Sequence[str] = "mean",
    seeds: int = 5,
    folds: int | None = None,
    split_seed: int = 0,
    window: float | None = None,
    few_labels: str | None = None,
    allow_leaks: bool = False,
    keep_predictions: bool = False,
    memory: float | None = None,
    device: str = "auto",
    precision: str = "float32",
    batch_seconds: float | None = None,
) -> Results:
    """Probe every layer of encoders on a dataset, or features that someone has already.

    Parameters
    ----------
    subject : str, Encoder, Features, or several
        What is probed; a text is a model or a plain feature by its name, as `layerscope.load_encoder` takes it.
    dataset : Dataset, str, Path or DataFrame, optional
        The clips, the folder or table to load them from, or a table in memory (`Dataset.from_dataframe`); features
        bring their own labels.
    target : str or sequence of str
        The column to predict, or several with commas as one target; each of a sequence is a task of its own.
    kind : str, optional
        What the target is (``layerscope ls metrics``), where it should not be worked out.
    metric : str, optional
        By which validation chooses; the first of the kind by default.
    probes : str or sequence of str
        Which probes, with commas or one by one.
    layers_as : str or sequence of str
        Sets of layers beside single ones: ``"4+7"`` and ``"5-12"`` by mean and side by side, ``"mean"`` of all, and
        ``"search"`` for sets of up to four.
    beyond_plain : bool
        What each layer adds to the best plain feature, and what it lacks of it.
    pooling : str or sequence of str
        How models are summarised over time, each a model of its own in the tables: ``mean``, ``moments`` (mean and
        deviation), ``max``.
    seeds : int
        How many trainings of each probe that has randomness.
    folds : int, optional
        To make, where the data bring neither splits nor folds.
    split_seed : int
        Of the split that is made, and of the resamples.
    window : float, optional
        Longest window in seconds; the encoder's own by default.
    few_labels : str, optional
        Score every layer after few labels too, with this probe, ``closed`` (quick) or ``linear``.
    allow_leaks : bool
        Go on although a group or the same audio lies on both sides of a split.
    keep_predictions : bool
        Keep in ``results.predictions`` what every probe says of every input, not the answer's and the plain feature's
        alone.
    memory : float, optional
        Gigabytes that the states of all probes may take, what takes more being read by blocks; a half of what the
        machine has by default.
    device, precision, batch_seconds : str, str, float, optional
        Where and how models that are given by their names compute: see `layerscope.load_encoder`.

    Returns
    -------
    Results

    Raises
    ------
    UsageError
        For an unknown probe, metric or target, or encoders without a dataset.
    DataError
        For data that cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from layerscope import Features
    >>> states = np.random.default_rng(0).normal(size=(100, 3, 4))  # 100 clips, 3 layers, 4 dimensions
    >>> states[:, 1, 0] += 3.0 * (np.arange(100) % 2)  # the second layer knows
    >>> features = Features.from_arrays(states, ["minor", "major"] * 50)
    >>> probe(features, probes=["closed"]).best_layers().layer.tolist()
    [1]
    """
    given = {"target": target, "kind": kind, "metric": metric, "probe": probes, "layers_as": layers_as,
             "beyond_plain": beyond_plain, "pooling": pooling, "seeds": seeds, "folds": folds,
             "split_seed": split_seed, "window": window, "few_labels": few_labels,
             "allow_leaks": allow_leaks, "keep_predictions": keep_predictions, "memory": memory,
             "device": device, "precision": precision, "batch_seconds": batch_seconds}  # fmt: skip
    asked = checked(Call, given, "probe()")
    subjects = subjects_of(subject, (str, Encoder, Features), "probe() takes names, encoders or features")
    # A pattern or folder of checkpoints is all of them, as on the command line.
    subjects = [each for one in subjects for each in (located([one], Path()) if isinstance(one, str) else [one])]
    features = [one for one in subjects if isinstance(one, Features)]
    refuse_how(asked, subjects, ", and features are computed already")
    encoders = [encoder_of(one, asked) for one in subjects if not isinstance(one, Features)]
    refuse_same_names([encoder.name for encoder in encoders])
    models = [(encoder.name, encoder.layers) for encoder in encoders if not encoder.baseline]
    models += [(one.model, one.layers) for one in features if not one.baseline]
    refuse_without(asked, models, len(subjects) - len(models))
    if features and not encoders and dataset is None:
        return probe_own(features, asked)
    if features or dataset is None:
        raise UsageError("encoders need a dataset, and features of one's own stand alone")
    if isinstance(dataset, pd.DataFrame):
        dataset = Dataset.from_dataframe(dataset)
    elif not isinstance(dataset, Dataset):
        dataset = Dataset.load(dataset)
    tasks = tasks_of(dataset.survey(), asked)
    for task in tasks:
        refuse_leaks(task.dataset.clips, allow=allow_leaks)
        refuse_probes(task, asked.probe)
    passes = extract_all(encoders, tasks, asked)
    results = probe_tasks(keep_usable(tasks, passes), passes.stores, asked)
    results.facts["passes"] = passes.counts
    return results


def subjects_of(subject: Any, taken: tuple[type, ...], refusal: str) -> list[Any]:
    """Return what was given, one or several, or raise where there is nothing, or something of no type that is taken."""
    subjects = list(subject) if isinstance(subject, Sequence) and not isinstance(subject, str) else [subject]
    strangers = [type(each).__name__ for each in subjects if not isinstance(each, taken)]
    if strangers or not subjects:
        raise UsageError(f"{refusal}, not {', '.join(strangers) or 'nothing'}")
    return subjects


def refuse_without(asked: Probing, models: Sequence[tuple[str, Sequence[int]]], plain: int) -> None:
    """Raise where models, by name and layers, or the number of plain features do not have what is asked of them."""
    for name, layers in models:
        refuse_sets(asked.layers_as, name, layers)
    if asked.about_layers and not models:
        raise UsageError("sets of layers and 'beyond_plain' are about layers of a model; give one, or leave them out")
    if asked.beyond_plain and not plain:
        raise UsageError("'beyond_plain' needs a plain feature; give one (Features.from_arrays(…, baseline=True))")


def refuse_how(asked: Computing, subjects: Sequence[Any], also: str = "") -> None:
    """Raise where an option of computing is given for what is no name: it computes as it was loaded, or has already."""
    how = [name for name in Computing.model_fields if getattr(asked, name) != Computing.model_fields[name].default]
    if how and not all(isinstance(each, str) for each in subjects):
        raise UsageError(
            f"'{how[0]}' is of models by their names; an encoder that is given computes where and as it was loaded "
            f"(load_encoder({how[0]}=…)){also}"
        )


def encoder_of(subject: str | Encoder, asked: Computing) -> Encoder:
    """Return the encoder that was given or named."""
    return asked.load(subject) if isinstance(subject, str) else held_to_contract(subject)


def held_to_contract(encoder: Encoder) -> Encoder:
    """Return an encoder that was given, by its weights of now, held to the contract where it is somebody's own."""
    if is_own(encoder):
        with author_answers(type(encoder).__name__, type(encoder).__module__):
            verify(encoder, type(encoder).__name__)
    return encoder.as_it_is() if isinstance(encoder, LayeredEncoder) else encoder


def probe_own(features: Sequence[Features], asked: Call) -> Results:
    """Probe features that someone has already, with the labels they bring."""
    refuse_different(features)
    if (asked.beyond_plain or SEARCH in asked.layers_as) and not studied_models(features):
        raise UsageError(
            "a search and 'beyond_plain' look at one network; give one draw of an untrained twin, not several"
        )
    said = {"kind": asked.kind, "window": asked.window, "pooling": None if asked.pooling == ["mean"] else asked.pooling}
    ignored = [name for name, value in said.items() if value is not None]
    ignored += ["target"] if asked.target != Probing.model_fields["target"].default else []
    if ignored:
        raise UsageError(
            f"'{ignored[0]}' is for sound in a dataset; features bring their labels (and kind: Features.from_arrays)"
        )
    brought = [side for side in ("split", "fold") if side in features[0].clips]
    if brought and asked.folds:
        raise UsageError(f"'folds' is {asked.folds}, and features bring {brought[0]}s of their own; leave one out")
    if "attention" in asked.probe and not all(one.attended for one in features):
        raise UsageError(
            "the attention probe needs the frames of clips, and these features are summaries over time; "
            "give an encoder and a dataset, or another probe"
        )
    assert features[0].labels is not None
    labels = features[0].labels.by(asked.metric)
    leaks = refuse_leaks(features[0].clips, allow=asked.allow_leaks)
    clips, parts = divided(features[0].clips, labels, asked.split_seed, asked.folds)
    task = StudyTask("features", Dataset("features", clips), asked.target[0], labels.kind.name)
    target = cross_validated(Target(labels, parts), clips, asked)
    scores = probe_features(Study(task, labels, clips, target, asked), features)
    more = {"leaks": leaks, "skipped": 0, "disputed": disputed_sounds(features[0].clips, labels.values)}
    return results_of([replace(scores, facts=scores.facts | more)], {}, asked)
