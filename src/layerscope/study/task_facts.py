"""What a reader must know of a task beside its scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from layerscope.data.splits import Part, never_trained
from layerscope.features.clip_features import Features
from layerscope.probes.fitting import Job, Target, left_of
from layerscope.probes.linear import CUT
from layerscope.report.cautions import RARE, counted_as
from layerscope.scores.evaluation import Evaluation, Outcome
from layerscope.scores.resampling import FEWEST_GROUPS
from layerscope.study.job_scores import Study
from layerscope.study.twins import draws_of_twins
from layerscope.targets.kind import Labels
from layerscope.targets.over_time import KindOverTime
from layerscope.targets.values import few_hold_most, held_by_few, tail_unseen

__all__ = [
    "chance_level", "facts_of", "facts_over_time", "label_counts", "precision_of", "shifted_shares", "training_facts",
]  # fmt: skip

#: A tenth of all clips decides more than most layers differ by; a hundredth, since only clear cases are worth a line.
SHIFT, BY_CHANCE = 0.1, 0.01
#: Of a 95 % interval, in standard deviations, and the largest that a share of one clip has.
Z, WORST = 1.96, 0.5


def facts_of(study: Study, features: Sequence[Features], others: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return what a reader must know beside the scores; `others` are further names of untrained networks."""
    labels, clips, test = study.labels, study.clips, study.splits["test"]
    if "fold" in clips and "split" not in clips:
        sizes = {f"fold {name}": int(count) for name, count in sorted(clips.fold.value_counts().items())}
    else:
        sizes = {name: int((clips.split == name).sum()) for name in ("train", "valid", "test")}
    return {
        "kind": labels.kind.name,
        "names": list(labels.names),
        "primary": labels.metrics()[0],
        "metrics": labels.metrics(),
        "clips": len(clips),
        "digest": digest_of(study),
        "splits": sizes,
        "groups": len(np.unique(study.groups)),
        "test_groups": len(np.unique(study.groups[test.rows])),
        "absent_tags": labels.kind.absent(test.labels),
        "grouped": "group" in clips,
        **class_facts(labels),
        "held_by_few": held_by_few(test.labels),
        # Where there is no interval, there is none to doubt.
        "tail_unseen": tail_unseen(test.labels) if test.weights is not None else 0,
        "no_interval": no_interval(test, labels.metrics()[0]),
        "models": {
            each.model: {
                "layers": list(each.layers),
                "baseline": each.baseline,
                "untrained": each.untrained,
                "fingerprint": each.fingerprint,
                "network": each.network,
                "official": list(each.official),
                "draws": 1 + len(more),
                "also": others.get(each.model, []),
            }
            for each, *more in draws_of_twins(features)
        },
    }


def training_facts(study: Study, trained: Sequence[tuple[Job, Outcome]]) -> dict[str, Any]:
    """Return what a reader must know of the trainings: chance, folds, labels that are hard on them, what was cut."""
    labels, target, test = study.labels, study.target, study.splits["test"]
    parts = target.clip_parts
    devices = sorted({outcome.device for _, outcome in trained})
    # How much a track counts, seconds or frames, is known of its annotation: alike of every outcome.
    counted = test.counted(labels.metrics()[0], trained[0][1].test[0])
    return {
        "chance": chance_level(labels, target, test),
        "effective_groups": test.groups_counted(counted),
        "folds": len(parts),
        "never_trained": never_trained(labels, parts),
        "shifted": shifted_shares(labels, parts),
        "cut": [
            f"{job.features.model} ({job.chosen})"
            for job, outcome in trained
            if any(CUT in settings for settings in outcome.settings)
        ],
        "far_off": far_off(test, trained),
        **({"trained_on": devices} if devices != ["cpu"] else {}),
    }


def facts_over_time(study: Study) -> dict[str, Any]:
    """Return what was asked for that a target over time does not have: a probe of clips, and further poolings."""
    asked, tracks = study.asked, study.target.tracks
    no_probe = {"not_offered": ["attention"]} if tracks and "attention" in asked.probe else {}
    return no_probe | ({"not_pooled": True} if tracks and asked.pooling != ["mean"] else {})


def label_counts(labels: Labels) -> dict[str, int]:
    """Return the clips of each class or tag; nothing of other kinds.

    Examples
    --------
    >>> from layerscope.targets import labels_of
    >>> label_counts(labels_of(["jazz", "rock", "rock"]))
    {'jazz': 1, 'rock': 2}
    """
    if labels.kind.over_time or labels.kind.form == "values":
        return {}
    single = labels.kind.form == "classes"
    counts = np.bincount(labels.values, minlength=len(labels.names)) if single else labels.values.sum(axis=0)
    return dict(zip(labels.names, map(int, counts), strict=True))


def class_facts(labels: Labels) -> dict[str, Any]:
    """Return which classes or tags are rare, and the share of the commonest class."""
    counts = label_counts(labels)
    # A class without clips is not rare: nothing is said of it.
    rare = [name for name, count in counts.items() if 0 < count < RARE]
    single = bool(counts) and labels.kind.form == "classes"
    return {"rare": rare, "majority": max(counts.values()) / sum(counts.values()) if single else 0.0}


def far_off(test: Evaluation, trained: Sequence[tuple[Job, Outcome]]) -> list[str]:
    """Return the inputs of whose squared error a twentieth of the clips hold most; of other kinds than values none."""
    labels = test.labels
    if labels.kind.over_time or labels.kind.form != "values":
        return []
    truth = labels.values[test.units]
    return [
        f"{job.features.model} ({job.chosen}), {job.probe}"
        for job, outcome in trained
        if few_hold_most(np.square(outcome.test.mean(axis=0)[test.rows] - truth)).any()
    ]


def shifted_shares(labels: Labels, parts: Sequence[Part]) -> dict[str, list[float]]:
    """Return the classes or tags whose share of the test clips is clearly another than of the training clips.

    Those are named that differ by `SHIFT` and for which Fisher's exact test leaves `BY_CHANCE`, divided by how many
    are asked about. Over folds every clip is in both, and nothing is asked.

    Returns
    -------
    dict of str to (float, float)
        The share of the training clips and that of the test clips; the largest difference first.

    Examples
    --------
    >>> from layerscope.targets import labels_of
    >>> rows = np.arange(100)
    >>> part = Part(rows[:60], rows[:0], rows[60:])
    >>> shifted_shares(labels_of(["a"] * 40 + ["b"] * 60), [part])
    {'a': [0.667, 0.0], 'b': [0.333, 1.0]}
    """
    if len(parts) > 1 or labels.kind.over_time or labels.kind.form == "values":
        return {}
    single = labels.kind.form == "classes"
    answers = np.eye(len(labels.names))[labels.values] if single else np.asarray(labels.values)
    train, test = answers[parts[0].train], answers[parts[0].test]
    shares = {}
    for place, name in enumerate(labels.names):
        table = np.array([[part[:, place].sum(), len(part) - part[:, place].sum()] for part in (train, test)])
        before, after = train[:, place].mean(), test[:, place].mean()
        if abs(after - before) >= SHIFT and fisher_exact(table).pvalue < BY_CHANCE / len(labels.names):
            shares[name] = [round(float(before), 3), round(float(after), 3)]
    return dict(sorted(shares.items(), key=lambda item: -abs(item[1][1] - item[1][0])))


def precision_of(test: Evaluation, counted: NDArray[np.float64] | None = None) -> str:
    """Return how precise scores of so many tested clips can be, in words.

    A share of n independent clips has a standard deviation of at most a half, divided by the root of n.

    Parameters
    ----------
    test : Evaluation
        Of these clips.
    counted : ndarray, shape (clip,), optional
        How much each counts in the primary metric; one as much as another by default.

    Examples
    --------
    >>> from layerscope.data.splits import Part
    >>> from layerscope.scores.evaluation import evaluations
    >>> from layerscope.targets import labels_of
    >>> rows = np.arange(25)
    >>> labels, parts = labels_of(["a", "b", "c", "d", "e"] * 5), [Part(rows, rows, rows)]
    >>> precision_of(evaluations(labels, parts, rows, seed=0)["test"])
    '25 test clips: accuracy to ± 20 points at worst; macro F1 has no interval of 5.0 clips a class: 8 are needed'
    >>> precision_of(evaluations(labels, parts, rows // 5, seed=0)["test"])
    '5 groups of test clips: no intervals of fewer than 10'
    """
    labels, groups, effective = test.labels, len(np.unique(test.groups)), test.groups_counted(counted)
    subject = f"{groups} {'test clips' if groups == len(test.groups) else 'groups of test clips'}"
    if effective < FEWEST_GROUPS:
        return f"{subject}{counted_as(groups, effective)}: no intervals of fewer than {FEWEST_GROUPS}"
    metrics = [labels.metric(name) for name in labels.metrics()]
    words = list(filter(None, (no_interval(test, metric.name) for metric in metrics)))
    if metrics[0].percent and not metrics[0].ranks and not test.without_interval(metrics[0].name):
        words = [f"{metrics[0].title} to ± {100 * WORST * Z / np.sqrt(effective):.0f} points at worst", *words]
    return f"{subject}: {'; '.join(words)}" if words else subject


def no_interval(test: Evaluation, metric: str) -> str:
    """Return that labels leave a metric without an interval, and why; "" where it has one."""
    why = test.without_interval(metric)
    return f"{test.labels.metric(metric).title} has no interval {why}" if why else ""


def digest_of(study: Study) -> str:
    """Return what two studies must share for their scores to compare: clips, labels, splits, and the resamples."""
    clips, labels = study.clips, study.labels
    kind, values = labels.kind, labels.values.tolist()
    if isinstance(kind, KindOverTime):
        values = [kind.as_answer(track) for track in values]
    digest = hashlib.sha256(json.dumps([kind.name, labels.names, values]).encode())
    for column in ("clip_key", "clip", "split", "fold"):
        # Names count only where nobody knows the sound; a file that was moved is the same clip.
        if column in clips and not (column == "clip" and "clip_key" in clips):
            digest.update("|".join(map(str, clips[column])).encode())
    # Differences are paired, which needs the same resamples.
    weights = study.splits["test"].weights
    digest.update(b"" if weights is None else weights.tobytes())
    return digest.hexdigest()[:32]


def chance_level(labels: Labels, target: Target, test: Evaluation) -> float:
    """Return the most that the primary metric gives an answer that ignores the sound.

    It is what the training clips say without their sound, or what the tested clips do, if that scores more: of classes
    the commonest of either. Where classes are distributed otherwise than in training, a probe that hears no more than
    that the recordings are others may answer the commonest tested class throughout.

    Over folds one constant stands for all trainings: a fold that has many clips of a class leaves few of them for its
    training, so that constants of their own would score below what a single one does.
    """
    # That of R² is that of R² of one dimension as well.
    if labels.kind.chance is not None and labels.metrics()[0].partition(":")[0] == labels.kind.metrics[0].name:
        return labels.kind.chance
    trained, tested = (
        target.labels.take(np.unique(np.concatenate([getattr(part, split) for part in target.parts])))
        for split in ("train", "test")
    )
    # Where songs are scored, they count and not their clips.
    known = (trained, tested if target.tracks else test.labels)
    return max(constant_score(target, test, target.labels.kind.constant(each)) for each in known)


def constant_score(target: Target, test: Evaluation, constant: NDArray[Any]) -> float:
    """Return what the primary metric gives the same scores, (output,), for every clip or frame."""
    scores = np.tile(constant.astype(np.float32), (len(target.labels.values), 1))
    left = [left_of(target, number, scores, "test") for number in range(len(target.parts))]
    # What no part tests stays NaN, and is not asked for.
    whole = np.full((int(test.rows.max()) + 1, *left[0].shape[1:]), np.nan, np.float32)
    for number, values in enumerate(left):
        whole[target.clip_parts[number].test] = values
    return float(test.score(test.labels.metrics()[0], whole)[0])
