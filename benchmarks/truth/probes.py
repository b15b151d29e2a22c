"""What the probes hear that are asked for: nearest neighbours what no plane parts, attention what a few frames show.

Whole studies, simulated: an exclusive or of two columns, events that last a few frames in clips of a colour of their
own, and noise, each with the probe that is made for it and with the closed form beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import norm

from benchmarks.truth.tables import judge
from layerscope import Features, probe
from layerscope.report.paper_tables import as_markdown
from layerscope.scores.verdict import Verdict, decide

__all__ = ["events", "exclusive_or", "main", "noise"]

#: Studies of what is to be found; of noise by each probe, by a split and over folds.
STUDIES = 3
OF_NOISE = {("knn", None): 200, ("knn", 5): 40, ("attention", None): 16}
CLIPS, LAYERS, WIDTH, FRAMES = 160, 3, 8, 20
#: Which layer knows.
KNOWING = 1
#: How far the two signs of a column lie apart, and how loud an event is, in deviations of the noise.
APART, LOUD = 4.0, 8.0
#: Frames of an event.
LASTS = 2
#: What the mean over frames holds of events: it is higher by `LASTS` · `LOUD` / `FRAMES` in the column of its class,
#: beside the clip's colour and the mean of the noise. No plane parts means better, and a layer that is recommended for
#: as much is recommended rightly.
MEAN_HOLDS = float(norm.cdf(LASTS * LOUD / FRAMES / np.sqrt(2 * (1 + 1 / FRAMES))))
#: Clips that a study tests, for the error of a mean of accuracies.
TESTED = CLIPS // 5


def exclusive_or(random: np.random.Generator) -> Features:
    """Return features one layer of which says by two columns whether a clip is of a class: where signs are equal."""
    states = random.normal(size=(CLIPS, LAYERS, WIDTH))
    signs = random.choice([-1.0, 1.0], size=(CLIPS, 2))
    states[:, KNOWING, :2] += APART / 2 * signs
    return Features.from_arrays(states, ["same" if first == second else "other" for first, second in signs])


def events(random: np.random.Generator) -> Features:
    """Return features one layer of which knows the class of a clip in a few frames, and little in their mean."""
    labels = random.permutation(np.arange(CLIPS) % 2)
    colours = random.normal(size=(CLIPS, 1, LAYERS, WIDTH))
    frames = random.normal(size=(CLIPS, FRAMES, LAYERS, WIDTH)) + colours
    for clip, label in enumerate(labels):
        frames[clip, random.choice(FRAMES, LASTS, replace=False), KNOWING, label] += LOUD
    return with_frames(frames, labels)


def noise(random: np.random.Generator) -> Features:
    """Return features that know nothing, of frames that know nothing."""
    labels = random.permutation(np.arange(CLIPS) % 2)
    return with_frames(random.normal(size=(CLIPS, FRAMES, LAYERS, WIDTH)), labels)


def with_frames(frames: np.ndarray, labels: np.ndarray) -> Features:
    """Return features of the means of frames, (clip, frame, layer, width), which are there for attention."""
    features = Features.from_arrays(frames.mean(axis=1), [f"class {label}" for label in labels])
    rows = frames.reshape(-1, LAYERS, WIDTH).astype(np.float32)
    owner = np.repeat(np.arange(CLIPS), FRAMES)
    attended = replace(features, window_clip=owner, read=lambda position: rows[:, position], pooling="frame")
    return replace(features, attended=attended)


def answer_of(features: Features, name: str, seed: int, folds: int | None = None) -> Verdict:
    """Return the answer of a study with one probe."""
    return decide(probe(features, probes=[name], split_seed=seed, seeds=2, folds=folds), "features")


def main() -> None:
    """Print what each probe finds, and how often it recommends noise."""
    rows: list[dict[str, object]] = []
    finds, others, accuracies = dict[str, float](), dict[str, float](), dict[str, float]()
    for kind, made, names in (
        ("an exclusive or of two columns", exclusive_or, ("knn", "closed")),
        ("events of a few frames", events, ("attention", "closed")),
    ):
        for name in names:
            answers = [answer_of(made(np.random.default_rng(seed)), name, seed) for seed in range(STUDIES)]
            rows.append(row_of(kind, name, answers))
            finds[f"{kind}, {name}"] = sum(map(is_right, answers)) / STUDIES
            others[f"{kind}, {name}"] = float(sum(answer.verdict == "layer" for answer in answers))
            others[f"{kind}, {name}"] -= sum(map(is_right, answers))
            accuracies[f"{kind}, {name}"] = float(np.mean([answer.value for answer in answers]))
    noisy = {}
    for (name, folds), count in OF_NOISE.items():
        kind = f"noise, {folds} folds" if folds else "noise, a split"
        answers = [answer_of(noise(np.random.default_rng(seed)), name, seed, folds) for seed in range(count)]
        rows.append(row_of(kind, name, answers))
        noisy[f"{kind}, {name}"] = sum(answer.verdict == "layer" for answer in answers) / count
    print(f"\nProbes that are asked for.\n\n{as_markdown(pd.DataFrame(rows))}")
    asked_for = {name: share for name, share in finds.items() if not name.endswith("closed")}
    judge("the probe that is made for it finds the layer that knows", asked_for, low=1.0)
    judge("no layer that does not know is recommended", others, high=0.0)
    # The signs of one column alone say nothing, nor does any plane through both.
    blind, seeing = (f"{kind}, closed" for kind in ("an exclusive or of two columns", "events of a few frames"))
    judge("the closed form finds nothing in an exclusive or", {blind: finds[blind]}, high=0.0)
    error = float(np.sqrt(MEAN_HOLDS * (1 - MEAN_HOLDS) / (STUDIES * TESTED)))
    judge(
        f"the closed form reads no more of events than their mean holds, {100 * MEAN_HOLDS:.1f} %, but for two errors",
        {seeing: accuracies[seeing]},
        high=MEAN_HOLDS + 2 * error,
    )
    judge("at most 5 % of noise are recommended", noisy, high=0.05)


def is_right(answer: Verdict) -> bool:
    """Return whether the layer that knows is recommended."""
    return answer.verdict == "layer" and answer.layer == KNOWING


def row_of(kind: str, name: str, answers: Sequence[Verdict]) -> dict[str, object]:
    """Return a row of the table; of noise no layer knows."""
    recommended = sum(answer.verdict == "layer" for answer in answers)
    accuracy = f"{100 * np.mean([answer.value for answer in answers]):.1f}"
    return {
        "studies of": kind, "probe": name, "studies": len(answers), "recommended": recommended, "accuracy, %": accuracy,
    }  # fmt: skip


if __name__ == "__main__":
    main()
