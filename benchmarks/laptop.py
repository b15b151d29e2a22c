"""What one person with a laptop pays: `python -m benchmarks.laptop [--against CHECKOUT]`.

`layerscope demo`, and a run on 300 clips (44.1 kHz stereo FLAC of notes; a small encoder, a plain feature, all probes):
seconds, seconds of processors, and the peak memory of the command with all its workers, pages that they share counted
once (Pss). With `--against` the same by the code of another checkout, each measured in turn.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from rich.console import Console
from rich.table import Table

import layerscope
from benchmarks.sweep import write_clips

CLIPS, SECONDS = 300, 2.0
#: Seconds between two looks at a command's processes.
LOOK_EVERY = 0.2


@dataclass(frozen=True)
class Spent:
    """What a command took: seconds, seconds of processors, and bytes of memory at its peak."""

    wall: float
    processor: float
    memory: float


def main() -> None:
    """Measure and print."""
    asked = arguments()
    here = Path(layerscope.__file__).parents[1]
    codes = {"as installed": here} | ({str(asked.against): asked.against / "src"} if asked.against else {})
    console = Console(width=120)
    console.print(
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, torch {torch.__version__}, "
        f"{time.strftime('%d %B %Y')}, load {os.getloadavg()[0]:.1f}"
    )
    spent: dict[tuple[str, str], list[Spent]] = {}
    with tempfile.TemporaryDirectory() as place:
        clips = write_clips(Path(place) / "clips", asked.clips, SECONDS, 44_100)
        run = ["run", "--data", str(clips), "--model", "toy-muq", "--baseline", "mfcc"]
        commands = {"demo": ["demo"], f"run on {asked.clips} clips": run}
        chosen = {name: command for name, command in commands.items() if command[0] in asked.only}
        for repeat, (name, command), (code, source) in itertools.product(
            range(asked.repeats), chosen.items(), codes.items()
        ):
            scratch = Path(place) / f"{command[0]}-{repeat}-{len(spent)}"
            spent.setdefault((name, code), []).append(measured(command, source, scratch))
    console.print(table(spent))


def arguments() -> argparse.Namespace:
    """Return what was asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, help="another checkout, whose src is measured beside this one")
    parser.add_argument("--clips", type=int, default=CLIPS)
    parser.add_argument("--repeats", type=int, default=1, help="of which the quickest is printed")
    parser.add_argument("--only", choices=["demo", "run"], nargs="+", default=["demo", "run"])
    return parser.parse_args()


def measured(command: Sequence[str], source: Path, scratch: Path) -> Spent:
    """Run a command of the code that lies in a directory, with a cache of its own, and return what it took."""
    environment = os.environ | {"PYTHONPATH": str(source), "LAYERSCOPE_CACHE": str(scratch / "cache")}
    started, memory = time.monotonic(), 0.0
    #: Of each process that was seen, the seconds of processors at the last look.
    seconds: dict[int, float] = {}
    words = [sys.executable, "-m", "layerscope", *command, "--out", str(scratch / "out"), "-q"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            memory = max(memory, look(process.pid, seconds))
            time.sleep(LOOK_EVERY)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return Spent(time.monotonic() - started, sum(seconds.values()), memory)


def look(root: int, seconds: dict[int, float]) -> float:
    """Return the memory of a process with all that it started, and note the seconds that each has taken."""
    memory = 0.0
    try:
        processes = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
    except psutil.NoSuchProcess:
        return memory
    for process in processes:
        # A worker may end while it is looked at.
        try:
            times, pages = process.cpu_times(), process.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        seconds[process.pid] = times.user + times.system
        memory += pages.pss
    return memory


def table(spent: dict[tuple[str, str], list[Spent]]) -> Table:
    """Return what commands took, a line for each and each code."""
    lines = Table(box=None)
    for column in ("command", "code", "seconds", "of processors", "peak memory, GB"):
        lines.add_column(column, justify="left" if column in ("command", "code") else "right")
    for (name, code), tries in spent.items():
        best = [min(getattr(one, field) for one in tries) for field in ("wall", "processor", "memory")]
        lines.add_row(name, code, f"{best[0]:.0f}", f"{best[1]:.0f}", f"{best[2] / 1e9:.2f}")
    return lines


if __name__ == "__main__":
    main()
