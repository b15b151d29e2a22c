"""A store that is visited again: by two processes at once, after a kill, after a failure, after damage."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from conftest import write_tone
from layerscope.data.dataset import Dataset
from layerscope.encoders import load_encoder
from layerscope.errors import ResourceError
from layerscope.features import encoder_pass

#: Two clips a shard, so that there are many to be killed between.
CLIPS, SECONDS, SHARD_SECONDS = 40, 1.5, 3.0
PASS = f"""
import sys
from pathlib import Path
from layerscope.data.dataset import Dataset
from layerscope.encoders import load_encoder
from layerscope.features import encoder_pass

encoder_pass.SHARD_SECONDS = {SHARD_SECONDS}
one_pass = encoder_pass.Pass(load_encoder("random:small", device="cpu"), 1.0, frames=sys.argv[3] == "frames")
clips = Dataset.from_folder(sys.argv[1]).survey().clips
print("ready", flush=True)
sys.stdin.readline()
one_pass.extract(clips, one_pass.store(Path(sys.argv[2])))
"""


def start(data, cache, what):
    """Return a process that waits for a line before it takes the encoder over the clips."""
    call = [sys.executable, "-c", PASS, str(data), str(cache), what]
    process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def begin(*processes):
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def end(process):
    """Return how a process that has begun ended."""
    process.communicate(timeout=120)
    return process.returncode


def shards(cache):
    """Return the bytes of each shard that is there, by its name."""
    return {path.name: path.read_bytes() for path in cache.glob("features/*/*.safetensors")}


@pytest.mark.slow
@pytest.mark.parametrize(("what", "after"), [("summaries", 6), ("frames", 1)])
def test_two_processes_of_which_one_is_killed_leave_what_one_alone_leaves(tmp_path, what, after):
    for number in range(CLIPS):
        write_tone(tmp_path / "data" / "ab"[number % 2] / f"{number}.wav", 200 + 20 * number, SECONDS, seed=number)
    alone = start(tmp_path / "data", tmp_path / "alone", what)
    begin(alone)
    assert end(alone) == 0
    whole = shards(tmp_path / "alone")
    assert len(whole) == CLIPS / 2

    shared = tmp_path / "shared"
    killed, other = (start(tmp_path / "data", shared, what) for _ in range(2))
    begin(killed, other)
    while len(shards(shared)) < after:
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    assert end(killed) == -signal.SIGKILL, "the process ended before it was killed"
    assert len(shards(shared)) < len(whole), "all was done before the kill"
    assert end(other) == 0
    assert shards(shared) == whole

    again = start(tmp_path / "data", shared, what)
    begin(again)
    assert end(again) == 0
    assert shards(shared) == whole


@pytest.fixture
def visited(tmp_path, monkeypatch):
    """Return a pass, and a function that surveys the clips and takes the pass over them."""
    monkeypatch.setattr(encoder_pass, "SHARD_SECONDS", SHARD_SECONDS)
    for number in range(8):
        write_tone(tmp_path / "data" / "a" / f"{number}.wav", 200 + 150 * number, SECONDS, seed=number)
    return encoder_pass.Pass(load_encoder("random:small", device="cpu"), 1.0), tmp_path / "data"


def states_of(store, clips):
    return np.stack([store.clips([key]).pooled(4)[:].mean(axis=0) for key in clips.clip_key])


def read_all(store, keys):
    for layer, width in zip(store.description["layers"], store.description["widths"], strict=True):
        store.clips(keys).pooled(layer)
        list(store.read_sample(dict.fromkeys(keys, 10), layer, width))


def test_a_clip_that_could_not_be_read_at_first_has_its_own_states_later_and_so_have_all_others(visited, tmp_path):
    one_pass, data = visited
    clips = Dataset.from_folder(data).survey().clips
    alone = one_pass.store(tmp_path / "alone")
    one_pass.extract(clips, alone)
    expected = states_of(alone, clips)
    distances = np.linalg.norm(expected[:, None] - expected, axis=2)[~np.eye(len(clips), dtype=bool)]

    store = one_pass.store(tmp_path / "cache")
    (data / "a" / "2.wav").rename(tmp_path / "away.wav")
    assert list(one_pass.extract(clips, store).failed) == [clips.clip_key[2]]
    before = shards(tmp_path / "cache")
    (tmp_path / "away.wav").rename(data / "a" / "2.wav")
    retry = one_pass.extract(clips, one_pass.store(tmp_path / "cache"))
    assert (retry.encoded, retry.cached, retry.failed) == (1, 7, {})

    assert before.items() < shards(tmp_path / "cache").items()
    store.refresh()
    # One clip encoded alone and in a batch differ by the rounding of float32; two clips by far more.
    np.testing.assert_allclose(states_of(store, clips), expected, atol=1e-5)
    assert distances.min() > 1e-3


def test_states_of_a_file_that_is_written_anew_in_mid_run_are_not_kept_as_those_of_the_one_before(visited, tmp_path):
    one_pass, data = visited
    clips = Dataset.from_folder(data).survey().clips
    rewritten, content = data / "a" / "2.wav", (data / "a" / "2.wav").read_bytes()
    write_tone(rewritten, 3000, SECONDS)
    os.utime(data / "a" / "0.wav")  # the same bytes, written again
    failed = one_pass.extract(clips, one_pass.store(tmp_path / "cache")).failed
    assert failed == {clips.clip_key[2]: f"{rewritten}: was written anew while the command ran; run it again"}
    assert not one_pass.store(tmp_path / "cache").holds(clips.clip_key[2])
    rewritten.write_bytes(content)
    assert not one_pass.extract(clips, one_pass.store(tmp_path / "cache")).failed


def test_a_mended_file_is_another_clip_and_changes_no_other(visited, tmp_path):
    one_pass, data = visited
    content = (data / "a" / "2.wav").read_bytes()
    # A float file of which a sample is no number: that is seen when it is decoded.
    samples, rate = soundfile.read(data / "a" / "2.wav")
    samples[100] = np.nan
    soundfile.write(data / "a" / "2.wav", samples, rate, subtype="FLOAT")
    clips = Dataset.from_folder(data).survey().clips
    store = one_pass.store(tmp_path / "cache")
    assert list(one_pass.extract(clips, store).failed) == [clips.clip_key[2]]
    others = clips.drop(index=2)
    before = states_of(store, others)

    (data / "a" / "2.wav").write_bytes(content)
    mended = Dataset.from_folder(data).survey().clips
    assert (mended.clip_key != clips.clip_key).tolist() == [number == 2 for number in range(8)]
    assert one_pass.extract(mended, store).encoded == 1
    store.refresh()
    np.testing.assert_array_equal(states_of(store, others), before)


@pytest.mark.parametrize("number", [0, 2, 3])
def test_deleting_a_damaged_shard_as_the_message_advises_gives_the_same_bytes_again(visited, tmp_path, number):
    one_pass, data = visited
    clips = Dataset.from_folder(data).survey().clips
    store = one_pass.store(tmp_path / "cache")
    one_pass.extract(clips, store)
    before = shards(tmp_path / "cache")

    path = sorted(store.directory.glob("*.safetensors"))[number]
    content = bytearray(path.read_bytes())
    start_of_arrays = 8 + int.from_bytes(content[:8], "little")
    content[start_of_arrays + (len(content) - start_of_arrays) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ResourceError, match=rf"{path.name}: damaged .*; delete it and run the same command again"):
        read_all(store, list(clips.clip_key))

    path.unlink()
    retry = one_pass.extract(clips, one_pass.store(tmp_path / "cache"))
    assert (retry.encoded, retry.cached) == (2, 6)
    assert shards(tmp_path / "cache") == before


def test_all_shards_that_were_cut_short_are_named_at_once_and_deleting_them_gives_the_same_bytes_again(
    visited, tmp_path
):
    one_pass, data = visited
    clips = Dataset.from_folder(data).survey().clips
    store = one_pass.store(tmp_path / "cache")
    one_pass.extract(clips, store)
    before = shards(tmp_path / "cache")

    paths = sorted(store.directory.glob("*.safetensors"))
    cut = dict(zip(paths[1:], (100, 0, -4), strict=True))
    for path, length in cut.items():
        path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ResourceError) as refused:
        one_pass.store(tmp_path / "cache")
    lines = str(refused.value).split("\n")
    assert {line.partition(": damaged (")[0] for line in lines} == set(map(str, cut))
    assert all(line.endswith("; delete it and run the same command again") for line in lines)

    for path in cut:
        path.unlink()
    retry = one_pass.extract(clips, one_pass.store(tmp_path / "cache"))
    assert (retry.encoded, retry.cached) == (6, 2)
    assert shards(tmp_path / "cache") == before
