"""An interrupt, or a request to terminate, ends a command within seconds, wherever it was.

Python raises `KeyboardInterrupt` at whatever instruction it has come to. Inside a library that can be swallowed,
replaced by another error, or leave a lock held for which a thread then waits for ever: numba's compiler does all three.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from types import FrameType

__all__ = ["INTERRUPTED", "Interrupts"]

#: Seconds that a command has to clean up in.
GRACE = 5.0
#: What a terminal sends, and what a batch system, a container or `kill` sends.
SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Exit code of an interrupted command, as shells have it.
INTERRUPTED = 130


class Interrupts:
    """Whether an interrupt has come; once made, a command that does not end by itself is ended.

    Made by the main thread, once a process.

    Parameters
    ----------
    continues : bool
        Whether the command, given again, goes on where it was.

    Attributes
    ----------
    over : bool
        Whether the command has ended, and the process is ending.
    """

    def __init__(self, *, continues: bool) -> None:
        self.continues = continues
        self.came = self.said = self.over = False
        self.told, woken_by = socket.socketpair()
        # As Python asks of it: its signal handler must not wait.
        woken_by.setblocking(False)
        # Written by the interpreter's own handler, so that it works while the main thread is in a long computation.
        signal.set_wakeup_fd(woken_by.detach())
        for number in SIGNALS:
            signal.signal(number, self.interrupt)
        threading.Thread(target=self.watch, daemon=True, name="interrupts").start()

    def interrupt(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Remember the interrupt, and do as Python does while there is a command to stop."""
        self.came = True
        # Raised while the interpreter ends, it stops nothing and is printed as a traceback.
        if not self.over:
            raise KeyboardInterrupt

    def watch(self) -> None:
        """Wait for an interrupt, then for the end of the process, and end it with its workers if that does not come."""
        # Other signals wake the thread as well.
        while self.told.recv(1)[0] not in SIGNALS:
            pass
        time.sleep(GRACE)
        for worker in multiprocessing.active_children():
            worker.kill()
        self.say()
        # sys.exit would wait for threads and locks that may never come free.
        os._exit(INTERRUPTED)

    def say(self) -> None:
        """Say, once, how to go on: all that is written is written atomically."""
        if not self.said:
            self.said = True
            # Past all buffers and their locks. A progress bar may have hidden the cursor.
            shown = "\x1b[?25h" if os.isatty(2) else ""
            goes_on = "continues where it was" if self.continues else "begins again"
            os.write(2, f"{shown}stopped; the same command {goes_on}\n".encode())
