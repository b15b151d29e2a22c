"""The table that papers print: layers by tasks for each model, in LaTeX, to be input as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from layerscope.report.wording import metric_name, number
from layerscope.scores.layer_selection import best_plain, preferred_probe, shown_layers
from layerscope.scores.score_table import Results

__all__ = ["escaped", "layers_latex"]

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
    """Return a table with a row for each layer and a column for each task, for the booktabs package.

    The best of each model and task is bold, what cannot be told apart from it underlined; below stand the best plain
    feature and chance. Braces are balanced, and every row has as many cells as there are columns.
    """
    models = results.models("trained", "untrained")
    head = [["layer", *map(results.title, results.tasks)],
            ["", *(metric_name(results.primary(task)) for task in results.tasks)]]  # fmt: skip
    lines = [row_of(map(escaped, cells)) for cells in head]
    shown = {task: shown_layers(results, task) for task in results.tasks}
    for model in models:
        own = {task: rows[rows.model == model] for task, rows in shown.items()}
        title = rf"\textit{{{escaped(model)}}}{escaped(other_probes(results, own))}"
        title = rf"\multicolumn{{{len(results.tasks) + 1}}}{{l}}{{{title}}} \\"
        lines += [r"\midrule", title, *layer_rows(results, model, own)]
    feet = [["plain feature", *(plain_cell(results, task) for task in results.tasks)],
            ["chance", *(escaped(number(results.primary(task), float(results.facts["tasks"][task]["chance"])))
                         for task in results.tasks)]]  # fmt: skip
    lines += [r"\midrule", *(row_of(cells) for cells in feet if any(cells[1:]))]
    body = "\n".join(lines)
    return (
        "% \\usepackage{booktabs}\n\\begin{table}\n\\centering\n"
        f"\\caption{{{caption_of(results)}}}\n\\label{{tab:layers}}\n"
        f"\\begin{{tabular}}{{l{'r' * len(results.tasks)}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"
        "\\end{table}\n"
    )


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
    return [row_of([str(layer), *(columns[task].get(layer, "") for task in results.tasks)]) for layer in layers]


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


def plain_cell(results: Results, task: str) -> str:
    """Return the best plain feature of a task, or nothing."""
    plain = best_plain(results, task)
    return f"{score_cell(plain.chosen, bold=False, equal=False)} ({escaped(plain.chosen.model)})" if plain else ""


def caption_of(results: Results) -> str:
    """Return what the table shows, and what is to be known of it."""
    probes = {preferred_probe(results, task) for task in results.tasks}
    probe = f"the {' and '.join(sorted(map(escaped, probes)))} probe{'s' if len(probes) > 1 else ''}"
    having = pd.concat([shown_layers(results, task).ci_low for task in results.tasks]).notna()
    where = "" if having.all() else " where there are clips or groups enough"
    intervals = f", and the ends of their 95\\,\\% intervals{where}" if having.any() else ""
    return (
        f"Test scores of each layer with {probe}{intervals} (shares in percent). Bold: "
        "the highest of a model; underlined: layers that cannot be told apart from it. Layers are to be chosen on "
        "validation, not by this table."
    )
