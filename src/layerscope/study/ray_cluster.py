"""Many devices and machines behind the same command: shards of the pass and trainings on a Ray cluster.

Shards go to one worker a device (a GPU where the cluster has some and the encoder is a network, a core otherwise),
trainings to one a core. What a worker computes is what one process computes: it runs the same functions on the
same shards and jobs, so that files are the same to the byte where the processors are of one kind. On a file system that
all nodes share, workers write shards themselves; otherwise these come back. A worker that dies costs its shard or job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from layerscope.encoders.encoder import LayeredEncoder
from layerscope.encoders.sketch import Sketch
from layerscope.features.encoder_pass import Extraction, Pass, Progress, among
from layerscope.features.store import FeatureStore
from layerscope.probes.workers import Order
from layerscope.study.ray_workers import Parcels, movable, on_workers, ray

__all__ = ["Cluster", "Node"]

#: That a GPU is given: 160 minutes of sound, some seconds of one that is fast. Between two times it waits for the first
#: clips to be decoded.
SHARDS_AT_ONCE = 32
#: Bytes of shards that come back at once from a node that does not see the cache: they are in memory there, here, and
#: on the way.
RETURNED = 1e9


@dataclass(frozen=True)
class Node:
    """A machine of a cluster.

    Attributes
    ----------
    key : str
        Ray's name of it.
    name : str
        Its host name.
    cores, devices : int
        CPUs and GPUs that the cluster may use there.
    gigabytes : float
        Of memory that the cluster may use there.
    shares_cache : bool
        Whether it sees the cache of this machine.
    """

    key: str
    name: str
    cores: int
    devices: int
    gigabytes: float
    shares_cache: bool


@dataclass(frozen=True)
class Cluster:
    """Nodes that take shards and calls.

    Attributes
    ----------
    nodes : list of Node
        Those that were there at the beginning; what leaves is not waited for, what joins takes its place.
    cache : Path
        Of this machine.
    """

    nodes: list[Node]
    cache: Path
    #: Workers of what was done last, and their share of a node in Ray's words: they hold it until they are let go.
    kept: dict[str, list[Any]] = field(default_factory=dict, compare=False)

    @property
    def cores(self) -> int:
        """Return how many trainings run at once."""
        return sum(node.cores for node in self.nodes)

    @property
    def at_once(self) -> int:
        """Return how many trainings run at once on one node, at most."""
        return max(node.cores for node in self.nodes)

    def share_of(self, encoder: object) -> tuple[int, dict[str, int]]:
        """Return how many workers encode at once, and what each takes of a node, in Ray's words."""
        with_devices = [node for node in self.nodes if node.devices]
        if not with_devices or not isinstance(encoder, (LayeredEncoder, Sketch)):
            return self.cores, {"num_cpus": 1}
        # The cores of a node decode for its devices.
        cores = min(max(1, node.cores // node.devices) for node in with_devices)
        return sum(node.devices for node in with_devices), {"num_gpus": 1, "num_cpus": cores}

    def in_words(self) -> list[str]:
        """Return what each node has."""
        return [
            f"node {node.name}: {node.cores} cores, {node.devices} GPUs, {node.gigabytes:.0f} GB of memory, "
            f"{'sees' if node.shares_cache else 'does not see'} the cache"
            for node in self.nodes
        ]

    def measure(self, encoder: object, function: Callable[..., float], *arguments: object) -> float:
        """Return what a function measures with the share of a node that a worker has."""
        share = self.share_of(encoder)[1]
        ((_, measured),) = self.on_workers(share, 1, (share["num_cpus"],), handed(function), [arguments])
        return float(measured)

    def encode_shards(
        self,
        one_pass: Pass,
        shards: Sequence[pd.DataFrame],
        store: FeatureStore,
        missing: Mapping[str, int],
        done: Extraction,
        progress: Progress,
    ) -> None:
        """Encode shards side by side, and count what was done; see `Pass.encode_shards`."""
        if not shards:
            return
        workers, share = self.share_of(one_pass.encoder)
        sharing = frozenset(node.key for node in self.nodes if node.shares_cache)
        with movable(one_pass.encoder):
            given = (share["num_cpus"], ray().put(one_pass), self.cache, sharing)
        most = SHARDS_AT_ONCE if "num_gpus" in share else 1
        if len(sharing) < len(self.nodes):
            most = min(most, int(RETURNED * len(shards) / one_pass.stored_bytes(pd.concat(shards))))
        # As many for all workers to have several turns.
        count = max(1, min(most, len(shards) // (4 * workers)))
        parts = [shards[first : first + count] for first in range(0, len(shards), count)]
        calls = [
            (part, {key: missing[key] for rows in part for key in rows.clip_key if key in missing}) for part in parts
        ]
        for number, (part, files) in self.on_workers(share, workers, given, shard_handed, calls):
            for name, content in files.items():
                store.adopt(name, content)
            for name in ("decoded", "encoded", "cached", "windows"):
                setattr(done, name, getattr(done, name) + getattr(part, name))
            done.failed.update(part.failed)
            rows = pd.concat(parts[number])
            rows = rows[among(calls[number][1], rows)]
            progress(len(rows), float(rows.clip_seconds.sum()))
        # Once, as nobody reads before: to list a large store after each of its shards takes long.
        store.refresh()

    def run(self, function: Callable[..., Any], calls: Iterator[tuple[Any, ...]], order: Order) -> Iterator[Any]:
        """Yield what a function returns for each of several arguments; see `side_by_side`."""
        parcels = Parcels(all(node.shares_cache for node in self.nodes))
        wrapped = (tuple(map(parcels.wrap, arguments)) for arguments in calls)
        results: dict[int, Any] = {}
        position = 0
        for number, result in self.on_workers({"num_cpus": 1}, self.cores, (1,), handed(function), wrapped):
            if order == "as ready":
                yield result
                continue
            results[number] = result
            while position in results:
                yield results.pop(position)
                position += 1

    def on_workers(
        self,
        share: dict[str, int],
        count: int,
        given: Sequence[Any],
        hand: Callable[..., Any],
        calls: Iterable[tuple[Any, ...]],
    ) -> Iterator[tuple[int, Any]]:
        """Yield numbers and results of calls, by workers that stay until others need their share; see `on_workers`."""
        kept = self.kept.pop(str(share), [])
        self.kept.clear()
        yield from on_workers(share, count, given, hand, calls, kept)
        self.kept[str(share)] = kept


def shard_handed(worker: Any, *arguments: object) -> Any:
    """Hand a worker a shard, and return the reference of what it will leave."""
    return worker.encode.remote(*arguments)


def handed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what hands workers the arguments of a function, under whose name they are seen at work."""
    return lambda worker, *arguments: worker.call.options(name=function.__name__).remote(function, *arguments)
