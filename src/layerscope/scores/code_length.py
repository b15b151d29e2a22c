"""Online code length: in how many bits the labels can be told to somebody who has the states (Voita & Titov 2020).

Conventions
-----------
Labels are told block by block, in the order of a draw. The first block costs what equal chances cost, each later one
what the probe says that the blocks before have trained. Bits are a mean a label: of classes a clip's, of tags one tag
of one clip. A code is honest whatever the probabilities are, but a probe that is too sure pays for it, so that half a
label of each answer is added to what it has seen (Krichevsky & Trofimov 1981): no label ever costs more than
``log2(2 n + K)`` bits, n labels seen of K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from layerscope.scores.family_of_comparisons import highest_deviation
from layerscope.scores.resampling import (
    FEWEST_GROUPS,
    RESAMPLES,
    best_set,
    effective_groups,
    interval,
    resample_seeds,
    resample_weights,
)
from layerscope.targets.kind import Form, Labels

__all__ = ["Code", "bits_of", "code_table", "has_code", "probabilities_of", "uniform_bits"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Code:
    """What the labels cost in bits with one input.

    Attributes
    ----------
    label : dict
        As of a curve, without metric.
    uniform : float
        Bits a label where all answers have equal chances.
    bits, control : ndarray, shape (draw, clip)
        Of each training clip's label, and of the label that it has when labels have changed places.
    """

    label: dict[str, Any]
    uniform: float
    bits: Array
    control: Array


def has_code(form: Form) -> bool:
    """Return whether labels can be coded: a number needs a density, whose bits depend on the unit."""
    return form != "values"


def uniform_bits(labels: Labels) -> float:
    """Return the bits a label where all answers that there are have equal chances.

    Examples
    --------
    >>> from layerscope.targets import labels_of
    >>> uniform_bits(labels_of(["a", "b", "c", "d"])), uniform_bits(labels_of([["x"], ["y"]], kind="tags"))
    (2.0, 1.0)
    """
    return float(np.log2(len(np.unique(labels.values)))) if labels.kind.form == "classes" else 1.0


def probabilities_of(
    scores: NDArray[np.floating], form: Form, slope: float, *, logits: bool, seen: NDArray[np.bool_], trained: int
) -> Array:
    """Return what scores mean as probabilities, half a label of each answer added to what was seen.

    Parameters
    ----------
    scores : ndarray, shape (clip, output)
        Of classes, log probabilities up to `slope`; of tags, logits, or an estimate of the share itself.
    form : {"classes", "tags"}
        What they are scores of.
    slope : float
        Of classes (see `layerscope.targets.calibration`).
    logits : bool
        Whether tags are scored as logits.
    seen : ndarray of bool, shape (output,)
        The classes that are in the training clips; the others have no code.
    trained : int
        Labels that the probe has seen.

    Returns
    -------
    ndarray, shape (clip, output)
        Of classes of sum 1, of tags each for itself.

    Examples
    --------
    >>> seen = np.array([True, True, False])
    >>> probabilities_of(np.array([[0.0, 0.0, 9.0]]), "classes", 1.0, logits=False, seen=seen, trained=3).tolist()
    [[0.5, 0.5, 0.0]]
    >>> probabilities_of(np.array([[1.5]]), "tags", 1.0, logits=False, seen=seen, trained=3).tolist()
    [[0.875]]
    """
    scores = np.asarray(scores, np.float64)
    if form == "tags":
        shares: Array = expit(scores) if logits else np.clip(scores, 0.0, 1.0)
        return (trained * shares + 0.5) / (trained + 1)
    shares = np.zeros(scores.shape)
    shares[:, seen] = (trained * softmax(slope * scores[:, seen], axis=1) + 0.5) / (trained + seen.sum() / 2)
    return shares


def bits_of(probabilities: Array, labels: Labels) -> Array:
    """Return what the label of each clip costs, (clip,); of tags the mean over tags.

    Parameters
    ----------
    probabilities : ndarray, shape (clip, output)
        Of each class, or of each tag.
    labels : Labels
        Of the clips.

    Examples
    --------
    >>> from layerscope.targets import labels_of
    >>> bits_of(np.array([[0.75, 0.25], [0.75, 0.25]]), labels_of(["a", "b"])).round(3).tolist()
    [0.415, 2.0]
    """
    if labels.kind.form == "classes":
        return -np.log2(probabilities[np.arange(len(probabilities)), labels.values])
    bits: Array = -np.log2(np.where(labels.values > 0.5, probabilities, 1 - probabilities)).mean(axis=1)
    return bits


def code_table(codes: Sequence[Code], groups: NDArray[np.int64], seed: int) -> pd.DataFrame:
    """Return a row for each input: bits a label, how many times shorter that is than the uniform code, and selectivity.

    Parameters
    ----------
    codes : sequence of Code
        Of all inputs of a task.
    groups : ndarray of int, shape (clip,)
        What is resampled as a whole.
    seed : int
        Of the resamples.
    """
    told = np.flatnonzero(np.isfinite(codes[0].bits[0]))
    enough = effective_groups(groups[told]) >= FEWEST_GROUPS
    weights = resample_weights(groups[told], seed) if enough else None
    rows, draws, gains = [], [], []
    for code in codes:
        bits, resampled = mean_bits(code.bits[:, told], weights)
        control, resampled_control = mean_bits(code.control[:, told], weights)
        draws.append(resampled)
        gains.append(resampled_control - resampled)
        low, high = interval(resampled, bits)
        select_low, select_high = interval(gains[-1], control - bits)
        rows.append(
            {**code.label, "clips": len(told), "draws": len(code.bits),
             "uniform": code.uniform, "bits": bits, "ci_low": low, "ci_high": high, "compression": code.uniform / bits,
             "control": control, "selectivity": control - bits, "selectivity_low": select_low,
             "selectivity_high": select_high}
        )  # fmt: skip
    table = pd.DataFrame(rows).astype({"layer": "Int64"})
    table["in_best_set"] = best_set(list(-table.bits), -np.stack(draws))
    # The highest of many is lucky, so that the bound is that of all together.
    noise = np.stack(gains) - table.selectivity.to_numpy()[:, None]
    table["beats_control"] = table.selectivity - highest_deviation(noise) * noise.std(axis=1) > 0
    return table


def mean_bits(bits: Array, weights: Array | None) -> tuple[float, Array]:
    """Return the mean of bits, (draw, clip), and that in every resample of draws and clips; NaN where none is made."""
    if weights is None:
        return float(bits.mean()), np.full(RESAMPLES, math.nan)
    return float(bits.mean()), resample_seeds(bits @ weights.T / weights.sum(axis=1))
