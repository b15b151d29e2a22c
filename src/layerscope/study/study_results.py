"""What a study leaves in memory: scores that answer, print and draw themselves."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from rich.text import Text

from layerscope.errors import UsageError, checks_arguments, one_of
from layerscope.report import write_report
from layerscope.report.answer_table import answer_rows
from layerscope.report.figures import draw_layers, layer_curves
from layerscope.report.heat_maps import draw_marked_panel, draw_similarities, similarity_map, task_map
from layerscope.report.shaded_tables import similarity_table, task_table
from layerscope.scores.layer_selection import preferred_probe, shown_layers
from layerscope.scores.learning_curve import FewLabels
from layerscope.scores.robustness_table import Robustness
from layerscope.scores.score_table import Results as ScoreTable
from layerscope.scores.verdict import Verdict, decide
from layerscope.similarity.measures import MEASURES, Similarities
from layerscope.study.predictions import read_predictions

__all__ = ["Results"]


class Results(ScoreTable):
    """Results of a study, as `layerscope.probe` returns them and `read` finds them in a run's directory.

    Examples
    --------
    >>> import numpy as np
    >>> import layerscope as ls
    >>> states = np.random.default_rng(0).normal(size=(120, 3, 4))  # 120 clips, 3 layers, 4 dimensions
    >>> states[:, 2, 0] += 4.0 * (np.arange(120) % 2)  # the last layer knows
    >>> results = ls.probe(ls.Features.from_arrays(states, ["minor", "major"] * 60), probes="closed")
    >>> results.answer().verdict, results.answer().layer
    ('layer', 2)
    >>> results.layer_table().shape  # 3 layers, one task
    (3, 1)
    """

    #: What `layerscope compare` left beside a run that was read.
    similarities: Similarities | None = None
    #: Scores after few labels, where they were asked for.
    few_labels: FewLabels | None = None
    #: Scores on deformed clips, where they were asked for.
    robustness: Robustness | None = None
    #: Where each clip stands; not read back.
    splits: pd.DataFrame | None = None
    #: What the recommended input and the plain feature say of each tested clip.
    predictions: pd.DataFrame | None = None

    @classmethod
    @checks_arguments
    def read(cls, directory: str | Path) -> Results:
        """Read a run's directory, with the comparison of layers beside it, if there is one.

        Raises
        ------
        DataError
            If the directory is not that of a finished run.
        """
        results = super().read(directory)
        assert isinstance(results, cls)
        results.similarities = Similarities.read(Path(directory))
        results.predictions = read_predictions(Path(directory))
        results.few_labels = FewLabels.read(Path(directory))
        results.robustness = Robustness.read(Path(directory))
        return results

    def answers(self) -> list[Verdict]:
        """Return the answer for each task, as ``answer.json`` holds it (see `layerscope.scores.verdict.decide`)."""
        return [decide(self, task) for task in self.tasks]

    @checks_arguments
    def answer(self, task: str | None = None) -> Verdict:
        """Return the answer for a task; a study of one need not name it.

        Raises
        ------
        UsageError
            If the study has no such task, or several and none is named.
        """
        return decide(self, self.sole_task(task))

    def to_pandas(self) -> pd.DataFrame:
        """Return the tidy table, a row a seed, split and metric (the columns of ``results.csv``)."""
        return self.table.copy()

    @checks_arguments
    def layer_table(self, probe: str | None = None) -> pd.DataFrame:
        """Return test scores by layer, the table that papers print.

        Parameters
        ----------
        probe : str, optional
            By default the one that validation prefers, task by task; of a model without it, that preferred for it.

        Returns
        -------
        DataFrame
            A row for each model and layer (a MultiIndex), a column a task, in its primary metric.

        Raises
        ------
        UsageError
            For a probe that the study does not have, or without a model.
        """
        columns = {}
        self.models_with_layers()
        if probe is not None:
            one_of("probe", probe, self.summary.probe.unique())
        for task in self.tasks:
            asked = {"task": task, "input": "layer", "metric": self.primary(task), "probe": probe}
            rows = self.of(**asked) if probe else shown_layers(self, task)
            columns[task] = rows.set_index(["model", "layer"]).value
        return pd.DataFrame(columns)

    @checks_arguments
    def plot(
        self,
        what: Literal["layers", "map", "similarity"] = "layers",
        *,
        task: str | None = None,
        probe: str | None = None,
        model: str | None = None,
        measure: str = "cka_debiased",
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Draw the study.

        Parameters
        ----------
        what : {"layers", "map", "similarity"}
            Scores over layers with 95 % bands, tasks by layers, or how alike layers are to one another, which needs a
            run's directory with a comparison in it.
        task, probe : str, optional
            For ``"layers"``; the sole task, and the probe that validation prefers, by default.
        model : str, optional
            For ``"map"`` on given axes, which have room for one.
        measure : str
            For ``"similarity"``: ``"cka_debiased"``, ``"pwcca_x"``, …
        ax : matplotlib Axes, optional
            Where to draw; on a figure of its own by default.

        Returns
        -------
        Figure or Axes
            The axes that were given, else the figure.

        Raises
        ------
        UsageError
            If the study does not have what is to be drawn.
        """
        one_of("plot", what, ["layers", "map", "similarity"])
        # A panel of three dimensions draws otherwise.
        if ax is not None and (not isinstance(ax, Axes) or ax.name == "3d"):
            raise UsageError(f"ax takes flat Axes of matplotlib, such as plt.subplots()[1], not {type(ax).__name__}")
        if model is not None:
            one_of("model", model, self.models("trained", "untrained"))
            if what != "map":
                raise UsageError(f"model is for plot('map', ax=…), which has room for one; plot('{what}') draws all")
        if what == "layers":
            own = self.only(self.sole_task(task))
            probes = own.summary.probe.unique()
            chosen = preferred_probe(own, own.facts["task"]) if probe is None else one_of("probe", probe, probes)
            if ax is None:
                return layer_curves(own, chosen)
            draw_layers(ax, own, chosen)
        elif what == "map":
            models = self.models_with_layers()
            if ax is None:
                return task_map(self)
            draw_marked_panel(ax, task_table(self), one_of("model", model, models))
        else:
            if self.similarities is None:
                raise UsageError("no comparison of layers beside these results; `layerscope compare` makes one")
            one_of("measure", measure, [name for name in MEASURES if name in self.similarities.measures])
            if ax is None:
                return similarity_map(self.similarities, measure)
            draw_similarities(ax, similarity_table(self.similarities, measure))
        return ax

    def models_with_layers(self) -> list[str]:
        """Return the trained and untrained models.

        Raises
        ------
        UsageError
            If there are none: plain features have no layers.
        """
        models = self.models("trained", "untrained")
        if not models:
            raise UsageError("these results are of plain features alone, which have no layers; study a model")
        return models

    @checks_arguments
    def to_html(self, path: str | Path) -> None:
        """Write the page, with figures and tables beside it, into the page's directory.

        Parameters
        ----------
        path : str or Path
            The page; its figures and tables get sub-directories beside it.
        """
        page = Path(path)
        similarities = Similarities.read(page.parent)
        write_report(self, page, similarities, self.predictions, self.few_labels, self.robustness)

    def answer_table(self) -> pd.DataFrame:
        """Return a row a task: the verdict, what to use, and its test score with the 95 % interval."""
        parts = [self.only(task) for task in self.tasks]
        rows = answer_rows([(part, decide(part, part.facts["task"])) for part in parts])
        return pd.DataFrame(
            [[row.task, row.verdict, row.use, f"{row.metric} {row.score.text}"] for row in rows],
            columns=["task", "verdict", "use", "score [95 %]"],
        )

    def __repr__(self) -> str:
        """Return the answers as a table of at most 80 columns, whose cells go on below where they are longer."""
        answers = self.answer_table()
        table = Table(box=None, pad_edge=False)
        for name in answers.columns:
            table.add_column(name, no_wrap=name not in ("task", "use"))
        for row in answers.itertuples(index=False):
            # As texts, since names of tasks may look like markup.
            table.add_row(*map(Text, row))
        console = Console(width=80, file=io.StringIO(), color_system=None, legacy_windows=False)
        with console.capture() as printed:
            console.print(table)
        return "\n".join(line.rstrip() for line in printed.get().splitlines())

    def _repr_html_(self) -> str:
        """Return the answers as a table for notebooks."""
        return self.answer_table().to_html(index=False, border=0)
