"""Work on a Ray cluster: what is sent, what a worker does with it, and what becomes of work whose worker dies."""

from __future__ import annotations

import os
import socket
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from layerscope.atomic_files import file_digest
from layerscope.encoders.encoder import LayeredEncoder
from layerscope.errors import LayerscopeError, ResourceError
from layerscope.features.clip_features import Features
from layerscope.features.decoding import lost_processes
from layerscope.features.encoder_pass import Extraction, Pass
from layerscope.features.row_blocks import give_back_memory
from layerscope.features.store import FeatureStore
from layerscope.probes.fitting import Job

__all__ = ["RETRIES", "Parcels", "movable", "on_workers", "ray", "value_of"]

#: How often a shard or job may lose its worker before that is taken for its own fault.
RETRIES = 2
#: Seconds without news after which it is looked whether there are nodes at all.
PATIENCE = 10.0


@dataclass
class Parcels:
    """Arguments of calls as they travel: what several calls share is sent once.

    Attributes
    ----------
    shared : bool
        Whether workers read the states of features themselves.
    """

    shared: bool
    #: By identity, with the object, so that no other one gets its number.
    sent: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def wrap(self, argument: Any) -> Any:
        """Return an argument, or a reference to what was sent before."""
        if isinstance(argument, Job):
            return argument if self.shared else replace(argument, features=self.with_states(argument.features))
        if isinstance(argument, (int, float, str, range, tuple, list)):
            return argument
        return self.once(argument, lambda: ray().put(argument))

    def with_states(self, features: Features) -> Features:
        """Return features that are read from the cluster's memory, a layer when it is asked for."""
        return self.once(features, lambda: replace(features, read=SentStates.of(features)))

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what was made for an object."""
        if id(key) not in self.sent:
            self.sent[id(key)] = (key, make())
        return self.sent[id(key)][1]


@dataclass(frozen=True)
class SentStates:
    """States of each layer in the cluster's memory."""

    references: tuple[Any, ...]

    @classmethod
    def of(cls, features: Features) -> SentStates:
        """Send the states of all layers."""
        return cls(tuple(ray().put(features.read(position)[:]) for position in range(len(features.layers))))

    def __call__(self, position: int) -> NDArray[np.float32]:
        """Return those of one layer."""
        states: NDArray[np.float32] = ray().get(self.references[position])
        return states


class Worker:
    """Encodes shards and makes calls, in a process of the cluster."""

    one_pass: Pass | None
    store: FeatureStore | None
    #: What decodes for a GPU: processes, whose start takes longer than the encoding of a shard.
    executor: Executor | None

    def __init__(self) -> None:
        self.opened = ExitStack()

    def prepare(
        self, threads: int, one_pass: Pass | None = None, cache: Path = Path(), sharing: frozenset[str] = frozenset()
    ) -> None:
        """Work on so many threads from now on; to encode, take a pass on this worker's device, or let go of one.

        `sharing` are the nodes that see the cache.
        """
        # Decode and compute on the worker's share of its node, not on all of it.
        os.environ["LOKY_MAX_CPU_COUNT"] = str(threads)
        torch.set_num_threads(threads)
        self.opened.close()
        self.one_pass, self.store, self.executor = one_pass, None, None
        # Of the pass before.
        give_back_memory()
        if one_pass is None:
            return
        if ray().get_gpu_ids():
            move(one_pass.encoder, "cuda")
        if one_pass.decodes_by_processes:
            self.executor = self.opened.enter_context(one_pass.decoders())
        if ray().get_runtime_context().get_node_id() in sharing:
            self.store = one_pass.store(cache)

    def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Call a function."""
        return function(*arguments)

    def encode(self, shards: Sequence[pd.DataFrame], sampled: Mapping[str, int]) -> tuple[Extraction, dict[str, bytes]]:
        """Encode what is missing of shards; return what was done, and the files where the cache is not shared."""
        for path, clip_key in {row.path: row.clip_key for rows in shards for row in rows.itertuples()}.items():
            refuse_other_file(Path(path), str(clip_key), self.store is not None)
        assert self.one_pass is not None
        with (
            nullcontext() if self.store else tempfile.TemporaryDirectory(prefix="layerscope-shard-") as place,
            lost_processes(),
        ):
            store, done = self.store or self.one_pass.store(Path(str(place))), Extraction()
            self.one_pass.encode_shards(shards, store, sampled, done, executor=self.executor)
            files = (
                {} if self.store else {path.name: path.read_bytes() for path in store.directory.glob("*.safetensors")}
            )
        return done, files


def refuse_other_file(path: Path, clip_key: str, trusted: bool) -> None:
    """Raise unless an audio file is on this machine, and is the one that was surveyed."""
    if not path.is_file():
        raise ResourceError(
            f"{path} is not on {socket.gethostname()}: audio must lie under the same path on every node of the cluster"
        )
    # Where nodes share a file system, it is one file.
    if not trusted and not clip_key.startswith(file_digest(path)):
        raise ResourceError(f"{path} on {socket.gethostname()} is another file than here: copy it there again")


def move(encoder: object, device: str) -> None:
    """Move a network to a device; plain features and encoders of one's own stay where they are."""
    if isinstance(encoder, LayeredEncoder):
        encoder.move(torch.device(device))


@contextmanager
def movable(encoder: object) -> Iterator[None]:
    """Keep a network in this machine's memory while it is sent: a worker may have no such device."""
    device = encoder.device if isinstance(encoder, LayeredEncoder) else "cpu"
    move(encoder, "cpu")
    try:
        yield
    finally:
        move(encoder, device)


def on_workers(
    share: Mapping[str, int],
    count: int,
    given: Sequence[Any],
    hand: Callable[..., Any],
    calls: Iterable[tuple[Any, ...]],
    kept: list[Any],
) -> Iterator[tuple[int, Any]]:
    """Yield each call's number and result, as ready, from so many `Worker` that are prepared with what is given.

    `hand` hands a worker the arguments of a call. A worker gets its first one once it is ready, so that none waits for
    a machine that has left. Those of earlier work with the same share that are `kept`, as they have imported all that
    they need, are prepared anew, and kept.
    """
    actor = ray().remote(**share)(Worker)
    numbered, waiting = enumerate(calls), deque[tuple[int, tuple[Any, ...]]]()
    losses = Counter[int | None]()
    running: dict[Any, tuple[Any, tuple[int, tuple[Any, ...]] | None]] = {}

    def look_ahead() -> None:
        waiting.extend(islice(numbered, max(0, count - len(waiting))))

    def start() -> None:
        worker = kept.pop() if kept else actor.remote()
        running[worker.prepare.remote(*given)] = (worker, None)

    look_ahead()
    for _ in range(len(waiting)):
        start()
    while waiting or any(call for _, call in running.values()):
        ready = ray().wait(list(running), timeout=PATIENCE)[0]
        if not ready:
            refuse_without(share)
        for reference in ready:
            worker, call = running.pop(reference)
            try:
                result = value_of(reference)
            except WorkerLost as error:
                number = call and call[0]
                losses[number] += 1
                if losses[number] > (RETRIES if call else RETRIES * count):
                    raise ResourceError(f"{error}; it was tried {losses[number]} times") from error
                waiting.extendleft([call] if call else [])
                start()
                continue
            if waiting:
                following = waiting.popleft()
                running[hand(worker, *following[1])] = (worker, following)
            else:
                kept.append(worker)
            if call:
                # Not before the worker has its next one, as whoever takes this may take its time.
                yield call[0], result
            look_ahead()
    kept += [worker for worker, _ in running.values()]


class WorkerLost(ResourceError):
    """A process of the cluster that is no more."""


def value_of(reference: Any) -> Any:
    """Return the value of a reference; what a worker raised for a person is raised here as it was."""
    from ray import exceptions

    lost = (
        exceptions.RayActorError, exceptions.WorkerCrashedError, exceptions.NodeDiedError,
        exceptions.OutOfMemoryError, exceptions.ObjectLostError,
    )  # fmt: skip
    try:
        return ray().get(reference)
    except exceptions.RayTaskError as error:
        if isinstance(error.cause, LayerscopeError):
            raise error.cause from None
        raise
    except lost as error:
        raise WorkerLost(
            "a worker of the cluster died at its work (killed, out of memory, or its node left); what is finished is "
            "kept, and the same command continues"
        ) from error


def refuse_without(share: Mapping[str, int]) -> None:
    """Raise if no node is left that could take a worker."""
    needed = {"CPU": share["num_cpus"], "GPU": share.get("num_gpus", 0)}
    nodes = [node["Resources"] for node in ray().nodes() if node["Alive"]]
    if not any(all(node.get(name, 0) >= count for name, count in needed.items()) for node in nodes):
        raise ResourceError(
            f"no node of the cluster is left that has {needed['CPU']} CPUs and {needed['GPU']} GPUs; what is finished "
            "is kept, and the same command continues"
        )


def ray() -> Any:
    """Return Ray, which takes a second to import and is an extra."""
    import ray as module

    return module
