import hashlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import layerscope
from layerscope.encoders import MODELS

COMMIT = "c0ffee" + "0" * 34


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as a download needs: HEAD with etag and commit, GET with ranges."""

    files: dict[str, bytes]
    asked: list[str]
    gated = False

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        if self.gated:
            self.send_response(403)
            self.send_header("X-Error-Code", "GatedRepo")
            self.end_headers()
            return
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
        revision = self.path.split("/resolve/")[1].split("/")[0]
        self.send_header("X-Repo-Commit", COMMIT if revision == "main" else revision)
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
from layerscope.encoders import model_names, published_models
from layerscope.errors import ModelError
pinned = sys.argv[1]
if pinned:
    published_models.MODELS["muq"] = dataclasses.replace(published_models.MODELS["muq"], sha256=pinned)
try:
    print(model_names.load_encoder(sys.argv[2]).layers)
except ModelError as error:
    print("ModelError", error)
"""


def load_from(hub, home, sha256, name="muq", **variables):
    """Load in a process of its own: the hub's client reads its address once, when it is imported."""
    address = f"http://127.0.0.1:{hub[0].server_port}"
    environment = {"HF_ENDPOINT": address, "HF_HOME": str(home / "hub"), "LAYERSCOPE_CACHE": str(home),
                   "PYTHONPATH": str(Path(layerscope.__file__).parents[1]), **variables}  # fmt: skip
    call = [sys.executable, "-c", SCRIPT, sha256, name]
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


def test_that_the_hub_is_forbidden_is_said(hub, tmp_path):
    said = load_from(hub, tmp_path, "", HF_HUB_OFFLINE="1").stdout
    assert "is not on this machine, and HF_HUB_OFFLINE forbids fetching it; unset it, or give --model" in said


@pytest.fixture
def mert(hub, golden):
    source = golden / "mert95-small"
    names = ("config.json", "preprocessor_config.json", "pytorch_model.bin")
    hub[1].files = {name: (source / name).read_bytes() for name in names}
    return hub


def test_any_repository_comes_by_its_address_at_the_commit_it_stands_at(mert, tmp_path):
    done = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M")
    assert "(0, 1, 2, 3)" in done.stdout, done.stderr
    assert (tmp_path / "models" / "m-a-p--MERT-v1-95M" / COMMIT / "pytorch_model.bin").is_file()
    assert not any(line.split()[1].endswith(".py") for line in mert[1].asked)


def test_a_commit_that_is_here_needs_no_network(mert, tmp_path):
    address = f"hf:m-a-p/MERT-v1-95M@{COMMIT}"
    assert "(0, 1, 2, 3)" in load_from(mert, tmp_path, "", address).stdout
    mert[1].asked.clear()
    assert "(0, 1, 2, 3)" in load_from(mert, tmp_path, "", address).stdout
    assert mert[1].asked == []


def test_a_gated_model_asks_for_a_token_in_words(mert, tmp_path):
    mert[1].gated = True
    said = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v2-30s").stdout
    assert "m-a-p/MERT-v2-30s at main is gated: accept its terms at" in said
    assert "HF_TOKEN" in said


def test_a_repository_without_weights_is_an_error_that_names_them(mert, tmp_path):
    del mert[1].files["pytorch_model.bin"]
    said = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M").stdout
    assert "has none of model.safetensors, model.safetensors.index.json, pytorch_model.bin" in said


def test_without_a_network_the_commit_that_was_last_seen_answers(mert, tmp_path):
    assert "(0, 1, 2, 3)" in load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M").stdout
    mert[0].shutdown()
    mert[0].server_close()
    done = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M")
    assert "(0, 1, 2, 3)" in done.stdout, done.stderr


def test_without_a_network_what_is_not_here_is_an_error_in_words(mert, tmp_path):
    mert[0].shutdown()
    mert[0].server_close()
    for name in ("hf:m-a-p/MERT-v1-95M", f"hf:m-a-p/MERT-v1-95M@{COMMIT}", "muq"):
        done = load_from(mert, tmp_path, "", name)
        assert "ModelError" in done.stdout, done.stderr
        assert "check the network and run the same command again" in done.stdout


def test_an_address_that_is_none_is_refused_in_words():
    from layerscope.encoders.download import commit_of
    from layerscope.errors import UsageError

    with pytest.raises(UsageError, match="write hf:owner/name"):
        commit_of("a/b/c", "main")


def test_settings_and_weights_of_two_caches_are_not_mixed(mert, tmp_path):
    """The hub's own cache holds the settings alone: all files then come into one directory."""
    snapshot = tmp_path / "hub" / "hub" / "models--m-a-p--MERT-v1-95M" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_bytes(mert[1].files["config.json"])
    done = load_from(mert, tmp_path, "", f"hf:m-a-p/MERT-v1-95M@{COMMIT}")
    assert "(0, 1, 2, 3)" in done.stdout, done.stderr
    for name in ("preprocessor_config.json", "pytorch_model.bin"):
        (snapshot / name).write_bytes(mert[1].files[name])
    mert[1].asked.clear()
    whole = load_from(mert, tmp_path / "other", "", f"hf:m-a-p/MERT-v1-95M@{COMMIT}")
    assert "(0, 1, 2, 3)" in whole.stdout, whole.stderr


def test_shards_come_by_their_index(mert, tmp_path, golden):
    import torch
    from safetensors.torch import save

    tensors = torch.load(golden / "mert95-small" / "pytorch_model.bin", weights_only=True)
    names = sorted(tensors)
    del mert[1].files["pytorch_model.bin"]
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, held in parts.items():
        mert[1].files[file] = save({name: tensors[name].contiguous() for name in held})
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    mert[1].files["model.safetensors.index.json"] = json.dumps(index).encode()
    settings = mert[1].files.pop("preprocessor_config.json")
    mert[1].files["processor_config.json"] = b'{"feature_extractor": ' + settings + b"}"
    done = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M")
    assert "(0, 1, 2, 3)" in done.stdout, done.stderr
