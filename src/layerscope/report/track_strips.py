"""What is annotated of a track and what a probe says of it, one lane above the other over time, as SVG for the page.

Any kind over time is drawn whose `Kind.rows` are spans (``start``, ``end``, a name) or moments (``time``, a name).
Places are percent, and lanes are stretched, so that a strip fills whatever room there is and its texts keep their size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from layerscope.targets.over_time import KindOverTime
from layerscope.targets.spans import IGNORED, ROUNDING, KindOfSpans

__all__ = ["Strip", "strip"]

#: Marks of a lane, so that a page stays small: of a longer track the stretch is drawn that has so many.
MOST_MARKS = 400
#: Pixels that a mark needs to be told from the next, that a character takes, and that a part has which says its marks.
MARK, CHARACTER, PART = 7, 7, 40
#: Of a strip, in pixels: a phone's column, that of a wide window, and what is still scrolled.
NARROWEST, COLUMN, WIDEST = 300, 900, 2800
#: Heights in pixels: of a lane, and of the line between the lanes that shows where they differ.
LANE, BETWEEN = 26, 8
#: Names that a part says of a lane.
MOST_NAMES = 6
#: Colours of `page.css`, and their depths, by which names are told apart that share one.
COLOURS, DEPTHS = 12, ("", " deep", " pale")
#: Seconds from tick to tick.
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True)
class Mark:
    """A span of a lane, or a moment, whose end is its start; `number` is that of its name, `IGNORED` for no score."""

    start: float
    end: float
    name: str
    number: int


@dataclass(frozen=True)
class Strip:
    """A drawing of a track, and whether the track goes on after it."""

    svg: Markup
    cut: bool


def strip(clip: str, kind: KindOverTime, names: Sequence[str], *answers: dict[str, Any]) -> Strip | None:
    """Return the strip of a track, or nothing of a kind whose rows are neither spans nor moments.

    Parameters
    ----------
    clip : str
        Its name.
    kind, names : KindOverTime, sequence of str
        Of the target.
    *answers : dict
        What is annotated and what is estimated, as `KindOverTime.as_answer` says it.
    """
    try:
        lanes = [list(marks_of(kind.rows(answer), numbering(kind, names))) for answer in answers]
    except (NotImplementedError, KeyError, TypeError):  # a kind of somebody else's may have rows of its own, or none
        return None
    # A lane holds one thing at a time: of notes that sound together one would hide the others.
    if any(after.start < before.end - ROUNDING for lane in lanes for before, after in pairwise(lane)):
        return None
    whole = max((mark.end for lane in lanes for mark in lane), default=0.0)
    seconds = min([whole, *(lane[MOST_MARKS].start for lane in lanes if len(lane) > MOST_MARKS)])
    if not seconds > 0:
        return None
    # Of a strip that is not cut, the last moment lies at its very end.
    drawn = [[mark for mark in lane if mark.start < seconds or seconds == whole] for lane in lanes]
    return Strip(drawing(clip, drawn, seconds, kind.window), cut=seconds < whole)


def numbering(kind: KindOverTime, names: Sequence[str]) -> Callable[[str], int]:
    """Return what gives a name its number, the same for names that the score does not tell apart."""
    if isinstance(kind, KindOfSpans):
        return lambda name: kind.numbers([name], names)[0]
    return lambda name: names.index(name) if name in names else 0


def marks_of(rows: Sequence[dict[str, Any]], number: Callable[[str], int]) -> Iterator[Mark]:
    """Yield rows as marks; raise a `KeyError` or a `TypeError` where a row is none, as of a curve of numbers."""
    for row in rows:
        start, end = (row[key] if key in row else row["time"] for key in ("start", "end"))
        name = next((value for key, value in row.items() if key not in ("start", "end", "time")), "")
        if isinstance(name, float):
            raise TypeError(f"{name} is no name")
        yield Mark(start, end, str(name), number(str(name)))


def drawing(clip: str, lanes: Sequence[Sequence[Mark]], seconds: float, window: float) -> Markup:
    """Return two lanes of marks, what differs between them, seconds below, and parts that say what they hold."""
    width = min(WIDEST, max(NARROWEST, MARK * max(map(len, lanes))))
    top = LANE + BETWEEN
    height = top + LANE
    differing = differences(lanes[0], lanes[1], seconds, window)
    inner = [
        lane_of(lanes[0], seconds, 0),
        stretched(f'<path class="differs" d="{boxes(differing)}"/>', seconds, LANE, BETWEEN),
        lane_of(lanes[1], seconds, top),
        *(text for lane, y in zip(lanes, (0, top), strict=True) for text in texts(lane, seconds, width, y)),
        *ticks(seconds, width, height),
        '<line class="head" y2="100%"/>',
        *parts(lanes, seconds, width, height),
    ]
    text = f"{clip}: annotated above, estimated below, {written(seconds)}"
    return Markup(
        f'<svg class="strip" style="min-width:{width}px" data-seconds="{seconds:g}" role="img" '
        f'aria-label="{escape(text)}">{"".join(inner)}</svg>'
    )


def lane_of(lane: Sequence[Mark], seconds: float, y: int) -> str:
    """Return the marks of a lane: a path for the spans of each name, and one for moments, downbeats longer."""
    looks: dict[str, list[tuple[float, float]]] = {}
    for mark in lane:
        if mark.end > mark.start:
            depth = DEPTHS[mark.number // COLOURS % len(DEPTHS)]
            look = f"c{mark.number % COLOURS}{depth}" if mark.number != IGNORED else "unscored"
            looks.setdefault(look, []).append((mark.start, min(mark.end, seconds)))
    paths = [f'<path class="{look}" d="{boxes(spans)}"/>' for look, spans in looks.items()]
    moments = "".join(
        f"M{mark.start:.2f} 1V{0 if mark.name == 'downbeat' else 0.45}" for mark in lane if mark.end == mark.start
    )
    return stretched("".join(paths) + (f'<path class="moments" d="{moments}"/>' if moments else ""), seconds, y, LANE)


def stretched(paths: str, seconds: float, y: int, height: int) -> str:
    """Return paths whose units are seconds and the height of a lane."""
    box = f'y="{y}" height="{height}" viewBox="0 0 {seconds:g} 1" preserveAspectRatio="none"'
    return f"<svg {box}>{paths}</svg>"


def boxes(spans: Sequence[tuple[float, float]]) -> str:
    """Return spans as rectangles of a path."""
    return "".join(f"M{start:.2f} 0H{end:.2f}V1H{start:.2f}z" for start, end in spans)


def differences(
    reference: Sequence[Mark], estimate: Sequence[Mark], seconds: float, window: float
) -> list[tuple[float, float]]:
    """Return where an estimate is not what is annotated: of spans that are scored, or moments without another nearby.

    Moments within so many seconds are one.

    Examples
    --------
    >>> differences([Mark(0.0, 2.0, "a", 0)], [Mark(0.0, 1.5, "a", 0), Mark(1.5, 2.0, "b", 1)], 2.0, 0.07)
    [(1.5, 2.0)]
    """
    if all(mark.end == mark.start for mark in (*reference, *estimate)):
        times = [np.array([mark.start for mark in lane]) for lane in (reference, estimate)]
        pairs = ((times[0], times[1]), (times[1], times[0]))
        lonely = [time for ours, theirs in pairs for time in ours if not (np.abs(theirs - time) <= window).any()]
        return [(max(0.0, float(time) - window), min(seconds, float(time) + window)) for time in sorted(lonely)]
    edges = sorted({min(time, seconds) for mark in (*reference, *estimate) for time in (mark.start, mark.end)})
    joined: list[tuple[float, float]] = []
    for start, end in pairwise(edges):
        wanted, said = (number_at(lane, (start + end) / 2) for lane in (reference, estimate))
        if wanted in (IGNORED, said):
            continue
        before = joined.pop() if joined and joined[-1][1] == start else (start, end)
        joined.append((before[0], end))
    return joined


def number_at(lane: Sequence[Mark], time: float) -> int:
    """Return the number of the name at a time; that of what is not scored where there is none."""
    return next((mark.number for mark in lane if mark.start <= time < mark.end), IGNORED)


def texts(lane: Sequence[Mark], seconds: float, width: int, y: int) -> Iterator[str]:
    """Yield the names of spans that have room for theirs, some in a wide window alone."""
    for mark in lane:
        share, needed = (min(mark.end, seconds) - mark.start) / seconds, CHARACTER * len(mark.name) + 6
        if share * max(width, COLUMN) > needed:
            look = "" if share * width > needed else ' class="roomy"'
            yield f'<text{look} x="{100 * mark.start / seconds:.2f}%" dx="3" y="{y + 17}">{escape(mark.name)}</text>'


def ticks(seconds: float, width: int, height: int) -> Iterator[str]:
    """Yield times below the lanes."""
    step = next((step for step in STEPS if seconds / step <= width / 60), STEPS[-1])
    for time in np.arange(0, seconds, step):
        place = 100 * time / seconds
        # The last would run out of the strip.
        if place * width / 100 < width - 30:
            yield f'<text class="tick" x="{place:.2f}%" y="{height + 14}">{written(time)}</text>'


def parts(lanes: Sequence[Sequence[Mark]], seconds: float, width: int, height: int) -> Iterator[str]:
    """Yield stretches of equal length that say what both lanes hold there."""
    edges = np.linspace(0, seconds, width // PART + 1)
    for start, end in pairwise(edges):
        said = [held(lane, start, end) for lane in lanes]
        tip = f"{written(start)}–{written(end)}\nannotated: {said[0]}\nestimated: {said[1]}"
        place = f'x="{100 * start / seconds:.2f}%" width="{100 * (end - start) / seconds:.2f}%" height="{height}"'
        yield f'<g class="at"><title>{escape(tip)}</title><rect class="hit" {place}/></g>'


def held(lane: Sequence[Mark], start: float, end: float) -> str:
    """Return what a lane has in a stretch: the names of spans, the seconds of moments."""
    inside = [mark for mark in lane if start <= mark.start < end or mark.start < start < mark.end]
    said = [
        mark.name if mark.end > mark.start else f"{mark.start:.2f}{' ↓' if mark.name == 'downbeat' else ''}"
        for mark in inside[:MOST_NAMES]
    ]
    return ", ".join([*said, *(["…"] * (len(inside) > MOST_NAMES))]) or "nothing"


def written(seconds: float) -> str:
    """Return a time as players show it.

    Examples
    --------
    >>> written(75.2)
    '1:15'
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
