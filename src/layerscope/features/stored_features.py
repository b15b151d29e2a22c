"""What probes are given of a store: the features of clips, by each way in which frames were summarised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.encoders.model_names import SEED
from layerscope.features.attended_frames import attended_features
from layerscope.features.clip_features import Features
from layerscope.features.pooling import POOLINGS, Pooling
from layerscope.features.row_blocks import LazyRows, Rows
from layerscope.features.store import FeatureStore
from layerscope.features.stored_rows import StoredClips

__all__ = ["features_of", "pooled_features", "pooled_parts", "stored_features"]


def stored_features(store: FeatureStore, clips: pd.DataFrame) -> Features:
    """Return the stored features of clips, read layer by layer when a probe asks for one."""
    keys, about = list(clips.clip_key), store.description
    # Ascending, as windows are read one after another in the order of the keys.
    window_clip = np.repeat(np.arange(len(keys)), [store.entry(key).windows for key in keys])

    features = features_of(store, clips, window_clip, partial(windows_of, store.clips(keys)), about["pooling"])
    return replace(features, attended=attended_features(features, store))


def windows_of(stored: StoredClips, position: int) -> Rows:
    """Return the summarised windows of clips, of the layer at a position."""
    return stored.pooled(stored.layers[position])


def features_of(
    store: FeatureStore,
    clips: pd.DataFrame,
    window_clip: NDArray[np.int64],
    read: Callable[[int], Rows],
    pooling: Pooling,
) -> Features:
    """Return what an encoder left of clips, read as is said; see `Features`."""
    about = store.description
    return Features(
        model=about["encoder"],
        layers=tuple(about["layers"]),
        clips=clips,
        window_clip=window_clip,
        read=read,
        pooling=pooling,
        fingerprint=store.directory.name,
        widths=tuple(about["widths"]),
        baseline=about["baseline"],
        untrained=about["untrained"],
        official=tuple(about["official"]),
        network=about["fingerprint"],
    )


def pooled_features(store: FeatureStore, clips: pd.DataFrame, poolings: Sequence[str]) -> list[Features]:
    """Return the stored features of clips by each of several poolings, each called by its name; the mean first.

    Plain features have summaries of their own, and are returned once.
    """
    features = stored_features(store, clips)
    return pooled_parts(features, poolings) if features.pooling == "spread" else [features]


def pooled_parts(features: Features, poolings: Sequence[str]) -> list[Features]:
    """Return features of mean, deviation and maximum by each of several poolings of these."""
    attended = features.attended
    parted = []
    # Draws of one untrained twin are told of as one by what stands before their mark.
    name, mark, draw = features.model.partition(SEED) if features.untrained else (features.model, "", "")
    for called, parts in [POOLINGS[pooling] for pooling in POOLINGS if pooling in poolings]:
        parted.append(
            replace(
                features,
                model=f"{name}{called}{mark}{draw}",
                read=partial(part_of, features, parts),
                pooling="mean",
                widths=tuple((parts.stop - parts.start) * width for width in features.widths),
                network=features.network + called,
                # Jobs are told apart by it: the mean's and the maximum's have one shape.
                fingerprint=features.fingerprint + called,
                # Frames are not pooled yet: attention has them once.
                attended=attended,
            )
        )
        attended = None
    return parted


def part_of(features: Features, parts: slice, position: int) -> LazyRows:
    """Return some of the three parts of a layer's summaries."""
    rows, width = features.read(position), features.widths[position]
    columns = slice(parts.start * width, parts.stop * width)
    return LazyRows((len(rows), columns.stop - columns.start), lambda numbers: rows[numbers][:, columns])
