"""What `check` says against what a run then takes, on made data: `python -m benchmarks.plans`.

Each row is a study in processes of its own: one that checks, one that runs. Ratios are of what was said to what was
measured: seconds of the passes and of the trainings, bytes of the features on disk, and the most memory that all the
processes of the run had together (looked at three times a second; each page shared out among those that have it).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cluster import Stopwatch, write_clips

#: A row → its options beside the clips.
ROWS: dict[str, dict[str, object]] = {
    # One probe each: two that are told wrongly could make up for one another.
    **{
        f"toy-muq and mfcc, {probe}": {"model": ["toy-muq"], "baseline": ["mfcc"], "probe": [probe], "seeds": 2}
        for probe in ("mlp", "linear", "closed", "knn", "attention")
    },
    "all plain features, linear": {"model": [], "probe": ["linear"]},
    "musicfm at full size, untrained, closed": {"model": ["random:musicfm"], "baseline": [], "probe": ["closed"]},
    # Of a few clips these two are done within half a second, of which a clock says little.
    **{
        f"toy-muq and mfcc, {probe}, many clips": {"model": ["toy-muq"], "baseline": ["mfcc"], "probe": [probe]}
        for probe in ("closed", "knn")
    },
}
#: A row → how many clips, and their seconds, where it is not as asked: a window of full size takes seconds.
CLIPS = {
    "musicfm at full size, untrained, closed": (40, 10.0),
    "toy-muq and mfcc, closed, many clips": (6000, 0.5),
    "toy-muq and mfcc, knn, many clips": (6000, 0.5),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=10.0, help="Of a clip.")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--study", nargs=4, metavar=("WHAT", "ROW", "CLIPS", "OUT"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.study:
        what, row, clips, out = asked.study
        (check_study if what == "check" else run_study)(row, Path(clips), Path(out))
        return
    print("| study | seconds to check | passes | trainings | disk | memory |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="layerscope-plans-") as name:
        for number, row in enumerate(asked.rows):
            place = Path(name, str(number))
            clips = write_clips(place / "clips", *CLIPS.get(row, (asked.clips, asked.seconds)))
            ratios = ratios_of(row, clips, place)
            print(f"| {row} | {' | '.join(ratios)} |", flush=True)


def ratios_of(row: str, clips: Path, place: Path) -> list[str]:
    """Return how long the check took, and what it said over what was measured."""
    environment = os.environ | {"LAYERSCOPE_CACHE": str(place / "cache")}
    command = [sys.executable, "-m", "benchmarks.plans", "--study"]
    subprocess.run([*command, "check", row, clips, place / "said.json"], env=environment, check=True)
    running = subprocess.Popen([*command, "run", row, clips, place / "out"], env=environment)
    memory = 0.0
    while running.poll() is None:
        memory = max(memory, sum(map(proportional_bytes, with_children(running.pid))))
        time.sleep(0.3)
    if running.returncode:
        raise SystemExit(running.returncode)
    said, seconds = (
        json.loads((place / "said.json").read_text()),
        json.loads((place / "out" / "seconds.json").read_text()),
    )
    disk = sum(path.stat().st_size for path in (place / "cache").rglob("*.safetensors"))
    measured = {**seconds, "disk": disk, "memory": memory}
    return [f"{said['check']:.1f}", *(f"{said[name] / measured[name]:.2f}" for name in measured)]


def check_study(row: str, clips: Path, out: Path) -> None:
    """Check a study, and write what was said."""
    from joblib import cpu_count

    from layerscope.probes.workers import forked_early
    from layerscope.study.cost import check
    from layerscope.study.options import make_plan

    started = time.perf_counter()
    # As the command does it, here and below.
    with forked_early():
        found = check(make_plan({"data": clips, **ROWS[row]}, "benchmark"), cpu_count())
    said = {
        "check": time.perf_counter() - started,
        "pass": 60 * sum(cost.minutes for cost in found.costs),
        "trainings": 60 * sum(task.probe_minutes for task in found.tasks),
        "disk": 1e6 * sum(cost.megabytes for cost in found.costs),
        "memory": 1e6 * found.memory,
    }
    out.write_text(json.dumps(said))


def run_study(row: str, clips: Path, out: Path) -> None:
    """Run a study, and write how long its parts took."""
    from layerscope.probes.workers import forked_early
    from layerscope.study.options import make_plan
    from layerscope.study.run import run

    watch = Stopwatch()
    with forked_early():
        run(make_plan({"data": clips, **ROWS[row]}, "benchmark"), out, progress=watch)  # type: ignore[arg-type]
    (out / "seconds.json").write_text(json.dumps(watch.seconds))


def with_children(process: int) -> list[int]:
    """Return a process with all that descend from it; those that end meanwhile are left out."""
    found = [process]
    for each in found:
        for place in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += map(int, place.read_text().split())
            except OSError:
                continue
    return found


def proportional_bytes(process: int) -> float:
    """Return the memory of a process, each page shared out among those that have it."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return 1024.0 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
