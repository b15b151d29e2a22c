"""Whether the layer that is better with few labels is found, and nothing where there is none.

Made studies of eight classes and three layers. *Crossing*: layer 1 tells six groups of classes apart at once and no
more, layer 2 all eight where enough labels show which of many directions count; layer 0 is noise. *Equal*: all three
know the same. *Noise*: none knows anything.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from benchmarks.truth.tables import in_percent, judge, table
from layerscope.data.dataset import Dataset
from layerscope.data.splits import assign, parts_of
from layerscope.features.clip_features import Features
from layerscope.probes.fitting import Target
from layerscope.scores.learning_curve import FewLabels
from layerscope.study.few_labels import score_few_labels
from layerscope.study.job_scores import Study
from layerscope.study.options import Call
from layerscope.study.study_tasks import StudyTask

CLASSES, CLIPS, DIM, STUDIES = 8, 600, 64, 12
Truth = Literal["crossing", "equal", "noise"]
#: Which classes layer 1 of a crossing takes for one.
CONFUSED = np.array([0, 0, 1, 1, 2, 3, 4, 5])


def made_features(truth: Truth, seed: int) -> Features:
    """Return features of known worth."""
    random = np.random.default_rng(seed)
    classes = np.arange(CLIPS) % CLASSES
    states = random.normal(size=(CLIPS, 3, DIM))

    def centres(length: float) -> np.ndarray:
        points = random.normal(size=(CLASSES, DIM))
        return length * points / np.linalg.norm(points, axis=1, keepdims=True)

    if truth == "equal":
        for layer in range(3):
            states[:, layer] += centres(2.5)[classes]
    if truth == "crossing":
        states[:, 1] = 0.05 * states[:, 1] + centres(1.0)[CONFUSED[classes]]
        states[:, 2] += centres(3.5)[classes]
    return Features.from_arrays(states, classes.astype(str))


def learnt(truth: Truth, seed: int) -> FewLabels:
    """Return what few labels show of one study."""
    features = made_features(truth, seed)
    labels = features.labels
    assert labels is not None
    clips = assign(features.clips, labels, seed)
    task = StudyTask(truth, Dataset(truth, clips), "label", labels.kind.name)
    asked = Call(few_labels="closed", split_seed=seed)
    few = score_few_labels(Study(task, labels, clips, Target(labels, parts_of(clips)), asked), [features])
    assert few is not None
    return few


def claims(few: FewLabels) -> list[bool]:
    """Return whether each of what `HEAD` names is claimed in one study."""
    rows = few.crossings
    shown = rows[rows.shown] if len(rows) else rows
    return [
        len(shown) > 0,
        len(shown) > 0 and bool(shown.reversed.any()),
        len(shown) > 0 and bool((shown.few == 1).all() and (shown["all"] == 2).all()),
        bool((few.code.ci_high < few.code.uniform).any()),
        bool(few.code.beats_control.any()),
        bool(few.code.beats_control[0]),
    ]


HEAD = (
    "one layer is better with few labels", "and another with all", "they are layers 1 and 2",
    "a code is shorter than the uniform one", "and than that of labels that have changed places", "layer 0's is",
)  # fmt: skip


def main() -> None:
    """Print what is claimed in studies of each truth."""
    truths: tuple[Truth, ...] = ("crossing", "equal", "noise")
    shares = {
        truth: np.mean([claims(learnt(truth, seed)) for seed in range(STUDIES)], axis=0).tolist() for truth in truths
    }
    table(
        f"{STUDIES} studies of each truth, {CLIPS} clips; in how many of them, in %:",
        ["truth", *HEAD],
        ([truth, *map(in_percent, told)] for truth, told in shares.items()),
    )
    found, equal, noise = shares.values()
    judge("crossing curves are found, as the layers that they are", {"found": found[1], "layers": found[2]}, low=0.9)
    judge("of equal layers and of noise none is called better", {"equal": equal[0], "noise": noise[0]}, high=0.05)
    no_code = {"than uniform": noise[3], "than its control": noise[4], "layer 0 of crossing curves": found[5]}
    judge("no code of noise is called shorter", no_code, high=0.05)
    judge("codes of layers that know something are", {"crossing": found[4], "equal": equal[4]}, low=0.9)
