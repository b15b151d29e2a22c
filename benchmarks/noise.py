"""How often is noise recommended, and how often is a weak signal found: whole studies, simulated.

``python -m benchmarks.noise`` prints both tables. A study has thirteen layers and four plain features that know nothing
of the labels, or a little, and is answered as a run is. It recommends where its verdict is a layer or a plain feature;
something is found where it is not nothing.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope import Features, probe
from layerscope.scores.verdict import decide

__all__ = [
    "Study",
    "found",
    "noise_studies",
    "print_tables",
    "recommended",
    "verdict_of",
    "verdicts_of",
    "weak_studies",
]

#: Layers of the model, and the width of each.
LAYERS, WIDTH = 13, 16
#: Classes that are even, and how far a signal lies from noise, in deviations: what is written is read for certain.
CLASSES, LOUD = 4, 8.0
#: At most so many noise studies in a hundred may be recommended, at least so many weak signals in a hundred found.
MOST_NOISE, FEWEST_WEAK = 0.05, 0.80
#: What a weak signal is above chance.
WEAK = 0.10


@dataclass(frozen=True)
class Study:
    """A study to be simulated.

    Attributes
    ----------
    target : {"classes", "tags", "values"}
        Of four classes (two if they are uneven), four tags, or one value.
    folds : int
        5 for folds, 0 for a split of 60/20/20.
    uneven : bool
        Whether one answer is given nine times in ten.
    clips : int
        In all.
    plain : int
        How many plain features there are, which know nothing.
    signal : float
        By how much the best possible accuracy of every layer is above chance.
    """

    target: str
    folds: int
    uneven: bool = False
    clips: int = 200
    signal: float = 0.0
    plain: int = 4

    def __str__(self) -> str:
        shares = "90/10" if self.uneven else "balanced"
        where = f"{self.folds} folds" if self.folds else "a split"
        return f"{self.target}, {where}, {shares}{'' if self.plain else ', no plain feature'}"


def noise_studies(clips: int = 200) -> Iterator[Study]:
    """Yield every kind of study of noise; of values none is uneven."""
    for folds in (0, 5):  # a layer that has nothing to beat but its controls
        yield Study("classes", folds, clips=clips, plain=0)
    for target, folds, uneven in product(("classes", "tags", "values"), (0, 5), (False, True)):
        if not (target == "values" and uneven):
            yield Study(target, folds, uneven, clips)


def weak_studies() -> Iterator[Study]:
    """Yield studies of a weak signal, judged on 200 clips: all of them over folds, or the test clips of a split."""
    yield Study("classes", 5, clips=200, signal=WEAK)
    yield Study("classes", 0, clips=1000, signal=WEAK)


def labels_of(study: Study, random: np.random.Generator) -> NDArray[Any]:
    """Return labels."""
    if study.target == "values":
        return random.normal(size=study.clips)
    if study.target == "tags":
        return (random.random((study.clips, 4)) < (0.1 if study.uneven else 0.5)).astype(int)
    if study.uneven:
        return (random.permutation(study.clips) < study.clips // 10).astype(int)
    return random.permutation(np.arange(study.clips) % CLASSES)


def verdict_of(study: Study, seed: int) -> str:
    """Simulate a study, and return its verdict."""
    random = np.random.default_rng(seed)
    labels = labels_of(study, random)
    folds = random.permutation(np.arange(study.clips) % study.folds) if study.folds else None
    layers = random.normal(size=(study.clips, LAYERS, WIDTH))
    if study.signal:
        # The class of some clips is written into every layer: a probe is right on these, and by chance on the others.
        written = np.flatnonzero(random.random(study.clips) < study.signal / (1 - 1 / CLASSES))
        layers[written, :, labels[written]] += LOUD
    features = [Features.from_arrays(layers, labels, folds=folds, model="model")]
    for number in range(study.plain):
        moments = random.normal(size=(study.clips, 1, 6 * WIDTH))
        plain = Features.from_arrays(moments, labels, folds=folds, model=f"plain {number}")
        features.append(replace(plain, baseline=True, pooling="moments", widths=(WIDTH,)))
    return decide(probe(features, probes=["closed"], split_seed=seed), "features").verdict


def verdicts_of(study: Study, count: int) -> Counter[str]:
    """Return how often each verdict is given in so many simulations."""
    return Counter(verdict_of(study, seed) for seed in range(count))


def recommended(verdicts: Counter[str]) -> float:
    """Return the share of studies that recommend something."""
    return (verdicts["layer"] + verdicts["plain"]) / verdicts.total()


def found(verdicts: Counter[str]) -> float:
    """Return the share of studies in which something is shown to beat the controls."""
    return 1 - verdicts["nothing"] / verdicts.total()


def table_of(studies: Iterator[Study], count: int) -> pd.DataFrame:
    """Return a row a kind of study: how often it recommends, and its verdicts."""
    rows = []
    for study in studies:
        verdicts = verdicts_of(study, count)
        rows.append({"study": str(study), "clips": study.clips, "studies": count,
                     "recommended": f"{100 * recommended(verdicts):.1f} %", "found": f"{100 * found(verdicts):.1f} %",
                     **{name: verdicts[name] for name in ("layer", "plain", "undecided", "nothing")}})  # fmt: skip
    return pd.DataFrame(rows)


def print_tables(count: int = 200) -> None:
    """Print how many studies of noise are recommended, and how many weak signals found, of so many each."""
    print(f"Noise: at most {100 * MOST_NOISE:.0f} % may be recommended.\n")
    print(table_of(noise_studies(), count).to_string(index=False))
    print(f"\nA signal {100 * WEAK:.0f} points above chance in all layers: at least {100 * FEWEST_WEAK:.0f} % found.\n")
    print(table_of(weak_studies(), count).to_string(index=False))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200, help="of each kind")
    print_tables(parser.parse_args().studies)


if __name__ == "__main__":
    main()
