"""How a clip is cut into the windows that an encoder hears.

Conventions: all samples are covered, no window is padded, and the windows of a clip are equally long. Clips that are
summarised are cut into windows that do not overlap; tracks whose frames are kept are cut into overlapping ones, on the
grid of `FRAME_RATE`, and stitched. A frame stands at its middle: frame n at ``(n + 0.5) / FRAME_RATE`` seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRAME_RATE", "Cutting", "frame_count", "overlapping_spans", "window_spans"]

Samples = NDArray[np.float32]

#: Frames a second that are kept, that of MuQ, MusicFM and MERT-v2; what is faster is averaged.
FRAME_RATE = 25.0
#: Windows of tracks overlap by this many seconds, so that no frame is read near an edge.
OVERLAP = 4.0
#: Steps a second in which lengths are told of clips that have not been decoded.
CENTISECONDS = 100


def window_spans(samples: int, longest: int) -> list[tuple[int, int]]:
    """Divide a clip into the fewest equal windows that are no longer than `longest`, with a tenth of grace.

    No sliver is left over: 45 s in windows of 30 s are two of 22.5 s, and 30.013 s are one. Neighbours may share one
    sample.

    Parameters
    ----------
    samples : int
        Length of the clip, at least 1.
    longest : int
        Length of a window.

    Returns
    -------
    list of (int, int)
        First sample and the one after the last, all equally far apart.

    Examples
    --------
    >>> window_spans(45, 30)
    [(0, 23), (22, 45)]
    """
    # A tenth of grace: a file of 30.013 s stays one window of 30 s (docs/decisions.md).
    count = max(1, math.ceil(samples / longest - 0.1))
    length = math.ceil(samples / count)
    if count == 1:
        return [(0, samples)]
    # Steps are at most `length`, so that rounded starts leave no gap; neighbours may share a sample.
    return even_spans(samples, length, count)


def overlapping_spans(frames: int, longest: int, overlap: int) -> list[tuple[int, int]]:
    """Divide a track into equal windows that overlap, for frames that are to be stitched.

    Parameters
    ----------
    frames : int
        Length of the track, at least 1.
    longest : int
        Length of a window; a track up to a tenth longer is one window.
    overlap : int
        Least overlap of neighbours, below `longest`.

    Returns
    -------
    list of (int, int)
        First frame and the one after the last, all equally far apart.

    Examples
    --------
    >>> overlapping_spans(100, 40, 10)
    [(0, 40), (30, 70), (60, 100)]
    """
    # The grace of `window_spans`.
    if frames <= 1.1 * longest:
        return [(0, frames)]
    # Two at least, as frames > longest here: the division below is safe.
    count = math.ceil((frames - overlap) / (longest - overlap))
    return even_spans(frames, longest, count)


def even_spans(whole: int, length: int, count: int) -> list[tuple[int, int]]:
    """Return so many spans of one length, two at least, spread evenly from the beginning to the end of a whole."""
    starts = [round(number * (whole - length) / (count - 1)) for number in range(count)]
    return [(first, first + length) for first in starts]


def frame_count(seconds: float) -> int:
    """Return how many frames at `FRAME_RATE` a stretch of sound has, one at least.

    Examples
    --------
    >>> frame_count(30.0), frame_count(0.01)
    (750, 1)
    """
    # 1e-6, because samples over a rate may fall a hair below a whole frame.
    return max(1, math.floor(seconds * FRAME_RATE + 1e-6))


@dataclass(frozen=True)
class Cutting:
    """One way of cutting clips.

    Attributes
    ----------
    window : float
        Longest window in seconds.
    overlapping : bool
        Whether windows overlap, on the grid of frames, to be stitched.
    """

    window: float
    overlapping: bool = False

    @property
    def window_frames(self) -> int:
        """Return how many frames the longest window has."""
        return round(self.window * FRAME_RATE)

    def track_spans(self, frames: int) -> list[tuple[int, int]]:
        """Return the overlapping windows of a track of that many frames, as frames."""
        longest = max(2, self.window_frames)
        # Of short windows a quarter: four seconds would be all of them, and none would move on.
        return overlapping_spans(frames, longest, min(round(OVERLAP * FRAME_RATE), longest // 4))

    def cut(self, samples: Samples, sample_rate: int) -> tuple[Samples, list[tuple[float, float]]]:
        """Return the windows of a clip, (window, samples), and where they lie in it, in seconds."""
        if not self.overlapping:
            spans = window_spans(len(samples), round(self.window * sample_rate))
            return np.stack([samples[first:stop] for first, stop in spans]), [
                (first / sample_rate, stop / sample_rate) for first, stop in spans
            ]
        tracks = self.track_spans(frame_count(len(samples) / sample_rate))
        seconds = [(first / FRAME_RATE, stop / FRAME_RATE) for first, stop in tracks]
        if len(tracks) == 1:
            # All samples, though the frames' grid may end before them: nothing of the sound is dropped.
            return samples[None], seconds
        # One length for all, since they are stacked, and rounded down, since the last may not run over the end.
        length = math.floor((tracks[0][1] - tracks[0][0]) / FRAME_RATE * sample_rate)
        starts = [round(first / FRAME_RATE * sample_rate) for first, _ in tracks]
        return np.stack([samples[start : start + length] for start in starts]), seconds

    def lengths(self, seconds: float) -> list[float]:
        """Return the lengths in seconds of the windows of a clip that has not been decoded."""
        if self.overlapping:
            return [(stop - first) / FRAME_RATE for first, stop in self.track_spans(frame_count(seconds))]
        return [(stop - first) / CENTISECONDS for first, stop in self.pooled_spans(seconds)]

    def pooled_spans(self, seconds: float) -> list[tuple[int, int]]:
        """Return the stretches that a clip is summarised in, in hundredths of a second; they do not overlap."""
        return window_spans(max(1, round(seconds * CENTISECONDS)), round(self.window * CENTISECONDS))
