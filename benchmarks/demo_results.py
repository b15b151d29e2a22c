"""What the small encoders are worth: `python -m benchmarks.demo_results` writes `docs/demo-results.md`.

The demo's tasks, on more clips than the demo takes, so that intervals are narrower, from seeds that neither pretraining
nor any choice has used; and, as sound from elsewhere, real recordings of instruments and rendered pop songs, where
`LAYERSCOPE_SHARED` (or `../shared`) holds them.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from layerscope.report.conclusions import one_for_all
from layerscope.report.paper_tables import as_markdown
from layerscope.report.wording import difference, metric_name, number, span
from layerscope.scores.against_controls import twins_of
from layerscope.scores.layer_selection import best_plain, chosen_layer
from layerscope.scores.score_table import Results
from layerscope.study.demo import ENCODERS, SECONDS, Clock, demo
from layerscope.study.options import make_plan
from layerscope.study.run import run
from layerscope.toymusic.composed_dataset import REPORTED

SHARED = Path(os.environ.get("LAYERSCOPE_SHARED", Path(__file__).parents[2] / "shared")) / "data"
TRAINED = ENCODERS[:2]
#: Far from the demo's own, which were looked at while the demo was made.
FIRST_SEED = REPORTED + 30_000_000
NOTES, PIECES = 720, 720
COMPOSED = "Composed music"
INSTRUMENTS = "Real instruments (300 recordings, five folds)"
SONGS = "Pop songs (POP909, rendered; 40 test songs)"


def main() -> None:
    """Measure and write."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo-results")
    composed = demo(out / "composed", first_seed=FIRST_SEED, notes=NOTES, pieces=PIECES, stage=say)
    parts, clock = [Part(COMPOSED, composed)], Clock(say)
    models = list(ENCODERS)
    if (SHARED / "instruments").is_dir():
        asked = {"data": SHARED / "instruments", "model": models, "probe": ["closed"], "seeds": 1, "folds": 5}
        parts.append(Part(INSTRUMENTS, run(make_plan(asked, ""), out / "instruments")))
        clock("instruments")
    if (SHARED / "pop909").is_dir():
        targets = ["key", "tempo", "chords", "beats,downbeats", "segments"]
        asked = {
            "data": SHARED / "pop909" / "pop909.jsonl",
            "target": targets,
            "model": models,
            "probe": ["closed"],
            "seeds": 1,
        }
        parts.append(Part(SONGS, run(make_plan(asked, ""), out / "pop909")))
        clock("pop909")
    Path("docs/demo-results.md").write_text(page(parts), encoding="utf-8")
    for part in parts:
        part.results.to_html(out / f"{part.results.tasks[0]}.html")


def say(what: str, seconds: float) -> None:
    """Print a stage."""
    print(f"{seconds:7.1f} s  {what}", flush=True)


@dataclass(frozen=True)
class Part:
    """The results on one sort of sound."""

    title: str
    results: Results


def page(parts: list[Part]) -> str:
    """Return the document."""
    machine = f"{os.cpu_count()} cores ({platform.machine()}), torch {torch.__version__}, {time.strftime('%d %B %Y')}"
    text = f"""# What the small encoders are worth

`python -m benchmarks.demo_results`, on {machine}.

{NOTES} notes and {PIECES} pieces of {SECONDS:g} s from seeds that neither pretraining nor any choice has used: half to
train probes, 15 % to choose layers and penalties, the rest to test. For each model the layer that validation prefers,
its test score with a 95 % interval, and two paired differences: to the best layer of its untrained twin, and to the
best plain feature (mel, MFCC, chroma, CQT; by mean or moments, over time with half a second around each frame), each of
these chosen on validation as well. **Bold**: the interval is above 0; *slanted*: below. R² as it is, all else in
percent; an R² below 0 is worse than always answering the mean. Each comparison is by itself: the page of a run is
stricter, as it makes up for their number.
"""
    for title in sorted({COMPOSED, INSTRUMENTS, SONGS} - {part.title for part in parts}):
        text += f"\nNot measured here: {title}.\n"
    for part in parts:
        text += f"\n## {part.title}\n\n{as_markdown(table_of(part.results))}\n\n"
        text += "\n".join(f"- {line}" for line in verdicts(part.results)) + "\n"
    return text


def table_of(results: Results) -> pd.DataFrame:
    """Return a row a task and model."""
    rows = []
    for task in results.tasks:
        choice = best_plain(results, task)
        assert choice is not None
        plain, metric = choice.chosen, results.primary(task)
        rows += [row_of(results, task, model, plain) for model in TRAINED]
        rows[-2] |= {"task": results.title(task), "metric": metric_name(metric),
                     "best plain feature": f"{plain.model} ({plain.input}) {number(metric, plain.value)}"}  # fmt: skip
    columns = [
        "task",
        "metric",
        "best plain feature",
        "model",
        "layer",
        "score",
        "over its twin",
        "over the plain feature",
    ]
    return pd.DataFrame(rows, columns=columns).fillna("")


def row_of(results: Results, task: str, model: str, plain: pd.Series) -> dict[str, object]:
    """Return what is said of one model on one task."""
    choice, control = chosen_layer(results, task, model), chosen_layer(results, task, twin_of(results, model))
    assert choice is not None
    assert control is not None
    layer = choice.chosen
    return {
        "model": model,
        "layer": int(layer.layer),
        "score": f"{number(layer.metric, layer.value)} {span(layer.metric, layer.ci_low, layer.ci_high)}",
        "over its twin": marked(results, layer, control.chosen),
        "over the plain feature": marked(results, layer, plain),
    }


def twin_of(results: Results, model: str) -> str:
    """Return the untrained network that is a model's control; both encoders share one."""
    return twins_of(results, results.models("trained", "untrained"))[model]


def marked(results: Results, ours: pd.Series, other: pd.Series) -> str:
    """Return a paired difference, marked by its verdict."""
    gap = results.compare(ours.name, other.name)
    text = difference(str(ours.metric), gap).rpartition(", ")[0].replace(" points", "")
    return {"better": f"**{text}**", "worse": f"*{text}*", "not told apart": text}[gap.verdict]


def verdicts(results: Results) -> list[str]:
    """Return the counts, and whether tasks want different layers."""
    told = []
    for model in TRAINED:
        counts = {"its untrained twin": 0, "the best plain feature": 0}
        for task in results.tasks:
            choice, twin = chosen_layer(results, task, model), chosen_layer(results, task, twin_of(results, model))
            assert choice is not None
            for name, other in zip(counts, (twin, best_plain(results, task)), strict=True):
                assert other is not None
                counts[name] += results.compare(choice.chosen.name, other.chosen.name).verdict == "better"
        beaten = " and ".join(f"{name} on {count}" for name, count in counts.items())
        told.append(f"{model} beats {beaten} of {len(results.tasks)} tasks.")
        if len(results.tasks) > 1:
            told.append(f"{model}: {one_for_all(results, model, results.tasks)}")
    return told


if __name__ == "__main__":
    main()
