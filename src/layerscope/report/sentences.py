"""What the numbers say, in words: nothing is claimed that the intervals do not carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from layerscope.scores.against_controls import (
    beats_controls,
    beats_permutations,
    chance_of,
    controls,
    judged_row,
    margin_below,
)
from layerscope.scores.layer_selection import best_plain, best_trained, best_untrained, layers_beside
from layerscope.scores.resampling import FEWEST_GROUPS
from layerscope.scores.rivals import judged_gap
from layerscope.scores.score_table import PLAIN_INPUTS, SEARCHED, Comparison, Results, is_set, wide_inputs
from layerscope.scores.verdict import MARGIN, Verdict, corrected, decide, luckier
from layerscope.targets import metric_named

__all__ = [
    "CHECK_ORDER", "RARE", "Advice", "advise", "cautions_about", "difference", "headline", "in_percent", "input_name",
    "layer_list", "metric_name", "number", "score_name", "seeds_text", "span",
]  # fmt: skip

#: Fewer clips of a class than this are three or so in a test split: its share of the score is a coin's.
RARE = 10
#: From this share of one class on, what ignores the sound looks good.
IMBALANCED = 0.6
#: Names in a sentence.
MOST_NAMED = 6
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
    # NaN alone differs from itself.
    if value != value:
        return "undefined"
    text = (f"{100 * value:+.1f}" if in_percent(metric) else f"{value:+.3f}").replace("-", "−")
    return text if signed else text.removeprefix("+")


def span(metric: str, low: float, high: float, *, signed: bool = False) -> str:
    """Return an interval in brackets, or why there is none: too few clips or groups, or no difference in any resample.

    Examples
    --------
    >>> span("r2", -0.01, 0.02, signed=True), span("r2", 0.0, 0.0, signed=True)
    ('[−0.010, +0.020]', '[alike in every resample]')
    """
    if low != low:
        return "[too few]"
    bounds = [number(metric, bound, signed=signed) for bound in (low, high)]
    # Of two inputs that are copies, or both perfect, a width of nothing would look like certainty.
    if signed and not any(bound.strip("+−0.") for bound in bounds):
        return "[alike in every resample]"
    return f"[{', '.join(bounds)}]"


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
    return text[:1].upper() + text[1:] if text.startswith(("layer ", "layers ", "the ", "all ")) else text


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
    asked = int(results.facts["seeds"])
    # The fewest of any row: shuffled labels and random weights have draws of their own beside.
    trained = results.summary.groupby("probe", sort=False).seeds.min()
    seeded = [str(probe) for probe, count in trained.items() if count == asked > 1]
    exact = [str(probe) for probe, count in trained.items() if count < asked]
    parts = [f"{', '.join(seeded)}: {asked} seeds"] if seeded else []
    parts += [f"{', '.join(exact)}: {'none' if seeded else 'no seeds'} needed"] if exact else []
    return "; ".join(parts) or "1 seed"


def input_name(row: pd.Series) -> str:
    """Return the input of a row of the summary: a layer by its number, others by their name."""
    if row.input == "plain+layer":
        return f"plain+layer {row.layer}"
    return f"layer {row.layer}" if row.input == "layer" else str(row.input)


def describe(row: pd.Series) -> str:
    """Return what a row of the summary is about."""
    if row.input in PLAIN_INPUTS:
        return f"{row.model} ({row.input} over time)"
    if is_set(row.input):
        layers = row.input.partition("(")[2].rstrip(")").replace("-", "–").replace("+", ", ")
        return f"layers {layers} of {row.model} {'side by side' if row.input.startswith('concat') else 'by their mean'}"
    if row.input.startswith(SEARCHED):
        count = row.input[len(SEARCHED) : -1]
        layers = "the layer" if count == "1" else f"the {count} layers"
        return f"{layers} of {row.model} that each fold searches"
    texts = {
        "layer": f"layer {row.layer} of {row.model}",
        "last": f"the last layer of {row.model}",
        "concat": f"all layers of {row.model} side by side",
    }
    return texts.get(row.input, f"the {row.input} input of {row.model}")


def advise(results: Results) -> Advice:
    """Return the recommendation for the task that the results are of: chosen on validation, judged on test."""
    task, metric = results.facts["task"], results.facts["primary"]
    answer = decide(results, task)
    trained, plain, untrained = (best(results, task) for best in (best_trained, best_plain, best_untrained))
    row = results.summary.loc[answer.row]
    reasons = [
        f"{sentence(describe(row))}: {score_text(row)}.",
        against_controls(answer),
        *held_against_chance(results, row),
    ]
    if trained and plain:
        layer, rival = trained.chosen, plain.chosen
        other = layer if row.name == rival.name else rival
        gap = difference(metric, judged_gap(results, layer, rival))
        reasons += [
            f"{sentence(describe(other))}, which validation prefers of its sort: {score_text(other)}.",
            f"{sentence(describe(layer))} minus {describe(rival)}: {gap}, paired on the same clips.",
        ]
    if is_set(row.input) and trained:
        for other in (trained.chosen, *([plain.chosen] if plain else [])):
            gap = difference(metric, results.compare(row.name, other.name))
            reasons.append(f"{sentence(describe(row))} minus {describe(other)}: {gap}.")
    if row.input == "layer":
        reasons += [*layer_reasons(results, row), *agreement_of_probes(answer)]
    if untrained and untrained.chosen.name != row.name:
        gap = difference(metric, judged_gap(results, row, untrained.chosen))
        reasons.append(
            f"{sentence(describe(row))} minus random weights ({describe(untrained.chosen)}; "
            f"{draws_of(results, answer)}): {gap}."
        )
    return Advice(headline(results, answer), tuple(reasons), tuple(cautions_about(results, answer, row)), answer)


def cautions_about(results: Results, answer: Verdict, row: pd.Series) -> list[str]:
    """Return what limits a row of the summary, of the answer or not: itself, beside wider inputs, and by its data."""
    cautions = [
        *cautions_of(results, answer, row), *wider_inputs_that_win(results, row), *list_cautions(results)
    ]  # fmt: skip
    if not results.models("trained"):
        cautions.insert(0, "No trained model was studied; this says nothing about one.")
    return cautions


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
        return f"Undecided: {' or '.join(names)}; {more_needed(results, answer, 'decide')}."
    nothing = "Nothing to use yet: no input is shown to beat chance and shuffled labels"
    if answer.effective_groups < FEWEST_GROUPS:
        return f"{nothing}; {more_needed(results, answer, 'show it')}."
    # Of few clips that alone is the reason.
    twin = best_untrained(results, answer.task) if answer.twin else None
    if twin and beats_controls(results, twin.chosen):
        shown = f"{candidate_name(results, int(twin.chosen.name))} beat chance and shuffled labels"
        return f"Nothing to use yet: {shown}, and no trained layer or plain feature is shown to."
    shown = results.summary.loc[answer.row]
    # Of an input that lies above the constant answer, order is not in question, and numbers are: those fall with luck.
    if answer.low > answer.chance and not beats_permutations(results, shown):
        luckiest = number(answer.metric, max(controls(results, shown)))
        times = f"one of {answer.permutations} permutations of shuffled labels scores {luckiest}"
        return f"Nothing to use yet: {row} lies above chance, but {times}; more clips would tell whether that is luck."
    # Tasks of one study share the order of their clips: it is asked for once, where all of them show nothing.
    if len(results.facts["tasks"]) > 1:
        return f"{nothing}; {more_needed(results, answer, 'show it')}."
    return f"{nothing}. {CHECK_ORDER}; {more_needed(results, answer, 'show it')}."


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
            return (
                f"one of {answer.permutations} permutations of shuffled labels scores {luckiest}, no less than "
                f"{candidate_name(results, name)}"
            )
    return ""


def counted_as(groups: int, effective: int, end: str = "") -> str:
    """Return why groups are too few that are enough by their number, or an empty text.

    Examples
    --------
    >>> counted_as(15, 2), counted_as(8, 5)
    (', which differ in size and count as 2', '')
    """
    if groups < FEWEST_GROUPS or effective >= FEWEST_GROUPS:
        return ""
    return f", which differ in size and count as {effective}{end}"


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


def agreement_of_probes(answer: Verdict) -> list[str]:
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
    least = " at least" if len(answer.probes) > 2 else ""
    return [f"{start}; their orders of the layers correlate by {number('r2', rank)}{least} (Spearman)."]


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
        f"{metric_name(row.metric)} {number(row.metric, row.value)} {span(row.metric, row.ci_low, row.ci_high)} "
        f"with the {row.probe} probe on {row.n} test clips, {row.seeds} training{'s' if row.seeds > 1 else ''}"
    )


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
    for row, gap in against_wider_inputs(results, best):
        reasons.append(f"Layer {best.layer} minus {describe(row)}: {difference(best.metric, gap)}.")
    return reasons


def against_wider_inputs(results: Results, best: pd.Series) -> list[tuple[pd.Series, Comparison]]:
    """Return the inputs that a layer is shown beside, with what it has over each."""
    rows = results.of(model=best.model, probe=best.probe, metric=best.metric)
    wide = [row for _, row in rows[rows.input.isin(wide_inputs(rows))].iterrows()]
    # The last layer may be the very same thing by its other name.
    others = [row for row in wide if not (row.input == "last" and row.layer == best.layer)]
    return [(row, judged_gap(results, best, row)) for row in others]


def wider_inputs_that_win(results: Results, best: pd.Series) -> list[str]:
    """Return that a layer is beaten by inputs of all layers, in a sentence, where that is shown (Holm)."""
    pairs = against_wider_inputs(results, best) if best.input == "layer" else []
    winners = [
        describe(row)
        for (row, _), verdict in zip(pairs, corrected([gap for _, gap in pairs]), strict=True)
        if verdict == "worse"
    ]
    if not winners:
        return []
    named = " and ".join(winners)
    return [f"Where one layer is not all that can be had: {describe(best)} scores less than {named}."]


def cautions_of(results: Results, answer: Verdict, row: pd.Series) -> list[str]:
    """Return what limits a row itself."""
    cautions = []
    gap = luckier(results, row)
    if gap:
        # What a user named was not chosen.
        unlucky = "Validation chose unluckily: on" if row.name == answer.row else "On"
        cautions.append(
            f"{unlucky} the test clips {gap.input} of {gap.name} with the {gap.probe} probe is "
            f"better than {describe(row)}, {number(row.metric, gap.value)} to {number(row.metric, row.value)}."
        )
    twin = best_untrained(results, answer.task) if row.model in results.models("trained") else None
    # Not `low <= 0`: without an interval it is NaN, and nothing is told apart.
    if twin and answer.verdict != "nothing" and not judged_gap(results, row, twin.chosen).low > 0:
        cautions.append(
            f"{sentence(describe(row))} is not told apart from random weights ({twin.chosen.model}): what it knows "
            "need not have been learnt."
        )
    if answer.verdict == "layer" and not answer.plain:
        cautions.append("No plain feature was studied: one may do as well.")
    return cautions


def quoted(name: str) -> str:
    """Return a name of somebody's as such: a class may be called "none"."""
    return f"“{name}”"


def data_cautions(facts: dict[str, Any]) -> list[str]:
    """Return what the labels and groups of a task leave open."""
    cautions = []
    if facts.get("rare"):
        named, more = facts["rare"][:MOST_NAMED], len(facts["rare"]) - MOST_NAMED
        rest = f" and {more} more" if more > 0 else ""
        cautions.append(
            f"Fewer than {RARE} clips in all: {', '.join(map(quoted, named))}{rest}; "
            "what is said of them rests on next to nothing."
        )
    if facts.get("majority", 0) >= IMBALANCED:
        cautions.append(
            f"{100 * facts['majority']:.0f} % of the clips are of one class: compare with "
            "chance, not with 100, and see macro F1 below."
        )
    if facts.get("never_trained"):
        cautions.append(f"{sentence(never_trained(facts['never_trained']))}.")
    if facts.get("shifted"):
        cautions.append(f"{sentence(shifted(facts['shifted']))}.")
    if facts.get("disputed"):
        cautions.append(f"{sentence(disputed(facts['disputed']))}.")
    if not facts.get("grouped", True):
        cautions.append("No groups were given: where clips share an artist or a song, the scores flatter.")
    return cautions


def never_trained(classes: Mapping[str, int]) -> str:
    """Return that no clip trains some classes, given with their tested clips.

    Examples
    --------
    >>> never_trained({"new": 9})
    '“new” (9 test clips) is in no training clip, so that those clips can never be right'
    >>> never_trained({"new": 1, "old": 2})
    '“new” (1 test clip), “old” (2 test clips) are in no training clip, so that those clips can never be right'
    """
    named = [f"{quoted(name)} ({count} test clip{'s' if count > 1 else ''})" for name, count in classes.items()]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    verb = "are" if len(named) > 1 else "is"
    return f"{', '.join(named[:MOST_NAMED])}{more} {verb} in no training clip, so that those clips can never be right"


def shifted(shares: Mapping[str, Sequence[float]]) -> str:
    """Return that classes are commoner or rarer among test clips, given with both shares.

    Examples
    --------
    >>> shifted({"jazz": (0.1, 0.4)})
    'the test clips are another mixture: “jazz” 40 % (10 % of the training clips); scores rest on that mixture too'
    """
    named = [f"{quoted(name)} {100 * after:.0f} % ({100 * before:.0f} %" for name, (before, after) in shares.items()]
    named = [f"{text} of the training clips)" if not place else f"{text})" for place, text in enumerate(named)]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    mixture = f"{', '.join(named[:MOST_NAMED])}{more}"
    return f"the test clips are another mixture: {mixture}; scores rest on that mixture too"


def disputed(sounds: Sequence[str]) -> str:
    """Return that the same sounds have different labels, which ones, and how many more.

    Examples
    --------
    >>> disputed(["a/x.wav and b/x.wav"])
    '1 sound has different labels under different names: a/x.wav and b/x.wav'
    """
    count = f"{len(sounds):,} sounds have" if len(sounds) > 1 else "1 sound has"
    more = f"; and {len(sounds) - MOST_NAMED:,} more" if len(sounds) > MOST_NAMED else ""
    return f"{count} different labels under different names: {'; '.join(sounds[:MOST_NAMED])}{more}"


def list_cautions(results: Results) -> list[str]:
    """Return what limits every claim of the study."""
    facts = results.facts
    cautions = [facts["note"]] if facts["note"] else []
    cautions += data_cautions(facts)
    groups = facts["test_groups"]
    effective = facts.get("effective_groups", groups)
    if effective < FEWEST_GROUPS:
        count = f"{groups} independent groups{counted_as(groups, effective, end=',')}"
        cautions.append(f"{count} are tested, too few for intervals: {FEWEST_GROUPS} are needed.")
    if facts["leaks"]:
        whose = "as published" if facts.get("published") else "allowed by the user"
        cautions.append(f"Leak between splits, {whose}: {facts['leaks'][0]}.")
    if facts.get("near_duplicates"):
        named, more = facts["near_duplicates"][:MOST_NAMED], len(facts["near_duplicates"]) - MOST_NAMED
        rest = f"; and {more} more" if more > 0 else ""
        cautions.append(f"By their sound: {'; '.join(named)}{rest}.")
    if facts.get("shared"):
        cautions.append(f"The published splits share {facts['shared']}.")
    if facts["absent_tags"]:
        named, more = facts["absent_tags"][:MOST_NAMED], len(facts["absent_tags"]) - MOST_NAMED
        rest = f" and {more} more" if more > 0 else ""
        cautions.append(f"Tags without both answers in the test split, left out: {', '.join(named)}{rest}.")
    if facts.get("short"):
        cautions.append(f"{sentence('the ' + facts['short'].removeprefix('this '))}.".replace("The copy", "This copy"))
    if facts.get("cut"):
        cautions.append(
            f"The linear probe was too large to be solved to the end, and may do better, on {', '.join(facts['cut'])}."
        )
    if facts.get("not_offered"):
        cautions.append(
            f"The {' and '.join(facts['not_offered'])} probe pools the frames of a clip to one answer, and was not "
            "trained where every frame has one."
        )
    if facts.get("not_pooled"):
        cautions.append(
            "Every frame has an answer, so that nothing is pooled over time: --pooling changes nothing here."
        )
    if facts["skipped"]:
        what = "1 clip was" if facts["skipped"] == 1 else f"{facts['skipped']:,} clips were"
        cautions.append(f"{what} not used; see skipped.csv for the reason.")
    return cautions
