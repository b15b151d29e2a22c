"""How often a layer is recommended that is no better than a plain feature, and a plain feature that is worse.

Studies are simulated at the level of answers: an input is right on a clip if that is not too hard for it, and what is
hard is in part hard for all. Layers are chosen, and all is judged, by the code that judges real studies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.truth.tables import judge, table
from layerscope.data.splits import Part
from layerscope.scores.evaluation import Entry, Evaluation, Outcome, evaluations, score_outcome
from layerscope.scores.layer_selection import best_trained
from layerscope.scores.nested_choice import nested_outcome
from layerscope.scores.score_table import Results
from layerscope.scores.tabulate import tabulate
from layerscope.scores.verdict import decide
from layerscope.study.twins import joined
from layerscope.targets import kind_named
from layerscope.targets.kind import Labels

Array = NDArray[np.float64]
LAYERS, CLASSES, FOLDS = 25, 4, 5
#: True accuracy of a plain feature, and what layers that are better have over it.
PLAIN, BETTER = 0.6, 0.04
#: Of what makes a clip hard: the share that all inputs have in common, and of the rest what two trainings have.
SHARED, TRAININGS = 0.6, 0.9
PERMUTATIONS = 10
#: A share of 2.5 % is known to 0.6 points.
STUDIES, FEWER_STUDIES = 600, 100
NAMES = {"dataset": "made", "task": "made", "target": "label", "probe": "closed"}


def parts_of(clips: int, folds: int) -> list[Part]:
    """Return folds, or a split that chooses on all clips that are not tested, of which there are four times as many."""
    rows = np.arange(clips * (1 if folds else 5))
    if not folds:
        return [Part(rows[:0], rows[clips:], rows[:clips])]
    fold = rows % folds
    return [Part(rows[:0], rows[fold == (number + 1) % folds], rows[fold == number]) for number in range(folds)]


def answers(common: Array, truth: NDArray[np.int64], value: float, random: np.random.Generator) -> Outcome:
    """Return what an input of such a true accuracy says of all clips, where they choose and where they are tested."""
    own = random.normal(size=len(truth))
    said = []
    for _ in ("valid", "test"):
        training = np.sqrt(TRAININGS) * own + np.sqrt(1 - TRAININGS) * random.normal(size=len(truth))
        right = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * training < norm.ppf(value)
        wrong = (truth + random.integers(1, CLASSES, size=len(truth))) % CLASSES
        said.append(np.eye(CLASSES, dtype=np.float32)[None, np.where(right, truth, wrong)])
    return Outcome(said[0], said[1], [], [])


def entries_of(
    model: str, outcomes: Sequence[Outcome], inputs: Sequence[tuple[str, int]], labels: Labels, parts: Sequence[Part],
    splits: dict[str, Evaluation], random: np.random.Generator,
) -> list[Entry]:  # fmt: skip
    """Return the scores of a model's inputs, of the choice among them over folds, and of shuffled labels."""
    label = {"model": model, **NAMES}
    entries = [
        score_outcome({**label, "input": name, "layer": number}, outcome, splits, [0])[0]
        for (name, number), outcome in zip(inputs, outcomes, strict=True)
    ]
    if len(parts) > 1:
        nested = nested_outcome(outcomes, labels, parts)
        entries += score_outcome({**label, "input": "nested", "layer": None}, nested, splits, [0])[:1]
    chance = [
        answers(random.normal(size=len(labels.values)), labels.values, 1 / CLASSES, random) for _ in range(PERMUTATIONS)
    ]
    controls = [
        score_outcome({**label, "input": "shuffled", "layer": 0}, outcome, splits, [number])[0]
        for number, outcome in enumerate(chance)
    ]
    return [*entries, joined(controls)]


def made_study(clips: int, folds: int, layers: float, seed: int, models: int = 1) -> Results:
    """Return a study of that many tested clips: layers of a true accuracy each, of models, and a plain feature."""
    random = np.random.default_rng(seed)
    parts = parts_of(clips, folds)
    rows = np.sort(np.concatenate([np.concatenate([part.valid, part.test]) for part in parts]))
    truth = random.integers(CLASSES, size=len(np.unique(rows)))
    labels = Labels(kind_named("classes"), tuple(map(str, range(CLASSES))), truth)
    splits = evaluations(labels, parts, np.arange(len(truth)), seed)
    common = random.normal(size=len(truth))
    inputs = {
        f"model {number}": [("layer", layer) for layer in range(LAYERS // models)] for number in range(models)
    } | {"plain": [("mean", 0)]}
    true = dict.fromkeys(inputs, layers) | {"plain": PLAIN}
    entries = []
    for name, named in inputs.items():
        outcomes = [answers(common, truth, true[name], random) for _ in named]
        entries += entries_of(name, outcomes, named, labels, parts, splits, random)
    facts = {"primary": "accuracy", "chance": 1 / CLASSES, "test_groups": clips, "title": "made"}
    kinds = {name: {"baseline": name == "plain", "untrained": False} for name in inputs}
    return Results(*tabulate(entries), {"models": kinds, "tasks": {"made": facts}, "note": ""})


def shown_over_plain(results: Results) -> bool:
    """Return whether the paired interval of the chosen layer over the plain feature lies above zero."""
    layer = best_trained(results, "made")
    plain = results.of(model="plain", input="mean")
    return bool(layer and results.compare(layer.chosen.name, plain.index[0]).low > 0)


def layers_recommended(clips: int, folds: int, studies: int = STUDIES, models: int = 1) -> tuple[float, float]:
    """Return how often a layer is recommended that is as good as the plain feature, and said to be better by itself."""
    recommended = above = 0
    for seed in range(studies):
        results = made_study(clips, folds, PLAIN, seed, models)
        # A layer is recommended only where it is shown to be better.
        if shown_over_plain(results):
            above += 1
            recommended += decide(results, "made").verdict == "layer"
    return 100 * recommended / studies, 100 * above / studies


def main() -> None:
    """Print both tables."""
    layers: dict[str, float] = {}
    rows = []
    for clips, folds, models in (*product((60, 200), (0, FOLDS), (1,)), (200, FOLDS, LAYERS)):
        name = f"{clips} clips, {f'{folds} folds' if folds else 'a split'}"
        name += f", {models} models of {LAYERS // models}" if models > 1 else ""
        layers[name], above = layers_recommended(clips, folds, STUDIES if models == 1 else FEWER_STUDIES, models)
        rows.append([name, f"{above:.1f}", f"{layers[name]:.1f}"])
    table(
        f"{LAYERS} layers and a plain feature, each right on {100 * PLAIN:.0f} % of clips; {STUDIES} studies a row, "
        f"{FEWER_STUDIES} of many models.",
        ["tested", "paired interval of the chosen layer above zero, %", "a layer is recommended, %"],
        rows,
    )
    error = 100 * np.sqrt(0.025 * 0.975 / STUDIES)
    judge(f"a layer is recommended in at most 2.5 %, two standard errors of {error:.1f} allowed", layers,
          high=2.5 + 2 * error)  # fmt: skip
    plain: dict[str, float] = {}
    rows = []
    for clips, folds in ((200, 0), (1000, 0), (1000, FOLDS)):
        name = f"{clips} clips, {f'{folds} folds' if folds else 'a split'}"
        verdicts = Counter(
            decide(made_study(clips, folds, PLAIN + BETTER, seed), "made").verdict for seed in range(FEWER_STUDIES)
        )
        plain[name] = 100 * verdicts["plain"] / FEWER_STUDIES
        rows.append([name, *(verdicts[each] for each in ("layer", "plain", "undecided")), f"{plain[name]:.1f}"])
    table(
        f"Every layer is right on {100 * BETTER:.0f} % of clips more than the plain feature; {FEWER_STUDIES} studies "
        "a row.",
        ["tested", "layer", "plain", "undecided", "plain, %"],
        rows,
    )
    judge("a plain feature is recommended in at most 5 %", plain, high=5.0)
