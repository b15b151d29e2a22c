"""What the page and the answer say of sets of layers and of layers beside plain features, where that was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from layerscope.probes.inputs import name_of_set
from layerscope.report.panels import Panel, coloured, frame_of, panel
from layerscope.report.wording import (
    FAMILY,
    describe,
    gap_text,
    input_name,
    metric_name,
    named_layers,
    number,
    value_text,
)
from layerscope.scores.beyond_plain import BeyondPlain, beyond_plain, preferred_beyond
from layerscope.scores.layer_selection import Choice, choose_among, choose_row
from layerscope.scores.score_table import CONTROL_INPUTS, SINGLE_INPUTS, Results, asked_models
from layerscope.scores.set_gains import Gain, gains_over_layer, steps_of_search

__all__ = ["beyond_record", "beyond_section", "beyond_table", "sets_record", "sets_section", "sets_table"]

#: What a corrected verdict is called: of what is not shown nothing is said, not that it is as good.
SHOWN = {"better": "shown", "worse": "shown to score less", "not told apart": "nothing is shown"}
ORDINALS = {2: "second", 3: "third", 4: "fourth"}


@dataclass(frozen=True)
class Section:
    """A part of a task on the page.

    Attributes
    ----------
    title : str
        Its heading.
    panels : list of Panel
        Its drawings.
    sentences : list of str
        How sure it is.
    """

    title: str
    panels: list[Panel]
    sentences: list[str]


def told(metric: str, gain: Gain) -> str:
    """Return a gain with its interval, and whether it is shown; if not, why not, where the interval would show it.

    Examples
    --------
    >>> from layerscope.scores.score_table import Comparison
    >>> gap = Comparison(0.111, 0.005, 0.24)
    >>> told("accuracy", Gain(0, 1, gap, "not told apart", above_chance=True))
    '+11.1 points [+0.5, +24.0], nothing is shown among the comparisons corrected together (Holm)'
    >>> told("accuracy", Gain(0, 1, gap, "not told apart", above_chance=False))
    '+11.1 points [+0.5, +24.0], nothing is shown, as neither is shown to lie above chance'
    """
    held_back = ""
    if gain.verdict != gain.gap.verdict:
        held_back = f" {FAMILY}" if gain.above_chance else ", as neither is shown to lie above chance"
    return f"{gap_text(metric, gain.gap, unit=True)}, {SHOWN[gain.verdict]}{held_back}"


def layer_beside_more(results: Results, model: str) -> Choice[pd.Series] | None:
    """Return the layer that validation prefers with a probe that takes more than a layer, as attention does not."""
    rows = results.of(task=results.facts["task"], model=model, metric=results.facts["primary"])
    more = rows.probe[~rows.input.isin((*SINGLE_INPUTS, *CONTROL_INPUTS, "last"))]
    return choose_row(rows[rows.chosen & rows.probe.isin(more)])


def sets_section(results: Results) -> Section | None:
    """Return what sets of layers are worth, given the results of one task; nothing where none was asked for."""
    facts = results.facts
    if "layer_sets" not in facts:
        return None
    sentences = []
    for model in asked_models(results):
        choice = layer_beside_more(results, model)
        if choice:
            sentences += [*search_sentences(results, choice.chosen), *set_sentences(results, choice.chosen)]
            sentences += facts["layer_sets"].get(model, {}).get("left_out", [])
    return Section("Layers together", [], sentences)


def set_sentences(results: Results, layer: pd.Series) -> list[str]:
    """Return what inputs of several layers have over one layer, in sentences."""
    gains, metric = gains_over_layer(results, layer), str(layer.metric)
    rows = {gain.row: results.summary.loc[gain.row] for gain in gains}
    name = f"{describe(layer)} ({layer.probe} probe)"
    several = f"; corrected for {len(gains)} comparisons" if len(gains) > 1 else ""
    sentences = [
        f"{input_name(rows[gain.row])} minus {name}: {told(metric, gain)}{several}."
        for gain in gains
        if gain.verdict != "not told apart"
    ]
    same = [input_name(rows[gain.row]) for gain in gains if gain.verdict == "not told apart"]
    if same:
        spans = ", ".join(gap_text(metric, gain.gap) for gain in gains if gain.verdict == "not told apart")
        at_chance = "" if all(gain.above_chance for gain in gains) else "; not all are shown to lie above chance"
        sentences.append(
            f"Not told apart from {name}: {', '.join(same)} ({spans}{several}{at_chance}); nothing shows that they "
            "hear more than that layer does, nor that they hear as much."
        )
    return sentences


def search_sentences(results: Results, layer: pd.Series) -> list[str]:
    """Return what each further layer of a model's search adds, in a sentence; nothing without a search."""
    steps = steps_of_search(results, layer)
    if not steps:
        return []
    paths, metric = results.facts["layer_sets"][layer.model]["layers"], str(layer.metric)
    # One search says which layers; of several, each training has layers of its own.
    if len(paths) == 1:
        first = f"layer {paths[0][0]}"
        added = [
            f"layer {number_of} adds {told(metric, gain)}" for number_of, gain in zip(paths[0][1:], steps, strict=True)
        ]
    else:
        first = "the first layer of each fold"
        added = [f"a {ORDINALS[size]} adds {told(metric, gain)}" for size, gain in enumerate(steps, 2)]
    text = f"Search on validation in {layer.model}, {layer.probe} probe: to {first}, {'; '.join(added)}."
    return [text if len(paths) == 1 else f"{text} {pairs_of_folds(paths)}"]


def pairs_of_folds(paths: Sequence[Sequence[int]]) -> str:
    """Return which two layers the folds found, the most frequent first, in a sentence.

    Examples
    --------
    >>> pairs_of_folds([[2, 4, 1], [4, 2, 0], [2, 5, 1]])
    'First two: 2+4 in 2 of 3 folds, 2+5 in 1; a set is used by its name (--layers-as 2+4).'
    """
    counts = Counter(name_of_set(sorted(path[:2])) for path in paths).most_common()
    (often, most), others = counts[0], counts[1:]
    rest = "".join(f", {name} in {count}" for name, count in others)
    return f"First two: {often} in {most} of {len(paths)} folds{rest}; a set is used by its name (--layers-as {often})."


def sets_record(results: Results) -> dict[str, Any] | None:
    """Return what ``answer.json`` holds of sets of layers; nothing where none was asked for."""
    if "layer_sets" not in results.facts:
        return None
    choices = [layer_beside_more(results, model) for model in asked_models(results)]
    rows = [choice.chosen for choice in choices if choice]
    return {
        "searched": {name: facts["layers"] for name, facts in results.facts["layer_sets"].items() if "layers" in facts},
        "over_one_layer": [gain_record(results, gain) for row in rows for gain in gains_over_layer(results, row)],
        "steps": [gain_record(results, gain) for row in rows for gain in steps_of_search(results, row)],
    }


def gain_record(results: Results, gain: Gain) -> dict[str, Any]:
    """Return a gain as JSON and tables have it; an interval that is not there is null."""
    row, other = results.summary.loc[gain.row], results.summary.loc[gain.other]
    bounds = {"difference": gain.gap.difference, "low": gain.gap.low, "high": gain.gap.high}
    known = {name: value if value == value else None for name, value in bounds.items()}
    names = {"model": str(row.model), "probe": str(row.probe), "input": input_name(row), "minus": input_name(other)}
    return {**names, **known, "verdict": gain.verdict}


def sets_table(results: Results) -> pd.DataFrame:
    """Return what sets have over the layer of every model and probe, and what each step of a search adds."""
    records = []
    for task in (name for name in results.tasks if "layer_sets" in results.facts["tasks"][name]):
        own = results.only(task)
        layers = own.of(metric=own.facts["primary"], input="layer")
        for _, row in layers[layers.chosen & layers.model.isin(asked_models(own))].iterrows():
            for what, gains in (("over one layer", gains_over_layer(own, row)), ("step", steps_of_search(own, row))):
                records += [{"task": task, "what": what, **gain_record(own, gain)} for gain in gains]
    return as_table(records)


def as_table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return records as a table of four digits, empty where a number is not known."""
    table = pd.DataFrame(records)
    for name in {"difference", "low", "high"} & set(table):
        table[name] = ["" if value is None else f"{value:.4f}" for value in (each[name] for each in records)]
    return table


def beyond_section(results: Results) -> Section | None:
    """Return what layers add to the best plain feature, given the results of one task; nothing unless it was asked."""
    facts = results.facts
    if "beyond_plain" not in facts:
        return None
    panels, sentences = [], []
    for model in asked_models(results):
        choice = layer_beside_more(results, model)
        layers = beyond_plain(results, facts["task"], model, str(choice.chosen.probe)) if choice else []
        if choice and layers:
            panels.append(beyond_panel(results, model, layers))
            sentences.append(beyond_sentence(results, model, str(choice.chosen.probe), layers))
    return Section("Beyond plain features", panels, sentences)


def beyond_sentence(results: Results, model: str, probe: str, layers: list[BeyondPlain]) -> str:
    """Return what the layer that validation prefers beside the plain feature adds and lacks, and which layers do."""
    metric, plain = results.facts["primary"], results.facts["beyond_plain"][model][probe]
    best, name = preferred_beyond(results, layers), f"{plain['model']} ({plain['input']})"
    adding = [each.layer for each in layers if each.adds.verdict == "better"]
    lacking = [each.layer for each in layers if each.lacks.verdict == "better"]
    choice = choose_among(results, results.facts["task"], [model], probe=probe)
    alone = (
        f" By itself layer {choice.chosen.layer} is preferred."
        if choice and choice.chosen.input == "layer" and choice.chosen.layer != best.layer
        else ""
    )
    averaged = f", its mean over each clip, as {model} cuts clips otherwise" if plain["clip_means"] else ""
    return (
        f"Beside {name}{averaged}, validation prefers layer {best.layer} of {model} ({probe} probe): the layer adds "
        f"{told(metric, best.adds)}, and {plain['model']} adds to that layer {told(metric, best.lacks)}. Of "
        f"{len(layers)} layers, corrected together, {layers_or_none(adding)} shown to add to {plain['model']}, which "
        f"is shown to add to {layers_or_none(lacking).rpartition(' ')[0]}.{alone}"
    )


def layers_or_none(layers: list[int]) -> str:
    """Return layers as the subject of a sentence.

    Examples
    --------
    >>> layers_or_none([3]), layers_or_none([3, 4, 5]), layers_or_none([])
    ('layer 3 is', 'layers 3–5 are', 'none is')
    """
    if not layers:
        return "none is"
    return f"{named_layers(layers)} {'are' if len(layers) > 1 else 'is'}"


def beyond_panel(results: Results, model: str, layers: list[BeyondPlain]) -> Panel:
    """Return what each layer adds and lacks, as curves over layers with 0 as a line."""
    metric = results.facts["primary"]
    names = {"adds": "the layer adds to the plain feature", "lacks": "the plain feature adds to the layer"}
    curves = coloured({
        words: pd.DataFrame(
            {"layer": each.layer, "value": gain.gap.difference, "ci_low": gain.gap.low, "ci_high": gain.gap.high}
            for each in layers
            for gain in (getattr(each, name),)
        )
        for name, words in names.items()
    })  # fmt: skip
    frame = frame_of(curves, partial(value_text, metric, signed=True), partial(number, metric), [0.0])
    lines = tuple((curve.look, curve.name) for curve in curves)
    text = f"{metric_name(metric)}, {model}: what each layer adds to the plain feature, and what it lacks of it"
    return Panel(model, panel(curves, frame, text, level=("no difference", 0.0)), lines)


def beyond_record(results: Results) -> list[dict[str, Any]] | None:
    """Return what ``answer.json`` holds of layers beside plain features; nothing where it was not asked."""
    return beyond_records(results) if "beyond_plain" in results.facts else None


def beyond_table(results: Results) -> pd.DataFrame:
    """Return what every layer adds and lacks with every probe."""
    return as_table(beyond_records(results))


def beyond_records(results: Results) -> list[dict[str, Any]]:
    """Return what every layer adds and lacks with every probe, as records."""
    return [
        {"task": task, "what": what, "layer": each.layer, "plain": plain["model"], "plain_input": plain["input"],
         **gain_record(results, gain)}
        for task in results.tasks
        for model, probes in results.facts["tasks"][task].get("beyond_plain", {}).items()
        for probe, plain in probes.items()
        for each in beyond_plain(results, task, model, probe)
        for what, gain in (("adds", each.adds), ("lacks", each.lacks))
    ]  # fmt: skip
