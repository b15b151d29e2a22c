"""How alike layers are, to one another and to the sound: one pass of every encoder, moments, and their table.

The pass goes through the clips part by part. What it leaves of a part is on disk before the next begins, so that a
killed comparison continues, and that no more than one part is in memory.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load_file
from threadpoolctl import threadpool_limits

from layerscope.atomic_files import sole_use, write_atomically, write_tensors
from layerscope.data.audio import load
from layerscope.data.dataset import Dataset
from layerscope.data.splits import group_codes
from layerscope.encoders import Encoder, load_encoder
from layerscope.errors import AudioError, DataError, ResourceError, UsageError
from layerscope.features.encode import encode_clip
from layerscope.similarity.descriptors import DESCRIPTORS, descriptor
from layerscope.similarity.frame_sums import Gathering, View, ViewMoments, read_moments, squared_steps
from layerscope.similarity.label_free import geometry, robustness
from layerscope.similarity.measures import (
    Estimate,
    Similarities,
    canonical,
    cka,
    debiased_cka,
    frames_needed,
    jackknife,
    nearest,
    procrustes,
    shared_neighbours,
)
from layerscope.study.options import Comparison
from layerscope.study.progress import Progress, Silent

__all__ = ["compare"]

#: Parts that the clips are put in: half of them fit directions, the others score them, and each is left out once.
PARTS = 8
#: Clips whose mean states are kept for neighbours.
MOST_MEANS = 2000
#: Clips, and seconds of each, that are changed to see what a layer minds.
CHANGED_CLIPS = 8
CHANGED_SECONDS = 5.0


def compare(
    asked: Comparison, out: Path, *, progress: Progress | None = None, command: Sequence[str] = ()
) -> Similarities:
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
    progress = progress or Silent()
    written = json.dumps({"models": asked.model, "data": str(asked.data), "root": asked.root and str(asked.root),
                          "layers": asked.layers, "frames": asked.frames}, indent=1)  # fmt: skip
    path = out / "comparison.json"
    if path.is_file() and path.read_text(encoding="utf-8") != written:
        raise UsageError(f"{out} holds another comparison; choose another --out")
    write_atomically(path, written.encode())
    with sole_use(out):
        found = compare_clips(asked, out, progress)
        found.facts["command"] = list(command)
        found.save(out)
        shutil.rmtree(out / "moments")
    return found


def compare_clips(asked: Comparison, out: Path, progress: Progress) -> Similarities:
    """Read the clips, take the encoders over them, and compare."""
    dataset = Dataset.load(asked.data, asked.root)
    with progress.task("reading files", dataset.clips.path.nunique(), "files") as step:
        dataset = dataset.survey(lambda files: step(files, 0.0))
    clips = dataset.clips.drop_duplicates("clip_key").reset_index(drop=True)
    parts = parts_of_clips(group_codes(clips))
    encoders = [load_encoder(name, layers=asked.layers) for name in asked.model]
    plain = [encoder.name for encoder in encoders if encoder.baseline]
    if plain:
        raise UsageError(f"{plain[0]} is a plain feature, which every comparison has; give models alone")
    if len({encoder.name for encoder in encoders}) < len(encoders):
        raise UsageError("two models have the same name; rename one directory")
    everyone = [*encoders, *(descriptor(name) for name in DESCRIPTORS)]
    views = views_of(everyone)
    refuse_too_large(views, len(parts), out)
    skipped = dict(dataset.skipped)
    with progress.task("encoding", len(clips), "clips") as step:
        for number, rows in enumerate(parts):
            gather_part(everyone, clips.iloc[rows], views, asked.frames, out / "moments" / f"{number}", skipped, step)
    table, refused = compare_views(views, out / "moments", len(parts), progress)
    scores = label_free_scores(encoders, clips, views, out / "moments", len(parts), progress)
    facts: dict[str, Any] = {
        "dataset": dataset.name,
        "clips": len(clips) - sum(clip in skipped for clip in clips["clip"]),
        "hours": float(clips.clip_seconds.sum()) / 3600,
        "frames": int(sum(read_moments(out / "moments" / f"{k}.safetensors", [0]).count for k in range(len(parts)))),
        "parts": len(parts),
        "refused": refused,
        "models": {
            one.name: {"layers": list(one.layers), "fingerprint": one.fingerprint, "untrained": one.untrained}
            for one in encoders
        },
    }
    return Similarities(table, scores, facts, skipped)


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
    numbers = np.unique(groups, return_inverse=True)[1] % min(PARTS, count)
    return [np.flatnonzero(numbers == number) for number in range(min(PARTS, count))]


def views_of(encoders: Sequence[Encoder]) -> list[View]:
    """Return every layer of every model, then the descriptors."""
    return [View(one.name, None if one.baseline else layer, one.dim) for one in encoders for layer in one.layers]


def refuse_too_large(views: Sequence[View], parts: int, out: Path) -> None:
    """Raise if the moments fit neither in memory nor on the disk."""
    size = 4 * sum(view.dim for view in views) ** 2  # float64, one half of a symmetric matrix
    out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out).free
    if size * parts > free:
        raise ResourceError(
            f"moments of {len(views)} views take {size * parts / 1e9:.0f} GB on the disk of {out}, which has "
            f"{free / 1e9:.0f} GB free; compare fewer layers (--layers 0,4,8,12) or fewer models"
        )


def gather_part(
    encoders: Sequence[Encoder],
    clips: pd.DataFrame,
    views: Sequence[View],
    frames: int,
    place: Path,
    skipped: dict[str, str],
    step: Any,
) -> None:
    """Take all encoders over the clips of a part, unless an earlier run has, and write its moments and means."""
    done = place.with_suffix(".json")
    if done.is_file():
        skipped |= json.loads(done.read_text(encoding="utf-8"))
        step(len(clips), float(clips.clip_seconds.sum()))
        return
    gathering, means, failed = Gathering(views), [], {}
    for row in clips.itertuples():
        try:
            rows, mean, steps, pairs = draw(encoders, row, frames)
        except AudioError as error:
            failed[row.clip] = str(error)
        else:
            gathering.add(rows, steps, pairs)
            means.append(mean)
        step(1, row.clip_seconds)
    if not means:
        raise DataError(f"none of {len(clips)} clips can be used; the first: {next(iter(failed.values()))}")
    gathering.save(place.with_suffix(".safetensors"))
    write_tensors(place.with_name(f"{place.name}-means.safetensors"), {"means": np.stack(means)[:MOST_MEANS]}, {})
    write_atomically(done, json.dumps(failed).encode())
    skipped |= failed


def draw(
    encoders: Sequence[Encoder], row: Any, frames: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[float], int]:
    """Encode a clip, and return frames drawn of it, (frame, width), their mean over the clip, and their steps."""
    states = encode_clip(encoders, Path(row.path), row.start, row.end, row.clip)
    tracks = [track for one in states for track in one.numpy()]
    length = min(len(track) for track in tracks)
    seed = hashlib.sha256(row.clip_key.encode()).digest()
    random = np.random.default_rng(list(seed))
    chosen = np.sort(random.choice(length, min(frames, length), replace=False))
    return (
        np.concatenate([track[chosen] for track in tracks], axis=1),
        np.concatenate([track.mean(axis=0) for track in tracks]),
        [squared_steps(track[:length]) for track in tracks],
        length - 1,
    )


def compare_views(
    views: Sequence[View], directory: Path, parts: int, progress: Progress
) -> tuple[pd.DataFrame, list[str]]:
    """Return every measure of every pair that a layer takes part in, and what could not be told, in words."""
    own = [number for number, view in enumerate(views) if view.layer is not None]
    rest = [number for number, view in enumerate(views) if view.layer is None]
    pairs = [*itertools.combinations(own, 2), *itertools.product(own, rest)]
    neighbours = neighbours_of(views, directory, parts)
    calls = (joblib.delayed(compare_pair)(directory, parts, pair) for pair in pairs)
    rows: list[dict[str, Any]] = []
    needed: dict[int, tuple[int, float]] = {}
    with progress.task("comparing", len(pairs), "pairs") as step:
        for (a, b), (estimates, fitted) in zip(
            pairs, joblib.Parallel(n_jobs=-1, return_as="generator")(calls), strict=True
        ):
            if "cca" not in estimates:
                width = max(views[a].dim, views[b].dim)
                needed[width] = (frames_needed(width, width), fitted)
            if neighbours:
                shared = shared_neighbours(neighbours[a], neighbours[b])
                estimates["neighbours"] = Estimate(shared, float("nan"), float("nan"))
            rows += [pair_row(views[a], views[b], name, one) for name, one in estimates.items()]
            step(1, 0.0)
    refused = [
        f"CCA, SVCCA and PWCCA of width {width} need {wanted:,} frames to be fitted on (10 a dimension) and "
        f"{have:,.0f} are there: give more clips, or draw more frames of each (--frames)"
        for width, (wanted, have) in sorted(needed.items())
    ]
    if not neighbours:
        refused.append("Mutual nearest neighbours need more than 20 clips")
    table = pd.DataFrame(rows)
    table[["layer", "other_layer"]] = table[["layer", "other_layer"]].astype("Int64")
    return table, refused


def neighbours_of(views: Sequence[View], directory: Path, parts: int) -> list[NDArray[np.int64]]:
    """Return the nearest neighbours of each clip in each view; none where there are too few clips."""
    means = np.concatenate([load_file(directory / f"{number}-means.safetensors")["means"] for number in range(parts)])
    means = means[:MOST_MEANS]
    ends = np.cumsum([view.dim for view in views])[:-1]
    try:
        return [nearest(own) for own in np.split(means, ends, axis=1)]
    except ValueError:
        return []


def pair_row(first: View, second: View, measure: str, estimate: Estimate) -> dict[str, Any]:
    """Return a row of the table."""
    return {
        "model": first.model, "layer": first.layer, "other": second.model, "other_layer": second.layer,
        "measure": measure, "value": estimate.value, "ci_low": estimate.low, "ci_high": estimate.high,
    }  # fmt: skip


def compare_pair(directory: Path, parts: int, pair: tuple[int, int]) -> tuple[dict[str, Estimate], float]:
    """Return all measures of two views that follow from moments, and on how many frames directions were fitted."""
    moments = [read_moments(directory / f"{number}.safetensors", pair) for number in range(parts)]
    fit, score = moments[0::2], moments[1::2]
    fitted = sum(part.count for part in fit)
    enough = fitted >= frames_needed(*(view.dim for view in moments[0].views))

    def statistics(fitting: ViewMoments, scoring: ViewMoments) -> dict[str, float]:
        both = fitting + scoring
        told = {"cka": cka(both), "cka_debiased": debiased_cka(both), "procrustes": procrustes(both)}
        return told | (canonical(fitting, scoring) if enough else {})

    with threadpool_limits(limits=1):
        found = jackknife(fit, score, statistics)
    return {name: replace(one, high=min(1.0, one.high)) for name, one in found.items()}, fitted


def label_free_scores(
    encoders: Sequence[Encoder],
    clips: pd.DataFrame,
    views: Sequence[View],
    directory: Path,
    parts: int,
    progress: Progress,
) -> pd.DataFrame:
    """Return the label-free scores of every layer."""
    rows: list[dict[str, Any]] = []
    for number, view in enumerate(views):
        if view.layer is None:
            continue
        moments = [read_moments(directory / f"{part}.safetensors", [number]) for part in range(parts)]
        found = jackknife(moments[0::2], moments[1::2], lambda fit, score: geometry(fit + score))
        rows += [
            {"model": view.model, "layer": view.layer, "score": name,
             "value": one.value, "ci_low": one.low, "ci_high": one.high}
            for name, one in found.items()
        ]  # fmt: skip
    chosen = clips.iloc[np.unique(np.linspace(0, len(clips) - 1, CHANGED_CLIPS).astype(int))]
    with progress.task("changing the sound", len(encoders), "models") as step:
        for encoder in encoders:
            for name, values in robustness(encoder, stretches(encoder, chosen)).items():
                rows += [
                    {"model": encoder.name, "layer": layer, "score": name, "value": float(value)}
                    for layer, value in zip(encoder.layers, values, strict=True)
                ]
            step(1, 0.0)
    return pd.DataFrame(rows, columns=["model", "layer", "score", "value", "ci_low", "ci_high"]).astype(
        {"layer": "Int64"}
    )


def stretches(encoder: Encoder, clips: pd.DataFrame) -> list[NDArray[np.float32]]:
    """Return the middle of each clip, at the rate of an encoder; clips that cannot be read are left out."""
    found = []
    length = max(encoder.minimum_samples, round(min(CHANGED_SECONDS, encoder.window) * encoder.sample_rate))
    for row in clips.itertuples():
        try:
            samples = load(Path(row.path), encoder.sample_rate, row.start, None if np.isnan(row.end) else row.end)
        except AudioError:
            continue
        first = max(0, (len(samples) - length) // 2)
        if len(samples) >= encoder.minimum_samples:
            found.append(samples[first : first + length])
    return found
