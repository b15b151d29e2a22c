"""Clips before a run: which it would set aside as too short, whether a few can be decoded, and how they sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerscope.data.audio import load
from layerscope.encoders import Encoder
from layerscope.errors import AudioError
from layerscope.features.decoding import too_short
from layerscope.study.study_tasks import StudyTask

__all__ = ["Trial", "evenly", "first_windows", "heard", "short_clips", "try_clips"]

#: Clips of a task that are decoded, taken evenly from all.
FEW_CLIPS = 5


@dataclass(frozen=True)
class Trial:
    """A task without the clips that a run is seen to set aside.

    Attributes
    ----------
    task : StudyTask
        With the other clips.
    decoded, failed : int
        Of the clips that were decoded on trial: those that could be, and those that could not.
    """

    task: StudyTask
    decoded: int
    failed: int


def short_clips(encoder: Encoder, task: StudyTask) -> dict[str, str]:
    """Return the clips of a task that are too short for an encoder, by name, with how long they are."""
    if encoder.reads_files:
        return {}
    rows = task.dataset.clips.itertuples()
    reasons = {row.clip: too_short(encoder, round(row.clip_seconds * encoder.sample_rate), row.path) for row in rows}
    return {clip: reason for clip, reason in reasons.items() if reason}


def try_clips(task: StudyTask, short: Mapping[str, str], sample_rate: int) -> Trial:
    """Leave out clips that are too short, decode a few of the others, and leave out those that cannot be."""
    dataset = task.dataset.without(short)
    few = evenly(dataset.clips, FEW_CLIPS)
    failed = {}
    for row in few.itertuples():
        try:
            load(Path(row.path), sample_rate, row.start, row.end)
        except AudioError as error:
            failed[row.clip] = str(error)
    return Trial(replace(task, dataset=dataset.without(failed)), len(few) - len(failed), len(failed))


def evenly(clips: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return so many clips, evenly from the table, which may be sorted by class."""
    return clips.iloc[np.unique(np.linspace(0, len(clips) - 1, count).astype(int))]


def heard(encoder: Encoder, clips: pd.DataFrame) -> Iterator[NDArray[np.float32]]:
    """Yield clips at the rate of an encoder; those that cannot be read, or are too short for it, are left out."""
    for row in clips.itertuples():
        # The file may be gone since its states were stored.
        with suppress(AudioError):
            samples = load(Path(row.path), encoder.sample_rate, row.start, row.end)
            if len(samples) >= encoder.minimum_samples:
                yield samples


def first_windows(encoder: Encoder, clips: pd.DataFrame, window: float) -> list[Tensor]:
    """Return the first window of a few clips, each (1, samples); those that cannot be heard are left out."""
    longest = round(window * encoder.sample_rate)
    return [torch.from_numpy(samples[None, :longest]) for samples in heard(encoder, evenly(clips, FEW_CLIPS))]
