"""Whole files or none, as bytes, text and JSON; their digests.

What is written appears under its name complete, or not at all: a reader, a kill or a full disk never leaves a part.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from layerscope.atomic_files.new_directory import current_umask, passing_directory, refused
from layerscope.errors import DataError, LayerscopeError

__all__ = [
    "BLOCK", "digest", "discard", "file_digest", "read_json", "refuse_irregular", "safe_stem", "unfinished",
    "write_atomically", "write_json", "write_text",
]  # fmt: skip

#: Bytes of a file that are read at once.
BLOCK = 1 << 24
#: Bytes from which a file that was written leaves the system's memory. Memory that it takes for the next one is then at
#: hand; new memory takes a virtual machine several times as long as the bytes take to the disk.
LARGE = 1 << 26


def read_json(path: Path, error: type[LayerscopeError] = DataError) -> dict[str, Any]:
    """Return the JSON object in a file.

    Parameters
    ----------
    path : Path
        UTF-8, with or without a byte order mark.
    error : type of LayerscopeError
        What is raised, naming the file and what is wrong with it.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "recipe.json"
    >>> write_json(path, {"steps": 3})
    >>> read_json(path)
    {'steps': 3}
    """
    try:
        refuse_irregular(path)
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as cause:
        raise error(f"{path}: cannot be read ({cause.strerror})") from cause
    except UnicodeDecodeError as cause:
        raise error(f"{path}: not readable as JSON: byte {cause.start} is not UTF-8; save it as UTF-8") from cause
    except RecursionError as cause:
        raise error(f"{path}: not readable as JSON (nested too deeply)") from cause
    except ValueError as cause:  # with line and column, unless it is a number of thousands of digits
        raise error(f"{path}: not readable as JSON ({cause})") from cause
    if not isinstance(content, dict):
        raise error(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def refuse_irregular(path: Path) -> None:
    """Raise an `OSError` for a pipe or a device, of which one would read for ever."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def digest(*parts: str | bytes | memoryview) -> str:
    """Return the SHA-256 of parts, one after another, as 64 hexadecimal digits.

    Examples
    --------
    >>> digest("ab", b"c")[:16]
    'ba7816bf8f01cfea'
    """
    sha256 = hashlib.sha256()
    for part in parts:
        # A file's name may hold bytes that are no UTF-8, which Python keeps as halves of surrogates.
        sha256.update(part.encode(errors="surrogatepass") if isinstance(part, str) else part)
    return sha256.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, of which never more than a block is in memory."""
    refuse_irregular(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file so that a reader, or a kill, finds the old one or the new one, never a part.

    Where it is not to be replaced, a file that is there already stays.

    Raises
    ------
    ResourceError
        If the disk is full or the place cannot be written.
    """
    with unfinished(path, replace=replace) as place:
        place.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    r"""Write text as UTF-8; what in a file's name is none is escaped, as in ``caf\udce9.wav``."""
    write_atomically(path, text.encode(errors="backslashreplace"))


def safe_stem(name: str) -> str:
    """Return a name as a part of a file's name that lies in its directory, whatever people call their columns.

    Examples
    --------
    >>> safe_stem("pieces-tempo"), safe_stem("../a/b")
    ('pieces-tempo', 'a-b-8e7e11e4')
    """
    # File systems take 255 bytes, and more is added to the name.
    if re.fullmatch(r"\w[\w.,+ -]*", name) and len(name.encode()) <= 150:
        return name
    # The digest keeps names apart of which the same is left.
    return f"{re.sub(r'[^A-Za-z0-9_]+', '-', name)[:60].strip('-')}-{digest(name)[:8]}".lstrip("-")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an object as `read_json` reads it."""
    write_atomically(path, json.dumps(content, indent=1).encode())


@contextmanager
def unfinished(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Yield a place beside a file; what is written there becomes that file, whole, at the end.

    Where it is not to be replaced, a file that is there by then stays: two writers of one name end with the first's.

    It lies in a directory of its own, because a writer of tensors leaves temporary files beside what it writes.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with passing_directory(path.parent) as directory:
            place = directory / "content"
            yield place
            # On disk before it has its name, so that a power cut leaves no empty file under it.
            with place.open("rb+") as file:
                os.fsync(file.fileno())
                # Not on macOS and Windows.
                if os.fstat(file.fileno()).st_size > LARGE and hasattr(os, "posix_fadvise"):
                    # Advice alone: a file system that takes none has the file all the same.
                    with suppress(OSError):
                        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            # A temporary file is closed to others; the result is as open as the user's other files.
            place.chmod(0o666 & ~current_umask())
            if replace:
                place.replace(path)
            else:
                try:
                    os.link(place, path)  # unlike a renaming, it does not replace
                except OSError:  # there already, or a file system without hard links
                    if not path.exists():
                        place.replace(path)
    except OSError as error:
        raise refused(path, error) from error


def discard(*paths: Path) -> None:
    """Remove files, if they are there, or raise a `ResourceError`."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise refused(path, error) from error
