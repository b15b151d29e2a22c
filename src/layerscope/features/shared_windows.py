"""Windows that processes decode, on their way to the one that encodes: through memory and not through a pipe.

A process writes the windows of a clip into a file of its own, in memory where the system offers that, and the file's
name is what goes through the pipe. The other one maps the file and removes the name, so that the memory is free as soon
as nobody holds the windows. What is left after a kill lies in a directory that the next start sweeps.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from layerscope.atomic_files import passing_directory, sweep
from layerscope.errors import ResourceError

__all__ = ["SharedWindows", "shared", "shared_places"]

#: Where Linux keeps files in memory; containers often give it 64 MB.
MEMORY = Path("/dev/shm")
#: Bytes up to which windows go through the pipe, which takes few as fast. More than that are five seconds at 24 kHz, so
#: that a shard has sixty files open at most; systems allow 256.
SMALL = 1 << 19


class SharedWindows(Sequence[NDArray[Any]]):
    """The windows of a clip in a file, which is mapped when the first one is asked for, and nameless from then on.

    Parameters
    ----------
    path : Path
        Of the file.
    kind : str
        Type of a number.
    shape : (int, int)
        Windows, and samples of each.
    """

    def __init__(self, path: Path, kind: str, shape: tuple[int, int]) -> None:
        self.path, self.kind, self.shape = path, kind, shape

    @cached_property
    def windows(self) -> NDArray[Any]:
        """Return the windows, (window, samples), which cannot be written to."""
        windows = np.asarray(np.memmap(self.path, self.kind, "r", shape=self.shape))
        self.path.unlink()
        return windows

    def __len__(self) -> int:
        return self.shape[0]

    @overload
    def __getitem__(self, number: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[NDArray[Any]]: ...
    def __getitem__(self, number: int | slice) -> NDArray[Any] | Sequence[NDArray[Any]]:
        """Return a window, or some."""
        return self.windows[number] if isinstance(number, int) else list(self.windows[number])


@contextmanager
def shared_places() -> Iterator[list[Path]]:
    """Yield directories of this process, the fastest first, which are gone at the end, or swept after a kill."""
    with ExitStack() as stack:
        places = []
        for parent in (MEMORY, Path(tempfile.gettempdir())):
            if parent.is_dir():
                sweep(parent, below=False)
                # Where one is closed the next is taken, and in the end the pipe, which is slower.
                with suppress(ResourceError):
                    places.append(stack.enter_context(passing_directory(parent)))
        yield places


def shared(windows: Sequence[NDArray[Any]], places: Sequence[Path]) -> Sequence[NDArray[Any]]:
    """Return the windows of a clip, all of one length, in a file in the first place that has room for them.

    Few are returned as they are, and so are those for which there is no room: they go through the pipe.

    Examples
    --------
    >>> with shared_places() as places:
    ...     windows = shared(list(np.ones((2, 100_000), np.float32)), places)
    ...     type(windows).__name__, len(windows), windows[1].sum()
    ('SharedWindows', 2, np.float32(100000.0))
    """
    first = windows[0]
    if sum(window.nbytes for window in windows) > SMALL:
        for place in places:
            # A full disk, or a directory that is gone because the other process ends.
            with suppress(OSError):
                return SharedWindows(written(windows, place), first.dtype.str, (len(windows), len(first)))
    return windows


def written(windows: Sequence[NDArray[Any]], place: Path) -> Path:
    """Write windows into a new file in a place, whole or not at all, and return its path."""
    handle, name = tempfile.mkstemp(dir=place)
    try:
        with os.fdopen(handle, "wb") as file:
            for window in windows:
                file.write(np.ascontiguousarray(window).data)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
