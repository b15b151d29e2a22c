"""Where a user's files are."""

import os

import pytest

from layerscope.atomic_files import (
    cache_directory,
    write_atomically,
)
from layerscope.errors import ResourceError


def test_no_home_directory_is_an_error_with_the_way_out(monkeypatch):
    for name in ("LAYERSCOPE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987_654_321)  # of whom no entry in passwd tells
    with pytest.raises(ResourceError, match="LAYERSCOPE_CACHE"):
        cache_directory()


def test_a_cache_that_cannot_be_written_is_an_error_that_says_how_it_is_chosen(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "file"))
    with pytest.raises(ResourceError, match=r"choose another place for the cache \(LAYERSCOPE_CACHE\)"):
        write_atomically(tmp_path / "file" / "features" / "a", b"")


def test_cache_is_where_the_user_says(monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_CACHE", "/somewhere")
    assert str(cache_directory()) == "/somewhere"
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("LAYERSCOPE_CACHE", "~/big disk")  # as a job's file or a container passes it
    assert str(cache_directory()) == "/home/me/big disk"
    monkeypatch.delenv("LAYERSCOPE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert str(cache_directory()) == "/xdg/layerscope"
