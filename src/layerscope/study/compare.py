"""How alike layers are, to one another and to the sound: the passes, their sampled frames, and the table of them.

The passes are those of a run: what one command has encoded the other finds.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.atomic_files import cache_directory, owned_directory
from layerscope.data.dataset import Dataset
from layerscope.data.leaks import group_codes
from layerscope.encoders import Encoder
from layerscope.errors import DataError, UsageError
from layerscope.features.encoder_pass import Pass
from layerscope.features.frame_sample import FRAMES_A_CLIP, sampled_of_clips
from layerscope.features.store import FeatureStore
from layerscope.features.windows import frame_count
from layerscope.similarity.descriptors import DESCRIPTORS, descriptor
from layerscope.similarity.label_free import geometry, robustness
from layerscope.similarity.measures import Similarities, jackknife
from layerscope.similarity.sampled_views import common_frames, sampled_views
from layerscope.similarity.time_reach import REACH_SECONDS, reach_tables
from layerscope.study.clip_trial import evenly, heard
from layerscope.study.extraction import device_and_precision
from layerscope.study.option_values import refuse_same_names
from layerscope.study.options import Comparison
from layerscope.study.progress import SILENT, Progress
from layerscope.study.ray_connection import connected
from layerscope.study.study_tasks import survey
from layerscope.study.view_pairs import Samples, compare_views
from layerscope.study.workplace import Workplace

__all__ = ["compare"]

#: Parts that the clips are put in: half of them fit directions, the others score them, and each is left out once.
PARTS = 8
#: Clips, and seconds of each, that are changed to see what a layer minds.
#: No cache keeps them, so few: half a minute of MuQ on two cores (docs/decisions.md).
CHANGED_CLIPS = 8
CHANGED_SECONDS = 5.0


def compare(asked: Comparison, out: Path, *, progress: Progress = SILENT, command: Sequence[str] = ()) -> Similarities:
    """Compare all layers of models with one another and with descriptors of the sound, and write the tables.

    Parameters
    ----------
    asked : Comparison
        What to compare, on which clips.
    out : Path
        A directory: that of a run, whose page then shows both, or one of its own. A killed comparison continues
        there.
    progress : Progress, optional
        Where progress is shown; nowhere by default.
    command : sequence of str
        Goes into the provenance.

    Raises
    ------
    LayerscopeError
        With a message for the user.
    """
    with owned_directory(out, "comparison", asked.on_record()), connected(asked.ray) as cluster:
        found = compare_clips(asked, Workplace(progress, cluster))
        found.facts["command"] = list(command)
        found.save(out)
    return found


def compare_clips(asked: Comparison, work: Workplace) -> Similarities:
    """Read the clips, take the encoders over them where no command has yet, and compare."""
    progress = work.progress
    dataset = survey(Dataset.load(asked.data, asked.root), progress)
    # A span that two rows name is one sample of music.
    clips = dataset.clips.drop_duplicates("clip_key").reset_index(drop=True)
    parts_of_clips(group_codes(clips))  # too few groups are an error before the passes, not after
    encoders = load_models(asked)
    stores, failed = [], dict[str, str]()
    for encoder in [*encoders, *(descriptor(name) for name in DESCRIPTORS)]:
        store, reasons = take_over(encoder, clips, asked.frames, work)
        stores.append(store)
        # The first encoder's reason stands.
        failed |= {**reasons, **failed}
    used = clips[~clips.clip_key.isin(list(failed))].reset_index(drop=True)
    if used.empty:
        raise DataError(f"none of {len(clips)} clips can be used; the first: {next(iter(failed.values()))}")
    # Of a wide model fewer frames are kept; only those that all models have can be compared.
    refuse_averaged(encoders, stores, used)
    width = max(sum(store.description["widths"]) for store in stores)
    sampled = sampled_of_clips(clips, width, max(asked.frames, FRAMES_A_CLIP))
    wanted = {key: min(asked.frames, sampled[key]) for key in used.clip_key}
    frames = common_frames(stores, wanted)
    used = used[used.clip_key.isin(list(frames))].reset_index(drop=True)
    parts = parts_of_clips(group_codes(used))
    samples = Samples([view for store in stores for view in sampled_views(store)], wanted, frames, parts)
    table, refused = compare_views(samples, progress)
    scores = label_free_scores(encoders, used, samples, progress)
    reaches = reaches_of(encoders, used, progress) if asked.reach else None
    if asked.reach:
        stored = [encoder.name for encoder in encoders if encoder.reads_files]
        refused += [f"the reach of {name}, which holds states of files and encodes no other sound" for name in stored]
    overlapping = sorted(
        encoder.name
        for encoder, store in zip(encoders, stores, strict=False)
        if store.keeps_frames and float(used.clip_seconds.max()) > encoder.window
    )
    facts: dict[str, Any] = {
        "dataset": dataset.name,
        "clips": len(used),
        "hours": float(clips.clip_seconds.sum()) / 3600,
        "frames": sum(map(len, frames.values())),
        "parts": len(parts),
        "refused": refused,
        # Frames of the same clips in windows that lie otherwise have heard other surroundings.
        "overlapping": overlapping,
        "models": {
            encoder.name: {
                "layers": list(encoder.layers),
                "fingerprint": encoder.fingerprint,
                "untrained": encoder.untrained,
                **device_and_precision(encoder),
            }
            for encoder in encoders
        },
    }
    reasons = {row.clip: failed[row.clip_key] for row in clips.itertuples() if row.clip_key in failed}
    return Similarities(table, scores, facts, {**dataset.skipped, **reasons}, reaches)


def refuse_averaged(encoders: Sequence[Encoder], stores: Sequence[FeatureStore], clips: pd.DataFrame) -> None:
    """Raise for states on disk that are one average a clip: they do not compare with single frames of other views."""
    for encoder, store in zip(encoders, stores, strict=False):
        lengths = [store.entry(key).length for key in clips.clip_key]
        if encoder.reads_files and max(lengths) == 1 < frame_count(float(clips.clip_seconds.max())):
            raise UsageError(
                f"{encoder.name} holds one average a clip; a comparison needs states of frames, (layer, frame, dim)"
            )


def load_models(asked: Comparison) -> list[Encoder]:
    """Return the encoders of a comparison."""
    encoders = [asked.load(name, layers=asked.layers) for name in asked.model]
    plain = [encoder.name for encoder in encoders if encoder.baseline]
    if plain:
        raise UsageError(f"{plain[0]} is a plain feature, which every comparison has; give models alone")
    refuse_same_names([encoder.name for encoder in encoders])
    return encoders


def take_over(
    encoder: Encoder, clips: pd.DataFrame, frames: int, work: Workplace
) -> tuple[FeatureStore, dict[str, str]]:
    """Take an encoder over the clips that no command has taken it over yet; return its store and what failed.

    What a run over time, with attention or with other poolings has left serves as well as that of any other run.
    """
    kept = itertools.product((False, True), repeat=3)
    passes = [Pass(encoder, encoder.window, every, attended, spread) for every, attended, spread in kept]
    sample = max(frames, FRAMES_A_CLIP)
    # All sample the same frames; to have the windows alike would cost a pass.
    best = min(passes, key=lambda each: len(each.missing(clips, each.store(cache_directory()), sample)))
    store, extraction = work.encode(best, clips, encoder.name, sample)
    return store, extraction.failed


def parts_of_clips(groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the clips of each part; no group is in two of them.

    Raises
    ------
    DataError
        For fewer than two groups: directions are to be scored on other clips than they are fitted on.
    """
    count = len(np.unique(groups))
    if count < 2:
        raise DataError("comparing needs two clips of different groups at least")
    # In turn, so that parts differ by one group at most.
    numbers = np.unique(groups, return_inverse=True)[1] % min(PARTS, count)
    return [np.flatnonzero(numbers == number) for number in range(min(PARTS, count))]


def label_free_scores(
    encoders: Sequence[Encoder], clips: pd.DataFrame, samples: Samples, progress: Progress
) -> pd.DataFrame:
    """Return the label-free scores of every layer."""
    rows: list[dict[str, Any]] = []
    for number, sampled in enumerate(samples.views):
        if sampled.view.layer is None:
            continue
        sums = samples.sums(number)
        estimates = jackknife(sums[0::2], sums[1::2], lambda fit, score: geometry(fit + score))
        rows += [
            {"model": sampled.view.model, "layer": sampled.layer, "score": name,
             "value": estimate.value, "ci_low": estimate.low, "ci_high": estimate.high}
            for name, estimate in estimates.items()
        ]  # fmt: skip
    chosen = evenly(clips, CHANGED_CLIPS)
    with progress.task("changing the sound", len(encoders), "models") as step:
        for encoder in encoders:
            # States on disk say nothing of changed sound.
            changed = {} if encoder.reads_files else robustness(encoder, stretches(encoder, chosen, CHANGED_SECONDS))
            for name, values in changed.items():
                rows += [
                    {"model": encoder.name, "layer": layer, "score": name, "value": float(value)}
                    for layer, value in zip(encoder.layers, values, strict=True)
                ]
            step(1)
    return pd.DataFrame(rows, columns=["model", "layer", "score", "value", "ci_low", "ci_high"]).astype(
        {"layer": "Int64"}
    )


def reaches_of(
    encoders: Sequence[Encoder], clips: pd.DataFrame, progress: Progress
) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Return how far in time each layer hears, on clips that are long enough, or the longest."""
    long = clips[clips.clip_seconds >= REACH_SECONDS]
    # All stretches are as long as the shortest.
    chosen = evenly(long, CHANGED_CLIPS) if len(long) else clips.sort_values("clip_seconds").tail(CHANGED_CLIPS)
    tables = []
    with progress.task("replacing the sound", len(encoders), "models") as step:
        for encoder in encoders:
            windows = [] if encoder.reads_files else stretches(encoder, chosen, REACH_SECONDS)
            if windows:
                shortest = min(map(len, windows))
                tables.append(reach_tables(encoder, [window[:shortest] for window in windows]))
            step(1)
    if not tables:
        return None
    reaches, curves = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    return reaches, curves


def stretches(encoder: Encoder, clips: pd.DataFrame, seconds: float) -> list[NDArray[np.float32]]:
    """Return the middle of each clip, at the rate of an encoder; clips that cannot be read are left out."""
    length = max(encoder.minimum_samples, round(min(seconds, encoder.window) * encoder.sample_rate))
    sounds = [(samples, max(0, (len(samples) - length) // 2)) for samples in heard(encoder, clips)]
    return [samples[first : first + length] for samples, first in sounds]
