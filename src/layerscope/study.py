"""What to run → results: the room that knows the others, and the only one that does."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pandas as pd

from layerscope.dataset import Dataset
from layerscope.encoders import Encoder
from layerscope.errors import DataError, ResourceError, UsageError
from layerscope.extraction import Extraction, extract, open_store, stored_features
from layerscope.features import Features
from layerscope.labels import Kind, Labels
from layerscope.metrics import METRICS, PRIMARY, absent_tags
from layerscope.plan import Plan, Probing, checked
from layerscope.probes import Input
from layerscope.probing import Evaluation, Job, Outcome, evaluations, plan_jobs, run_jobs, score_outcome
from layerscope.progress import Progress, Silent
from layerscope.report import write_report
from layerscope.results import Entry, Results, tabulate
from layerscope.splits import Part, assign, find_leaks, group_codes, parts_of, refuse_unlearnable
from layerscope.store import FeatureStore, cache_directory, write_atomically

__all__ = ["StudyResults", "load_clips", "probe", "run"]


class StudyResults(Results):
    """Results that can draw themselves."""

    def to_html(self, path: str | Path) -> None:
        """Write the page, with figures and tables beside it, into the page's directory.

        Parameters
        ----------
        path : str or Path
            The page; its figures and tables get sub-directories beside it.
        """
        write_report(self, Path(path))


def load_clips(plan: Plan, progress: Progress | None = None) -> tuple[Dataset, Labels]:
    """Return the clips with labels and content keys, refusing leaks that the files' bytes show already."""
    dataset = Dataset.load(plan.data, plan.root).with_target(plan.target)
    with (progress or Silent()).task("reading files", dataset.clips.path.nunique(), "files") as step:
        dataset = dataset.survey(lambda files: step(files, 0.0))
    refuse_leaks(dataset.clips, allow=plan.allow_leaks)
    return dataset, dataset.labels(plan.target, plan.kind)


def refuse_leaks(clips: pd.DataFrame, *, allow: bool) -> list[str]:
    """Return what lies on both sides of the given splits, in words, or raise unless that is allowed."""
    leaks = [str(leak) for leak in find_leaks(clips)]
    if leaks and not allow:
        more = f" (and {len(leaks) - 1} more; `layerscope check` lists them)" if len(leaks) > 1 else ""
        raise DataError(f"leak between splits: {leaks[0]}{more}; mend the splits, or insist with --allow-leaks")
    return leaks


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
    with run_directory(out, plan):
        dataset, _ = load_clips(plan, progress)
        stores, passes, dataset = extract_all(plan.encoders(), dataset, plan.window, progress)
        features = [stored_features(store, dataset.clips) for store in stores]
        labels = dataset.labels(plan.target, plan.kind)
        results = probe_all(features, labels, dataset, plan, progress, keep=out / "probes")
        results.facts |= {"passes": passes, "note": note}
        finish(results, out, plan, command)
    return results


@contextmanager
def run_directory(out: Path, plan: Plan) -> Iterator[None]:
    """Hold a run's directory: for this study only, and for one process at a time."""
    written = plan.model_dump_json(indent=1)
    path = out / "study.json"
    if path.is_file():
        before = read_study(path)
        changed = [key for key, value in json.loads(written).items() if before.get(key) != value]
        if changed:
            raise UsageError(f"{out} holds another study (different: {', '.join(changed)}); choose another --out")
    elif out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty and holds no study; choose another --out")
    write_atomically(path, written.encode())
    lock = filelock.FileLock(out / ".lock")
    try:
        with lock.acquire(timeout=0):
            yield
    except filelock.Timeout as error:
        raise ResourceError(f"{out} is in use by another run; wait for it or choose another --out") from error


def read_study(path: Path) -> dict[str, Any]:
    """Return the study that a run's directory holds, or say that it is none."""
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not readable as a study ({error}); choose another --out") from error
    if not isinstance(written, dict):
        raise UsageError(f"{path}: not a study; choose another --out")
    return written


def extract_all(
    encoders: Iterable[Encoder], dataset: Dataset, window: float | None, progress: Progress
) -> tuple[list[FeatureStore], dict[str, dict[str, int]], Dataset]:
    """Take every encoder over the clips once.

    Returns
    -------
    stores : list of FeatureStore
        One an encoder.
    passes : dict
        Encoder → clips decoded, encoded, found in the cache, and windows encoded.
    dataset : Dataset
        The clips that are left, with the digest of their sound. One that fails in any encoder is used for none:
        scores on different clips do not compare.
    """
    stores: list[FeatureStore] = []
    passes: dict[str, dict[str, int]] = {}
    for encoder in encoders:
        if encoder.name in passes:
            raise UsageError(f"two models are called '{encoder.name}'; rename one directory")
        store = open_store(encoder, cache_directory(), window or encoder.window)
        with progress.task(f"encoding {encoder.name}", dataset.clips.clip_key.nunique(), "clips") as step:
            extraction = extract(encoder, dataset.clips, store, window or encoder.window, step)
        stores.append(store)
        passes[encoder.name] = counts(extraction)
        failed = extraction.failed
        dataset = dataset.without(
            {row.clip: failed[row.clip_key] for row in dataset.clips.itertuples() if row.clip_key in failed}
        )
    dataset.clips["clip_sound"] = [stores[0].entry(key).sound for key in dataset.clips.clip_key]
    return stores, passes, dataset


def counts(extraction: Extraction) -> dict[str, int]:
    """Return the counters of a pass."""
    return {
        "clips_decoded": extraction.decoded,
        "clips_encoded": extraction.encoded,
        "clips_from_cache": extraction.cached,
        "windows_encoded": extraction.windows,
    }


def probe_all(
    features: Sequence[Features],
    labels: Labels,
    dataset: Dataset,
    asked: Probing,
    progress: Progress,
    keep: Path | None = None,
) -> StudyResults:
    """Split, train every probe on every input of all features, and score.

    Parameters
    ----------
    features : sequence of Features
        Of the same clips.
    labels : Labels
        Of these clips.
    dataset : Dataset
        The clips, and those that are skipped.
    asked : Probing
        How.
    progress : Progress
        Where progress is shown.
    keep : Path, optional
        Where finished trainings are kept.
    """
    leaks = refuse_leaks(dataset.clips, allow=asked.allow_leaks)
    clips = assign(dataset.clips, labels, asked.split_seed, asked.folds)
    parts = parts_of(clips)
    refuse_unlearnable(labels, parts)
    jobs = plan_jobs(features, asked.probe)
    seeds = list(range(asked.seeds))
    with progress.task("training probes", len(jobs), "inputs") as step:
        outcomes = run_jobs(jobs, labels, parts, seeds, keep, progress=lambda finished: step(finished, 0.0))
    groups = group_codes(clips)
    splits = evaluations(labels, parts, groups, asked.split_seed)
    entries = []
    with progress.task("resampling", len(jobs), "inputs") as step:
        for job, outcome in zip(jobs, outcomes, strict=True):
            entries += score_job(job, outcome, splits, {"dataset": dataset.name, "target": asked.target}, seeds)
            step(1, 0.0)
    facts = facts_of(features, labels, clips, parts, groups, splits)
    facts |= {"dataset": dataset.name, "target": asked.target, "seeds": asked.seeds, "leaks": leaks, "note": ""}
    return StudyResults(*tabulate(entries), facts, dataset.skipped)


def score_job(
    job: Job, outcome: Outcome, splits: dict[str, Evaluation], names: dict[str, str], seeds: Sequence[int]
) -> list[Entry]:
    """Score a job; the last layer's scores are those of the input ``last`` as well."""
    inputs = [job.chosen]
    layers = job.features.layers
    if job.chosen.name == "layer" and job.chosen.layer == layers[-1] and len(layers) > 1:
        inputs.append(Input("last", layers[-1]))
    label = {"model": job.features.model, "task": names["dataset"], "probe": job.probe, **names}
    scored = score_outcome(label, outcome, splits, seeds)
    return [
        replace(entry, label={**entry.label, "input": one.name, "layer": one.layer})
        for one in inputs
        for entry in scored
    ]


def facts_of(
    features: Sequence[Features],
    labels: Labels,
    clips: pd.DataFrame,
    parts: Sequence[Part],
    groups: Any,
    splits: dict[str, Evaluation],
) -> dict[str, Any]:
    """Return what a reader must know beside the scores."""
    if "fold" in clips and "split" not in clips:
        sizes = {f"fold {name}": int(count) for name, count in sorted(clips.fold.value_counts().items())}
    else:
        sizes = {name: int((clips.split == name).sum()) for name in ("train", "valid", "test")}
    return {
        "kind": labels.kind,
        "names": list(labels.names),
        "primary": PRIMARY[labels.kind],
        "metrics": list(METRICS[labels.kind]),
        "clips": len(clips),
        "splits": sizes,
        "groups": len(np.unique(groups)),
        "test_groups": len(np.unique(groups[splits["test"].rows])),
        "chance": chance_level(labels, parts, splits["test"]),
        "absent_tags": absent_tags(splits["test"].labels),
        "models": {
            one.model: {
                "layers": list(one.layers),
                "baseline": one.baseline,
                "untrained": one.untrained,
                "fingerprint": one.fingerprint,
                "official": list(one.official),
            }
            for one in features
        },
    }


def chance_level(labels: Labels, parts: Sequence[Part], test: Evaluation) -> float:
    """Return what the primary metric gives a probe that ignores its input: the majority class, or a constant."""
    if labels.kind == "tags":
        return 0.5
    if labels.kind == "values":
        return 0.0
    majority = [np.bincount(labels.values[part.train]).argmax() for part in parts]
    hits = sum((labels.values[part.test] == name).sum() for part, name in zip(parts, majority, strict=True))
    return float(hits / len(test.rows))


def finish(results: StudyResults, out: Path, plan: Plan, command: Sequence[str]) -> None:
    """Write the tables, the provenance and the report."""
    provenance = {
        "command": list(command),
        "study": json.loads(plan.model_dump_json()),
        "passes": results.facts["passes"],
        "models": results.facts["models"],
        "splits": results.facts["splits"],
        "seeds": list(range(plan.seeds)),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {
            name: version(name) for name in ("layerscope", "torch", "numpy", "scikit-learn", "librosa", "soxr")
        },
    }
    write_atomically(out / "provenance.json", json.dumps(provenance, indent=1).encode())
    results.save(out)
    results.to_html(out / "report.html")


def probe(
    subject: Encoder | Features | Sequence[Encoder | Features],
    dataset: Dataset | None = None,
    *,
    target: str = "label",
    kind: Kind | None = None,
    probes: Sequence[str] = ("mlp", "linear", "closed"),
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
    target : str
        The column to predict.
    kind : {"classes", "tags", "values"}, optional
        What the target is, where it should not be worked out.
    probes : sequence of str
        Which probes.
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
    """
    written = {"target": target, "kind": kind, "probe": list(probes), "seeds": seeds, "folds": folds,
               "split_seed": split_seed, "window": window, "allow_leaks": allow_leaks}  # fmt: skip
    asked = checked(Probing, written, "probe()")
    subjects = [subject] if isinstance(subject, (Encoder, Features)) else list(subject)
    encoders = [one for one in subjects if isinstance(one, Encoder)]
    features = [one for one in subjects if isinstance(one, Features)]
    if features and not encoders and dataset is None:
        labels = features[0].labels
        if labels is None:
            raise UsageError("these features bring no labels; make them with Features.from_arrays")
        return probe_all(features, labels, Dataset("features", features[0].clips), asked, Silent())
    if features or dataset is None:
        raise UsageError("encoders need a dataset, and features of one's own stand alone")
    surveyed = dataset.with_target(target).survey()
    refuse_leaks(surveyed.clips, allow=allow_leaks)
    stores, passes, left = extract_all(encoders, surveyed, window, Silent())
    stored = [stored_features(store, left.clips) for store in stores]
    results = probe_all(stored, left.labels(target, kind), left, asked, Silent())
    results.facts["passes"] = passes
    return results
