"""What the page says of deformed sound: a curve of layers for each strength, what is shown, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from layerscope.data.deformations import DEFORMATIONS, Deformation
from layerscope.data.reasons import reasons_by_kind
from layerscope.report.layer_panels import frame_near
from layerscope.report.panels import Curve, Panel, coloured, pictured
from layerscope.report.wording import input_name, named_layers, number, with_interval
from layerscope.scores.against_controls import floor_of
from layerscope.scores.robustness_table import Robustness
from layerscope.scores.score_table import SINGLE_INPUTS, Results, asked_models
from layerscope.scores.verdict import decide

__all__ = ["deformed_section", "least_lost"]


def deformed_section(results: Results, robustness: Robustness) -> dict[str, Any] | None:
    """Return what the page says of a task on deformed clips; nothing where none was scored or left out.

    Parameters
    ----------
    results : Results
        Of one task.
    robustness : Robustness
        Of all.
    """
    task, metric = results.facts["task"], results.facts["primary"]
    rows = robustness.table[(robustness.table.task == task) & (robustness.table.metric == metric)]
    left_out = robustness.left_out[robustness.left_out.task == task]
    if rows.empty and left_out.empty:
        return None
    return {
        "probes": list(rows.probe.unique()),
        "models": [
            (model, panels)
            # Untrained networks are controls, and not drawn beside models.
            for model in asked_models(results)
            if (panels := deformed_panels(results, rows, model))
        ],
        # What knows nothing loses nothing.
        "sentences": least_lost(results, rows) if decide(results, task).verdict != "nothing" else [],
        "table": preferred_rows(results, rows),
        "left_out": left_out_lines(left_out),
    }


def deformed_panels(results: Results, rows: pd.DataFrame, model: str) -> list[Panel]:
    """Return a panel for each deformation and probe of a model, with a curve for each strength beside the clean one."""
    metric = results.facts["primary"]
    own = rows[(rows.model == model) & (rows.input == "layer")]
    drawn: dict[str, list[Curve]] = {}
    for (name, probe), group in own.groupby(["deformation", "probe"], sort=False):
        lines = {"clean": results.of(model=model, probe=probe, metric=metric, input="layer")}
        for strength, points in group.groupby("strength"):
            text = f"{strength:g} {DEFORMATIONS[str(name)].unit}".replace("-", "−")
            lines[text] = points[["layer", "value", "ci_low", "ci_high", "metric"]]
        drawn[str(name) if own.probe.nunique() == 1 else f"{name}, {probe} probe"] = coloured(lines)
    if not drawn:
        return []
    floor = floor_of(results, *own.probe.unique())
    frame = frame_near([curve for curves in drawn.values() for curve in curves], metric, [], floor)
    return [pictured(title, curves, frame, f"{title}, {model}", floor) for title, curves in drawn.items()]


def least_lost(results: Results, rows: pd.DataFrame) -> list[str]:
    """Return, for each model and probe, which layers lose least of those that may be best on clean clips, where shown.

    Parameters
    ----------
    results : Results
        Of one task.
    rows : DataFrame
        Of the table of robustness, of this task and its primary metric.
    """
    sentences = []
    # Where nothing was scored, the empty column is of no type, and would choose columns.
    for (model, probe), own in rows[rows.as_good.astype(bool)].groupby(["model", "probe"], sort=False):
        if model not in results.models("trained"):
            continue
        layers = results.of(model=model, probe=probe, input="layer", metric=results.facts["primary"])
        chosen = int(layers.layer[layers.chosen].iloc[0])
        points = [text for _, point in own.groupby(["deformation", "strength"], sort=False) if (text := shown(point))]
        if points:
            sentences.append(
                f"{model}, {probe} probe: of layer {chosen}, which validation prefers on clean clips, and those that "
                f"are not told apart from the best there, {'; '.join(points)}."
            )
    return sentences


def shown(point: pd.DataFrame) -> str:
    """Return which layers lose least under one deformation, in words; nothing where none is told apart."""
    if point.loses_least.all():
        return ""
    first = point[point.loses_least].sort_values("difference", ascending=False).iloc[[0]]
    equal, more = point[point.loses_least].drop(index=first.index), point[~point.loses_least]
    verb = "are" if len(equal) > 1 else "is"
    apart = f"{named_layers(equal.layer)} {verb} not told apart ({losses_of(equal)})"
    beside = f", from which {apart}," if len(equal) else ""
    return (
        f"{name_of(point.iloc[0])} costs {named_layers(first.layer)} least ({losses_of(first)}){beside} and "
        f"{named_layers(more.layer)} more ({losses_of(more)})"
    )


def name_of(row: pd.Series) -> str:
    """Return a deformation as options name it."""
    return str(Deformation(row.deformation, row.strength))


def losses_of(rows: pd.DataFrame) -> str:
    """Return the smallest and the largest loss of rows, with their intervals."""
    ordered = rows.sort_values("difference", ascending=False)
    return " to ".join(loss_text(row) for _, row in ordered.iloc[[0, -1][: len(ordered)]].iterrows())


def loss_text(row: pd.Series) -> str:
    """Return the difference of a deformed score to the clean one."""
    return with_interval(row.metric, row.difference, row.difference_low, row.difference_high, signed=True)


def preferred_rows(results: Results, rows: pd.DataFrame) -> list[dict[str, str]]:
    """Return what deformations cost the input that validation prefers of each model and probe."""
    preferred = results.of(metric=results.facts["primary"])
    preferred = preferred[preferred.chosen & preferred.input.isin(SINGLE_INPUTS)]
    names = ["model", "probe", "input", "layer"]
    table = rows.merge(preferred[names], on=names)
    return [
        {
            "input": f"{input_name(row)} of {row.model}",
            "deformation": name_of(row),
            "clean": number(row.metric, row.clean),
            "deformed": with_interval(row.metric, row.value, row.ci_low, row.ci_high),
            "difference": loss_text(row),
            "n": str(row.n),
        }
        for _, row in table.iterrows()
    ]


#: Of the reasons why something was left out.
MOST_REASONS = 20


def left_out_lines(left_out: pd.DataFrame) -> list[str]:
    """Return what was not computed, in words: tasks and models by name, clips by their reasons."""
    whole = left_out[left_out["clip"] == ""]
    lines = [
        f"{' and '.join(filter(None, names))}: left out: {reason}."
        for *names, reason in whole[["model", "deformation", "reason"]].itertuples(index=False)
    ]
    clips = left_out[left_out["clip"] != ""]
    reasons = {f"{row.clip}, {row.deformation}": row.reason for row in clips.itertuples()}
    return lines + clip_lines(list(reasons_by_kind(reasons)))


def clip_lines(kinds: Sequence[dict[str, str]]) -> list[str]:
    """Return the first clip of each kind of reason, and how many more there are."""
    lines = []
    for alike in kinds[:MOST_REASONS]:
        clip, reason = next(iter(alike.items()))
        lines.append(f"{clip}: {reason}" + (f" (and {len(alike) - 1} more like it)" if len(alike) > 1 else ""))
    return lines
