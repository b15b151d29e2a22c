"""Processes that work side by side, and end with the one that started them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TypeVar

import joblib

from layerscope.features.orphaned_workers import end_with

__all__ = ["Order", "calls_elsewhere", "is_elsewhere", "side_by_side"]

# Of an interrupt joblib says which tasks it cut short, as if that were a fault; what is lost is trained again.
warnings.filterwarnings("ignore", message=r"\d+ tasks (have been successfully executed|which were still being)")

Result = TypeVar("Result")
Order = Literal["as asked", "as ready"]
#: Takes what `side_by_side` does, without the number of workers.
Runner = Callable[[Callable[..., Any], Iterator[tuple[Any, ...]], Order], Iterator[Any]]
elsewhere: ContextVar[Runner | None] = ContextVar("elsewhere", default=None)


@contextmanager
def calls_elsewhere(run: Runner) -> Iterator[None]:
    """Have calls made by something else than processes of this machine, such as a cluster."""
    before = elsewhere.set(run)
    try:
        yield
    finally:
        elsewhere.reset(before)


def is_elsewhere() -> bool:
    """Return whether something else than processes of this machine makes calls now."""
    return elsewhere.get() is not None


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
    if run := elsewhere.get():
        yield from run(function, iter(calls), order)
        return
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


def work(starter: int, function: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    """Call a function, in a worker that ends with the process that started it."""
    if os.getpid() != starter:
        end_with(starter)
    return function(*arguments)
