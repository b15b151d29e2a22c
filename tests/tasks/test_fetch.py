"""Archives are continued, checked and unpacked; members that point outside are refused."""

import hashlib
import io
import shutil
import socket
import subprocess
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest

from layerscope.errors import DataError, ResourceError
from layerscope.tasks import TASKS
from layerscope.tasks.fetch import describe, fetch, fetch_archive, unpack
from layerscope.tasks.task import Archive


def tar_of(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Served(NamedTuple):
    url: str
    content: bytes
    ranges: list
    handler: type


@pytest.fixture
def server():
    content = tar_of({"set/audio/a.wav": b"x" * 50_000, "set/list.txt": b"a"})
    ranges = []

    class Handler(BaseHTTPRequestHandler):
        #: Bytes after which the connection breaks, later ones at once, and the status of a refusal.
        breaks = refusal = None
        served = 0

        def do_GET(self):
            type(self).served += 1
            first = 0
            if self.refusal:
                self.send_error(self.refusal)
                return
            if "Range" in self.headers:
                ranges.append(self.headers["Range"])
                first = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if first >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
            self.send_response(206 if first else 200)
            self.send_header("Content-Length", str(len(content) - first))
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            self.wfile.write(content[first:][: self.breaks])
            if self.breaks is not None:
                type(self).breaks = 0
            self.close_connection = True

        def log_message(self, *_):
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield Served(f"http://127.0.0.1:{web.server_port}/set.tar.gz", content, ranges, Handler)
    web.shutdown()
    web.server_close()


def task_with(url, checksum):
    source = replace(TASKS["nsynth-pitch"].source, archives=(Archive(url, checksum),))
    return replace(TASKS["nsynth-pitch"], source=source)


def test_what_a_killed_download_left_is_continued(server, tmp_path):
    url, content, ranges, _ = server
    (tmp_path / "NSynth").mkdir()
    (tmp_path / "NSynth" / "set.tar.gz.part").write_bytes(content[:60])
    fetch(task_with(url, "sha256:" + hashlib.sha256(content).hexdigest()), tmp_path)
    assert ranges == ["bytes=60-"]
    assert (tmp_path / "NSynth" / "set" / "list.txt").read_bytes() == b"a"


def test_a_download_that_was_killed_before_it_had_its_name_is_finished(server, tmp_path):
    url, content, _, _ = server
    (tmp_path / "NSynth").mkdir()
    (tmp_path / "NSynth" / "set.tar.gz.part").write_bytes(content)
    fetch(task_with(url, "sha256:" + hashlib.sha256(content).hexdigest()), tmp_path)
    assert (tmp_path / "NSynth" / "set" / "list.txt").read_bytes() == b"a"


def test_a_server_that_is_not_there_is_an_error_in_words(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/set.tar.gz"
        with pytest.raises(DataError, match=r"could not be fetched \(.*run the same command again: it continues"):
            fetch(task_with(url, None), tmp_path)


def test_a_full_disk_in_a_download_is_the_machines(server, tmp_path):
    (tmp_path / "NSynth").mkdir()
    (tmp_path / "NSynth" / "set.tar.gz.part").symlink_to("/dev/full")
    with pytest.raises(ResourceError, match=r"No space left on device.*free some space"):
        fetch(task_with(server[0], None), tmp_path)


def test_a_file_that_is_not_the_published_one_is_refused(server, tmp_path):
    with pytest.raises(DataError, match="checksum differs"):
        fetch(task_with(server[0], "md5:" + "0" * 32), tmp_path)
    assert not (tmp_path / "NSynth" / "set").exists()


@pytest.mark.parametrize("more", [b"", b"of another file"])
def test_a_part_that_is_whole_or_more_than_that_is_no_dead_end(server, tmp_path, more):
    (tmp_path / "NSynth").mkdir()
    (tmp_path / "NSynth" / "set.tar.gz.part").write_bytes(server.content + more)
    fetch(task_with(server.url, "sha256:" + hashlib.sha256(server.content).hexdigest()), tmp_path)
    assert (tmp_path / "NSynth" / "set" / "list.txt").read_bytes() == b"a"


@pytest.mark.slow  # the hub's client waits a second before each of its five retries
def test_a_server_that_breaks_off_is_said_and_what_has_arrived_stays(server, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10)
    server.handler.breaks = 20
    with pytest.raises(DataError, match=r"could not be fetched \(.*run the same command again: it continues"):
        fetch(task_with(server.url, None), tmp_path)
    assert (tmp_path / "NSynth" / "set.tar.gz.part").stat().st_size >= 20
    server.handler.breaks = None
    fetch(task_with(server.url, None), tmp_path)
    assert (tmp_path / "NSynth" / "set" / "list.txt").read_bytes() == b"a"


@pytest.mark.parametrize("status", [403, 404])
def test_what_a_server_refuses_is_said_with_its_number(server, tmp_path, status):
    server.handler.refusal = status
    with pytest.raises(DataError, match=rf"set.tar.gz could not be fetched \(.*{status}"):
        fetch(task_with(server.url, None), tmp_path)


@pytest.mark.slow  # five retries again
def test_without_a_network_an_archive_is_an_error_in_words(tmp_path):
    with pytest.raises(DataError, match=r"could not be fetched \(ConnectError: .*check the network"):
        fetch(task_with("http://127.0.0.1:9/set.tar.gz", None), tmp_path)


def test_without_a_network_what_lies_there_is_not_taken_for_a_data_set(tmp_path):
    (tmp_path / "NSynth").mkdir()
    (tmp_path / "NSynth" / "part.txt").write_text("half of it")
    source = replace(TASKS["nsynth-pitch"].source, archives=(), repository="m-a-p/nothing")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("constants.ENDPOINT", "hf_api.api.endpoint"):
            patch.setattr(f"huggingface_hub.{name}", "http://127.0.0.1:9")
        with pytest.raises(DataError, match=r"m-a-p/nothing could not be fetched \(.*check the network"):
            fetch(replace(TASKS["nsynth-pitch"], source=source), tmp_path)
        # Once all of it has come, it is there without a network as well.
        (tmp_path / "NSynth" / ".fetched").write_text("c0ffee")
        lines = []
        fetch(replace(TASKS["nsynth-pitch"], source=source), tmp_path, lines.append)
        assert "m-a-p/nothing cannot be reached" in lines[-1]


def test_a_place_that_cannot_be_written_is_not_the_network(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=r"cannot be written .*choose another place"):
        fetch(task_with(server.url, None), tmp_path / "file")


def test_a_full_disk_is_said_in_a_download_and_in_unpacking(server, tmp_path):
    whole, place = tmp_path / "whole", tmp_path / "small"
    fetch(task_with(server.url, None), whole)
    place.mkdir()
    call = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(call, capture_output=True, check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        with pytest.raises(ResourceError, match=r"No space left on device.*free some space"):
            unpack(whole / "NSynth" / "set.tar.gz", place)
        shutil.rmtree(place / "set")
        (place / "NSynth").mkdir()
        (place / "NSynth" / "fill").write_bytes(bytes(40_960))
        with pytest.raises(ResourceError, match=r"set\.tar\.gz: cannot be written .*No space left on device"):
            fetch(task_with(server.url, None), place)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_two_at_once_download_once(server, tmp_path):
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: fetch_archive(Archive(server.url, None), tmp_path), range(2)))
    assert server.handler.served == 1


def test_members_that_point_outside_are_refused(tmp_path):
    (tmp_path / "bad.tar.gz").write_bytes(tar_of({"ok": b"", "../evil": b"x"}))
    with pytest.raises(DataError, match=r"member '\.\./evil' points outside; nothing was unpacked"):
        unpack(tmp_path / "bad.tar.gz", tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("/abs", "x")
    with pytest.raises(DataError, match="points outside"):
        unpack(tmp_path / "bad.zip", tmp_path / "in")
    assert not (tmp_path / "in").exists()


def test_archives_in_zips_hold_the_files_of_the_directory_that_they_are_named_after(tmp_path):
    """As in m-a-p/HookTheory, whose 104 GB of whole songs no task needs."""
    parts = tmp_path / "HookTheory" / "zips" / "hooktheory_clips"
    parts.mkdir(parents=True)
    (parts / "part_000000.tar").write_bytes(tar_of({"abc.mp3": b"x"}))
    source = replace(TASKS["hooktheory-key"].source, repository=None)
    fetch(replace(TASKS["hooktheory-key"], source=source), tmp_path)
    assert (tmp_path / "HookTheory" / "hooktheory_clips" / "abc.mp3").read_bytes() == b"x"
    assert TASKS["hooktheory-key"].source.left_out == ("zips/audio/*",)


def test_links_are_refused(tmp_path):
    with tarfile.open(tmp_path / "link.tar", "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DataError, match="'link' is neither a file nor a directory"):
        unpack(tmp_path / "link.tar", tmp_path / "in")


def test_a_broken_archive_says_what_to_do(tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(b"\x1f\x8bjunk")
    with pytest.raises(DataError, match="delete it and fetch again"):
        unpack(tmp_path / "x.tar.gz", tmp_path)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_says_licence_size_and_origin(name):
    text = "\n".join(describe(TASKS[name]))
    assert "licence: " in text
    assert "size: " in text
    assert "https://" in text
    if name.startswith(("harmonix", "hooktheory")):
        assert "you supply: " in text
