"""States that someone has computed already, read from a directory in place of an encoder.

The directory holds ``features.json``, which says what they are, and an array for each audio file,
``<the file's name or path>.npy``: (layer, frame, dim), or (layer, dim) where frames have been averaged.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from layerscope.atomic_files import digest, read_json
from layerscope.encoders.encoder import Encoder, fingerprint_of, source_digest
from layerscope.encoders.own_encoder import refuse_attributes
from layerscope.errors import AudioError, ModelError

__all__ = ["FEATURES", "Precomputed"]

FEATURES = "features.json"
#: What ``features.json`` must say, and how.
KEYS: dict[str, tuple[type, ...]] = {"frame_rate": (int, float), "layers": (list,), "dim": (int,)}


class Precomputed(Encoder):
    """States on disk.

    Parameters
    ----------
    directory : Path
        That of ``features.json``: ``frame_rate`` (Hz), ``layers`` (numbers), ``dim``, and if it is not the
        directory's own, ``name``.

    Raises
    ------
    ModelError
        If ``features.json`` lacks a key or says something else than it should.
    """

    window = 1e6  # whole files
    minimum_samples = 1
    sample_rate = 24_000  # at which audio is decoded for its digest, by which the same sound is found in two splits
    reads_files = True

    def __init__(self, directory: Path) -> None:
        told = read_json(directory / FEATURES, ModelError)
        for key, kinds in KEYS.items():
            # True and False are whole numbers for isinstance.
            if not isinstance(told.get(key), kinds) or isinstance(told[key], bool):
                raise ModelError(f"{directory / FEATURES}: '{key}' is {told.get(key, 'not there')!r}; "
                                 f"expected a {kinds[-1].__name__}")  # fmt: skip
        self.directory = directory
        self.shared: dict[Path, list[Path]] = {}
        self.name = str(told.get("name", directory.resolve().name))
        self.frame_rate = float(told["frame_rate"])
        self.layers = tuple(told["layers"])
        self.dim = told["dim"]
        self.fingerprint = fingerprint_of(
            {"precomputed": told, "files": listing(directory), "source": source_digest(__name__)}
        )
        refuse_attributes(self, str(directory / FEATURES))

    def encode(self, waveforms: Tensor) -> Tensor:
        """Raise: these states come from files."""
        raise ModelError(
            f"{self.directory}: holds states of files; no waveform of {waveforms.shape[-1]} samples is encoded"
        )

    def expect_files(self, paths: Iterable[Path]) -> None:
        """Find out which arrays would have to serve several files: whose they are cannot be told."""
        files: dict[Path, list[Path]] = {}
        for path in dict.fromkeys(paths):
            place = self.array_of(path)
            if place is not None:
                files.setdefault(place, []).append(path)
        self.shared = {place: several for place, several in files.items() if len(several) > 1}

    def encode_file(self, path: Path, start: float, end: float) -> Tensor:
        """See `Encoder.encode_file`."""
        place = self.array_of(path)
        if place is None:
            raise AudioError(f"{path}: no {path.stem}.npy in {self.directory}")
        if place in self.shared:
            others = ", ".join(str(other) for other in self.shared[place] if other != path)
            raise AudioError(f"{path}: {place} would be that of {others} too; put arrays into folders as the audio is")
        try:
            states = np.load(place, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise AudioError(f"{place}: not readable as an array ({error})") from error
        shape = (len(self.layers), "frame", self.dim)
        # Averaged already: one frame stands for the file.
        if states.ndim == 2:
            states = states[:, None]
        if states.ndim != 3 or (states.shape[0], states.shape[2]) != (shape[0], shape[2]) or not states.shape[1]:
            raise AudioError(f"{place}: shape {states.shape}; expected (layer, frame, dim) = {shape}")
        if states.dtype.kind not in "fiu" or not np.isfinite(states).all():
            raise AudioError(f"{place}: holds {states.dtype} that are no finite numbers; write it anew")
        # One frame is the mean of all, whatever span is asked for.
        if states.shape[1] > 1:
            first = round(start * self.frame_rate)
            # A span shorter than a frame has the one that it begins in.
            states = states[:, first : None if np.isnan(end) else max(first + 1, round(end * self.frame_rate))]
        if not states.shape[1]:
            raise AudioError(f"{place}: has no frames from {start:g} s on")
        return torch.from_numpy(np.ascontiguousarray(states, dtype=np.float32))

    def array_of(self, path: Path) -> Path | None:
        """Return the array of an audio file: below as many of its folders as there are here, or by its name alone."""
        parts = path.with_suffix(".npy").parts
        # Deepest first, so that files of one name in two folders are kept apart.
        for depth in range(min(len(parts) - 1, 4), 0, -1):
            place = self.directory.joinpath(*parts[-depth:])
            if place.is_file():
                return place
        return None


def listing(directory: Path) -> str:
    """Return a digest of the names, sizes and times of the arrays: another one when any of them is written anew."""
    # Not of their contents, which every run would have to read in full.
    facts = [(place.relative_to(directory), place.stat()) for place in sorted(directory.rglob("*.npy"))]
    return digest(*(f"{place} {stat.st_size} {stat.st_mtime_ns}\n" for place, stat in facts))
