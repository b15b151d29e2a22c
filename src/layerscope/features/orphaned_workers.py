"""Worker processes end with the one that started them."""

from __future__ import annotations

import os
import threading
import time
from functools import cache

__all__ = ["end_with"]

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
