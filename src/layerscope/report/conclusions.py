"""The three questions of a layer-wise study, answered in words from the numbers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from layerscope.report.sentences import layer_list, number, score_name
from layerscope.scores.resampling import best_set
from layerscope.scores.results import SINGLE_INPUTS, Results
from layerscope.similarity.label_free import SCORES
from layerscope.similarity.measures import Similarities

__all__ = [
    "Answer",
    "answer_questions",
    "choice",
    "one_for_all",
    "plain_choice",
    "preferred_probe",
    "worth_of_scores",
]

#: Layers that two of a model's tasks must have for a rank correlation to be worth a line.
FEWEST_LAYERS = 4


ONE_AGAINST_ALL = {"better": "beats", "worse": "loses to", "not told apart": "is not told apart from"}


@dataclass(frozen=True)
class Answer:
    """A question and what the study says to it.

    Attributes
    ----------
    question : str
        In words.
    sentences : tuple of str
        The answer.
    """

    question: str
    sentences: tuple[str, ...]


def answer_questions(results: Results) -> list[Answer]:
    """Return the three answers: models against plain features, layers and tasks, one layer or all."""
    kinds = results.facts["models"]
    trained = [name for name, told in kinds.items() if not told["baseline"] and not told["untrained"]]
    models = trained or [name for name, told in kinds.items() if not told["baseline"]]
    if not models:
        return []
    plain = any(told["baseline"] for told in kinds.values())
    answers = []
    if plain:
        answers.append(Answer("Do the models beat plain features, and where?", against_plain(results, models)))
    answers.append(Answer("Which layers serve which task?", layers_of_tasks(results, models)))
    if results.summary.input.isin(["weighted", "concat"]).any():
        answers.append(Answer("One layer, or all of them?", one_or_all(results, models)))
    return answers


def preferred_probe(results: Results, task: str) -> str:
    """Return the probe that validation prefers on a task, among the layers of models, or of plain features."""
    rows = results.of(task=task, metric=results.facts["tasks"][task]["primary"])
    layers = rows[rows.input == "layer"]
    rows = layers if len(layers) else rows
    return str(rows.loc[rows.valid.fillna(-np.inf).idxmax()].probe)


def choice(results: Results, task: str, model: str) -> pd.Series | None:
    """Return the row of the layer (or summary) and probe that validation prefers for a model on a task."""
    rows = results.of(task=task, model=model, metric=results.facts["tasks"][task]["primary"])
    rows = rows[rows.chosen & rows.input.isin(SINGLE_INPUTS)]
    return None if rows.empty else rows.loc[rows.valid.fillna(-np.inf).idxmax()]


def plain_choice(results: Results, task: str) -> pd.Series | None:
    """Return the row of the plain feature that validation prefers on a task."""
    found = [choice(results, task, name) for name, told in results.facts["models"].items() if told["baseline"]]
    rows = [row for row in found if row is not None]
    return max(rows, key=lambda row: row.valid) if rows else None


def against_plain(results: Results, models: list[str]) -> tuple[str, ...]:
    """Return, for each model, the tasks on which it beats the best plain feature, and those on which it does not."""
    told = []
    for model in models:
        verdicts: dict[str, list[str]] = {"better": [], "worse": [], "not told apart": []}
        for task in results.tasks:
            ours, theirs = choice(results, task, model), plain_choice(results, task)
            if ours is None or theirs is None:
                continue
            gap = results.compare(int(ours.name), int(theirs.name))
            metric = results.facts["tasks"][task]["primary"]
            title = results.facts["tasks"][task]["title"]
            verdicts[gap.verdict].append(f"{title} ({number(metric, gap.difference, signed=True)} to {theirs.model})")
        count = sum(map(len, verdicts.values()))
        parts = [
            f"{text} {len(verdicts[verdict])}{': ' if verdicts[verdict] else ''}{', '.join(verdicts[verdict])}"
            for verdict, text in (
                ("better", "beats the best plain feature on"),
                ("worse", "is beaten on"),
                ("not told apart", "is not told apart from it on"),
            )
        ]
        told.append(f"{model}, of {count} task{'s' if count != 1 else ''}: {'; '.join(parts)}.")
    told.append("The best plain feature, like the layer, is the one that validation prefers; 95 % intervals, paired.")
    return tuple(told)


def layers_of_tasks(results: Results, models: list[str]) -> tuple[str, ...]:
    """Return, for each model, the layer chosen for each task, and how many pairs of tasks cannot share one."""
    told = []
    for model in models:
        sets: dict[str, set[int]] = {}
        places = []
        gains: list[float] = []
        for task in results.tasks:
            best = choice(results, task, model)
            if best is None or best.input != "layer":
                continue
            own = results.of(task=task, model=model, probe=best.probe, metric=best.metric, input="layer")
            sets[task] = {int(layer) for layer in own.layer[own.in_best_set]}
            title = results.facts["tasks"][task]["title"]
            places.append((int(best.layer), f"{title} {best.layer} (of {layer_list(sorted(sets[task]))})"))
            gains.append(float(own.value.max() - best.value))
        if not places:
            continue
        told.append(f"{model}: {', '.join(text for _, text in sorted(places))}; in brackets, all that may be best.")
        pairs = list(itertools.combinations(sets, 2))
        if pairs:
            apart = [pair for pair in pairs if not sets[pair[0]] & sets[pair[1]]]
            told.append(
                f"{model}: {len(apart)} of {len(pairs)} pairs of tasks have no layer that may be best for both."
            )
            told.append(f"{model}: {one_for_all(results, model, list(sets))}")
        told.append(optimism(results, model, gains))
    return tuple(told)


def one_for_all(results: Results, model: str, tasks: list[str]) -> str:
    """Return whether one layer may be best for all tasks, as a test at 5 %.

    If a layer were best for all T tasks, the set of each at a level of ``1 - 0.05 / T`` would hold it, all of them
    together with probability 0.95 at least (Bonferroni); so where the sets have no layer in common, there is none.
    """
    level = 1 - 0.05 / len(tasks)
    common: set[int] | None = None
    for task in tasks:
        best = choice(results, task, model)
        assert best is not None
        own = results.of(task=task, model=model, probe=best.probe, metric=best.metric, input="layer")
        inside = best_set(list(own.value), results.draws[own.index].astype(np.float64), level)
        layers = {int(layer) for layer in own.layer[inside]}
        common = layers if common is None else common & layers
    if common:
        return f"layer {layer_list(sorted(common))} may be best for all {len(tasks)} tasks."
    return (
        f"no layer can be best for all {len(tasks)} tasks: that they want different ones is more than chance "
        f"(sets at {100 * level:.1f} %, Bonferroni)."
    )


def optimism(results: Results, model: str, gains: list[float]) -> str:
    """Return what choosing the layer on test would have added to the scores, which is not real."""
    shares = [gain for gain, task in zip(gains, results.tasks, strict=False)
              if not results.facts["tasks"][task]["primary"].startswith("r2")]  # fmt: skip
    kept = shares or gains
    metric = "accuracy" if shares else "r2"
    return (
        f"{model}: choosing the layer on the test clips would have flattered the score by "
        f"{number(metric, float(np.mean(kept)))}{' points' if shares else ''} on average, "
        f"{number(metric, max(kept))} at most; all scores here are of layers chosen on validation."
    )


def one_or_all(results: Results, models: list[str]) -> tuple[str, ...]:
    """Return, for each model and input of all layers, on how many tasks it is better or worse than the one layer."""
    told = []
    for model in models:
        for name in ("weighted", "weighted[1:]", "concat", "last"):
            verdicts: dict[str, list[str]] = {"better": [], "worse": [], "not told apart": []}
            for task in results.tasks:
                best = choice(results, task, model)
                if best is None:
                    continue
                rows = results.of(task=task, model=model, metric=best.metric, input=name)
                if rows.empty or (name == "last" and rows.layer.iloc[0] == best.layer):
                    continue
                same = rows[rows.probe == best.probe]
                other = (same if len(same) else rows).iloc[0]
                gap = results.compare(int(best.name), int(other.name))
                verdicts[gap.verdict].append(results.facts["tasks"][task]["title"])
            if not any(verdicts.values()):
                continue
            parts = []
            for verdict, text in (
                ("better", "beats"),
                ("worse", "loses to"),
                ("not told apart", "is not told apart from"),
            ):
                if verdicts[verdict]:
                    parts.append(f"{text} “{name}” on {', '.join(verdicts[verdict])}")
            told.append(f"{model}, one layer {'; '.join(parts)}.")
    return tuple(told)


def worth_of_scores(results: Results, found: Similarities) -> pd.DataFrame:
    """Return what label-free scores are worth: their rank correlation (Spearman) with probe scores over layers.

    Returns
    -------
    DataFrame
        A row a score and model, a column a task, and ``mean``; empty where run and comparison share no model.
    """
    rows = []
    for name in SCORES:
        for model, own in found.scores[found.scores.score == name].groupby("model", sort=False):
            record: dict[str, object] = {"score": score_name(name), "model": model}
            values = []
            for task in results.tasks:
                probe, metric = preferred_probe(results, task), results.facts["tasks"][task]["primary"]
                scores = results.of(task=task, model=model, probe=probe, metric=metric, input="layer")
                both = own.merge(scores, on="layer")
                if len(both) < FEWEST_LAYERS:
                    continue
                rho = float(stats.spearmanr(both.value_x, both.value_y).statistic)
                values.append(rho)
                record[results.facts["tasks"][task]["title"]] = f"{rho:+.2f}".replace("-", "−")
            if values:
                record["mean"] = f"{np.nanmean(values):+.2f}".replace("-", "−")
                rows.append(record)
    return pd.DataFrame(rows)
