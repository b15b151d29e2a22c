"""How often is noise recommended, and how often is a weak signal found: whole studies, simulated.

``python -m benchmarks.truth.noise`` prints both tables, of as many studies as are asked for. A study has thirteen
layers and four plain features that know nothing of the labels, or a little, and is answered as a run is. It recommends
where its verdict is a layer or a plain feature; something is found where it is not nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import layerscope
from benchmarks.truth.tables import judge
from layerscope import Features, probe
from layerscope.report.paper_tables import as_markdown
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

#: Studies of each kind: some 200 of noise in all.
EACH = 17
VERDICTS = ("layer", "plain", "undecided", "nothing")
#: Where finished studies are kept, so that a benchmark that is killed goes on where it was.
KEPT = Path(tempfile.gettempdir()) / "layerscope-noise.jsonl"
#: Layers of the model, and the width of each.
LAYERS, WIDTH = 13, 16
#: Classes that are even, and how far a signal lies from noise, in deviations: what is written is read for certain.
CLASSES, LOUD = 4, 8.0
#: Tags, and how many clips have one that is rare.
TAGS, RARE = 3, 0.03
#: At most so many noise studies in a hundred may be recommended, at least so many weak signals in a hundred found.
MOST_NOISE, FEWEST_WEAK = 0.05, 0.80
#: What a weak signal is above chance, as a probe that is trained on it scores.
WEAK = 0.10
#: What is written for that: the best possible score. A probe of 120 clips does not read all of it (.339 of .350 over
#: folds), one of 600 does.
WRITTEN = {5: 0.117, 0: 0.10}


@dataclass(frozen=True)
class Study:
    """A study to be simulated.

    Attributes
    ----------
    target : {"classes", "tags", "values"}
        Of four classes (two if they are uneven), three tags, or one value.
    folds : int
        5 for folds, 0 for a split of 60/20/20.
    rarer : float or None
        The share of clips with the rarer of two answers; None of even ones.
    clips : int
        In all.
    plain : int
        How many plain features there are, which know nothing.
    signal : float
        By how much the best possible accuracy of every layer is above chance.
    """

    target: str
    folds: int
    rarer: float | None = None
    clips: int = 200
    signal: float = 0.0
    plain: int = 4

    def __str__(self) -> str:
        shares = f"{100 * (1 - self.rarer):.0f}/{100 * self.rarer:.0f}" if self.rarer else "balanced"
        where = f"{self.folds} folds" if self.folds else "a split"
        return f"{self.target}, {where}, {shares}{'' if self.plain else ', no plain feature'}"


def noise_studies(clips: int = 200) -> Iterator[Study]:
    """Yield every kind of study of noise; of values none is uneven."""
    for target, folds in product(("classes", "tags"), (0, 5)):  # a layer that has nothing to beat but its controls
        yield Study(target, folds, clips=clips, plain=0)
    for target, folds, rarer in product(("classes", "tags", "values"), (0, 5), (None, 0.1)):
        if not (target == "values" and rarer):
            yield Study(target, folds, rarer, clips)
    # Of fewer clips a split would test too few positives for any interval.
    yield Study("tags", 0, RARE, 3 * clips)
    yield Study("tags", 5, RARE, clips)


def weak_studies() -> Iterator[Study]:
    """Yield studies of a weak signal, judged on 200 clips: all of them over folds, or the test clips of a split."""
    yield Study("classes", 5, clips=200, signal=WRITTEN[5])
    yield Study("classes", 0, clips=1000, signal=WRITTEN[0])


def labels_of(study: Study, random: np.random.Generator) -> NDArray[Any]:
    """Return labels."""
    if study.target == "values":
        return random.normal(size=study.clips)
    if study.target == "tags":
        return (random.random((study.clips, TAGS)) < (study.rarer or 0.5)).astype(int)
    if study.rarer:
        return (random.permutation(study.clips) < study.rarer * study.clips).astype(int)
    return random.permutation(np.arange(study.clips) % CLASSES)


def verdict_of(study: Study, seed: int, **asked: Any) -> str:
    """Simulate a study, and return its verdict; what else is asked goes to `probe`."""
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
    return decide(probe(features, probes=["closed"], split_seed=seed, **asked), "features").verdict


def verdicts_of(study: Study, count: int, kept: Path | None = None) -> Counter[str]:
    """Return how often each verdict is given in so many simulations.

    Each is added to the file `kept` as soon as it is known, and what is there of the same code is not simulated again.
    """
    source = digest_of_package()
    known = {}
    for line in kept.read_text().splitlines() if kept and kept.is_file() else ():
        record = json.loads(line)
        if (record["source"], record["study"]) == (source, repr(study)):
            known[record["seed"]] = record["verdict"]
    for seed in set(range(count)) - known.keys():
        known[seed] = verdict_of(study, seed)
        if kept:
            record = {"source": source, "study": repr(study), "seed": seed, "verdict": known[seed]}
            with kept.open("a") as file:
                file.write(json.dumps(record) + "\n")
    return Counter(known[seed] for seed in range(count))


def digest_of_package() -> str:
    """Return a digest of the code that judges."""
    digest = hashlib.sha256()
    for path in sorted(Path(layerscope.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def recommended(verdicts: Counter[str]) -> float:
    """Return the share of studies that recommend something."""
    return (verdicts["layer"] + verdicts["plain"]) / verdicts.total()


def found(verdicts: Counter[str]) -> float:
    """Return the share of studies in which something is shown to beat the controls."""
    return 1 - verdicts["nothing"] / verdicts.total()


def table_of(studies: Iterable[Study], count: int, kept: Path | None) -> pd.DataFrame:
    """Return a row a kind of study, and one of all: how often it recommends, and its verdicts."""
    counted = {f"{study}, {study.clips} clips": verdicts_of(study, count, kept) for study in studies}
    counted["all"] = sum(counted.values(), Counter())
    return pd.DataFrame(
        {"study": name, "studies": verdicts.total(), **{verdict: verdicts[verdict] for verdict in VERDICTS},
         "recommended, %": f"{100 * recommended(verdicts):.1f}", "found, %": f"{100 * found(verdicts):.1f}"}
        for name, verdicts in counted.items()
    )  # fmt: skip


def print_tables(count: int = EACH, kept: Path | None = KEPT) -> None:
    """Print how many studies of noise are recommended, and how many weak signals found."""
    # Studies this small gain nothing by more processes.
    os.environ["LOKY_MAX_CPU_COUNT"] = "1"
    noise, weak = table_of(noise_studies(), count, kept), table_of(weak_studies(), 2 * count, kept)
    print(f"\nStudies of noise.\n\n{as_markdown(noise)}")
    judge("at most 5 % of all recommend a layer or a plain feature", {"all": float(noise.iloc[-1]["recommended, %"])},
          high=100 * MOST_NOISE)  # fmt: skip
    print(
        f"\nA signal {100 * WEAK:.0f} points above chance in every layer, judged on 200 clips.\n\n{as_markdown(weak)}"
    )
    judge("at least 80 % of each kind are found",
          {str(row.study): float(row["found, %"]) for _, row in weak.iterrows()}, 100 * FEWEST_WEAK)  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=EACH, help="of noise, of each kind; twice as many weak signals")
    parser.add_argument("--kept", type=Path, default=KEPT, help="where finished studies are kept")
    given = parser.parse_args()
    print_tables(given.studies, given.kept)


if __name__ == "__main__":
    main()
