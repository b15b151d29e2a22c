"""The answer of a task in one sentence, and what would decide it."""

from __future__ import annotations

import pandas as pd

from layerscope.report.cautions import counted_as
from layerscope.report.wording import describe, in_percent, number
from layerscope.scores.against_controls import beats_controls, beats_permutations, controls
from layerscope.scores.layer_selection import best_trained, best_untrained
from layerscope.scores.resampling import FEWEST_GROUPS
from layerscope.scores.rivals import MARGIN, better_wider_inputs
from layerscope.scores.score_table import Results, is_set
from layerscope.scores.verdict import Verdict

__all__ = ["CHECK_ORDER", "headline"]

#: What most often makes labels look unrelated to the sound.
CHECK_ORDER = "First check that states and labels (files and their rows) are in one order"


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
