"""What the numbers say, in words: nothing is claimed that the intervals do not carry."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from layerscope.scores.results import PLAIN_INPUTS, SINGLE_INPUTS, Comparison, Results
from layerscope.targets import metric_named

__all__ = ["Advice", "advise", "advised", "describe", "difference", "layer_list", "metric_name", "number", "score_name"]

#: Fewer test groups than this and a percentile interval is itself a rough guess.
FEW_GROUPS = 30
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


def score_name(score: str) -> str:
    """Return a label-free score as it is written in prose."""
    return score.replace("robustness_", "robustness to ").replace("_", " ")


def number(metric: str, value: float, *, signed: bool = False) -> str:
    """Return a score as it is written in prose: shares in percent, others with three decimals."""
    if value != value:
        return "undefined"
    text = f"{100 * value:+.1f}" if metric_named(metric).percent else f"{value:+.3f}"
    text = text.replace("-", "−")
    return text if signed else text.removeprefix("+")


def span(metric: str, low: float, high: float, *, signed: bool = False) -> str:
    """Return an interval in brackets."""
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


def describe(row: pd.Series) -> str:
    """Return what a row of the summary is about."""
    if row.input == "layer":
        return f"layer {row.layer} of {row.model}"
    if row.input in PLAIN_INPUTS:
        return f"{row.model} ({row.input} over time)"
    return (
        f"the {row.input} input of {row.model}" if row.input != "concat" else f"all layers of {row.model} side by side"
    )


def candidates(results: Results) -> tuple[pd.Series | None, pd.Series | None, pd.Series | None]:
    """Return what validation prefers of the trained models, of the plain features and of untrained models."""
    rows, kinds = results.of(metric=results.facts["primary"]), results.facts["models"]
    plain, untrained = (rows.model.map(lambda name, key=key: kinds[name][key]) for key in ("baseline", "untrained"))
    return pick(rows[~(plain | untrained)]), pick(rows[plain]), pick(rows[untrained])


def advised(results: Results) -> pd.Series:
    """Return the row of the summary that the headline says to use: a plain feature unless a model beats it."""
    trained, plain, untrained = candidates(results)
    if trained is not None and plain is not None:
        better = results.compare(int(trained.name), int(plain.name)).verdict == "better"
        return trained if better else plain
    found = trained if trained is not None else plain if plain is not None else untrained
    assert found is not None
    return found


def advise(results: Results) -> Advice:
    """Return the recommendation: chosen on validation, judged on test."""
    metric = results.facts["primary"]
    trained, plain, untrained = candidates(results)
    cautions = list_cautions(results)
    if trained is None:
        cautions = ["No trained model was studied; this says nothing about one.", *cautions]
    best = trained if trained is not None else plain if plain is not None else untrained
    assert best is not None
    rival = plain if trained is not None else None
    verdict = results.compare(int(best.name), int(rival.name)) if rival is not None else None
    headline, reasons = head(metric, best, rival, verdict)
    if verdict is not None and rival is not None:
        told = difference(metric, verdict)
        reasons.append(f"{sentence(describe(best))} minus {describe(rival)}: {told}, paired on the same clips.")
    if best.input == "layer":
        reasons += layer_reasons(results, best)
    if untrained is not None and best is not untrained:
        gap = results.compare(int(best.name), int(untrained.name))
        reasons.append(f"Against random weights ({describe(untrained)}): {difference(metric, gap)}.")
    return Advice(headline, tuple(reasons), tuple(cautions))


def pick(rows: pd.DataFrame) -> pd.Series | None:
    """Return the row that validation prefers among the chosen layers (or summaries) of all models and probes."""
    chosen = rows[rows.chosen & rows.input.isin(SINGLE_INPUTS)]
    return None if chosen.empty else chosen.loc[chosen.valid.idxmax()]


def head(metric: str, best: pd.Series, rival: pd.Series | None, verdict: Comparison | None) -> tuple[str, list[str]]:
    """Return the headline, and the scores it rests on."""

    def told(row: pd.Series) -> str:
        return (
            f"{metric_name(metric)} {number(metric, row.value)} {span(metric, row.ci_low, row.ci_high)} "
            f"with the {row.probe} probe on {row.n} test clips"
        )

    reasons = [f"{sentence(describe(best))}: {told(best)}."]
    if rival is None or verdict is None:
        return f"Use {describe(best)}.", reasons
    reasons.append(f"The plain feature that validation prefers, {describe(rival)}: {told(rival)}.")
    if verdict.verdict == "better":
        return f"Use {describe(best)}: it beats plain features.", reasons
    if verdict.verdict == "worse":
        return f"Use a plain feature, {describe(rival)}: it beats every layer that validation would choose.", reasons
    return (
        f"Use a plain feature, {describe(rival)}: {describe(best)} is not told apart from it, and costs more.",
        reasons,
    )


def difference(metric: str, comparison: Comparison) -> str:
    """Return a difference with its interval and verdict."""
    unit = " points" if metric_named(metric).percent else ""
    return (
        f"{number(metric, comparison.difference, signed=True)}{unit} "
        f"{span(metric, comparison.low, comparison.high, signed=True)}, {comparison.verdict}"
    )


def layer_reasons(results: Results, best: pd.Series) -> list[str]:
    """Return what is to be said of a layer: its equals on test, and the inputs that use more than one layer."""
    metric = best.metric
    own = results.of(model=best.model, probe=best.probe, metric=metric)
    equals = own[(own.input == "layer") & own.in_best_set]
    layers = [int(layer) for layer in equals.layer]
    reasons = [
        f"On the test clips, layers {layer_list(layers)} cannot be told apart from the best layer."
        if len(layers) > 1
        else f"On the test clips, layer {layers[0]} is told apart from every other layer."
    ]
    for _, row in own[own.input.isin(["last", "weighted", "weighted[1:]", "concat"])].iterrows():
        if row.input == "last" and row.layer == best.layer:
            continue  # the same thing by its other name
        gap = results.compare(int(best.name), int(row.name))
        reasons.append(f"Layer {best.layer} minus {describe(row)}: {difference(metric, gap)}.")
    return reasons


def list_cautions(results: Results) -> list[str]:
    """Return what limits every claim of the study."""
    facts = results.facts
    cautions = [facts["note"]] if facts["note"] else []
    if facts["test_groups"] < FEW_GROUPS:
        cautions.append(f"Only {facts['test_groups']} independent groups are tested: the intervals are rough.")
    if facts["leaks"]:
        cautions.append(f"Leak between splits, allowed by the user: {facts['leaks'][0]}.")
    if facts["absent_tags"]:
        named, more = facts["absent_tags"][:MOST_NAMED], len(facts["absent_tags"]) - MOST_NAMED
        rest = f" and {more} more" if more > 0 else ""
        cautions.append(f"Tags without both answers in the test split, left out: {', '.join(named)}{rest}.")
    if facts.get("short"):
        cautions.append(f"{sentence('the ' + facts['short'].removeprefix('this '))}.".replace("The copy", "This copy"))
    if facts["skipped"]:
        cautions.append(f"{facts['skipped']} clips were not used; they are listed below with the reason.")
    return cautions
