from threading import Event, Thread

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


def test_two_are_written_while_the_next_is_made_and_no_more(shards):
    store, shard = shards
    places = {name: shard(name) for name in "abcd"}
    begun, goes_on = {name: Event() for name in places}, {name: Event() for name in places}

    def held(name, arrays):
        def made():
            begun[name].set()
            assert goes_on[name].wait(10)
            return arrays()

        return made

    for name, each in places.items():
        each.arrays = held(name, each.arrays)
    with ShardWriter(store) as writer:
        for name in "ab":
            writer.add(places[name])
            assert begun[name].wait(10)
        third = Thread(target=writer.add, args=(places["c"],))
        third.start()
        # The second may end before the first, which is waited for.
        goes_on["b"].set()
        third.join(0.2)
        assert third.is_alive()
        assert not begun["c"].is_set()
        goes_on["a"].set()
        third.join(10)
        assert store.holds("a")
        assert begun["c"].wait(10)
        goes_on["c"].set()
        goes_on["d"].set()
        writer.add(places["d"])
    assert all(map(store.holds, "abcd"))


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
