"""Which concepts of music each layer of an encoder tells, and what it is invariant to, by music composed for it.

The battery is clips like any others: the same pass, store, probes, controls and intervals as a run's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.atomic_files import cache_directory, owned_directory, passing_directory
from layerscope.data.dataset import Dataset
from layerscope.encoders import Encoder
from layerscope.errors import DataError, UsageError, checks_arguments
from layerscope.features.clip_features import Features
from layerscope.features.encoder_pass import Pass
from layerscope.features.row_blocks import clip_means
from layerscope.features.stored_features import stored_features
from layerscope.report.concept_page import write_concept_page
from layerscope.scores.against_controls import twins_of
from layerscope.scores.concept_scores import ConceptMaps, concept_scores
from layerscope.scores.family_of_comparisons import corrected_by
from layerscope.scores.rivals import judged_gap
from layerscope.similarity.factor_sensitivity import factor_pairs, factor_sensitivity, tells_something
from layerscope.study.encoding_cost import few_clips_speed
from layerscope.study.extraction import Passes, extract_all, keep_usable
from layerscope.study.option_base import checked
from layerscope.study.option_values import refuse_same_names
from layerscope.study.options import Battery, Call
from layerscope.study.probe import held_to_contract, refuse_how, subjects_of
from layerscope.study.progress import SILENT, Progress
from layerscope.study.run import made_here, probe_tasks
from layerscope.study.study_results import Results
from layerscope.study.study_tasks import StudyTask, survey
from layerscope.study.twins import distinct_networks
from layerscope.study.workplace import Workplace
from layerscope.toymusic.concept_battery import CONCEPTS, FACTORS, NOTE_SECONDS, BatteryClip, battery, write_battery

__all__ = ["concepts", "run_battery"]

#: The closed form: exact, the same on every machine, and of some hundred clips as good as any.
PROBING = Call(probe=["closed"], seeds=1)
Say = Callable[[str], None]


@checks_arguments
def concepts(
    subject: str | Encoder | Sequence[str | Encoder],
    out: str | Path | None = None,
    *,
    layers: str | None = None,
    no_twins: bool = False,
    device: str = "auto",
    precision: str = "float32",
    batch_seconds: float | None = None,
) -> ConceptMaps:
    """Ask encoders for concepts of music, by music that is composed for it; see ``layerscope concepts``.

    Parameters
    ----------
    subject : str, Encoder, or several
        What is asked; a text is a model or a plain feature by its name, as `layerscope.load_encoder` takes it.
    out : str or Path, optional
        A directory for the tables and the page, where a killed call continues.
    layers : str, optional
        Of every model that is given by its name, such as ``"0-5"``.
    no_twins : bool
        Leave out the untrained twin that each model stands beside; an encoder that is given has none.
    device, precision, batch_seconds : str, str, float, optional
        Where and how models that are given by their names compute: see `layerscope.load_encoder`.

    Returns
    -------
    ConceptMaps
        With the tables ``scores`` and ``invariance``.

    Raises
    ------
    UsageError
        For an unknown model, or an encoder that hears no new sound, or none so short.

    Examples
    --------
    >>> import layerscope as ls
    >>> maps = ls.concepts("toy-muq,mfcc", "runs/concepts")  # doctest: +SKIP
    >>> maps.scores[maps.scores.shown & maps.scores.chosen]  # doctest: +SKIP
    """
    subjects = subjects_of(subject, (str, Encoder), "concepts() takes names or encoders")
    given = {each.name: held_to_contract(each) for each in subjects if isinstance(each, Encoder)}
    names = [each.name if isinstance(each, Encoder) else each for each in subjects]
    how = {"device": device, "precision": precision, "batch_seconds": batch_seconds}
    asked = checked(Battery, {"model": names, "layers": layers, "no_twins": no_twins, **how}, "concepts()")
    refuse_how(asked, subjects)
    if out is not None:
        return run_battery(asked, Path(out), given=given)
    with tempfile.TemporaryDirectory() as place:
        return run_battery(asked, Path(place), given=given)


def run_battery(
    asked: Battery,
    out: Path,
    *,
    progress: Progress = SILENT,
    command: Sequence[str] = (),
    say: Say = lambda _: None,
    clips: Mapping[str, Sequence[BatteryClip]] | None = None,
    given: Mapping[str, Encoder] = MappingProxyType({}),
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
    given : mapping of str to Encoder
        Those of the encoders that are not to be loaded, by their names.

    Raises
    ------
    UsageError
        For an encoder that hears no new sound, or none so short.
    LayerscopeError
        With a message for the user.
    """
    with owned_directory(out, "battery of concepts", asked.on_record()), passing_directory(out) as place:
        refuse_unfit(asked.encoders(given))
        tables = write_battery(place, clips or battery())
        sets = {name: survey(Dataset.load(table), progress) for name, table in tables.items()}
        tell_costs(asked.encoders(given), sets, say)
        maps = ask_battery(asked.encoders(given), sets, Workplace(progress, keep=out / "probes"))
        maps.facts.update(command=list(command), **made_here(("layerscope", "torch", "numpy", "soxr")))
        maps.save(out)
        write_concept_page(maps.scores, maps.invariance, maps.facts, out / "report.html")
    return maps


def tell_costs(encoders: Iterable[Encoder], sets: Mapping[str, Dataset], say: Say) -> None:
    """Say what each encoder will take, before any begins."""
    clips = pd.concat([dataset.clips for dataset in sets.values()])
    for encoder in encoders:
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


def refuse_unfit(encoders: Iterable[Encoder]) -> None:
    """Load every encoder, and raise for one that cannot be loaded or asked, or has the name of another."""
    names = []
    for encoder in encoders:
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


def ask_battery(encoders: Iterable[Encoder], sets: Mapping[str, Dataset], work: Workplace) -> ConceptMaps:
    """Encode the clips, probe the concepts, and measure what layers are invariant to.

    Of the sets ``tunes`` and ``changes`` are needed; without another one its concepts are left out.
    """
    asking = [
        StudyTask(concept, sets[name].with_target(concept, "classes"), concept, "classes")
        for concept, name in CONCEPTS.items()
        if name in sets
    ]
    asking.append(StudyTask("changes", sets["changes"], "tune", "classes"))
    passes = extract_all(encoders, asking, PROBING, work)
    refuse_failed(passes)
    *usable, _ = keep_usable(asking, passes)
    results = probe_tasks(usable, passes.stores[:-1], PROBING, work)
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
    scores["above_twin"] = above_twins(results, scores)
    drawn = np.arange(len(clips)) < len(sets["tunes"].clips)
    return ConceptMaps(scores.reset_index(drop=True), invariance(features, clips, drawn, work.progress), facts)


def refuse_failed(passes: Passes) -> None:
    """Raise where an encoder could not use a clip: a battery with gaps is balanced no more."""
    reasons = [reason for failed in passes.failed for reason in failed.values()]
    if reasons:
        raise DataError(f"{len(reasons)} clips of the battery cannot be used; the first: {reasons[0]}")


def above_twins(results: Results, scores: pd.DataFrame) -> list[str]:
    """Return of each row whether a model's preferred layer is shown to tell more of a concept than its twin's.

    Returns
    -------
    list of "yes", "no" or "", one a row of ``scores``
        Corrected for all concepts and models (Holm); empty where there is no twin, or the layer is not the preferred.
    """
    chosen = scores[scores.chosen]
    preferred = {(row.concept, row.model): number for number, row in chosen.iterrows()}
    twins = twins_of(results, list(chosen.model.unique()))
    pairs = {
        number: preferred[concept, twins[model]] for (concept, model), number in preferred.items() if model in twins
    }
    rows = results.summary.loc
    verdicts = corrected_by({ours: judged_gap(results, rows[ours], rows[twin]) for ours, twin in pairs.items()})
    return [
        ("yes" if scores.shown[number] and verdicts[number] == "better" else "no") if number in pairs else ""
        for number in scores.index
    ]


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
                step(1)
    table = pd.DataFrame(rows)
    return table.assign(shown=tells_something(table))
