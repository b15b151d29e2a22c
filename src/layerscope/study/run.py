"""What to run → results: the room that knows the others, and the only one that does."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.atomic_files import cache_directory, owned_directory, write_json
from layerscope.data.dataset import Dataset
from layerscope.data.leaks import group_codes
from layerscope.data.splits import assign, choosing_parts, parts_of, refuse_unlearnable
from layerscope.encoders import Encoder
from layerscope.errors import UsageError
from layerscope.features.clip_features import Features, refuse_different
from layerscope.features.encode import Extraction, Pass, stored_features
from layerscope.features.store import FeatureStore
from layerscope.probes import Input
from layerscope.probes.fitting import (
    Job,
    Target,
    clip_part,
    is_cross_validated,
    left_of,
    plan_jobs,
    run_jobs,
)
from layerscope.probes.frame_targets import frame_features, plan_tracks
from layerscope.report import write_report
from layerscope.report.sentences import RARE
from layerscope.scores.evaluation import Entry, Evaluation, Outcome, evaluations, score_outcome
from layerscope.scores.layer_selection import choose
from layerscope.scores.resampling import resample_seeds
from layerscope.scores.score_table import SINGLE_INPUTS, Results
from layerscope.scores.tabulate import tabulate
from layerscope.scores.verdict import Verdict, decide
from layerscope.similarity.measures import Similarities
from layerscope.study.loaded_tasks import Question, load_tasks, passes_of, refuse_leaks, tasks_left_out
from layerscope.study.options import Plan, Probing, checked
from layerscope.study.progress import Progress, Silent
from layerscope.targets.kind import Labels
from layerscope.targets.over_time import KindOverTime
from layerscope.tasks.task import Schedule

__all__ = [
    "StudyResults",
    "divide",
    "extract_all",
    "finish",
    "probe",
    "probe_tasks",
    "run",
]


#: How often the labels are shuffled for the chosen input of a probe: enough for a spread, cheap where training is. A
#: probe that is not named is trained on one permutation a seed, which costs what its true labels did.
PERMUTATIONS = {"closed": 5, "linear": 5}
#: Draws of a permutation that leaves something to learn in every part; of two clips a class even chance allows it soon.
REDRAWN = 100


class StudyResults(Results):
    """Results that can answer and draw themselves."""

    def answers(self) -> list[Verdict]:
        """Return the answer for each task, as ``answer.json`` holds it (see `layerscope.scores.verdict.decide`)."""
        return [decide(self, task) for task in self.tasks]

    def to_html(self, path: str | Path) -> None:
        """Write the page, with figures and tables beside it, into the page's directory.

        Parameters
        ----------
        path : str or Path
            The page; its figures and tables get sub-directories beside it.
        """
        write_report(self, Path(path), Similarities.read(Path(path).parent))


def run(
    plan: Plan, out: Path, *, progress: Progress | None = None, command: Sequence[str] = (), note: str = ""
) -> StudyResults:
    """Run a study, or continue one, and write its directory.

    Parameters
    ----------
    plan : Plan
        What to study.
    out : Path
        The run's directory. If it holds part of this very study, that is continued; another study is an error.
    progress : Progress, optional
        Where progress is shown; nowhere by default.
    command : sequence of str
        Goes into the provenance.
    note : str
        A caution for the report.

    Raises
    ------
    LayerscopeError
        With a message for the user.
    """
    progress = progress or Silent()
    with owned_directory(out, "study", plan.model_dump(mode="json")):
        tasks = load_tasks(plan, progress)
        passes = extract_all(plan.encoders(), tasks, progress)
        results = probe_tasks(keep_usable(tasks, passes), passes.stores, plan, progress, keep=out / "probes")
        notes = (note, tasks_left_out(plan, tasks))
        results.facts |= {"passes": passes.counts, "note": " ".join(filter(None, notes))}
        finish(results, out, plan, command)
    return results


#: Stores of a task, one an encoder.
Stores = list[FeatureStore]


@dataclass(frozen=True)
class Passes:
    """What all passes over the clips of a study left.

    Attributes
    ----------
    stores : list of list of FeatureStore
        One list a task, one store an encoder.
    failed : list of dict of str to str
        For each task: the key of each clip that an encoder could not use, and why.
    counts : dict
        Encoder → clips decoded, encoded, found in the cache, and windows encoded.
    """

    stores: list[Stores]
    failed: list[dict[str, str]]
    counts: dict[str, dict[str, int]]


def extract_all(encoders: Iterable[Encoder], tasks: Sequence[Question], progress: Progress) -> Passes:
    """Take every encoder over the clips of all tasks once.

    Tasks of one data set and window share a pass; frames are kept where one of them is over time.
    """
    passes = Passes([[] for _ in tasks], [{} for _ in tasks], {})
    for encoder in encoders:
        if encoder.name in passes.counts:
            raise UsageError(f"two models are called '{encoder.name}'; rename one directory")
        passes.counts[encoder.name] = dict.fromkeys(counts(Extraction()), 0)
        for (_, window), members in passes_of(encoder, tasks).items():
            one_pass = Pass(encoder, window, frames=any(tasks[number].over_time for number in members))
            store = one_pass.store(cache_directory())
            clips = pd.concat([tasks[number].dataset.clips for number in members], ignore_index=True)
            with progress.task(f"encoding {encoder.name}", clips.clip_key.nunique(), "clips") as step:
                extraction = one_pass.extract(clips, store, step)
            for name, count in counts(extraction).items():
                passes.counts[encoder.name][name] += count
            for number in members:
                passes.stores[number].append(store)
                passes.failed[number].update({**extraction.failed, **passes.failed[number]})
    return passes


def keep_usable(tasks: Sequence[Question], passes: Passes) -> list[Question]:
    """Return the tasks with the clips that every encoder could use, and with the digests of their sound.

    A clip that fails in any encoder is used for none: scores on different clips do not compare.
    """
    return [
        task.with_sounds(stores[0], failed)
        for task, stores, failed in zip(tasks, passes.stores, passes.failed, strict=True)
    ]


def counts(extraction: Extraction) -> dict[str, int]:
    """Return the counters of a pass."""
    return {
        "clips_decoded": extraction.decoded,
        "clips_encoded": extraction.encoded,
        "clips_from_cache": extraction.cached,
        "windows_encoded": extraction.windows,
    }


def probe_tasks(
    tasks: Sequence[Question], stores: Sequence[Stores], asked: Probing, progress: Progress, keep: Path | None = None
) -> StudyResults:
    """Probe every task of a study, and put the results together.

    Parameters
    ----------
    tasks : sequence of Question
        With the clips that are left.
    stores : sequence of list of FeatureStore
        See `extract_all`.
    asked : Probing
        How.
    progress : Progress
        Where progress is shown.
    keep : Path, optional
        Where finished trainings are kept.
    """
    entries: list[Entry] = []
    facts: dict[str, Any] = {"models": {}, "tasks": {}, "seeds": asked.seeds, "note": ""}
    skipped: dict[str, str] = {}
    for task, own in zip(tasks, stores, strict=True):
        found, told = probe_task(task, own, asked, progress, keep)
        entries += found
        facts["models"] |= told.pop("models")
        facts["tasks"][task.name] = told
        prefix = f"{task.name}: " if len(tasks) > 1 else ""
        skipped |= {f"{prefix}{clip}": reason for clip, reason in task.dataset.skipped.items()}
    return StudyResults(*tabulate(entries), facts, skipped)


def probe_task(
    task: Question, stores: Stores, asked: Probing, progress: Progress, keep: Path | None
) -> tuple[list[Entry], dict[str, Any]]:
    """Split the clips of a task, and probe the features that the pass left of them."""
    labels = task.labels()
    leaks = refuse_leaks(task.dataset.clips, allow=asked.allow_leaks or task.published)
    features, target, clips = divide(task, labels, stores, asked)
    entries, facts = probe_features(features, target, labels, clips, asked, task, progress, keep)
    facts |= {"leaks": leaks, "skipped": len(task.dataset.skipped)}
    facts |= {"published": task.published, "shared": task.shared, "short": task.short}
    return entries, facts


def divide(
    task: Question, labels: Labels, stores: Stores, asked: Probing
) -> tuple[list[Features], Target, pd.DataFrame]:
    """Return the features of a task, what probes are to predict of them, and its clips with their splits."""
    clips = assign(task.dataset.clips, labels, asked.split_seed, asked.folds)
    schedule = task.task.schedule if task.task else Schedule()
    parts = parts_of(clips)
    refuse_unlearnable(labels, parts)
    if not labels.kind.over_time:
        return (
            [stored_features(store, clips) for store in stores],
            cross_validated(Target(labels, parts, schedule=schedule), clips, asked),
            clips,
        )
    tracks = plan_tracks(labels, [stores[0].entry(key).frames for key in clips.clip_key], parts)
    refuse_unlearnable(tracks.targets, tracks.parts)
    features = [frame_features(store, clips, tracks) for store in stores]
    return features, Target(tracks.targets, tracks.parts, tracks, schedule), clips


def cross_validated(target: Target, clips: pd.DataFrame, asked: Probing) -> Target:
    """Return a target with the trainings that choose among layers where there is but one split."""
    return replace(target, choosing=choosing_parts(clips, target.labels, target.parts, asked.split_seed))


def probe_features(
    features: Sequence[Features],
    target: Target,
    labels: Labels,
    clips: pd.DataFrame,
    asked: Probing,
    task: Question,
    progress: Progress,
    keep: Path | None = None,
) -> tuple[list[Entry], dict[str, Any]]:
    """Train every probe on every input of all features of a task, and score.

    Returns
    -------
    entries : list of Entry
        The scores.
    facts : dict
        What a reader must know beside them.
    """
    jobs = plan_jobs(features, asked.probe)
    seeds = list(range(asked.seeds))
    with progress.task(f"training, {task.name}", len(jobs), "inputs") as step:
        outcomes = run_jobs(jobs, target, seeds, keep, progress=lambda finished: step(finished, 0.0))
    groups = group_codes(clips)
    units = group_codes(clips[["group"]]) if task.task and task.task.unit == "group" else None
    parts = [clip_part(target, number) for number in range(len(target.parts))]
    splits = evaluations(labels, parts, groups, asked.split_seed, units)
    if target.choosing:
        splits["choosing"] = evaluations(labels, target.choosing, groups, asked.split_seed, units)["valid"]
    names = {"dataset": task.dataset.name, "task": task.name, "target": task.target}
    entries: list[Entry] = []
    layers: dict[tuple[str, str], list[tuple[Job, Entry]]] = {}
    with progress.task(f"resampling, {task.name}", len(jobs), "inputs") as step:
        for job, outcome in zip(jobs, outcomes, strict=True):
            scored = score_job(job, outcome, splits_of(job, target, splits), names, seeds)
            entries += scored
            if job.chosen.name in SINGLE_INPUTS:
                layers.setdefault((job.features.model, job.probe), []).append((job, scored[0]))
            step(1, 0.0)
    controls = [choose(pairs, lambda pair: pair[1].valid).chosen[0] for pairs in layers.values()]
    entries += score_controls(controls, target, splits, groups, names, asked, task, progress, keep)
    facts = facts_of(features, labels, clips, groups, splits)
    facts["chance"] = chance_level(labels, target, splits["test"])
    facts["folds"] = len(target.parts)
    return entries, facts | names | {"title": task.task.title if task.task else task.name}


def score_controls(
    jobs: Sequence[Job],
    target: Target,
    splits: dict[str, Evaluation],
    groups: NDArray[np.int64],
    names: dict[str, str],
    asked: Probing,
    task: Question,
    progress: Progress,
    keep: Path | None,
) -> list[Entry]:
    """Train jobs on shuffled labels, several times, and score each by the labels that it was given."""
    times = [PERMUTATIONS.get(job.probe, asked.seeds) for job in jobs]
    scored: list[list[list[Entry]]] = [[] for _ in jobs]
    with progress.task(f"shuffled labels, {task.name}", sum(times), "trainings") as step:
        for number in range(max(times)):
            due = [place for place, count in enumerate(times) if number < count]
            given = shuffled(target, groups, asked.split_seed + number)
            asking = (
                splits if target.tracks else {name: relabelled(each, given.labels) for name, each in splits.items()}
            )
            outcomes = run_jobs([jobs[place] for place in due], given, [number], keep, progress=lambda n: step(n, 0.0))
            for place, outcome in zip(due, outcomes, strict=True):
                control = replace(jobs[place], chosen=Input("shuffled", jobs[place].chosen.layer))
                scored[place].append(score_job(control, outcome, splits_of(control, given, asking), names, [number]))
    return [joined(permutations) for entries in scored for permutations in zip(*entries, strict=True)]


def joined(permutations: Sequence[Entry]) -> Entry:
    """Return the entries of several permutations as one, of which each is a seed."""
    draws = resample_seeds(np.stack([entry.draws for entry in permutations]))
    return replace(permutations[0], rows=[row for entry in permutations for row in entry.rows], draws=draws, mixture=[])


def shuffled(target: Target, groups: NDArray[np.int64], seed: int) -> Target:
    """Return a target with the labels of other clips or frames: what a probe learns of it, it learns by chance.

    Labels change places among all clips, not within splits: of few clips a split, each could only keep its own. They
    go from group to group, so that clips that belong together still do (over time, where a clip has its labels in
    order, they change places one by one). Labels of which a part could not be learnt are drawn again.
    """
    random = np.random.default_rng(seed)
    units = groups if target.tracks is None else np.arange(len(target.labels.values))
    for _ in range(REDRAWN):
        labels = target.labels.take(permuted(units, random))
        if not any(labels.kind.unlearnable(labels.take(part.train)) for part in target.parts):
            break
    return replace(target, labels=labels)


def permuted(groups: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Return the row that each row gets its label from: the rows of a group, those of one other group.

    Examples
    --------
    >>> groups = np.array([0, 0, 1, 1, 2, 2])
    >>> groups[permuted(groups, np.random.default_rng(0))].tolist()  # the group whose labels each row gets
    [2, 2, 0, 0, 1, 1]
    """
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    if len(members) == len(groups):
        return random.permutation(len(groups))
    order = np.zeros(len(groups), np.int64)
    for rows, donor in zip(members, random.permutation(len(members)), strict=True):
        order[rows] = np.resize(random.permutation(members[donor]), len(rows))
    return order


def relabelled(split: Evaluation, labels: Labels) -> Evaluation:
    """Return an evaluation that asks for other labels, given for all clips."""
    first = np.unique(split.units, return_index=True)[1]
    return replace(split, labels=labels.take(split.rows[first]))


def splits_of(job: Job, target: Target, splits: dict[str, Evaluation]) -> dict[str, Evaluation]:
    """Return what a job is scored on: one that was cross-validated chooses by all clips that are not tested."""
    return {**splits, "valid": splits["choosing"]} if is_cross_validated(job, target) else splits


def score_job(
    job: Job, outcome: Outcome, splits: dict[str, Evaluation], names: dict[str, str], seeds: Sequence[int]
) -> list[Entry]:
    """Score a job; the last layer's scores are those of the input ``last`` as well."""
    inputs = [job.chosen]
    layers = job.features.layers
    if job.chosen.name == "layer" and job.chosen.layer == layers[-1] and len(layers) > 1:
        inputs.append(Input("last", layers[-1]))
    label = {"model": job.features.model, "probe": job.probe, **names}
    scored = score_outcome(label | {"input": inputs[0].name, "layer": inputs[0].layer}, outcome, splits, seeds)
    return [replace(entry, label=entry.label | {"input": one.name}) for one in inputs for entry in scored]


def facts_of(
    features: Sequence[Features],
    labels: Labels,
    clips: pd.DataFrame,
    groups: Any,
    splits: dict[str, Evaluation],
) -> dict[str, Any]:
    """Return what a reader must know beside the scores."""
    if "fold" in clips and "split" not in clips:
        sizes = {f"fold {name}": int(count) for name, count in sorted(clips.fold.value_counts().items())}
    else:
        sizes = {name: int((clips.split == name).sum()) for name in ("train", "valid", "test")}
    test = splits["test"]
    return {
        "kind": labels.kind.name,
        "names": list(labels.names),
        "primary": labels.metrics()[0],
        "metrics": labels.metrics(),
        "clips": len(clips),
        "digest": digest_of(clips, labels, splits),
        "splits": sizes,
        "groups": len(np.unique(groups)),
        "test_groups": len(np.unique(groups[test.rows])),
        "absent_tags": labels.kind.absent(test.labels),
        "grouped": "group" in clips,
        **class_facts(labels),
        "models": {
            one.model: {
                "layers": list(one.layers),
                "baseline": one.baseline,
                "untrained": one.untrained,
                "fingerprint": one.fingerprint,
                "network": one.network,
                "official": list(one.official),
            }
            for one in features
        },
    }


def class_facts(labels: Labels) -> dict[str, Any]:
    """Return which classes or tags are rare, and the share of the commonest class."""
    if labels.kind.over_time or labels.kind.form == "values":
        return {"rare": [], "majority": 0.0}
    single = labels.kind.form == "classes"
    counts = np.bincount(labels.values, minlength=len(labels.names)) if single else labels.values.sum(axis=0)
    rare = [name for name, count in zip(labels.names, counts, strict=True) if 0 < count < RARE]
    return {"rare": rare, "majority": float(counts.max() / counts.sum()) if single else 0.0}


def digest_of(clips: pd.DataFrame, labels: Labels, splits: dict[str, Evaluation]) -> str:
    """Return what two studies must share for their scores to compare: clips, labels, splits, and the resamples."""
    kind, values = labels.kind, labels.values.tolist()
    if isinstance(kind, KindOverTime):
        values = [kind.as_answer(track) for track in values]
    digest = hashlib.sha256(json.dumps([kind.name, labels.names, values]).encode())
    for column in ("clip_key", "clip", "split", "fold"):
        if column in clips and not (column == "clip" and "clip_key" in clips):
            digest.update("|".join(map(str, clips[column])).encode())
    weights = splits["test"].weights
    digest.update(b"" if weights is None else weights.tobytes())
    return digest.hexdigest()[:32]


def chance_level(labels: Labels, target: Target, test: Evaluation) -> float:
    """Return what the primary metric gives a probe that ignores its input: the majority class, or a constant."""
    if labels.kind.chance is not None:
        return labels.kind.chance
    left = []
    for number, part in enumerate(target.parts):
        constant = target.labels.kind.constant(target.labels.take(part.train)).astype(np.float32)
        left.append(left_of(target, number, np.tile(constant, (len(target.labels.values), 1)), "test"))
    whole = np.full((int(test.rows.max()) + 1, *left[0].shape[1:]), np.nan, np.float32)
    for number, values in enumerate(left):
        whole[clip_part(target, number).test] = values
    return float(test.score(labels.metrics()[0], whole)[0])


def finish(results: StudyResults, out: Path, plan: Plan, command: Sequence[str]) -> None:
    """Write the tables, the provenance and the report."""
    provenance = {
        "command": list(command),
        "study": plan.model_dump(mode="json"),
        "passes": results.facts["passes"],
        "models": results.facts["models"],
        "tasks": results.facts["tasks"],
        "seeds": list(range(plan.seeds)),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {
            name: version(name) for name in ("layerscope", "torch", "numpy", "scikit-learn", "librosa", "soxr")
        },
    }
    write_json(out / "provenance.json", provenance)
    results.save(out)
    results.to_html(out / "report.html")


def probe(
    subject: Encoder | Features | Sequence[Encoder | Features],
    dataset: Dataset | None = None,
    *,
    target: str | Sequence[str] = "label",
    kind: str | None = None,
    probes: str | Sequence[str] = ("mlp", "linear", "closed"),
    seeds: int = 5,
    folds: int | None = None,
    split_seed: int = 0,
    window: float | None = None,
    allow_leaks: bool = False,
) -> StudyResults:
    """Probe every layer of encoders on a dataset, or features that someone has already.

    Parameters
    ----------
    subject : Encoder, Features, or several of one sort
        What is probed.
    dataset : Dataset, optional
        The clips; features bring their own labels.
    target : str or sequence of str
        The column to predict, or several with commas as one target; each of a sequence is a task of its own.
    kind : str, optional
        What the target is (``layerscope ls metrics``), where it should not be worked out.
    probes : str or sequence of str
        Which probes, with commas or one by one.
    seeds : int
        How many trainings of each probe that has randomness.
    folds : int, optional
        To make, where the data bring neither splits nor folds.
    split_seed : int
        Of the split that is made, and of the resamples.
    window : float, optional
        Longest window in seconds; the encoder's own by default.
    allow_leaks : bool
        Go on although a group or the same audio lies on both sides of a split.

    Returns
    -------
    StudyResults

    Raises
    ------
    UsageError
        For an unknown probe or target, or encoders without a dataset.
    DataError
        For data that cannot be used.

    Examples
    --------
    >>> from layerscope import Features
    >>> states = np.random.default_rng(0).normal(size=(100, 3, 4))  # 100 clips, 3 layers, 4 dimensions
    >>> states[:, 1, 0] += 3.0 * (np.arange(100) % 2)  # the second layer knows
    >>> features = Features.from_arrays(states, ["minor", "major"] * 50)
    >>> probe(features, probes=["closed"]).best_layers().layer.tolist()
    [1]
    """
    given = {"target": target, "kind": kind, "probe": probes, "seeds": seeds, "folds": folds, "split_seed": split_seed,
             "window": window, "allow_leaks": allow_leaks}  # fmt: skip
    asked = checked(Probing, given, "probe()")
    subjects = [subject] if isinstance(subject, (Encoder, Features)) else list(subject)
    encoders = [one for one in subjects if isinstance(one, Encoder)]
    features = [one for one in subjects if isinstance(one, Features)]
    if features and not encoders and dataset is None:
        return probe_own(features, asked)
    if features or dataset is None:
        raise UsageError("encoders need a dataset, and features of one's own stand alone")
    surveyed = dataset.survey()
    tasks = [
        Question(dataset.name if len(asked.target) == 1 else f"{dataset.name}-{one.partition(',')[0]}",
              surveyed.with_target(one), one, kind, window)
        for one in asked.target
    ]  # fmt: skip
    for task in tasks:
        refuse_leaks(task.dataset.clips, allow=allow_leaks)
    passes = extract_all(encoders, tasks, Silent())
    results = probe_tasks(keep_usable(tasks, passes), passes.stores, asked, Silent())
    results.facts["passes"] = passes.counts
    return results


def probe_own(features: Sequence[Features], asked: Probing) -> StudyResults:
    """Probe features that someone has already, with the labels they bring."""
    refuse_different(features)
    labels = features[0].labels
    assert labels is not None
    leaks = refuse_leaks(features[0].clips, allow=asked.allow_leaks)
    clips = assign(features[0].clips, labels, asked.split_seed, asked.folds)
    parts = parts_of(clips)
    refuse_unlearnable(labels, parts)
    task = Question("features", Dataset("features", clips), asked.target[0], labels.kind.name)
    target = cross_validated(Target(labels, parts), clips, asked)
    entries, facts = probe_features(features, target, labels, clips, asked, task, Silent())
    models = facts.pop("models")
    facts |= {"leaks": leaks, "skipped": 0}
    whole = {"models": models, "tasks": {task.name: facts}, "seeds": asked.seeds, "note": ""}
    return StudyResults(*tabulate(entries), whole, {})
