"""Predicted against true values, as SVG for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from layerscope.report.panels import WIDTH, picture, ticks_between

__all__ = ["Scatter", "digits", "scatter"]

HEIGHT = 270
LEFT, BOTTOM, EDGE = 52, 38, 16
#: Points beyond which they only hide one another: evenly taken of more.
MOST_POINTS = 300


@dataclass(frozen=True)
class Scatter:
    """A drawing, and the dimension that it is of; empty where there is but one."""

    name: str
    svg: Markup


def scatter(name: str, clips: Sequence[str], truth: NDArray[np.float64], answer: NDArray[np.float64]) -> Scatter:
    """Return a point a clip, true value across and predicted value up, with the line on which both are one."""
    rows = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), MOST_POINTS)).round().astype(int))
    low, high = min(truth.min(), answer.min()), max(truth.max(), answer.max())
    room = 0.03 * (high - low) or 0.5
    axis = Axis(low - room, high + room)
    points = [point(clips[row], truth[row], answer[row], axis) for row in rows]
    text = f"Predicted against true values{f' of {name}' if name else ''}, {len(rows)} of {len(truth)} test clips"
    return Scatter(name, picture(HEIGHT, text, lines(axis) + "".join(points)))


def digits(value: float) -> str:
    """Return a value as it is read.

    Examples
    --------
    >>> digits(-0.8964999914169312)
    '−0.8965'
    """
    return f"{value:.4g}".replace("-", "−")


@dataclass(frozen=True)
class Axis:
    """Both axes, which have one range."""

    low: float
    high: float

    def x(self, value: float) -> float:
        """Return where a true value lies, in pixels."""
        return LEFT + (value - self.low) / (self.high - self.low) * (WIDTH - LEFT - EDGE)

    def y(self, value: float) -> float:
        """Return where a predicted value lies, in pixels."""
        return HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - BOTTOM - EDGE)


def point(clip: str, truth: float, answer: float, axis: Axis) -> str:
    """Return the mark of a clip."""
    tip = escape(f"{clip}\ntrue {digits(truth)}, predicted {digits(answer)}")
    mark = f'<circle class="dot" cx="{axis.x(truth):.1f}" cy="{axis.y(answer):.1f}" r="3.5"/>'
    return f'<g class="at s0"><title>{tip}</title>{mark}</g>'


def lines(axis: Axis) -> str:
    """Return ticks, names of the axes, and the line on which both values are one."""
    ticks = ticks_between(axis.low, axis.high)
    texts = "".join(
        f'<text x="{LEFT - 5}" y="{axis.y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        f'<text x="{axis.x(tick):.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{tick:g}</text>'
        for tick in ticks
    ).replace(">-", ">−")
    names = f'<text x="{LEFT}" y="10">predicted</text>'
    names += f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}" text-anchor="middle">true</text>'
    grid = "".join(f"M{LEFT} {axis.y(tick):.1f}H{WIDTH - EDGE}" for tick in ticks)
    same = f"M{axis.x(axis.low):.1f} {axis.y(axis.low):.1f}L{axis.x(axis.high):.1f} {axis.y(axis.high):.1f}"
    return f'<path class="grid" d="{grid}"/><path class="level" d="{same}"/>{texts}{names}'
