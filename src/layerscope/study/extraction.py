"""The encoders over the clips of all tasks, and which clips every encoder could use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch

from layerscope.encoders import Encoder
from layerscope.encoders.device import device_label
from layerscope.features.encoder_pass import Extraction
from layerscope.features.row_blocks import give_back_memory
from layerscope.features.store import FeatureStore
from layerscope.study.options import Probing
from layerscope.study.study_tasks import StudyTask, pass_over, passes_of
from layerscope.study.workplace import HERE, Workplace

__all__ = ["Passes", "Stores", "device_and_precision", "extract_all", "keep_usable"]


#: Stores of a task, one an encoder.
Stores = list[FeatureStore]


@dataclass(frozen=True)
class Passes:
    """What all passes over the clips of a study left.

    Attributes
    ----------
    stores : list of list of FeatureStore
        One list a task, one store an encoder.
    failed : list of dict of str to str
        For each task: the key of each clip that an encoder could not use, and why.
    counts : dict
        Encoder → clips decoded, encoded, found in the cache, and windows encoded; where, and how precisely.
    """

    stores: list[Stores]
    failed: list[dict[str, str]]
    counts: dict[str, dict[str, Any]]


def extract_all(
    encoders: Iterable[Encoder], tasks: Sequence[StudyTask], asked: Probing, work: Workplace = HERE
) -> Passes:
    """Take every encoder over the clips of all tasks once, on the devices of a cluster where one is given.

    Tasks of one data set and window share a pass; frames are kept where one of them is over time, or what is asked
    of probes needs them.
    """
    passes = Passes([[] for _ in tasks], [{} for _ in tasks], {})
    for encoder in encoders:
        extract(encoder, tasks, asked, passes, work)
        # Now, as the next one is made before the name is given to it: no two are in memory.
        del encoder
        give_back_memory()
    return passes


def extract(encoder: Encoder, tasks: Sequence[StudyTask], asked: Probing, passes: Passes, work: Workplace) -> None:
    """Take an encoder over the clips of all tasks, and note what that left."""
    passes.counts[encoder.name] = dict.fromkeys(counts(Extraction()), 0) | device_and_precision(encoder)
    for (_, window), members in passes_of(encoder, tasks).items():
        one_pass = pass_over(encoder, window, [tasks[number] for number in members], asked)
        clips = pd.concat([tasks[number].dataset.clips for number in members], ignore_index=True)
        store, extraction = work.encode(one_pass, clips, encoder.name)
        for name, count in counts(extraction).items():
            passes.counts[encoder.name][name] += count
        for number in members:
            passes.stores[number].append(store)
            # The first encoder's reason stands.
            passes.failed[number].update({**extraction.failed, **passes.failed[number]})
    # Not where this process would have computed.
    if not passes.counts[encoder.name]["clips_encoded"]:
        passes.counts[encoder.name]["device"] = "none: all was kept"
    elif work.cluster:
        passes.counts[encoder.name]["device"] = "workers of a Ray cluster"


def keep_usable(tasks: Sequence[StudyTask], passes: Passes) -> list[StudyTask]:
    """Return the tasks with the clips that every encoder could use, and with the digests of their sound.

    A clip that fails in any encoder is used for none: scores on different clips do not compare.
    """
    return [
        # Of one store for all clips: another encoder may have decoded at another rate.
        task.with_sounds(stores[0], failed)
        for task, stores, failed in zip(tasks, passes.stores, passes.failed, strict=True)
    ]


def device_and_precision(encoder: Encoder) -> dict[str, str]:
    """Return where an encoder computes, and how precisely, as results tell of it."""
    device = device_label(torch.device(encoder.device)) if encoder.device else "as its own code says"
    return {"device": device, "precision": encoder.precision}


def counts(extraction: Extraction) -> dict[str, int]:
    """Return the counters of a pass."""
    return {
        "clips_decoded": extraction.decoded,
        "clips_encoded": extraction.encoded,
        "clips_from_cache": extraction.cached,
        "windows_encoded": extraction.windows,
    }
