"""Which concepts of music each layer of an encoder tells, and what it is invariant to, by music composed for it.

The battery is clips like any others: the same pass, store, probes, controls and intervals as a run's.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.atomic_files import cache_directory, discard, owned_directory, passing_directory, write_json
from layerscope.data.dataset import Dataset
from layerscope.encoders import Encoder
from layerscope.encoders.published_models import RANDOM
from layerscope.errors import DataError, UsageError
from layerscope.features.clip_features import Features
from layerscope.features.encoder_pass import Pass
from layerscope.features.stored_features import stored_features
from layerscope.probes.problem import clip_means
from layerscope.report.concept_page import write_concept_page
from layerscope.scores.concept_scores import concept_scores
from layerscope.scores.rivals import is_shown_over
from layerscope.scores.score_table import write_csv
from layerscope.similarity.factor_sensitivity import factor_pairs, factor_sensitivity, tells_something
from layerscope.study.encoding_cost import few_clips_speed
from layerscope.study.extraction import Passes, extract_all, keep_usable
from layerscope.study.options import Battery, Call, refuse_same_names
from layerscope.study.progress import Progress, Silent
from layerscope.study.run import probe_tasks
from layerscope.study.study_results import Results
from layerscope.study.study_tasks import StudyTask, survey
from layerscope.study.twins import distinct_networks
from layerscope.toymusic.concept_battery import (
    CONCEPTS,
    FACTORS,
    NOTE_SECONDS,
    BatteryClip,
    battery,
    write_battery,
)

__all__ = ["ConceptMaps", "concepts"]

#: The closed form: exact, the same on every machine, and of some hundred clips as good as any.
PROBING = Call(probe=["closed"], seeds=1)
Say = Callable[[str], None]


@dataclass(frozen=True)
class ConceptMaps:
    """What a battery shows.

    Attributes
    ----------
    scores : DataFrame
        A row for each concept, model and layer; see `concept_scores`. Beside it ``above_twin``, of the layer that
        validation prefers: whether it is shown to tell more than that of the untrained twin; empty where there is none.
    invariance : DataFrame
        A row for each factor, model and layer: ``total``, ``total_low``, ``total_high``, ``main``, ``main_low``,
        ``main_high`` (see `factor_sensitivity`), and ``shown``, whether `tells_something` of it.
    facts : dict
        What was asked: ``models``, ``clips``, ``minutes``, ``motifs``, ``passes``.
    """

    scores: pd.DataFrame
    invariance: pd.DataFrame
    facts: dict[str, Any]

    def save(self, out: Path, command: Sequence[str]) -> None:
        """Write ``concepts.csv``, ``invariance.csv``, ``provenance.json``, the page and its figures."""
        discard(out / "report.html")
        write_json(
            out / "provenance.json",
            {
                "command": list(command),
                **self.facts,
                "python": platform.python_version(),
                "platform": platform.platform(),
                "versions": {name: version(name) for name in ("layerscope", "torch", "numpy", "soxr")},
            },
        )
        write_csv(out / "concepts.csv", self.scores)
        write_csv(out / "invariance.csv", self.invariance)
        write_concept_page(self.scores, self.invariance, self.facts, out / "report.html")


def concepts(
    asked: Battery,
    out: Path,
    *,
    progress: Progress | None = None,
    command: Sequence[str] = (),
    say: Say = lambda _: None,
    clips: Mapping[str, Sequence[BatteryClip]] | None = None,
) -> ConceptMaps:
    """Compose the battery, take encoders over it, probe every concept, and write the two maps.

    Parameters
    ----------
    asked : Battery
        Which encoders.
    out : Path
        A directory of its own. A killed command continues there.
    progress : Progress, optional
        Where progress is shown.
    command : sequence of str
        Goes into the provenance.
    say : callable
        Told what each encoder will cost, before any begins.
    clips : mapping of str to sequence of BatteryClip, optional
        The sets that are asked, ``tunes`` and ``changes`` among them; the whole battery by default.

    Raises
    ------
    UsageError
        For an encoder that hears no new sound, or none so short.
    LayerscopeError
        With a message for the user.
    """
    progress = progress or Silent()
    with owned_directory(out, "concepts", asked.on_record()), passing_directory(out) as place:
        refuse_unfit(asked)
        tables = write_battery(place, clips or battery())
        sets = {name: survey(Dataset.load(table), progress) for name, table in tables.items()}
        tell_costs(asked, sets, say)
        maps = ask_battery(asked, sets, progress, out / "probes")
        maps.save(out, command)
    return maps


def tell_costs(asked: Battery, sets: Mapping[str, Dataset], say: Say) -> None:
    """Say what each encoder will take, before any begins."""
    clips = pd.concat([dataset.clips for dataset in sets.values()])
    for encoder in asked.encoders():
        one_pass = Pass(encoder, encoder.window)
        missing = clips[clips.clip_key.isin(list(one_pass.missing(clips, one_pass.store(cache_directory()))))]
        seconds = float(missing.clip_seconds.sum())
        minutes = few_clips_speed(one_pass, missing) * seconds / 60 if len(missing) else 0.0
        kept = f", {len(clips) - len(missing):,} are kept" if len(missing) < len(clips) else ""
        where = encoder.device or "as its own code says"
        say(
            f"{encoder.name} ({where}): {len(missing):,} clips, {seconds / 60:.0f} min of sound, "
            f"about {minutes:.1f} min to encode{kept}"
        )


def refuse_unfit(asked: Battery) -> None:
    """Load every encoder, and raise for one that cannot be loaded or asked, or has the name of another."""
    names = []
    for encoder in asked.encoders():
        refuse_deaf(encoder)
        names.append(encoder.name)
    refuse_same_names(names)


def refuse_deaf(encoder: Encoder) -> None:
    """Raise for an encoder that cannot be asked: of states on disk, or that needs longer clips."""
    if encoder.reads_files:
        raise UsageError(f"{encoder.name} holds states of its own files, and hears no other sound; give its model")
    shortest = encoder.minimum_samples / encoder.sample_rate
    if shortest > NOTE_SECONDS:
        raise UsageError(
            f"{encoder.name} needs {shortest:.2f} s of sound, and notes of the battery last {NOTE_SECONDS:g} s; pad "
            "them in your encoder"
        )


def ask_battery(asked: Battery, sets: Mapping[str, Dataset], progress: Progress, keep: Path) -> ConceptMaps:
    """Encode the clips, probe the concepts, and measure what layers are invariant to.

    Of the sets ``tunes`` and ``changes`` are needed; without another one its concepts are left out.
    """
    asking = [
        StudyTask(concept, sets[name].with_target(concept, "classes"), concept, "classes")
        for concept, name in CONCEPTS.items()
        if name in sets
    ]
    asking.append(StudyTask("changes", sets["changes"], "tune", "classes"))
    passes = extract_all(asked.encoders(), asking, progress)
    refuse_failed(passes)
    *usable, _ = keep_usable(asking, passes)
    results = probe_tasks(usable, passes.stores[:-1], PROBING, progress, keep)
    # Tunes and their changes are of one store, since all clips are cut alike.
    clips = pd.concat([sets["tunes"].clips, sets["changes"].clips], ignore_index=True)
    features = distinct_networks([stored_features(store, clips) for store in passes.stores[-1]])[0]
    every = pd.concat([dataset.clips for dataset in sets.values()])
    facts = {
        "models": results.facts["models"],
        "passes": passes.counts,
        "clips": len(every),
        "minutes": float(every.clip_seconds.sum()) / 60,
        "motifs": int(every.group.nunique()),
    }
    scores = concept_scores(results)
    scores["above_twin"] = [above_twin(results, scores, number) for number in scores.index]
    drawn = np.arange(len(clips)) < len(sets["tunes"].clips)
    return ConceptMaps(scores.reset_index(drop=True), invariance(features, clips, drawn, progress), facts)


def refuse_failed(passes: Passes) -> None:
    """Raise where an encoder could not use a clip: a battery with gaps is balanced no more."""
    reasons = [reason for failed in passes.failed for reason in failed.values()]
    if reasons:
        raise DataError(f"{len(reasons)} clips of the battery cannot be used; the first: {reasons[0]}")


def above_twin(results: Results, scores: pd.DataFrame, number: int) -> str:
    """Return whether a model's preferred layer is shown to tell more of a concept than its twin's: yes, no, or ''."""
    row = scores.loc[number]
    twins = scores[(scores.concept == row.concept) & (scores.model == f"{RANDOM}{row.model}") & scores.chosen]
    if twins.empty or not row.chosen:
        return ""
    ours, theirs = (results.summary.loc[place] for place in (number, twins.index[0]))
    return "yes" if row.shown and is_shown_over(results, ours, theirs) else "no"


def invariance(
    features: Sequence[Features], clips: pd.DataFrame, drawn: NDArray[np.bool_], progress: Progress
) -> pd.DataFrame:
    """Return how far each factor moves the states of each layer of all encoders; see `factor_pairs` for `drawn`."""
    levels = {name: clips[name].to_numpy(str) for name in (*FACTORS, "tune")}
    pairs = factor_pairs(levels, drawn)
    groups = np.unique(clips.group, return_inverse=True)[1]
    rows: list[dict[str, Any]] = []
    with progress.task("holding clips together", sum(len(each.layers) for each in features), "layers") as step:
        for each in features:
            for place, layer in enumerate(each.layers):
                states = clip_means(np.asarray(each.read(place)[:]), each.window_clip, len(clips))
                indices = factor_sensitivity(states, pairs, groups)
                named = {"model": each.model, "layer": layer}
                rows += [{"factor": factor, **named, **vars(index)} for factor, index in indices.items()]
                step(1, 0.0)
    table = pd.DataFrame(rows)
    return table.assign(shown=tells_something(table))
