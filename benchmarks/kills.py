"""Kill every command at random moments, repeat it, and hold what it leaves against what an undisturbed one left.

Run as `python -m benchmarks.kills 20 --seed 0`. The table says, for each command, how many kills hit it while it
worked, how many results differed from the undisturbed ones, and how many unfinished files were left.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import load_file

from layerscope.toymusic.composed_dataset import write_notes

STUDY = ["--target", "instrument", "--model", "random:small", "--probe", "closed", "--seeds", "1"]
SIZES = {"dim": 32, "depth": 1, "heads": 2, "feedforward": 64}
RECIPE = {"steps": 3, "batch": 1, "seconds": 1.0, "quantizer_steps": 3, **SIZES}
#: What tells how long something took, or how much of it was there already: a kill changes that.
TOLD = {"provenance.json", "log.jsonl", "checkpoint.safetensors", "report.html", "similarity.json", ".lock"}


@dataclass
class Visited:
    """What became of the kills of a command."""

    kills: int = 0
    too_late: int = 0
    differences: int = 0
    leftovers: int = 0


def commands(place: Path) -> dict[str, tuple[list[str], str]]:
    """Return each command, as it is called from a directory, and the place that it writes."""
    notes = str(place / "notes" / "notes.jsonl")
    return {
        "run": (["run", "--data", notes, *STUDY, "--baseline", "mfcc", "--out", "run"], "run"),
        "compare": (["compare", "--data", notes, "--model", "random:small", "--out", "compare"], "compare"),
        "export": (["export", str(place / "whole" / "run"), "--insist", "--out", "use"], "use"),
        "predict": (["predict", str(place / "whole" / "use"), str(place / "notes"), "--out", "said/a.csv"], "said"),
        "pretrain": (["pretrain", "--recipe", str(place / "recipe.json"), "--out", "trained"], "trained"),
    }


def start(arguments: Sequence[str], directory: Path) -> subprocess.Popen[bytes]:
    """Start a command in a directory, whose cache is its own."""
    directory.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "layerscope", *arguments],
        cwd=directory,
        env={**os.environ, "LAYERSCOPE_CACHE": str(directory / "cache"), "LOKY_MAX_CPU_COUNT": "2"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def contents(directory: Path) -> dict[str, str]:
    """Return a digest of every file below a directory that a kill must not change."""
    digests = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name not in TOLD:
            # The header of the draws counts what was found in the cache.
            content = load_file(path)["draws"].tobytes() if path.name == "draws.safetensors" else path.read_bytes()
            digests[str(path.relative_to(directory))] = hashlib.sha256(content).hexdigest()
    return digests


def leftovers(directory: Path) -> list[Path]:
    """Return what killed processes were writing and nobody has removed."""
    return list(directory.rglob(".unfinished-*"))


def killed_and_repeated(
    arguments: list[str], directory: Path, seconds: float, moments: random.Random
) -> tuple[bool, int]:
    """Kill a command at a random moment, repeat it, and return whether the kill came in time, and its exit code."""
    process = start(arguments, directory)
    time.sleep(moments.uniform(0, seconds))
    in_time = process.poll() is None
    if in_time:
        # Its workers as well, as a power cut would.
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if not in_time:
        return False, process.returncode
    return True, start(arguments, directory).wait()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    moments = random.Random(asked.seed)
    with tempfile.TemporaryDirectory(prefix="layerscope-kills-") as name:
        place = Path(name)
        write_notes(place / "notes", count=24, first_seed=0, seconds=0.5)
        (place / "recipe.json").write_text(json.dumps(RECIPE))
        whole, lasted = {}, {}
        for command, (arguments, out) in commands(place).items():
            started = time.monotonic()
            code = start(arguments, place / "whole").wait()
            assert code == 0, f"{command} ended with {code}"
            lasted[command] = time.monotonic() - started
            whole[command] = contents(place / "whole" / out)
        visits = {command: Visited() for command in whole}
        for number in range(asked.kills):
            command = list(visits)[number % len(visits)]
            arguments, out = commands(place)[command]
            directory = place / "killed"
            in_time, code = killed_and_repeated(arguments, directory, lasted[command], moments)
            visit = visits[command]
            visit.kills += in_time
            visit.too_late += not in_time
            different = code != 0 or contents(directory / out) != whole[command]
            visit.differences += different
            left = leftovers(directory)
            visit.leftovers += len(left)
            marks = [f"exit {code}"] * bool(code) + ["different"] * different + [str(path) for path in left]
            print(f"{number + 1:>4} {command}: {', '.join(marks) or 'the same'}", flush=True)
            shutil.rmtree(directory)
        print("command    kills  too late  differences  leftovers")
        for command, visit in visits.items():
            print(f"{command:<9}{visit.kills:>7}{visit.too_late:>10}{visit.differences:>13}{visit.leftovers:>11}")


if __name__ == "__main__":
    main()
