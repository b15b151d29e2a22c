"""Every layer of every model, on the frames that the passes sampled: what a comparison looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerscope.features.store import FeatureStore
from layerscope.similarity.frame_sums import View, ViewSample

__all__ = ["SampledView", "common_frames", "sampled_views"]

#: The frames of each clip, by its key.
Frames = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class SampledView:
    """A view and the store that its frames are in.

    Attributes
    ----------
    view : View
        Which.
    store : FeatureStore
        Of its encoder.
    layer : int
        Of the encoder.
    """

    view: View
    store: FeatureStore
    layer: int

    def read(self, wanted: Mapping[str, int], frames: Frames) -> ViewSample:
        """Return the given frames of each clip, in the order of the clips, out of the first so many of its sample."""
        numbers = {key: number for number, key in enumerate(frames)}
        rows: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(frames)
        means: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(frames)
        steps = np.zeros(len(frames))
        # `wanted` may name clips that have no frame in common.
        asked = {key: wanted[key] for key in frames}
        for key, sample in self.store.read_sample(asked, self.layer, self.view.width):
            # The store holds frames in the order they were drawn in; searchsorted needs them ascending.
            order = np.argsort(sample.frames)
            number = numbers[key]
            rows[number] = sample.states[order[np.searchsorted(sample.frames[order], frames[key])]]
            means[number], steps[number] = sample.mean, sample.step
        clip = np.repeat(np.arange(len(frames)), [len(chosen) for chosen in frames.values()])
        return ViewSample(self.view, np.concatenate(rows), clip, np.stack(means), steps)


def sampled_views(store: FeatureStore) -> list[SampledView]:
    """Return the views that an encoder gives; a plain feature has no layer."""
    about = store.description
    return [
        SampledView(View(about["encoder"], None if about["baseline"] else layer, width), store, layer)
        for layer, width in zip(about["layers"], about["widths"], strict=True)
    ]


def common_frames(stores: Sequence[FeatureStore], wanted: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
    """Return the frames of each clip that every store has sampled, ascending.

    Encoders of different sample rates may count a frame more or less at the end of a clip.
    """
    frames: dict[str, NDArray[np.int64]] = {}
    for store in stores:
        for key, sampled in store.sampled_frames(wanted):
            frames[key] = np.intersect1d(frames[key], sampled) if key in frames else np.sort(sampled)
    # Where a wide encoder keeps less than a frame a clip, some clips have none.
    return {key: frames[key] for key in wanted if len(frames[key])}
