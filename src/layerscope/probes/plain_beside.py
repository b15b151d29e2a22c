"""A plain feature beside each layer of a model: what the layer adds to it, and what it lacks of it.

Windows of a clip are equally long, so that where a model and a plain feature cut every clip into as many, their
windows are the same sound and stand side by side. Where they do not, each window of the model has beside it the plain
feature's mean over the clip, and what a layer adds is held against that mean alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerscope.features.clip_features import Features
from layerscope.features.row_blocks import LazyRows, Rows, clip_means
from layerscope.probes.inputs import Input, assemble

__all__ = ["beside_layers", "cut_alike", "plain_alone"]


def cut_alike(features: Features, plain: Features) -> bool:
    """Return whether every clip has as many windows (or frames) of both, which are then the same."""
    return np.array_equal(features.window_clip, plain.window_clip)


def beside_layers(features: Features, plain: Features, summary: Input) -> Features:
    """Return a model's features with a summary of a plain feature in front of every layer.

    Parameters
    ----------
    features, plain : Features
        Of the same clips, in one order.
    summary : Input
        Of the plain feature: see `inputs_of`.
    """

    def read(position: int) -> Rows:
        layer, sound = features.read(position), plain_rows(features, plain, summary)
        return LazyRows(
            (len(layer), sound.shape[1] + layer.shape[1]),
            lambda rows: np.concatenate([sound[rows], layer[rows]], axis=1),
        )

    return replace(features, read=read, fingerprint=both_of(features, plain, summary))


def plain_alone(features: Features, plain: Features, summary: Input) -> Features:
    """Return what `beside_layers` puts in front of every layer, alone, as the only layer of a model's windows."""
    return replace(
        features,
        layers=(0,),
        widths=plain.widths,
        read=lambda _: plain_rows(features, plain, summary),
        fingerprint=both_of(features, plain, summary),
    )


def both_of(features: Features, plain: Features, summary: Input) -> str:
    """Return what identifies the states of both."""
    return f"{features.fingerprint} beside {plain.fingerprint} {summary.name}"


def plain_rows(features: Features, plain: Features, summary: Input) -> Rows:
    """Return the states of a plain feature for each window of a model."""
    rows = assemble(plain, summary)
    if cut_alike(features, plain):
        return rows
    means = clip_means(rows[:], plain.window_clip, len(plain.clips))
    return LazyRows((len(features.window_clip), rows.shape[1]), lambda windows: means[features.window_clip[windows]])
