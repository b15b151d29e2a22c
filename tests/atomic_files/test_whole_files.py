"""JSON files in words, digests, and files that are written whole."""

import errno
import hashlib
import os

import numpy as np
import pytest

from layerscope.atomic_files import (
    digest,
    file_digest,
    read_json,
    read_tensors,
    safe_stem,
    write_atomically,
    write_tensors,
    write_text,
)
from layerscope.errors import DataError, ModelError, ResourceError

BAD_JSON = {
    "cut": (b'{"a": 1,\n "b": ', r"line 2 column 7"),
    "latin-1": ('{"name": "Café"}'.encode("latin-1"), "byte 13 is not UTF-8; save it as UTF-8"),
    "utf-16": ('{"a": 1}'.encode("utf-16"), "byte 0 is not UTF-8"),
    "deep": (b'{"a": ' + b"[" * 200_000, "nested too deeply"),
    "number": (b'{"a": ' + b"1" * 5000 + b"}", "not readable as JSON"),
    "list": (b"[1]", "expected a JSON object, found list"),
    "empty": (b"", "line 1 column 1"),
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_what_is_wrong_with_a_json_file_is_said_in_words(name, tmp_path):
    content, words = BAD_JSON[name]
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ModelError, match=rf"x\.json: .*{words}"):
        read_json(tmp_path / "x.json", ModelError)


def test_a_missing_json_file_is_named_and_a_byte_order_mark_is_no_fault(tmp_path):
    with pytest.raises(DataError, match=r"x\.json: cannot be read \(No such file"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "x.json") == {"a": 1}


def test_digests_are_sha256_of_all_parts(tmp_path):
    (tmp_path / "x").write_bytes(b"ab" * 100)
    expected = hashlib.sha256(b"ab" * 100).hexdigest()
    assert digest("ab" * 50, b"ab" * 50) == file_digest(tmp_path / "x") == expected


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


def test_a_file_system_that_takes_no_advice_has_the_file_all_the_same(tmp_path, monkeypatch):
    asked = []

    def refuse(*_):
        asked.append(True)
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("layerscope.atomic_files.whole_files.LARGE", 0)
    monkeypatch.setattr(os, "posix_fadvise", refuse, raising=False)
    monkeypatch.setattr(os, "POSIX_FADV_DONTNEED", 4, raising=False)
    write_atomically(tmp_path / "file", b"whole")
    assert asked
    assert (tmp_path / "file").read_bytes() == b"whole"


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


def test_the_first_of_two_writers_of_one_name_stays(tmp_path):
    for value in (1.0, 2.0):
        write_tensors(tmp_path / "x", {"a": np.full(2, value)}, {}, replace=False)
    assert read_tensors(tmp_path / "x")["a"].tolist() == [1.0, 1.0]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("name", ["../../up", "/etc/passwd", "a\nb", "x" * 300, "..", ".", "é/ü", "\udce9", ""])
def test_a_name_for_a_file_stays_in_its_directory(name, tmp_path):
    stem = safe_stem(name)
    write_text(tmp_path / f"{stem}.txt", name)
    assert [path.name for path in tmp_path.iterdir()] == [f"{stem}.txt"]
    assert safe_stem(name + "/") != stem
