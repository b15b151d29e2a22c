from dataclasses import asdict

import numpy as np
import pytest

from layerscope.errors import ResourceError
from layerscope.features.store import ClipEntry, FeatureStore, shard_name

ABOUT = {"encoder": "x", "layers": [0, 3], "widths": [2, 4], "frames_per_second": None}


def entries(*counts, sampled=0):
    return [
        ClipEntry(f"key{number}", count, 1.5, f"sound{number}", length=37, sampled=sampled)
        for number, count in enumerate(counts)
    ]


def arrays(windows, sampled=0, clips=1, value=1.0):
    random = np.random.default_rng(0)
    return {
        **{f"pooled.{layer}": np.full((windows, width), value, np.float32) for layer, width in ((0, 2), (3, 4))},
        **{f"sample.{k}": random.normal(size=(sampled, width)).astype(np.float16) for k, width in ((0, 2), (3, 4))},
        "sample_frame": np.arange(sampled),
        "sample_scale": np.full((clips, 2), 2.0, np.float32),
        "steps": np.ones((clips, 2)),
    }  # fmt: skip


def test_what_is_written_is_read_back_layer_by_layer_whatever_its_width(tmp_path):
    pooled = {layer: np.arange(5.0 * width, dtype=np.float32).reshape(5, width) for layer, width in ((0, 2), (3, 4))}
    store = FeatureStore(tmp_path, ABOUT)
    store.write({f"pooled.{layer}": values for layer, values in pooled.items()}, entries(2, 1, 2))
    for opened in (store, FeatureStore(tmp_path, ABOUT)):
        for layer, values in pooled.items():
            np.testing.assert_array_equal(opened.clips(["key2", "key0"]).pooled(layer)[:], values[[3, 4, 0, 1]])
        assert opened.holds("key1")
        assert not opened.holds("other")
        assert opened.entry("key2") == ClipEntry("key2", 2, 1.5, "sound2", 37)


def test_frames_are_read_back_with_their_scale(tmp_path):
    random = np.random.default_rng(0)
    frames = {layer: random.normal(size=(9, width)).astype(np.float16) for layer, width in ((0, 2), (3, 4))}
    scale = np.array([[1.0, 1e6], [2.0, 1e-3]], np.float32)
    entries = [ClipEntry("a", 1, 1.0, "", 25, frames=4), ClipEntry("b", 2, 1.0, "", 25, frames=5)]
    store = FeatureStore(tmp_path, ABOUT)
    store.write({**{f"frames.{layer}": values for layer, values in frames.items()}, "scale": scale}, entries)
    read = FeatureStore(tmp_path, ABOUT).clips(["b", "a"]).kept_frames(3)
    np.testing.assert_allclose(read[5:], frames[3][:4].astype(np.float32) * np.float32(1e6))
    np.testing.assert_allclose(read[:5], frames[3][4:].astype(np.float32) * np.float32(1e-3))


def test_a_shard_of_another_store_is_not_taken_for_this_ones(tmp_path):
    for name in ("one", "other"):
        FeatureStore(tmp_path / name, ABOUT).write(arrays(2), entries(2))
    shard = next((tmp_path / "one").glob("*.safetensors"))
    (tmp_path / "other" / shard.name).write_bytes(shard.read_bytes())
    with pytest.raises(ResourceError, match="made for another store"):
        FeatureStore(tmp_path / "other", ABOUT)


def test_a_sample_is_what_its_frames_differ_from_the_mean(tmp_path):
    store, tensors = FeatureStore(tmp_path, ABOUT), arrays(3, 10, 2)
    store.write(tensors, entries(2, 1, sampled=5))
    samples = dict(store.read_sample({"key0": 3, "key1": 5}, 3, 4))
    np.testing.assert_allclose(samples["key0"].states, 1 + 2 * tensors["sample.3"][:3].astype(np.float32))
    np.testing.assert_allclose(samples["key1"].states, 1 + 2 * tensors["sample.3"][5:].astype(np.float32))
    assert samples["key0"].frames.tolist() == [0, 1, 2]
    assert samples["key0"].mean.tolist() == [1.0] * 4


def test_more_frames_of_a_clip_are_another_shard_beside_the_first(tmp_path):
    store = FeatureStore(tmp_path, ABOUT)
    store.write(arrays(1, 4), entries(1, sampled=4))
    assert store.holds("key0", 4)
    assert not store.holds("key0", 5)
    store.write(arrays(1, 37, value=2.0), entries(1, sampled=37))
    for opened in (store, FeatureStore(tmp_path, ABOUT)):
        assert opened.holds("key0", 1000)  # it has no more
        assert opened.clips(["key0"]).pooled(0)[:].tolist() == [[1.0, 1.0]]  # what was read before is read again
        assert len(dict(opened.read_sample({"key0": 20}, 0, 2))["key0"].states) == 20


def test_a_clip_may_be_read_twice(tmp_path):
    store = FeatureStore(tmp_path, ABOUT)
    store.write(arrays(1), entries(1))
    assert store.clips(["key0", "key0"]).pooled(0).shape == (2, 2)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in "ab":
        FeatureStore(tmp_path / name / "store", ABOUT).write(arrays(3, clips=2), entries(2, 1))
    files = sorted(path.name for path in (tmp_path / "a" / "store").iterdir())
    assert len(files) == 2
    for file in files:
        assert (tmp_path / "a" / "store" / file).read_bytes() == (tmp_path / "b" / "store" / file).read_bytes()


def test_refresh_sees_what_another_process_added_and_a_shard_is_never_replaced(tmp_path):
    ours, theirs = FeatureStore(tmp_path, ABOUT), FeatureStore(tmp_path, ABOUT)
    theirs.write(arrays(1), entries(1))
    assert not ours.holds("key0")
    ours.refresh()
    assert ours.holds("key0")
    ours.write(arrays(1, value=2.0), entries(1))
    assert FeatureStore(tmp_path, ABOUT).clips(["key0"]).pooled(0)[:].tolist() == [[1.0, 1.0]]


def test_a_store_that_is_complete_is_read_where_nothing_can_be_written(tmp_path):
    FeatureStore(tmp_path, ABOUT).write(arrays(1), entries(1))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    FeatureStore(tmp_path, ABOUT).clips(["key0"]).pooled(0)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_a_damaged_shard_is_an_error_that_names_it(tmp_path):
    FeatureStore(tmp_path, ABOUT).write(arrays(1), entries(1))
    (shard,) = tmp_path.glob("*.safetensors")
    whole = shard.read_bytes()
    shard.write_bytes(b"\x08junkjunk")
    with pytest.raises(ResourceError, match=r"safetensors: damaged .* delete it"):
        FeatureStore(tmp_path, ABOUT)
    shard.write_bytes(whole.replace(b"sound0", b"sound1"))
    with pytest.raises(ResourceError, match="its header is not what was written"):
        FeatureStore(tmp_path, ABOUT)
    shard.unlink()
    shard.symlink_to(shard.name)
    with pytest.raises(ResourceError, match=f"{shard.name}: damaged .* delete it"):
        FeatureStore(tmp_path, ABOUT)


def test_a_flipped_byte_of_a_layer_is_noticed_before_its_numbers_are_used(tmp_path):
    FeatureStore(tmp_path, ABOUT).write(arrays(1), entries(1))
    (shard,) = tmp_path.glob("*.safetensors")
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    store, noticed = FeatureStore(tmp_path, ABOUT), 0
    for read in (lambda: store.clips(["key0"]).pooled(0), lambda: store.clips(["key0"]).pooled(3),
                 lambda: dict(store.read_sample({"key0": 0}, 0, 2))):  # fmt: skip
        try:
            read()
        except ResourceError as error:
            assert "is not what was written" in str(error)  # noqa: PT017
            noticed += 1
    assert noticed


def test_a_shard_is_named_by_its_clips():
    assert asdict(entries(1)[0])["sampled"] == 0
    assert shard_name("a", entries(1)) == shard_name("a", entries(1)) != shard_name("a", entries(2))
    assert shard_name("a", entries(1)) != shard_name("b", entries(1))


def test_a_shard_that_was_written_elsewhere_is_the_same_here(tmp_path):
    there, here = (FeatureStore(tmp_path / place / "store", ABOUT) for place in ("there", "here"))
    there.write(arrays(3), entries(3))
    (shard,) = there.directory.glob("*.safetensors")
    for _ in range(2):  # of a shard that came twice the first one stays
        here.adopt(shard.name, shard.read_bytes())
    assert {path.name: path.read_bytes() for path in here.directory.iterdir()} == {
        path.name: path.read_bytes() for path in there.directory.iterdir()
    }
    np.testing.assert_array_equal(here.clips(["key0"]).pooled(3), there.clips(["key0"]).pooled(3))
    with pytest.raises(ResourceError, match="its clips are not those"):
        FeatureStore(tmp_path / "other", ABOUT).adopt(shard.name, shard.read_bytes())
