"""With how few labels is which layer best: learning curves of every layer, and the code length of the labels.

The probe trains on nested draws of training clips alone (see `layerscope.data.label_draws`), and chooses its penalty
inside them; validation chooses between layers, and the study's own test clips are scored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerscope.atomic_files import array_digest, read_tensors, write_tensors
from layerscope.data.label_draws import label_sizes, nested_draws
from layerscope.data.splits import Part
from layerscope.encoders.encoder import fingerprint_of, source_digest
from layerscope.features.clip_features import Features
from layerscope.features.row_blocks import share_of_memory
from layerscope.probes.few_label_probe import FewLabelFit, clip_states, fit_few_labels
from layerscope.probes.fitting import Job, Target, plan_jobs, single_thread
from layerscope.probes.kept_outcomes import job_digest
from layerscope.probes.workers import calls_at_once, side_by_side
from layerscope.scores.code_length import Code, bits_of, code_table, has_code, probabilities_of, uniform_bits
from layerscope.scores.learning_curve import FewLabels, crossings, curve_table, scored_curve
from layerscope.scores.score_table import SINGLE_INPUTS
from layerscope.study.controls import permuted
from layerscope.study.job_scores import Study
from layerscope.study.twins import draws_of_twins, twin_of
from layerscope.targets.kind import Labels

__all__ = ["DRAWS", "FewLabelTask", "few_label_jobs", "learn_from_few", "left_out", "score_few_labels"]

Rows = NDArray[np.int64]

#: Draws of labels at each size: of fewer, Student's t makes intervals several times as wide.
DRAWS = 5
#: Whose code decides what is kept, beside that of the probes themselves.
SOURCES = (
    __name__,
    "layerscope.data.label_draws",
    "layerscope.probes.few_label_probe",
    "layerscope.scores.code_length",
    "layerscope.study.controls",
)


@dataclass(frozen=True)
class FewLabelTask:
    """What every input of a task is asked.

    Attributes
    ----------
    target : Target
        Not over time.
    groups : ndarray of int, shape (clip,)
        What is drawn as a whole.
    sizes : list of str
        See `label_sizes`.
    probe : str
        Which is trained, of `FEW_LABEL_PROBES`.
    seed : int
        Of the first draw.
    draws : int
        How many.
    """

    target: Target
    groups: Rows
    sizes: list[str]
    probe: str
    seed: int
    draws: int = DRAWS


@dataclass(frozen=True)
class LearntFromFew:
    """What an input leaves.

    Attributes
    ----------
    clips : ndarray, shape (size, draw)
        That train, the mean over folds.
    valid, test : ndarray, shape (size, draw, row, output), float32
        Scores of the clips that choose and of those that are tested, ascending.
    bits, control : ndarray, shape (draw, clip)
        What labels cost, and those that have changed places; NaN of clips that do not train, and of targets that have
        no code.
    """

    clips: NDArray[np.float64]
    valid: NDArray[np.float32]
    test: NDArray[np.float32]
    bits: NDArray[np.float64]
    control: NDArray[np.float64]


def few_label_jobs(features: Sequence[Features], probe: str) -> list[Job]:
    """Return the layers and plain features that are asked, one draw of each untrained twin."""
    first = [drawn[0] for drawn in draws_of_twins(features)]
    return [job for job in plan_jobs(first, [probe]) if job.chosen.name in SINGLE_INPUTS]


def score_few_labels(study: Study, features: Sequence[Features]) -> FewLabels | None:
    """Return the tables of a task; nothing of a target over time (see `left_out`), or where it is not asked for.

    What inputs leave is kept in a directory, as trainings are, where one is given.
    """
    target, names, asked, groups = study.target, study.task.names, study.asked, study.groups
    if asked.few_labels is None or left_out(study):
        return None
    sizes = label_sizes(target.labels, groups, target.parts)
    task = FewLabelTask(target, groups, sizes, asked.few_labels, asked.split_seed)
    jobs = few_label_jobs(features, asked.few_labels)
    curves, codes = [], []
    with study.shown("few labels", len(jobs), "inputs") as step:
        for job, left in zip(jobs, learn_all(jobs, task, share_of_memory(asked.memory), study.work.keep), strict=True):
            label = {"model": twin_of(job.features), **names, "input": job.chosen.name, "layer": job.chosen.layer}
            label |= {"probe": task.probe}
            curves.append(scored_curve(label, left.clips, left.valid, left.test, study.splits))
            if has_code(target.labels.kind.form):
                codes.append(Code(label, mean_uniform(target), left.bits, left.control))
            step(1)
    layers = [curve for curve in curves if curve.label["input"] == "layer"]
    crossed = crossings(layers, sizes, folds=len(target.parts) > 1)
    compared = pd.DataFrame([{**names, **asdict(crossing)} for crossing in crossed])
    code = code_table(codes, groups, asked.split_seed) if codes else pd.DataFrame()
    unit = "group" if "group" in study.clips else "clip"
    return FewLabels(curve_table(curves, sizes, unit), compared, code)


def learn_all(jobs: Sequence[Job], task: FewLabelTask, memory: float, keep: Path | None) -> Iterator[LearntFromFew]:
    """Yield what each input leaves, in order; what an earlier call has kept is read."""
    paths = [keep / f"{few_label_digest(job, task)}.safetensors" if keep else None for job in jobs]
    missing = [job for job, path in zip(jobs, paths, strict=True) if path is None or not path.is_file()]
    workers = max(1, min(calls_at_once(), len(missing)))
    learnt = side_by_side(learn_from_few, ((job, task, memory / workers) for job in missing), workers)
    for path in paths:
        if path is not None and path.is_file():
            yield LearntFromFew(**read_tensors(path))
            continue
        left = next(learnt)
        if path is not None:
            write_tensors(path, vars(left), {})
        yield left
    # Nothing is left of them, and workers end as they should only where that has been asked.
    yield from learnt


def few_label_digest(job: Job, task: FewLabelTask) -> str:
    """Return a name for what an input leaves that changes with anything it depends on."""
    told = {
        # Of the probe's own code and of the labels' kind too.
        "job": job_digest(job, task.target, [task.seed]),
        "groups": array_digest(task.groups),
        "sizes": task.sizes,
        "draws": task.draws,
        "source": source_digest(*SOURCES),
    }
    return fingerprint_of(told)


def left_out(study: Study) -> str:
    """Return why nothing is learnt from few labels of a task, or an empty text."""
    target = study.target
    if target.tracks:
        return "the label of a track over time is a whole annotation: few labels are drawn of clips, not of frames"
    if len(label_sizes(target.labels, study.groups, target.parts)) < 2:
        return "the training clips are too few to draw fewer of them"
    return ""


def mean_uniform(target: Target) -> float:
    """Return the bits a label of equal chances, the mean over trainings."""
    return float(np.mean([uniform_bits(target.labels.take(part.train)) for part in target.parts]))


@single_thread()
def learn_from_few(job: Job, task: FewLabelTask, memory: float = np.inf) -> LearntFromFew:
    """Train an input's probe on every draw of labels.

    Parameters
    ----------
    job : Job
        Whose input it is.
    task : FewLabelTask
        What is asked.
    memory : float
        Bytes that states may take.
    """
    labels, parts = task.target.labels, task.target.parts
    clips, shape = len(labels.values), (len(task.sizes), task.draws)
    asked = {name: np.sort(np.concatenate([getattr(part, name) for part in parts])) for name in ("valid", "test")}
    # Of these clips alone: of all, the scores of many tags would fill the memory.
    left = {name: np.zeros((*shape, len(rows), len(labels.names)), np.float32) for name, rows in asked.items()}
    counts = np.zeros(shape)
    costs = np.full((2, len(parts), task.draws, clips), np.nan)
    for number, part in enumerate(parts):
        states = clip_states(job.features, job.chosen, part.train, memory)
        whole = fit_few_labels(states, labels, part.train, task.groups, task.probe)
        for draw in range(task.draws):
            drawn = nested_draws(labels, task.groups, part.train, task.sizes, task.seed + draw)
            fits = [*fits_of(states, labels, drawn, task), whole]
            for place, (rows, fit) in enumerate(zip(drawn, fits, strict=True)):
                counts[place, draw] += len(rows) / len(parts)
                for name, scored in asked.items():
                    of_part = getattr(part, name)
                    left[name][place, draw, np.searchsorted(scored, of_part)] = fit.scores[of_part]
            if has_code(labels.kind.form):
                costs[0, number, draw] = coded(labels, drawn, fits, task.probe)
                costs[1, number, draw] = control_bits(states, part, draw, task)
    told = np.isfinite(costs).sum(axis=1)
    # Over folds a clip trains several times; what never trains stays NaN.
    bits = np.where(told, np.nansum(costs, axis=1), np.nan) / np.maximum(told, 1)
    return LearntFromFew(counts, left["valid"], left["test"], *bits)


def fits_of(
    states: NDArray[np.float32], labels: Labels, drawn: Sequence[Rows], task: FewLabelTask
) -> list[FewLabelFit]:
    """Return what the probe says after each size but the last."""
    return [fit_few_labels(states, labels, rows, task.groups, task.probe) for rows in drawn[:-1]]


def control_bits(states: NDArray[np.float32], part: Part, draw: int, task: FewLabelTask) -> NDArray[np.float64]:
    """Return the cost of labels that have changed places among the training groups (Hewitt & Liang 2019)."""
    order = permuted(task.groups[part.train], np.random.default_rng(task.seed + draw))
    values = task.target.labels.values.copy()
    values[part.train] = values[part.train][order]
    labels = replace(task.target.labels, values=values)
    drawn = nested_draws(labels, task.groups, part.train, task.sizes, task.seed + draw)
    return coded(labels, drawn, fits_of(states, labels, drawn, task), task.probe)


def coded(labels: Labels, drawn: Sequence[Rows], fits: Sequence[FewLabelFit], probe: str) -> NDArray[np.float64]:
    """Return the bits of each label, (clip,), told block by block: each by the probe that the blocks before trained."""
    everything = labels.take(drawn[-1])
    bits = np.full(len(labels.values), np.nan)
    bits[drawn[-1]] = uniform_bits(everything)
    seen = np.zeros(len(labels.names), bool)
    if labels.kind.form == "classes":
        seen[np.unique(everything.values)] = True
    for before, block, fit in zip(drawn, drawn[1:], fits, strict=False):
        rows = np.setdiff1d(block, before)
        # What nobody can say how sure it is of is told as if all answers were as likely.
        if fit.slope is not None:
            shares = probabilities_of(
                fit.scores[rows], labels.kind.form, fit.slope, logits=probe == "linear", seen=seen, trained=len(before)
            )
            bits[rows] = bits_of(shares, labels.take(rows))
    return bits
