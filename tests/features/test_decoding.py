import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import psutil
import pytest
import soundfile

from layerscope.errors import AudioError, ResourceError
from layerscope.features.decoding import Ahead, ClipDecoder, Decoded, decoders
from layerscope.features.windows import Cutting

RATE = 24_000
NONE = pd.DataFrame({"path": [], "start": [], "end": [], "clip_seconds": []})


def clips(lengths):
    """Return clips of lengths in seconds, named by their numbers."""
    return pd.DataFrame(
        {"path": [str(number) for number in range(len(lengths))], "start": 0.0, "end": np.nan, "clip_seconds": lengths}
    )


def shards_of(rows, size):
    return [(NONE, rows.iloc[first : first + size]) for first in range(0, len(rows), size)]


def taken(ahead):
    """Return what comes, in order: the path, or the reason why there is nothing."""
    return [str(future.exception() or future.result().sound) for _, _, futures in ahead for future in futures]


class Counting:
    """Decodes nothing, and counts."""

    def __init__(self, lengths):
        self.lengths, self.lock = lengths, threading.Lock()
        self.begun, self.taken, self.most = 0.0, 0.0, 0.0

    def decode(self, path, start, end):  # noqa: ARG002
        with self.lock:
            self.begun += self.lengths[int(path)]
            self.most = max(self.most, self.begun - self.taken)
        # The later the clip the quicker, so that order is not kept by chance.
        time.sleep(0.02 / (1 + int(path)))
        if int(path) % 7 == 3:
            raise AudioError(f"{path} is damaged")
        return Decoded([], [], path, 0.0)


def test_clips_come_in_order_whatever_is_ready_first_and_one_that_fails_fails_alone():
    counting, rows = Counting([1.0] * 40), clips([1.0] * 40)
    with decoders(4, processes=False) as executor:
        found = taken(Ahead(shards_of(rows, 6), counting.decode, executor, 20.0))
    assert found == [f"{number} is damaged" if number % 7 == 3 else str(number) for number in range(40)]


def test_no_more_is_decoded_ahead_than_the_bound_and_a_clip():
    lengths = [5.0, 1.0, 1.0, 30.0, 2.0, 2.0, 2.0, 40.0, 1.0, 1.0] * 3
    counting = Counting(lengths)
    with decoders(4, processes=False) as executor:
        ahead = Ahead(shards_of(clips(lengths), 3), counting.decode, executor, 12.0)
        number = 0
        for _, _, futures in ahead:
            for future in futures:
                assert future.exception() or future.result()
                with counting.lock:
                    counting.taken += lengths[number]
                number += 1
                # An encoder that is slower than the decoding, so that this runs as far ahead as it may.
                time.sleep(0.01)
    assert number == len(lengths)
    assert 30.0 < counting.most <= 12.0 + 40.0


def test_decoding_goes_on_beyond_a_shard_and_past_one_that_needs_none():
    counting, rows = Counting([1.0] * 6), clips([1.0] * 6)
    shards = [(NONE, rows.iloc[:2]), (rows, rows.iloc[:0]), (NONE, rows.iloc[2:])]
    with decoders(1, processes=False) as executor:
        ahead = iter(Ahead(shards, counting.decode, executor, 100.0))
        next(ahead)
        deadline = time.monotonic() + 10
        while counting.begun < 6 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert counting.begun == 6


def interrupted_after_two_shards(shards, counting):
    with decoders(2, processes=False) as executor:
        for number, _ in enumerate(Ahead(shards, counting.decode, executor, 150.0)):
            if number == 1:
                raise KeyboardInterrupt


def test_an_interrupt_ends_the_decoding():
    counting, rows = Counting([1.0] * 200), clips([1.0] * 200)
    with pytest.raises(KeyboardInterrupt):
        interrupted_after_two_shards(shards_of(rows, 4), counting)
    begun = counting.begun
    assert begun < 150
    time.sleep(0.05)
    assert counting.begun == begun


@pytest.fixture
def sounds(tmp_path):
    """Write three files, the second of which is no sound."""
    random = np.random.default_rng(0)
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.wav", random.normal(0, 0.1, (44_100, 2)), 44_100)
    (tmp_path / "1.wav").write_text("no sound")
    rows = clips([1.0] * 3)
    return rows.assign(path=[str(tmp_path / f"{number}.wav") for number in range(3)])


def test_processes_decode_the_same_as_threads_without_torch_and_end(sounds):
    decode = ClipDecoder("mel", RATE, 100, Cutting(0.5)).decode
    left = {}
    for processes in (False, True):
        with decoders(2, processes=processes) as executor:
            (futures,) = (list(members) for _, _, members in Ahead([(NONE, sounds)], decode, executor, 9.0))
            assert "1.wav: not decodable" in str(futures[1].exception())
            left[processes] = [np.stack(futures[number].result().windows) for number in (0, 2)]
            if processes:
                assert not executor.submit(eval, "{'torch', 'pandas'} & set(__import__('sys').modules)").result()
                workers = [worker.pid for worker in executor.pool._processes.values()]
    np.testing.assert_array_equal(left[False], left[True])
    assert len(workers) == 2
    assert not any(psutil.pid_exists(worker) for worker in workers)


@pytest.mark.parametrize("noticed", [False, True])
def test_a_process_that_the_system_ends_is_named(sounds, noticed):
    def decode_after_a_kill():
        with decoders(1, processes=True) as executor:
            os.kill(executor.submit(os.getpid).result(), signal.SIGKILL)
            # What is submitted after the kill was noticed is refused at once, what was submitted before ends with it.
            time.sleep(0.5 * noticed)
            for _, _, futures in Ahead([(NONE, sounds)], decode, executor, 9.0):
                next(futures).result()

    decode = ClipDecoder("mel", RATE, 100, Cutting(0.5)).decode
    # Not that the command continues: `predict` begins again.
    with pytest.raises(
        ResourceError, match=r"a process that decodes was ended from outside.*; give the same command again"
    ):
        decode_after_a_kill()
