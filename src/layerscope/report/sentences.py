"""What the numbers say, in words: nothing is claimed that the intervals do not carry."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from layerscope.scores.layer_selection import best_plain, best_trained, best_untrained, layers_beside
from layerscope.scores.resampling import FEWEST_GROUPS
from layerscope.scores.score_table import PLAIN_INPUTS, WIDE_INPUTS, Comparison, Results
from layerscope.targets import metric_named

__all__ = [
    "Advice", "advise", "difference", "in_percent", "input_name", "layer_list", "metric_name", "number", "score_name",
    "span",
]  # fmt: skip

#: Names in a sentence.
MOST_NAMED = 10


@dataclass(frozen=True)
class Advice:
    """The answer to "which layer".

    Attributes
    ----------
    headline : str
        One sentence: what to use.
    reasons : tuple of str
        What it rests on, a sentence each.
    cautions : tuple of str
        What limits it.
    """

    headline: str
    reasons: tuple[str, ...]
    cautions: tuple[str, ...]


def metric_name(metric: str) -> str:
    """Return a metric as it is written in prose."""
    return metric_named(metric).title


def in_percent(metric: str) -> bool:
    """Return whether a metric is a share, which is written in percent; R² is written as it is."""
    return metric_named(metric).percent


def score_name(score: str) -> str:
    """Return a label-free score as it is written in prose."""
    return score.replace("robustness_", "robustness to ").replace("_", " ")


def number(metric: str, value: float, *, signed: bool = False) -> str:
    """Return a score as it is written in prose: shares in percent, others with three decimals."""
    if value != value:
        return "undefined"
    text = (f"{100 * value:+.1f}" if in_percent(metric) else f"{value:+.3f}").replace("-", "−")
    return text if signed else text.removeprefix("+")


def span(metric: str, low: float, high: float, *, signed: bool = False) -> str:
    """Return an interval in brackets, or the words that there are too few clips or groups for one."""
    if low != low:
        return "[too few]"
    return f"[{number(metric, low, signed=signed)}, {number(metric, high, signed=signed)}]"


def layer_list(layers: list[int]) -> str:
    """Return layers with runs joined.

    Examples
    --------
    >>> layer_list([2, 3, 4, 7])
    '2–4, 7'
    """
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def sentence(text: str) -> str:
    """Return a text as a sentence begins; a name in front keeps its case."""
    return text[:1].upper() + text[1:] if text.startswith(("layer ", "the ", "all ")) else text


def input_name(row: pd.Series) -> str:
    """Return the input of a row of the summary: a layer by its number, others by their name."""
    return f"layer {row.layer}" if row.input == "layer" else str(row.input)


def describe(row: pd.Series) -> str:
    """Return what a row of the summary is about."""
    if row.input in PLAIN_INPUTS:
        return f"{row.model} ({row.input} over time)"
    texts = {"layer": f"layer {row.layer} of {row.model}", "concat": f"all layers of {row.model} side by side"}
    return texts.get(row.input, f"the {row.input} input of {row.model}")


def advise(results: Results) -> Advice:
    """Return the recommendation for the task that the results are of: chosen on validation, judged on test."""
    task, metric = results.facts["task"], results.facts["primary"]
    trained, plain, untrained = (best(results, task) for best in (best_trained, best_plain, best_untrained))
    choice = trained or plain or untrained
    assert choice is not None  # a study has a model or a plain feature
    best = choice.chosen
    headline, reasons = f"Use {describe(best)}.", [f"{sentence(describe(best))}: {score_text(best)}."]
    if trained and plain:
        rival = plain.chosen
        gap = results.compare(best.name, rival.name)
        headline = head(best, rival, gap.verdict)
        reasons += [
            f"The plain feature that validation prefers, {describe(rival)}: {score_text(rival)}.",
            f"{sentence(describe(best))} minus {describe(rival)}: {difference(metric, gap)}, paired on the same clips.",
        ]
    if best.input == "layer":
        reasons += layer_reasons(results, best)
    if untrained and choice is not untrained:
        gap = results.compare(best.name, untrained.chosen.name)
        reasons.append(f"Against random weights ({describe(untrained.chosen)}): {difference(metric, gap)}.")
    warning = [] if trained else ["No trained model was studied; this says nothing about one."]
    return Advice(headline, tuple(reasons), (*warning, *list_cautions(results)))


def score_text(row: pd.Series) -> str:
    """Return the score of a row of the summary, with its interval, probe and clips."""
    return (
        f"{metric_name(row.metric)} {number(row.metric, row.value)} {span(row.metric, row.ci_low, row.ci_high)} "
        f"with the {row.probe} probe on {row.n} test clips"
    )


def head(best: pd.Series, rival: pd.Series, verdict: str) -> str:
    """Return the headline for a layer and the plain feature that it must beat."""
    return {
        "better": f"Use {describe(best)}: it beats plain features.",
        "worse": f"Use a plain feature, {describe(rival)}: it beats every layer that validation would choose.",
        "not told apart": (
            f"Use a plain feature, {describe(rival)}: {describe(best)} is not told apart from it, and costs more."
        ),
    }[verdict]


def difference(metric: str, comparison: Comparison) -> str:
    """Return a difference with its interval and verdict."""
    unit = " points" if in_percent(metric) else ""
    return (
        f"{number(metric, comparison.difference, signed=True)}{unit} "
        f"{span(metric, comparison.low, comparison.high, signed=True)}, {comparison.verdict}"
    )


def layer_reasons(results: Results, best: pd.Series) -> list[str]:
    """Return what is to be said of a layer: its equals on test, and the inputs that use more than one layer."""
    beside = layers_beside(results, best)
    layers = [int(layer) for layer in beside.layer[beside.in_best_set]]
    reasons = [
        f"On the test clips, layers {layer_list(layers)} cannot be told apart from the best layer."
        if len(layers) > 1
        else f"On the test clips, layer {layers[0]} is told apart from every other layer."
    ]
    rows = results.of(model=best.model, probe=best.probe, metric=best.metric)
    for _, row in rows[rows.input.isin(WIDE_INPUTS)].iterrows():
        if row.input == "last" and row.layer == best.layer:
            continue  # the same thing by its other name
        gap = results.compare(best.name, row.name)
        reasons.append(f"Layer {best.layer} minus {describe(row)}: {difference(best.metric, gap)}.")
    return reasons


def list_cautions(results: Results) -> list[str]:
    """Return what limits every claim of the study."""
    facts = results.facts
    cautions = [facts["note"]] if facts["note"] else []
    if facts["test_groups"] < FEWEST_GROUPS:
        cautions.append(
            f"{facts['test_groups']} independent groups are tested, too few for intervals: {FEWEST_GROUPS} are needed."
        )
    if facts["leaks"]:
        whose = "as published" if facts.get("published") else "allowed by the user"
        cautions.append(f"Leak between splits, {whose}: {facts['leaks'][0]}.")
    if facts.get("shared"):
        cautions.append(f"The published splits share {facts['shared']}.")
    if facts["absent_tags"]:
        named, more = facts["absent_tags"][:MOST_NAMED], len(facts["absent_tags"]) - MOST_NAMED
        rest = f" and {more} more" if more > 0 else ""
        cautions.append(f"Tags without both answers in the test split, left out: {', '.join(named)}{rest}.")
    if facts.get("short"):
        cautions.append(f"{sentence('the ' + facts['short'].removeprefix('this '))}.".replace("The copy", "This copy"))
    if facts["skipped"]:
        cautions.append(f"{facts['skipped']} clips were not used; they are listed below with the reason.")
    return cautions
