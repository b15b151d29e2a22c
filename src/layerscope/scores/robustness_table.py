"""The table of scores on deformed clips, and the files it lives in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from layerscope.errors import DataError
from layerscope.scores.run_names import RunNames
from layerscope.scores.score_files import read_csv, write_csv
from layerscope.scores.score_table import ROBUSTNESS

__all__ = ["LEFT_OUT_COLUMNS", "ROBUSTNESS_COLUMNS", "Robustness"]

#: One row for each model, task, input, probe, deformation and metric.
ROBUSTNESS_COLUMNS = [
    "model", "task", "input", "layer", "probe", "deformation", "strength", "metric", "value", "ci_low", "ci_high", "n",
    "clean", "difference", "difference_low", "difference_high", "as_good", "loses_least",
]  # fmt: skip
#: What was not computed: a clip, or, where that is empty, all of a task or model.
LEFT_OUT_COLUMNS = ["task", "model", "deformation", "clip", "reason"]
TABLE, LEFT_OUT = ROBUSTNESS


@dataclass(frozen=True)
class Robustness:
    """Scores of probes that were trained on clean clips, on deformed ones.

    Attributes
    ----------
    table : DataFrame
        Columns `ROBUSTNESS_COLUMNS`: ``value`` on the ``n`` deformed test clips and ``clean`` on the same ones as they
        are, means over seeds; ``difference``, the first less the second, with its 95 % interval, paired; and of layers,
        by the primary metric, ``as_good``, whether the layer is the chosen one or, on clean clips, not told apart from
        the best, and ``loses_least``, whether it is not shown both to lose more than another of these and to score less
        than another when deformed, all points of the task, models and probes considered together.
    left_out : DataFrame
        Columns `LEFT_OUT_COLUMNS`.
    """

    table: pd.DataFrame
    left_out: pd.DataFrame

    def save(self, directory: Path) -> None:
        """Write ``robustness.csv`` and ``robustness_left_out.csv``."""
        write_csv(directory / TABLE, self.table)
        write_csv(directory / LEFT_OUT, self.left_out)

    @classmethod
    def read(cls, directory: Path) -> Robustness | None:
        """Read what `save` wrote; nothing where there is none.

        Raises
        ------
        DataError
            If it is damaged.
        """
        if not (directory / TABLE).is_file():
            return None
        try:
            robustness = cls(read_csv(directory / TABLE), read_csv(directory / LEFT_OUT))
            return cls(robustness.table[ROBUSTNESS_COLUMNS], robustness.left_out[LEFT_OUT_COLUMNS])
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{directory / TABLE}: not readable ({error}); run the study again") from error

    def renamed(self, names: RunNames) -> Robustness:
        """Return the tables with other names of models and tasks."""
        return Robustness(names.in_table(self.table), names.in_table(self.left_out))

    @classmethod
    def joined(cls, parts: Sequence[Robustness]) -> Robustness | None:
        """Return those of several runs as one, each row once; nothing of nothing."""
        if not parts:
            return None
        tables = ([part.table for part in parts], [part.left_out for part in parts])
        return cls(*(pd.concat(each).drop_duplicates(ignore_index=True) for each in tables))
