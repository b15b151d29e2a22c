"""The tested clips of tasks under each deformation: their labels, and the passes over them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.data.deformations import Deformation
from layerscope.data.splits import assign, parts_of
from layerscope.encoders import Encoder
from layerscope.encoders.model_names import without_seed
from layerscope.errors import DataError
from layerscope.features.deformed_pass import DeformedPass
from layerscope.features.store import FeatureStore
from layerscope.probes.fitting import Target
from layerscope.scores.robustness_table import LEFT_OUT_COLUMNS
from layerscope.study.job_scores import Study
from layerscope.study.options import Plan
from layerscope.study.study_tasks import StudyTask, heard_seconds, passes_of
from layerscope.study.workplace import HERE, Workplace
from layerscope.targets.kind import Labels

__all__ = ["DeformedTask", "deformed_task", "encode_deformed", "tested_hours"]

Rows = NDArray[np.int64]


@dataclass
class DeformedTask:
    """A task, and its tested clips under each deformation.

    Attributes
    ----------
    study : Study
        With its clean clips, and the trainings of them.
    tested : ndarray of int
        The clips that any of these tests, ascending.
    changed : dict of Deformation to Labels
        What the labels of `tested` become; those are left out of which that is not known.
    stores : dict of str to dict of Deformation to FeatureStore
        By model, what the pass over deformed clips left.
    failed : dict of Deformation to dict of str to str
        The key of each clip that could not be deformed or encoded, and why.
    left_out : list of dict
        Rows of what is not computed.
    """

    study: Study
    tested: Rows
    changed: dict[Deformation, Labels] = field(default_factory=dict)
    stores: dict[str, dict[Deformation, FeatureStore]] = field(default_factory=dict)
    failed: dict[Deformation, dict[str, str]] = field(default_factory=dict)
    left_out: list[dict[str, str]] = field(default_factory=list)

    def leave_out(self, reason: str, deformation: object = "", model: str = "", clip: str = "") -> None:
        """Remember what is not computed, and why."""
        values = (self.study.task.name, model, str(deformation), clip, reason)
        self.left_out.append(dict(zip(LEFT_OUT_COLUMNS, values, strict=True)))

    def usable(self, deformation: Deformation) -> Rows:
        """Return the tested clips that every encoder could use when they are deformed."""
        keys = self.study.clips.clip_key.iloc[self.tested]
        return self.tested[~keys.isin(list(self.failed.get(deformation, ())))]


def deformed_task(
    task: StudyTask, asked: Plan, deformations: Sequence[Deformation], work: Workplace = HERE
) -> DeformedTask:
    """Return a task with its tested clips, and what deformations make of their labels."""
    labels = task.labels()
    clips = assign(task.dataset.clips, labels, asked.split_seed, asked.folds)
    parts = parts_of(clips)
    study = Study(task, labels, clips, Target(labels, parts), asked, work)
    tested = DeformedTask(study, np.unique(np.concatenate([part.test for part in parts])))
    for deformation in deformations:
        try:
            tested.changed[deformation] = labels.kind.changed(
                labels.take(tested.tested), task.target, deformation.semitones, deformation.tempo
            )
        except DataError as error:
            tested.leave_out(str(error), deformation)
    return tested


def tested_hours(task: StudyTask, asked: Plan) -> float:
    """Return the hours of audio that are tested, each span counted once."""
    deformed = deformed_task(task, asked, [])
    return heard_seconds(deformed.study.clips.iloc[deformed.tested]) / 3600


def encode_deformed(
    encoders: Iterable[Encoder], tested: Sequence[DeformedTask], deformations: Sequence[Deformation]
) -> None:
    """Take encoders over deformed test clips, once a deformation for all tasks that share a pass."""
    for encoder in encoders:
        # Of an untrained twin, a control, one draw is enough.
        if without_seed(encoder.name) != encoder.name:
            continue
        for (_, window), members in passes_of(encoder, [each.study.task for each in tested]).items():
            group = [tested[number] for number in members]
            if encoder.reads_files:
                for task in group:
                    task.leave_out("it holds states of files, and encodes no other sound", model=encoder.name)
                continue
            frames = any(task.study.task.over_time for task in group)
            spread = group[0].study.asked.pooling != ["mean"]
            for deformation in deformations:
                one_pass = DeformedPass(encoder, window, frames, spread=spread, deformation=deformation)
                encode_one(one_pass, [task for task in group if deformation in task.changed])


def encode_one(one_pass: DeformedPass, tasks: Sequence[DeformedTask]) -> None:
    """Take an encoder over the test clips of tasks under one deformation."""
    if not tasks:
        return
    encoder, deformation = one_pass.encoder, one_pass.deformation
    clips = pd.concat([task.study.clips.iloc[task.tested] for task in tasks], ignore_index=True)
    # No frames are sampled: comparisons are of clean sound.
    store, extraction = tasks[0].study.work.encode(one_pass, clips, f"{encoder.name}, {deformation}", sample=0)
    for task in tasks:
        task.stores.setdefault(encoder.name, {})[deformation] = store
        # The first encoder's reason stands.
        task.failed[deformation] = {**extraction.failed, **task.failed.get(deformation, {})}
