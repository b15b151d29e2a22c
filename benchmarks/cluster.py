"""Two workers of a Ray cluster against one, and workers that are killed: `python -m benchmarks.cluster`.

Each row is a whole study of made clips in a cache of its own, in a process of its own: in one process, on a cluster of
one core, of two cores, and of two cores whose first worker is killed (SIGKILL) as it encodes, and as it trains. Seconds
are those of the pass and of the trainings, what a cluster takes to start among the pass's; then those of processors, of
the command, of the workers, and of what else Ray runs. Results and stores are held against those of the first row, byte
by byte.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
import soundfile

from layerscope.toymusic.composer import compose_note
from layerscope.toymusic.synthesizer import render

#: A row → cores of its cluster (none for one process), and the name of the process that is killed.
ROWS: dict[str, tuple[int | None, str]] = {
    "one process": (None, ""),
    "cluster of one core": (1, ""),
    "cluster of two cores": (2, ""),
    "a worker killed as it encodes": (2, "ray::Worker.encode"),
    "a worker killed as it trains": (2, "ray::numbered"),
}
RATE = 24_000
#: Whose seconds of processors are told apart.
WHOSE = ("command's", "workers'", "Ray's")
TABLES = ("results.csv", "predictions.csv", "splits.csv", "summary.csv")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=30.0, help="Of a clip.")
    parser.add_argument(
        "--rows", nargs="+", choices=ROWS, default=list(ROWS), help="Ratios need those of one and two cores."
    )
    parser.add_argument("--study", nargs=3, metavar=("CLIPS", "OUT", "RAY"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.study:
        run_study(Path(asked.study[0]), Path(asked.study[1]), asked.study[2] or None)
        return
    with tempfile.TemporaryDirectory(prefix="layerscope-cluster-") as name:
        compare_rows(Path(name), write_clips(Path(name) / "clips", asked.clips, asked.seconds), asked.rows)


def write_clips(directory: Path, count: int, seconds: float) -> Path:
    """Write notes, a folder an instrument."""
    for number in range(count):
        note = compose_note(number, 1.5)
        path = directory / note.instrument / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.resize(render(note), int(seconds * RATE)), RATE)
    return directory


def compare_rows(place: Path, clips: Path, rows: Sequence[str]) -> None:
    """Run each of some rows and print it."""
    print(f"| | pass, s | trainings, s | {' | '.join(WHOSE)} | processes killed | same tables and stores |")
    print(f"|---{'|---' * (len(WHOSE) + 4)}|")
    seconds: dict[str, dict[str, float]] = {}
    wanted: dict[str, bytes] = {}
    for row in rows:
        cores, victim = ROWS[row]
        out, cache = place / row.replace(" ", "-"), place / f"cache-{row.replace(' ', '-')}"
        environment = os.environ | {"LAYERSCOPE_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
        environment["LOKY_MAX_CPU_COUNT"] = str(cores or 1)
        command = [
            sys.executable,
            "-m",
            "benchmarks.cluster",
            "--study",
            str(clips),
            str(out),
            "local" if cores else "",
        ]
        with killing(victim) as killed, subprocess.Popen(command, env=environment) as process:
            processors = processor_seconds(process)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        seconds[row] = json.loads((out / "seconds.json").read_text())
        left = {name: (out / name).read_bytes() for name in TABLES}
        left |= {str(path.relative_to(cache)): path.read_bytes() for path in cache.rglob("*.safetensors")}
        wanted = wanted or left
        same = "yes" if left == wanted else "NO"
        print(
            f"| {row} | {seconds[row]['pass']:.1f} | {seconds[row]['trainings']:.1f} | "
            f"{' | '.join(f'{processors[whose]:.1f}' for whose in WHOSE)} | {len(killed)} | {same} |",
            flush=True,
        )
    if {"cluster of one core", "cluster of two cores"} - set(rows):
        return
    one, two = (seconds[f"cluster of {count}"] for count in ("one core", "two cores"))
    ratios = {name: one[name] / two[name] for name in one}
    print(f"\ntwo cores against one: pass {ratios['pass']:.2f}, trainings {ratios['trainings']:.2f}")


@contextlib.contextmanager
def killing(name: str) -> Iterator[list[int]]:
    """Kill the first process of that name that is seen; none for no name."""
    killed: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set() and not killed:
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    if place.read_bytes().startswith(name.encode()):
                        os.kill(int(place.parent.name), signal.SIGKILL)
                        killed.append(int(place.parent.name))
                        break
            time.sleep(0.01)

    thread = threading.Thread(target=watch, daemon=True)
    if name:
        thread.start()
    yield killed
    stop.set()
    if name:
        thread.join()


def processor_seconds(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Wait for a command, and return the seconds of processors that it, its workers and the rest of Ray took."""
    #: Of each process at the last look: whose it is, and its seconds.
    seen: dict[int, tuple[str, float]] = {}
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
                seen[each.pid] = (whose(each, process.pid), sum(each.cpu_times()[:2]))
        time.sleep(0.2)
    return {word: sum(seconds for of, seconds in seen.values() if of == word) for word in WHOSE}


def whose(process: psutil.Process, command: int) -> str:
    """Return whose a process is, one of `WHOSE`; Ray names a worker by what it does."""
    name = " ".join(process.cmdline())
    working = name.startswith("ray::") and "Agent" not in name
    return "command's" if process.pid == command else "workers'" if working else "Ray's"


class Stopwatch:
    """Shows nothing, and keeps how long the pass and the trainings took.

    Attributes
    ----------
    seconds : dict of str to float
        ``pass`` and ``trainings``.
    """

    def __init__(self) -> None:
        self.seconds = {"pass": 0.0, "trainings": 0.0}

    @contextlib.contextmanager
    def task(self, description: str, total: int, unit: str) -> Iterator[object]:
        """See `layerscope.study.progress.Progress`."""
        del total, unit
        started = time.perf_counter()
        yield lambda count, seconds=0.0: None  # noqa: ARG005
        for word, name in (
            ("encoding", "pass"),
            ("training", "trainings"),
            ("shuffled", "trainings"),
            ("resampling", "trainings"),
        ):
            self.seconds[name] += (time.perf_counter() - started) * description.startswith(word)


def run_study(clips: Path, out: Path, ray: str | None) -> None:
    """Run the study in this process."""
    from layerscope.study.options import make_plan
    from layerscope.study.run import run

    options = {"data": clips, "model": ["toy-muq"], "baseline": ["mfcc"], "probe": ["mlp", "linear", "closed"]}
    watch = Stopwatch()
    run(make_plan({**options, "seeds": 2, "ray": ray}, "benchmark"), out, progress=watch)  # type: ignore[arg-type]
    (out / "seconds.json").write_text(json.dumps(watch.seconds))


if __name__ == "__main__":
    main()
