"""The table that papers print: layers by tasks for each model, in LaTeX, to be input as it is."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from layerscope.report.wording import metric_name, number
from layerscope.scores.layer_selection import best_plain, preferred_probe, shown_layers
from layerscope.scores.score_table import Results

__all__ = ["escaped", "layers_latex"]

#: Tasks beside one another, and letters in a line of their titles: of so many a page's width makes readable columns.
ABREAST, NARROW = 6, 13
#: What is wider than the page is made as wide.
FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}"
#: Signs that LaTeX reads as commands, and those that it has no letter for.
SIGNS = str.maketrans({
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "²": "$^2$", "−": "$-$", "–": "--", "\n": " ",
})  # fmt: skip


def escaped(text: str) -> str:
    r"""Return a name so that LaTeX prints it.

    Examples
    --------
    >>> print(escaped("a_b & 50 % #1"))
    a\_b \& 50 \% \#1
    """
    return text.translate(SIGNS)


def layers_latex(results: Results) -> str:
    """Return tables with a row for each layer and a column for each task, for the packages booktabs and graphicx.

    There are as many as it takes for a column to stay readable. The best of each model and task is bold, what cannot be
    told apart from it underlined; below stand the best plain feature and chance. Braces are balanced, and every row has
    as many cells as there are columns.
    """
    parts = np.array_split(np.array(results.tasks, dtype=object), math.ceil(len(results.tasks) / ABREAST))
    tables = [table_of(results, list(tasks), number) for number, tasks in enumerate(parts, start=1)]
    return "% \\usepackage{booktabs,graphicx}\n" + "\n".join(tables)


def table_of(results: Results, tasks: Sequence[str], number_of_part: int) -> str:
    """Return one table, of some tasks."""
    head = [["layer", *(stacked(results.title(task)) for task in tasks)],
            ["", *(escaped(metric_name(results.primary(task))) for task in tasks)]]  # fmt: skip
    lines = [row_of(cells) for cells in head]
    shown = {task: shown_layers(results, task) for task in tasks}
    for model in results.models("trained", "untrained"):
        own = {task: rows[rows.model == model] for task, rows in shown.items()}
        if all(rows.empty for rows in own.values()):
            continue
        title = rf"\textit{{{escaped(model)}}}{escaped(other_probes(results, own))}"
        title = rf"\multicolumn{{{len(tasks) + 1}}}{{l}}{{{title}}} \\"
        lines += [r"\midrule", title, *layer_rows(results, model, own)]
    plain = [best_plain(results, task) for task in tasks]
    feet = [
        ["plain feature", *(score_cell(each.chosen, bold=False, equal=False) if each else "" for each in plain)],
        ["", *(escaped(each.chosen.model) if each else "" for each in plain)],
        ["chance", *(escaped(number(results.primary(task), float(results.facts["tasks"][task]["chance"])))
                     for task in tasks)],
    ]  # fmt: skip
    lines += [r"\midrule", *(row_of(cells) for cells in feet if any(cells[1:]))]
    body = "\n".join(lines)
    caption = caption_of(results, tasks) if number_of_part == 1 else "Test scores of each layer, continued."
    label = "tab:layers" + (f"-{number_of_part}" if number_of_part > 1 else "")
    return (
        f"\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n\\label{{{label}}}\n{FITTED}{{%\n"
        f"\\begin{{tabular}}{{l{'r' * len(tasks)}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}}}\n"
        "\\end{table}\n"
    )


def stacked(title: str) -> str:
    r"""Return the head of a column on as many lines as keep it about as narrow as its scores.

    Examples
    --------
    >>> print(stacked("Instrument of the melody"))
    \shortstack[r]{Instrument of\\the melody}
    """
    lines = textwrap.wrap(title, NARROW, break_long_words=False)
    head = r"\\".join(map(escaped, lines))
    return rf"\shortstack[r]{{{head}}}" if len(lines) > 1 else head


def row_of(cells: Iterable[str]) -> str:
    """Return a row of a table."""
    return " & ".join(cells) + r" \\"


def other_probes(results: Results, own: Mapping[str, pd.DataFrame]) -> str:
    """Return with which probe a model stands where it is not that of the caption, in words, or nothing."""
    others = [
        f"{rows.probe.iloc[0]} probe on {results.title(task)}"
        for task, rows in own.items()
        if len(rows) and rows.probe.iloc[0] != preferred_probe(results, task)
    ]
    return f" ({', '.join(others)})" if others else ""


def layer_rows(results: Results, model: str, own: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return a row for each layer of a model, whose scores are given by tasks."""
    columns = {
        task: {int(row.layer): score_cell(row, bold=row.value == scores.value.max(), equal=row.in_best_set)
               for _, row in scores.iterrows()}
        for task, scores in own.items()
    }  # fmt: skip
    layers = results.facts["models"][model]["layers"]
    return [row_of([str(layer), *(cells.get(layer, "") for cells in columns.values())]) for layer in layers]


def score_cell(row: pd.Series, *, bold: bool, equal: bool) -> str:
    """Return a score with the ends of its interval; `equal` is underlined."""
    text = escaped(number(row.metric, row.value))
    text = rf"\underline{{{text}}}" if equal else text
    text = rf"\textbf{{{text}}}" if bold else text
    if row.ci_low != row.ci_low:
        return text
    # Not ±: intervals of shares near 0 or 1 lie to one side.
    low, high = (number(row.metric, bound).replace("−", "-") for bound in (row.ci_low, row.ci_high))
    return rf"{text} {{\scriptsize $_{{{low}}}^{{{high}}}$}}"


def caption_of(results: Results, tasks: Sequence[str]) -> str:
    """Return what a table shows, and what is to be known of it."""
    probes = {preferred_probe(results, task) for task in tasks}
    probe = f"the {' and '.join(sorted(map(escaped, probes)))} probe{'s' if len(probes) > 1 else ''}"
    having = pd.concat([shown_layers(results, task).ci_low for task in tasks]).notna()
    where = "" if having.all() else " where there are clips or groups enough"
    intervals = f", and the ends of their 95\\,\\% intervals{where}" if having.any() else ""
    return (
        f"Test scores of each layer with {probe}{intervals} (shares in percent). Bold: "
        "the highest of a model; underlined: layers that cannot be told apart from it. Layers are to be chosen on "
        "validation, not by this table."
    )
