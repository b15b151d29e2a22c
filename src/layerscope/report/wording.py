"""How numbers, metrics, layers and inputs are written: on the page, on the terminal, in tables and figures."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from layerscope.probes.inputs import runs_of_layers
from layerscope.scores.score_table import PLAIN_INPUTS, SEARCHED, Comparison, is_set
from layerscope.similarity.measures import MEASURES
from layerscope.targets import metric_named

__all__ = [
    "FAMILY", "describe", "difference", "gap_text", "in_percent", "input_name", "layer_list", "measure_name",
    "metric_name", "named_layers", "number", "score_name", "sentence", "span", "value_text", "with_interval",
]  # fmt: skip

#: Why a difference is not shown whose interval, beside these words, would show it alone.
FAMILY = "among the comparisons corrected together (Holm)"


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


def with_interval(
    metric: str, value: float, low: float, high: float, *, signed: bool = False, unit: bool = False
) -> str:
    """Return a score or a difference with its interval, and with its unit where that does not go without saying.

    Examples
    --------
    >>> with_interval("accuracy", 0.05, -0.01, 0.11, signed=True, unit=True)
    '+5.0 points [−1.0, +11.0]'
    """
    points = " points" if unit and in_percent(metric) else ""
    return f"{number(metric, value, signed=signed)}{points} {span(metric, low, high, signed=signed)}"


def value_text(metric: str, value: float, low: float, high: float, *, signed: bool = False) -> str:
    """Return a score or a difference, with its interval where it has one."""
    return (
        with_interval(metric, value, low, high, signed=signed) if low == low else number(metric, value, signed=signed)
    )


def gap_text(metric: str, gap: Comparison, *, unit: bool = False) -> str:
    """Return a paired difference with its interval."""
    return with_interval(metric, gap.difference, gap.low, gap.high, signed=True, unit=unit)


def layer_list(layers: list[int]) -> str:
    """Return layers with runs joined.

    Examples
    --------
    >>> layer_list([2, 3, 4, 7])
    '2–4, 7'
    """
    runs = runs_of_layers(layers)
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def named_layers(layers: Iterable[int]) -> str:
    """Return layers in words, lowest first.

    Examples
    --------
    >>> named_layers([3]), named_layers([4, 3, 5])
    ('layer 3', 'layers 3–5')
    """
    ascending = sorted(map(int, layers))
    return f"layer{'s' if len(ascending) > 1 else ''} {layer_list(ascending)}"


def sentence(text: str) -> str:
    """Return a text as a sentence begins; a name in front keeps its case."""
    return text[:1].upper() + text[1:] if text.startswith(("layer ", "layers ", "the ", "all ")) else text


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


def difference(metric: str, comparison: Comparison, verdict: str = "") -> str:
    """Return a difference with its interval and verdict: that of its interval, or of a family of comparisons.

    Examples
    --------
    >>> difference("accuracy", Comparison(0.111, 0.005, 0.24))
    '+11.1 points [+0.5, +24.0], better'
    >>> difference("accuracy", Comparison(0.111, 0.005, 0.24), "not told apart")
    '+11.1 points [+0.5, +24.0], not told apart among the comparisons corrected together (Holm)'
    """
    held = verdict or comparison.verdict
    # An interval without 0 beside these words would contradict them.
    family = "" if held == comparison.verdict else f" {FAMILY}"
    return f"{gap_text(metric, comparison, unit=True)}, {held}{family}"


def measure_name(measure: str) -> str:
    """Return a measure as a title needs it, without what stands in brackets."""
    return MEASURES[measure].partition(" (")[0]
