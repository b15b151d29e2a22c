"""Archives are continued, checked and unpacked; members that point outside are refused."""

import hashlib
import io
import socket
import tarfile
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from layerscope.errors import DataError, ResourceError
from layerscope.tasks import TASKS
from layerscope.tasks.fetch import describe, fetch, unpack
from layerscope.tasks.task import Archive


def tar_of(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def server():
    content = tar_of({"set/audio/a.wav": b"x" * 50_000, "set/list.txt": b"a"})
    ranges = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            first = 0
            if "Range" in self.headers:
                ranges.append(self.headers["Range"])
                first = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if first >= len(content):
                # As servers answer where nothing is left.
                self.send_error(416)
                return
            self.send_response(206 if first else 200)
            self.send_header("Content-Length", str(len(content) - first))
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            self.wfile.write(content[first:])

        def log_message(self, *_):
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{web.server_port}/set.tar.gz", content, ranges
    web.shutdown()
    web.server_close()


def task_with(url, checksum):
    source = replace(TASKS["nsynth-pitch"].source, archives=(Archive(url, checksum),))
    return replace(TASKS["nsynth-pitch"], source=source)


def test_what_a_killed_download_left_is_continued(server, tmp_path):
    url, content, ranges = server
    (tmp_path / "NSynth").mkdir()
    (tmp_path / "NSynth" / "set.tar.gz.part").write_bytes(content[:60])
    fetch(task_with(url, "sha256:" + hashlib.sha256(content).hexdigest()), tmp_path)
    assert ranges == ["bytes=59-"]
    assert (tmp_path / "NSynth" / "set" / "list.txt").read_bytes() == b"a"


def test_a_download_that_was_killed_before_it_had_its_name_is_finished(server, tmp_path):
    url, content, _ = server
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
