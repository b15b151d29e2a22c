"""From the words that were typed to an exit code: errors in words, interrupts, and places for libraries' files.

Exit codes: 0 done; 1 a bug in layerscope, or a pipe whose reader has gone; 2 a wrong name or option; 3 the data; 4 the
model; 5 the machine (a full disk, a lock, a missing permission); 130 interrupted, or asked to terminate.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

from layerscope.atomic_files import HOMELESS, NO_PLACE, way_out
from layerscope.cli.commands import app
from layerscope.cli.interrupts import INTERRUPTED, Interrupts
from layerscope.cli.terminal import plain_console
from layerscope.errors import LayerscopeError, ResourceError, UsageError

__all__ = ["guarded", "main"]

#: Commands that keep what they have done when they are stopped.
CONTINUING = frozenset({"run", "compare", "concepts", "demo", "pretrain", "data"})
#: May stand anywhere in a command, as people type them.
ANYWHERE = ("-q", "--quiet", "-v", "--verbose")


def main() -> None:
    """Run the command line; errors that are meant for a person are printed without a traceback."""
    lead_closed_streams_nowhere()
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    interrupts = Interrupts(continues=not CONTINUING.isdisjoint(words[:1]))
    give_libraries_a_place()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal's alphabet lacks is escaped; no answer ends for a dash.
            stream.reconfigure(errors="backslashreplace")
    code = 0
    try:
        code = guarded(sys.argv[1:])
    except BaseException:
        if not interrupts.came:  # an interrupt may have become another error on its way
            raise
    finally:
        interrupts.over = True
    if interrupts.came:
        interrupts.say()
    sys.exit(INTERRUPTED if interrupts.came else code)


def lead_closed_streams_nowhere() -> None:
    """Have what was closed before the command began (`>&-`) lead nowhere: a file would take its place, and its text."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for as long as the process lives
    # Python has none of those that were closed.
    sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere


def give_libraries_a_place() -> None:
    """Have libraries keep their files where this user may write; they look as they load, and some fail without."""
    try:
        home = Path.home()
    except RuntimeError:
        home = None
        if chosen := os.environ.get("LAYERSCOPE_CACHE"):
            for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
                os.environ.setdefault(name, os.path.abspath(chosen))  # noqa: PTH100 - as elsewhere, links stay
    kept = os.environ.get("XDG_CACHE_HOME") or (home and home / ".cache")
    if kept and may_write(Path(kept)):
        return
    # Compiled functions and fonts, which are made again by each command.
    with contextlib.suppress(OSError):  # nowhere at all: the libraries say so
        place = tempfile.mkdtemp(prefix="layerscope-")
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        for name in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
            os.environ.setdefault(name, place)


def may_write(directory: Path) -> bool:
    """Return whether files may be written in a directory, or it may be made."""
    # Not Path.exists, which raises where a parent is closed.
    there = next(place for place in (directory.absolute(), *directory.absolute().parents) if os.path.lexists(place))
    return os.access(there, os.W_OK | os.X_OK)


def refuse_cores(text: str) -> None:
    """Raise where the environment names a number of cores that is none: libraries would fail wherever they count."""
    try:
        int(text or "1")
    except ValueError as error:
        raise UsageError(f"LOKY_MAX_CPU_COUNT is '{text}'; set it to a whole number of cores, or unset it") from error


def guarded(arguments: list[str]) -> int:
    """Return the exit code of a command."""
    errors = plain_console(stderr=True)
    try:
        refuse_cores(os.environ.get("LOKY_MAX_CPU_COUNT", ""))
        values = arguments.index("--") if "--" in arguments else len(arguments)
        front = [word for word in arguments[:values] if word in ANYWHERE]
        app([*front, *(word for word in arguments[:values] if word not in ANYWHERE), *arguments[values:]])
    except LayerscopeError as error:
        errors.print(f"error: {error}", soft_wrap=True)
        return error.exit_code
    except SystemExit as leaving:  # so typer says how a command ended
        return int(leaving.code or 0)
    except OSError as error:
        # A full or forbidden disk is the machine's; any other is a bug, and keeps its traceback.
        if error.errno not in NO_PLACE:
            raise
        # Of a file that may not be touched nobody knows whether it was to be read or written.
        way = "" if error.errno == errno.EACCES else f"; {way_out(error)}"
        errors.print(f"error: {error.filename or 'a file'}: {error.strerror}{way}", soft_wrap=True)
        return ResourceError.exit_code
    except RuntimeError as error:
        # So Python and libraries say that they look for the home of a user who has none.
        if "home directory" not in str(error):
            raise
        errors.print(f"error: {HOMELESS}", soft_wrap=True)
        return ResourceError.exit_code
    return 0
