"""Published files from the hub: pinned, verified, and continued where a killed download stopped.

huggingface_hub resumes a connection that drops, but starts a file again in a new process; for files of 1.3 GB that
hurts, so that the unfinished part is kept here under the revision it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import filelock
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers

from layerscope.atomic_files import NO_PLACE, cache_directory, file_digest, refused, write_atomically
from layerscope.encoders.state_dicts import WEIGHTS, shard_names
from layerscope.errors import LayerscopeError, ModelError, UsageError

__all__ = ["FAILURES", "fetch_files", "fetch_repository", "local_directory"]

#: All that a request to the hub may raise: what its client raises is the base of the hub's own error, and no OSError.
FAILURES: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, OSError)
#: Either says how audio is prepared; version 5 of transformers may write the second alone.
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")


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
    """Download a file beside its unfinished part, from where that ends; of two processes one does it."""
    path = own_directory(repository, revision) / name
    part = path.with_name(name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(str(path) + ".lock"):
            # Another process may have finished it while this one waited.
            if path.is_file():
                return
            facts = get_hf_file_metadata(hf_hub_url(repository, name, revision=revision))
            held = part.stat().st_size if part.is_file() else 0
            # A process killed just before the renaming leaves a whole part, of which no server sends more.
            if facts.size is not None and held < facts.size:
                with part.open("ab") as file:
                    http_get(
                        facts.location, file, resume_size=held, headers=build_hf_headers(), expected_size=facts.size
                    )
            part.replace(path)
    except FAILURES as error:
        raise unreachable(repository, revision, name, error) from error


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

    names = ["config.json", *(first_of(names, repository, commit, fetch) for names in (PREPROCESSORS, WEIGHTS))]
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
    write_atomically(seen, commit.encode())
    return commit


def unreachable(repository: str, revision: str, name: str, error: Exception) -> LayerscopeError:
    """Return the error for a file that could not be fetched, with the way out."""
    where = f"{repository} at {revision[:7]}"
    if isinstance(error, GatedRepoError):
        return ModelError(
            f"{where} is gated: accept its terms at https://huggingface.co/{repository}, then give a token "
            "(`hf auth login`, or HF_TOKEN)"
        )
    if isinstance(error, OSError) and error.errno in NO_PLACE:
        return refused(own_directory(repository, revision) / name, error)
    if isinstance(error, OfflineModeIsEnabled):
        return ModelError(
            f"{where} is not on this machine, and HF_HUB_OFFLINE forbids fetching it; unset it, or give --model a "
            f"directory that holds {name}"
        )
    kind = AbsentFile if isinstance(error, EntryNotFoundError) else ModelError
    reason = (str(error).splitlines() or [""])[0]
    return kind(
        f"{where} could not be fetched ({type(error).__name__}: {reason}); "
        f"check the network and run the same command again, or give --model a directory that holds {name}"
    )
