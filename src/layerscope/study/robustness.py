"""What deformed sound costs each layer: probes that were trained on clean clips, scored on deformed test clips.

Deformed clips stand beside the clean ones as further tested clips of the same trainings, so that all that trains, keeps
and scores probes serves as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.data.deformations import Deformation, read_deformations
from layerscope.data.splits import Part
from layerscope.features.deformed_pass import deformed_key, side_by_side
from layerscope.features.pooling import POOLINGS
from layerscope.probes.fitting import Job, plan_jobs
from layerscope.scores.evaluation import Entry, Outcome, score_outcome
from layerscope.scores.resampling import LEVEL, best_set, interval
from layerscope.scores.robustness_table import LEFT_OUT_COLUMNS, ROBUSTNESS_COLUMNS, Robustness
from layerscope.scores.score_table import SINGLE_INPUTS, Results
from layerscope.scores.tabulate import summary_row
from layerscope.study.deformed_tasks import DeformedTask, deformed_task, encode_deformed
from layerscope.study.extraction import Stores
from layerscope.study.options import Call, Plan
from layerscope.study.run_task import features_and_target
from layerscope.study.study_tasks import StudyTask
from layerscope.study.workplace import Workplace
from layerscope.targets.kind import Kind, Labels
from layerscope.targets.over_time import KindOverTime

__all__ = ["measure_robustness"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class DeformedScore:
    """What one metric of an input is on deformed clips.

    Attributes
    ----------
    row : dict
        Of the table.
    draws, lost : ndarray, shape (resample,)
        Of the score on deformed clips, and of its difference to clean ones.
    """

    row: dict[str, Any]
    draws: NDArray[np.float64]
    lost: NDArray[np.float64]


def measure_robustness(
    plan: Plan, tasks: Sequence[StudyTask], stores: Sequence[Stores], results: Results, work: Workplace
) -> Robustness:
    """Take every encoder over the deformed test clips, and score what probes say of them.

    Parameters
    ----------
    plan : Plan
        The study; its ``deform`` says how.
    tasks : sequence of StudyTask
        With the clips that every encoder could use.
    stores : sequence of list of FeatureStore
        What the passes over clean clips left.
    results : Results
        On clean clips: which layer was chosen, and which are as good.
    work : Workplace
        Where that is done and kept.
    """
    deformations = read_deformations(plan.deform)
    tested = [deformed_task(task, plan, deformations, work) for task in tasks]
    encode_deformed(plan.encoders(), tested, deformations)
    rows: list[dict[str, Any]] = []
    for task, clean in zip(tested, stores, strict=True):
        rows += score_deformed(task, clean, results)
    left_out = [row for task in tested for row in task.left_out]
    table = pd.DataFrame(rows, columns=ROBUSTNESS_COLUMNS).astype({"layer": "Int64"})
    return Robustness(table, pd.DataFrame(left_out, columns=LEFT_OUT_COLUMNS))


def probes_of(asked: Call) -> list[str]:
    """Return the probes that are scored on deformed clips: the closed form where it is asked for, else all."""
    # It takes seconds, and the others would be trained once more. Of deformed clips no frames are kept to attend to.
    return ["closed"] if "closed" in asked.probe else [probe for probe in asked.probe if probe != "attention"]


def score_deformed(tested: DeformedTask, clean: Stores, results: Results) -> list[dict[str, Any]]:
    """Train the probes of a task on clean clips, and return the rows of the table."""
    study, asked = tested.study, tested.study.asked
    usable = {deformation: tested.usable(deformation) for deformation in tested.changed}
    if "attention" in asked.probe and "closed" not in asked.probe:
        tested.leave_out("the attention probe reads frames, and of deformed clips summaries alone are kept")
    for deformation, rows in usable.items():
        for clip in study.clips.iloc[np.setdiff1d(tested.tested, rows)].itertuples():
            tested.leave_out(tested.failed[deformation][clip.clip_key], deformation, clip=clip.clip)
        usable[deformation] = rows[~untaught(tested, deformation, rows)]
        for clip in study.clips.iloc[np.setdiff1d(rows, usable[deformation])].itertuples():
            tested.leave_out("it then has a label that no training clip has", deformation, clip=clip.clip)
    usable = {deformation: rows for deformation, rows in usable.items() if len(rows)}
    known = set(results.of(task=study.task.name).model)
    both = [
        side_by_side(store, {str(each): of_model[each] for each in usable})
        for store in clean
        # Of several names for one untrained network results have the first.
        if any(store.description["encoder"] + called in known for called, _ in POOLINGS.values())
        and (of_model := tested.stores.get(store.description["encoder"]))
    ]
    if not usable or not both:
        return []
    clips, labels, parts, places = beside_clean(tested, usable)
    features, target = features_and_target(study.task, labels, both, clips, parts, asked.pooling)
    jobs = [job for job in plan_jobs(features, probes_of(asked)) if job.chosen.name in SINGLE_INPUTS]
    beside = replace(study, labels=labels, clips=clips, target=target)
    with study.shown("training for deformed clips", len(jobs), "inputs") as step:
        outcomes = beside.run(jobs, progress=step)
    table = []
    for deformation, rows in usable.items():
        finished = list(zip(jobs, outcomes, strict=True))
        scored = score_jobs(tested, deformation, rows, places[deformation], finished)
        table += with_sets(list(scored), results, deformations=len(usable))
    return table


def untaught(tested: DeformedTask, deformation: Deformation, rows: Rows) -> NDArray[np.bool_]:
    """Return which tested clips have, deformed, a label that no clip has in the training that tests them.

    A probe cannot give such an answer: that it is wrong then says nothing of its layer. Of a track over time one such
    label is enough.
    """
    labels = tested.study.labels
    kind = labels.kind
    if not kind.over_time and kind.form != "classes":
        return np.zeros(len(rows), bool)
    deformed = tested.changed[deformation].values[np.searchsorted(tested.tested, rows)]
    before, after = ([labels_in([each], kind) for each in values] for values in (labels.values[rows], deformed))
    unknown = np.zeros(len(rows), bool)
    for part in tested.study.target.parts:
        taught = labels_in(labels.values[part.train], kind)
        unknown |= np.isin(rows, part.test) & np.array([not each <= taught for each in after], bool)
    # What was never taught when it was clean either is scored on both sides alike.
    return unknown & np.array([one != other for one, other in zip(before, after, strict=True)], bool)


def labels_in(values: Iterable[Any], kind: Kind) -> set[Any]:
    """Return the labels of clips, of tracks those that a probe is asked for."""
    return set(kind.names_of(list(values)) if isinstance(kind, KindOverTime) else values)


def beside_clean(
    tested: DeformedTask, usable: Mapping[Deformation, Rows]
) -> tuple[pd.DataFrame, Labels, list[Part], dict[Deformation, slice]]:
    """Return all clips with deformed ones after them: their table, labels and trainings, and where the latter stand."""
    study, trained = tested.study, tested.study.target.parts
    tables, values, places = [study.clips], [study.labels.values], dict[Deformation, slice]()
    tests = [[part.test] for part in trained]
    count = len(study.clips)
    for deformation, rows in usable.items():
        copies = study.clips.iloc[rows].copy()
        copies["clip"] += f" ({deformation})"
        copies["clip_key"] = [deformed_key(key, str(deformation)) for key in copies.clip_key]
        tables.append(copies)
        values.append(tested.changed[deformation].values[np.searchsorted(tested.tested, rows)])
        for part, test in zip(trained, tests, strict=True):
            test.append(count + np.flatnonzero(np.isin(rows, part.test)))
        places[deformation] = slice(count, count + len(rows))
        count += len(rows)
    parts = [replace(part, test=np.concatenate(test)) for part, test in zip(trained, tests, strict=True)]
    labels = replace(study.labels, values=np.concatenate(values))
    return pd.concat(tables, ignore_index=True), labels, parts, places


def score_jobs(
    tested: DeformedTask, deformation: Deformation, rows: Rows, place: slice, finished: Sequence[tuple[Job, Outcome]]
) -> Iterator[DeformedScore]:
    """Yield what each metric of each job leaves."""
    study = tested.study
    count, seeds = len(study.clips), range(study.asked.seeds)
    labels = study.labels.values.copy()
    labels[tested.tested] = tested.changed[deformation].values
    # Alike, and in the same resamples, clean and deformed.
    parts = [replace(part, test=np.intersect1d(part.test, rows)) for part in study.target.parts]
    before = study.scored_on(parts)
    after = replace(study, labels=replace(study.labels, values=labels)).scored_on(parts)
    for job, outcome in finished:
        # As in the table of clean scores, since the names decide the sides of the pseudo-group.
        label: dict[str, Any] = {"model": job.features.model, "probe": job.probe, **study.task.names}
        label |= {"input": job.chosen.name, "layer": job.chosen.layer}
        deformed = np.full((len(outcome.test), count, *outcome.test.shape[2:]), np.nan, np.float32)
        deformed[:, rows] = outcome.test[:, place]
        valid = outcome.valid[:, :count]
        clean_scores = score_outcome(label, replace(outcome, valid=valid), before, seeds)
        named = {**label, "deformation": str(deformation)}
        scores = score_outcome(named, replace(outcome, valid=valid, test=deformed), after, seeds)
        for one, other in zip(scores, clean_scores, strict=True):
            yield deformed_score(one, other, deformation)


def deformed_score(deformed: Entry, clean: Entry, deformation: Deformation) -> DeformedScore:
    """Return a row of the table, but for the sets of layers, with its resamples."""
    row, before = summary_row(deformed), summary_row(clean)
    difference, lost = row["value"] - before["value"], deformed.draws - clean.draws
    low, high = interval(lost, difference)
    row |= {"deformation": deformation.name, "strength": deformation.strength, "clean": before["value"]}
    row |= {"difference": difference, "difference_low": low, "difference_high": high}
    return DeformedScore({name: row.get(name, False) for name in ROBUSTNESS_COLUMNS}, deformed.draws, lost)


def with_sets(scored: Sequence[DeformedScore], results: Results, deformations: int) -> list[dict[str, Any]]:
    """Return rows of one deformation with what is told of layers: which are as good, and which of these lose least."""
    readings = dict.fromkeys((each.row["model"], each.row["probe"]) for each in scored)
    trained = results.models("trained")
    # A share of 5 % for each point that is told of, so that of all one in twenty studies says too much (Bonferroni).
    points = deformations * max(1, sum(model in trained for model, _ in readings))
    for model, probe in readings:
        rows = [each for each in scored if (each.row["model"], each.row["probe"]) == (model, probe)]
        task = rows[0].row["task"]
        primary = results.primary(task)
        layers = results.of(task=task, model=model, probe=probe, metric=primary, input="layer")
        as_good = set(layers.layer[layers.in_best_set | layers.chosen])
        rivals = [each for each in rows if each.row["metric"] == primary and each.row["layer"] in as_good]
        # Plain features have one layer, which is none of the set.
        if not rivals:
            continue
        least = loses_least(rivals, 1 - (1 - LEVEL) / points)
        losing_least = {each.row["layer"] for each, kept in zip(rivals, least, strict=True) if kept}
        for each in rows:
            layer = each.row["layer"]
            each.row["as_good"], each.row["loses_least"] = layer in as_good, layer in losing_least
    return [each.row for each in scored]


def loses_least(rivals: Sequence[DeformedScore], level: float) -> NDArray[np.bool_]:
    """Return which layers are not shown to lose more than another and to score less than another when deformed.

    Both, since what was lucky on the clean clips, such as a layer that they have chosen over folds, has its luck to
    lose: its deformed score is then no lower than that of its equals.
    """
    lost = best_set([each.row["difference"] for each in rivals], np.stack([each.lost for each in rivals]), level)
    left = best_set([each.row["value"] for each in rivals], np.stack([each.draws for each in rivals]), level)
    return np.asarray(lost | left)
