"""One hostile input at a time, in a process that may hang, crash or eat memory."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from layerscope.errors import LayerscopeError

#: How a trial may end well: with what is really there, or set aside by name.
FINE = ("right", "named")
#: And how not. A crash is the end of the process; "printed" is what a library wrote past us.
FAULTS = ("loss", "refused whole", "other sound", "not named", "traceback", "printed", "hang", "crash", "1 GB")
OUTCOMES = (*FINE, *FAULTS)
#: Seconds of a core after which a trial hangs; none takes ten. A machine with much else to do is no fault of a trial's.
PATIENCE = 60.0
#: Seconds in which a trial that works gets a hundredth of a core, on whatever machine: one that gets less waits.
STANDSTILL = 180.0
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


def wait_for(pipe: Connection, process: int) -> str:
    """Wait until a process answers, and return nothing, or why it never will: it works for too long, or not at all."""
    began = used = seconds_of(process)
    since = time.monotonic()
    while not pipe.poll(1.0):
        now = seconds_of(process)
        if now - began > PATIENCE:
            return f"no answer within {PATIENCE:g} s of a core"
        if time.monotonic() - since > STANDSTILL:
            if now - used < STANDSTILL / 100:
                return f"no answer, and no work for {STANDSTILL:g} s"
            used, since = now, time.monotonic()
    return ""


def seconds_of(process: int) -> float:
    """Return the seconds of a core that a process and its children, those that have ended too, have taken."""
    seconds = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        main = psutil.Process(process)
        for part in (main, *main.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                seconds += sum(part.cpu_times()[:4])
    return seconds


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
            try:
                why = wait_for(pipe, int(process.pid or 0))
                outcome, words = ("hang", why) if why else pipe.recv()
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
