"""What of the benchmark is held to real lists, and what the study of fourteen tasks costs.

`python -m benchmarks.tasks` prints, for each task, which published lists and annotations its reader was run on (they
lie in `../shared/data/upstream`, without audio), the clips counted and the labels read; `python -m benchmarks.tasks
cost` what complete copies would cost, from their published sizes, by the estimates of `layerscope check`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from layerscope.data.dataset import Dataset
from layerscope.data.label_tables import ASIDE, clip_table, read_row
from layerscope.encoders import Encoder, load_encoder
from layerscope.errors import DataError
from layerscope.features.encoder_pass import Pass
from layerscope.report.paper_tables import as_markdown
from layerscope.study import probing_cost
from layerscope.study.clip_trial import Trial
from layerscope.study.cost import task_check
from layerscope.study.options import make_plan
from layerscope.study.probed_shapes import Shapes, shape_of, study_before
from layerscope.study.study_tasks import StudyTask, passes_of
from layerscope.study.workplace import HERE
from layerscope.tasks import PAPER_TASKS, TASKS, Task

SHARED = Path(os.environ.get("LAYERSCOPE_SHARED", Path(__file__).parents[2] / "shared"))
#: Where a data set's lists belong in its directory → where they lie in the reference data.
LISTS = {
    "GTZAN": {
        **{f"{name}_filtered.txt": f"upstream/gtzan_lists/{name}_filtered.txt" for name in ("train", "valid", "test")},
        "gtzan_tempo_beat-main": "upstream/gtzan_tempo_beat",
    },
    "Harmonix": {"dataset": "upstream/harmonixset"},
}
#: Data set → why no list of it is there.
ABSENT = {
    "GS": "tables on the hub; the published keys, 604 to test and 1,159 to train on, were read",
    "EMO": "tables on the hub; MARBLE's example record was read",
    "NSynth": "39 GB; published names of notes, some of which share an instrument, were read",
    "VocalSet": "lists missing upstream; published names without a singer, and the doubled one, were read",
    "MTT": "table with the audio; the published identifiers of the three damaged clips were read",
    "MTG": "large; a record of each list of moods was read",
    "HookTheory": "gated; MARBLE's example records were read",
    "Chords1217": "gated; MARBLE's example record was read",
}

#: Seconds that two cores take for a second of sound: 200 seconds in 40.5 (docs/benchmarks.md, what one pass saves).
TWO_CORES = 40.5 / 200
#: Floating-point operations of MuQ or MusicFM for a second of sound: 25 frames through 3.3e8 weights, and the
#: convolutions before them (3 x 3 kernels of 512 channels at 64 x 50 and, three times, 32 x 25 places), two a weight.
OPERATIONS = 2 * (25 * 3.3e8 + 9 * 512 * 512 * (64 * 50 + 3 * 32 * 25))
#: What a GPU of 2020 to 2023 sustains in float32, of 19.5e12 to 67e12 on paper: not measured here.
SUSTAINED = 10e12
#: Data set → clips and seconds of each: published counts and lengths; Harmonix by its table of songs, MTG-Jamendo by
#: its 508 GiB of MP3 at 320 kbit/s, VocalSet by its 10.1 hours in 3,613 recordings.
SIZES = {
    "GTZAN": (929, 30.0), "GS": (7_035, 30.0), "EMO": (744, 45.0), "NSynth": (305_979, 4.0), "VocalSet": (3_613, 10.06),
    "MTT": (25_860, 29.1), "MTG": (55_525, 245.5), "Harmonix": (912, 221.7),
}  # fmt: skip
#: Classes, tags or values of each target.
WIDTHS = {
    "gtzan-genre": 10, "nsynth-pitch": 112, "nsynth-instrument": 11, "vocalset-singer": 20, "vocalset-technique": 10,
    "mtt": 50, "mtg-genre": 87, "mtg-instrument": 40, "mtg-mood": 56, "mtg-top50": 50,
}  # fmt: skip


def main() -> None:
    """Print one of the tables."""
    if sys.argv[1:2] == ["cost"]:
        encoder = load_encoder("random:muq")
        # One by one, since each takes minutes.
        for name in sys.argv[2:] or PAPER_TASKS:
            print(as_markdown(pd.DataFrame([costs(TASKS[name], encoder)])), flush=True)
        return
    print(as_markdown(pd.DataFrame([read(task) for task in TASKS.values()]).fillna("")))


def read(task: Task) -> dict[str, str]:
    """Return what a task's reader makes of its real lists, in both presets."""
    row = {"task": task.name, "expected": counted(task.expected) or "none published"}
    places = {place: SHARED / "data" / source for place, source in LISTS.get(task.folder, {}).items()}
    if not places or not all(source.exists() for source in places.values()):
        return {**row, "real lists": f"absent: {ABSENT.get(task.folder, 'no reference data')}"}
    with tempfile.TemporaryDirectory() as root:
        directory = Path(root) / task.folder
        directory.mkdir()
        for place, source in places.items():
            (directory / place).symlink_to(source)
        for preset in ("paper", "robust"):
            records = task.read_records(directory, preset)
            used = [record for record in records if ASIDE not in record]
            row |= {"real lists": f"{len(records)} records", "found": counted(Counter(one["split"] for one in used))}
            row |= {"set aside": str(len(records) - len(used)), preset: labels_read(task, used)}
    return row


def counted(counts: Any) -> str:
    """Return counts of splits in words."""
    return ", ".join(f"{name} {counts[name]:,}" for name in ("train", "valid", "test") if name in counts)


def labels_read(task: Task, records: list[dict[str, Any]]) -> str:
    """Return how many of the records' labels are read, as they would be were their audio there."""
    dataset = Dataset(task.name, clip_table([read_row(record, task.name) for record in records]))
    try:
        return f"{len(task.with_readable_labels(dataset).clips):,} of {len(records):,} labels"
    except DataError as error:
        return f"none of {len(records):,} labels ({error})"


def costs(task: Task, encoder: Encoder) -> dict[str, str]:
    """Return what one encoder costs on a complete copy, in preset paper."""
    copy = StudyTask(task.name, Dataset(task.name, made_clips(task)), task.target, task.kind, task, published=True)
    hours = float(copy.dataset.clips.clip_seconds.sum()) / 3600
    (window,) = {window for _, window in passes_of(encoder, [copy])}
    stored = Pass(encoder, window, copy.over_time).stored_bytes(copy.dataset.clips)
    plan = make_plan({"task": [task.name], "preset": "paper", "model": ["random:muq"], "baseline": []}, "benchmark")
    # Processor time: other programs may run beside.
    probing_cost.seconds_of = processor_seconds
    study = study_before(copy, plan, HERE)
    shapes = Shapes(study, [shape_of(encoder, study)])
    probing_cost.probing_seconds(shapes, 2)  # the first trainings pay for what later ones find ready
    check = task_check(Trial(copy, 0, 0), shapes, 2)
    return {
        "task": task.name,
        "hours of sound": f"{hours:,.0f}",
        "encoding, two cores, h": f"{hours * TWO_CORES:,.0f}",
        "encoding, one GPU, h": f"{hours * OPERATIONS / SUSTAINED:,.2f}",
        "features, GB": f"{stored / 1e9:,.1f}",
        "trainings": str(check.trainings),
        "training, two cores, h": f"{check.probe_minutes / 60:,.1f}",
    }


def processor_seconds(work: Callable[[], object]) -> float:
    """Return the processor time that something takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def made_clips(task: Task) -> pd.DataFrame:
    """Return a table of as many clips as a complete copy has, of their length, with labels drawn at random."""
    random = np.random.default_rng(0)
    count, seconds = SIZES[task.folder]
    shares = task.expected or {"train": 0.48 * count, "valid": 0.32 * count, "test": 0.2 * count}
    split = [name for name, size in shares.items() for _ in range(round(size))]
    clips = pd.DataFrame({"clip": [str(number) for number in range(len(split))], "split": split})
    labels = made_labels(task, len(clips), seconds, random)
    columns = task.target.split(",")
    for place, column in enumerate(columns):
        clips[column] = [label[place] for label in labels] if len(columns) > 1 else labels
    clips["group"] = clips["clip"]
    return clips.assign(path=clips["clip"], start=0.0, end=np.nan, clip_key=clips["clip"], clip_seconds=seconds)


def made_labels(task: Task, count: int, seconds: float, random: np.random.Generator) -> list[Any]:
    """Return labels of a task's kind."""
    times = np.arange(0.0, seconds, 0.5).tolist()
    if task.kind == "beats":
        return [{"beat": times, "downbeat": times[::4]}] * count
    if task.kind == "segments":
        return [[[start, start + 15.0, name] for start, name in zip(times[::30], "abcdefg" * 9, strict=False)]] * count
    if task.kind == "values":
        return random.normal(size=(count, 2)).tolist()
    if task.kind == "key":
        return [f"{'ABCDEFG'[number % 7]} {('major', 'minor')[number % 2]}" for number in range(count)]
    names = [f"name {number:03d}" for number in range(WIDTHS[task.name])]
    if task.kind == "tags":
        return [[*random.choice(names, 3, replace=False)] for _ in range(count)]
    return random.choice(names, count).tolist()


if __name__ == "__main__":
    main()
