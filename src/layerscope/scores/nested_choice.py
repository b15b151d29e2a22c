"""Over folds: what the choice of a layer is worth on clips that had no part in it.

Over folds each clip chooses in one training and is tested in another, so that the one layer that is chosen over all
folds is lucky on the very clips that test it. Here each training's layer is chosen by its own validation clips, and
scored on its own test clips (nested cross-validation: Varma & Simon 2006). What is recommended is still one layer; that
it is better than chance is judged by this score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerscope.data.splits import Part
from layerscope.scores.evaluation import Outcome
from layerscope.scores.layer_selection import choose
from layerscope.scores.resampling import FEWEST_GROUPS
from layerscope.targets.kind import Labels

__all__ = ["joined_outcome", "nested_outcome"]


def nested_outcome(outcomes: Sequence[Outcome], labels: Labels, parts: Sequence[Part]) -> Outcome:
    """Return what the input that each training's validation clips choose leaves.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Of the inputs that are open, at least one.
    labels : Labels
        Of all clips.
    parts : sequence of Part
        The trainings, as rows of clips.
    """
    best = []
    for number in range(len(parts)):
        rows = choosing_rows(parts, number)
        asked = labels.take(rows)
        scores = [float(asked.score(outcome.valid.mean(axis=0)[rows])[0]) for outcome in outcomes]
        best.append(outcomes[choose(range(len(outcomes)), scores.__getitem__).chosen])
    return joined_outcome(best, parts)


def joined_outcome(outcomes: Sequence[Outcome], parts: Sequence[Part]) -> Outcome:
    """Return what each training leaves of its own clips, given an outcome for each, as one."""
    valid, test = (np.full_like(left, np.nan) for left in (outcomes[0].valid, outcomes[0].test))
    for outcome, part in zip(outcomes, parts, strict=True):
        valid[:, part.valid], test[:, part.test] = outcome.valid[:, part.valid], outcome.test[:, part.test]
    return Outcome(valid, test, [], [])


def choosing_rows(parts: Sequence[Part], number: int) -> NDArray[np.int64]:
    """Return the clips that choose in a training: its validation clips and, where they are few, those of the next.

    A single clip, as where every clip is a fold, would choose at random among all layers that are right on it. What a
    training tests never chooses in it.
    """
    rows = parts[number].valid
    for step in range(1, len(parts)):
        if len(rows) >= FEWEST_GROUPS:
            break
        following = parts[(number + step) % len(parts)].valid
        rows = np.union1d(rows, np.setdiff1d(following, parts[number].test))
    return rows
