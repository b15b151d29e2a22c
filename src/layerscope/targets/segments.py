"""Sections of a track, or any other labelled spans.

A probe names the section that a frame stands in. Boundaries are peaks of novelty in what it says, so that two sections
of one label in a row are not told apart. Hit rates of boundaries are mir_eval's, first and last boundary left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, pairwise

import mir_eval
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from scipy.special import softmax

from layerscope.targets.calibration import Calibration
from layerscope.targets.cells import Column
from layerscope.targets.changed_sound import refuse_change
from layerscope.targets.kind import Labels
from layerscope.targets.label_names import remark_on_names
from layerscope.targets.metric import Metric
from layerscope.targets.over_time import Scored, Scores
from layerscope.targets.spans import FRAME_ACCURACY, KindOfSpans, Spans, span_labels

__all__ = ["Segments", "boundary_f", "section_spans"]


def boundary_f(window: float) -> Callable[[Spans, Spans], Scored]:
    """Return the F-measure of boundaries within a window, first and last left out (HR.5F and HR3F; trimmed)."""

    def measure(reference: Spans, estimate: Spans) -> Scored:
        if len(reference.intervals) < 2:  # no boundary inside the track: nothing to find
            return 0.0, 0.0
        if len(estimate.intervals) < 2:
            return 0.0, 1.0
        _, _, value = mir_eval.segment.detection(reference.intervals, estimate.intervals, window=window, trim=True)
        return float(value), 1.0

    return measure


#: Seconds that are compared on both sides of a boundary, and the least distance of two boundaries.
NOVELTY_SPAN = 6.0
SHORTEST_SECTION = 4.0
#: A boundary's novelty exceeds the track's mean by this many deviations.
PROMINENCE = 0.5


def section_spans(probabilities: NDArray[np.floating], names: Sequence[str], rate: float) -> Spans:
    """Divide a track into sections.

    Boundaries are peaks of the distance between the mean probabilities before and after a frame (the novelty of
    Foote 2000 with a box for a kernel); a section is the class with the highest mean.

    Parameters
    ----------
    probabilities : ndarray, shape (frame, class)
        Non-negative.
    names : sequence of str
        Of the classes.
    rate : float
        Frames a second.

    Examples
    --------
    >>> section_spans(np.repeat([[1.0, 0.0], [0.0, 1.0]], 80, axis=0), ("verse", "chorus"), 8.0)
    Spans(intervals=array([[ 0., 10.],
           [10., 20.]]), labels=('verse', 'chorus'))
    """
    frames = len(probabilities)
    reach = max(1, round(NOVELTY_SPAN * rate))
    sums = np.concatenate([np.zeros((1, probabilities.shape[1])), np.cumsum(probabilities, axis=0)])
    edges = np.arange(frames + 1)
    left, right = np.maximum(edges - reach, 0), np.minimum(edges + reach, frames)
    # At the ends one side is empty: divided by 1 instead of 0, and set to 0 below.
    before = (sums[edges] - sums[left]) / np.maximum(edges - left, 1)[:, None]
    after = (sums[right] - sums[edges]) / np.maximum(right - edges, 1)[:, None]
    # Smoothed, since flicker of single frames would make many peaks of one boundary.
    novelty = gaussian_filter1d(np.linalg.norm(after - before, axis=1), sigma=max(0.5, 0.5 * rate))
    # Within a second of the ends one side has hardly any frames, whose mean says little.
    novelty[: round(rate)] = novelty[len(novelty) - round(rate) :] = 0.0
    height = novelty.mean() + PROMINENCE * novelty.std()
    peaks, _ = find_peaks(novelty, height=height, distance=max(1, round(SHORTEST_SECTION * rate)))
    bounds = np.concatenate([[0], peaks, [frames]])
    labels = [names[int(probabilities[start:stop].mean(axis=0).argmax())] for start, stop in pairwise(bounds)]
    return Spans(np.stack([bounds[:-1], bounds[1:]], axis=1) / rate, tuple(labels))


class Segments(KindOfSpans):
    """Sections of a track."""

    name, noun, namespace = "segments", "kinds of section over time", "segment_open"
    column_words = ("section", "segment")
    written = "[[start, end, name], …]"
    divisor = 3  # 8.3 frames a second; MusicFM's are 8
    metrics = (
        FRAME_ACCURACY,
        Metric("boundary_f_0.5s", "HR.5F", boundary_f(0.5)),
        Metric("boundary_f_3s", "HR3F", boundary_f(3.0)),
    )

    def changed(self, labels: Labels, column: str, semitones: float, tempo: float) -> Labels:
        """Return the sections at the times where they are then, unless their names tell of pitch."""
        # Names alone tell nothing: sections are called A, B and C.
        refuse_change(column, (), semitones, tempo=1.0)
        return super().changed(labels, column, semitones, tempo)

    def remark(self, column: Column) -> str:
        """Return which labels of sections may be one, or none."""
        return remark_on_names(Counter(chain.from_iterable(map(span_labels, column.cells))))

    def names_of(self, tracks: Sequence[Spans]) -> tuple[str, ...]:
        """Return the labels that occur."""
        return tuple(sorted({label for track in tracks for label in track.labels}))

    def decode(self, scores: Scores, names: Sequence[str], rate: float, calibration: Calibration) -> list[Spans]:
        """Divide each track where what is said of it changes."""
        return [section_spans(softmax(track.astype(np.float64), axis=1), names, rate) for track in scores]
