"""The answer of a task: what to use, only where the test clips show it.

The page, the terminal, the exported card and ``answer.json`` all say what `decide` says. It has four verdicts, of which
``layer`` and ``plain`` recommend. That an input beats its controls is shown one-sided at 5 %: of studies of noise, 5 %
do. That a layer beats all plain features and untrained twins as well, and is none that the test clips show another
layer to be better than, or that a plain feature is shown to lose nothing, are further conditions, all of which must
hold, so that they only lower that share (intersection-union test: Berger 1982).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from layerscope.scores.against_controls import beats_controls, controls, role_in
from layerscope.scores.clips_needed import units_to_beat_controls, units_to_decide
from layerscope.scores.layer_selection import (
    Choice,
    best_plain,
    best_trained,
    best_untrained,
    choose_row,
    layers_beside,
)
from layerscope.scores.probe_agreement import ProbeLayer, layers_of_probes, lowest_rank_correlation
from layerscope.scores.rivals import (
    MARGIN,
    best_on_test,
    candidates_of,
    is_shown_over,
    judged_gap,
    may_be_best,
    plain_over_layers,
    rival_of,
    unbeaten,
)
from layerscope.scores.score_table import Comparison, Results, Role
from layerscope.scores.set_gains import better_set

__all__ = ["Difference", "Verdict", "decide", "luckier"]

#: How many times the units of a study are named as what would decide: beyond, the difference is next to none.
MOST_NEEDED = 100


@dataclass(frozen=True)
class Difference:
    """A plain feature or an untrained twin (see `rival_of`), and what the input that the answer is about has over it.

    Attributes
    ----------
    name, input, probe : str
        Which it is.
    value : float
        Its own score.
    difference, low, high : float
        The answer's score minus this one, with its paired 95 % interval (over folds see `judged_gap`).
    """

    name: str
    input: str
    probe: str
    value: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """What a study says to use for a task.

    Attributes
    ----------
    task : str
        Which.
    verdict : {"layer", "plain", "undecided", "nothing"}
        ``layer``: it is shown to beat the constant answer, shuffled labels, every plain feature and the untrained
        twin, and may be the best layer, or is a set of layers that is shown to beat the best one. ``plain``: a plain
        feature beats the constant answer and shuffled labels, and no layer, or several together, is better by more than
        `MARGIN`, which is shown as well.
        ``undecided``: something beats the controls, and which of the candidates to use is not shown. ``nothing``: no
        input is shown to beat the controls.
    model, input, probe : str
        What the scores below are of: what is recommended; of what is undecided, what validation prefers of the
        candidates that beat the controls; of nothing, what it prefers of all.
    layer : int or None
        Of the model, where the input is one.
    best_set : list of int
        Layers of the model that cannot be told apart from its best on the test clips.
    metric : str
        The task's primary one.
    value, low, high : float
        Test score and its 95 % interval.
    chance : float
        What the answer that ignores the sound scores.
    control : float
        What the input scores with shuffled labels, the mean over permutations.
    permutations : int
        How many.
    plain, twin : Difference or None
        What the answer's input is held against of plain features and of untrained models (`rival_of`).
    candidates : list of str
        What is open, in words: one where it is decided.
    needed : int or None
        How many more test clips (or groups, where clips come in groups) would decide, if the difference stays: the
        width of an interval falls with the root of their number. None where it is decided, or no number would.
    clips, groups : int
        Tested.
    effective_groups : int
        As how many groups of one size they count.
    chosen : str
        How the input was chosen.
    better : Difference or None
        The best layer on the test clips, where it beats the chosen one: the choice was unlucky, and is undecided.
    probes : list of ProbeLayer
        What each probe says of the model's layers.
    rank_correlation : float
        How alike they order the layers, of the two probes that differ most; NaN where nothing can be said.
    row, candidate_rows : int, list of int
        Their rows of the summary.
    """

    task: str
    verdict: Literal["layer", "plain", "undecided", "nothing"]
    model: str
    input: str
    layer: int | None
    best_set: list[int]
    probe: str
    metric: str
    value: float
    low: float
    high: float
    chance: float
    control: float
    permutations: int
    plain: Difference | None
    twin: Difference | None
    candidates: list[str]
    needed: int | None
    clips: int
    groups: int
    effective_groups: int
    chosen: str
    better: Difference | None
    probes: list[ProbeLayer]
    rank_correlation: float
    row: int
    candidate_rows: list[int]

    def as_record(self) -> dict[str, Any]:
        """Return what ``answer.json`` holds; a number that is not known is null."""
        record = asdict(self)
        del record["row"], record["candidate_rows"]
        return {name: known(value) for name, value in record.items()}


def known(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, dict):
        return {name: known(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def decide(results: Results, task: str) -> Verdict:
    """Return the answer for a task.

    Parameters
    ----------
    results : Results
        Of a study that has it.
    task : str
        Which.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> import layerscope as ls
    >>> noise, labels = np.random.default_rng(0).normal(size=(100, 3, 4)), ["minor", "major"] * 50
    >>> decide(ls.probe(ls.Features.from_arrays(noise, labels), probes=["closed"]), "features").verdict
    'nothing'
    >>> noise[:, 2, 0] += 3.0 * (np.arange(100) % 2)  # the last layer knows
    >>> answer = decide(ls.probe(ls.Features.from_arrays(noise, labels), probes=["closed"]), "features")
    >>> answer.verdict, answer.layer
    ('layer', 2)
    """
    trained, plain = best_trained(results, task), best_plain(results, task)
    # Untrained models are controls; only a study of nothing else asks about their layers.
    layer = trained or (None if plain else best_untrained(results, task))
    open_choices = [choice for choice in (layer, plain) if choice]
    layer_shown, plain_shown = (
        choice is not None and beats_controls(results, choice.chosen) for choice in (layer, plain)
    )
    # A study without plain features has none that must be beaten.
    against: list[Role] = ["plain", "untrained"] if trained else []
    rivals = [rival for role in against if trained and (rival := unbeaten(results, trained.chosen, role))]
    # A set that is shown to beat a layer which beats its controls beats them too: noise is recommended no more often.
    rows = [row for role in against for _, row in candidates_of(results, task, role).iterrows()]
    wider = better_set(results, layer.chosen, rows) if layer and layer_shown else None
    if wider:
        return record(results, wider, "layer", [wider.chosen])
    if layer and layer_shown and not rivals and may_be_best(results, layer.chosen):
        return record(results, layer, "layer", [layer.chosen])
    # A bound of NaN is not above the margin, so that too few clips recommend nothing.
    if plain and plain_shown and (layer is None or all(gap.low > -MARGIN for gap in plain_over_layers(results, plain))):
        return record(results, plain, "plain", [plain.chosen])
    if layer and (layer_shown or plain_shown):
        shown = [choice for choice, is_shown in ((layer, layer_shown), (plain, plain_shown)) if choice and is_shown]
        # A plain feature that is shown to hear something stays open beside a layer that is not.
        open_rivals = rivals if layer_shown else [plain] if plain else []
        chosen = [layer.chosen, *(rival.chosen for rival in open_rivals)]
        # What another choice is shown to beat is not open.
        left = [row for row in chosen if not any(is_shown_over(results, other, row) for other in chosen)]
        rows = [*left, best_on_test(results, task, role_in(results, layer.chosen))]
        # By row, because the chosen layer may be the best on test as well.
        candidates = {row.name: row for row in rows}
        needed = units_to_decide(results, layer, plain, rivals)
        # Not what is shown but beaten by a candidate, unless none of the candidates is shown.
        named = [choice for choice in shown if choice.chosen.name in candidates] or shown
        return record(results, preferred(named), "undecided", list(candidates.values()), needed)
    # Of the input whose score stands beside it: another's number would seem to contradict the interval.
    shown_first = preferred(open_choices)
    return record(results, shown_first, "nothing", [], units_to_beat_controls(results, shown_first.chosen))


def preferred(choices: Sequence[Choice[pd.Series]]) -> Choice[pd.Series]:
    """Return what validation prefers of one or two choices."""
    best = choose_row(pd.DataFrame([choice.chosen for choice in choices]))
    return next(choice for choice in choices if best and choice.chosen.name == best.chosen.name)


def record(
    results: Results, choice: Choice[pd.Series], verdict: Any, candidates: Sequence[pd.Series], needed: float = math.inf
) -> Verdict:
    """Return the answer about a choice."""
    row, task = choice.chosen, str(choice.chosen.task)
    facts, permutations = results.facts["tasks"][task], controls(results, row)
    beside = layers_beside(results, row)
    units = int(facts["test_groups"])
    plain, twin = rival_of(results, row, "plain"), rival_of(results, row, "untrained")
    return Verdict(
        task=task,
        verdict=verdict,
        model=str(row.model),
        input=str(row.input),
        layer=int(row.layer) if row.input == "layer" else None,
        best_set=[int(layer) for layer in beside.layer[beside.in_best_set]],
        probe=str(row.probe),
        metric=str(row.metric),
        value=float(row.value),
        low=float(row.ci_low),
        high=float(row.ci_high),
        chance=float(facts["chance"]),
        control=float(np.mean(permutations)) if permutations else math.nan,
        permutations=len(permutations),
        plain=over(results, row, plain.chosen) if plain else None,
        twin=over(results, row, twin.chosen) if twin else None,
        candidates=[f"{each.model}, {each.input}{f' {each.layer}' if each.input == 'layer' else ''}, {each.probe}"
                    for each in candidates],
        needed=max(1, math.ceil(needed - units)) if needed <= MOST_NEEDED * units else None,
        clips=int(row.n),
        groups=units,
        # Runs that are older have counted them alike.
        effective_groups=int(facts.get("effective_groups", units)),
        chosen=choice.why,
        better=luckier(results, row),
        probes=layers_of_probes(results, task, str(row.model)),
        rank_correlation=lowest_rank_correlation(results, task, str(row.model)),
        row=int(row.name),
        candidate_rows=[int(each.name) for each in candidates],
    )  # fmt: skip


def over(results: Results, row: pd.Series, other: pd.Series) -> Difference | None:
    """Return what a row has over another; nothing of itself."""
    return None if row.name == other.name else described(other, judged_gap(results, row, other))


def described(other: pd.Series, gap: Comparison) -> Difference:
    """Return what there is over a row, beside its name and score."""
    return Difference(
        str(other.model), str(other.input), str(other.probe), float(other.value), gap.difference, gap.low, gap.high
    )


def luckier(results: Results, row: pd.Series) -> Difference | None:
    """Return the layer, of any model and probe, that beats a layer on the test clips, if one does."""
    # One that cannot be told apart from the best was not unlucky.
    if row.input != "layer" or may_be_best(results, row):
        return None
    best = best_on_test(results, row.task, role_in(results, row))
    # Not as layers are judged that were chosen: over folds nested choice is the same of two layers of a model.
    gap = described(best, results.compare(row.name, best.name))
    return replace(gap, input=f"layer {best.layer}")
