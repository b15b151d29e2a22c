"""Which layers go well together: forward selection among the layers of a model, by the closed-form probe.

The layer that validation likes best is joined by the one that raises the validation score most, and so on, up to four.
Every layer is read once; sums and cross-products of all layers side by side then solve every set, from the blocks of
its layers. Wide layers are looked at along the directions in which they vary most, since what a search finds is scored
anew, with all of it, by the probes of the study. Tested clips are never looked at.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

from layerscope.data.splits import Part
from layerscope.features.clip_features import Features
from layerscope.features.row_blocks import Rows, clip_means
from layerscope.probes.closed_form import path_of, target_columns
from layerscope.probes.problem import Problem, validation_score
from layerscope.probes.sample_sums import Moments
from layerscope.scores.layer_selection import choose
from layerscope.targets.kind import Labels

__all__ = ["MOST_LAYERS", "LayerBlocks", "search_layers", "sets_tried"]

#: Each further layer costs a training of every probe, and more columns wherever the set is used.
MOST_LAYERS = 4
#: Of a layer: four layers are then 512 columns, which are solved in a tenth of a second.
DIRECTIONS = 128
#: Windows or frames that train, and that choose, in a search; more are taken evenly.
MOST_ROWS = 24_000


@dataclass(frozen=True)
class LayerBlocks:
    """What solves the closed-form probe of every set of layers for one training.

    Attributes
    ----------
    problem : Problem
        The training, whose own states are of no use here.
    moments : Moments
        Of the training windows, all layers side by side.
    valid : ndarray, shape (window, column), float32
        The validation windows, all layers side by side.
    windows : ndarray of int
        Which those are.
    columns : list of ndarray of int
        Of each layer.
    """

    problem: Problem
    moments: Moments
    valid: NDArray[np.float32]
    windows: NDArray[np.int64]
    columns: list[NDArray[np.int64]]

    @classmethod
    def of(cls, features: Features, labels: Labels, part: Part) -> LayerBlocks:
        """Read every layer once, for one training."""
        train, valid = (evenly(features.window_clip, clips) for clips in (part.train, part.valid))
        sides = [
            directions(Problem(features.read(position), features.window_clip, labels, train, valid, valid))
            for position in range(len(features.layers))
        ]
        problem = Problem(np.empty((0, 0), np.float32), features.window_clip, labels, train, valid, valid)
        trained = np.concatenate([side[0] for side in sides], axis=1)
        owners = problem.window_clip[problem.windows_of(train)]
        ends = np.cumsum([side[0].shape[1] for side in sides])
        return cls(
            problem,
            Moments.of(trained, target_columns(labels)[owners]),
            np.concatenate([side[1] for side in sides], axis=1),
            problem.windows_of(valid),
            np.split(np.arange(ends[-1]), ends[:-1]),
        )

    def score(self, positions: Sequence[int]) -> float:
        """Return the validation score of layers side by side, with the penalty that it likes best."""
        # In one order, so that a set scores alike in whichever order it was found.
        columns = np.concatenate([self.columns[position] for position in sorted(positions)])
        whole, labels = self.moments, self.problem.labels
        block = Moments(whole.count, whole.x[columns], whole.y, whole.xx[np.ix_(columns, columns)], whole.xy[columns])
        path, penalties, _ = path_of(block, labels.kind.form)
        states = self.valid[:, columns]

        def scored(penalty: float) -> float:
            weights, intercepts = path(penalty)
            answers = (states @ weights + intercepts).astype(np.float32)
            means = clip_means(answers, self.problem.window_clip[self.windows], len(labels.values))
            return validation_score(self.problem, means)

        choice = choose(penalties, scored)
        return choice.scores[choice.candidates.index(choice.chosen)]


def evenly(window_clip: NDArray[np.int64], clips: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return clips, or so many of them, evenly, that they have `MOST_ROWS` windows."""
    return clips[:: max(1, -(-int(np.isin(window_clip, clips).sum()) // MOST_ROWS))]


def directions(problem: Problem) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a layer's training and validation windows, standardised, along the directions in which it varies most."""
    states: Rows = problem.standardised()
    trained, valid = (states[problem.windows_of(clips)] for clips in (problem.train, problem.valid))
    if trained.shape[1] <= DIRECTIONS:
        return trained, valid
    axes = randomized_svd(trained, DIRECTIONS, random_state=0)[2].T
    return trained @ axes, valid @ axes


def search_layers(features: Features, labels: Labels, parts: Sequence[Part]) -> list[int]:
    """Return layers in the order in which they were added.

    Parameters
    ----------
    features : Features
        Of a model of two layers or more.
    labels : Labels
        Of all clips, or of the frames that are used.
    parts : sequence of Part
        Trainings whose validation scores are averaged; no test rows are read.

    Examples
    --------
    >>> random, labels = np.random.default_rng(0), np.arange(300) % 4
    >>> states = random.normal(size=(300, 5, 3))
    >>> states[:, 1, 0] += 6 * (labels % 2)  # layer 1 knows one half of the class, layer 3 the other
    >>> states[:, 3, 0] += 6 * (labels // 2)
    >>> features = Features.from_arrays(states, [f"class {label}" for label in labels])
    >>> parts = [Part(np.arange(200), np.arange(200, 300), np.arange(0))]
    >>> sorted(search_layers(features, features.labels, parts)[:2])
    [1, 3]
    """
    trainings = [LayerBlocks.of(features, labels, part) for part in parts]
    path: list[int] = []

    def with_path(position: int) -> float:
        each = [training.score([*path, position]) for training in trainings]
        with warnings.catch_warnings():
            # Where it is undefined in every training, it is so on average.
            warnings.simplefilter("ignore", RuntimeWarning)
            return float(np.nanmean(each))

    while len(path) < min(MOST_LAYERS, len(features.layers)):
        left = [position for position in range(len(features.layers)) if position not in path]
        path.append(choose(left, with_path).chosen)
    return [features.layers[position] for position in path]


def sets_tried(layers: int) -> list[int]:
    """Return how many sets of 1, 2, … layers a search among so many solves.

    Examples
    --------
    >>> sets_tried(13)
    [13, 12, 11, 10]
    """
    return [layers - size for size in range(min(MOST_LAYERS, layers))]
