"""Inputs that follow from scores: sets of layers that are searched, and the best plain feature beside every layer.

They run where they are asked for, after all other trainings of a task.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import pandas as pd

from layerscope.data.splits import Part
from layerscope.features.clip_features import Features
from layerscope.probes import Input, offers
from layerscope.probes.fitting import FEW_WINDOWS, Job, Target, single_thread
from layerscope.probes.inputs import SEARCH, name_of_set, sets_of
from layerscope.probes.layer_sets import search_layers
from layerscope.probes.plain_beside import beside_layers, cut_alike, plain_alone
from layerscope.probes.workers import side_by_side
from layerscope.scores.evaluation import Entry, score_outcome
from layerscope.scores.layer_selection import choose_row
from layerscope.scores.nested_choice import joined_outcome
from layerscope.scores.score_table import PLAIN_INPUTS, SEARCHED
from layerscope.scores.tabulate import summary_row
from layerscope.study.job_scores import Finished, Study
from layerscope.study.twins import draws_of_twins
from layerscope.targets.kind import Labels

__all__ = ["Further", "further_inputs", "searched_parts", "studied_models"]


@dataclass
class Further:
    """What further inputs leave: jobs with their scores, entries that are of no one job, and what is told of them.

    They follow from what was scored `before`.
    """

    study: Study
    before: Sequence[Finished]
    finished: list[Finished] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def studied_models(features: Sequence[Features]) -> list[Features]:
    """Return the models that are asked about: the trained ones, or where there are none, the untrained.

    Several draws of an untrained twin are told of as one model, so that none of them is asked alone.
    """
    models = [each for each in features if not each.baseline]
    trained = [each for each in models if not each.untrained]
    return trained or [each for (each, *others) in draws_of_twins(models) if not others]


def further_inputs(study: Study, features: Sequence[Features], finished: Sequence[Finished]) -> Further:
    """Return what is asked for beyond the inputs that are fixed beforehand; nothing where nothing is."""
    further = Further(study, finished)
    models = studied_models(features)
    if study.asked.layers_as:
        further.facts["layer_sets"] = {
            each.model: {"left_out": means_left_out(each, study.asked.layers_as)} for each in models
        }
    if SEARCH in study.asked.layers_as:
        add_searched(further, models)
    if study.asked.beyond_plain:
        add_beyond_plain(further, models)
    return further


def means_left_out(features: Features, sets: Sequence[str]) -> list[str]:
    """Return which sets have no mean, since their layers differ in width, in words."""
    return [
        f"{text} of {features.model} has no mean, since its layers differ in width: it is side by side alone."
        for text in sets
        if text != SEARCH and not any(each.name.startswith("mean(") for each in sets_of(features, [text]))
    ]


def add_searched(further: Further, models: Sequence[Features]) -> None:
    """Search sets of layers, in every training by its own validation clips, and score them."""
    study = further.study
    with study.shown("searching sets of layers", len(models), "models") as step:
        for features in models:
            paths = searched_paths(features, study.target)
            step(1)
            steps = add_path(further, features, *paths) if len(paths) == 1 else add_paths(further, features, paths)
            further.facts["layer_sets"][features.model] |= {"steps": steps, "layers": paths}


def searched_parts(windows: int, target: Target) -> list[list[Part]]:
    """Return the trainings that each search of sets looks at, of features of so many windows.

    Of one split those that choose layers, where layers are chosen by cross-validation; of folds each for itself.
    """
    if len(target.parts) > 1:
        return [[part] for part in target.parts]
    return [target.choosing if windows <= FEW_WINDOWS and target.choosing else target.parts]


def searched_paths(features: Features, target: Target) -> list[list[int]]:
    """Return the layers that each training's validation clips choose one by one, in that order."""
    # As a job, whose features a cluster knows how to send.
    job = Job(features, Input(SEARCH), "closed")
    calls = [(job, target.labels, parts) for parts in searched_parts(len(features.window_clip), target)]
    return list(side_by_side(search_alone, calls, 1 if len(calls) == 1 else -1))


@single_thread()
def search_alone(job: Job, labels: Labels, parts: Sequence[Part]) -> list[int]:
    """Search on one thread, so that the numbers do not depend on how many there are."""
    return search_layers(job.features, labels, parts)


def probes_of_several(study: Study) -> list[str]:
    """Return the probes that take more than one layer: attention reads the frames of a single one."""
    return [probe for probe in study.asked.probe if offers(probe, Input("concat"))]


def side_by_side_of(features: Features, layers: Sequence[int]) -> Input:
    """Return the input of some layers side by side: of all of them that which every model has."""
    if len(layers) == len(features.layers):
        return Input("concat")
    ascending = tuple(sorted(layers))
    return Input(f"concat({name_of_set(ascending)})", layers=ascending)


def add_path(further: Further, features: Features, path: Sequence[int]) -> list[list[Any]]:
    """Score the sets of the one search of a split, and return its steps as the table calls them."""
    inputs = [side_by_side_of(features, path[:size]) for size in range(2, len(path) + 1)]
    known = {(each.job.features.model, each.job.chosen, each.job.probe) for each in further.before}
    jobs = [
        Job(features, chosen, probe)
        for probe, chosen in product(probes_of_several(further.study), inputs)
        if (features.model, chosen, probe) not in known
    ]
    further.finished += further.study.score(jobs)
    return [["layer", path[0]], *([chosen.name, None] for chosen in inputs)]


def add_paths(further: Further, features: Features, paths: Sequence[Sequence[int]]) -> list[list[Any]]:
    """Score what each training of several has found, by its own tested clips, and return the steps."""
    study = further.study
    sizes = range(1, len(paths[0]) + 1)
    for probe in probes_of_several(study):
        layers = {
            each.job.chosen.layer: each.outcome
            for each in further.before
            if each.job.features is features and each.job.probe == probe and each.job.chosen.name == "layer"
        }
        left = [[layers[path[0]] for path in paths]]
        by_training = [
            study.run([Job(features, side_by_side_of(features, path[:size]), probe) for size in sizes[1:]], alone)
            for path, alone in zip(paths, trainings_alone(study.target), strict=True)
        ]
        left += map(list, zip(*by_training, strict=True))
        for size, outcomes in zip(sizes, left, strict=True):
            label: dict[str, Any] = {"model": features.model, "probe": probe, **study.task.names}
            label |= {"input": f"{SEARCHED}{size})", "layer": None}
            joined = joined_outcome(outcomes, study.target.clip_parts)
            further.entries += score_outcome(label, joined, study.splits, range(study.asked.seeds))
    return [[f"{SEARCHED}{size})", None] for size in sizes]


def trainings_alone(target: Target) -> Iterator[Target]:
    """Yield each training of a target as a target of its own."""
    for number, part in enumerate(target.parts):
        tracks = target.tracks and replace(
            target.tracks, parts=[target.tracks.parts[number]], clip_parts=[target.tracks.clip_parts[number]]
        )
        yield replace(target, parts=[part], tracks=tracks)


def add_beyond_plain(further: Further, models: Sequence[Features]) -> None:
    """Score every layer of the models with the plain feature beside it that validation prefers with the probe."""
    study = further.study
    facts = further.facts["beyond_plain"] = {each.model: dict[str, Any]() for each in models}
    probes = probes_of_several(study)
    with study.shown("layers beside plain features", len(models) * len(probes), "models") as step:
        for probe in probes:
            best = best_plain_of(further.before, probe)
            plain, summary = best.job.features, best.job.chosen
            for features in models:
                both = beside_layers(features, plain, summary)
                jobs = [Job(both, Input("plain+layer", layer), probe) for layer in features.layers]
                alike = cut_alike(features, plain)
                facts[features.model][probe] = {"model": plain.model, "input": summary.name, "clip_means": not alike}
                if not alike:
                    jobs.append(Job(plain_alone(features, plain, summary), Input("plain", 0), probe))
                further.finished += study.score(jobs)
                step(1)


def best_plain_of(finished: Sequence[Finished], probe: str) -> Finished:
    """Return the plain feature and summary that validation prefers with a probe."""
    plain = [
        each
        for each in finished
        if each.job.features.baseline and each.job.chosen.name in PLAIN_INPUTS and each.job.probe == probe
    ]
    choice = choose_row(pd.DataFrame([summary_row(each.entries[0]) for each in plain]))
    assert choice is not None  # without plain features there is nothing to ask
    return plain[int(choice.chosen.name)]
