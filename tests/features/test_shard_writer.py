import numpy as np
import pytest
import torch

from layerscope.atomic_files import cache_directory
from layerscope.encoders import load_encoder
from layerscope.encoders.device import Arriving
from layerscope.errors import ModelError
from layerscope.features.encoder_pass import Pass
from layerscope.features.shard_writer import Shard, ShardWriter
from layerscope.features.store import ClipEntry


class Late(Arriving):
    """Tensors that are under way still, as those of a GPU are."""

    there = False


@pytest.fixture
def shards():
    one_pass = Pass(load_encoder("random:small"), 30.0)
    rows = [np.zeros(0, np.int64)]

    def shard(name, value=0.1):
        clips = one_pass.states_of({name: np.full(4800, 0.1, np.float32)})
        clips[0].pooled[3].fill_(value)
        return Shard(one_pass.encoder, clips, [ClipEntry(name, 0, 0.2, name, 5)], [name], rows)

    return one_pass.store(cache_directory()), shard


def late(shard):
    shard.arriving = Late({name: [*map(torch.from_numpy, parts)] for name, parts in shard.arriving.arrays().items()})
    return shard


def test_what_is_there_is_written_at_once_and_what_is_under_way_after_the_next_is_begun(shards):
    store, shard = shards
    with ShardWriter(store) as writer:
        writer.add(shard("a"))
        assert store.holds("a")
        writer.add(late(shard("b")))
        assert not store.holds("b")
        writer.add(late(shard("c")))
        assert store.holds("b")
        assert not store.holds("c")
    assert store.holds("c")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ModelError])
def test_what_was_encoded_is_kept_whatever_comes(shards, error):
    store, shard = shards

    def stop():
        with ShardWriter(store) as writer:
            writer.add(late(shard("a")))
            raise error

    with pytest.raises(error):
        stop()
    assert store.holds("a")


def test_a_shard_that_is_not_finite_is_not_written(shards):
    store, shard = shards
    with ShardWriter(store) as writer:
        writer.add(late(shard("a")))
        with pytest.raises(ModelError, match="layer 3 is not finite for clip 'b'"):
            writer.add(shard("b", float("nan")))
    assert store.holds("a")
    assert not store.holds("b")
