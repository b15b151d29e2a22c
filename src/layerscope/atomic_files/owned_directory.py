"""A directory of results, which belongs to one process at a time, and to one request."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from layerscope.atomic_files.new_directory import refused, sweep
from layerscope.atomic_files.whole_files import read_json, write_json
from layerscope.errors import ResourceError, UsageError

__all__ = ["REQUESTS", "owned_directory", "sole_use"]

#: What a directory can be asked for → the file in it that says what was asked.
REQUESTS = {
    "study": "study.json",
    "comparison": "comparison.json",
    "battery of concepts": "concepts.json",
    "pretraining": "recipe.json",
    "report of several runs": "runs.json",
}
#: Keys by which such a file of a directory that is shared is told from one of the same name that is somebody else's.
SIGNS = {
    "study": {"data", "seeds"},
    "comparison": {"data", "frames"},
    "report of several runs": {"runs"},
    "battery of concepts": {"model", "no_twins"},
}
#: Requests that may share a directory, because one page shows both.
SHARING = ({"study", "comparison"}, {"report of several runs", "comparison"})


@contextmanager
def owned_directory(
    directory: Path, kind: str, asked: Mapping[str, Any], *, growing: Collection[str] = ()
) -> Iterator[None]:
    """Hold a directory of results: for one process at a time, and for one request.

    The lock comes first, then what the directory holds is compared with what is asked, and only then is that written.
    So a request that is refused changes nothing, and one that fails before it has left a file binds nobody.

    Parameters
    ----------
    directory : Path
        New, empty, or of an earlier request.
    kind : str
        Which of `REQUESTS`.
    asked : mapping
        All that the results depend on, as JSON can write it; a path is written as text.
    growing : collection of str
        Keys of numbers that may be raised when a request is made again.

    Raises
    ------
    UsageError
        If the directory holds another request of this kind, naming the keys that differ, or files of something else.
    ResourceError
        If another process holds it, or it cannot be written.
    """
    before, record = visible_names(directory), directory / REQUESTS[kind]
    refuse_others(directory, kind, before)
    with sole_use(directory):
        # As it will be read back: lists for tuples, text for paths.
        asked = json.loads(json.dumps(asked, default=str))
        if record.is_file():
            changed = differing_keys(record, asked, growing)
            if changed:
                different = f"{directory} holds another {kind} (different: {', '.join(changed)})"
                raise UsageError(f"{different}; choose another --out")
        sweep(directory)
        write_json(record, asked)
        try:
            yield
        except BaseException:
            # An interrupt as well leaves the directory as it was.
            if visible_names(directory) - before == {record.name}:
                record.unlink()
            raise


def refuse_others(directory: Path, kind: str, names: set[str]) -> None:
    """Raise for a directory with these names in it, if they are not those of a request that this one may join."""
    held = {request for request, name in REQUESTS.items() if name in names}
    if names and not held:
        raise UsageError(f"{directory} is not empty and holds no {kind}; choose another --out")
    strangers = [request for request in held - {kind} if {kind, request} not in SHARING]
    if strangers:
        raise UsageError(f"{directory} holds a {strangers[0]}; choose another --out")
    for request in held - {kind}:
        record = directory / REQUESTS[request]
        try:
            stranger = not read_json(record, UsageError).keys() >= SIGNS[request]
        except UsageError as error:
            raise UsageError(f"{error}; choose another --out") from error
        if stranger:
            raise UsageError(f"{record} is not the record of a {request}; choose another --out")


def differing_keys(record: Path, asked: Mapping[str, Any], growing: Collection[str]) -> list[str]:
    """Return the keys in which a request differs from the one that is on record."""
    try:
        written = read_json(record, UsageError)
    except UsageError as error:
        raise UsageError(f"{error}; choose another --out") from error
    raised = {key for key in growing if isinstance(written.get(key), int) and asked[key] > written[key]}
    # Of both: what is left out now may have been said then.
    return [key for key in {**asked, **written} if written.get(key) != asked.get(key) and key not in raised]


def visible_names(directory: Path) -> set[str]:
    """Return the names in a directory, but for those that begin with a dot: locks, and what a system puts there."""
    return {path.name for path in directory.glob("[!.]*")}


@contextmanager
def sole_use(directory: Path) -> Iterator[None]:
    """Hold a directory for this process, or raise a `ResourceError` if another one does."""
    lock = filelock.FileLock(directory / ".lock")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # At once: a run that waits in silence looks as if it hung.
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise ResourceError(f"{directory} is in use by another run; wait for it or choose another --out") from error
    except OSError as error:
        raise refused(directory, error) from error
    try:
        yield
    finally:
        lock.release()
