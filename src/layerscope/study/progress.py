"""Progress on long work: bars on a terminal, elsewhere a line a minute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

__all__ = ["SILENT", "Bars", "Progress", "Silent", "Step"]


class Step(Protocol):
    """Told of the units, and of the seconds of audio in them, that were done since the last call."""

    def __call__(self, count: int, seconds: float = 0.0, /) -> None: ...  # noqa: D102


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
        yield lambda count, seconds=0.0: None  # noqa: ARG005


#: Of a call that does not say where progress is shown.
SILENT = Silent()
#: Seconds between two lines: a log of a night's job stays short, and nobody takes it for dead.
BETWEEN_LINES = 60.0


class Bars:
    """Shows a bar for each task: units done, audio-hours per hour where there is audio, time left.

    Parameters
    ----------
    console : rich.console.Console
        Where bars are drawn, if it is a terminal.
    lines : rich.console.Console, optional
        Where a line is written each minute if it is none; nowhere by default.
    verbose : bool
        Whether a line says of each task how long it took.
    """

    def __init__(self, console: Console, lines: Console | None = None, *, verbose: bool = False) -> None:
        self.console = console
        self.lines = lines
        self.verbose = verbose
        self.last_line = time.monotonic()

    def line(self, text: str) -> None:
        """Write a line."""
        if self.lines:
            self.lines.print(text, soft_wrap=True)
            self.last_line = time.monotonic()

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
            started, audio, done = time.monotonic(), 0.0, 0

            def step(count: int, seconds: float = 0.0) -> None:
                nonlocal audio, done
                audio += seconds
                done += count
                # A first step from the cache may take no time that the clock can tell.
                elapsed = max(time.monotonic() - started, 1e-3)
                bars.update(bar, advance=count, speed=f"· {audio / elapsed:,.0f} h of audio/h" if audio else "")
                if not self.console.is_terminal and time.monotonic() - self.last_line >= BETWEEN_LINES:
                    # The first units wait for workers to start, or come from the cache: they tell no rate.
                    left = elapsed / max(done, 1) * (total - done) / 60
                    told = f", about {left:.0f} min left" if elapsed >= BETWEEN_LINES else ""
                    self.line(f"{description}: {done:,} of {total:,} {unit}{told}")

            yield step
        if self.verbose:
            self.line(f"{description}: {done:,} {unit} in {time.monotonic() - started:.1f} s")
