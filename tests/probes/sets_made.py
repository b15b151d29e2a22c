"""States in which known layers hold a class, or a half of it each."""

from dataclasses import replace

import numpy as np

from layerscope import Features


def made_states(seed, halves=(), whole=None, clips=400, layers=6, width=8, far=3.0):
    """Return states (clip, layer, width) and classes; `halves` are two layers, `whole` is one that holds all."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(clips) % 4)
    states = random.normal(size=(clips, layers, width))
    for layer, half in zip(halves, (labels % 2, labels // 2), strict=False):
        states[:, layer, 0] += far * half
    if whole is not None:
        states[:, whole, :2] += far * np.stack([labels % 2, labels // 2], axis=1)
    return states, labels


def made_study(seed, folds=None, plain_windows=1, **how):
    """Return the features of a model and of a plain feature that knows nothing."""
    states, labels = made_states(seed, **how)
    names = [f"class {label}" for label in labels]
    given = {} if folds is None else {"folds": np.arange(len(labels)) % folds}
    model = Features.from_arrays(states, names, model="m", **given)
    noise = np.random.default_rng(seed + 1).normal(size=(len(labels), 1, 12))
    plain = Features.from_arrays(noise, names, model="mel", baseline=True, **given)
    plain = replace(plain, pooling="moments", widths=(2,))
    if plain_windows > 1:
        rows = np.repeat(noise[:, 0], plain_windows, axis=0).astype(np.float32)
        plain = replace(plain, window_clip=np.repeat(plain.window_clip, plain_windows), read=lambda _: rows)
    return [model, plain]
