"""Run every command where the disk is too small, by less and less, then give it room and repeat the command.

    python -m benchmarks.full_disks --steps 6

For each command its directory and its cache lie on a file system of their own (a tmpfs, which asks for a privileged
user) that holds only a share of what the command leaves undisturbed; of `check`, which leaves nothing, all that it
writes for a while is there. It must end with exit code 5 and say how to go on;
repeated with room it must leave what an undisturbed one leaves, and nothing unfinished.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.kills import COMMANDS, STUDY, Stage, ended
from layerscope.errors import ResourceError
from layerscope.study.demo import demo

__all__ = ["trial"]

#: Those that `benchmarks.kills` has not: a demo lasts too long to be killed often, and `check` leaves nothing.
MORE = {"demo": ["--out", "demo"], "check": ["--data", "{notes}", *STUDY, "--baseline", "mfcc"]}
#: Of the demo, so that it takes seconds.
SMALL_DEMO = {"notes": 60, "pieces": 40, "models": ("random:small",)}
#: What must be said.
WAY_OUT = "free some space and run the same command again"
#: Of a tmpfs: it gives out memory in such pieces.
PAGE = 4096


@contextmanager
def small_disk(place: Path, pages: int) -> Iterator[None]:
    """Put a file system of so many pages at a place."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={pages * PAGE}", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


def pages_in(directory: Path) -> int:
    """Return how many pages the files below a directory fill."""
    return sum(-(-path.stat().st_size // PAGE) for path in directory.rglob("*") if path.is_file())


def trial(stage: Stage, command: str, pages: int) -> list[str]:
    """Return what is wrong after a command was given so many pages, and then as many as it likes."""
    directory = stage.place / "small"
    log = directory.with_suffix(".log")
    # Those that are forked have it from here.
    tempfile.tempdir = str(directory) if command == "check" else None
    with small_disk(directory, pages):
        code = ended(stage.start(command, directory))
        said = log.read_text()
        wrong = [] if code == ResourceError.exit_code else [f"exit {code}"]
        if WAY_OUT not in said or "Traceback" in said:
            wrong.append(f"said: {said[-400:]}")
        subprocess.run(["mount", "-o", f"remount,size={1 << 30}", str(directory)], check=True)
        again = ended(stage.start(command, directory))
        marks, left = stage.outcome(command, directory, again)
    return [*wrong, *marks, *left]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each command and size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("commands", nargs="*", default=[], help="All but the demo by default.")
    parser.add_argument("--steps", type=int, default=6, help="How many sizes.")
    asked = parser.parse_args(arguments)
    faults = 0
    with tempfile.TemporaryDirectory(prefix="layerscope-full-") as name:
        stage = Stage(Path(name), COMMANDS | MORE)
        (demo.__kwdefaults__ or {}).update(SMALL_DEMO)
        try:
            for command in asked.commands or [*COMMANDS, "check"]:
                stage.measure(command)
                whole = pages_in(stage.place / f"whole-{command}") or asked.steps
                for pages in sorted({1 + (whole - 1) * step // asked.steps for step in range(asked.steps)}):
                    wrong = trial(stage, command, pages)
                    faults += bool(wrong)
                    print(f"{command}, {pages} of {whole} pages: {', '.join(wrong) or 'right'}", flush=True)
        finally:
            stage.close()
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
