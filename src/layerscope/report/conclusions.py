"""The three questions of a layer-wise study, answered in words from the numbers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pandas as pd

from layerscope.report.wording import in_percent, layer_list, named_layers, number, score_name
from layerscope.scores.family_of_comparisons import corrected_by
from layerscope.scores.layer_selection import best_plain, chosen_layer, layers_beside, shown_layers
from layerscope.scores.probe_agreement import FEWEST_LAYERS
from layerscope.scores.rank_correlation import rank_correlation
from layerscope.scores.resampling import best_set
from layerscope.scores.rivals import judged_gap
from layerscope.scores.score_table import Comparison, Results, asked_models
from layerscope.similarity.label_free import SCORES
from layerscope.similarity.measures import Similarities
from layerscope.targets.kind import defined_mean

__all__ = [
    "Answer", "answer_questions", "answers_by_model", "compared_otherwise", "one_for_all", "worth_of_scores",
]  # fmt: skip

#: What a verdict on a model is called, against plain features and, of its best layer, against all of its layers.
AGAINST_PLAIN = {
    "better": "beats the best plain feature on",
    "worse": "is beaten on",
    "not told apart": "is not told apart from it on",
}
SIGNS = {"better": "▲", "worse": "▼", "not told apart": "▬"}
#: The head of the column that the others speak of.
LAYERS = "layer (all that may be best)"
ONE_AGAINST_ALL = {"better": "beats", "worse": "loses to", "not told apart": "is not told apart from"}


@dataclass(frozen=True)
class Answer:
    """A question and what the study says to it.

    Attributes
    ----------
    question : str
        In words.
    short : str
        The same as the head of a column.
    caption : str
        What the signs of the matrix are.
    matrix : dict of tuple of str to dict of str to str
        A row a model (or a model and an input), a column a task: a sign or a layer.
    sentences : tuple of str
        The same with numbers.
    """

    question: str
    short: str
    caption: str
    matrix: dict[tuple[str, ...], dict[str, str]]
    sentences: tuple[str, ...]


def answer_questions(results: Results) -> list[Answer]:
    """Return the three answers: models against plain features, layers and tasks, one layer or all."""
    models = asked_models(results)
    if not models:
        return []
    answers = []
    if results.models("plain"):
        answers.append(against_plain(results, models))
    answers.append(layers_of_tasks(results, models))
    if results.summary.input.isin(["weighted", "concat"]).any():
        answers.append(one_or_all(results, models))
    return answers


def answers_by_model(answers: list[Answer], task: str) -> pd.DataFrame:
    """Return what the matrices say of one task: a row a model, a column a question or an input of all layers.

    Examples
    --------
    >>> inputs = {("muq", "concat"): {"genre": "▲"}, ("muq", "last"): {"genre": "▬"}}
    >>> layers = Answer("Which layers serve which task?", LAYERS, "", {("muq",): {"genre": "5 (4–6)"}}, ())
    >>> together = Answer("One layer, or all of them?", "", "", inputs, ())
    >>> answers_by_model([together, layers], "genre").loc["muq"].to_dict()
    {'layer (all that may be best)': '5 (4–6)', 'against concat': '▲', 'against last': '▬'}
    """
    columns: dict[str, dict[str, str]] = {}
    for answer in sorted(answers, key=lambda answer: answer.short != LAYERS):
        for (model, *names), cells in answer.matrix.items():
            column = f"against {names[0]}" if names else answer.short
            columns.setdefault(column, {})[model] = cells.get(task, "")
    return pd.DataFrame(columns).fillna("")


def against_plain(results: Results, models: list[str]) -> Answer:
    """Return, for each model, the tasks on which it beats the best plain feature, and those on which it does not."""
    gaps: dict[tuple[str, str], Comparison] = {}
    texts: dict[tuple[str, str], str] = {}
    for model, task in product(models, results.tasks):
        best, plain = chosen_layer(results, task, model), best_plain(results, task)
        if best and plain:
            gap = gaps[model, task] = judged_gap(results, best.chosen, plain.chosen)
            points = number(results.primary(task), gap.difference, signed=True)
            texts[model, task] = f"{results.title(task)} ({points} to {plain.chosen.model})"
    verdicts = corrected_by(gaps)
    matrix: dict[tuple[str, ...], dict[str, str]] = {(model,): {} for model in models}
    for (model, task), verdict in verdicts.items():
        matrix[model,][task] = SIGNS[verdict]
    sentences = []
    for model in models:
        named = {
            verdict: [texts[pair] for pair, each in verdicts.items() if (pair[0], each) == (model, verdict)]
            for verdict in AGAINST_PLAIN
        }
        parts = [
            f"{text} {len(named[verdict])}{': ' if named[verdict] else ''}{', '.join(named[verdict])}"
            for verdict, text in AGAINST_PLAIN.items()
        ]
        count = len(matrix[model,])
        sentences.append(f"{model}, of {count} task{'s' if count != 1 else ''}: {'; '.join(parts)}.")
    last = "The best plain feature, like the layer, is the one that validation prefers; paired differences. "
    return Answer(
        "Do the models beat the best plain feature, and where?",
        "against the best plain feature",
        "▲ the chosen layer beats it, ▼ is beaten, ▬ is not told apart" + corrected_of(len(gaps)),
        matrix,
        (*sentences, last + family_of(len(gaps))),
    )


def corrected_of(count: int) -> str:
    """Return the end of a caption: why fewer signs are shown than single intervals would show."""
    return f", {count} comparisons corrected together (Holm)." if count > 1 else "."


def family_of(count: int) -> str:
    """Return how many comparisons are corrected together."""
    if count == 1:
        return "One comparison, at 5 %."
    return f"All {count} comparisons are corrected together (Holm): that any of them is wrong has 5 % at most."


def layers_of_tasks(results: Results, models: list[str]) -> Answer:
    """Return, for each model, the layer chosen for each task, and how many pairs of tasks cannot share one."""
    sentences = []
    matrix: dict[tuple[str, ...], dict[str, str]] = {}
    for model in models:
        sets: dict[str, set[int]] = {}
        places, gains = [], {}
        for task in results.tasks:
            choice = chosen_layer(results, task, model)
            if choice is None or choice.chosen.input != "layer":
                continue
            best, beside = choice.chosen, layers_beside(results, choice.chosen)
            sets[task] = set(map(int, beside.layer[beside.in_best_set]))
            equals = layer_list(sorted(sets[task]))
            inside = "of" if best.in_best_set else "though the test clips prefer"
            places.append((int(best.layer), f"{results.title(task)} {best.layer} ({inside} {equals})"))
            matrix.setdefault((model,), {})[task] = f"{best.layer} ({equals})"
            gains[task] = float(beside.value.max() - best.value)
        if not places:
            continue
        # From the lowest layer up, as one reads a model.
        listed = ", ".join(text for _, text in sorted(places))
        sentences.append(f"{model}: {listed}; in brackets, all that may be best.")
        if len(sets) > 1:
            pairs = [sets[one] & sets[other] for one, other in combinations(sets, 2)]
            apart = f"{pairs.count(set())} of {len(pairs)} pairs of tasks"
            sentences.append(f"{model}: the brackets of {apart} share no layer.")
            sentences.append(f"{model}: {one_for_all(results, model, list(sets))}")
        sentences.append(f"{model}: {optimism(results, gains)}")
    return Answer(
        "Which layers serve which task?",
        LAYERS,
        "The chosen layer; in brackets, all that may be best on the test clips.",
        matrix,
        tuple(sentences),
    )


def one_for_all(results: Results, model: str, tasks: list[str]) -> str:
    """Return whether one layer may be best for all tasks, as a test at 5 %.

    If a layer were best for all T tasks, the set of each at a level of ``1 - 0.05 / T`` would hold it, all of them
    together with probability 0.95 at least (Bonferroni); so where the sets have no layer in common, there is none.
    """
    level = 1 - 0.05 / len(tasks)
    sets = []
    for task in tasks:
        choice = chosen_layer(results, task, model)
        assert choice is not None  # the tasks are those that the model was studied on
        beside = layers_beside(results, choice.chosen)
        inside = best_set(list(beside.value), results.draws[beside.index].astype(np.float64), level)
        sets.append(set(map(int, beside.layer[inside])))
    common = set.intersection(*sets)
    if common:
        # Of wider sets than those in brackets, which may lack the layer: each is wrong at times.
        return (
            f"held against all {len(tasks)} tasks at once (sets at {100 * level:.1f} %, Bonferroni), "
            f"{named_layers(common)} may be best for every one."
        )
    return (
        f"no layer can be best for all {len(tasks)} tasks: that they want different ones is more than chance "
        f"(sets at {100 * level:.1f} %, Bonferroni)."
    )


def optimism(results: Results, gains: dict[str, float]) -> str:
    """Return what choosing the layer on test would have added to the score of each task, which is not real."""
    # Points and R² have no common mean; shares are what most tasks have.
    shares = [gain for task, gain in gains.items() if in_percent(results.primary(task))]
    kept, metric, unit = (shares, "accuracy", " points") if shares else (list(gains.values()), "r2", "")
    mean = f"{number(metric, float(np.mean(kept)))}{unit}"
    most = f" on average, {number(metric, max(kept))} at most" if len(kept) > 1 else ""
    return (
        f"choosing the layer on the test clips would have flattered the score by {mean}{most}; "
        "all scores here are of layers chosen on validation."
    )


def one_or_all(results: Results, models: list[str]) -> Answer:
    """Return, for each model and input of all layers, on how many tasks it is better or worse than the one layer."""
    gaps: dict[tuple[str, str, str], Comparison] = {}
    for model, name, task in product(models, ("weighted", "weighted[1:]", "concat", "last"), results.tasks):
        choice = chosen_layer(results, task, model)
        if choice is None:
            continue
        best = choice.chosen
        rows = results.of(task=task, model=model, metric=best.metric, input=name)
        # Where the last layer is the chosen one, it would be held against itself.
        if rows.empty or (name == "last" and rows.layer.iloc[0] == best.layer):
            continue
        # A mixture has no closed form, so that the layer's own probe may not have it.
        same_probe = rows[rows.probe == best.probe]
        other = (same_probe if len(same_probe) else rows).iloc[0]
        gaps[model, name, task] = judged_gap(results, best, other)
    tasks: defaultdict[tuple[str, str], defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    matrix: dict[tuple[str, ...], dict[str, str]] = {}
    for (model, name, task), verdict in corrected_by(gaps).items():
        tasks[model, name][verdict].append(results.title(task))
        matrix.setdefault((model, name), {})[task] = SIGNS[verdict]
    sentences = []
    for (model, name), titles in tasks.items():
        parts = [f"{text} “{name}” on {', '.join(titles[verdict])}"
                 for verdict, text in ONE_AGAINST_ALL.items() if verdict in titles]  # fmt: skip
        sentences.append(f"{model}, one layer {'; '.join(parts)}.")
    return Answer(
        "One layer, or all of them?",
        "",
        "▲ the chosen layer beats them, ▼ loses, ▬ is not told apart" + corrected_of(len(gaps)),
        matrix,
        (*sentences, family_of(len(gaps))),
    )


def compared_otherwise(results: Results, similarities: Similarities) -> list[str]:
    """Return the models of which a comparison beside a run is of other states: weights, code or precision differ."""
    scored, compared = results.facts["models"], similarities.facts["models"]
    return [
        name
        for name in compared
        # Of other layers the fingerprint is another one in any case.
        if name in scored and [*compared[name]["layers"]] == [*scored[name]["layers"]]
        and compared[name]["fingerprint"] != scored[name]["fingerprint"]
    ]  # fmt: skip


def worth_of_scores(results: Results, similarities: Similarities) -> pd.DataFrame:
    """Return what label-free scores are worth: their rank correlation (Spearman) with probe scores over layers.

    Returns
    -------
    DataFrame
        A row a score and model, a column a task, and ``mean``; empty where run and comparison share no model. One that
        was compared otherwise than it is scored has none.
    """
    rows, others = [], compared_otherwise(results, similarities)
    for name in SCORES:
        for model, scores in similarities.scores[similarities.scores.score == name].groupby("model", sort=False):
            if model in others:
                continue
            correlations = {}
            for task in results.tasks:
                layers = shown_layers(results, task)
                both = scores.merge(layers[layers.model == model], on="layer")
                if len(both) >= FEWEST_LAYERS:
                    correlations[results.title(task)] = rank_correlation(both.value_x, both.value_y)
            if correlations:
                # A task on which all layers score alike has no ranks, and so no correlation.
                correlations["mean"] = float(defined_mean(np.array([list(correlations.values())]))[0])
                texts = {title: f"{rho:+z.2f}".replace("-", "−") for title, rho in correlations.items()}
                rows.append({"score": score_name(name), "model": model, **texts})
    return pd.DataFrame(rows)
