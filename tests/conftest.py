"""What all tests share: where the reference data lie, a cache of their own, and small data sets."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock
import numpy as np
import pytest
import soundfile
import torch
from problems import CLIPS

# Tests run side by side: threads and workers of one would stand in the way of the other.
torch.set_num_threads(1)
os.environ.update({"OMP_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "1"})
# What is expected was computed on CPUs; tests of a GPU run where this says which (`CUDA_VISIBLE_DEVICES=0 pytest …`).
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
#: For what is a test of workers.
TWO_WORKERS = {"LOKY_MAX_CPU_COUNT": "2"}

#: What is set where a study shows what studies do, not how well probes learn: two of the mlp's six rates, and one of
#: five permutations of the labels; each takes as long as the training that is looked at.
TWO_RATES = ("layerscope.probes.mlp.LEARNING_RATES", (1e-3, 1e-2))
ONE_PERMUTATION = ("layerscope.study.controls.PERMUTATIONS", 1)
#: What `linear_study` asks for beside its data.
LINEAR_STUDY = {"model": ["random:small"], "baseline": ["mfcc"], "probe": ["linear"], "seeds": 1}

SHARED = Path(os.environ.get("LAYERSCOPE_SHARED", Path(__file__).parents[2] / "shared"))


def needed(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"reference data are absent: {path}")
    return path


@pytest.fixture(scope="session")
def golden() -> Path:
    """Small checkpoints in the official layouts, with the hidden states that the official code computes."""
    return needed(SHARED / "golden")


@pytest.fixture(scope="session")
def hostile() -> Path:
    """Audio files that a user will sooner or later feed the program."""
    return needed(SHARED / "data" / "hostile")


@pytest.fixture(scope="session")
def instruments() -> Path:
    """300 recordings of ten instruments, a folder each."""
    return needed(SHARED / "data" / "instruments")


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """One to three tracks of real data sets, in the layout that mirdata expects."""
    return needed(SHARED / "data" / "fixtures")


@pytest.fixture(scope="session")
def pop909() -> Path:
    """The table of 160 songs with key, chords, beats and sections."""
    return needed(SHARED / "data" / "pop909" / "pop909.jsonl")


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Places for the caches of tests, numbered here: pytest would list all that there are for the next number."""
    place = tmp_path_factory.mktemp("caches")
    return (place / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_cache(caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    (cache := next(caches)).mkdir()
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(cache))


def write_tone(path: Path, frequency: float, seconds: float = 0.4, rate: int = 24_000, seed: int = 0) -> Path:
    """Write a tone under a little noise."""
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.02, len(time))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * frequency * time) + noise, rate)
    return path


def write_tones(directory: Path) -> Path:
    """Write 15 low tones and 15 high ones, a folder each, and return where these folders are."""
    for number in range(15):
        write_tone(directory / "tones" / "low" / f"{number}.wav", 200 + 10 * number, seed=number)
        write_tone(directory / "tones" / "high" / f"{number}.wav", 800 + 40 * number, seed=100 + number)
    return directory / "tones"


@pytest.fixture(scope="session")
def linear_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with a study of tones by linear probes in `run`: many seconds, so that all workers share one."""
    from layerscope.study.options import make_plan
    from layerscope.study.run import run

    own = tmp_path_factory.getbasetemp()
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "linear-study"
    with filelock.FileLock(f"{place}.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERSCOPE_CACHE", str(place / "cache"))
        patch.setattr(*ONE_PERMUTATION)
        if not (place / "run" / "report.html").exists():
            run(make_plan(LINEAR_STUDY | {"data": write_tones(place)}, "test"), place / "run", command=["a", "test"])
    return place


@pytest.fixture(scope="session")
def written_tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `tones` copies, which is quicker than to write it."""
    return write_tones(tmp_path_factory.mktemp("written"))


@pytest.fixture
def tones(written_tones: Path, tmp_path: Path) -> Path:
    """A folder of two classes, low and high, 15 tones each."""
    return Path(shutil.copytree(written_tones, tmp_path / "tones"))


@pytest.fixture
def features():
    """Three layers, of which the middle one tells three classes apart."""
    from layerscope.features.clip_features import Features

    random = np.random.default_rng(0)
    classes = np.arange(CLIPS) % 3
    states = random.normal(size=(CLIPS, 3, 5))
    states[:, 1] += classes[:, None]
    return Features.from_arrays(states, [f"c{name}" for name in classes])


@pytest.fixture
def parts(features):
    from layerscope.data.splits import assign, parts_of

    return parts_of(assign(features.clips, features.labels, 0))
