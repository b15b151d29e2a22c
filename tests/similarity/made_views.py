"""Views made in tests: every row a clip of one frame, or clips of several."""

import numpy as np

from layerscope.similarity.frame_sums import View, ViewSample, sums_of


def sample_of(x, name="x", frames=1):
    """Return rows (row, width), of which so many in a row are a clip, as a view sees them."""
    clip = np.arange(len(x)) // frames
    clips = x.reshape(-1, frames, x.shape[1])
    if frames > 1:
        steps = np.square(np.diff(clips, axis=1)).sum(axis=2).mean(axis=1)
    else:  # one after the other they are a track
        steps = np.append(np.square(np.diff(x, axis=0)).sum(axis=1), np.nan)
    return ViewSample(View(name, 0, x.shape[1]), x, clip, clips.mean(axis=1), steps)


def sums_of_rows(*views, frames=1, centred=True):
    samples = [sample_of(x, f"view {number}", frames) for number, x in enumerate(views)]
    centres = [sample.means.mean(axis=0) if centred else np.zeros(sample.view.width) for sample in samples]
    return sums_of(samples, centres)
