"""Whole files or none, digests, and a directory that belongs to one process and one request."""

from __future__ import annotations

from layerscope.atomic_files.new_directory import (
    NO_PLACE,
    is_alive,
    machine,
    new_directory,
    passing_directory,
    refuse_closed,
    refuse_occupied,
    refused,
    sweep,
    way_out,
)
from layerscope.atomic_files.owned_directory import REQUESTS, owned_directory, sole_use
from layerscope.atomic_files.tensor_files import (
    array_digest,
    damaged,
    locate_tensor,
    read_header,
    read_tensors,
    write_tensors,
)
from layerscope.atomic_files.user_places import HOMELESS, cache_directory, chosen_place
from layerscope.atomic_files.whole_files import (
    digest,
    discard,
    file_digest,
    read_json,
    safe_stem,
    unfinished,
    write_atomically,
    write_json,
    write_text,
)

__all__ = [
    "HOMELESS", "NO_PLACE", "REQUESTS", "array_digest", "cache_directory", "chosen_place", "damaged", "digest",
    "discard", "file_digest", "is_alive", "locate_tensor", "machine", "new_directory", "owned_directory",
    "passing_directory", "read_header", "read_json", "read_tensors", "refuse_closed",
    "refuse_occupied", "refused", "safe_stem", "sole_use", "sweep", "unfinished", "way_out", "write_atomically",
    "write_json", "write_tensors", "write_text",
]  # fmt: skip
