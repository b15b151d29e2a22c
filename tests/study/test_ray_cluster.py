import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from conftest import TWO_WORKERS, write_tone
from layerscope import Dataset, load_encoder
from layerscope.atomic_files import machine
from layerscope.data.audio import file_facts
from layerscope.data.splits import assign, parts_of
from layerscope.errors import AudioError, ResourceError, UsageError
from layerscope.features import encoder_pass
from layerscope.features.encoder_pass import Extraction, Pass, plan_shards
from layerscope.features.stored_features import stored_features
from layerscope.probes.fitting import Target, plan_jobs
from layerscope.probes.jobs_side_by_side import run_jobs
from layerscope.probes.workers import calls_elsewhere, elsewhere, side_by_side
from layerscope.study.extraction import extract_all
from layerscope.study.options import Call
from layerscope.study.ray_cluster import Cluster, Node, handed, shard_handed
from layerscope.study.ray_connection import (
    connected,
    place_of_files,
    refuse_address,
    refuse_versions,
    start,
    versions_here,
)
from layerscope.study.study_tasks import StudyTask
from layerscope.study.workplace import Workplace


def test_without_ray_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if not (Path(place) / "ray").is_dir()])
    with pytest.raises(UsageError, match=r"needs Ray: pip install 'layerscope\[ray\]'"):
        refuse_address("local")


def test_other_versions_on_a_node_are_named():
    refuse_versions("node-1", versions_here())
    with pytest.raises(ResourceError, match=r"node-1 of the cluster has torch 1\.0 and this machine"):
        refuse_versions("node-1", versions_here() | {"torch": "1.0"})


def test_places_of_killed_runs_are_swept_and_those_of_live_and_distant_ones_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    owners = {
        "ls-ray-killed": f"{machine()} {gone.pid}", "ls-ray-alive": f"{machine()} {os.getpid()}",
        "ls-ray-distant": f"elsewhere {gone.pid}", "ls-ray-odd": "odd", "theirs": f"{machine()} {gone.pid}",
    }  # fmt: skip
    for name, owner in owners.items():
        (tmp_path / name / "session").mkdir(parents=True)
        (tmp_path / f"{name}.owner").write_text(owner)
    with place_of_files("local") as place:
        assert Path(f"{place}.owner").read_text() == f"{machine()} {os.getpid()}"
        left = {*owners, place.name} - {"ls-ray-killed"}
        assert {path.name for path in tmp_path.iterdir()} == left | {f"{name}.owner" for name in left}
    assert not Path(f"{place}.owner").exists()
    assert not place.exists()


if find_spec("ray") is None:  # not imported here: what it is to do on loopback, it reads then
    pytest.skip("Ray is an extra: pip install 'layerscope[ray]'", allow_module_level=True)


@pytest.mark.parametrize("address", ["somewhere", "ray://10.0.0.1:10001", ":6379", "host:", "http://host:80", "host:²"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(UsageError, match="give local, auto, or the HOST:PORT"):
        refuse_address(address)


def test_a_cluster_that_is_not_there_is_told():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ResourceError, match=rf"--ray 127.0.0.1:{port}: nobody answers there"):
        refuse_address(f"127.0.0.1:{port}")


def test_a_host_that_can_be_nobody_is_told():
    with pytest.raises(ResourceError, match="nobody answers there"):
        refuse_address("a..b:6379")


#: An interrupt while Ray is imported, and again where its import is tried once more to end it.
INTERRUPTED = """
import sys
from layerscope.study.ray_connection import connected

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "ray._private":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
try:
    with connected("local"):
        pass
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_while_ray_is_imported_leaves_no_directory(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True
    )
    assert ended.stdout == "interrupted\n", ended.stderr
    assert not list(tmp_path.glob("ls-ray-*"))


def test_a_node_that_is_not_up_in_time_is_told(monkeypatch):
    """Ray raises an exception of no class of its own."""

    class Slow:
        def init(self, **_):
            raise Exception("The current node timed out during startup.")

    monkeypatch.setattr("layerscope.study.ray_connection.ray", Slow)
    with pytest.raises(ResourceError, match="--ray local: no cluster to work on: The current node timed out"):
        start("local", None)


@pytest.fixture(scope="module")
def cluster():
    """Two workers of one core on loopback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "2")
        patch.setenv("LAYERSCOPE_CACHE", "/tmp")
        with connected("local") as found:
            # Tests say themselves when calls go there.
            elsewhere.set(None)
            yield found


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """Twelve clips, two a shard, as a task; one of them is too short for the encoder."""
    monkeypatch.setattr(encoder_pass, "SHARD_SECONDS", 1.0)
    for number in range(6):
        for name, frequency in (("low", 200), ("high", 900)):
            write_tone(tmp_path / "notes" / name / f"{number}.wav", frequency + 9 * number, 0.6, seed=number)
    write_tone(tmp_path / "notes" / "low" / "3.wav", 200, 0.03)
    return StudyTask("notes", Dataset.from_folder(tmp_path / "notes").survey(), "label")


def files_of(cache):
    return {path.relative_to(cache): path.read_bytes() for path in cache.rglob("*.safetensors")}


def extracted(task, cache, monkeypatch, cluster=None):
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(cache))
    return extract_all([load_encoder("random:small")], [task], Call(), Workplace(cluster=cluster))


@contextmanager
def killing(name, times):
    """Kill, so many times, the first process of that name that is seen."""
    killed, stop = [], threading.Event()

    def watch():
        while not stop.is_set() and len(killed) < times:
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = place.read_bytes()
                except OSError:
                    continue
                process = int(place.parent.name)
                if words.startswith(name.encode()) and process not in killed and len(killed) < times:
                    os.kill(process, signal.SIGKILL)
                    killed.append(process)
            time.sleep(0.001)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(("shared", "most"), [(True, 3), (False, 2)])
def test_a_node_that_does_not_see_the_cache_sends_no_more_at_once_than_memory_holds(
    notes, tmp_path, monkeypatch, shared, most
):
    handed_out = []

    class Counted(Cluster):
        def on_workers(self, *given):
            handed_out.extend(len(shards) for shards, _ in given[4])
            return iter(())

    class Cabled:
        put = staticmethod(lambda value: value)

    monkeypatch.setattr(encoder_pass, "SHARD_SECONDS", 0.01)
    clips = notes.dataset.clips
    one_pass, shards = Pass(load_encoder("random:small"), 30.0, frames=True), list(plan_shards(clips))
    monkeypatch.setattr("layerscope.study.ray_cluster.ray", Cabled)
    monkeypatch.setattr("layerscope.study.ray_cluster.RETURNED", one_pass.stored_bytes(clips) / 5)
    found = Counted([Node("a", "a", 8, 1, 64.0, shared)], tmp_path)
    store = one_pass.store(tmp_path)
    found.encode_shards(one_pass, shards, store, one_pass.missing(clips, store), Extraction(), lambda *_: None)
    assert max(handed_out) == most


@pytest.mark.slow  # a cluster takes a minute to start beside other work
def test_a_cluster_listens_on_loopback_alone(cluster):
    assert [(node.cores, node.devices, node.shares_cache) for node in cluster.nodes] == [(2, 0, True)]
    assert cluster.share_of(load_encoder("random:small")) == (2, {"num_cpus": 1})
    import ray

    assert ray.nodes()[0]["NodeManagerAddress"] == "127.0.0.1"
    node = replace(cluster.nodes[0], devices=4, cores=18)
    of_two = replace(cluster, nodes=[node, replace(node, cores=32), replace(node, devices=0)])
    assert of_two.share_of(load_encoder("random:small")) == (8, {"num_gpus": 1, "num_cpus": 4})
    # A plain feature has no use for a device.
    assert of_two.share_of(load_encoder("mfcc")) == (68, {"num_cpus": 1})


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_the_pass_leaves_the_same_files(cluster, notes, tmp_path, monkeypatch, shared):
    alone = extracted(notes, tmp_path / "one", monkeypatch)
    nodes = [replace(node, shares_cache=shared) for node in cluster.nodes]
    other = replace(cluster, cache=tmp_path / "two", nodes=nodes)
    together = extracted(notes, tmp_path / "two", monkeypatch, other)
    assert len(files_of(tmp_path / "one")) == 6
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert {name: {**of_pass, "device": ""} for name, of_pass in together.counts.items()} == {
        name: {**of_pass, "device": ""} for name, of_pass in alone.counts.items()
    }
    assert together.counts["random:small"]["device"] == "workers of a Ray cluster"
    assert together.failed == alone.failed
    assert len(together.failed[0]) == 1
    again = extracted(notes, tmp_path / "two", monkeypatch, other)
    assert again.counts["random:small"]["clips_from_cache"] == 11


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_trainings_leave_the_same_outcomes(cluster, notes, tmp_path, monkeypatch, shared):
    passes = extracted(notes, tmp_path / "one", monkeypatch)
    failed = set(passes.failed[0])
    dataset = notes.dataset.without(
        {row.clip: "" for row in notes.dataset.clips.itertuples() if row.clip_key in failed}
    )
    features, labels = stored_features(passes.stores[0][0], dataset.clips), dataset.labels("label")
    jobs = plan_jobs([features], ["closed", "linear"])
    target = Target(labels, parts_of(assign(dataset.clips, labels, 0)))
    alone = run_jobs(jobs, target, [0], tmp_path / "alone", workers=1)
    nodes = [replace(node, shares_cache=shared) for node in cluster.nodes]
    with calls_elsewhere(replace(cluster, nodes=nodes).run, cluster.at_once):
        together = run_jobs(jobs, target, [0], tmp_path / "together")
    assert files_of(tmp_path / "alone") == files_of(tmp_path / "together")
    assert all(np.array_equal(a.test, b.test, equal_nan=True) for a, b in zip(alone, together, strict=True))


@pytest.mark.slow
def test_results_come_in_order_and_errors_as_they_were(cluster):
    with calls_elsewhere(cluster.run, cluster.at_once):
        assert list(side_by_side(divmod, [(7, n) for n in range(1, 9)])) == [divmod(7, n) for n in range(1, 9)]
        assert sorted(side_by_side(pow, [(2, n) for n in range(9)], order="as ready")) == [2**n for n in range(9)]
        assert list(side_by_side(pow, [])) == []
        with pytest.raises(AudioError, match=r"/no/such\.wav"):
            list(side_by_side(file_facts, [(Path("/no/such.wav"),)]))


@pytest.mark.slow
def test_workers_encode_train_and_measure_until_others_need_their_cores(cluster, notes, tmp_path, monkeypatch):
    (tmp_path / "two").mkdir()
    other = replace(cluster, cache=tmp_path / "two")

    def workers():
        return {worker._actor_id for of_share in other.kept.values() for worker in of_share}

    extracted(notes, tmp_path / "two", monkeypatch, other)
    first = workers()
    assert len(first) == 2
    with calls_elsewhere(other.run, other.at_once):
        assert list(side_by_side(pow, [(2, 3)])) == [8]
    assert other.measure(load_encoder("mel"), pow, 2, 3) == 8.0
    extract_all([load_encoder("mel")], [notes], Call(), Workplace(cluster=other))
    assert workers() == first
    assert list(other.on_workers({"num_cpus": 2}, 1, (2,), handed(pow), [(2, 3)])) == [(0, 8)]
    assert len(workers() - first) == len(workers()) == 1


@pytest.mark.slow
def test_a_killed_worker_costs_its_shard_alone(cluster, notes, tmp_path, monkeypatch):
    extracted(notes, tmp_path / "one", monkeypatch)
    with killing("ray::Worker.encode", 2) as killed:
        extracted(notes, tmp_path / "two", monkeypatch, replace(cluster, cache=tmp_path / "two"))
    assert len(killed) == 2
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


@pytest.mark.slow
def test_a_worker_whose_decoders_are_processes_takes_several_shards_at_once(cluster, notes, tmp_path, monkeypatch):
    import ray

    class FreeCores(Pass):
        """As where a GPU encodes."""

        on_gpu = True

    extracted(notes, tmp_path / "one", monkeypatch)
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "two"))
    encoder = load_encoder("random:small")
    one_pass, clips = FreeCores(encoder, encoder.window), notes.dataset.clips
    store, shards = one_pass.store(tmp_path / "two"), list(plan_shards(clips))
    given = (2, ray.put(one_pass), tmp_path / "two", frozenset({cluster.nodes[0].key}))
    missing = one_pass.missing(clips, store)
    calls = [(shards[first : first + 2], missing) for first in (0, 2, 4)]
    done = dict(cluster.on_workers({"num_cpus": 1}, 1, given, shard_handed, calls))
    assert sum(part.encoded for part, _ in done.values()) == 11
    assert sum(len(part.failed) for part, _ in done.values()) == 1
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    cluster.kept.clear()


@pytest.mark.slow
def test_work_that_kills_every_worker_is_told(cluster, notes, tmp_path, monkeypatch):
    monkeypatch.setattr(encoder_pass, "SHARD_SECONDS", 300.0)
    with (
        killing("ray::Worker.encode", 100),
        pytest.raises(ResourceError, match=r"a worker .* died .* tried 3 times"),
    ):
        extracted(notes, tmp_path / "two", monkeypatch, replace(cluster, cache=tmp_path / "two"))


@pytest.mark.slow
def test_a_killed_training_is_done_again(cluster):
    with killing("ray::sleep", 1) as killed, calls_elsewhere(cluster.run, cluster.at_once):
        assert list(side_by_side(time.sleep, [(0.5,)] * 4)) == [None] * 4
    assert len(killed) == 1


@pytest.mark.slow
def test_audio_that_a_node_lacks_is_no_failed_clip(cluster, notes, tmp_path, monkeypatch):
    Path(notes.dataset.clips.path[5]).unlink()
    with pytest.raises(ResourceError, match="audio must lie under the same path on every node"):
        extracted(notes, tmp_path / "two", monkeypatch, replace(cluster, cache=tmp_path / "two"))


@pytest.fixture
def short_place():
    """A place of its own, as other tests begin and end clusters; short, since it begins the path of a socket."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp", ignore_cleanup_errors=True) as place:
        yield place


@pytest.mark.slow
def test_a_study_is_the_same_and_leaves_nothing(tones, tmp_path, short_place):
    study = ["--data", str(tones), "--model", "random:small", "--baseline", "none", "--probe", "linear,mlp"]
    study += ["--layers", "0-1"]
    for name, more in (("one", []), ("two", ["--ray", "local"])):
        subprocess.run(
            [sys.executable, "-m", "layerscope", "run", *study, "--out", str(tmp_path / name), *more],
            env=os.environ | TWO_WORKERS | {"LAYERSCOPE_CACHE": str(tmp_path / f"cache-{name}"), "TMPDIR": short_place},
            check=True, capture_output=True,
        )  # fmt: skip
    for table in ("results.csv", "predictions.csv", "splits.csv", "summary.csv"):
        assert (tmp_path / "one" / table).read_bytes() == (tmp_path / "two" / table).read_bytes()
    assert files_of(tmp_path / "cache-one") == files_of(tmp_path / "cache-two")
    assert not list(Path(short_place).glob("ls-ray-*"))
    # Where the work was done is no part of the study: it goes on in one process.
    again = subprocess.run(
        [sys.executable, "-m", "layerscope", "run", *study, "--out", str(tmp_path / "two")],
        env=os.environ | {"LAYERSCOPE_CACHE": str(tmp_path / "cache-two")}, capture_output=True,
    )  # fmt: skip
    assert again.returncode == 0
