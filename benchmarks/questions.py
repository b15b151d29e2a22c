"""What each further question costs beside the plain run: `python -m benchmarks.questions [--only QUESTION ...]`.

One made study (120 pieces of 2 s, toy-muq, MFCC, closed-form probe) as it is, then with each question added alone, in
turn, each with an empty cache. One process works, so that its processor time is all there is: passes of the model over
clips, clips encoded, minutes of sound that its network heard (what `compare` changes is heard without a pass), minutes
of the processor and on the clock, and both as multiples of the plain run. Beside them stands what is told before,
measured on the processor's clock: by `check`, of `compare` what is to be encoded, of `concepts` what it says itself.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import torch

from layerscope.encoders.encoder import LayeredEncoder
from layerscope.features.encoder_pass import Pass
from layerscope.report.paper_tables import as_markdown
from layerscope.study.compare import compare
from layerscope.study.concepts import run_battery
from layerscope.study.cost import check
from layerscope.study.option_base import checked
from layerscope.study.options import Battery, Comparison, Plan, make_plan
from layerscope.study.run import run
from layerscope.toymusic import write_pieces

MODEL, CLIPS, SECONDS = "toy-muq", 120, 2.0
#: What is added to the plain run.
ADDED: dict[str, dict[str, Any]] = {
    "plain": {},
    "sets of layers": {"layers_as": ["0+1", "mean"]},
    "search": {"layers_as": ["search"]},
    "beyond plain": {"beyond_plain": True},
    "few labels": {"few_labels": "closed"},
    "knn": {"probe": ["closed", "knn"]},
    "attention": {"probe": ["closed", "attention"]},
    "pooling": {"pooling": ["mean", "moments", "max"]},
    "deform noise": {"deform": ["noise:20"]},
}
#: What is asked without the plain run.
ALONE = ("compare", "compare --reach", "concepts")


@dataclass
class Heard:
    """What the model was given."""

    passes: int = 0
    clips: int = 0
    minutes: float = 0.0


@contextmanager
def listening() -> Iterator[Heard]:
    """Count what the model hears meanwhile; plain features and descriptors are not counted."""
    heard = Heard()
    extract, layer_states = Pass.extract, LayeredEncoder.layer_states

    def counted(self: Pass, *given: Any, **how: Any) -> Any:
        extraction = extract(self, *given, **how)
        if isinstance(self.encoder, LayeredEncoder):
            heard.passes += bool(extraction.encoded)
            heard.clips += extraction.encoded
        return extraction

    def listened(self: LayeredEncoder, waveforms: Any) -> Any:
        heard.minutes += waveforms.numel() / self.sample_rate / 60
        return layer_states(self, waveforms)

    with patch.object(Pass, "extract", counted), patch.object(LayeredEncoder, "layer_states", listened):
        yield heard


def plan_of(name: str, table: Path) -> Plan:
    """Return the study that asks a question, and of what is asked without one that which `check` is given for it."""
    plain = ["mfcc"] if name in ADDED else []
    given = {"data": table, "target": ["mode"], "model": [MODEL], "baseline": plain, "probe": ["closed"]}
    return make_plan({**given, **ADDED.get(name, {})}, "benchmark")


def told(name: str, table: Path) -> tuple[int, float]:
    """Return the model's passes and all minutes that `check` tells of a question."""
    found = check(plan_of(name, table), 1, reach="reach" in name)
    passes = sum(cost.passes for cost in (*found.costs, *found.deformed) if cost.model.startswith(MODEL))
    encoding = sum(cost.minutes for cost in (*found.costs, *found.deformed)) + sum(found.reach.values())
    if name not in ADDED:
        return passes, encoding
    return passes, encoding + sum(task.probe_minutes + task.few_label_minutes for task in found.tasks)


def asked_of(name: str, table: Path, out: Path, say: Callable[[str], object]) -> Callable[[], object]:
    """Return what asks a question."""
    if name in ADDED:
        plan = plan_of(name, table)
        return lambda: run(plan, out)
    if name == "concepts":
        return lambda: run_battery(Battery(model=[MODEL], no_twins=True), out, say=say)
    comparison = checked(Comparison, {"data": table, "model": [MODEL], "reach": "reach" in name}, "benchmark")
    return lambda: compare(comparison, out)


def measured(name: str, table: Path, place: Path) -> dict[str, Any]:
    """Ask a question with an empty cache; return what that was told to take, and took."""
    said: list[str] = []
    ask = asked_of(name, table, place / "out", said.append)
    # What is told before is timed on the processor's clock: others that are at work do not change that.
    timed = patch("time.perf_counter", time.process_time)
    with patch.dict(os.environ, LAYERSCOPE_CACHE=str(place / "cache")), timed:
        told_passes, told_minutes = (0, 0.0) if name == "concepts" else told(name, table)
        with listening() as heard:
            started = time.monotonic(), time.process_time()
            ask()
            wall, processor = (now - before for now, before in zip(
                (time.monotonic(), time.process_time()), started, strict=True))  # fmt: skip
    if name == "concepts":
        told_passes, told_minutes = len(said), sum(float(re.findall(r"about ([\d.]+) min", line)[0]) for line in said)
    return {
        "question": name if name in ALONE or name == "plain" else f"plain + {name}",
        "passes told": told_passes, "passes": heard.passes, "clips encoded": heard.clips,
        "min heard": round(heard.minutes, 1), "told min": f"{told_minutes:.2f}",
        "told / took": f"{60 * told_minutes / processor:.2f}",
        "processor min": processor / 60, "wall min": wall / 60,
    }  # fmt: skip


def main() -> None:
    """Measure in turn, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.questions", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=[*ADDED, *ALONE], default=[*ADDED, *ALONE], metavar="QUESTION")
    parser.add_argument("--clips", type=int, default=CLIPS)
    asked = parser.parse_args()
    os.environ["LOKY_MAX_CPU_COUNT"] = "1"
    print(f"{platform.machine()}, one core, torch {torch.__version__}, {time.strftime('%d %B %Y')}\n", flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as place:
        table = write_pieces(Path(place) / "pieces", asked.clips, 0, SECONDS)
        # What is loaded and compiled once is paid for before.
        measured("plain", write_pieces(Path(place) / "few", 60, 0, SECONDS), Path(place) / "before")
        for name in dict.fromkeys(["plain", *asked.only]):
            rows.append(measured(name, table, Path(place) / name.replace(" ", "-")))
    measures = pd.DataFrame(rows)
    for what in ("processor", "wall"):
        measures[f"{what} ×"] = (measures[f"{what} min"] / measures[f"{what} min"].iloc[0]).map("{:.2f}".format)
        measures[f"{what} min"] = measures[f"{what} min"].map("{:.2f}".format)
    print(as_markdown(measures))


if __name__ == "__main__":
    main()
