import hashlib
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from layerscope.encoders import MODELS


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as a download needs: HEAD with etag and commit, GET with ranges."""

    files: dict[str, bytes]
    asked: list[str]
    break_after: int | None = None

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        name = self.path.rsplit("/", 1)[-1]
        content = self.files.get(name)
        if content is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            return
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.asked.append(f"{self.command} {self.path} {start}")
        self.send_response(206 if start else 200)
        commit = self.path.split("/resolve/")[1].split("/")[0]
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if body:
            self.wfile.write(content[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(golden):
    source = golden / "muq-small"
    files = {name: (source / name).read_bytes() for name in ("config.json", "model.safetensors")}
    handler = type("OwnHub", (Hub,), {"files": files, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, handler
    server.shutdown()
    server.server_close()


SCRIPT = """
import dataclasses, sys
from layerscope.encoders import registry
from layerscope.errors import ModelError
pinned = sys.argv[1]
if pinned:
    registry.MODELS["muq"] = dataclasses.replace(registry.MODELS["muq"], sha256=pinned)
try:
    print(registry.load_encoder("muq").layers)
except ModelError as error:
    print("ModelError", error)
"""


def load_from(hub, home, sha256):
    """Load in a process of its own: the hub's client reads its address once, when it is imported."""
    address = f"http://127.0.0.1:{hub[0].server_port}"
    environment = {"HF_ENDPOINT": address, "HF_HOME": str(home / "hub"), "LAYERSCOPE_CACHE": str(home)}
    call = [sys.executable, "-c", SCRIPT, sha256]
    return subprocess.run(call, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_published_model_comes_from_the_hub_at_its_pinned_revision_once(hub, tmp_path):
    sha256 = hashlib.sha256(hub[1].files["model.safetensors"]).hexdigest()
    assert "(0, 1, 2, 3)" in load_from(hub, tmp_path, sha256).stdout
    assert all(f"/resolve/{MODELS['muq'].revision}/" in line for line in hub[1].asked)
    fetched = len([line for line in hub[1].asked if line.startswith("GET")])
    assert "(0, 1, 2, 3)" in load_from(hub, tmp_path, sha256).stdout
    assert len([line for line in hub[1].asked if line.startswith("GET")]) == fetched


def test_a_download_that_was_cut_is_resumed(hub, tmp_path):
    content = hub[1].files["model.safetensors"]
    digest = hashlib.sha256(content).hexdigest()
    place = tmp_path / "models" / "OpenMuQ--MuQ-large-msd-iter" / MODELS["muq"].revision
    place.mkdir(parents=True)
    (place / "model.safetensors.part").write_bytes(content[:100_000])
    assert "(0, 1, 2, 3)" in load_from(hub, tmp_path, digest).stdout
    assert any(line.endswith("model.safetensors 100000") for line in hub[1].asked)


def test_a_file_that_is_not_the_pinned_one_is_refused(hub, tmp_path):
    assert "is not the pinned 273febab2be0" in load_from(hub, tmp_path, "").stdout


def test_a_model_that_cannot_be_fetched_is_an_error_with_a_way_out(hub, tmp_path):
    hub[1].files = {}
    said = load_from(hub, tmp_path, "").stdout
    assert "ModelError OpenMuQ/MuQ-large-msd-iter at 0562a57 could not be fetched" in said
    assert "or give --model a directory that holds config.json" in said
