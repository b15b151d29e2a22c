"""Small drawings of numbers over layers, as SVG for the page: one panel a model, so that bands stay apart.

Conventions: a layer's group ``<g class="at">`` holds a ``<title>`` with all its numbers, which the browser shows on
hover and the page's script also on touch and on the arrow keys. Sizes are CSS pixels; a panel fits a phone unscaled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

__all__ = [
    "COLOURS", "WIDTH", "Curve", "Frame", "Panel", "coloured", "frame_of", "panel", "picture", "pictured",
    "ticks_between",
]  # fmt: skip

#: Colours of page.css.
COLOURS = 6
WIDTH, HEIGHT = 300, 190
LEFT, RIGHT, TOP, BOTTOM = 42, 8, 8, 36
#: Two digits of 12 px, with a gap, in pixels.
ROOM_OF_A_LABEL = 20


@dataclass(frozen=True)
class Curve:
    """Numbers over layers.

    Attributes
    ----------
    name : str
        For the reader.
    rows : DataFrame
        Columns ``layer, value, ci_low, ci_high``, and ``chosen, in_best_set`` where layers are chosen.
    look : str
        Classes of `page.css`: a colour ``s0`` … ``s5``, ``twin``, or ``context`` for a thin line without numbers.
    """

    name: str
    rows: pd.DataFrame
    look: str


def coloured(lines: Mapping[str, pd.DataFrame]) -> list[Curve]:
    """Return rows as curves by their names, in one colour after the other."""
    return [Curve(name, rows, f"s{place % COLOURS}") for place, (name, rows) in enumerate(lines.items())]


@dataclass(frozen=True)
class Frame:
    """What panels side by side share.

    Attributes
    ----------
    layers : list of int
        From left to right.
    low, high : float
        Ends of the vertical axis.
    write : callable
        A value and its interval, as text.
    tick : callable
        A value as a tick needs it.
    axis : str
        What lies from left to right.
    names : tuple of str
        Of what is no layer but something else in order, whose places `layers` are.
    """

    layers: list[int]
    low: float
    high: float
    write: Callable[[float, float, float], str]
    tick: Callable[[float], str]
    axis: str = "layer"
    names: tuple[str, ...] = ()

    def name(self, layer: int) -> str:
        """Return what a column is called."""
        return self.names[layer] if self.names else str(layer)

    def x(self, layer: int) -> float:
        """Return the middle of a layer's column, in pixels."""
        return LEFT + (self.layers.index(layer) + 0.5) * self.column

    def y(self, value: float) -> float:
        """Return the height of a value, in pixels; what lies outside the axis is drawn at its end."""
        share = min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    @property
    def column(self) -> float:
        """Return the width of a layer's column, in pixels."""
        return (WIDTH - LEFT - RIGHT) / len(self.layers)


def frame_of(
    curves: Sequence[Curve],
    write: Callable[[float, float, float], str],
    tick: Callable[[float], str],
    also: Sequence[float] = (),
    highest: float = math.inf,
) -> Frame:
    """Return the frame that holds curves with their intervals, and some values beside them, up to what there can be."""
    values = np.concatenate([curve.rows[["value", "ci_low", "ci_high"]].to_numpy(float).ravel() for curve in curves])
    known = [*values[np.isfinite(values)], *also] or [0.0]
    low, high = min(known), max(known)
    room = 0.05 * (high - low) or 0.05
    layers = sorted({int(layer) for curve in curves for layer in curve.rows.layer})
    return Frame(layers, low - room, min(high + room, highest), write, tick)


def panel(
    curves: Sequence[Curve],
    frame: Frame,
    text: str,
    *,
    floor: tuple[float, float] | None = None,
    level: tuple[str, float] | None = None,
) -> Markup:
    """Return curves as SVG.

    Parameters
    ----------
    curves : sequence of Curve
        The last is drawn on top.
    frame : Frame
        Shared with the panels beside.
    text : str
        What is shown, for readers who do not see it.
    floor : (float, float), optional
        Lower and upper end of a grey band: what an input scores that knows nothing.
    level : (str, float), optional
        Name and value of a line across all layers.
    """
    parts = [axis(frame)]
    if floor and floor[1] > frame.low:
        top = frame.y(floor[1])
        # At least as high as a line, where both ends are one.
        height = max(1.5, frame.y(floor[0]) - top)
        parts.append(f'<rect class="floor" x="{LEFT}" y="{top:.1f}" width="{WIDTH - LEFT - RIGHT}" '
                     f'height="{height:.1f}"/>')  # fmt: skip
    if level:
        parts.append(f'<path class="level" d="M{LEFT} {frame.y(level[1]):.1f}H{WIDTH - RIGHT}"/>')
    parts += [line(curve, frame) for curve in curves]
    parts += [column(layer, curves, frame, level) for layer in frame.layers]
    return picture(HEIGHT, text, "".join(parts))


def picture(height: int, text: str, content: str) -> Markup:
    """Return a drawing as wide as all panels, with a text for readers who do not see it."""
    size = f'viewBox="0 0 {WIDTH} {height}"'
    return Markup(f'<svg class="panel" {size} role="img" tabindex="0" aria-label="{escape(text)}">{content}</svg>')


def ticks_between(low: float, high: float) -> list[float]:
    """Return round numbers for the ticks of an axis."""
    ticks = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    # Rounding must not cost the tick at an end.
    return [float(tick) for tick in ticks if low <= tick <= high or np.isclose(tick, [low, high], atol=0).any()]


def axis(frame: Frame) -> str:
    """Return ticks, their labels and the name of the axis of layers."""
    ticks = ticks_between(frame.low, frame.high)
    lines = "".join(f"M{LEFT} {frame.y(tick):.1f}H{WIDTH - RIGHT}" for tick in ticks)
    values = "".join(f'<text x="{LEFT - 5}" y="{frame.y(tick) + 4:.1f}" text-anchor="end">{escape(frame.tick(tick))}'
                     "</text>" for tick in ticks)  # fmt: skip
    # Every layer where there is room, else every second, fifth, …
    step = next(step for step in (1, 2, 5, 10, 20, 50, 10**9) if step * frame.column >= ROOM_OF_A_LABEL)
    layers = "".join(f'<text x="{frame.x(layer):.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">'
                     f"{frame.name(layer)}</text>" for layer in frame.layers if layer % step == 0)  # fmt: skip
    name = f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(frame.axis)}</text>'
    return f'<path class="grid" d="{lines}"/>{values}{layers}{name}'


def line(curve: Curve, frame: Frame) -> str:
    """Return a curve with its band."""
    rows = curve.rows[curve.rows.value.notna()].sort_values("layer")
    points = " ".join(f"{frame.x(int(row.layer)):.1f},{frame.y(row.value):.1f}" for row in rows.itertuples())
    drawn = f'<polyline class="curve" points="{points}"/>'
    if "context" not in curve.look:
        known = rows[rows.ci_low.notna()]
        upper = [f"{frame.x(int(row.layer)):.1f},{frame.y(row.ci_high):.1f}" for row in known.itertuples()]
        lower = [f"{frame.x(int(row.layer)):.1f},{frame.y(row.ci_low):.1f}" for row in known.itertuples()]
        drawn = f'<polygon class="band" points="{" ".join(upper + lower[::-1])}"/>{drawn}'
        # Of one layer there is no band to be seen.
        drawn += f'<path class="curve" d="M{upper[0]}L{lower[0]}"/>' if len(known) == 1 else ""
    return f'<g class="{curve.look}">{drawn}</g>'


def column(layer: int, curves: Sequence[Curve], frame: Frame, level: tuple[str, float] | None) -> str:
    """Return the marks of a layer, and all its numbers as text."""
    x, numbers, marks = frame.x(layer), [f"{frame.axis} {frame.name(layer)}"], ""
    for curve, row in rows_at(layer, curves):
        # Of a control nothing is chosen.
        remark = "" if "twin" in curve.look else remarks(row)
        numbers.append(f"{curve.name}: {frame.write(row.value, row.ci_low, row.ci_high)}{remark}")
        if row.value == row.value:
            marks += f'<g class="{curve.look}">{dots(row, x, frame.y(row.value))}</g>'
    if level:
        numbers.append(f"{level[0]}: {frame.write(level[1], np.nan, np.nan)}")
    hit = f'<rect class="hit" x="{x - frame.column / 2:.1f}" y="{TOP}" width="{frame.column:.1f}" height="{HEIGHT - TOP - BOTTOM}"/>'  # noqa: E501
    return f'<g class="at"><title>{escape(chr(10).join(numbers))}</title>{hit}{marks}</g>'


def rows_at(layer: int, curves: Sequence[Curve]) -> Iterator[tuple[Curve, pd.Series]]:
    """Yield each curve that has numbers, with its row of a layer; the one on top first."""
    for curve in reversed(curves):
        if "context" not in curve.look:
            for _, row in curve.rows[curve.rows.layer == layer].iterrows():
                yield curve, row


def remarks(row: pd.Series) -> str:
    """Return what is known of a layer that could be chosen."""
    chosen, equal = bool(row.get("chosen", False)), bool(row.get("in_best_set", False))
    return (", preferred by validation" if chosen else "") + (", may be best" if equal else "")


def dots(row: pd.Series, x: float, y: float) -> str:
    """Return the mark of a score: filled where it may be best, with a ring where validation prefers it."""
    filled = bool(row.get("in_best_set", True))
    ring = f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="7"/>' if bool(row.get("chosen", False)) else ""
    return f'<circle class="{"dot" if filled else "dot open"}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>{ring}'


@dataclass(frozen=True)
class Panel:
    """A drawing with its name, and what its lines are: pairs of a class of page.css and a name."""

    title: str
    svg: Markup
    lines: tuple[tuple[str, str], ...]


def pictured(
    title: str, curves: Sequence[Curve], frame: Frame, text: str, floor: tuple[float, float] | None = None
) -> Panel:
    """Return curves as a panel, with their names, over what is scored without knowing anything."""
    drawn = panel(curves, frame, f"{text}: {', '.join(map(means, curves))}", floor=floor)
    return Panel(title, drawn, tuple((curve.look, curve.name) for curve in curves))


def means(curve: Curve) -> str:
    """Return a curve in a few words."""
    values = curve.rows.value
    return f"{curve.name} {values.min():.2f} to {values.max():.2f}".replace("-", "−")
