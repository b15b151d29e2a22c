"""A run killed at any moment continues where it was and ends as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from conftest import TWO_WORKERS, write_tone

KILLS = 5
#: Those that end in a second or two; the others have hundreds of changes on disk.
EACH = [word for name in ("export", "predict", "data", "report", "pretrain") for word in ("--each", name)]


def start(data, out, cache):
    options = ["--model", "random:small", "--baseline", "mfcc", "--probe", "mlp", "--probe", "closed", "--seeds", "2"]
    options += ["--layers", "0-1"]
    call = [sys.executable, "-m", "layerscope", "run", "--data", str(data), *options, "--out", str(out)]
    environment = {**os.environ, **TWO_WORKERS, "LAYERSCOPE_CACHE": str(cache)}
    # A session of its own, so that a kill takes the workers along as a power cut would.
    return subprocess.Popen(call, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)


def finished(out, cache):
    # `os.walk` passes over a directory that is gone when it gets there; here files land while it looks.
    found = [name for place in (cache, out / "probes") for _, _, names in os.walk(place) for name in names]
    return sum(name.endswith(".safetensors") for name in found)


def contents(out, cache):
    names = ("results.csv", "summary.csv", "skipped.csv", "tables/overview.csv", "figures/layers-mlp.png")
    features = {path.relative_to(cache): path.read_bytes() for path in cache.rglob("*.safetensors")}
    outcomes = {path.name: path.read_bytes() for path in (out / "probes").glob("*.safetensors")}
    # The header of the draws counts what was decoded and what was found, which a kill does change.
    draws = load_file(out / "draws.safetensors")["draws"].tobytes()
    return features, outcomes, draws, {name: (out / name).read_bytes() for name in names}


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a whole study of real songs, or of one that is killed again and again
def test_five_kills_leave_no_trace(tmp_path):
    for number in range(48):
        write_tone(tmp_path / "data" / "ab"[number % 2] / f"{number}.wav", 200 + 20 * number, seconds=25, seed=number)
    assert start(tmp_path / "data", tmp_path / "whole", tmp_path / "whole-cache").wait(timeout=300) == 0
    whole = contents(tmp_path / "whole", tmp_path / "whole-cache")
    shards, outcomes = len(whole[0]), len(whole[1])
    assert shards >= 8

    moments = random.Random(0)
    # Two while features land, three while probes are trained; each a random while after the file that sets it off.
    after = sorted([*moments.sample(range(shards), 2), *moments.sample(range(shards, shards + outcomes), KILLS - 2)])
    out, cache = tmp_path / "killed", tmp_path / "killed-cache"
    for count in after:
        process = start(tmp_path / "data", out, cache)
        while finished(out, cache) < count and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        assert process.poll() is None, "the run ended before it was killed"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert start(tmp_path / "data", out, cache).wait(timeout=300) == 0
    assert contents(out, cache) == whole
    assert not list(cache.rglob(".unfinished-*"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("asked", [["7", "--jobs", "2", *EACH], ["7", "--terminate"]])
def test_every_command_that_is_killed_and_repeated_leaves_what_it_leaves_undisturbed(asked):
    call = [sys.executable, "-m", "benchmarks.kills", *asked]
    done = subprocess.run(call, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
