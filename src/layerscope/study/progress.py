"""Progress on long work: bars on a terminal, silence elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

__all__ = ["Bars", "Progress", "Silent", "Step"]

#: Takes the number of units and the seconds of audio done since the last call.
Step = Callable[[int, float], None]


class Progress(Protocol):
    """Where progress is shown."""

    def task(self, description: str, total: int, unit: str) -> AbstractContextManager[Step]:
        """Begin a task of `total` units; the context's value is called as they are done."""
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def task(self, description: str, total: int, unit: str) -> Iterator[Step]:  # noqa: ARG002 - nothing is shown
        """See `Progress.task`."""
        yield lambda count, seconds: None  # noqa: ARG005


class Bars:
    """Shows a bar for each task: units done, audio-hours per hour where there is audio, time left.

    Parameters
    ----------
    console : rich.console.Console
        Where; nothing is shown if it is no terminal.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def task(self, description: str, total: int, unit: str) -> Iterator[Step]:
        """See `Progress.task`."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]} {task.fields[speed]}", markup=False),
            TimeRemainingColumn(),
        )
        with RichProgress(*columns, console=self.console, disable=not self.console.is_terminal) as bars:
            # To one width, so that the bars of a study begin below each other.
            bar = bars.add_task(f"{description:<24}", total=total, unit=unit, speed="")
            started, audio = time.monotonic(), 0.0

            def step(count: int, seconds: float) -> None:
                nonlocal audio
                audio += seconds
                # A first step from the cache may take no time that the clock can tell.
                elapsed = max(time.monotonic() - started, 1e-3)
                bars.update(bar, advance=count, speed=f"· {audio / elapsed:,.0f} h of audio/h" if audio else "")

            yield step
