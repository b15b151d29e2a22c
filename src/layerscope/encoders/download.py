"""Published files from the hub: pinned, verified, and continued where a killed download stopped.

huggingface_hub resumes a connection that drops, but starts a file again in a new process; for files of 1.3 GB that
hurts, so that the unfinished part is kept here under the revision it belongs to.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import filelock
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers

from layerscope.atomic_files import NO_PLACE, cache_directory, file_digest, read_json, refused, write_atomically
from layerscope.encoders.state_dicts import WEIGHTS, shard_names
from layerscope.errors import LayerscopeError, ModelError, ResourceError, UsageError

__all__ = [
    "FAILURES", "continue_download", "fetch_files", "fetch_repository", "gated", "local_directory", "place_fault",
]  # fmt: skip

#: All that a request may raise: what the hub's client raises is the base of the hub's own error, and no OSError; a
#: proxy of a kind that is not known or not installed is a ValueError or an ImportError.
FAILURES: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, OSError, ValueError, ImportError)
#: Either says how audio is prepared; version 5 of transformers may write the second alone.
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
#: What the system says where a download has no place, a name that is taken and a limit of bytes a file among it.
UNWRITABLE = NO_PLACE | {
    errno.EFBIG, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.EIO
}  # fmt: skip


class AbsentFile(ModelError):
    """A repository has no file of that name."""


def own_directory(repository: str, revision: str) -> Path:
    """Return where the files of a repository are kept once they are here."""
    return cache_directory() / "models" / repository.replace("/", "--") / revision


def local_directory(repository: str, revision: str, names: Sequence[str]) -> Path | None:
    """Return a directory on disk with all of some files: ours, or the hub's own cache, never a mixture of both."""
    directory = own_directory(repository, revision)
    if all((directory / name).is_file() for name in names):
        return directory
    # None for what is not there, a marker for what the hub is known to lack, a path for the rest.
    known = [try_to_load_from_cache(repository, name, revision=revision) for name in names]
    return Path(str(known[0])).parent if all(isinstance(place, str) for place in known) else None


def fetch_files(repository: str, revision: str, digests: Mapping[str, str | None]) -> Path:
    """Return a directory with files of a repository at a commit, downloading what of them is missing.

    Parameters
    ----------
    repository, revision : str
        Which.
    digests : mapping of str to str or None
        Names of the files; the SHA-256 that each must have, where it is known.

    Raises
    ------
    ModelError
        If a file cannot be fetched or is another one than the pinned one.
    """
    directory = local_directory(repository, revision, list(digests)) or own_directory(repository, revision)
    for name, sha256 in digests.items():
        path = directory / name
        if not path.is_file():
            download(repository, revision, name)
        # Of files that were here before as well: another program may have put them there.
        if sha256 is not None and (given := file_digest(path)) != sha256:
            raise ModelError(
                f"{path}: sha256 {given[:12]}… is not the pinned {sha256[:12]}…; delete it and fetch again"
            )
    return directory


def download(repository: str, revision: str, name: str) -> None:
    """Download a file of a repository; of two processes one does it."""
    path = own_directory(repository, revision) / name
    address = hf_hub_url(repository, name, revision=revision)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(str(path) + ".lock"):
            # Another process may have finished it while this one waited.
            if path.is_file():
                return
            facts = get_hf_file_metadata(address)
            # As the hub's own client does: a token is no business of another host, to which it sends for large files.
            at_home = urlsplit(facts.location).netloc == urlsplit(address).netloc
            headers = build_hf_headers(token=None if at_home else False)
            part = continue_download(facts.location, path, headers, facts.size)
            # Of large files the hub's tag is their digest.
            if len(facts.etag or "") == 64 and file_digest(part) != facts.etag:
                part.unlink()
                raise ModelError(f"{path}: arrived damaged (its sha256 differs); run the same command again")
            part.replace(path)
    except FAILURES as error:
        raise unreachable(repository, revision, name, error) from error


def continue_download(url: str, path: Path, headers: Mapping[str, str], size: int | None = None) -> Path:
    """Download what is missing of the unfinished part beside a file, and return that part, whole.

    Parameters
    ----------
    url : str
        Where from.
    path : Path
        The file that the part is to become.
    headers : mapping of str to str
        Of the request.
    size : int, optional
        Bytes of the whole, where they are known beforehand.

    Raises
    ------
    FAILURES
        What the client raises; what has arrived stays.
    """
    part = path.with_name(path.name + ".part")
    held = part.stat().st_size if part.is_file() else 0
    # More than there is, is of another file.
    if size is not None and held > size:
        part.unlink()
        held = 0
    try:
        with part.open("ab") as file:
            http_get(
                url, file, resume_size=held, headers=dict(headers), expected_size=size, displayed_filename=path.name
            )
    except HfHubHTTPError as error:
        # Asked for what comes after the end; a process killed just before the renaming leaves a whole part.
        if error.response.status_code != 416 or not held:
            raise
        if error.response.headers.get("Content-Range", "").rpartition("/")[2] != str(held):
            part.unlink()
            return continue_download(url, path, headers, size)
    return part


def place_fault(path: Path, error: Exception) -> ResourceError | None:
    """Return the error for a place that cannot be written, where that and not the network is what is in the way."""
    return refused(path, error) if isinstance(error, OSError) and error.errno in UNWRITABLE else None


def fetch_repository(address: str) -> Path:
    """Return the directory of a model on the hub: its settings and its weights, nothing that could be run.

    Parameters
    ----------
    address : str
        ``owner/name``, or ``owner/name@revision``; the 40 digits of a commit need no network once it is here. A branch
        stands for the commit that it was last seen at where the hub cannot be reached.

    Raises
    ------
    ModelError
        If it cannot be fetched; of a gated model the message says what to do.
    """
    repository, _, revision = address.partition("@")
    # Forty digits are a commit, which does not move.
    commit = revision if len(revision) == 40 else commit_of(repository, revision or "main")

    def fetch(name: str) -> Path:
        return fetch_files(repository, commit, {name: None}) / name

    # The layouts that name no type, MuQ's and MuQ-MuLan's, have no settings of a preprocessor.
    typed = "model_type" in read_json(fetch("config.json"), ModelError)
    wanted = (PREPROCESSORS, WEIGHTS) if typed else (WEIGHTS,)
    names = ["config.json", *(first_of(names, repository, commit, fetch) for names in wanted)]
    if names[-1].endswith(".index.json"):
        names += shard_names(fetch(names[-1]))
    return fetch_files(repository, commit, dict.fromkeys(names))


def first_of(names: Sequence[str], repository: str, commit: str, fetch: Callable[[str], Path]) -> str:
    """Return the first of some names that is on disk, or else that the repository has."""
    # What is here goes first, so that a model that has been fetched needs no network.
    for name in names:
        if local_directory(repository, commit, [name]):
            return name
    for name in names:
        with suppress(AbsentFile):
            return fetch(name).name
    raise ModelError(f"{repository} at {commit[:7]} has none of {', '.join(names)}; give --model a directory with one")


def commit_of(repository: str, revision: str) -> str:
    """Return the commit that a branch or tag stands at: a result must be able to name it."""
    seen = own_directory(repository, "refs") / revision.replace("/", "--")
    try:
        commit = str(get_hf_file_metadata(hf_hub_url(repository, "config.json", revision=revision)).commit_hash)
    except HFValidationError as error:
        raise UsageError(f"hf:{repository} is no address on the hub; write hf:owner/name") from error
    except (EntryNotFoundError, GatedRepoError) as error:
        # The hub was reached and said no; what was seen earlier would hide that.
        raise unreachable(repository, revision, "config.json", error) from error
    except FAILURES as error:
        # The hub was not reached: where we saw the branch last, else where the library did.
        known = try_to_load_from_cache(repository, "config.json", revision=revision)
        if seen.is_file():
            return seen.read_text(encoding="utf-8")
        if isinstance(known, str):
            return Path(known).parent.name
        raise unreachable(repository, revision, "config.json", error) from error
    # A cache that cannot be written may still hold the model; where it does not, the download says so.
    with suppress(ResourceError):
        write_atomically(seen, commit.encode())
    return commit


def gated(page: str) -> str:
    """Return what is to be done about a gated repository, whose page on the hub is given."""
    return (
        f"is gated: accept its terms at https://huggingface.co/{page}, then give a token (`hf auth login`, or HF_TOKEN)"
    )


def unreachable(repository: str, revision: str, name: str, error: Exception) -> LayerscopeError:
    """Return the error for a file that could not be fetched, with the way out."""
    where = f"{repository} at {revision[:7]}"
    if isinstance(error, GatedRepoError):
        return ModelError(f"{where} {gated(repository)}")
    if fault := place_fault(own_directory(repository, revision) / name, error):
        return fault
    if isinstance(error, OfflineModeIsEnabled):
        return ModelError(
            f"{where} is not on this machine, and HF_HUB_OFFLINE forbids fetching it; unset it, or give --model a "
            f"directory that holds {name}"
        )
    if isinstance(error, EntryNotFoundError):
        return AbsentFile(f"{where} has no {name}; give --model a directory that holds it")
    if isinstance(error, RevisionNotFoundError):
        return ModelError(f"{repository} has no branch, tag or commit '{revision}' on the hub; leave it out for 'main'")
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, RepositoryNotFoundError) or status in (401, 403):
        return ModelError(
            f"{where} cannot be read: the hub has no such repository, or does not show it ({status}); check the name, "
            "or give a token that may read it (`hf auth login`, or HF_TOKEN)"
        )
    reason = (str(error).splitlines() or [""])[0]
    return ModelError(
        f"{where} could not be fetched ({type(error).__name__}: {reason}); "
        f"check the network and run the same command again, or give --model a directory that holds {name}"
    )
