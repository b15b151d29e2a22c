"""What a study leaves in memory: scores that can answer and draw themselves."""

from __future__ import annotations

from pathlib import Path

from layerscope.report import write_report
from layerscope.scores.score_table import Results
from layerscope.scores.verdict import Verdict, decide
from layerscope.similarity.measures import Similarities

__all__ = ["StudyResults"]


class StudyResults(Results):
    """Results that can answer and draw themselves."""

    def answers(self) -> list[Verdict]:
        """Return the answer for each task, as ``answer.json`` holds it (see `layerscope.scores.verdict.decide`)."""
        return [decide(self, task) for task in self.tasks]

    def to_html(self, path: str | Path) -> None:
        """Write the page, with figures and tables beside it, into the page's directory.

        Parameters
        ----------
        path : str or Path
            The page; its figures and tables get sub-directories beside it.
        """
        write_report(self, Path(path), Similarities.read(Path(path).parent))
