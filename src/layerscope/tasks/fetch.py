"""Getting data: from the hub, or as archives that are continued, checked and unpacked. Nothing here runs in a study."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import filelock
import pooch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError

from layerscope.atomic_files import write_text
from layerscope.encoders.download import FAILURES, continue_download, gated, place_fault
from layerscope.errors import DataError, LayerscopeError
from layerscope.tasks.task import Archive, Task

__all__ = ["describe", "fetch", "unpack"]

Say = Callable[[str], None]
#: Lies beside a data set of the hub once all of its files have come, and says of which commit they are.
FETCHED = ".fetched"


def describe(task: Task) -> list[str]:
    """Return what a person should know before getting the data, a line each."""
    source = task.source
    lines = [
        f"{task.title}: {task.kind}, {task.counts or 'no published counts'}",
        f"from: {source.homepage}",
        f"licence: {source.licence}",
        f"size: {source.size}, in a directory called {task.folder}",
    ]
    if source.repository:
        lines.append(f"download: the data set {source.repository} on the Hugging Face hub")
    lines += [f"download: {archive.url}" for archive in source.archives]
    if source.supply:
        lines.append(f"you supply: {source.supply}")
    return lines


def fetch(task: Task, root: Path, say: Say = lambda _: None) -> None:
    """Download what may be downloaded, continuing what is there, verify it, and unpack it.

    Parameters
    ----------
    task : Task
        Whose data.
    root : Path
        The directory that holds the data set's.
    say : callable
        Told what is done.

    Raises
    ------
    DataError
        If it cannot be fetched, fails its checksum, or has members that point outside.
    """
    directory = root / task.folder
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise fault_of(directory, error, "cannot be made") from error
    if task.source.repository:
        say(f"fetching {task.source.repository} from the hub")
        fetch_repository(task.source.repository, directory, task.source.left_out, say)
    for archive in task.source.archives:
        say(f"fetching {archive.url}")
        fetch_archive(archive, directory)
    for path, place in archives_in(directory):
        say(f"unpacking {path.name}")
        unpack(path, place)


def archives_in(directory: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the archives of a data set, and where each belongs: those in ``zips/NAME`` hold the files of ``NAME``."""
    for pattern in ("*.tar*", "*.zip", "zips/*/*.tar"):
        for path in sorted(directory.glob(pattern)):
            # A download that is not finished yet, and its lock.
            if path.suffix not in (".part", ".lock"):
                yield path, directory if path.parent == directory else directory / path.parent.name


def fetch_repository(repository: str, directory: Path, left_out: Sequence[str], say: Say) -> None:
    """Take a data set's files from the hub; those that are there and whole are not fetched again."""
    fetched = directory / FETCHED
    try:
        # First: where it cannot be reached, `snapshot_download` takes whatever lies in the directory for the data set.
        commit = str(HfApi().dataset_info(repository).sha)
        if fetched.is_file() and fetched.read_text(encoding="utf-8").strip() != commit:
            fetched.unlink()
        snapshot_download(
            repository, repo_type="dataset", revision=commit, local_dir=directory, ignore_patterns=list(left_out)
        )
    except GatedRepoError as error:
        raise DataError(f"{repository} {gated(f'datasets/{repository}')}") from error
    except FAILURES as error:
        if not fetched.is_file():
            raise fault_of(directory, error, f"{repository} could not be fetched") from error
        say(f"{repository} cannot be reached ({type(error).__name__}); it was fetched whole before, and is left as is")
        return
    write_text(fetched, commit)


def fetch_archive(archive: Archive, directory: Path) -> Path:
    """Return an archive on disk, downloading what of it is missing, checked where a checksum is published."""
    url, checksum = resolve(archive)
    path = directory / PurePosixPath(archive.url).name
    try:
        # Of two processes one downloads.
        with filelock.FileLock(f"{path}.lock"):
            if not path.is_file():
                # No headers: a token for the hub is nobody else's business.
                continue_download(url, path, {}).replace(path)
    except FAILURES as error:
        raise fault_of(path, error, f"{url} could not be fetched") from error
    if checksum and not pooch.hashes.hash_matches(path, checksum):
        raise DataError(f"{path} is not the published file (its checksum differs); delete it and fetch again")
    return path


def fault_of(path: Path, error: Exception, what: str) -> LayerscopeError:
    """Return the error for a download that failed: the place where it was to go, or else the network."""
    reason = (str(error).splitlines() or [""])[0]
    return place_fault(path, error) or DataError(
        f"{what} ({type(error).__name__}: {reason}); check the network and run the same command again: it continues"
    )


def resolve(archive: Archive) -> tuple[str, str | None]:
    """Return the address of an archive and its checksum; a Zenodo record publishes both."""
    if not archive.url.startswith("doi:"):
        return archive.url, archive.checksum
    base, _, name = archive.url.rpartition("/")
    try:
        record = pooch.create(path=pooch.os_cache("layerscope"), base_url=f"{base}/")
        record.load_registry_from_doi()
        repository = pooch.downloaders.doi_to_repository(base.removeprefix("doi:"))
        return repository.download_url(name), record.registry[name]
    except (ValueError, KeyError, OSError) as error:
        raise DataError(f"{archive.url} could not be looked up ({error}); check the network") from error


def unpack(path: Path, directory: Path) -> None:
    """Take out the members of a tar or zip archive; one that points outside the directory is refused, and so are links.

    Raises
    ------
    DataError
        Naming the archive and the member.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                # zipfile would take `..` out of a name in silence, and so write another file than was named.
                refuse_outside(path, archive.namelist())
                archive.extractall(directory)
        else:
            with tarfile.open(path) as archive_tar:
                members = archive_tar.getmembers()
                refuse_outside(path, (member.name for member in members))
                odd = next((member.name for member in members if not (member.isfile() or member.isdir())), None)
                if odd is not None:
                    raise DataError(f"{path}: '{odd}' is neither a file nor a directory; nothing was unpacked")
                # The filter also ignores owners and permissions that an archive asks for.
                archive_tar.extractall(directory, members=members, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
        if fault := place_fault(directory, error):
            raise fault from error
        raise DataError(f"{path}: cannot be unpacked ({error}); delete it and fetch again") from error


def refuse_outside(path: Path, names: Iterable[str]) -> None:
    """Raise if a member's name is absolute or climbs out of its directory."""
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/"))
        # A colon is that of a drive on Windows.
        if parts.is_absolute() or ".." in parts.parts or ":" in name.partition("/")[0]:
            raise DataError(f"{path}: member '{name}' points outside; nothing was unpacked")
