"""One hostile input at a time, in a process that may hang, crash or eat memory."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from layerscope.errors import LayerscopeError

#: How a trial may end well: with what is really there, or set aside by name.
FINE = ("right", "named")
#: And how not. A crash is the end of the process; "printed" is what a library wrote past us.
FAULTS = ("loss", "refused whole", "other sound", "not named", "traceback", "printed", "hang", "crash", "1 GB")
OUTCOMES = (*FINE, *FAULTS)
#: Seconds after which a trial hangs; on an idle machine none takes ten, on a crowded one a minute.
PATIENCE = 180.0
#: kB that the process may ever take.
MEMORY = 1 << 20


@dataclass(frozen=True)
class Trial:
    """A hostile input.

    Attributes
    ----------
    row : str
        Of the table.
    name : str
        What a refusal must name.
    judge : callable
        Runs the product on it and returns one of `OUTCOMES` and words; a module's function, since it is sent.
    about : dict
        What the judge needs.
    """

    row: str
    name: str
    judge: Callable[[Trial], tuple[str, str]]
    about: dict[str, Any] = field(default_factory=dict)


def outcome_of(trial: Trial) -> tuple[str, str]:
    """Return how a trial ends."""
    try:
        return trial.judge(trial)
    except LayerscopeError as error:
        whole = trial.about.get("whole", False)
        names = (trial.name, *trial.about.get("or", ()))
        named = "named" if any(name in str(error) for name in names) else "not named"
        return "refused whole" if whole else named, str(error)
    except Exception:
        return "traceback", traceback.format_exc(limit=-3)


def peak_memory() -> int:
    """Return the most memory that this process has taken, in kilobytes."""
    # Not getrusage, which begins with what the starting process had taken.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def work(pipe: Connection, log: str, judge: Callable[[Trial], tuple[str, str]]) -> None:
    """Judge trials as they come; what is written to the terminal goes to a file."""
    # Its module has been loaded by now, which takes seconds and is no trial's.
    pipe.send(judge.__name__)
    with Path(log).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    while trial := pipe.recv():
        written = Path(log).stat().st_size
        outcome, words = outcome_of(trial)
        if Path(log).stat().st_size > written:
            outcome, words = "printed", Path(log).read_text(errors="replace")[written:]
        if peak_memory() > MEMORY:
            outcome = "1 GB"
        pipe.send((outcome, words))


def run_trials(trials: Iterable[Trial]) -> Iterator[tuple[Trial, str, str]]:
    """Yield each trial, how it ended, and words on it."""
    # Not forked: a fresh process has the memory of its own work alone.
    context = multiprocessing.get_context("spawn")
    process, pipe = None, None
    with tempfile.TemporaryDirectory() as place:
        for trial in trials:
            if process is None or pipe is None:
                pipe, theirs = context.Pipe()
                process = context.Process(target=work, args=(theirs, f"{place}/log", trial.judge), daemon=True)
                process.start()
                theirs.close()
                pipe.recv()
            pipe.send(trial)
            outcome, words = "hang", f"no answer within {PATIENCE:g} s"
            try:
                if pipe.poll(PATIENCE):
                    outcome, words = pipe.recv()
            except EOFError:
                outcome, words = "crash", "the process ended"
            if outcome in ("hang", "crash", "1 GB"):
                process.kill()
                process.join()
                process = None
            yield trial, outcome, words
        if process is not None and pipe is not None:
            pipe.send(None)
            process.join()
