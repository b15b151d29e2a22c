"""Whole files or none, JSON, digests, and a directory that belongs to one process and one request.

What is written appears under its name complete, or not at all: a reader, a kill or a full disk never leaves a part.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from layerscope.errors import DataError, LayerscopeError, ResourceError, UsageError

__all__ = [
    "HOMELESS", "NO_PLACE", "REQUESTS", "array_digest", "cache_directory", "chosen_place", "damaged", "digest",
    "discard", "file_digest", "is_alive", "locate_tensor", "machine", "new_directory", "owned_directory",
    "passing_directory", "read_header", "read_json", "read_tensors", "refuse_closed", "refuse_irregular",
    "refuse_occupied", "refused", "safe_stem", "sole_use", "sweep", "unfinished", "way_out", "write_atomically",
    "write_json", "write_tensors", "write_text",
]  # fmt: skip

#: Metadata of a tensors file: what a reader should know, and a digest of each array.
HEADER = "layerscope"
#: Begins the digest of an array. It is to show what a disk or a copy did to some bytes, not who changed them: SHA-256
#: took longer than the decoding of the clips whose frames it was of.
XXH3 = "xxh3:"
#: Begins the names of what is being written, before the machine and the process that write it.
UNFINISHED = ".unfinished-"
#: What a directory can be asked for → the file in it that says what was asked.
REQUESTS = {
    "study": "study.json",
    "comparison": "comparison.json",
    "concepts": "concepts.json",
    "pretraining": "recipe.json",
    "report of several runs": "runs.json",
}
#: Keys by which such a file of a directory that is shared is told from one of the same name that is somebody else's.
SIGNS = {
    "study": {"data", "seeds"},
    "comparison": {"data", "frames"},
    "report of several runs": {"runs"},
    "concepts": {"model", "no_twins"},
}
#: Requests that may share a directory, because one page shows both.
SHARING = ({"study", "comparison"}, {"report of several runs", "comparison"})
#: What the system says where files cannot be written, and nothing else is to blame.
NO_PLACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS})
#: Said where neither the environment nor the system says where a user's files are.
HOMELESS = "this user has no home directory; say where to keep things in LAYERSCOPE_CACHE"
#: Bytes of a file that are read at once.
BLOCK = 1 << 24
#: What safetensors calls the types of arrays that are read in parts → numpy's names.
SAFETENSORS_TYPES = {"F16": "float16", "F32": "float32"}


def cache_directory() -> Path:
    """Return where features are kept between runs: ``LAYERSCOPE_CACHE``, or the user's cache directory.

    Raises
    ------
    ResourceError
        If neither the environment nor the system says where the user's files are.
    """
    if chosen := chosen_place("LAYERSCOPE_CACHE"):
        return chosen
    try:
        # Empty counts as not set, by the XDG specification.
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "layerscope"
    except RuntimeError as error:  # a container's user often has neither HOME nor an entry in passwd
        raise ResourceError(HOMELESS) from error


def chosen_place(variable: str) -> Path | None:
    """Return the place that a variable of the environment names, or None; a ``~`` that no shell replaced is home."""
    chosen = os.environ.get(variable)
    return Path(os.path.expanduser(chosen)) if chosen else None  # noqa: PTH111 - Path's fails where there is no home


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
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            sha256.update(block)
    return sha256.hexdigest()


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
    ...     write_json(place / "predictor.json", {})
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
        remove_if_dead(place)


def remove_if_dead(place: Path) -> None:
    """Remove what a process was writing, if it was one of this machine and is no more."""
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


def write_tensors(
    path: Path,
    tensors: Mapping[str, NDArray[Any] | Sequence[NDArray[Any]]],
    header: Any,
    *,
    replace: bool = True,
) -> None:
    """Write arrays with a JSON header and a digest of each; the same content under a name gives the same bytes.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file.
    tensors : mapping of str to ndarray, or sequence of ndarray
        By name; one that comes in parts is these one after another, along their first axis.
    header : JSON value
        What a reader should know before it reads an array.
    replace : bool
        Whether a file of that name is replaced; otherwise the first one stays, whoever wrote it.
    """
    parts = {
        # Unlike `ascontiguousarray`, this leaves a number without axes one.
        name: [np.asarray(part, order="C") for part in (value if isinstance(value, Sequence) else [value])]
        for name, value in sorted(tensors.items())
    }
    digests = {name: XXH3 + array_digest(*arrays) for name, arrays in parts.items()}
    about = json.dumps(header)
    told = {"name": path.name, "about": about, "of": digest(about), "digests": digests}
    # The widest numbers first, so that each array begins at a multiple of its own.
    ordered = dict(sorted(parts.items(), key=lambda pair: -pair[1][0].itemsize))
    with unfinished(path, replace=replace) as place, place.open("wb") as file:
        file.write(tensors_head(ordered, json.dumps(told)))
        for arrays in ordered.values():
            for array in arrays:
                file.write(content_of(array))


def tensors_head(tensors: Mapping[str, Sequence[NDArray[Any]]], told: str) -> bytes:
    """Return how a safetensors file begins: where the parts of each array lie, and what is told beside them.

    The library's own writer takes each array as one string of bytes: of a shard with all its frames these copies took
    longer than the writing (docs/decisions.md, "Shards are written as they lie").
    """
    entries: dict[str, Any] = {"__metadata__": {HEADER: told}}
    end = 0
    for name, arrays in tensors.items():
        begin, end = end, end + sum(array.nbytes for array in arrays)
        kind, bits = arrays[0].dtype.kind.upper(), 8 * arrays[0].itemsize
        entries[name] = {
            "dtype": "BOOL" if kind == "B" else f"{kind}{bits}",
            "shape": whole_shape(arrays),
            "data_offsets": [begin, end],
        }
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    # With blanks to a multiple of eight, where the arrays begin.
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def whole_shape(parts: Sequence[NDArray[Any]]) -> tuple[int, ...]:
    """Return the shape of an array that comes in parts."""
    first = parts[0].shape
    return first if len(parts) == 1 else (sum(map(len, parts)), *first[1:])


def content_of(array: NDArray[Any]) -> bytes | memoryview:
    """Return the bytes of an array, as they lie."""
    # An empty array cannot be viewed as another type.
    return np.ascontiguousarray(array).view(np.uint8).data if array.size else b""


def array_digest(*parts: NDArray[Any], kind: str = XXH3) -> str:
    """Return the digest of an array's type, shape and bytes; one that comes in parts is these one after another."""
    begun = begin_digest(f"{parts[0].dtype} {whole_shape(parts)}", kind)
    for part in parts:
        begun.update(content_of(part))
    return begun.hexdigest()


def begin_digest(about: str, kind: str) -> Any:
    """Return a digest that can go on, of the kind that a recorded one begins with: those of old files are SHA-256."""
    return (xxhash.xxh3_128 if kind.startswith(XXH3) else hashlib.sha256)(about.encode())


def read_tensors(path: Path, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return some of the arrays that `write_tensors` wrote, or all, each held against its digest.

    Raises
    ------
    ResourceError
        If the file is not readable, or a byte of what is read is not what was written.
    """
    try:
        refuse_irregular(path)
        with safe_open(path, framework="numpy") as file:
            digests = told_in(path, file.metadata())["digests"]
            arrays = {name: file.get_tensor(name) for name in (digests if names is None else names)}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        # A file of another writer has no metadata, or lacks our entry.
        raise damaged(path, error) from error
    for name, array in arrays.items():
        recorded = str(digests.get(name))
        if recorded.removeprefix(XXH3) != array_digest(array, kind=recorded):
            raise damaged(path, f"'{name}' is not what was written")
    return arrays


def told_in(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return what `write_tensors` told of a file beside its arrays, or raise where it is another file's."""
    told = dict(json.loads(metadata[HEADER]))
    # Many are named by what they hold: one that was put in another's place would be taken for it.
    if told.get("name", path.name) != path.name:
        raise damaged(path, f"it was written as {told['name']}")
    return told


def locate_tensor(path: Path, name: str) -> tuple[int, tuple[int, ...]]:
    """Return where in a file an array begins, and its shape: one that is read in parts, once it is held to its digest.

    Raises
    ------
    ResourceError
        If the file is not readable, or a byte of the array is not what was written.
    """
    try:
        refuse_irregular(path)
        with path.open("rb") as file:
            # The format of safetensors: the length of the header, the header, and the arrays one after another.
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
            recorded = str(json.loads(header["__metadata__"][HEADER])["digests"][name])
            shape, (first, last) = tuple(header[name]["shape"]), header[name]["data_offsets"]
            begun = begin_digest(f"{SAFETENSORS_TYPES[header[name]['dtype']]} {shape}", recorded)
            file.seek(8 + length + first)
            for start in range(0, last - first, BLOCK):
                begun.update(file.read(min(BLOCK, last - first - start)))
    except (OSError, OverflowError, MemoryError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from error
    if begun.hexdigest() != recorded.removeprefix(XXH3):
        raise damaged(path, f"'{name}' is not what was written")
    return 8 + length + first, shape


def read_header(path: Path) -> Any:
    """Return the JSON header that `write_tensors` wrote, held against its digest."""
    try:
        refuse_irregular(path)
        with safe_open(path, framework="numpy") as file:
            told = told_in(path, file.metadata())
            if "of" not in told:
                raise damaged(path, "written by another version of layerscope")
            if told["of"] != digest(told["about"]):
                raise damaged(path, "its header is not what was written")
            return json.loads(told["about"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, why: object) -> ResourceError:
    """Return the error for a file of ours that cannot be used any more."""
    return ResourceError(f"{path}: damaged ({why}); delete it and run the same command again")
