import errno
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError

from layerscope.atomic_files import (
    cache_directory,
    read_header,
    read_tensors,
    refused_write,
    write_atomically,
    write_tensors,
)
from layerscope.errors import ResourceError


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


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_flipped_byte_is_noticed(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flipped") / "x.safetensors"
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones(3, np.float16), "none": np.zeros((0, 4), np.float32)}
    write_tensors(path, arrays, {"k": 1})
    for name, array in read_tensors(path).items():
        np.testing.assert_array_equal(array, arrays[name])
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        found = read_tensors(path, arrays)
    except ResourceError as error:
        assert "damaged" in str(error)  # noqa: PT017 - a flip in the free text of the header changes no array
    else:
        for name, array in found.items():
            np.testing.assert_array_equal(array, arrays[name])


def test_the_first_of_two_writers_of_one_name_stays(tmp_path):
    for value in (1.0, 2.0):
        write_tensors(tmp_path / "x", {"a": np.full(2, value)}, {}, replace=False)
    assert read_tensors(tmp_path / "x")["a"].tolist() == [1.0, 1.0]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
