"""How figures look: layerscope's own style, and on top of it a style file of matplotlib's.

Colours are those of Okabe & Ito (2008), which readers with colour-blindness tell apart.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from matplotlib import rc_context, rc_params_from_file
from matplotlib.figure import Figure

from layerscope.errors import UsageError

__all__ = ["INK", "MUTED", "SERIES", "cycle", "drawing", "new_figure", "read_style", "setting", "styled"]

INK, MUTED, GRID = "#1a1a1a", "#6a6a6a", "#dcdcdc"
SERIES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.grid": True,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.family": "sans-serif",
}
#: What the style file in use says.
OWN: ContextVar[dict[Any, Any]] = ContextVar("own_style")


def read_style(path: Path) -> dict[Any, Any]:
    """Read a style file of matplotlib's: ``figure.figsize``, ``font.family``, ``axes.prop_cycle`` and so on.

    Raises
    ------
    UsageError
        If there is none, or it has a line that is no setting.
    """
    faults: list[str] = []
    # matplotlib only logs a line that it cannot use, and draws on without it.
    listener = logging.Handler()
    listener.emit = lambda record: faults.append(" ".join(record.getMessage().split()))  # type: ignore[method-assign]
    logger = logging.getLogger("matplotlib")
    logger.addHandler(listener)
    try:
        settings = dict(rc_params_from_file(path, fail_on_error=True, use_default_template=False))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not readable as a matplotlib style file ({error})") from error
    finally:
        logger.removeHandler(listener)
    if faults or not settings:
        raise UsageError(f"{path}: no matplotlib style file ({faults[0] if faults else 'it sets nothing'})")
    return settings


@contextmanager
def styled(settings: dict[Any, Any]) -> Iterator[None]:
    """Draw in a style of somebody's own."""
    token = OWN.set(settings)
    try:
        yield
    finally:
        OWN.reset(token)


def setting(name: str, default: Any) -> Any:
    """Return what the style in use says, or a default."""
    return OWN.get({}).get(name, default)


def drawing(*, grid: bool | None = None) -> AbstractContextManager[None]:
    """Set up matplotlib for a figure, with or without a grid where it matters, whatever the style."""
    needed: dict[Any, Any] = {} if grid is None else {"axes.grid": grid}
    return rc_context({**STYLE, **OWN.get({}), **needed})


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of a size in inches, or of the size that the style in use gives."""
    return Figure(figsize=setting("figure.figsize", (width, height)), layout="constrained")


def cycle(count: int) -> list[str]:
    """Return as many colours as asked for, from the start again where they run out."""
    given = setting("axes.prop_cycle", None)
    colours = given.by_key().get("color", SERIES) if given else SERIES
    return [colours[number % len(colours)] for number in range(count)]
