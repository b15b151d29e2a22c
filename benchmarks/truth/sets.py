"""Whether the layers that hold a class together are found, and whether sets of layers are claimed of nothing.

Studies have eight layers, of which two hold half of a class each, one holds all of it, or none holds anything; sets are
searched, and others asked for, as a run does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from benchmarks.truth.noise import Study, verdict_of
from benchmarks.truth.tables import in_percent, judge, table
from layerscope import Features, probe
from layerscope.scores.beyond_plain import beyond_plain
from layerscope.scores.layer_selection import chosen_layer
from layerscope.scores.set_gains import steps_of_search
from layerscope.study.study_results import Results

STUDIES, NOISE = 8, 10
CLIPS, LAYERS, WIDTH = 400, 8, 8
#: How far the two answers of a half lie apart, in deviations: nine in ten are then told by a probe.
FAR = 3.0
ASKED = "search,0+7,2-5,mean"
#: Of what is shown at 5 %, in so few studies, no more than this share is luck; and of what is there, this is found.
MOST_CLAIMED, FEWEST_FOUND = 15.0, 90.0


def simulated(holding: str, folds: int, seed: int) -> Results:
    """Return a study of a model in which layers 2 and 5 hold half of a class each, or layer 3 all of it."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(CLIPS) % 4)
    halves = FAR * np.stack([labels % 2, labels // 2])
    states = random.normal(size=(CLIPS, LAYERS, WIDTH))
    for layer, number in {"halves": ((2, 0), (5, 1)), "whole": ((3, 0), (3, 1))}[holding]:
        states[:, layer, number] += halves[number]
    given = {"folds": np.arange(CLIPS) % folds} if folds else {}
    names = [f"class {label}" for label in labels]
    moments = Features.from_arrays(random.normal(size=(CLIPS, 1, 12)), names, model="plain", baseline=True, **given)
    plain = replace(moments, pooling="moments", widths=(2,))
    model = Features.from_arrays(states, names, model="model", **given)
    return probe([model, plain], probes=["closed"], layers_as=ASKED, beyond_plain=True, split_seed=seed)


def found_in(results: Results) -> Counter[str]:
    """Return what a study says, each 0 or 1."""
    choice = chosen_layer(results, "features", "model")
    assert choice is not None
    paths = results.facts["tasks"]["features"]["layer_sets"]["model"]["layers"]
    second, *later = [gain.verdict == "better" for gain in steps_of_search(results, choice.chosen)]
    adding = [
        each.layer for each in beyond_plain(results, "features", "model", "closed") if each.adds.verdict == "better"
    ]
    answer = results.answer()
    return Counter(
        pair=all(set(path[:2]) == {2, 5} for path in paths),
        second=second,
        later=any(later),
        recommended=answer.verdict == "layer" and answer.layer is None,
        adding=adding,
    )


def main() -> None:
    """Print what is found, and what is claimed of noise."""
    rows, pairs, sets, later = [], {}, {}, {}
    for holding, folds in (("halves", 0), ("halves", 5), ("whole", 0), ("whole", 5)):
        told = [found_in(simulated(holding, folds, seed)) for seed in range(STUDIES)]
        name = f"{holding}, {'5 folds' if folds else 'a split'}"
        shares = {key: 100 * float(np.mean([each[key] for each in told])) for key in told[0] if key != "adding"}
        right = [2, 5] if holding == "halves" else [3]
        adding = float(np.mean([each["adding"] == right for each in told]))
        pairs |= {name: shares["pair"]} if holding == "halves" else {}
        sets |= {} if holding == "halves" else {name: shares["recommended"]}
        later |= {name: shares["later"]}
        rows.append([name, STUDIES, *(f"{shares[key]:.0f}" for key in ("pair", "second", "later", "recommended")),
                     in_percent(adding)])  # fmt: skip
    table(
        f"{CLIPS} clips, {LAYERS} layers; layers 2 and 5 hold a half of the class each, or layer 3 all of it.",
        ["study", "studies", "the search finds 2+5, %", "a second layer is shown to add, %", "a third or fourth is, %",
         "a set is recommended, %", "just the layers that hold it add to a plain feature, %"],
        rows,
    )  # fmt: skip
    judge("the two halves are found in at least 90 %", pairs, FEWEST_FOUND)
    judge("a third or fourth layer is shown to add in at most 15 %", later, high=MOST_CLAIMED)
    judge("where one layer holds all, a set is recommended in at most 15 %", sets, high=MOST_CLAIMED)
    verdicts = {
        f"{target}, {'5 folds' if folds else 'a split'}": Counter(
            verdict_of(Study(target, folds), seed, layers_as=ASKED) for seed in range(NOISE)
        )
        for target, folds in (("classes", 0), ("classes", 5))
    }
    shares = {name: 100 * (each["layer"] + each["plain"]) / NOISE for name, each in verdicts.items()}
    table("Noise, with the same sets.", ["study", "studies", "recommended, %"],
          [[name, NOISE, f"{share:.0f}"] for name, share in shares.items()])  # fmt: skip
    judge("at most 15 % of so few recommend anything", shares, high=MOST_CLAIMED)
