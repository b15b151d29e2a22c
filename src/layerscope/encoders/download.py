"""Published files from the hub: pinned, verified, and continued where a killed download stopped.

huggingface_hub resumes a connection that drops, but starts a file again in a new process; for files of 1.3 GB that
hurts, so that the unfinished part is kept here under the revision it belongs to.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import filelock
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers

from layerscope.errors import ModelError
from layerscope.store import cache_directory

__all__ = ["fetch_file", "find_file"]


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
    if sha256 is not None and (found := digest_of(path)) != sha256:
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
        raise ModelError(
            f"{repository} at {revision[:7]} could not be fetched ({type(error).__name__}: {first_line(error)}); check "
            f"the network and run the same command again, or give --model a directory that holds {name}"
        ) from error
    return path


def first_line(error: Exception) -> str:
    """Return what an error says, without its later lines."""
    return (str(error).splitlines() or [""])[0]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 24):
            digest.update(block)
    return digest.hexdigest()
