"""How far the draws of an untrained twin scatter, and whether a model that equals them is recommended.

The twins are random projections of a signal that knows the class a little; the model is one more of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.tables import judge, table
from layerscope import Features, probe
from layerscope.scores.verdict import decide

STUDIES = 60
CLIPS, CLASSES = 400, 4
#: Of the signal, and of each of two layers: fewer than the signal has, so that each draw loses another part of it.
SIGNAL, WIDTH, LAYERS = 24, 8, 2
DRAWS = (1, 3, 5)


def drawn(signal: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Return the states (clip, layer, width) of a network with random weights."""
    weights = random.normal(size=(LAYERS, SIGNAL, WIDTH)) / np.sqrt(SIGNAL)
    return np.tanh(np.einsum("nd,ldw->nlw", signal, weights))


def made_study(draws: int, seed: int) -> tuple[str, list[float]]:
    """Return the verdict about a model that is no better than its twin, and the scores of the twin's draws."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(CLIPS) % CLASSES)
    centres = random.normal(size=(CLASSES, SIGNAL))
    signal = 0.6 * centres[labels] + random.normal(size=(CLIPS, SIGNAL))
    splits = np.array(["train", "train", "valid", "test"])[np.arange(CLIPS) // CLASSES % 4].tolist()
    features = [Features.from_arrays(drawn(signal, random), labels, splits=splits, model="model")]
    for number in range(draws):
        name = f"random:model#{number}" if number else "random:model"
        twin = Features.from_arrays(drawn(signal, random), labels, splits=splits, model=name)
        features.append(replace(twin, untrained=True))
    results = probe(features, probes=["closed"], split_seed=seed)
    rows = results.table
    rows = rows[(rows.model == "random:model") & (rows.input == "layer") & (rows.layer == LAYERS - 1)]
    scores = rows[(rows.split == "test") & (rows.metric == "accuracy")].value
    return decide(results, "features").verdict, list(scores)


def main() -> None:
    """Print how far draws scatter, and what is recommended."""
    recommended: dict[str, float] = {}
    rows = []
    for draws in DRAWS:
        studies = [made_study(draws, seed) for seed in range(STUDIES)]
        verdicts = Counter(verdict for verdict, _ in studies)
        spread = float(np.mean([np.std(scores, ddof=1) for _, scores in studies])) if draws > 1 else np.nan
        recommended[f"{draws} draws"] = 100 * verdicts["layer"] / STUDIES
        rows.append([draws, "" if np.isnan(spread) else f"{100 * spread:.1f}",
                     *(verdicts[each] for each in ("layer", "undecided", "nothing")),
                     f"{recommended[f'{draws} draws']:.1f}"])  # fmt: skip
    table(
        f"A model that is one more draw of its untrained twin, {CLIPS // 4} clips tested; {STUDIES} studies a row.",
        ["draws", "deviation between draws, points", "layer", "undecided", "nothing", "layer, %"],
        rows,
    )
    # Of one draw nothing shows how far others would lie, as the page says.
    several = {name: share for name, share in recommended.items() if name != "1 draws"}
    judge("with several draws the model is recommended in at most 5 %", several, high=5.0)
