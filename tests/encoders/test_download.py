import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

import layerscope
from layerscope.encoders import MODELS, load_encoder
from layerscope.errors import LayerscopeError

COMMIT = "c0ffee" + "0" * 34


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as a download needs: HEAD with etag and commit, GET with ranges."""

    files: dict[str, bytes]
    asked: list[str]
    gated = False
    #: Status, and what the hub says of it.
    refusal: tuple[int, str] | None = None
    #: Bytes after which the connection breaks, once or always.
    breaks: int | None = None
    always = False
    #: Another host, to which it sends for weights.
    elsewhere: str | None = None

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
        if self.refusal:
            self.send_response(self.refusal[0])
            self.send_header("X-Error-Code", self.refusal[1])
            self.end_headers()
            return
        name = self.path.rsplit("/", 1)[-1]
        content = self.files.get(name)
        if content is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            return
        if self.elsewhere and name == "pytorch_model.bin":
            self.send_response(302)
            self.send_header("Location", self.elsewhere + self.path)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Linked-Size", str(len(content)))
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
        if body and self.breaks is not None and len(content) - start > self.breaks:
            self.wfile.write(content[start : start + self.breaks])
            type(self).breaks = 0 if self.always else None
            self.close_connection = True
        elif body:
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
from layerscope.encoders import load_encoder, published_models
from layerscope.errors import LayerscopeError
pinned = sys.argv[1]
if len(sys.argv) > 3:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
if pinned:
    published_models.MODELS["muq"] = dataclasses.replace(published_models.MODELS["muq"], sha256=pinned)
try:
    print(load_encoder(sys.argv[2]).layers)
except LayerscopeError as error:
    print(type(error).__name__, error)
"""


def load_from(hub, home, sha256, name="muq", *, offline=False):
    """Return what loading a model says; the hub's client reads its address once, when it is imported."""
    address = f"http://127.0.0.1:{hub[0].server_port}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", address)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
        patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub" / "hub"))
        patch.setattr(constants, "HF_HUB_OFFLINE", offline)
        patch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)  # of ten megabytes nothing less is kept
        patch.setenv("LAYERSCOPE_CACHE", str(home))
        if sha256:
            patch.setitem(MODELS, "muq", dataclasses.replace(MODELS["muq"], sha256=sha256))
        try:
            return f"{load_encoder(name).layers}\n"
        except LayerscopeError as error:
            return f"{type(error).__name__} {error}"


def load_apart(hub, home, sha256, *, largest=None, **variables):
    """Return what loading a model says in a process of its own, which may write no larger files than that."""
    address = f"http://127.0.0.1:{hub[0].server_port}"
    environment = {"HF_ENDPOINT": address, "HF_HOME": str(home / "hub"), "LAYERSCOPE_CACHE": str(home),
                   "PYTHONPATH": str(Path(layerscope.__file__).parents[1]), **variables}  # fmt: skip
    call = [sys.executable, "-c", SCRIPT, sha256, "muq", *([str(largest)] if largest else [])]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout or done.stderr


def digest_of(hub):
    return hashlib.sha256(hub[1].files["model.safetensors"]).hexdigest()


def part_of(home):
    return home / "models" / "OpenMuQ--MuQ-large-msd-iter" / MODELS["muq"].revision / "model.safetensors.part"


def test_a_published_model_comes_from_the_hub_at_its_pinned_revision_once(hub, tmp_path):
    sha256 = hashlib.sha256(hub[1].files["model.safetensors"]).hexdigest()
    assert "(0, 1, 2, 3)" in load_from(hub, tmp_path, sha256)
    assert all(f"/resolve/{MODELS['muq'].revision}/" in line for line in hub[1].asked)
    fetched = len([line for line in hub[1].asked if line.startswith("GET")])
    assert "(0, 1, 2, 3)" in load_from(hub, tmp_path, sha256)
    assert len([line for line in hub[1].asked if line.startswith("GET")]) == fetched


def test_a_download_that_was_cut_is_resumed(hub, tmp_path):
    content = hub[1].files["model.safetensors"]
    digest = hashlib.sha256(content).hexdigest()
    place = tmp_path / "models" / "OpenMuQ--MuQ-large-msd-iter" / MODELS["muq"].revision
    place.mkdir(parents=True)
    (place / "model.safetensors.part").write_bytes(content[:100_000])
    assert "(0, 1, 2, 3)" in load_from(hub, tmp_path, digest)
    assert any(line.endswith("model.safetensors 100000") for line in hub[1].asked)


def test_a_file_that_is_not_the_pinned_one_is_refused(hub, tmp_path):
    assert "is not the pinned 273febab2be0" in load_from(hub, tmp_path, "")


def test_a_model_that_cannot_be_fetched_is_an_error_with_a_way_out(hub, tmp_path):
    hub[1].files = {}
    said = load_from(hub, tmp_path, "")
    assert "OpenMuQ/MuQ-large-msd-iter at 0562a57 has no config.json; give --model a directory" in said


def test_that_the_hub_is_forbidden_is_said(hub, tmp_path):
    said = load_from(hub, tmp_path, "", offline=True)
    assert "is not on this machine, and HF_HUB_OFFLINE forbids fetching it; unset it, or give --model" in said


@pytest.fixture
def mert(hub, golden):
    source = golden / "mert95-small"
    names = ("config.json", "preprocessor_config.json", "pytorch_model.bin")
    hub[1].files = {name: (source / name).read_bytes() for name in names}
    return hub


def test_any_repository_comes_by_its_address_at_the_commit_it_stands_at(mert, tmp_path):
    done = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M")
    assert "(0, 1, 2, 3)" in done
    assert (tmp_path / "models" / "m-a-p--MERT-v1-95M" / COMMIT / "pytorch_model.bin").is_file()
    assert not any(line.split()[1].endswith(".py") for line in mert[1].asked)


def test_a_repository_whose_layout_has_no_preprocessor_comes_too(hub, golden, tmp_path):
    """As MuQ's and MuQ-MuLan's, whose config.json names no type."""
    hub[1].files = {name: (golden / "muq-small" / name).read_bytes() for name in ("config.json", "model.safetensors")}
    address = f"hf:OpenMuQ/MuQ-of-mine@{COMMIT}"
    assert "(0, 1, 2, 3)" in load_from(hub, tmp_path, "", address)
    hub[1].asked.clear()
    assert "(0, 1, 2, 3)" in load_from(hub, tmp_path, "", address)
    assert hub[1].asked == []


def test_a_commit_that_is_here_needs_no_network(mert, tmp_path):
    address = f"hf:m-a-p/MERT-v1-95M@{COMMIT}"
    assert "(0, 1, 2, 3)" in load_from(mert, tmp_path, "", address)
    mert[1].asked.clear()
    assert "(0, 1, 2, 3)" in load_from(mert, tmp_path, "", address)
    assert mert[1].asked == []


def test_a_gated_model_asks_for_a_token_in_words(mert, tmp_path):
    mert[1].gated = True
    said = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v2-30s")
    assert "m-a-p/MERT-v2-30s at main is gated: accept its terms at" in said
    assert "HF_TOKEN" in said


def test_a_repository_without_weights_is_an_error_that_names_them(mert, tmp_path):
    del mert[1].files["pytorch_model.bin"]
    said = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M")
    assert "has none of model.safetensors, model.safetensors.index.json, pytorch_model.bin" in said


def test_without_a_network_the_commit_that_was_last_seen_answers(mert, tmp_path):
    assert "(0, 1, 2, 3)" in load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M")
    mert[0].shutdown()
    mert[0].server_close()
    done = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M")
    assert "(0, 1, 2, 3)" in done


def test_without_a_network_what_is_not_here_is_an_error_in_words(mert, tmp_path):
    mert[0].shutdown()
    mert[0].server_close()
    for name in ("hf:m-a-p/MERT-v1-95M", f"hf:m-a-p/MERT-v1-95M@{COMMIT}", "muq"):
        done = load_from(mert, tmp_path, "", name)
        assert "ModelError" in done
        assert "check the network and run the same command again" in done


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
    assert "(0, 1, 2, 3)" in done
    for name in ("preprocessor_config.json", "pytorch_model.bin"):
        (snapshot / name).write_bytes(mert[1].files[name])
    mert[1].asked.clear()
    whole = load_from(mert, tmp_path / "other", "", f"hf:m-a-p/MERT-v1-95M@{COMMIT}")
    assert "(0, 1, 2, 3)" in whole


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
    assert "(0, 1, 2, 3)" in done


def test_a_connection_that_breaks_off_is_continued_where_it_was(hub, tmp_path):
    hub[1].breaks = 100_000
    done = load_from(hub, tmp_path, digest_of(hub))
    assert "(0, 1, 2, 3)" in done
    assert any(line.endswith("model.safetensors 100000") for line in hub[1].asked)


@pytest.mark.slow  # the hub's client waits a second before each of its five retries
def test_a_server_that_always_breaks_off_is_said_and_what_has_arrived_stays(hub, tmp_path):
    hub[1].breaks, hub[1].always = 100_000, True
    done = load_from(hub, tmp_path, digest_of(hub))
    assert "could not be fetched" in done
    assert "check the network and run the same command again" in done
    assert part_of(tmp_path).stat().st_size == 100_000
    hub[1].breaks = None
    assert "(0, 1, 2, 3)" in load_from(hub, tmp_path, digest_of(hub))


def test_a_part_that_is_longer_than_the_file_is_of_another_and_begun_again(hub, tmp_path):
    content = hub[1].files["model.safetensors"]
    part_of(tmp_path).parent.mkdir(parents=True)
    part_of(tmp_path).write_bytes(content + b"more")
    done = load_from(hub, tmp_path, digest_of(hub))
    assert "(0, 1, 2, 3)" in done


def test_a_part_of_another_file_is_thrown_away_by_the_hubs_own_digest(mert, tmp_path):
    place = tmp_path / "models" / "m-a-p--MERT-v1-95M" / COMMIT / "pytorch_model.bin.part"
    place.parent.mkdir(parents=True)
    place.write_bytes(bytes(1000))
    done = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M")
    assert "pytorch_model.bin: arrived damaged (its sha256 differs); run the same command again" in done
    assert "(0, 1, 2, 3)" in load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M")


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ((401, "RepoNotFound"), "has no such repository, or does not show it (401); check the name, or give a token"),
        ((404, "RepoNotFound"), "has no such repository, or does not show it (404)"),
        ((403, ""), "does not show it (403)"),
        ((404, "RevisionNotFound"), "m-a-p/MERT-v1-95M has no branch, tag or commit 'v9' on the hub"),
        ((500, ""), "could not be fetched (HfHubHTTPError: "),
    ],
)
def test_what_the_hub_refuses_is_said_in_words(mert, tmp_path, refusal, words):
    mert[1].refusal = refusal
    done = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M@v9")
    assert words in done, done


def test_a_full_disk_in_a_download_is_the_disks_and_it_continues(hub, tmp_path):
    done = load_apart(hub, tmp_path, digest_of(hub), largest=100_000)
    assert f"ResourceError {part_of(tmp_path).with_suffix('')}: cannot be written (File too large)" in done
    assert "network" not in done
    assert part_of(tmp_path).stat().st_size == 100_000
    assert "(0, 1, 2, 3)" in load_from(hub, tmp_path, digest_of(hub))


def test_a_full_file_system_says_where_and_how_to_go_on(hub, tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    call = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(call, capture_output=True, check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        done = load_from(hub, place, digest_of(hub))
    finally:
        subprocess.run(["umount", str(place)], check=True)
    assert "cannot be written (No space left on device); free some space and run the same command again" in done


def test_a_cache_that_is_a_file_is_the_places_fault(hub, tmp_path):
    (tmp_path / "models").write_text("")
    done = load_from(hub, tmp_path, digest_of(hub))
    assert "ResourceError" in done
    assert "choose another place" in done


def test_a_proxy_that_cannot_be_used_is_said(hub, tmp_path):
    done = load_apart(hub, tmp_path, digest_of(hub), ALL_PROXY="nonsense://127.0.0.1:1", NO_PROXY="")
    assert "could not be fetched (ValueError: Unknown scheme for proxy URL" in done


def test_two_processes_at_once_download_once(hub, tmp_path):
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda _: load_apart(hub, tmp_path, digest_of(hub)), range(2)))
    assert done == ["(0, 1, 2, 3)\n"] * 2
    assert len([line for line in hub[1].asked if line.startswith("GET")]) == 2  # settings and weights


def test_what_is_all_here_needs_no_network_though_it_is_forbidden(mert, tmp_path):
    assert "(0, 1, 2, 3)" in load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M")
    mert[1].asked.clear()
    done = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M", offline=True)
    assert "(0, 1, 2, 3)" in done
    assert mert[1].asked == []


def test_a_branch_that_cannot_be_remembered_is_no_fault_of_the_model(mert, tmp_path):
    assert "(0, 1, 2, 3)" in load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M")
    shutil.rmtree(tmp_path / "models" / "m-a-p--MERT-v1-95M" / "refs")
    (tmp_path / "models" / "m-a-p--MERT-v1-95M" / "refs").write_text("in the way")
    done = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M")
    assert "(0, 1, 2, 3)" in done, done


def test_a_token_goes_to_no_other_host(mert, tmp_path, monkeypatch):
    """The hub sends for large files to another host; its own client leaves the token out there."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    heard = []

    class Store(Hub):
        files, asked = mert[1].files, []

        def answer(self, *, body):
            heard.append((self.command, self.headers.get("Authorization")))
            super().answer(body=body)

    store = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=store.serve_forever, daemon=True).start()
    mert[1].elsewhere = f"http://127.0.0.1:{store.server_port}"
    try:
        done = load_from(mert, tmp_path, "", "hf:m-a-p/MERT-v1-95M")
    finally:
        store.shutdown()
        store.server_close()
    assert "(0, 1, 2, 3)" in done
    assert ("GET", None) in heard
    assert not any(token for _, token in heard)
