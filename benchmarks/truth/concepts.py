"""A made encoder whose layers are exactly known: what `layerscope concepts` says of it.

It knows every clip of the battery by its sound. Layer 1 is the pitch class (of a note, or of a tune's tonic), layer 2
the instrument, layer 3 the loudness, layer 4 noise, another for each sound; layer 5 holds pitch class and instrument
side by side.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import soundfile
import torch
from numpy.typing import NDArray

from benchmarks.truth.tables import judge, table
from layerscope import Encoder, fingerprint_of
from layerscope.study.concepts import run_battery
from layerscope.study.options import Battery
from layerscope.toymusic.concept_battery import FACTORS, battery, file_of

LEVELS = {"pitch class": FACTORS["key"], "instrument": FACTORS["instrument"], "loudness": FACTORS["loudness"]}
NOISE = 8
#: The part of a distance that a factor of q levels makes: a column that is 1 of one level has the variance
#: 1/q (1 - 1/q), and two such columns change with the level.
PARTS = {"key": 2 / (1 / 12 * 11 / 12), "instrument": 2 / (1 / 6 * 5 / 6)}
TOLD = {1: ("pitch", "key"), 2: ("instrument",), 3: ("loudness",), 4: (), 5: ("pitch", "key", "instrument")}
SHARES: dict[int, dict[str, float]] = {
    1: {"key": 1.0},
    2: {"instrument": 1.0},
    3: {"loudness": 1.0},
    5: {name: part / sum(PARTS.values()) for name, part in PARTS.items()},
}


def digest_of(samples: NDArray[np.float32]) -> bytes:
    """Return what tells one sound from another, of those that a file of 16 bits holds."""
    return hashlib.sha256(np.rint(samples * 32768).astype(np.int16).tobytes()).digest()


@cache
def labels_by_sound() -> dict[bytes, dict[str, str]]:
    """Return the labels of every clip of the battery, by what tells its sound from another."""
    labels = {}
    for clip in (clip for clips in battery().values() for clip in clips):
        samples, _ = soundfile.read(io.BytesIO(file_of(clip)), dtype="float32")
        pitch = clip.labels.get("pitch", clip.labels.get("key", "C"))
        labels[digest_of(samples)] = {"pitch class": pitch, **clip.labels}
    return labels


class Known(Encoder):
    """See the module."""

    name, sample_rate, frame_rate, minimum_samples = "known", 24_000, 2.0, 12_000
    layers = (1, 2, 3, 4, 5)
    widths = (12, 6, 3, NOISE, 18)
    fingerprint = fingerprint_of({"known": 1})

    def encode(self, waveforms: torch.Tensor) -> list[torch.Tensor]:
        """Return the layers, (batch, frame, width) each, alike in every frame."""
        frames = waveforms.shape[1] * 2 // 24_000
        states = [self.states(samples) for samples in waveforms.numpy()]
        return [
            torch.from_numpy(np.stack(layer).astype(np.float32))[:, None].repeat(1, frames, 1)
            for layer in zip(*states, strict=True)
        ]

    def states(self, samples: NDArray[np.float32]) -> list[NDArray[np.float64]]:
        """Return the states of one sound; those of one that is not of the battery say nothing."""
        digest = digest_of(samples)
        labels = labels_by_sound().get(digest, {})
        pitch, instrument, loudness = (
            np.array([float(labels.get(name) == level) for level in levels]) for name, levels in LEVELS.items()
        )
        noise = np.random.default_rng(list(digest)).normal(size=NOISE)
        return [pitch, instrument, loudness, noise, np.concatenate([pitch, instrument])]


def factory() -> Encoder:
    """Return the encoder."""
    return Known()


@contextmanager
def own_cache(place: Path) -> Iterator[None]:
    """Have features kept in a place of their own."""
    with patch.dict(os.environ, LAYERSCOPE_CACHE=str(place)):
        yield


def judge_scores(scores: pd.DataFrame) -> None:
    """Print the map of concepts, and whether it is right."""
    shown = scores.set_index(["concept", "layer"])
    names = scores.concept.unique()
    table(
        "Of the way from chance to perfect, % (in brackets: not shown).",
        ["concept", *(f"layer {layer}" for layer in TOLD)],
        [[name, *(in_brackets(shown.loc[name, layer]) for layer in TOLD)] for name in names],
    )
    known = {f"{name}, layer {layer}": 100 * float(shown.loc[name, layer].share) * shown.loc[name, layer].shown
             for layer, told in TOLD.items() for name in told}  # fmt: skip
    judge("what a layer holds is told perfectly", known, low=99.0)
    untold = [(name, layer) for layer, told in TOLD.items() for name in names if name not in told]
    judge("nothing else is shown", {f"{name}, layer {layer}": float(shown.loc[name, layer].shown)
                                    for name, layer in untold}, high=0.0)  # fmt: skip


def in_brackets(row: pd.Series) -> str:
    """Return a share, in brackets where it is not shown."""
    text = f"{100 * row.share:.0f}"
    return text if row.shown else f"({text})"


def in_percents(row: pd.Series) -> str:
    """Return the total index, and the main effect in brackets."""
    return f"{100 * row.total:.1f} ({100 * row.main:.1f})"


def judge_invariance(invariance: pd.DataFrame) -> None:
    """Print the invariance profile, and whether it is right."""
    found = invariance.set_index(["factor", "layer"])
    names = invariance.factor.unique()
    table(
        "Total index (main effect), %.",
        ["factor", *(f"layer {layer}" for layer in TOLD)],
        [[name, *(in_percents(found.loc[name, layer]) for layer in TOLD)] for name in names],
    )
    for column in ("total", "main"):
        wrong = {f"{name}, layer {layer}": np.nan_to_num(
                     abs(float(found.loc[name, layer][column]) - shares.get(name, 0.0)), nan=np.inf
                 ) for layer, shares in SHARES.items() for name in names}  # fmt: skip
        judge(f"the {column} of every factor is its share", wrong, high=1e-6)
    judge("noise is grey", {name: float(found.loc[name, 4].shown) for name in names}, high=0.0)


def main() -> None:
    """Print both maps."""
    with tempfile.TemporaryDirectory() as place, own_cache(Path(place) / "cache"):
        maps = run_battery(Battery(model=["benchmarks.truth.concepts:factory"]), Path(place) / "out")
    judge_scores(maps.scores)
    judge_invariance(maps.invariance)
