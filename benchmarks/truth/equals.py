"""How often a layer is recommended that is no better than a plain feature, and a plain feature that is worse.

Studies are simulated at the level of answers: an input is right on a clip if that is not too hard for it, and what is
hard is in part hard for all. Layers are chosen, and all is judged, by the code that judges real studies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.coverage import Population, classes, key, number, tags, tracks
from benchmarks.truth.tables import judge, table
from layerscope.data.splits import Part
from layerscope.scores.evaluation import Entry, Evaluation, Outcome, evaluations, score_outcome
from layerscope.scores.layer_selection import best_trained
from layerscope.scores.nested_choice import nested_outcome
from layerscope.scores.score_table import Results
from layerscope.scores.tabulate import tabulate
from layerscope.scores.verdict import decide
from layerscope.study.twins import joined
from layerscope.targets.kind import Labels

Array = NDArray[np.float64]
LAYERS, FOLDS = 25, 5
#: What layers that are better have over the plain feature, of accuracy.
BETTER = 0.04


@dataclass(frozen=True)
class Asked:
    """A target: its metric, what that gives who knows nothing, what it truly is of the plain feature, and answers."""

    metric: str
    chance: float
    plain: float
    population: Population


TARGETS = {
    "classes": Asked("accuracy", 0.25, 0.6, classes(4)),
    "keys": Asked("key_score", 0.2, 0.6, key),
    "values": Asked("r2", 0.0, 0.4, number),
    "tags": Asked("roc_auc", 0.5, 0.7, tags(0.4)),
    "chords": Asked("accuracy", 0.3, 0.6, tracks(0.5)),
}
#: Of what makes a clip hard: the share that all inputs have in common, and of the rest what two trainings have.
SHARED, TRAININGS = 0.6, 0.9
PERMUTATIONS = 10
#: A share of 2.5 % is known to 0.6 points, and of other targets than classes to 1.1.
STUDIES, OTHER_STUDIES, FEWER_STUDIES = 600, 200, 100
#: That are tested where the target is another.
CLIPS = 100
NAMES = {"dataset": "made", "task": "made", "target": "label", "probe": "closed"}


def parts_of(clips: int, folds: int) -> list[Part]:
    """Return folds, or a split that chooses on all clips that are not tested, of which there are four times as many."""
    rows = np.arange(clips * (1 if folds else 5))
    if not folds:
        return [Part(rows[:0], rows[clips:], rows[:clips])]
    fold = rows % folds
    return [Part(rows[:0], rows[fold == (number + 1) % folds], rows[fold == number]) for number in range(folds)]


def answers(asked: Asked, common: Array, value: float, seed: int, random: np.random.Generator) -> Outcome:
    """Return what an input of such a true score says of all clips, where they choose and where they are tested."""
    own = random.normal(size=len(common))
    said = []
    for _ in ("valid", "test"):
        training = np.sqrt(TRAININGS) * own + np.sqrt(1 - TRAININGS) * random.normal(size=len(common))
        latent = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * training
        # The seed makes the labels of all inputs the same.
        said.append(asked.population(latent, value, np.random.default_rng(seed))[1].astype(np.float32)[None])
    return Outcome(said[0], said[1], [], [])


def entries_of(
    model: str, outcomes: Sequence[Outcome], inputs: Sequence[tuple[str, int]], labels: Labels, parts: Sequence[Part],
    splits: dict[str, Evaluation], chance: Sequence[Outcome],
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
    controls = [
        score_outcome({**label, "input": "shuffled", "layer": 0}, outcome, splits, [number])[0]
        for number, outcome in enumerate(chance)
    ]
    return [*entries, joined(controls)]


def made_study(
    clips: int, folds: int, seed: int, better: float = 0.0, models: int = 1, target: str = "classes"
) -> Results:
    """Return a study of that many tested clips: a plain feature, and layers of models that are better by so much."""
    random, asked = np.random.default_rng(seed), TARGETS[target]
    parts = parts_of(clips, folds)
    count = clips * (1 if folds else 5)
    labels, _ = asked.population(np.zeros(count), asked.plain, np.random.default_rng(seed))
    splits = evaluations(labels, parts, np.arange(count), seed)
    common = random.normal(size=count)
    inputs = {
        f"model {number}": [("layer", layer) for layer in range(LAYERS // models)] for number in range(models)
    } | {"plain": [("mean", 0)]}
    true = dict.fromkeys(inputs, asked.plain + better) | {"plain": asked.plain}
    entries = []
    for name, named in inputs.items():
        outcomes = [answers(asked, common, true[name], seed, random) for _ in named]
        chance = [answers(asked, random.normal(size=count), asked.chance, seed, random) for _ in range(PERMUTATIONS)]
        entries += entries_of(name, outcomes, named, labels, parts, splits, chance)
    facts = {"primary": asked.metric, "chance": asked.chance, "test_groups": clips, "title": "made"}
    kinds = {name: {"baseline": name == "plain", "untrained": False} for name in inputs}
    return Results(*tabulate(entries), {"models": kinds, "tasks": {"made": facts}, "note": ""})


def shown_over_plain(results: Results) -> bool:
    """Return whether the paired interval of the chosen layer over the plain feature lies above zero."""
    layer = best_trained(results, "made")
    plain = results.of(model="plain", input="mean")
    return bool(layer and results.compare(layer.chosen.name, plain.index[0]).low > 0)


def layers_recommended(
    clips: int, folds: int, studies: int = STUDIES, models: int = 1, target: str = "classes"
) -> tuple[float, float]:
    """Return how often a layer is recommended that is as good as the plain feature, and said to be better by itself."""
    recommended = above = 0
    for seed in range(studies):
        results = made_study(clips, folds, seed, models=models, target=target)
        # A layer is recommended only where it is shown to be better.
        if shown_over_plain(results):
            above += 1
            recommended += decide(results, "made").verdict == "layer"
    return 100 * recommended / studies, 100 * above / studies


def equally_good(title: str, asked: dict[str, tuple[int, int, int, int, str]], studies: int) -> None:
    """Print how often a layer is recommended that is as good as the plain feature.

    Parameters
    ----------
    title : str
        Of the table.
    asked : dict
        What is tested → arguments of `layers_recommended`.
    studies : int
        Of most rows, by which the error of the simulation is allowed for.
    """
    shares = {name: layers_recommended(*arguments) for name, arguments in asked.items()}
    table(
        title,
        ["tested", "paired interval of the chosen layer above zero, %", "a layer is recommended, %"],
        [[name, f"{above:.1f}", f"{recommended:.1f}"] for name, (recommended, above) in shares.items()],
    )
    error = 100 * np.sqrt(0.025 * 0.975 / studies)
    judge(f"a layer is recommended in at most 2.5 %, two standard errors of {error:.1f} allowed",
          {name: recommended for name, (recommended, _) in shares.items()}, high=2.5 + 2 * error)  # fmt: skip


def tested(clips: int, folds: int) -> str:
    """Return in words on what studies are tested."""
    return f"{clips} clips, {f'{folds} folds' if folds else 'a split'}"


def main() -> None:
    """Print all tables."""
    single = {tested(*each): (*each, STUDIES, 1, "classes") for each in product((60, 200), (0, FOLDS))}
    many = (200, FOLDS, FEWER_STUDIES, LAYERS, "classes")
    equally_good(
        f"{LAYERS} layers and a plain feature, each right on 60 % of clips; {STUDIES} studies a row, "
        f"{FEWER_STUDIES} of many models.",
        {**single, f"{tested(200, FOLDS)}, {LAYERS} models of 1": many},
        STUDIES,
    )
    equally_good(
        f"{LAYERS} layers and a plain feature that are equally good, of other targets; {OTHER_STUDIES} studies a row.",
        {
            f"{target}, {tested(CLIPS, folds)}": (CLIPS, folds, OTHER_STUDIES, 1, target)
            for target, folds in product(list(TARGETS)[1:], (0, FOLDS))
        },
        OTHER_STUDIES,
    )
    plain: dict[str, float] = {}
    rows = []
    for clips, folds in ((200, 0), (1000, 0), (1000, FOLDS)):
        name = tested(clips, folds)
        verdicts = Counter(
            decide(made_study(clips, folds, seed, BETTER), "made").verdict for seed in range(FEWER_STUDIES)
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
