"""Where a study is worked on: how that is shown, on which machines it is done, and where what is finished is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from layerscope.atomic_files import cache_directory
from layerscope.features.encoder_pass import Extraction, Pass
from layerscope.features.frame_sample import FRAMES_A_CLIP
from layerscope.features.store import FeatureStore
from layerscope.study.progress import SILENT, Progress
from layerscope.study.ray_cluster import Cluster

__all__ = ["HERE", "Workplace"]


@dataclass(frozen=True)
class Workplace:
    """Where a study is worked on.

    Attributes
    ----------
    progress : Progress
        Where progress is shown.
    cluster : Cluster, optional
        Where clips are encoded; in this process by default.
    keep : Path, optional
        Where finished trainings are kept; nowhere by default.
    """

    progress: Progress = SILENT
    cluster: Cluster | None = None
    keep: Path | None = None

    def encode(
        self, one_pass: Pass, clips: pd.DataFrame, what: str, sample: int = FRAMES_A_CLIP
    ) -> tuple[FeatureStore, Extraction]:
        """Take an encoder over clips; return what holds their states, and what was done and could not be."""
        store = one_pass.store(cache_directory())
        with self.progress.task(f"encoding {what}", clips.clip_key.nunique(), "clips") as step:
            elsewhere = self.cluster.encode_shards if self.cluster else None
            return store, one_pass.extract(clips, store, step, sample, elsewhere)


#: In this process, without a word, and nothing is kept.
HERE = Workplace()
