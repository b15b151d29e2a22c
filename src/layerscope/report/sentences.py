"""What the numbers say, in words: nothing is claimed that the intervals do not carry."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from layerscope.probes import SEEDED_PROBES
from layerscope.report.cautions import cautions_about
from layerscope.report.headline import headline
from layerscope.report.wording import (
    describe,
    difference,
    layer_list,
    metric_name,
    named_layers,
    number,
    sentence,
    span,
    with_interval,
)
from layerscope.scores.against_controls import chance_of, judged_row, margin_below
from layerscope.scores.family_of_comparisons import corrected
from layerscope.scores.layer_selection import best_plain, best_trained, layers_beside
from layerscope.scores.probe_agreement import pairs_of_probes
from layerscope.scores.rivals import against_wider_inputs, judged_gap, rival_of
from layerscope.scores.score_table import Results, is_set
from layerscope.scores.verdict import Verdict, decide

__all__ = ["Advice", "advise", "seeds_text"]


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
    answer : Verdict
        What it words.
    """

    headline: str
    reasons: tuple[str, ...]
    cautions: tuple[str, ...]
    answer: Verdict


def seeds_text(results: Results) -> str:
    """Return how many seeds each probe was trained with, and which need none.

    Examples
    --------
    >>> import numpy as np
    >>> import layerscope as ls
    >>> states = np.random.default_rng(0).normal(size=(60, 2, 4))
    >>> features = ls.Features.from_arrays(states, ["minor", "major"] * 30)
    >>> seeds_text(ls.probe(features, probes=["closed", "linear"]))
    'closed, linear: no seeds needed'
    """
    tasks = [results.facts["tasks"][task] for task in results.summary.task.unique()]
    counts = sorted({facts.get("seeds", results.facts["seeds"]) for facts in tasks} - {None})
    probes = [str(probe) for probe in results.summary.probe.unique()]
    seeded, exact = ([probe for probe in probes if (probe in SEEDED_PROBES) is having] for having in (True, False))
    number = f"{' or '.join(map(str, counts))} seed{'s' if counts != [1] else ''}"
    parts = [f"{', '.join(seeded)}: {number}"] if seeded else []
    parts += [f"{', '.join(exact)}: {'none' if seeded else 'no seeds'} needed"] if exact else []
    return "; ".join(parts)


def advise(results: Results) -> Advice:
    """Return the recommendation for the task that the results are of: chosen on validation, judged on test."""
    task, metric = results.facts["task"], results.facts["primary"]
    answer = decide(results, task)
    trained, preferred_plain = best_trained(results, task), best_plain(results, task)
    row = results.summary.loc[answer.row]
    untrained = rival_of(results, row, "untrained")
    plain = rival_of(results, trained.chosen, "plain") if trained else preferred_plain
    reasons = [
        f"{sentence(describe(row))}: {score_text(row)}.",
        chosen_by(results, answer, row),
        against_controls(answer),
        *held_against_chance(results, row),
    ]
    if trained and plain:
        layer, rival = trained.chosen, plain.chosen
        other = layer if row.name == rival.name else rival
        gap = difference(metric, judged_gap(results, layer, rival))
        stands_in_the_way = preferred_plain is not None and rival.name != preferred_plain.chosen.name
        sort = f"what {describe(layer)} is not shown to beat" if stands_in_the_way else "its sort"
        reasons += [
            f"{sentence(describe(other))}, which validation prefers of {sort}: {score_text(other)}.",
            f"{sentence(describe(layer))} minus {describe(rival)}: {gap}, paired on the same clips.",
        ]
    if is_set(row.input) and trained:
        for other in (trained.chosen, *([plain.chosen] if plain else [])):
            gap = difference(metric, results.compare(row.name, other.name))
            reasons.append(f"{sentence(describe(row))} minus {describe(other)}: {gap}.")
    if row.input == "layer":
        reasons += layer_reasons(results, row)
        # Of what no probe is shown to hear their orders are those of noise.
        reasons += agreement_of_probes(results, answer) if answer.verdict != "nothing" else []
    if untrained and untrained.chosen.name != row.name:
        gap = difference(metric, judged_gap(results, row, untrained.chosen))
        reasons.append(
            f"{sentence(describe(row))} minus random weights ({describe(untrained.chosen)}; "
            f"{draws_of(results, answer)}): {gap}."
        )
    return Advice(headline(results, answer), tuple(reasons), tuple(cautions_about(results, answer, row)), answer)


def draws_of(results: Results, answer: Verdict) -> str:
    """Return of how many draws of random weights a twin's score is, and what else is that network."""
    assert answer.twin is not None
    facts = results.facts["models"][answer.twin.name]
    count, others = facts.get("draws", 1), facts.get("also", [])
    same = f", the same network as {', '.join(others)}" if others else ""
    return f"{'one draw of them' if count == 1 else f'the mean of {count} draws'}{same}"


def agreement_of_probes(results: Results, answer: Verdict) -> list[str]:
    """Return whether the probes prefer the same layer, in a sentence, where there are several."""
    if len(answer.probes) < 2:
        return []
    named = ", ".join(f"{each.probe} {each.layer}" for each in answer.probes)
    common = set.intersection(*(set(each.best_set) for each in answer.probes))
    if len({each.layer for each in answer.probes}) == 1:
        all_of_them = "Both probes" if len(answer.probes) == 2 else f"All {len(answer.probes)} probes"
        start = f"{all_of_them} prefer layer {answer.probes[0].layer}"
    elif common:
        start = (
            f"The probes prefer different layers ({named}), which the test clips do not contradict: "
            f"with every probe layer {layer_list(sorted(common))} may be best"
        )
    else:
        start = f"The probes disagree on the best layer ({named}): none may be best with all of them"
    rank = answer.rank_correlation
    # Without one it is NaN, which differs from itself.
    if rank != rank:
        return [f"{start}."]
    lowest = min(pairs_of_probes(results, answer.task, answer.model), key=lambda pair: pair.correlation)
    least = " at least" if len(answer.probes) > 2 else ""
    return [
        f"{start}; their orders of the layers correlate by {number('r2', rank)}{least} "
        f"{span('r2', lowest.low, lowest.high)} (Spearman; in brackets, in 95 % of the resamples of the test clips)."
    ]


def chosen_by(results: Results, answer: Verdict, row: pd.Series) -> str:
    """Return why validation prefers a row; where it scores others alike, that is said: the first of equals is luck."""
    beside = layers_beside(results, row)
    equals = list(beside.layer[beside.valid == row.valid]) if row.input == "layer" else []
    alike = f" {sentence(named_layers(equals))} of {row.model} score alike there; the lowest is taken."
    return (
        f"Chosen: {answer.chosen.replace(answer.metric, metric_name(answer.metric))}.{alike if len(equals) > 1 else ''}"
    )


def against_controls(answer: Verdict) -> str:
    """Return what the controls score, beside which an answer's score is read."""
    constant = f"An answer that ignores the sound scores {number(answer.metric, answer.chance)}"
    if not answer.permutations:
        return f"{constant}."
    times = f"{answer.permutations} permutation{'s' if answer.permutations > 1 else ''}"
    # Labels are shuffled for single inputs alone.
    named = "the best layer" if is_set(answer.input) else "this input"
    return f"{constant}, {named} with shuffled labels {number(answer.metric, answer.control)} (the mean of {times})."


def held_against_chance(results: Results, row: pd.Series) -> list[str]:
    """Return what stands for a score over folds where it is held against chance, if it may lie there."""
    nested = judged_row(results, row)
    low = float(nested.value) - margin_below(results, row)
    if nested.name == row.name or low > chance_of(results, row):
        return []
    value, least = (number(row.metric, score) for score in (float(nested.value), low))
    return [
        "Over folds the clips that choose a layer test it too, and trainings share clips; held against chance is what "
        f"each fold chooses without its own clips: {value}, which may truly be as low as {least}."
    ]


def score_text(row: pd.Series) -> str:
    """Return the score of a row of the summary, with its interval, probe and clips."""
    return (
        f"{metric_name(row.metric)} {with_interval(row.metric, row.value, row.ci_low, row.ci_high)} "
        f"with the {row.probe} probe on {row.n} test clips, {row.seeds} training{'s' if row.seeds > 1 else ''}"
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
    pairs = against_wider_inputs(results, best)
    # As many as were asked for: each by itself would be one more chance to be lucky.
    for (row, gap), verdict in zip(pairs, corrected([gap for _, gap in pairs]), strict=True):
        reasons.append(f"Layer {best.layer} minus {describe(row)}: {difference(best.metric, gap, verdict)}.")
    return reasons
