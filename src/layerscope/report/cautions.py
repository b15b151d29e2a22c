"""What limits an answer, in words: its own row, the inputs beside it, its labels, groups and clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from layerscope.report.wording import describe, number, sentence
from layerscope.scores.family_of_comparisons import corrected
from layerscope.scores.layer_selection import chosen_layer
from layerscope.scores.resampling import FEWEST_GROUPS
from layerscope.scores.rivals import better_wider_inputs, judged_gap, rival_of
from layerscope.scores.score_table import Results
from layerscope.scores.verdict import Verdict, luckier

__all__ = ["RARE", "cautions_about", "counted_as", "disputed", "far_off", "list_cautions", "never_trained", "shifted"]

#: Fewer clips of a class than this are three or so in a test split: its share of the score is a coin's.
RARE = 10
#: From this share of one class on, what ignores the sound looks good.
IMBALANCED = 0.6
#: Names in a sentence.
MOST_NAMED = 6


def cautions_about(results: Results, answer: Verdict, row: pd.Series) -> list[str]:
    """Return what limits a row of the summary, of the answer or not: itself, beside wider inputs, and by its data."""
    # Of what is open the headline says it.
    said = answer.verdict == "undecided" and row.name == answer.row
    wider = [] if said else wider_inputs_that_win(results, row)
    cautions = [*cautions_of(results, answer, row), *wider, *list_cautions(results)]
    if not results.models("trained"):
        cautions.insert(0, "No trained model was studied; this says nothing about one.")
    return cautions


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


def wider_inputs_that_win(results: Results, best: pd.Series) -> list[str]:
    """Return that a layer is beaten by inputs of all layers, in a sentence, where that is shown (Holm)."""
    named = " and ".join(describe(row) for row in better_wider_inputs(results, best))
    return [f"Where one layer is not all that can be had: {describe(best)} scores less than {named}."] if named else []


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
    twin = rival_of(results, row, "untrained") if row.model in results.models("trained") else None
    # Not `low <= 0`: without an interval it is NaN, and nothing is told apart.
    if twin and answer.verdict != "nothing" and not judged_gap(results, row, twin.chosen).low > 0:
        cautions.append(
            f"{sentence(describe(row))} is not told apart from random weights ({twin.chosen.model}): what it knows "
            "need not have been learnt."
        )
    if answer.verdict == "layer":
        cautions += models_as_good(results, row)
    if answer.verdict == "layer" and not answer.plain:
        cautions.append("No plain feature was studied: one may do as well.")
    return cautions


def models_as_good(results: Results, row: pd.Series) -> list[str]:
    """Return which other models' chosen layers a row is not told apart from, in a sentence (Holm)."""
    choices = [chosen_layer(results, row.task, model) for model in results.models("trained") if model != row.model]
    others = [choice.chosen for choice in choices if choice]
    verdicts = corrected([judged_gap(results, row, other) for other in others])
    named = [describe(other) for other, verdict in zip(others, verdicts, strict=True) if verdict == "not told apart"]
    return [f"{sentence(first_of(named))} may be as good."] if named else []


def first_of(names: Sequence[str], between: str = ", ") -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - MOST_NAMED
    rest = f"{'; ' if between == '; ' else ' '}and {more:,} more" if more > 0 else ""
    return between.join(names[:MOST_NAMED]) + rest


def quoted(name: str) -> str:
    """Return a name of somebody's as such: a class may be called "none"."""
    return f"“{name}”"


def data_cautions(facts: dict[str, Any]) -> list[str]:
    """Return what the labels and groups of a task leave open."""
    cautions = []
    if facts.get("rare"):
        rare = facts["rare"]
        # Of many their number says it; provenance.json names them all.
        named = first_of([quoted(name) for name in rare]) if len(rare) <= MOST_NAMED else f"{len(rare)} classes"
        cautions.append(f"Fewer than {RARE} clips in all: {named}; next to nothing is known of them.")
    if facts.get("majority", 0) >= IMBALANCED:
        cautions.append(
            f"{100 * facts['majority']:.0f} % of the clips are of one class: compare with "
            "chance, not with 100, and see macro F1 below."
        )
    if facts.get("held_by_few"):
        several = len(facts.get("names", [])) > 1
        named = first_of([quoted(name) for name in facts["held_by_few"]]) if several else "the values"
        # Runs that were written before there was none have one.
        without = "no interval is given, which would hold the truth too seldom"
        cautions.append(
            f"One clip in twenty, or fewer, holds most of the variance of {named}: R² rests on those, and "
            f"{without if facts.get('no_interval') else 'its intervals hold the truth less often than they say'}."
        )
    cautions += [f"{sentence(told(facts[fact]))}." for fact, told in TOLD.items() if facts.get(fact)]
    if not facts.get("grouped", True):
        cautions.append("No groups were given: where clips share an artist or a song, the scores flatter.")
    return cautions


def never_trained(classes: Mapping[str, int]) -> str:
    """Return that no clip trains some classes, given with their tested clips.

    Examples
    --------
    >>> never_trained({"new": 9})
    '“new” (9 test clips) is in no training clip and can never be right'
    >>> never_trained({"new": 1, "old": 2})
    '“new” (1 test clip), “old” (2 test clips) are in no training clip and can never be right'
    """
    named = [f"{quoted(name)} ({count} test clip{'s' if count > 1 else ''})" for name, count in classes.items()]
    verb = "are" if len(named) > 1 else "is"
    return f"{first_of(named)} {verb} in no training clip and can never be right"


def shifted(shares: Mapping[str, Sequence[float]]) -> str:
    """Return that classes are commoner or rarer among test clips, given with both shares.

    Examples
    --------
    >>> shifted({"jazz": (0.1, 0.4)})
    'the test clips are another mixture: “jazz” 40 % (10 % of the training clips); scores rest on that mixture too'
    """
    named = [f"{quoted(name)} {100 * after:.0f} % ({100 * before:.0f} %" for name, (before, after) in shares.items()]
    named = [f"{text} of the training clips)" if not place else f"{text})" for place, text in enumerate(named)]
    return f"the test clips are another mixture: {first_of(named)}; scores rest on that mixture too"


def disputed(sounds: Sequence[str]) -> str:
    """Return that the same sounds have different labels, which ones, and how many more.

    Examples
    --------
    >>> disputed(["a/x.wav and b/x.wav"])
    '1 sound has different labels under different names: a/x.wav and b/x.wav'
    """
    count = f"{len(sounds):,} sounds have" if len(sounds) > 1 else "1 sound has"
    return f"{count} different labels under different names: {first_of(sounds, '; ')}"


def far_off(inputs: Sequence[str]) -> str:
    """Return that few clips hold most of the squared error of some inputs.

    Examples
    --------
    >>> far_off(["muq (layer 3), linear"]).partition(":")[0]
    'one clip in twenty, or fewer, holds most of the squared error of muq (layer 3), linear'
    """
    return (
        f"one clip in twenty, or fewer, holds most of the squared error of {first_of(inputs, '; ')}: R² rests on "
        "those, and its intervals and differences hold the truth less often than they say"
    )


def tail_unseen(clips: int) -> str:
    """Return that so few clips do not show whether values have a long tail, and what it would mean.

    Examples
    --------
    >>> tail_unseen(20).partition(":")[0]
    '20 test clips need not show a long tail, as counts and durations have'
    """
    return (
        f"{clips} test clips need not show a long tail, as counts and durations have: of such values so few have "
        "intervals of R² that hold the truth in about four of five studies, and logarithms are the better target"
    )


#: Facts of a task → what is said of them.
TOLD: dict[str, Callable[[Any], str]] = {
    "never_trained": never_trained, "shifted": shifted, "disputed": disputed, "far_off": far_off,
    "tail_unseen": tail_unseen,
}  # fmt: skip


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
        cautions.append(f"By their sound: {first_of(facts['near_duplicates'], '; ')}.")
    if facts.get("shared"):
        cautions.append(f"The published splits share {facts['shared']}.")
    if facts["absent_tags"]:
        cautions.append(f"Tags without both answers in the test split, left out: {first_of(facts['absent_tags'])}.")
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
