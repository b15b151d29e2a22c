"""How a Ray cluster is found or started, looked at, and refused where its machines are not alike.

Ray runs pickled code for whoever reaches its ports. A cluster that is started here listens on loopback alone and asks
for a token; `docs/scale.md` says the same of clusters that are started elsewhere.
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib

from layerscope.atomic_files import cache_directory, is_alive, machine, write_atomically
from layerscope.errors import ResourceError, UsageError
from layerscope.probes.workers import calls_elsewhere
from layerscope.study.ray_cluster import Cluster, Node
from layerscope.study.ray_workers import RETRIES, ray

__all__ = ["SAME_VERSIONS", "connected"]

#: What `--ray` takes for a cluster of this machine alone.
LOCAL = "local"
#: Seconds in which a cluster's address must answer.
ANSWER = 10.0
#: Seconds in which a node must have loaded layerscope, which a busy disk makes slow.
WAKING = 600.0
#: By the first of these Ray binds to loopback, on any system; by the second it asks for a token.
ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
#: On these states and scores depend.
SAME_VERSIONS = ("layerscope", "torch", "numpy", "scikit-learn", "librosa", "soxr")


@contextmanager
def connected(address: str | None) -> Iterator[Cluster | None]:
    """Connect to a cluster, whose workers then take what `side_by_side` runs; without an address there is none.

    Parameters
    ----------
    address : str, optional
        ``"local"`` for one of this machine alone, which ends with the context; or ``"auto"`` or ``"HOST:PORT"`` of one
        that this machine is part of.

    Raises
    ------
    UsageError
        Without Ray, or for an address that is none.
    ResourceError
        If there is no cluster, or its nodes have other versions than this machine.
    """
    if address is None:
        yield None
        return
    refuse_address(address)
    with place_of_files(address) as directory:
        try:
            start(address, directory)
            cache = cache_directory().absolute()
            cluster = Cluster(list(nodes_seen(cache)), cache)
            with calls_elsewhere(cluster.run, cluster.at_once):
                yield cluster
        finally:
            ray().shutdown()


@contextmanager
def place_of_files(address: str) -> Iterator[Path | None]:
    """Yield where a cluster of this machine alone keeps its files, gone at the end; others have their own place."""
    if address != LOCAL:
        yield None
        return
    sweep_places()
    try:
        # Short, as it begins the path of a socket. Errors, as Ray's processes may write on while they end.
        with tempfile.TemporaryDirectory(prefix=PLACE, ignore_cleanup_errors=True) as place:
            owner = Path(f"{place}{OWNER}")
            owner.write_text(f"{machine()} {os.getpid()}")
            yield Path(place)
    finally:
        # Of what is left a later run is to know that it is nobody's.
        if not Path(place).exists():
            owner.unlink(missing_ok=True)


#: How such places begin, and the end of the name of the file beside one that says whose it is.
PLACE, OWNER = "ls-ray-", ".owner"


def sweep_places() -> None:
    """Remove the places of clusters whose process, one of this machine, is no more; those of live ones stay."""
    for owner in Path(tempfile.gettempdir()).glob(f"{PLACE}*{OWNER}"):
        # Others may have files that are closed to us, or that are gone meanwhile.
        with suppress(OSError, ValueError):
            name, process = owner.read_text().split()
            if name == machine() and not is_alive(int(process)):
                shutil.rmtree(owner.with_suffix(""), ignore_errors=True)
                owner.unlink()


def refuse_address(address: str) -> None:
    """Raise where there is no Ray, no such address, or nobody who answers there."""
    if find_spec("ray") is None:
        raise UsageError(f"--ray {address} needs Ray: pip install 'layerscope[ray]'")
    host, colon, port = address.rpartition(":")
    if address in (LOCAL, "auto"):
        return
    if not (colon and host and port.isdecimal() and "/" not in host):
        raise UsageError(
            f"--ray {address}: give local, auto, or the HOST:PORT of a cluster that this machine is part of"
        )
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER).close()
    except (OSError, OverflowError, UnicodeError) as error:  # the last of names that can be nobody's, such as a..b
        raise ResourceError(
            f"--ray {address}: nobody answers there ({error}); `ray start --head` starts a cluster, and prints its "
            "address"
        ) from error


def start(address: str, directory: Path | None) -> None:
    """Connect, with the least that Ray can be asked for."""
    # No report of use to its makers, and no change of what CUDA shows to tasks without GPUs.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    options: dict[str, Any] = {"address": address}
    if directory:
        # Ray reads this once, when it is imported; a program that has imported it has chosen for itself.
        if "ray" not in sys.modules:
            os.environ |= ON_LOOPBACK | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
        options |= {
            "num_cpus": joblib.cpu_count(),
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
            "_temp_dir": str(directory),
        }
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ray().init(**options, configure_logging=False, log_to_driver=False)
    except Exception as error:  # so bare is what Ray raises where a node is not up in time
        reason = str(error).strip().partition("\n")[0]
        raise ResourceError(f"--ray {address}: no cluster to work on: {reason}") from error
    finally:
        # Ray sets its own, by which an interrupted command would leave without a word.
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)


def nodes_seen(cache: Path) -> Iterator[Node]:
    """Yield the nodes of the cluster, each having looked for the cache, or raise if one differs from this machine."""
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    mark = cache / f".seen-by-{uuid.uuid4().hex}"
    write_atomically(mark, b"")
    ask = ray().remote(num_cpus=0, max_retries=RETRIES)(look_around)
    alive = [node for node in ray().nodes() if node["Alive"]]
    try:
        asked = []
        for node in alive:
            here = ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
            # One answer is waited for; the others have a process for each core load what its work will need.
            answers = [here.remote(mark) for _ in range(max(1, int(node["Resources"].get("CPU", 0))))]
            asked.append(answers[0])
        for node, reference in zip(alive, asked, strict=True):
            name, has = node["NodeManagerHostname"], node["Resources"]
            try:
                versions, sees = ray().get(reference, timeout=WAKING)
            except RayError as error:
                reason = str(error).strip().rpartition("\n")[2]
                raise ResourceError(f"{name} of the cluster cannot run layerscope: {reason}") from error
            refuse_versions(name, versions)
            cores, devices = int(has.get("CPU", 0)), int(has.get("GPU", 0))
            yield Node(node["NodeID"], name, cores, devices, has.get("memory", 0) / 1e9, sees)
    finally:
        mark.unlink(missing_ok=True)


def look_around(mark: Path) -> tuple[dict[str, str], bool]:
    """Return the versions of this machine, and whether it sees a file."""
    return versions_here(), mark.is_file()


def versions_here() -> dict[str, str]:
    """Return the versions by which results may differ."""
    return {"Python": platform.python_version()} | {name: version(name) for name in SAME_VERSIONS}


def refuse_versions(node: str, versions: Mapping[str, str]) -> None:
    """Raise if a node has other versions than this machine."""
    for name, here in versions_here().items():
        if versions[name] != here:
            raise ResourceError(
                f"{node} of the cluster has {name} {versions[name]} and this machine {here}: results could differ; "
                "install the same everywhere (pip install -c constraints.txt)"
            )
