"""The probe that is exported: trained again as the run trained it, or on all clips with the settings that it chose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from layerscope.data.splits import Part, parts_of
from layerscope.encoders.device import find_device
from layerscope.errors import DataError
from layerscope.features.clip_features import Features
from layerscope.probes import Input, Prediction, assemble, inputs_of, seen_by
from layerscope.probes.fitting import Job, Target, left_of, single_thread, train_part
from layerscope.probes.inputs import set_named
from layerscope.probes.kept_outcomes import job_digest, read_outcome
from layerscope.scores.evaluation import Outcome
from layerscope.scores.score_table import is_set
from layerscope.study.extraction import Stores
from layerscope.study.job_scores import Study
from layerscope.study.options import Plan
from layerscope.study.predictions import calibration_of
from layerscope.study.run_task import divide, features_and_target
from layerscope.study.study_tasks import StudyTask
from layerscope.targets import Calibration

__all__ = ["Retrained", "retrain"]


@dataclass(frozen=True)
class Retrained:
    """A probe as the run trained it, and what it was trained on.

    Attributes
    ----------
    study : Study
        Its task with the clips that the run used, and what it was trained to predict.
    stores : sequence of FeatureStore
        What the pass left of them.
    job : Job
        The probe and its input.
    prediction : Prediction
        Of the first training.
    outcome : Outcome
        What the run kept of it.
    """

    study: Study
    stores: Stores
    job: Job
    prediction: Prediction
    outcome: Outcome

    @property
    def calibration(self) -> Calibration:
        """Return what makes scores probabilities, by the validation clips, as the run did for its predictions.

        Not by clips of training, of which a probe is surer than of new ones.
        """
        labels, target = self.study.labels, self.study.target
        if not target.tracks:
            return calibration_of(self.outcome.valid[0], labels)
        # Of frames, whose scores no run keeps.
        valid = target.parts[0].valid
        return labels.kind.calibrate(self.prediction.scores[valid], target.labels.values[valid])

    def on_all_clips(self) -> Prediction:
        """Return the probe trained on all clips, with the settings that were chosen before."""
        study, clips = self.study, self.study.clips
        first = parts_of(clips)[0]
        # What validation chose is held, so that its clips, and those that judged, may train.
        part = Part(np.arange(len(clips)), first.valid, first.test)
        features, target = features_and_target(study.task, study.labels, self.stores, clips, [part])
        seen = seen_by(self.job.probe, features[0])
        assert seen is not None  # as in the run
        job = replace(self.job, features=seen)
        with single_thread():
            return train_part(job, assemble(seen, job.chosen), target, 0, [0], self.prediction.settings)[0]


def retrain(task: StudyTask, stores: Stores, row: pd.Series, plan: Plan, run: Path) -> Retrained:
    """Return the probe of a row of the run's summary, trained as the run did.

    Raises
    ------
    DataError
        If what it depends on has changed since.
    """
    features, study = divide(task, stores, plan)
    seen = seen_by(str(row.probe), features[0])
    assert seen is not None  # the run has this very row
    job = Job(seen, input_of(seen, row), str(row.probe))
    return Retrained(study, stores, job, *trained_again(job, study.target, plan, run))


def input_of(features: Features, row: pd.Series) -> Input:
    """Return the input that a row of the summary is about; ``last`` is the last layer by another name."""
    if is_set(row.input):
        return set_named(str(row.input))
    layer = None if pd.isna(row.layer) else int(row.layer)
    wanted = Input("layer" if row.input == "last" else str(row.input), layer)
    return next(one for one in inputs_of(features) if one == wanted)


def trained_again(job: Job, target: Target, plan: Plan, run: Path) -> tuple[Prediction, Outcome]:
    """Train the probe of the first seed (and fold) as the run did, and see that it says what it said there.

    Its outcome there is returned as well.
    """
    seeds = list(range(plan.seeds))
    # Its name is a digest of all that the training depended on.
    kept = run / "probes" / f"{job_digest(job, target, seeds)}.safetensors"
    if not kept.is_file():
        raise DataError(f"{run}: its data, labels, models or layerscope itself have changed since; run the study again")
    outcome, states = read_outcome(kept), assemble(job.features, job.chosen)
    # As it was trained, on a GPU or not: rounding grows over many steps.
    device = None if outcome.device == "cpu" else find_device(plan.device)
    with single_thread():
        prediction = train_part(job, states, target, 0, seeds[:1], device=device)[0]
    rows = target.clip_parts[0].test
    before, now = outcome.test[0][rows], left_of(target, 0, prediction.scores, "test")
    # On another machine sums come out in another order; a probe that is another one differs by far more.
    if not np.allclose(before, now, rtol=1e-2, atol=1e-2, equal_nan=True):
        raise DataError(
            f"{run}: the {job.probe} probe on {job.chosen} does not come out as it did; run the study again"
        )
    return prediction, outcome
