"""What one pass saves: `python -m benchmarks.sweep`.

Two questions, each answered by measuring both sides in this process, one after the other:

1. A full sweep (every layer, all inputs, the grid, five seeds) against (a) an encoder inside the training loop, which
   runs again for every layer and epoch, and (b) cached features with a loop over scikit-learn.
   (a) is not run to its end, which would take days: one of its epochs is measured and multiplied by the epochs that
   the sweep counts.
2. The pass itself, decoding, cutting, pooling and writing included, against the bare forward passes of the same model
   on waveforms that lie in memory already.

The model is MuQ at full size with random weights: speed does not depend on what the weights are.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from rich.console import Console
from rich.table import Table
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from layerscope.data.audio import load
from layerscope.data.dataset import Dataset
from layerscope.data.splits import Part, assign, parts_of
from layerscope.encoders import Encoder, load_encoder
from layerscope.features.batches import BATCH_SECONDS
from layerscope.features.clip_features import Features
from layerscope.features.encoder_pass import Pass
from layerscope.features.stored_features import stored_features
from layerscope.probes import PROBES, Problem, assemble, mlp
from layerscope.probes.fitting import Target, plan_jobs
from layerscope.probes.jobs_side_by_side import run_jobs
from layerscope.probes.linear import PENALTIES
from layerscope.targets import Labels
from layerscope.tasks.task import Schedule
from layerscope.toymusic.composer import compose_note
from layerscope.toymusic.synthesizer import render

SEEDS = 5
CLIPS = 120
REPEATS = 3


def main() -> None:
    """Measure and print."""
    console = Console(width=120)
    console.print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, "
                  f"{time.strftime('%d %B %Y')}")  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        encoder = load_encoder("random:muq")
        console.print(overhead(encoder, Path(directory) / "long"))
        console.print(sweep(encoder, Path(directory) / "short"))
    console.print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def write_clips(directory: Path, count: int, seconds: float, rate: int) -> Path:
    """Write stereo FLAC files of notes, a folder an instrument, and return the folder."""
    for number in range(count):
        note = compose_note(number, 1.5)
        one = np.resize(render(note), int(seconds * rate))
        path = directory / note.instrument / f"{number}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.stack([one, 0.9 * one], axis=1), rate)
    return directory


def overhead(encoder: Encoder, directory: Path) -> Table:
    """Compare the pass over 20 clips of 10 s with the bare forward passes, medians of several, alternating."""
    clips = Dataset.from_folder(write_clips(directory, 20, 10.0, 44_100)).survey().clips
    waveforms = torch.from_numpy(np.stack([load(Path(path), encoder.sample_rate) for path in clips.path]))
    batch = int(BATCH_SECONDS / 10)

    @torch.inference_mode()
    def bare() -> None:
        for part in waveforms.split(batch):
            for _ in encoder.model.states(part, encoder.layers[-1]):
                pass

    def whole(repeat: int) -> None:
        store = Pass(encoder, encoder.window).store(directory / f"cache-{repeat}")
        Pass(encoder, encoder.window).extract(clips, store)

    bare()
    times = [(timed(bare), timed(lambda repeat=repeat: whole(repeat))) for repeat in range(REPEATS)]
    forward, complete = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(second / first for first, second in times)
    table = Table(title=f"one pass over 20 clips of 10 s, 44.1 kHz stereo FLAC, medians of {REPEATS}", box=None)
    for column in ("", "seconds", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("bare forward passes", f"{forward:.1f}", "1.00")
    table.add_row("decode, cut, encode, pool, write", f"{complete:.1f}", f"{ratio:.2f}")
    return table


def sweep(encoder: Encoder, directory: Path) -> Table:
    """Compare a full sweep with the two usual ways."""
    dataset = Dataset.from_folder(write_clips(directory, CLIPS, 1.5, 24_000)).survey()
    store = Pass(encoder, encoder.window).store(directory / "cache")
    one_pass = timed(lambda: Pass(encoder, encoder.window).extract(dataset.clips, store))
    features, labels = stored_features(store, dataset.clips), dataset.labels("label")
    parts = parts_of(assign(dataset.clips, labels, 0))
    jobs, target = plan_jobs([features], ["mlp", "linear", "closed"]), Target(labels, parts)
    probing = timed(lambda: run_jobs(jobs, target, range(SEEDS)))
    epochs = count_epochs(features, labels, parts[0])
    comparable = [job for job in jobs if job.probe != "closed" and not job.chosen.name.startswith("weighted")]
    ours = timed(lambda: run_jobs(comparable, target, range(SEEDS)))
    theirs = timed(lambda: scikit_learn_loop(features, labels, parts[0]))
    total = one_pass + probing
    table = Table(
        title=f"full sweep: 13 layers, {len(jobs)} inputs and probes, grid, {SEEDS} seeds, {CLIPS} clips", box=None
    )
    for column in ("", "encoder passes", "seconds", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("layerscope", "1", f"{total:.0f}", "1")
    inside = epochs * one_pass
    table.add_row("(a) encoder in the loop*", f"{epochs:,}", f"{inside:,.0f}", f"{inside / total:,.0f}")
    table.add_row("mlp and linear, layers and concat: layerscope", "0", f"{ours:.0f}", "1")
    table.add_row("(b) the same by scikit-learn", "0", f"{theirs:.0f}", f"{theirs / ours:.1f}")
    table.caption = f"* one pass measured ({one_pass:.1f} s), times the epochs that the sweep's mlps took"
    return table


def count_epochs(features: Features, labels: Labels, part: Part) -> int:
    """Return how many epochs the mlps of a sweep take in all, counted as they train."""
    count, run_epoch = 0, mlp.run_epoch

    def counting(*arguments: object) -> None:
        nonlocal count
        count += 1
        run_epoch(*arguments)  # type: ignore[arg-type]

    mlp.run_epoch = counting
    torch.set_num_threads(1)
    for job in plan_jobs([features], ["mlp"]):
        states = assemble(features, job.chosen)
        PROBES["mlp"](Problem(states, features.window_clip, labels, part.train, part.valid, part.test), range(SEEDS))
    torch.set_num_threads(os.cpu_count() or 1)
    mlp.run_epoch = run_epoch
    return count


def scikit_learn_loop(features: Features, labels: Labels, part: Part) -> None:
    """Do what a careful user does by hand: scale, search the grid, repeat the seeds, layer by layer."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    for job in plan_jobs([features], ["mlp"]):
        if job.chosen.name.startswith("weighted"):
            continue
        problem = Problem(
            assemble(features, job.chosen), features.window_clip, labels, part.train, part.valid, part.test
        )
        states, targets = problem.standardised(), labels.values
        scores = {}
        for rate in mlp.LEARNING_RATES:
            scores[rate] = train_mlp(states, targets, part, rate, seed=0)
        best = max(scores, key=scores.__getitem__)
        for seed in range(1, SEEDS):
            train_mlp(states, targets, part, best, seed)
        for penalty in PENALTIES:
            strength = 1 / (penalty * len(part.train))
            model = LogisticRegression(C=strength, max_iter=5000, tol=1e-6).fit(states[part.train], targets[part.train])
            model.score(states[part.valid], targets[part.valid])


def train_mlp(states: np.ndarray, targets: np.ndarray, part: Part, rate: float, seed: int) -> float:
    """Train scikit-learn's network epoch by epoch, watching validation, with the patience of the mlp probe."""
    model = MLPClassifier((mlp.HIDDEN,), batch_size=mlp.BATCH, learning_rate_init=rate, alpha=0.0, random_state=seed)
    best, best_epoch, classes, schedule = -1.0, 0, np.unique(targets), Schedule()
    for epoch in range(schedule.epochs):
        model.partial_fit(states[part.train], targets[part.train], classes=classes)
        value = model.score(states[part.valid], targets[part.valid])
        if value > best:
            best, best_epoch = value, epoch
        elif epoch - best_epoch >= schedule.stop_after:
            break
    return best


if __name__ == "__main__":
    main()
