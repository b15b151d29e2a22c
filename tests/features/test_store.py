import errno
import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors import SafetensorError

from layerscope.atomic_files import (
    cache_directory,
    machine,
    read_header,
    refused_write,
    write_atomically,
    write_tensors,
)
from layerscope.errors import ResourceError
from layerscope.features.store import ClipEntry, FeatureStore


def entries(*counts):
    return [ClipEntry(f"key{number}", count, 1.5, f"sound{number}") for number, count in enumerate(counts)]


def test_what_is_written_is_read_back_layer_by_layer(tmp_path):
    pooled = np.arange(5 * 3 * 2, dtype=np.float32).reshape(5, 3, 2)
    store = FeatureStore(tmp_path, {"encoder": "x"})
    store.write("shard", {"pooled": pooled}, entries(2, 1, 2))
    for opened in (store, FeatureStore(tmp_path, {"encoder": "x"})):
        np.testing.assert_array_equal(opened.read(["key2", "key0"], 1), pooled[[3, 4, 0, 1], 1])
        assert "key1" in opened
        assert "other" not in opened
        assert opened.entry("key2") == ClipEntry("key2", 2, 1.5, "sound2")


def test_frames_are_read_back_with_their_scale(tmp_path):
    random = np.random.default_rng(0)
    frames = random.normal(size=(9, 2, 3)).astype(np.float16)
    scale = np.array([[1.0, 1e6], [2.0, 1e-3]], np.float32)
    told = [ClipEntry("a", 1, 1.0, "", frames=4), ClipEntry("b", 2, 1.0, "", frames=5)]
    store = FeatureStore(tmp_path, {})
    store.write("s", {"pooled": np.ones((3, 2, 3), np.float32), "frames": frames, "scale": scale}, told)
    read = dict(FeatureStore(tmp_path, {}).read_frames(["b", "a"], 1))
    np.testing.assert_allclose(read["a"], frames[:4, 1].astype(np.float32) * 1e6)
    np.testing.assert_allclose(read["b"], frames[4:, 1].astype(np.float32) * np.float32(1e-3))


def test_a_clip_may_be_read_twice(tmp_path):
    store = FeatureStore(tmp_path, {})
    store.write("shard", {"pooled": np.ones((1, 1, 2), np.float32)}, entries(1))
    assert store.read(["key0", "key0"], 0).shape == (2, 2)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in "ab":
        FeatureStore(tmp_path / name, {"x": 1, "y": 2}).write(
            "s", {"pooled": np.ones((3, 1, 2), np.float32)}, entries(2, 1)
        )
    for file in ("s.safetensors", "about.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_refresh_sees_what_another_process_added_and_removes_what_a_killed_one_left(tmp_path):
    ours, theirs = FeatureStore(tmp_path, {}), FeatureStore(tmp_path, {})
    theirs.write("s", {"pooled": np.ones((1, 1, 2), np.float32)}, entries(1))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    leftover = tmp_path / f".unfinished-{machine()}-{dead.pid}-abc"
    leftover.mkdir()
    (leftover / "content").write_bytes(b"half")
    assert "key0" not in ours
    ours.refresh()
    assert "key0" in ours
    assert not leftover.exists()


def test_a_damaged_shard_is_an_error_that_names_it(tmp_path):
    FeatureStore(tmp_path, {}).write("s", {"pooled": np.ones((1, 1, 2), np.float32)}, entries(1))
    (tmp_path / "s.safetensors").write_bytes(b"\x08junkjunk")
    with pytest.raises(ResourceError, match=r"s\.safetensors: damaged .* delete it"):
        FeatureStore(tmp_path, {})


def test_a_file_is_replaced_whole_with_the_users_permissions(tmp_path):
    path = tmp_path / "new" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]
    (tmp_path / "plain").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_an_error_with_the_path(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ResourceError, match=r"file/x: cannot be written \(.*choose another place"):
        write_atomically(tmp_path / "file" / "x", b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")  # noqa: PTH110
def test_a_full_disk_is_an_error_with_the_way_out(tmp_path, monkeypatch):
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "content").symlink_to("/dev/full")
    monkeypatch.setattr("tempfile.mkdtemp", lambda **_: str(tmp_path / "unfinished"))
    with pytest.raises(ResourceError, match=r"No space left on device.*free some space and run the same command again"):
        write_atomically(tmp_path / "file", b"content")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_known_in_the_words_of_the_writer_of_tensors():
    # tests/test_cli.py fills a disk; this is what the writer says then.
    error = refused_write(SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"))
    assert error.errno == errno.ENOSPC
    assert refused_write(SafetensorError("something else")).strerror == "something else"


def test_header_survives(tmp_path):
    write_tensors(tmp_path / "x", {"a": np.zeros(1)}, {"k": [1, None, "ü"]})
    assert read_header(tmp_path / "x") == {"k": [1, None, "ü"]}


def test_cache_is_where_the_user_says(monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_CACHE", "/somewhere")
    assert str(cache_directory()) == "/somewhere"
    monkeypatch.delenv("LAYERSCOPE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert str(cache_directory()) == "/xdg/layerscope"
