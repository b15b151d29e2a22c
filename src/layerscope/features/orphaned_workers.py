"""Worker processes end with the one that started them, which is told when one of them ends before."""

from __future__ import annotations

import os
import threading
import time
from functools import cache

from layerscope.errors import ResourceError

__all__ = ["end_with", "ended_from_outside"]

#: Seconds after which a worker looks again whether the process that started it lives.
LOOK_EVERY = 1.0


@cache
def end_with(starter: int) -> None:
    """Watch, from now on, whether the process that started this one lives.

    A killed process says no goodbye to its workers, which would work to the end of a job and wait for the next one.
    """
    threading.Thread(target=watch, args=(starter,), daemon=True, name="end with the starter").start()


def watch(starter: int) -> None:
    """End this process as soon as another one is its parent."""
    while os.getppid() == starter:
        time.sleep(LOOK_EVERY)
    os._exit(1)


def ended_from_outside(work: str) -> ResourceError:
    """Return the error of a worker that was ended while it had some work to do."""
    return ResourceError(
        f"a process that {work} was ended from outside, as systems do when memory is short; give the same "
        "command again, with a lower LOKY_MAX_CPU_COUNT, which sets how many such processes there are"
    )
