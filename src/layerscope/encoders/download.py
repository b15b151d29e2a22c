"""Published files from the hub: pinned, verified, and continued where a killed download stopped.

huggingface_hub resumes a connection that drops, but starts a file again in a new process; for files of 1.3 GB that
hurts, so that the unfinished part is kept here under the revision it belongs to.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import filelock
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers

from layerscope.atomic_files import cache_directory, file_digest
from layerscope.errors import ModelError

__all__ = ["fetch_file", "fetch_repository", "find_file"]


def own_path(repository: str, revision: str, name: str) -> Path:
    """Return where a file is kept once it is here."""
    return cache_directory() / "models" / repository.replace("/", "--") / revision / name


def find_file(repository: str, revision: str, name: str) -> Path | None:
    """Return a file that is on disk already, here or in the hub's own cache."""
    path = own_path(repository, revision, name)
    if path.is_file():
        return path
    known = try_to_load_from_cache(repository, name, revision=revision)
    return Path(known) if isinstance(known, str) else None


def fetch_file(repository: str, revision: str, name: str, sha256: str | None = None) -> Path:
    """Return a file of a repository at a commit, downloading what of it is missing.

    Parameters
    ----------
    repository, revision, name : str
        Which file.
    sha256 : str, optional
        What it must be.

    Raises
    ------
    ModelError
        If it cannot be fetched or is another file than the pinned one.
    """
    path = find_file(repository, revision, name) or download(repository, revision, name)
    if sha256 is not None and (found := file_digest(path)) != sha256:
        raise ModelError(f"{path}: sha256 {found[:12]}… is not the pinned {sha256[:12]}…; delete it and fetch again")
    return path


def download(repository: str, revision: str, name: str) -> Path:
    """Download a file beside its unfinished part, from where that ends."""
    path = own_path(repository, revision, name)
    part = path.with_name(name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(str(path) + ".lock"):
            facts = get_hf_file_metadata(hf_hub_url(repository, name, revision=revision))
            held = part.stat().st_size if part.is_file() else 0
            if facts.size is not None and held < facts.size:
                with part.open("ab") as file:
                    http_get(
                        facts.location, file, resume_size=held, headers=build_hf_headers(), expected_size=facts.size
                    )
            part.replace(path)
    except (HfHubHTTPError, OSError) as error:
        raise unreachable(repository, revision, name, error) from error
    return path


def first_line(error: Exception) -> str:
    """Return what an error says, without its later lines."""
    return (str(error).splitlines() or [""])[0]


def fetch_repository(address: str) -> Path:
    """Return the directory of a model on the hub: its settings and its weights, nothing that could be run.

    Parameters
    ----------
    address : str
        ``owner/name``, or ``owner/name@revision``; the 40 digits of a commit need no network once it is here.

    Raises
    ------
    ModelError
        If it cannot be fetched; of a gated model the message says what to do.
    """
    repository, _, revision = address.partition("@")
    commit = revision if len(revision) == 40 else commit_of(repository, revision or "main")
    settings = [fetch_file(repository, commit, name) for name in ("config.json", "preprocessor_config.json")]
    if find_file(repository, commit, "pytorch_model.bin") is None:
        with suppress(AbsentFile):
            return fetch_file(repository, commit, "model.safetensors").parent
    fetch_file(repository, commit, "pytorch_model.bin")
    return settings[0].parent


def commit_of(repository: str, revision: str) -> str:
    """Return the commit that a branch or tag stands at: a result must be able to name it."""
    try:
        return str(get_hf_file_metadata(hf_hub_url(repository, "config.json", revision=revision)).commit_hash)
    except (HfHubHTTPError, OSError) as error:
        raise unreachable(repository, revision, "config.json", error) from error


def unreachable(repository: str, revision: str, name: str, error: Exception) -> ModelError:
    """Return the error for a file that could not be fetched, with the way out."""
    where = f"{repository} at {revision[:7]}"
    if isinstance(error, GatedRepoError):
        return ModelError(
            f"{where} is gated: accept its terms at https://huggingface.co/{repository}, then give a token "
            "(`hf auth login`, or HF_TOKEN)"
        )
    kind = AbsentFile if isinstance(error, EntryNotFoundError) else ModelError
    return kind(
        f"{where} could not be fetched ({type(error).__name__}: {first_line(error)}); "
        f"check the network and run the same command again, or give --model a directory that holds {name}"
    )


class AbsentFile(ModelError):
    """A repository has no file of that name."""
