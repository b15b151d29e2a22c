"""A directory that appears whole or not at all; what is in the making, and what killed processes left of it."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from layerscope.atomic_files.user_places import cache_directory
from layerscope.errors import ResourceError, UsageError

__all__ = [
    "NO_PLACE", "current_umask", "is_alive", "machine", "new_directory", "passing_directory", "refuse_closed",
    "refuse_occupied", "refused", "sweep", "way_out",
]  # fmt: skip

#: Begins the names of what is being written, before the machine and the process that write it.
UNFINISHED = ".unfinished-"
#: What the system says where files cannot be written, and nothing else is to blame.
NO_PLACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS})


@contextmanager
def new_directory(path: Path, kind: str) -> Iterator[Path]:
    """Yield a directory beside a path; with what is written there it gets that name at the end, or not at all.

    Of two that make one directory the first wins. What killed processes left beside it is swept.

    Parameters
    ----------
    path : Path
        New, or an empty directory.
    kind : str
        What it will hold, for messages.

    Raises
    ------
    UsageError
        If something is there, at the beginning or by the end.
    ResourceError
        If the place cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "use"
    >>> with new_directory(path, "predictor") as place:
    ...     (place / "predictor.json").touch()
    >>> [file.name for file in path.iterdir()]
    ['predictor.json']
    """
    refuse_occupied(path, kind)
    # What a link points to is replaced, not the link.
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent, below=False)
    except OSError as error:
        raise refused(path, error) from error
    with passing_directory(target.parent) as directory:
        yield directory
        try:
            # A temporary directory is closed to others.
            directory.chmod(0o777 & ~current_umask())
            # Takes the place of nothing or of an empty directory alone: the system refuses any other.
            directory.rename(target)
        except OSError as error:
            refuse_occupied(path, kind)
            raise refused(path, error) from error


@contextmanager
def passing_directory(parent: Path) -> Iterator[Path]:
    """Yield a directory in another for what is needed for a while: it is gone at the end, or swept after a kill."""
    try:
        directory = Path(tempfile.mkdtemp(prefix=f"{UNFINISHED}{machine()}-{os.getpid()}-", dir=parent))
    except OSError as error:
        raise refused(parent, error) from error
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def refuse_closed(directory: Path) -> None:
    """Raise a `ResourceError` if nothing can be written in a directory, which is made: before long work, not after."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(directory, error) from error
    with passing_directory(directory):
        pass


def refuse_occupied(path: Path, kind: str) -> None:
    """Raise a `UsageError` if a place is a file, or a directory that is not empty."""
    try:
        occupied = path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as error:
        raise refused(path, error) from error
    if occupied:
        what = "is not empty" if path.is_dir() else "is a file"
        raise UsageError(f"{path} {what}; choose another --out for the {kind}")


def refused(path: Path, error: OSError) -> ResourceError:
    """Return the error for a place that the system does not let one write, with the way out."""
    way = way_out(error)
    with suppress(ResourceError):  # without a cache it is not of the cache
        if path.absolute().is_relative_to(cache_directory().absolute()):
            way = way.replace("another place", "another place for the cache (LAYERSCOPE_CACHE)")
    return ResourceError(f"{path}: cannot be written ({error.strerror}); {way}")


def way_out(error: OSError) -> str:
    """Return what to do where the system does not let one write."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "free some space and run the same command again: it continues" if full else "choose another place"


@cache
def machine() -> str:
    """Return a name of this machine, and of the container where it has one: process numbers mean nothing outside."""
    space = Path("/proc/self/ns/pid")
    return re.sub(r"\W", "_", socket.gethostname()) + (f"_{space.stat().st_ino}" if space.exists() else "")


def sweep(directory: Path, *, below: bool = True) -> None:
    """Remove, in a directory and those below it, what processes of this machine were writing when they were killed.

    What a process that lives is writing stays, and so does all that another machine's processes are.
    """
    # Of a directory that is the user's own, only the top: all below it may be a whole disk.
    for place in (directory.rglob if below else directory.glob)(f"{UNFINISHED}*"):
        process = re.fullmatch(rf"{re.escape(UNFINISHED + machine())}-(\d+)-\w+", place.name)
        if process and not is_alive(int(process[1])):
            shutil.rmtree(place, ignore_errors=True)


def is_alive(process: int) -> bool:
    """Return whether a process of this machine lives, as far as one may know."""
    try:
        # Signal 0 asks whether there is such a process, and does it nothing.
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # It may not be signalled: it lives, and is another user's.
        return True
    return True


@cache
def current_umask() -> int:
    """Return the permissions that the user's new files lack; a temporary file lacks more."""
    # It can be read only by setting it; meanwhile nothing is too open.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
