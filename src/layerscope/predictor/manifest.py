"""What a predictor's directory says of itself, and the digests of its files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from layerscope.atomic_files import digest, file_digest, read_json
from layerscope.errors import DataError

__all__ = ["MANIFEST", "ONNX", "PROBE", "Manifest", "digests", "read_manifest"]

MANIFEST, PROBE, ONNX = "predictor.json", "probe.safetensors", "model.onnx"


@dataclass(frozen=True)
class Manifest:
    """What a predictor's directory says of itself.

    Attributes
    ----------
    task, target, title : str
        What it answers.
    kind : str
        Of the target: see `layerscope.targets.kinds`.
    names : list of str
        Classes, tags or dimensions.
    window : float
        Longest window in seconds.
    stitched : bool
        Whether windows overlap and are put together before they are pooled, as the run did for tracks.
    input : str
        ``layer``, ``last``, ``weighted``, ``weighted[1:]``, ``concat``, ``mean(…)`` or ``concat(…)`` of some layers, or
        a summary of a plain feature.
    layers : list of int
        Those that the input is made of.
    probe : str
        Which kind.
    calibration : list of [slope, intercept]
        Scores become probabilities by a logistic curve of each tag or beat, by one slope of all classes, fitted to
        the validation clips.
    thresholds : list of float
        Of tags: the probability from which on a tag is given, best for F1 on the validation clips.
    surest : float
        The highest probability that it tells: what so many validation clips speak for.
    encoder : dict
        What `read_portable` needs, or a ``reference`` to the hub, or the address of one of your own.
    scores : dict
        What the run measured: split, metric, value, interval.
    files : dict of str to str
        SHA-256 of each file beside this one.
    version : str
        Of layerscope.
    settings : dict of str to float
        What validation chose for the probe.
    refit : bool
        Whether the probe was trained again on all clips: `scores` and curves are then of the run's, trained on less.
    """

    task: str
    target: str
    title: str
    kind: str
    names: list[str]
    window: float
    stitched: bool
    input: str
    layers: list[int]
    probe: str
    calibration: list[list[float]]
    thresholds: list[float]
    encoder: dict[str, Any]
    scores: dict[str, Any]
    files: dict[str, str]
    version: str
    settings: dict[str, float] = field(default_factory=dict)
    refit: bool = False
    surest: Annotated[float, Field(ge=0.5, le=1)] = 1.0

    def as_json(self) -> bytes:
        """Return what is written, with a digest of it."""
        content = asdict(self)
        return json.dumps({**content, "of": digest(json.dumps(content))}, indent=1).encode()


def digests(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that a predictor is made of."""
    # Not the card, which people edit, nor the manifest, which cannot hold its own digest.
    kept = [
        path
        for path in sorted(directory.iterdir())
        if path.suffix in (".safetensors", ".json", ".onnx") and path.is_file()
    ]
    return {path.name: file_digest(path) for path in kept if path.name != MANIFEST}


def read_manifest(path: Path) -> Manifest:
    """Return what a predictor's directory says of itself.

    Raises
    ------
    DataError
        If it is not what was written, or another version wrote it.
    """
    content = read_json(path)
    if content.pop("of", None) != digest(json.dumps(content)):
        raise DataError(f"{path}: is not what was exported: damaged, changed or of another version; export it again")
    try:
        # Strictly: a directory from elsewhere may have a digest and yet hold anything.
        return TypeAdapter(Manifest).validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise DataError(f"{path}: not readable as a predictor ({reasons}); export it again") from error
