"""Files of arrays, held to their digests."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from layerscope.atomic_files import (
    digest,
    locate_tensor,
    read_header,
    read_tensors,
    write_tensors,
)
from layerscope.errors import ResourceError


@pytest.mark.parametrize("types", [("f4", "f2", "i8"), ("u1", "?", "f8"), ("i4", "i2", "u4")])
def test_a_file_of_tensors_is_the_library_s_own(tmp_path, types):
    random = np.random.default_rng(0)
    arrays = {
        name: np.asarray(random.integers(0, 2, shape), order="C").astype(kind)
        for name, kind, shape in zip(("b", "ä", "a"), types, ((3, 4), (), (0, 2)), strict=True)
    }
    write_tensors(tmp_path / "ours", arrays, {"k": "ü"})
    with safe_open(tmp_path / "ours", framework="numpy") as file:
        save_file(arrays, tmp_path / "theirs", file.metadata())
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_files_of_earlier_versions_are_read_and_held_to_their_digests(tmp_path):
    array = np.arange(6, dtype=np.float32)
    told = {"about": "{}", "of": digest("{}"), "digests": {"a": digest("float32 (6,)", array.tobytes())}}
    for name, content, right in (("old", array, True), ("flipped", array + 1, False)):
        save_file({"a": content}, tmp_path / name, {"layerscope": json.dumps(told)})
        for read in (lambda path: read_tensors(path)["a"], lambda path: locate_tensor(path, "a")):
            if right:
                read(tmp_path / name)
            else:
                with pytest.raises(ResourceError, match="'a' is not what was written"):
                    read(tmp_path / name)


def test_an_array_in_parts_is_these_one_after_another(tmp_path):
    whole = np.arange(24, dtype=np.float16).reshape(6, 4)
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    write_tensors(tmp_path / "whole" / "x", {"a": whole, "b": np.zeros(2)}, {})
    write_tensors(tmp_path / "parts" / "x", {"a": [whole[:1], whole[1:1], whole[1:].T.copy().T], "b": np.zeros(2)}, {})
    assert (tmp_path / "parts" / "x").read_bytes() == (tmp_path / "whole" / "x").read_bytes()


def test_a_file_in_the_place_of_another_is_not_taken_for_it(tmp_path):
    write_tensors(tmp_path / "x", {"a": np.zeros(1)}, {})
    (tmp_path / "y").write_bytes((tmp_path / "x").read_bytes())
    for read in (read_header, read_tensors):
        read(tmp_path / "x")
        with pytest.raises(ResourceError, match="y: damaged \\(it was written as x"):
            read(tmp_path / "y")


def test_header_survives(tmp_path):
    write_tensors(tmp_path / "x", {"a": np.zeros(1)}, {"k": [1, None, "ü"]})
    assert read_header(tmp_path / "x") == {"k": [1, None, "ü"]}


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
