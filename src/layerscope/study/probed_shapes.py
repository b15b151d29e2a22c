"""What probes of a task would be given, before any pass: features of the right shape, and the jobs that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from layerscope.data.splits import choosing_parts, divided
from layerscope.features.attended_frames import attended_of_clip
from layerscope.features.clip_features import Features
from layerscope.features.pooling import SPREAD
from layerscope.features.stored_features import pooled_parts
from layerscope.features.windows import Cutting, frame_count
from layerscope.probes import Input, assemble, inputs_of
from layerscope.probes.fitting import Job, Target, plan_jobs
from layerscope.probes.frame_targets import plan_tracks
from layerscope.probes.inputs import SEARCH
from layerscope.probes.layer_sets import MOST_LAYERS
from layerscope.probes.plain_beside import beside_layers
from layerscope.study.encoding_cost import Outline, widths_of
from layerscope.study.further_inputs import studied_models
from layerscope.study.job_scores import Study
from layerscope.study.options import Call
from layerscope.study.study_tasks import StudyTask
from layerscope.study.workplace import Workplace

__all__ = ["Shapes", "columns", "shape_of", "shapes_of", "study_before"]


@dataclass(frozen=True)
class Shapes:
    """What probes of a task would be given.

    Attributes
    ----------
    study : Study
        The task, and what they are to predict.
    features : list of Features
        Of the right shape; their layers read as one row of zeros, since jobs follow from the shape alone.
    """

    study: Study
    features: list[Features]

    @cached_property
    def jobs(self) -> list[list[Job]]:
        """Return the jobs of each of the features, with stand-ins of the right shape for those that others decide.

        A search is as many sets as it may find, and the plain feature that is put beside layers is the widest.
        """
        asked, models = self.study.asked, studied_models(self.features)
        return [
            plan_jobs([each], asked.probe, asked.layers_as)
            + (self.further_jobs(each) if any(each is model for model in models) else [])
            for each in self.features
        ]

    def further_jobs(self, shape: Features) -> list[Job]:
        """Return the jobs of a model that would follow from the scores of others."""
        asked = self.study.asked
        further: list[tuple[Features, Input]] = []
        if SEARCH in asked.layers_as:
            sizes = range(2, min(MOST_LAYERS, len(shape.layers)) + 1)
            further += [(shape, Input(f"concat({size} layers)", layers=shape.layers[:size])) for size in sizes]
        if asked.beyond_plain:
            plain = max((each for each in self.features if each.baseline), key=lambda each: each.read(0).shape[1])
            # As if cut alike: of shapes no clip has a mean.
            both = beside_layers(shape, replace(plain, window_clip=shape.window_clip), inputs_of(plain)[-1])
            further += [(both, Input("plain+layer", layer)) for layer in shape.layers]
        probes = [probe for probe in asked.probe if probe != "attention"]
        return [Job(each, chosen, probe) for probe in probes for each, chosen in further]


def columns(job: Job) -> int:
    """Return how many numbers a job is given of a row."""
    return int(np.prod(assemble(job.features, job.chosen).shape))


def study_before(task: StudyTask, asked: Call, work: Workplace) -> Study:
    """Return a task with its splits and what probes would be given to predict, before any pass."""
    labels = task.labels()
    clips, parts = divided(task.dataset.clips, labels, asked.split_seed, asked.folds)
    if labels.kind.over_time:
        tracks = plan_tracks(labels, [frame_count(seconds) for seconds in clips.clip_seconds], parts)
        target = Target(tracks.targets, tracks.parts, tracks)
    else:
        target = Target(labels, parts, choosing=choosing_parts(clips, labels, parts, asked.split_seed))
    return Study(task, labels, clips, target, asked, work)


def shapes_of(outlines: Sequence[Outline], study: Study) -> Shapes:
    """Return what probes would be given of encoders, in every pooling."""
    return Shapes(study, [each for outline in outlines for each in pooled_shapes(shape_of(outline, study), study)])


def shape_of(encoder: Outline, study: Study) -> Features:
    """Return features of the shape that an encoder's have."""
    clips, target = study.clips, study.target
    frames = target.tracks is not None
    widths = widths_of(encoder, frames)
    owner = np.arange(len(target.labels.values))
    if not frames:
        cutting = Cutting(study.task.window or encoder.window)
        owner = np.repeat(owner, [len(cutting.pooled_spans(seconds)) for seconds in clips.clip_seconds])
    shape = Features(
        model=encoder.name,
        layers=encoder.layers,
        clips=clips,
        window_clip=owner,
        read=lambda position: np.zeros((1, widths[position]), np.float32),
        pooling=("context" if frames else "moments") if encoder.baseline else "frame" if frames else "mean",
        fingerprint="",
        widths=encoder.widths,
        baseline=encoder.baseline,
    )
    if frames:
        return shape
    attended = [attended_of_clip(seconds, cutting) for seconds in clips.clip_seconds]
    return replace(
        shape,
        attended=replace(
            shape,
            window_clip=np.repeat(np.arange(len(clips)), attended),
            read=lambda position: np.zeros((1, encoder.widths[position]), np.float32),
            pooling="frame",
        ),
    )


def pooled_shapes(shape: Features, study: Study) -> list[Features]:
    """Return features of the shapes that several poolings of a model give; attention has their frames once."""
    if shape.baseline or study.target.tracks:
        return [shape]
    # Where other poolings are kept there are three parts, of which each takes some.
    whole = [SPREAD * width for width in shape.widths]
    whole_shape = replace(shape, read=lambda position: np.zeros((1, whole[position]), np.float32))
    return pooled_parts(whole_shape, study.asked.pooling)
