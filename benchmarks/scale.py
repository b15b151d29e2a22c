"""A study of the size of MTG-Jamendo's genre task, made up: `python -m benchmarks.scale --fraction 1/16`.

55,000 clips of 9,000 artists in 450,000 windows, 87 tags, 13 layers: of 1024 columns the first, the middle and the
last one, of 256 the others, which keeps the store within 11 GB of disk. No sound is decoded: each clip is a file of
half a second for the survey to look at, and its states are made, and written into the store, from its tags and noise.
Each stage has a process of its own: its seconds, those of the processor (of its workers too), and the peak of its
memory, at each fraction of the clips.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import pickle
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from rich.console import Console
from rich.table import Table

from layerscope.data.dataset import Dataset
from layerscope.data.leaks import group_codes
from layerscope.features.clip_features import Features
from layerscope.features.store import ClipEntry, FeatureStore
from layerscope.probes.fitting import Job
from layerscope.probes.inputs import Input
from layerscope.probes.jobs_side_by_side import run_jobs
from layerscope.scores.evaluation import evaluations, score_outcome
from layerscope.study.job_scores import Study
from layerscope.study.options import Call
from layerscope.study.run import results_of
from layerscope.study.run_task import divide, probe_features
from layerscope.study.study_results import Results
from layerscope.study.study_tasks import StudyTask, refuse_leaks
from layerscope.study.workplace import Workplace

CLIPS, WINDOWS, ARTISTS, TAGS = 55_000, 450_000, 9_000, 87
WIDTHS = tuple(1024 if layer in (0, 6, 12) else 256 for layer in range(13))
#: Tags that a clip has, on average.
TAGS_A_CLIP = 2.5
#: Of clips with a song's four minutes two make a shard.
SHARD = 2
#: Gigabytes that states may take while they are probed.
MEMORY = 4.0
#: Stages that take longest; below 1/16 the linear probe works in double precision.
TRAININGS = ("linear_layer", "closed_concat")
#: Whose seconds and memory are counted.
OURS = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def main() -> None:
    """Run every stage at every fraction, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fraction", action="append", type=Fraction, help="of the clips; 1/16, 1/4 and 1 by default")
    parser.add_argument("--directory", type=Path, help="where files are made; a temporary one by default")
    parser.add_argument("--leave-out", nargs="+", default=[], choices=TRAININGS, help="trainings that are not done")
    asked = parser.parse_args()
    stages = [stage for stage in STAGES if stage.__name__ not in asked.leave_out]
    fractions = asked.fraction or [Fraction(1, 16), Fraction(1, 4), Fraction(1)]
    console = Console(width=120)
    console.print(f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%d %B %Y')}")
    table = Table(title="seconds, seconds of a processor, and peak memory in GB")
    table.add_column("stage")
    columns = []
    for fraction in fractions:
        table.add_column(f"{round(CLIPS * fraction):,} clips", justify="right")
        with tempfile.TemporaryDirectory(dir=asked.directory) as directory:
            keep(Path(directory), "fraction", float(fraction))
            columns.append([alone(stage, Path(directory), console) for stage in stages])
    for stage, *cells in zip(stages, *columns, strict=True):
        table.add_row((stage.__doc__ or "").rstrip("."), *("{:,.0f}, {:,.0f}, {:.1f}".format(*cell) for cell in cells))
    console.print(table)


def alone(stage: Callable[[Path], None], directory: Path, console: Console) -> tuple[float, float, float]:
    """Return the seconds of a stage, those of the processor, and the peak of a process's memory in gigabytes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        measured = pool.apply(measure, (stage, directory))
    console.print("{}: {:.1f} s, {:.1f} of a processor, {:.2f} GB".format(stage.__name__, *measured), style="dim")
    return measured


def measure(stage: Callable[[Path], None], directory: Path) -> tuple[float, float, float]:
    """Run a stage in this process."""
    # Less what this process has imported before.
    started, imported = time.perf_counter(), processor_seconds()
    stage(directory)
    seconds, processor = time.perf_counter() - started, processor_seconds() - imported
    return seconds, processor, max(resource.getrusage(who).ru_maxrss for who in OURS) / 1e6


def processor_seconds() -> float:
    """Return the seconds that processors have worked for this process and for its workers that have ended."""
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, OURS))


def make_clips(directory: Path) -> None:
    """Make files and table (of no study)."""
    random, fraction = np.random.default_rng(0), kept(directory, "fraction")
    count = round(CLIPS * fraction)
    (directory / "audio").mkdir()
    for clip in range(count):
        # Noise, so that no two are one sound.
        soundfile.write(directory / "audio" / f"{clip}.wav", random.integers(-99, 99, 4000).astype(np.int16), 8000)
    artists = random.integers(round(ARTISTS * fraction), size=count)
    # By artist, three in five to train as in the published split.
    split = np.array(["train"] * 3 + ["valid", "test"])[artists % 5]
    # Some tags are common and most are rare.
    shares = TAGS_A_CLIP * (shares := 1 / (10 + np.arange(TAGS))) / shares.sum()
    tags = random.random((count, TAGS)) < shares
    cells = ["|".join(f"genre{tag:02}" for tag in np.flatnonzero(row)) or "genre00" for row in tags]
    table = {"path": [f"audio/{clip}.wav" for clip in range(count)], "split": split, "group": artists, "genre": cells}
    pd.DataFrame(table).to_csv(directory / "clips.csv", index=False)


def survey(directory: Path) -> None:
    """Survey and plan: table, files, labels, leaks."""
    dataset = Dataset.load(directory / "clips.csv").survey()
    task = StudyTask("genre", dataset.with_target("genre"), "genre")
    refuse_leaks(task.dataset.clips, allow=False)
    keep(directory, "task", task)


def store_states(directory: Path) -> None:
    """Write the store (made states: no encoder runs)."""
    task, random = kept(directory, "task"), np.random.default_rng(1)
    store, labels = store_of(directory), task.labels()
    directions = {
        layer: random.normal(size=(labels.values.shape[1], width)).astype(np.float32)
        for layer, width in enumerate(WIDTHS)
    }
    windows = np.diff(np.linspace(0, WINDOWS * kept(directory, "fraction"), len(labels.values) + 1).astype(int))
    for first in range(0, len(labels.values), SHARD):
        clips = slice(first, first + SHARD)
        owners = np.repeat(labels.values[clips], windows[clips], axis=0)
        states = {
            f"pooled.{layer}": owners @ directions[layer] * 0.2
            + random.standard_normal((len(owners), width), np.float32)
            for layer, width in enumerate(WIDTHS)
        }
        keys = task.dataset.clips.clip_key[clips]
        store.write(states, [
            ClipEntry(key, int(count), 30.0 * int(count), key, length=0)
            for key, count in zip(keys, windows[clips], strict=True)
        ])  # fmt: skip


def split(directory: Path) -> None:
    """Open the store, and split."""
    task = kept(directory, "task")
    store = store_of(directory)
    task = task.with_sounds(store, {})
    refuse_leaks(task.dataset.clips, allow=False)
    features, study = divide(task, [store], Call(target="genre", probe=["closed"]))
    keep(directory, "divided", (features[0], study.target, study.clips))


def closed_layer(directory: Path) -> None:
    """Train the closed form on a layer of 1024."""
    train(directory, "closed", Input("layer", 6))


def linear_layer(directory: Path) -> None:
    """Train the linear probe on a layer of 1024."""
    train(directory, "linear", Input("layer", 6))


def closed_concat(directory: Path) -> None:
    """Train the closed form on all layers side by side."""
    train(directory, "closed", Input("concat"))


def resample(directory: Path) -> None:
    """Resample one outcome, both metrics."""
    _, target, clips = kept(directory, "divided")
    splits = evaluations(target.labels, target.parts, group_codes(clips), 0)
    score_outcome({}, kept(directory, "outcome"), splits, [0])


def task_scores(directory: Path) -> None:
    """Run a task of one layer: closed form, shuffled labels, resampling."""
    features, target, clips = kept(directory, "divided")
    asked, task = Call(target="genre", probe=["closed"]), kept(directory, "task")
    study = Study(task, target.labels, clips, target, asked, Workplace(keep=directory / "probes"))
    scores = probe_features(study, [one_layer(features)])
    more = {"leaks": [], "skipped": 0, "evidence": task.evidence, "near_duplicates": [], "disputed": []}
    scores.facts.update(more | {"published": False, "shared": "", "short": ""})
    keep(directory, "results", results_of([scores], {}, asked))


def page(directory: Path) -> None:
    """Write tables and page."""
    results: Results = kept(directory, "results")
    results.save(directory)
    results.to_html(directory / "report.html")


STAGES = (
    make_clips, survey, store_states, split, closed_layer, linear_layer, closed_concat, resample, task_scores, page,
)  # fmt: skip


def store_of(directory: Path) -> FeatureStore:
    """Return the store."""
    description = {
        "encoder": "made", "fingerprint": "made", "layers": list(range(len(WIDTHS))), "widths": list(WIDTHS),
        "official": [str(layer) for layer in range(len(WIDTHS))], "baseline": False, "untrained": False,
        "window_seconds": 30.0, "frames_per_second": None, "pooling": "mean",
    }  # fmt: skip
    return FeatureStore(directory / "store", description)


def one_layer(features: Features) -> Features:
    """Return the features of a layer of 1024 alone."""
    return Features(
        features.model, (6,), features.clips, features.window_clip, lambda _: features.read(6), "mean", "six", (1024,),
        official=("6",), network="made",
    )  # fmt: skip


def train(directory: Path, probe: str, chosen: Input) -> None:
    """Train one job in this process."""
    features, target, _ = kept(directory, "divided")
    (outcome,) = run_jobs([Job(features, chosen, probe)], target, [0], workers=1, memory=MEMORY)
    keep(directory, "outcome", outcome)


def keep(directory: Path, name: str, value: Any) -> None:
    """Keep what a later stage needs."""
    import cloudpickle

    (directory / f"{name}.pickle").write_bytes(cloudpickle.dumps(value))


def kept(directory: Path, name: str) -> Any:
    """Return what an earlier stage has kept."""
    return pickle.loads((directory / f"{name}.pickle").read_bytes())


if __name__ == "__main__":
    main()
