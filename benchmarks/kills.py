"""Kill every command at random moments, repeat it, and hold what it leaves against what an undisturbed one left.

    python -m benchmarks.kills 200 --seed 0
    python -m benchmarks.kills --each run --each compare --each pretrain --jobs 2

Half of the kills come after a random while, half right before a random change on disk: a file opened for writing,
named, linked or removed, a directory made or removed. With `--each` a command is repeated from what is on disk before
every one of its changes in turn, and after the last: that is copied while it runs, since a kill leaves nothing else.
The table says, for each command, how many kills hit it while it worked, how many results (exit codes, every file of its
directory, the cache among them) differed from the undisturbed ones, and how many unfinished files are left.

Commands are forked from this process, which has loaded what they need: a kill while libraries load would hit no file.
Where `LOKY_MAX_CPU_COUNT` is more than 1, probes are trained by workers, which are killed with their command.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file

from layerscope.cli.entry_point import main as layerscope
from layerscope.cli.interrupts import INTERRUPTED
from layerscope.data.label_tables import Record
from layerscope.encoders import load_encoder
from layerscope.errors import UsageError
from layerscope.similarity.descriptors import DESCRIPTORS, descriptor
from layerscope.tasks import register
from layerscope.tasks.task import Archive, Preset, Source, Task
from layerscope.toymusic.composed_dataset import write_notes

__all__ = ["COMMANDS", "STUDY", "Stage"]

STUDY = ["--target", "instrument", "--probe", "closed", "--seeds", "1"]
SIZES = {"dim": 32, "depth": 1, "heads": 2, "feedforward": 64}
RECIPE = {"steps": 3, "batch": 1, "seconds": 0.9, "family": "musicfm", **SIZES}
#: A command → what is typed behind its name.
COMMANDS = {
    "run": ["--data", "{notes}", *STUDY, "--model", "random:small", "--baseline", "mfcc", "--out", "run"],
    "compare": ["--data", "{notes}", "--model", "random:small", "--out", "compare"],
    "export": ["{place}/run", "--insist", "--out", "use"],
    "predict": ["{place}/use", "{place}/notes", "--out", "answers/a.csv"],
    "pretrain": ["--data", "{place}/notes", "--recipe", "{place}/recipe.json", "--out", "trained"],
    "data": ["composed-notes", "--root", "sets", "--download"],
    "report": ["{place}/run", "{place}/run", "--out", "both"],
}
#: What a command loads when it begins.
LOADED = ("study.run", "study.compare", "study.export", "pretrain", "predictor.answer_files", "report.page",
          "tasks.copy_check", "tasks.fetch", "encoders.exported_encoder", "encoders.conformer")  # fmt: skip
#: Audit events of changes on disk; of `open`, those that write.
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}
#: What tells how long something took, or how much of it was there already: a kill changes that.
TOLD = {"provenance.json", "log.jsonl", "checkpoint.safetensors", "report.html", "similarity.json", ".lock"}
#: Bytes of the archive that are sent at once, and seconds between two such pieces: so that kills hit the download.
PIECE, PAUSE = 1 << 14, 0.02


@dataclass
class Visited:
    """What became of the kills of a command."""

    kills: int = 0
    too_late: int = 0
    differences: int = 0
    leftovers: int = 0


class RangeHandler(BaseHTTPRequestHandler):
    """Serves the files of `root`, from the byte on that is asked for."""

    root: Path

    def do_GET(self) -> None:
        """Answer a request."""
        content = (self.root / self.path.strip("/")).read_bytes()
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if first >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(content) - first))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        for place in range(first, len(content), PIECE):
            self.wfile.write(content[place : place + PIECE])
            time.sleep(PAUSE)

    def handle(self) -> None:
        """Serve, and mind no client that was killed."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def load_libraries() -> None:
    """Load and compile what commands need, so that those that are forked begin with their work."""
    torch.set_num_threads(1)
    for name in LOADED:
        importlib.import_module(f"layerscope.{name}")
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (1, 24_000)).astype(np.float32))
    # The first optimizer loads a compiler.
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    for encoder in (load_encoder("mfcc"), *map(descriptor, DESCRIPTORS)):
        encoder.encode(noise)


def listed_notes(directory: Path, preset: Preset) -> list[Record]:
    """Return the notes of an unpacked archive."""
    del preset
    lines = (directory / "notes.jsonl").read_text().splitlines()
    return [{"path": row["audio_path"], "label": row["instrument"], "split": "train"} for row in map(json.loads, lines)]


class Stage:
    """A place with data, an archive that is served, and what every command leaves there undisturbed.

    Parameters
    ----------
    place : Path
        Empty.
    commands : mapping
        A command → what is typed behind its name.
    """

    def __init__(self, place: Path, commands: Mapping[str, Sequence[str]] = COMMANDS) -> None:
        self.place, self.commands = place, commands
        load_libraries()
        notes = write_notes(place / "notes", count=24, first_seed=0, seconds=1.0)
        (place / "recipe.json").write_text(json.dumps(RECIPE))
        with zipfile.ZipFile(place / "notes.zip", "w") as archive:
            for path in sorted((place / "notes").rglob("*.*")):
                archive.write(path, path.relative_to(place / "notes"))
        self.words = {"place": str(place), "notes": str(notes)}
        RangeHandler.root = place
        server = ThreadingHTTPServer(("127.0.0.1", 0), RangeHandler)
        # In a process of its own: threads do not survive a fork.
        self.server = multiprocessing.get_context("fork").Process(target=server.serve_forever, daemon=True)
        self.server.start()
        server.server_close()
        address = f"http://127.0.0.1:{server.server_port}/notes.zip"
        source = Source("here", "none", archives=(Archive(address),))
        register(Task("composed-notes", "Notes", "Notes", "label", "classes", source, read=listed_notes))
        self.whole: dict[str, dict[str, str]] = {}
        self.lasted: dict[str, float] = {}
        self.changes: dict[str, int] = {}

    def close(self) -> None:
        """End the server."""
        self.server.kill()
        self.server.join()

    def measure(self, command: str) -> None:
        """Run a command undisturbed, and keep what it leaves, how long it takes and how often it changes the disk."""
        if command in ("export", "predict", "report") and not (self.place / "use").exists():
            for earlier in ("run", "export"):
                assert ended(self.start(earlier, self.place)) == 0
        directory = self.place / f"whole-{command}"
        started = time.monotonic()
        changes = directory.with_suffix(".changes")
        code = ended(self.start(command, directory, lambda number: changes.write_text(str(number))))
        self.lasted[command] = time.monotonic() - started
        log = directory.with_suffix(".log")
        assert code == 0, f"{command} ended with {code}: {log.read_text()}"
        self.changes[command] = int(changes.read_text())
        self.whole[command] = contents(directory)

    def start(self, command: str, directory: Path, before_change: Callable[[int], object] | None = None) -> int:
        """Fork a process that runs a command in a directory, and return its number.

        Parameters
        ----------
        command : str
            One of them.
        directory : Path
            Where it runs; its cache is there as well.
        before_change : callable, optional
            What it does before each of its changes on disk, given their number, from 1.
        """
        directory.mkdir(exist_ok=True)
        sys.stdout.flush()
        process = os.fork()
        if process:
            return process
        code = 1
        try:
            os.setsid()
            log = os.open(directory.with_suffix(".log"), os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.chdir(directory)
            os.environ["LAYERSCOPE_CACHE"] = str(directory / "cache")
            sys.argv = ["layerscope", command, *(word.format(**self.words) for word in self.commands[command])]
            if before_change:
                watch_changes(before_change)
            try:
                layerscope()
            except SystemExit as leaving:
                code = int(leaving.code or 0)
            except BaseException:
                traceback.print_exc()
                raise
        finally:
            os._exit(code)

    def outcome(self, command: str, directory: Path, code: int) -> tuple[list[str], list[str]]:
        """Return what a repeated command left that is not as it was undisturbed, and what is left unfinished."""
        now, before = contents(directory), self.whole[command]
        marks = [name for name in sorted({*now, *before}) if now.get(name) != before.get(name)]
        # A predictor that is there, whole, is not written again: the kill came after its last file.
        if code and (marks or (command, code) != ("export", UsageError.exit_code)):
            marks.append(f"exit {code}: {directory.with_suffix('.log').read_text()[-300:]}")
        return marks, [f"left: {path.relative_to(directory)}" for path in directory.rglob(".unfinished-*")]


def watch_changes(before_change: Callable[[int], object]) -> None:
    """From now on call a function before each of this process's changes on disk, with their number."""
    seen, within = 0, False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen, within
        if not within and (event in CHANGES or (event == "open" and writes(arguments))):
            seen += 1
            # What is done then changes the disk as well.
            within = True
            before_change(seen)
            within = False

    sys.addaudithook(hook)


def kill_at(change: int) -> Callable[[int], object]:
    """Return what kills a process and its workers before the change of that number."""

    def kill(number: int) -> None:
        if number == change:
            os.killpg(0, signal.SIGKILL)

    return kill


def writes(arguments: tuple[Any, ...]) -> bool:
    """Return whether a file is opened to be written."""
    path, _, flags = arguments
    return isinstance(path, (str, os.PathLike)) and bool(flags & (os.O_WRONLY | os.O_RDWR)) and "/dev" not in str(path)


def ended(process: int) -> int:
    """Wait for a process, and return how it ended."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def contents(directory: Path) -> dict[str, str]:
    """Return a digest of every file below a directory that a kill must not change."""
    digests = {}
    for path in sorted(directory.rglob("*")):
        unfinished = any(part.startswith(".unfinished-") for part in path.parts)
        if path.is_file() and path.name not in TOLD and not unfinished:
            # The header of the draws counts what was found in the cache.
            content = load_file(path)["draws"].tobytes() if path.name == "draws.safetensors" else path.read_bytes()
            digests[str(path.relative_to(directory))] = hashlib.sha256(content).hexdigest()
    return digests


#: A moment in words, whether the command still worked, and the directory with what it left.
Kill = tuple[str, bool, Path]


def random_kills(
    stage: Stage, kills: int, moments: random.Random, number: signal.Signals = signal.SIGKILL
) -> Iterator[tuple[str, Kill]]:
    """Yield which command was killed, and how.

    With another signal it is not killed, but asked to end, and no worker of its.
    """
    for count, command in enumerate(itertools.islice(itertools.cycle(COMMANDS), kills)):
        directory = stage.place / f"killed-{count}"
        if number is signal.SIGKILL and moments.random() < 0.5:
            change = moments.randint(1, stage.changes[command])
            process = stage.start(command, directory, kill_at(change))
            yield command, (f"before change {change}", ended(process) == -signal.SIGKILL, directory)
        else:
            seconds = moments.uniform(0, stage.lasted[command])
            process = stage.start(command, directory)
            time.sleep(seconds)
            # Its workers as well, as a power cut would; one that has not left our group yet is killed alone.
            try:
                (os.killpg if number is signal.SIGKILL else os.kill)(process, number)
            except ProcessLookupError:
                os.kill(process, number)
            in_time = ended(process) in (-signal.SIGKILL, -number, INTERRUPTED)
            yield command, (f"after {seconds:.2f} s", in_time, directory)


def kills_at_each_change(stage: Stage, command: str) -> Iterator[tuple[str, Kill]]:
    """Yield the same of every change that a command makes on disk, from copies of what was there before it."""
    directory, states = stage.place / f"again-{command}", stage.place / f"states-{command}"
    # With the times, by which the features' store knows the eldest.
    code = ended(stage.start(command, directory, lambda number: shutil.copytree(directory, states / f"{number}")))
    assert code == 0, f"{command} ended with {code}: {directory.with_suffix('.log').read_text()}"
    for number in range(1, 1 + len(list(states.iterdir()))):
        yield command, (f"before change {number}", True, states / f"{number}")
    yield command, ("after the last change", False, directory)


def count_outcomes(stage: Stage, kills: Iterator[tuple[str, Kill]], jobs: int) -> dict[str, Visited]:
    """Repeat what was killed, so many side by side, say how each ended, and count."""
    visits: dict[str, Visited] = {}
    running: dict[int, tuple[str, Kill]] = {}

    def count_one() -> None:
        process, status = os.wait()
        command, (moment, in_time, directory) = running.pop(process)
        marks, left = stage.outcome(command, directory, os.waitstatus_to_exitcode(status))
        visit = visits.setdefault(command, Visited())
        visit.kills += in_time
        visit.too_late += not in_time
        visit.differences += bool(marks)
        visit.leftovers += len(left)
        print(f"{command} {moment}: {', '.join([*marks, *left]) or 'the same'}", flush=True)
        shutil.rmtree(directory)

    for command, kill in kills:
        running[stage.start(command, kill[-1])] = (command, kill)
        if len(running) == jobs:
            count_one()
    while running:
        count_one()
    return visits


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kills", type=int, nargs="?", default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--terminate", action="store_true", help="Ask them to end (SIGTERM) in place of killing them.")
    parser.add_argument("--each", choices=COMMANDS, action="append", default=[], help="Before every change on disk.")
    parser.add_argument("--jobs", type=int, default=1, help="How many are repeated side by side.")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="layerscope-kills-") as name:
        stage = Stage(Path(name))
        try:
            for command in COMMANDS if asked.kills else asked.each:
                stage.measure(command)
                changes, seconds = stage.changes[command], stage.lasted[command]
                print(f"{command}: {changes} changes on disk in {seconds:.1f} s", flush=True)
            sent = signal.SIGTERM if asked.terminate else signal.SIGKILL
            # One after another, since each is killed while others would be waited for.
            visits = count_outcomes(stage, random_kills(stage, asked.kills, random.Random(asked.seed), sent), 1)
            for command in asked.each:
                visits |= count_outcomes(stage, kills_at_each_change(stage, command), asked.jobs)
        finally:
            stage.close()
    print("command    kills  too late  differences  leftovers")
    for command, visit in visits.items():
        print(f"{command:<9}{visit.kills:>7}{visit.too_late:>10}{visit.differences:>13}{visit.leftovers:>11}")
    sys.exit(any(visit.differences or visit.leftovers for visit in visits.values()))


if __name__ == "__main__":
    main()
