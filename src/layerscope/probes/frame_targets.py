"""Targets over time: which frames a probe is trained on and asked about, and the scores of the tracks they make up.

Frames are kept at 25 Hz and averaged to the rate of the target. A training sees at most 24,000 frames, taken evenly
from all tracks; validation and test are asked about every frame that has a label.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.atomic_files import digest
from layerscope.data.splits import Part
from layerscope.features.clip_features import Features
from layerscope.features.row_blocks import LazyRows, Rows
from layerscope.features.store import FeatureStore
from layerscope.features.stored_features import features_of
from layerscope.features.windows import FRAME_RATE
from layerscope.probes.inputs import BLOCKS
from layerscope.targets.kind import Labels
from layerscope.targets.over_time import KindOverTime, as_objects

__all__ = [
    "Tracks",
    "averaged",
    "context",
    "counted_tracks",
    "frame_features",
    "plan_tracks",
    "score_tracks",
    "worst_answers",
]

#: Frames that are neighbours are alike: some, taken evenly, keep a training within minutes (docs/decisions.md).
MOST_TRAINING_FRAMES = 24_000
#: Seconds on both sides of a frame that the input ``context`` sees.
CONTEXT = 0.5
#: Tracks of which a training's answer is kept, to look at and listen to: those of all would fill the disk.
MOST_KEPT = 5


@dataclass(frozen=True)
class Tracks:
    """The frames of a target.

    Attributes
    ----------
    kind : KindOverTime
        Of the target.
    labels : Labels
        Of all clips, as far as these are heard.
    clip_parts : list of Part
        Rows of clips.
    rate : float
        Frames a second.
    counts : ndarray of int, shape (clip,)
        Frames of each clip.
    clip, frame : ndarray of int, shape (row,)
        Where each frame that is used stands.
    targets : Labels
        Of the frames that are used.
    parts : list of Part
        Rows of frames.
    """

    kind: KindOverTime
    labels: Labels
    clip_parts: list[Part]
    rate: float
    counts: NDArray[np.int64]
    clip: NDArray[np.int64]
    frame: NDArray[np.int64]
    targets: Labels
    parts: list[Part]

    def digest(self) -> str:
        """Return what identifies the annotations and the frames."""
        annotations = [self.kind.as_answer(track) for track in self.labels.values]
        told = json.dumps([self.kind.name, self.labels.names, self.rate, annotations])
        return digest(told, self.clip.tobytes(), self.frame.tobytes())


def plan_tracks(labels: Labels, kept: Sequence[int], parts: list[Part]) -> Tracks:
    """Choose the frames of a target.

    Parameters
    ----------
    labels : Labels
        Of all clips, of a kind over time.
    kept : sequence of int
        Frames that are kept of each clip, at 25 Hz.
    parts : list of Part
        Rows of clips.
    """
    kind = labels.kind
    assert isinstance(kind, KindOverTime)
    rate = FRAME_RATE / kind.divisor
    # A clip of a song comes with the song's annotation; what is not heard is neither learnt nor missed.
    heard = [kind.heard(track, count / FRAME_RATE) for track, count in zip(labels.values, kept, strict=True)]
    labels = replace(labels, values=as_objects(heard))
    counts = np.maximum(1, np.array(kept, dtype=np.int64) // kind.divisor)
    per_clip = [
        kind.frame_targets(track, labels.names, int(count), rate)
        for track, count in zip(labels.values, counts, strict=True)
    ]
    clip = np.repeat(np.arange(len(counts)), counts)
    frame = np.concatenate([np.arange(count) for count in counts])
    values: NDArray[Any] = np.concatenate(per_clip)
    # Of classes -1 is a frame without a label; of tags every frame has all answers.
    usable = values >= 0 if values.ndim == 1 else np.ones(len(values), dtype=bool)
    clip, frame, values = clip[usable], frame[usable], values[usable]
    chosen = []
    for part in parts:
        train = np.flatnonzero(np.isin(clip, fully_annotated(labels, part.train)))
        # Rounded up: every n-th frame, evenly from all tracks, and never more than the most.
        train = train[:: max(1, -(-len(train) // MOST_TRAINING_FRAMES))]
        valid = np.flatnonzero(np.isin(clip, fully_annotated(labels, part.valid)))
        chosen.append(Part(train, valid, np.flatnonzero(np.isin(clip, part.test))))
    asked = np.flatnonzero(np.isin(clip, np.concatenate([rows for part in parts for rows in (part.valid, part.test)])))
    used = np.unique(np.concatenate([asked, *(part.train for part in chosen)]))
    # `used` ascends and holds all of these rows, so that searchsorted is their place in it.
    renumbered = [Part(*(np.searchsorted(used, rows) for rows in (p.train, p.valid, p.test))) for p in chosen]
    targets = Labels(kind.frames, labels.names, values[used])
    return Tracks(kind, labels, parts, rate, counts, clip[used], frame[used], targets, renumbered)


def fully_annotated(labels: Labels, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of some clips that have all that is asked for, unless none of them has.

    The others are scored for what they have, and neither train nor choose: silence is no answer.
    """
    assert isinstance(labels.kind, KindOverTime)
    whole = np.array([labels.kind.is_complete(labels.values[row]) for row in rows], dtype=bool)
    return rows[whole] if whole.any() else rows


def frame_features(store: FeatureStore, clips: pd.DataFrame, tracks: Tracks) -> Features:
    """Return the stored frames that a target uses, one row each, read layer by layer when a probe asks for one."""
    baseline = bool(store.description["baseline"])
    keys = list(clips.clip_key)
    # Frames that are kept of clip n lie from bounds[n] to bounds[n + 1].
    bounds = np.concatenate([[0], np.cumsum([store.entry(key).frames for key in keys])])

    divisor, stored = round(FRAME_RATE / tracks.rate), store.clips(keys)

    def read(position: int) -> Rows:
        kept = stored.kept_frames(stored.layers[position])

        def frames_alone(rows: NDArray[np.int64]) -> NDArray[np.float32]:
            firsts = bounds[tracks.clip[rows]] + divisor * tracks.frame[rows]
            stretches = kept[(firsts[:, None] + np.arange(divisor)).reshape(-1)].reshape(len(rows), divisor, width)
            alone: NDArray[np.float32] = stretches.mean(axis=1)
            return alone

        def states_of(clip: int) -> NDArray[np.float32]:
            states = averaged(kept[bounds[clip] : bounds[clip + 1]], divisor)
            return context(states, tracks.rate) if baseline else states

        def frames_of(rows: NDArray[np.int64]) -> NDArray[np.float32]:
            frames = np.empty((len(rows), width), np.float32)
            order = np.argsort(tracks.clip[rows], kind="stable")
            for of_clip in np.split(order, np.flatnonzero(np.diff(tracks.clip[rows[order]])) + 1):
                if len(of_clip):
                    frames[of_clip] = states_of(tracks.clip[rows[of_clip[0]]])[tracks.frame[rows[of_clip]]]
            return frames

        width = kept.shape[1] * (BLOCKS["frame"] if baseline else 1)
        # Some frames of many clips, as a batch asks for, are read alone; those that need their surroundings are not.
        alone = not baseline and bool((np.diff(bounds) >= divisor).all())
        return LazyRows((len(tracks.clip), width), frames_alone if alone else frames_of)

    return features_of(store, clips, np.arange(len(tracks.clip)), read, "context" if baseline else "frame")


def averaged(frames: NDArray[np.float32], divisor: int) -> NDArray[np.float32]:
    """Average neighbours, (frame, dim) to (frame // divisor, dim), at least one."""
    if len(frames) < divisor:
        return frames.mean(axis=0, keepdims=True)
    # A rest of fewer frames is dropped, as `plan_tracks` counts.
    count = len(frames) // divisor
    means: NDArray[np.float32] = frames[: count * divisor].reshape(count, divisor, -1).mean(axis=1)
    return means


def context(frames: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """Put beside each frame, (frame, dim), its neighbours and the means of wider surroundings, (frame, 7 * dim).

    The order is: the frame, one before, one after, then the means of the nearer and the farther part of half a
    second before and after. Beyond the ends the first and the last frame are repeated.
    """
    # At slow rates half a second is few frames; each stretch below needs one at least.
    reach = max(3, round(CONTEXT * rate))
    near = max(2, reach // 2)
    padded = np.concatenate([np.repeat(frames[:1], reach, axis=0), frames, np.repeat(frames[-1:], reach, axis=0)])
    # Means are differences of running sums, which in float32 would lose digits over a long track.
    sums = np.concatenate([np.zeros((1, frames.shape[1])), np.cumsum(padded, axis=0, dtype=np.float64)])
    places = np.arange(len(frames)) + reach

    def mean(first: int, last: int) -> NDArray[np.float32]:
        total: NDArray[np.float32] = ((sums[places + last + 1] - sums[places + first]) / (last - first + 1)).astype(
            np.float32
        )
        return total

    stretches = ((-1, -1), (1, 1), (-near, -2), (2, near), (-reach, -near - 1), (near + 1, reach))
    return np.concatenate([frames, *(mean(first, last) for first, last in stretches)], axis=1)


def score_tracks(tracks: Tracks, number: int, scores: NDArray[np.float32], name: str) -> NDArray[np.float64]:
    """Score the tracks of one part and split.

    Parameters
    ----------
    tracks : Tracks
        The target.
    number : int
        Of the part.
    scores : ndarray, shape (row, output)
        What a probe says of every row; what makes probabilities of it is read off the part's validation frames.
    name : {"valid", "test"}
        The split.

    Returns
    -------
    ndarray, shape (clip, metric, 2)
        Value and weight, for the clips of the split in the order of its rows.
    """
    clips = getattr(tracks.clip_parts[number], name)
    rows = rows_of_tracks(tracks, clips)
    table = [
        tracks.kind.score_track(tracks.labels.values[clip], estimate, tracks.targets.values[row], scores[row])
        for clip, row, estimate in zip(clips, rows, decoded(tracks, number, scores, clips), strict=True)
    ]
    return np.array(table, dtype=np.float64)


def counted_tracks(tracks: Tracks, clips: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how much some tracks count in the primary metric, (clip,), before anything is trained.

    A track counts alike however it is answered: here by what is right.
    """
    place, values = tracks.labels.place(tracks.labels.metrics()[0]), tracks.targets.values
    rows = rows_of_tracks(tracks, clips)
    said = [np.eye(len(tracks.labels.names))[values[row]] if values.ndim == 1 else values[row] for row in rows]
    scored = [
        tracks.kind.score_track(track, track, values[row], scores)[place]
        for track, row, scores in zip(tracks.labels.values[clips], rows, said, strict=True)
    ]
    return np.array([weight for _, weight in scored])


def rows_of_tracks(tracks: Tracks, clips: Sequence[int] | NDArray[np.int64]) -> list[slice]:
    """Return the frames of some tracks."""
    bounds = np.searchsorted(tracks.clip, np.arange(len(tracks.counts) + 1))
    return [slice(bounds[clip], bounds[clip + 1]) for clip in clips]


def decoded(
    tracks: Tracks, number: int, scores: NDArray[np.float32], clips: Sequence[int] | NDArray[np.int64]
) -> list[Any]:
    """Return what the scores of every row say of some tracks, by a part's training."""
    kind, valid = tracks.kind, tracks.parts[number].valid
    calibration = kind.calibrate(scores[valid], tracks.targets.values[valid])
    filled = [
        fill(scores[row], tracks.frame[row], int(tracks.counts[clip]))
        for clip, row in zip(clips, rows_of_tracks(tracks, clips), strict=True)
    ]
    return kind.decode(filled, tracks.labels.names, tracks.rate, calibration)


def worst_tracks(tracks: Tracks, left: NDArray[np.floating]) -> list[int]:
    """Return the tracks that score lowest by the primary metric, at most `MOST_KEPT`, the worst first.

    Parameters
    ----------
    tracks : Tracks
        The target.
    left : ndarray, shape (seed, clip, metric, 2)
        What `score_tracks` returned, NaN for tracks that are not asked about.
    """
    names = [metric.name for metric in tracks.kind.metrics_of(tracks.labels.names)]
    value, weight = left.mean(axis=0)[:, names.index(tracks.labels.metrics()[0])].T
    scored = np.flatnonzero(weight > 0)
    return [int(clip) for clip in scored[np.argsort(value[scored], kind="stable")[:MOST_KEPT]]]


def worst_answers(
    tracks: Tracks,
    number: int,
    scores: NDArray[np.float32],
    left: NDArray[np.floating],
    before: Mapping[int, dict[str, Any]],
) -> dict[int, dict[str, Any]]:
    """Return what is said of the tracks that score lowest so far, by clip: as plain lists, numbers and texts.

    Parameters
    ----------
    tracks : Tracks
        The target.
    number, scores : int, ndarray
        See `score_tracks`.
    left : ndarray, shape (seed, clip, metric, 2)
        What that returned for this part and those before it, NaN for other clips.
    before : mapping
        What this returned for the part before.
    """
    worst = worst_tracks(tracks, left)
    # A track that was once not among the worst will not be among them again.
    fresh = [clip for clip in worst if clip not in before]
    estimates = decoded(tracks, number, scores, fresh) if fresh else []
    answers = {clip: tracks.kind.as_answer(estimate) for clip, estimate in zip(fresh, estimates, strict=True)}
    return {clip: before[clip] if clip in before else answers[clip] for clip in worst}


def fill(scores: NDArray[np.floating], places: NDArray[np.int64], frames: int) -> NDArray[np.floating]:
    """Give frames without a label, which were not asked about, the scores of the one before (or the first)."""
    if not len(places):
        return np.zeros((frames, scores.shape[1]))
    return scores[np.maximum(np.searchsorted(places, np.arange(frames), side="right") - 1, 0)]
