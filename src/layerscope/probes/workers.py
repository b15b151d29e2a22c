"""Processes that work side by side, and end with the one that started them."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TypeVar

import joblib
import torch
from joblib.externals.loky.backend.reduction import dumps
from threadpoolctl import threadpool_limits

from layerscope.features.orphaned_workers import end_with, ended_from_outside

__all__ = [
    "Order",
    "calls_at_once",
    "calls_elsewhere",
    "forked_early",
    "in_forked_worker",
    "is_elsewhere",
    "side_by_side",
]

# Of an interrupt joblib says which tasks it cut short, as if that were a fault; what is lost is trained again.
warnings.filterwarnings("ignore", message=r"\d+ tasks (have been successfully executed|which were still being)")

Result = TypeVar("Result")
Order = Literal["as asked", "as ready"]
#: Takes what `side_by_side` does, without the number of workers.
Runner = Callable[[Callable[..., Any], Iterator[tuple[Any, ...]], Order], Iterator[Any]]
#: With how many calls it makes at once on a machine.
elsewhere: ContextVar[tuple[Runner, int] | None] = ContextVar("elsewhere", default=None)
forked: ContextVar[Forked | None] = ContextVar("forked", default=None)

#: Where a fork is safe, and a pool starts all its processes at once: macOS's own libraries start threads, and before
#: Python 3.11 processes were forked as work came.
FORKS = sys.platform == "linux" and sys.version_info >= (3, 11)
#: Calls of each worker that are sent and not yet done, so that none waits for the next one.
AHEAD = 2


@contextmanager
def calls_elsewhere(run: Runner, at_once: int) -> Iterator[None]:
    """Have calls made by something else than processes of this machine, such as a cluster; so many at once on one."""
    before = elsewhere.set((run, at_once))
    try:
        yield
    finally:
        elsewhere.reset(before)


def is_elsewhere() -> bool:
    """Return whether something else than processes of this machine makes calls now."""
    return elsewhere.get() is not None


def calls_at_once() -> int:
    """Return how many calls are made at once on one machine, and share its memory; joblib's count of cores here."""
    return found[1] if (found := elsewhere.get()) else int(joblib.cpu_count())


def side_by_side(
    function: Callable[..., Result],
    calls: Iterable[tuple[Any, ...]],
    workers: int = -1,
    *,
    order: Order = "as asked",
) -> Iterator[Result]:
    """Yield what a function returns for each of several arguments, one by one.

    Parameters
    ----------
    function : callable
        Of a module, as workers import it.
    calls : iterable of tuple
        Its arguments.
    workers : int
        Processes; -1 for as many as there are cores for this process (joblib's count). What `calls_elsewhere` names
        has its own.
    order : {"as asked", "as ready"}
        Of the results.

    Examples
    --------
    >>> list(side_by_side(pow, [(2, 3), (2, 4)], workers=1))
    [8, 16]
    """
    if found := elsewhere.get():
        yield from found[0](function, iter(calls), order)
        return
    if workers != 1 and (pool := forked.get()):
        yield from pool.run(function, calls, workers, order)
        return
    if multiprocessing.current_process().daemon:
        # One that is not allowed processes of its own: joblib would warn, and do the same.
        workers = 1
    starter = os.getpid()
    delayed = (joblib.delayed(work)(starter, function, arguments) for arguments in calls)
    # One thread each: together they take the cores that there are.
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        if order == "as asked":
            parallel = joblib.Parallel(n_jobs=workers, return_as="generator")
        else:
            # Not in batches, so that each can be kept as soon as it is there.
            parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
    yield from parallel(delayed)


class Forked:
    """Processes forked from this one, which share the pages of what it has imported instead of importing it anew.

    To be made before anything computes: threads, and the locks that they hold, do not survive a fork.

    Parameters
    ----------
    count : int
        How many.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        # The collector marks nothing of what is here already, so that its pages stay shared.
        gc.freeze()
        self.pool = ProcessPoolExecutor(
            count, multiprocessing.get_context("fork"), initializer=begin, initargs=(os.getpid(),)
        )
        before = set(multiprocessing.active_children())
        # The first call forks them all.
        self.pool.submit(os.getpid).result()
        self.processes = set(multiprocessing.active_children()) - before

    def run(
        self, function: Callable[..., Result], calls: Iterable[tuple[Any, ...]], workers: int, order: Order
    ) -> Iterator[Result]:
        """Yield results; see `side_by_side`.

        Raises
        ------
        ResourceError
            If a process was ended from outside.
        """
        most = workers if 0 < workers < self.count else AHEAD * self.count
        # As joblib does it: closures too.
        futures = (self.pool.submit(called, bytes(dumps((function, arguments)))) for arguments in calls)
        begun: deque[Future[Result]] = deque()
        try:
            while True:
                begun.extend(itertools.islice(futures, most - len(begun)))
                if not begun:
                    return
                if order == "as ready":
                    ready = wait(begun, return_when=FIRST_COMPLETED).done
                    # The first to the front.
                    begun = deque(sorted(begun, key=lambda future: future not in ready))
                yield begun.popleft().result()
        except BrokenProcessPool as error:
            raise ended_from_outside("trains") from error
        finally:
            for future in begun:
                future.cancel()

    def end(self) -> None:
        """End them, whatever they do."""
        for process in self.processes:
            process.kill()
        self.pool.shutdown(cancel_futures=True)


@contextmanager
def forked_early() -> Iterator[None]:
    """Fork a worker for each core, and have them make the calls of `side_by_side`; where that is safe (see `FORKS`).

    For a command, whose states lie in stores: what is in memory is sent anew with each call.
    """
    count = joblib.cpu_count()
    if not FORKS or count == 1:
        yield
        return
    workers = Forked(count)
    before = forked.set(workers)
    try:
        yield
    finally:
        forked.reset(before)
        workers.end()


def in_forked_worker(function: Callable[..., Result], *arguments: Any) -> Result | None:
    """Return what a function returns in a process that was forked from this one, or nothing where none makes calls."""
    pool = forked.get()
    return None if pool is None or is_elsewhere() else next(pool.run(function, [arguments], 1, "as asked"))


def begin(starter: int) -> None:
    """Begin as a forked worker, with one thread: it leaves behind what it has of its starter."""
    # An interrupt comes to all processes of a terminal; the starter decides what it means, and would hear of ours.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    forked.set(None)
    torch.set_num_threads(1)
    threadpool_limits(limits=1)
    end_with(starter)


def called(call: bytes) -> Any:
    """Make a call."""
    function, arguments = pickle.loads(call)
    return function(*arguments)


def work(starter: int, function: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    """Call a function, in a worker that ends with the process that started it."""
    if os.getpid() != starter:
        end_with(starter)
    return function(*arguments)
