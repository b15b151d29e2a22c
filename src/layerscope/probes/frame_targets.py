"""Targets over time: which frames a probe is trained on and asked about, and the scores of the tracks they make up.

Frames are kept at 25 Hz and averaged to the rate of the target. A training sees at most 24,000 frames, taken evenly
from all tracks; validation and test are asked about every frame that has a label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression

from layerscope.data.splits import Part
from layerscope.features.clip_features import Features
from layerscope.features.store import FeatureStore
from layerscope.features.windows import FRAME_RATE
from layerscope.targets.annotations import Annotation, Beats, Spans, beat_targets, span_targets
from layerscope.targets.decoding import bar_pointer, section_spans, spans_from_frames
from layerscope.targets.labels import Kind, Labels, TrackLabels
from layerscope.targets.track_metrics import TRACK_METRICS, frame_accuracy

__all__ = [
    "FRAME_DIVISORS",
    "Tracks",
    "averaged",
    "calibration",
    "context",
    "frame_features",
    "plan_tracks",
    "score_tracks",
]

#: How many kept frames are averaged into one: beats need all, chords 12.5 a second, sections 8.3 (MusicFM's are 8).
FRAME_DIVISORS = {"beats": 1, "chords": 2, "segments": 3}
MOST_TRAINING_FRAMES = 24_000
#: Seconds on both sides of a frame that the input ``context`` sees.
CONTEXT = 0.5


@dataclass(frozen=True)
class Tracks:
    """The frames of a target.

    Attributes
    ----------
    labels : TrackLabels
        Of all clips.
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

    labels: TrackLabels
    clip_parts: list[Part]
    rate: float
    counts: NDArray[np.int64]
    clip: NDArray[np.int64]
    frame: NDArray[np.int64]
    targets: Labels
    parts: list[Part]

    def digest(self) -> str:
        """Return what identifies the annotations and the frames."""
        digest = hashlib.sha256(f"{self.labels.kind} {self.labels.names} {self.rate}".encode())
        for track in self.labels.tracks:
            for array in arrays_of(track):
                digest.update(f"{len(array)}".encode() + array.tobytes())
            digest.update(repr(track.labels if isinstance(track, Spans) else "").encode())
        digest.update(self.clip.tobytes() + self.frame.tobytes())
        return digest.hexdigest()


def arrays_of(track: Annotation) -> tuple[NDArray[np.float64], ...]:
    """Return the times of an annotation."""
    return (track.beats, track.downbeats) if isinstance(track, Beats) else (track.intervals,)


def plan_tracks(labels: TrackLabels, kept: Sequence[int], parts: list[Part]) -> Tracks:
    """Choose the frames of a target.

    Parameters
    ----------
    labels : TrackLabels
        Of all clips.
    kept : sequence of int
        Frames that are kept of each clip, at 25 Hz.
    parts : list of Part
        Rows of clips.
    """
    divisor = FRAME_DIVISORS[labels.kind]
    rate = FRAME_RATE / divisor
    counts = np.maximum(1, np.array(kept, dtype=np.int64) // divisor)
    per_clip = [frame_labels(labels, row, int(count), rate) for row, count in enumerate(counts)]
    clip = np.repeat(np.arange(len(counts)), counts)
    frame = np.concatenate([np.arange(count) for count in counts])
    values: NDArray[Any] = np.concatenate(per_clip)
    usable = values >= 0 if values.ndim == 1 else np.ones(len(values), dtype=bool)
    clip, frame, values = clip[usable], frame[usable], values[usable]
    chosen = []
    for part in parts:
        train = np.flatnonzero(np.isin(clip, fully_annotated(labels, part.train)))
        train = train[:: max(1, -(-len(train) // MOST_TRAINING_FRAMES))]
        valid = np.flatnonzero(np.isin(clip, fully_annotated(labels, part.valid)))
        chosen.append(Part(train, valid, np.flatnonzero(np.isin(clip, part.test))))
    asked = np.flatnonzero(np.isin(clip, np.concatenate([rows for part in parts for rows in (part.valid, part.test)])))
    used = np.unique(np.concatenate([asked, *(part.train for part in chosen)]))
    renumbered = [Part(*(np.searchsorted(used, rows) for rows in (p.train, p.valid, p.test))) for p in chosen]
    kind: Kind = "tags" if labels.kind == "beats" else "classes"
    targets = Labels(kind, labels.names, values[used])
    return Tracks(labels, parts, rate, counts, clip[used], frame[used], targets, renumbered)


def fully_annotated(labels: TrackLabels, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of some clips that have all that is asked for: downbeats too, unless none of them has any.

    The others are scored for their beats, and neither train nor choose: silence about downbeats is no answer.
    """
    tracks = [labels.tracks[row] for row in rows]
    whole = np.array([not isinstance(track, Beats) or len(track.downbeats) > 0 for track in tracks], dtype=bool)
    return rows[whole] if whole.any() else rows


def frame_labels(labels: TrackLabels, row: int, frames: int, rate: float) -> NDArray[np.int64] | NDArray[np.float32]:
    """Return the targets of a clip's frames: classes with -1 for none, or beat and downbeat."""
    track = labels.tracks[row]
    if isinstance(track, Beats):
        return beat_targets(track, frames, rate)
    return span_targets(track, labels.numbers(row), frames, rate)


def frame_features(store: FeatureStore, clips: pd.DataFrame, tracks: Tracks) -> Features:
    """Return the stored frames that a target uses, one row each, read layer by layer when a probe asks for one."""
    about = store.description
    baseline = bool(about["baseline"])
    keys = list(clips.clip_key)
    rows_of: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        rows_of.setdefault(key, []).append(row)
    bounds = np.searchsorted(tracks.clip, np.arange(len(keys) + 1))

    def read(position: int) -> NDArray[np.float32]:
        found: NDArray[np.float32] | None = None
        for key, kept in store.read_frames(keys, about["layers"][position]):
            states = averaged(kept, round(FRAME_RATE / tracks.rate))
            if baseline:
                states = context(states, tracks.rate)
            if found is None:
                found = np.empty((len(tracks.clip), states.shape[1]), np.float32)
            for row in rows_of[key]:
                found[bounds[row] : bounds[row + 1]] = states[tracks.frame[bounds[row] : bounds[row + 1]]]
        assert found is not None
        return found

    return Features(
        model=about["encoder"],
        layers=tuple(about["layers"]),
        clips=clips,
        window_clip=np.arange(len(tracks.clip)),
        read=read,
        pooling="context" if baseline else "frame",
        fingerprint=store.directory.name,
        widths=tuple(about["widths"]),
        baseline=baseline,
        untrained=about["untrained"],
        official=tuple(about["official"]),
    )


def averaged(frames: NDArray[np.float32], divisor: int) -> NDArray[np.float32]:
    """Average neighbours, (frame, dim) to (frame // divisor, dim), at least one."""
    if len(frames) < divisor:
        return frames.mean(axis=0, keepdims=True)
    count = len(frames) // divisor
    means: NDArray[np.float32] = frames[: count * divisor].reshape(count, divisor, -1).mean(axis=1)
    return means


def context(frames: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """Put beside each frame, (frame, dim), its neighbours and the means of wider surroundings, (frame, 7 * dim).

    The order is: the frame, one before, one after, then the means of the nearer and the farther part of half a
    second before and after. Beyond the ends the first and the last frame are repeated.
    """
    reach = max(3, round(CONTEXT * rate))
    near = max(2, reach // 2)
    padded = np.concatenate([np.repeat(frames[:1], reach, axis=0), frames, np.repeat(frames[-1:], reach, axis=0)])
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
        What a probe says of every row; beats are calibrated on the part's validation frames.
    name : {"valid", "test"}
        The split.

    Returns
    -------
    ndarray, shape (clip, metric, 2)
        Value and weight, for the clips of the split in the order of its rows.
    """
    part, clips = tracks.parts[number], getattr(tracks.clip_parts[number], name)
    shares: NDArray[np.floating] = scores
    if tracks.labels.kind == "beats":
        shares = calibrated(scores, tracks.targets, part.valid)
    elif tracks.labels.kind == "segments":
        shares = softmax(scores.astype(np.float64), axis=1)
    found = list(decoded(tracks, shares, clips))
    metrics = TRACK_METRICS[tracks.labels.kind].values()
    table = [
        [*([accuracy] if accuracy else []), *(metric(tracks.labels.tracks[row], estimate) for metric in metrics)]
        for row, (estimate, accuracy) in zip(clips, found, strict=True)
    ]
    return np.array(table, dtype=np.float64)


def decoded(
    tracks: Tracks, scores: NDArray[np.floating], clips: NDArray[np.int64]
) -> Iterator[tuple[Annotation, tuple[float, float] | None]]:
    """Yield the estimate for each clip, and the accuracy of its frames where these are classes."""
    bounds = np.searchsorted(tracks.clip, np.arange(len(tracks.counts) + 1))
    spans = [slice(bounds[row], bounds[row + 1]) for row in clips]
    if tracks.labels.kind == "beats":
        for estimate in bar_pointer([scores[span] for span in spans], tracks.rate):
            yield estimate, None
        return
    for row, span in zip(clips, spans, strict=True):
        filled = fill(scores[span], tracks.frame[span], int(tracks.counts[row]))
        wanted = tracks.targets.values[span]
        accuracy = frame_accuracy(wanted, scores[span].argmax(axis=1))
        yield spans_of_scores(filled, tracks), accuracy


def spans_of_scores(scores: NDArray[np.floating], tracks: Tracks) -> Spans:
    """Return chords or sections for the scores of all frames of a clip."""
    if tracks.labels.kind == "segments":
        return section_spans(scores, tracks.labels.names, tracks.rate)
    return spans_from_frames(scores.argmax(axis=1), tracks.labels.names, tracks.rate)


def fill(scores: NDArray[np.floating], places: NDArray[np.int64], frames: int) -> NDArray[np.floating]:
    """Give frames without a label, which were not asked about, the scores of the one before (or the first)."""
    if not len(places):
        return np.zeros((frames, scores.shape[1]))
    return scores[np.maximum(np.searchsorted(places, np.arange(frames), side="right") - 1, 0)]


def calibrated(scores: NDArray[np.float32], targets: Labels, valid: NDArray[np.int64]) -> NDArray[np.float64]:
    """Turn scores of beats and downbeats into probabilities by a logistic curve through the validation frames."""
    slope, intercept = calibration(scores[valid], targets.values[valid] > 0.75)
    shares: NDArray[np.float64] = expit(scores.astype(np.float64) * slope + intercept)
    return shares


#: As far as a logistic curve goes where there is nothing to tell apart.
CERTAIN = 30.0
#: The least that a curve rises over a deviation of the scores.
FLAT = 1e-3


def calibration(scores: NDArray[np.float32], wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return slopes and intercepts, (2, output), of logistic curves from scores to answers, (row, output) each.

    A column with only one answer gets that answer, whatever the score. No curve falls: where the frames show no
    rise it is all but flat at the share of the answer, so that the order of the scores stays.
    """
    curves = []
    for column in range(scores.shape[1]):
        yes = wanted[:, column]
        if yes.all() or not yes.any():
            curves.append((0.0, CERTAIN if yes.all() else -CERTAIN))
            continue
        known = scores[:, column][:, None].astype(np.float64)
        mean, spread = float(known.mean()), max(float(known.std()), 1e-12)
        curve = LogisticRegression(C=1e6).fit((known - mean) / spread, yes)
        rise, level = float(curve.coef_[0, 0]), float(curve.intercept_[0])
        if rise < FLAT:
            rise, level = FLAT, float(logit(yes.mean()))
        curves.append((rise / spread, level - rise / spread * mean))
    return np.array(curves).T
