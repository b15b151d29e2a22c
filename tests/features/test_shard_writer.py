from threading import Event

import numpy as np
import pytest

from layerscope.atomic_files import cache_directory
from layerscope.encoders import load_encoder
from layerscope.errors import ModelError
from layerscope.features.encoder_pass import Pass
from layerscope.features.shard_writer import Shard, ShardWriter
from layerscope.features.store import ClipEntry


@pytest.fixture
def shards():
    one_pass = Pass(load_encoder("random:small"), 30.0)

    def shard(name, value=0.1):
        clip = one_pass.assembly([(0.0, 0.2)], name, np.zeros(0, np.int64))
        one_pass.encode([clip], [[np.full(4800, 0.1, np.float32)]], lambda _: None)
        clip.states.pooled[3].fill_(value)
        return Shard([clip], [ClipEntry(name, 0, 0.2, name, 5)])

    return one_pass.store(cache_directory()), shard


def test_one_is_written_while_the_next_is_made_and_no_more_than_one_waits(shards):
    store, shard = shards
    first, second, third = (shard(name) for name in "abc")
    begun, goes_on = Event(), Event()

    def arrays():
        begun.set()
        assert goes_on.wait(10)
        return written

    written, first.arrays = first.arrays(), arrays
    with ShardWriter(store) as writer:
        writer.add(first)
        assert begun.wait(10)
        assert not store.holds("a")
        goes_on.set()
        writer.add(second)
        assert store.holds("a")
        writer.add(third)
        assert store.holds("b")
    assert store.holds("c")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ModelError])
def test_what_was_encoded_is_kept_whatever_comes(shards, error):
    store, shard = shards

    def stop():
        with ShardWriter(store) as writer:
            writer.add(shard("a"))
            raise error

    with pytest.raises(error):
        stop()
    assert store.holds("a")


def test_a_shard_that_is_not_finite_is_not_written(shards):
    store, shard = shards

    def write():
        with ShardWriter(store) as writer:
            for name, value in (("a", 0.1), ("b", float("nan")), ("c", 0.1)):
                writer.add(shard(name, value))

    with pytest.raises(ModelError, match="layer 3 is not finite for clip 'b'"):
        write()
    assert store.holds("a")
    assert not store.holds("b")
    assert not store.holds("c")
