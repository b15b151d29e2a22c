"""What the numbers say, in words: nothing is claimed that the intervals do not carry."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from layerscope.probes import SEEDED_PROBES
from layerscope.report.cautions import cautions_about, counted_as
from layerscope.report.wording import (
    describe,
    difference,
    in_percent,
    layer_list,
    metric_name,
    named_layers,
    number,
    sentence,
    span,
    with_interval,
)
from layerscope.scores.against_controls import (
    beats_controls,
    beats_permutations,
    chance_of,
    controls,
    judged_row,
    margin_below,
)
from layerscope.scores.family_of_comparisons import corrected
from layerscope.scores.layer_selection import best_plain, best_trained, best_untrained, layers_beside
from layerscope.scores.probe_agreement import pairs_of_probes
from layerscope.scores.resampling import FEWEST_GROUPS
from layerscope.scores.rivals import MARGIN, against_wider_inputs, better_wider_inputs, judged_gap, rival_of
from layerscope.scores.score_table import Results, is_set
from layerscope.scores.verdict import Verdict, decide

__all__ = ["CHECK_ORDER", "Advice", "advise", "headline", "seeds_text"]

#: What most often makes labels look unrelated to the sound.
CHECK_ORDER = "First check that states and labels (files and their rows) are in one order"


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


def headline(results: Results, answer: Verdict) -> str:
    """Return an answer in one sentence."""
    row = describe(results.summary.loc[answer.row])
    if answer.verdict == "layer":
        single = best_trained(results, answer.task) or best_untrained(results, answer.task)
        alone = [f"layer {single.chosen.layer} alone"] if single and is_set(answer.input) else []
        beaten = [*alone, *(["plain features"] if answer.plain else []), *(["random weights"] if answer.twin else [])]
        beats = "they beat" if alone else "it beats"
        return f"Use {row}: {beats} {' and '.join(beaten) or 'chance and shuffled labels'}."
    if answer.verdict == "plain":
        if not results.models("trained"):
            return f"Use a plain feature, {row}: it beats chance and shuffled labels."
        unit = " points" if in_percent(answer.metric) else ""
        return f"Use a plain feature, {row}: no layer is better by {number(answer.metric, MARGIN)}{unit} or more."
    if answer.verdict == "undecided":
        names = dict.fromkeys(candidate_name(results, candidate) for candidate in answer.candidate_rows)
        single = best_trained(results, answer.task)
        # Neither of what is open may be what scores most.
        together = told_together(results, single.chosen) if single else ""
        parts = (f"Undecided: {' or '.join(names)}", more_needed(results, answer, "decide"), together)
        return "; ".join(filter(None, parts)) + "."
    return nothing_to_use(results, answer)


def nothing_to_use(results: Results, answer: Verdict) -> str:
    """Return that no input is shown to beat its controls, and what may be the reason."""
    row = describe(results.summary.loc[answer.row])
    nothing = "Nothing to use yet: no input is shown to beat chance and shuffled labels"
    if answer.effective_groups < FEWEST_GROUPS:
        return f"{nothing}; {more_needed(results, answer, 'show it')}."
    if why := results.facts["tasks"][answer.task].get("no_interval"):
        return f"{nothing}; {why}."
    # Layers may tell together what none of them does.
    together = told_together(results, results.summary.loc[answer.row])
    if together:
        return (
            "Nothing to use yet: by itself no layer or plain feature is shown to beat chance and shuffled labels; "
            f"{together}."
        )
    # Of few clips that alone is the reason.
    twin = best_untrained(results, answer.task) if answer.twin else None
    if twin and beats_controls(results, twin.chosen):
        shown = f"{candidate_name(results, int(twin.chosen.name))} beat chance and shuffled labels"
        return f"Nothing to use yet: {shown}, and no trained layer or plain feature is shown to."
    shown = results.summary.loc[answer.row]
    # Of an input that lies above the constant answer, order is not in question, and numbers are: those fall with luck.
    if answer.low > answer.chance and not beats_permutations(results, shown):
        luckiest = number(answer.metric, max(controls(results, shown)))
        times = f"{one_of(answer.permutations)} of shuffled labels scores {luckiest}"
        return f"Nothing to use yet: {row} lies above chance, but {times}; more clips would tell whether that is luck."
    # Tasks of one study share the order of their clips: it is asked for once, where all of them show nothing.
    if len(results.facts["tasks"]) > 1:
        return f"{nothing}; {more_needed(results, answer, 'show it')}."
    return f"{nothing}. {CHECK_ORDER}; {more_needed(results, answer, 'show it')}."


def told_together(results: Results, layer: pd.Series) -> str:
    """Return which inputs of several layers are shown to score more than a layer, with their scores; "" of none."""
    together = better_wider_inputs(results, layer)
    named = " and ".join(f"{describe(each)} ({number(each.metric, each.value)})" for each in together)
    return f"shown to score more than {describe(layer)}: {named}" if together else ""


def more_needed(results: Results, answer: Verdict, what: str) -> str:
    """Return how much more data an answer needs, in words."""
    units = "clips" if answer.groups == answer.clips else "groups of clips"
    if answer.better and answer.needed is None:
        return "validation prefers the first, the test clips another, and another split (or folds) may"
    if answer.effective_groups < FEWEST_GROUPS:
        tested = f"{answer.groups} test {units}{counted_as(answer.groups, answer.effective_groups, end=',')}"
        return f"{tested} are too few to {what}: {FEWEST_GROUPS} are the least"
    if answer.needed is None and (luck := lucky_permutation(results, answer)):
        return f"no number of {units} is promised to {what}, since {luck}"
    if answer.needed is None:
        return f"if the scores stay, more {units} would hardly {what}"
    count = rounded(answer.needed)
    if count == 1:
        units = {"clips": "clip"}.get(units, "group of clips")
    return f"about {count:,} more test {units} would {what}, if the scores stay"


def lucky_permutation(results: Results, answer: Verdict) -> str:
    """Return that shuffled labels have once scored as high as what an answer names first, or an empty text."""
    for name in dict.fromkeys([answer.row, *answer.candidate_rows[:1]]):
        row = results.summary.loc[name]
        if not beats_permutations(results, row):
            luckiest = number(answer.metric, max(controls(results, row)))
            # That nothing beats shuffled labels has been said of them then.
            shuffled = "" if answer.verdict == "nothing" else " of shuffled labels"
            return (
                f"{one_of(answer.permutations)}{shuffled} scores {luckiest}, no less than "
                f"{candidate_name(results, name)}"
            )
    return ""


def one_of(permutations: int) -> str:
    """Return one of so many permutations, in words.

    Examples
    --------
    >>> one_of(1), one_of(5)
    ('one permutation', 'one of 5 permutations')
    """
    return "one permutation" if permutations == 1 else f"one of {permutations} permutations"


def rounded(count: int) -> int:
    """Return a count with two digits, as it is a guess.

    Examples
    --------
    >>> rounded(7), rounded(1234)
    (7, 1200)
    """
    return round(count, min(0, 2 - len(str(count))))


def candidate_name(results: Results, number: int) -> str:
    """Return what a row of the summary is about, and of a control that it is one."""
    row = results.summary.loc[number]
    untrained = results.models("trained") and row.model in results.models("untrained")
    return f"random weights ({describe(row)})" if untrained else describe(row)


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
