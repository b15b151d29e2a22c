"""Who owns a directory."""

import json
import subprocess
import sys

import filelock
import pytest

from layerscope.atomic_files import (
    owned_directory,
)
from layerscope.errors import DataError, ResourceError, UsageError


def test_a_directory_is_for_one_request(tmp_path):
    with owned_directory(tmp_path / "out", "study", {"data": tmp_path, "seeds": (1, 2)}):
        (tmp_path / "out" / "results.csv").write_text("")
    record = (tmp_path / "out" / "study.json").read_bytes()
    assert json.loads(record) == {"data": str(tmp_path), "seeds": [1, 2]}
    with owned_directory(tmp_path / "out", "study", {"data": tmp_path, "seeds": (1, 2)}):
        pass
    with (
        pytest.raises(UsageError, match=r"holds another study \(different: seeds, probe\); choose another --out"),
        owned_directory(tmp_path / "out", "study", {"data": tmp_path, "seeds": [3], "probe": "mlp"}),
    ):
        pass
    assert (tmp_path / "out" / "study.json").read_bytes() == record
    with owned_directory(tmp_path / "out", "comparison", {"data": "x", "frames": 9}):  # a page shows both
        pass


def test_a_number_may_grow_where_that_is_said(tmp_path):
    for steps in (3, 5, 5):
        with owned_directory(tmp_path, "pretraining", {"steps": steps}, growing=["steps"]):
            (tmp_path / "log.jsonl").write_text("")
    with (
        pytest.raises(UsageError, match="different: steps"),
        owned_directory(tmp_path, "pretraining", {"steps": 4}, growing=["steps"]),
    ):
        pass


def test_files_of_something_else_are_left_alone(tmp_path):
    (tmp_path / "thesis.docx").write_text("")
    with (
        pytest.raises(UsageError, match="is not empty and holds no study"),
        owned_directory(tmp_path, "study", {}),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_a_request_that_fails_before_it_left_a_file_binds_nobody(tmp_path):
    with pytest.raises(DataError), owned_directory(tmp_path, "study", {"target": "wrong"}):
        raise DataError("no such column")
    with owned_directory(tmp_path, "study", {"target": "right"}):
        (tmp_path / "probes").mkdir()
    with pytest.raises(UsageError, match="different: target"), owned_directory(tmp_path, "study", {"target": "wrong"}):
        pass


def test_a_directory_in_use_keeps_its_record(tmp_path):
    with owned_directory(tmp_path, "study", {"seeds": 1}):
        call = "import sys, pathlib; from layerscope.atomic_files import owned_directory\n"
        call += "with owned_directory(pathlib.Path(sys.argv[1]), 'study', {'seeds': 2}): pass"
        done = subprocess.run([sys.executable, "-c", call, str(tmp_path)], capture_output=True, text=True, check=False)
        assert "is in use by another run" in done.stderr
        assert json.loads((tmp_path / "study.json").read_text()) == {"seeds": 1}


def test_a_lock_comes_before_anything_is_written(tmp_path):
    with (
        filelock.FileLock(tmp_path / ".lock"),
        pytest.raises(ResourceError, match="in use"),
        owned_directory(tmp_path, "study", {}),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_place_that_is_a_file_is_an_error_in_words(tmp_path):
    (tmp_path / "out").write_text("")
    with (
        pytest.raises(ResourceError, match="out: cannot be written"),
        owned_directory(tmp_path / "out", "study", {}),
    ):
        pass


@pytest.mark.parametrize("content", ['{"title": "my study", "seeds": 3}', "[]", "no JSON"])
def test_a_record_of_somebody_else_is_not_joined(tmp_path, content):
    (tmp_path / "study.json").write_text(content)
    for kind, asked in (("comparison", {"model": [], "frames": 3}), ("study", {"data": "x", "seeds": 1})):
        with pytest.raises(UsageError, match=r"study.*choose another --out"), owned_directory(tmp_path, kind, asked):
            pass
    assert (tmp_path / "study.json").read_text() == content
    assert not (tmp_path / "comparison.json").exists()
