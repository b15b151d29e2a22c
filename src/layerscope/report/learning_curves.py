"""What few labels show, on the page: curves over the labels that train, a sentence a model, and the code length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from layerscope.report.layer_panels import frame_near
from layerscope.report.panels import COLOURS, Curve, Panel, panel
from layerscope.report.wording import input_name, metric_name, named_layers, with_interval
from layerscope.scores.against_controls import floor_of
from layerscope.scores.layer_selection import choose, chosen_layer
from layerscope.scores.learning_curve import FewLabels
from layerscope.scores.score_table import Results, matching

__all__ = ["few_label_section", "few_label_sentences"]

#: Layers of a model in colour: those that validation prefers somewhere, with most labels first.
MOST_IN_FOCUS = 3
#: What an input is called in the table of code lengths, and what stands beside it.
CODE_CAPTION = (
    "In how many bits the labels can be told to somebody who has the states: block by block, the first at equal "
    "chances, each later one by a probe that the blocks before have trained (Voita & Titov 2020). Compression: the "
    "uniform code's length over this one's. Selectivity: how many bits more labels cost that have changed places "
    "(Hewitt & Liang 2019)."
)


def few_label_section(results: Results, few: FewLabels | None) -> dict[str, Any] | None:
    """Return what the page says of few labels of one task, given its results alone; nothing where nobody asked."""
    sentences = few_label_sentences(results, few)
    if few is None or not sentences:
        return {"sentences": sentences} if sentences else None
    own = few.only(results.facts["task"])
    if own.curves.empty:
        return {"sentences": sentences}
    groups = ", groups whole" if own.curves.unit.iloc[0] == "group" else ""
    return {
        "sentences": sentences,
        "probe": own.curves.probe.iloc[0],
        "panels": few_label_panels(own.curves, results),
        "caption": f"Means over {own.curves.draw.max() + 1} draws of labels{groups}; bands: 95 % intervals, draws and "
        "test clips resampled. Ring: what validation prefers there.",
        "code": code_rows(own.code),
        "code_caption": CODE_CAPTION,
    }


def labels_text(size: str, unit: str) -> str:
    """Return a size in words.

    Examples
    --------
    >>> labels_text("8", "clip"), labels_text("1", "group"), labels_text("10 %", "clip")
    ('8 labels a class', '1 labelled group a class', '10 % of the labels')
    """
    if size.endswith("%"):
        return f"{size} of the labels"
    noun = "label" if unit == "clip" else "labelled group"
    return f"{size} {noun}{'' if size == '1' else 's'} a class"


def few_label_sentences(results: Results, few: FewLabels | None) -> list[str]:
    """Return what is shown of each model's layers of one task, and of the code; nothing where nobody asked."""
    if reason := results.facts.get("few_labels_left_out"):
        return [f"Not asked with few labels: {reason}."]
    own = few.only(results.facts["task"]) if few else None
    if own is None or own.curves.empty:
        return []
    layers = own.curves[(own.curves.input == "layer") & ~own.curves.model.isin(results.models("untrained"))]
    models = [str(model) for model, rows in layers.groupby("model", sort=False) if rows.layer.nunique() > 1]
    told = [crossing_text(own, model) + study_choice(results, own, model) for model in models]
    return told + ([code_text(own.code)] if len(own.code) else [])


def study_choice(results: Results, few: FewLabels, model: str) -> str:
    """Return which layer the study itself chooses of a model, where it is another than with all labels here."""
    curves = matching(few.curves, model=model, input="layer")
    choice = chosen_layer(results, results.facts["task"], model)
    here = preferred_layers(curves)[curves.labels.iloc[-1]]
    if choice is None or choice.chosen.input != "layer" or choice.chosen.layer == here:
        return ""
    return (
        f" Layer {here} is of this section, whose probe takes no setting from validation; the study, whose probe does, "
        f"goes by layer {choice.chosen.layer}."
    )


def crossing_text(few: FewLabels, model: str) -> str:
    """Return which layer of a model is better with few labels than the one that validation prefers with all."""
    rows = few.crossings[few.crossings.model == model] if len(few.crossings) else few.crossings
    curves = matching(few.curves, model=model, input="layer")
    last, unit, metric = curves.labels.iloc[-1], curves.unit.iloc[0], curves.metric.iloc[0]
    best = int(preferred_layers(curves)[last])
    if rows.empty:
        return f"{model}: validation prefers layer {best} with few labels as with all."
    shown = rows[rows.shown]
    if shown.empty:
        return (
            f"{model}: no layer is shown to be better with few labels than layer {best}, which validation prefers with "
            f"all of them (with fewer it prefers {named_layers(set(rows.few))} as well)."
        )
    # With the most labels at which it still counts.
    row = shown.iloc[-1]
    ahead = with_interval(metric, row.difference, row.low, row.high, unit=True)
    later = with_interval(metric, row.later, row.later_low, row.later_high, unit=True)
    then = f"layer {row['all']} scores {later} more" if row.reversed else "no difference of the two is shown"
    return (
        f"{model}: with {labels_text(row.labels, unit)} layer {row.few} scores {ahead} more than layer {row['all']}, "
        f"which validation prefers with all labels; with all of them {then}."
    )


def code_text(code: pd.DataFrame) -> str:
    """Return whose code is the shortest, and by how much labels cost less than labels that have changed places."""
    best = choose([row for _, row in code.iterrows()], lambda row: -row.bits, "bits", "the training clips").chosen
    if not code.beats_control.any():
        return (
            "Code length: with no input labels are shown to cost fewer bits than labels that have changed places "
            f"(the fewest, {best.bits:.2f} a label, with {named(best)}; {best.uniform:.2f} at equal chances)."
        )
    equal = code[code.in_best_set].drop(index=best.name, errors="ignore")
    beside = f"; not told apart from it: {inputs_text(equal)}" if len(equal) else ""
    return (
        f"Code length: labels cost the fewest bits with {named(best)}, "
        f"{bits_text(best.bits, best.ci_low, best.ci_high)} a label, {best.uniform:.2f} at equal chances{beside}. "
        f"Labels that have changed places cost "
        f"{bits_text(best.selectivity, best.selectivity_low, best.selectivity_high)} more."
    )


def named(row: pd.Series) -> str:
    """Return an input with its model."""
    return f"{input_name(row)} of {row.model}"


def inputs_text(rows: pd.DataFrame) -> str:
    """Return inputs of several models, layers with runs joined."""
    texts = []
    for model, own in rows.groupby("model", sort=False):
        layers = own.layer[own.input == "layer"]
        names = [named_layers(layers)] if len(layers) else []
        texts.append(f"{', '.join([*names, *own.input[own.input != 'layer']])} of {model}")
    return "; ".join(texts)


def bits_text(value: float, low: float, high: float) -> str:
    """Return bits with their interval."""
    known = f" [{low:.2f}, {high:.2f}]" if low == low else " [too few]"
    return f"{value:.2f}{known}".replace("-", "−")


def code_rows(code: pd.DataFrame) -> list[dict[str, str]]:
    """Return the code length of each input as the page's table shows it."""
    return [
        {
            "model": str(row.model),
            "input": input_name(row),
            "bits a label [95 %]": bits_text(row.bits, row.ci_low, row.ci_high),
            "compression": f"{row.compression:.2f}",
            "selectivity [95 %]": bits_text(row.selectivity, row.selectivity_low, row.selectivity_high),
            "may be shortest": "yes" if row.in_best_set else "",
        }
        for _, row in code.iterrows()
    ]


def preferred_layers(curves: pd.DataFrame) -> dict[str, int]:
    """Return the layer of one model that validation prefers at each size."""
    layers = curves.drop_duplicates(["layer", "labels"])
    return {
        str(size): int(choose(list(rows.itertuples()), lambda row: row.valid).chosen.layer)
        for size, rows in layers.groupby("labels", sort=False)
    }


def few_label_panels(curves: pd.DataFrame, results: Results) -> list[Panel]:
    """Return a panel for each model: the layers that validation prefers somewhere, the others thin, a plain feature."""
    sizes = list(dict.fromkeys(curves.labels))
    layers = curves[curves.input == "layer"]
    plain = curves[curves.model.isin(results.models("plain"))]
    beside = plain_curve(plain, sizes) if len(plain) else None
    drawn = {str(model): curves_of(rows, sizes) for model, rows in layers.groupby("model", sort=False)}
    if not drawn:
        return []
    metric, floor = curves.metric.iloc[0], floor_of(results, *curves.probe.unique())
    extra = [beside] if beside else []
    every = [curve for of_model in drawn.values() for curve in of_model] + extra
    frame = frame_near(every, metric, [], floor)
    by_class = not sizes[0].endswith("%")
    unit = "groups" if curves.unit.iloc[0] == "group" else "labels"
    frame = replace(frame, axis=f"{unit} a class" if by_class else "labels", names=tuple(sizes))
    panels = []
    for model, of_model in drawn.items():
        shown = [*of_model, *extra]
        text = f"{metric_name(metric)} of {model} over {frame.axis}"
        lines = tuple((curve.look, curve.name) for curve in reversed(shown) if curve.look != "context")
        panels.append(Panel(model, panel(shown, frame, text, floor=floor), lines))
    return panels


def curves_of(rows: pd.DataFrame, sizes: list[str]) -> list[Curve]:
    """Return the curves of a model's layers, those in focus last."""
    preferred = preferred_layers(rows)
    focus = list(dict.fromkeys(preferred[size] for size in reversed(sizes)))[:MOST_IN_FOCUS]
    looks = {layer: f"s{place % COLOURS}" for place, layer in enumerate(focus)}
    points = {int(layer): points_of(own, sizes, preferred) for layer, own in rows.groupby("layer")}
    others = [Curve(f"layer {layer}", own, "context") for layer, own in points.items() if layer not in looks]
    return [*others, *(Curve(f"layer {layer}", points[layer], looks[layer]) for layer in reversed(focus))]


def plain_curve(plain: pd.DataFrame, sizes: list[str]) -> Curve:
    """Return the curve of the plain feature that validation prefers with all labels."""
    last = plain[plain.labels == sizes[-1]].drop_duplicates(["model", "input"])
    best = choose(list(last.itertuples()), lambda row: row.valid).chosen
    rows = plain[(plain.model == best.model) & (plain.input == best.input)]
    return Curve(f"plain feature, {best.model}", points_of(rows, sizes, {}), f"s{MOST_IN_FOCUS} twin")


def points_of(rows: pd.DataFrame, sizes: list[str], preferred: Mapping[str, int]) -> pd.DataFrame:
    """Return a curve's rows as `panel` takes them: places of sizes for layers."""
    means = rows.drop_duplicates("labels").set_index("labels").loc[sizes]
    chosen = [preferred.get(size) == layer for size, layer in zip(sizes, means.layer, strict=True)]
    points = means[["ci_low", "ci_high"]].assign(value=means["mean"], layer=np.arange(len(sizes)), chosen=chosen)
    return points.reset_index(drop=True)
