"""Commands that are begun together, on one cache or on one directory, and a demo that is killed and begun again."""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from conftest import write_tone
from layerscope.errors import ResourceError
from layerscope.scores.score_table import Results
from layerscope.study.compare import compare as study_compare
from layerscope.study.options import Comparison

DEMO = """
import sys
from pathlib import Path
from layerscope.errors import LayerscopeError
from layerscope.study.demo import TARGETS, demo

TARGETS["pieces"] = ["mode", "metre"]
try:
    demo(Path(sys.argv[1]), models=[], notes=60, pieces=20)
except LayerscopeError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""
RUN = ["--baseline", "mel", "--model", "random:small", "--probe", "closed", "--seeds", "1"]


def start(cache, *call):
    """Start Python with these words and that cache, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, *map(str, call)],
        env=os.environ | {"LAYERSCOPE_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process):
    """Return how a process ended and what it said."""
    said = process.communicate(timeout=300)[1]
    return process.returncode, said


def compare(data, out, cache):
    call = ["-m", "layerscope", "compare", "--data", data, "--model", "random:small", "--out", out]
    return start(cache, *call)


def demo(out, cache):
    return start(cache, "-c", DEMO, out)


def unfinished(directory):
    return list(directory.rglob(".unfinished-*"))


def ends_as_one(processes):
    """Hold that one of two ended well, and the other too, or because of the first."""
    (code, said), (other, also) = sorted(map(end, processes))
    assert code == 0, said
    assert other == 0 or (other == ResourceError.exit_code and "is in use by another run" in also), also


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    place = tmp_path_factory.mktemp("tones")
    for number in range(24):
        write_tone(place / ["low", "high"][number % 2] / f"{number}.wav", 200 + 50 * number, seed=number)
    return place


@pytest.mark.slow
def test_three_comparisons_at_once_on_one_cache_and_two_directories_leave_what_one_leaves(tones, tmp_path):
    together, other, same = (compare(tones, tmp_path / name, tmp_path / "cache") for name in ("a", "b", "a"))
    ends_as_one([together, same])
    code, said = end(other)
    assert code == 0, said
    alone = study_compare(Comparison(data=str(tones), model=["random:small"]), tmp_path / "alone").table
    for name in "ab":
        table = pd.read_csv(tmp_path / name / "similarity.csv")
        assert table.measure.tolist() == alone.measure.tolist()
        # A clip encoded alone and in a batch differ by the rounding of float32.
        np.testing.assert_allclose(table.value, alone.value.astype(float), atol=1e-4)
    assert not unfinished(tmp_path)


@pytest.mark.slow
def test_a_demo_keeps_its_directory_while_it_runs_and_continues_when_killed(tmp_path):
    first = demo(tmp_path / "demo", tmp_path / "cache")
    # Not rglob, which raises where a directory is gone before it is listed.
    while not any(name.endswith(".safetensors") for _, _, names in os.walk(tmp_path) for name in names):
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    code, said = end(demo(tmp_path / "demo", tmp_path / "cache"))
    assert (code, "is in use by another run" in said) == (ResourceError.exit_code, True), said
    os.killpg(first.pid, signal.SIGKILL)
    assert end(first)[0] == -signal.SIGKILL, "the demo ended before it was killed"
    code, said = end(demo(tmp_path / "demo", tmp_path / "cache"))
    assert code == 0, said
    assert Results.read(tmp_path / "demo").tasks[-2:] == ["pieces-mode", "pieces-metre"]
    assert not unfinished(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is an extra: pip install 'layerscope[ray]'")
def test_two_runs_each_with_workers_of_its_own_share_a_cache(tones, tmp_path):
    def run(out, *more):
        return start(tmp_path / "cache", "-m", "layerscope", "run", "--data", tones, *RUN, "--out", out, *more)

    outs = [tmp_path / "a", tmp_path / "b"]
    for code, said in map(end, [run(out, "--ray", "local") for out in outs]):
        assert code == 0, said
    assert end(run(tmp_path / "alone"))[0] == 0
    for name in ("results.csv", "splits.csv"):
        expected = (tmp_path / "alone" / name).read_bytes()
        assert [(out / name).read_bytes() == expected for out in outs] == [True, True]
    assert not unfinished(tmp_path)
