"""Problems that probes are tested on."""

import numpy as np

from layerscope.probes import Problem
from layerscope.targets import KINDS, Labels
from layerscope.tasks.task import Schedule

#: What training does is seen in a dozen epochs; what it learns asks for more.
SHORT = Schedule(epochs=12, stop_after=4, halve_after=1)
#: Of the fixture `features`.
CLIPS = 60


def make_problem(kind, clips=150, dim=12, outputs=3, windows=1, noise=1.0, seed=0, layers=0, schedule=None):
    """Return a problem whose targets follow linearly from the states, up to noise."""
    random = np.random.default_rng(seed)
    hidden = random.normal(size=(clips, dim))
    direction = random.normal(size=(dim, outputs))
    signal = hidden @ direction + noise * random.normal(size=(clips, outputs))
    if kind == "classes":
        values = signal.argmax(axis=1).astype(np.int64)
    elif kind == "tags":
        values = (signal > 0).astype(np.float32)
    else:
        values = (3 + 2 * signal).astype(np.float32)
    # Columns of very different scales: what is not standardised would show.
    states = np.repeat(hidden, windows, axis=0) * np.geomspace(0.01, 100, dim) + 5
    if layers:
        others = random.normal(size=(len(states), layers, dim))
        others[:, 1] = states
        states = others
    order = random.permutation(clips)
    return Problem(
        states.astype(np.float32),
        np.repeat(np.arange(clips), windows),
        Labels(KINDS[kind], tuple(f"t{number}" for number in range(outputs)), values),
        *np.split(order, [int(0.6 * clips), int(0.8 * clips)]),
        schedule=schedule or Schedule(),
    )


def planted_mixture(kind, shares, clips=300, dim=12, outputs=3, noise=0.3, seed=0):
    """Return a problem whose targets follow from a mixture of layers with the given shares, each layer noise alone."""
    random = np.random.default_rng(seed)
    states = random.normal(size=(clips, len(shares), dim))
    hidden = np.einsum("nld,l->nd", states, shares) / np.linalg.norm(shares)
    signal = hidden @ random.normal(size=(dim, outputs)) + noise * random.normal(size=(clips, outputs))
    values = {"classes": signal.argmax(axis=1), "tags": (signal > 0).astype(np.float32)}.get(
        kind, signal.astype(np.float32)
    )
    return Problem(
        states.astype(np.float32),
        np.arange(clips),
        Labels(KINDS[kind], tuple(f"t{number}" for number in range(outputs)), values),
        *np.split(random.permutation(clips), [int(0.6 * clips), int(0.8 * clips)]),
    )
