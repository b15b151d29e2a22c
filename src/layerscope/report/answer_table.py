"""The answers of a study as a table, a row a task: what the page shows first.

Conventions: a score's bar runs from 0 to 1 (what is below 0, as R² may be, is drawn at its left end), with a tick at
what the constant answer scores; a difference's bar is centred on 0 and as wide as the widest of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from markupsafe import Markup

from layerscope.report.wording import describe, gap_text, input_name, metric_name, named_layers, with_interval
from layerscope.scores.layer_selection import best_trained
from layerscope.scores.rivals import judged_gap, rival_of
from layerscope.scores.score_table import Comparison, Results
from layerscope.scores.verdict import Verdict

__all__ = ["VERDICTS", "AnswerRow", "Cell", "answer_rows", "difference_bar", "score_bar", "widest_of"]

#: From the most that can be said to the least: the order by which a reader sorts.
VERDICTS = ("layer", "plain", "undecided", "nothing")

#: Of a bar, in CSS pixels.
WIDTH, HEIGHT = 120, 16
#: Half of a mark, which must not be cut off at the ends.
MARGIN = 4
#: Inputs of all layers that one layer is held against.
ALL_LAYERS = ("weighted", "concat")


@dataclass(frozen=True)
class Cell:
    """A number as text and as a drawing.

    Attributes
    ----------
    name : str
        Of what a layer is held against; empty for a score.
    text : str
        The number and its interval.
    bar : Markup
        The same as SVG.
    value : float
        By which a column is sorted.
    """

    name: str
    text: str
    bar: Markup
    value: float


@dataclass(frozen=True)
class AnswerRow:
    """What the page says of a task in one row.

    Attributes
    ----------
    task, title, metric, verdict : str
        Of the task.
    use : str
        What is recommended, or what is open.
    beside : str
        In small: the layers that may be best, or what the score is of where nothing is to be used.
    score : Cell
        Test score and interval of what is used.
    plain, twin, all_layers : list of Cell
        The layer that validation prefers less a plain feature and less an untrained layer (see `rival_of`), and less
        all layers of its model together; empty where the study has none.
    """

    task: str
    title: str
    metric: str
    verdict: str
    use: str
    beside: str
    score: Cell
    plain: list[Cell]
    twin: list[Cell]
    all_layers: list[Cell]


def answer_rows(answers: Sequence[tuple[Results, Verdict]]) -> list[AnswerRow]:
    """Return a row for each task, given the results of it alone and its answer."""
    columns = [layer_differences(results, answer.task) for results, answer in answers]
    widest = widest_of([gap for column in chain.from_iterable(columns) for _, gap in column])
    return [
        answer_row(*pair, *([difference_cell(pair[1].metric, *named, widest) for named in column] for column in own))
        for pair, own in zip(answers, columns, strict=True)
    ]


def widest_of(gaps: Sequence[Comparison]) -> float:
    """Return the farthest from 0 that a difference or an end of its interval lies; 1 where all are 0."""
    bounds = [abs(bound) for gap in gaps for bound in (gap.difference, gap.low, gap.high) if bound == bound]  # not NaN
    return max(bounds, default=0.0) or 1.0


def answer_row(
    results: Results, answer: Verdict, plain: list[Cell], twin: list[Cell], all_layers: list[Cell]
) -> AnswerRow:
    """Return the row of a task, given what its best layer has over others."""
    row = results.summary.loc[answer.row]
    open_rows = dict.fromkeys(describe(results.summary.loc[number]) for number in answer.candidate_rows)
    return AnswerRow(
        task=answer.task,
        title=results.title(answer.task),
        metric=metric_name(answer.metric),
        verdict=answer.verdict,
        use={"undecided": " or ".join(open_rows), "nothing": "nothing yet"}.get(answer.verdict, describe(row)),
        beside=beside(answer, describe(row)),
        score=Cell(
            "",
            with_interval(answer.metric, answer.value, answer.low, answer.high),
            score_bar(answer.value, answer.low, answer.high, answer.chance),
            answer.value,
        ),
        plain=plain,
        twin=twin,
        all_layers=all_layers,
    )


def beside(answer: Verdict, preferred: str) -> str:
    """Return what stands in small below what is to be used."""
    if answer.verdict == "nothing":
        return f"scored: {preferred}"
    several = answer.layer is not None and len(answer.best_set) > 1
    return f"{named_layers(answer.best_set)} may be best" if several else ""


def layer_differences(results: Results, task: str) -> list[list[tuple[str, Comparison]]]:
    """Return what the chosen layer of a task has over a plain feature and a twin (see `rival_of`), and all layers."""
    layer = best_trained(results, task)
    if layer is None:
        return [[], [], []]
    best = layer.chosen
    singles = [
        [choice.chosen] if choice else []
        for choice in (rival_of(results, best, "plain"), rival_of(results, best, "untrained"))
    ]
    rows = results.of(task=task, model=best.model, probe=best.probe, metric=best.metric)
    twins = results.models("untrained")
    # What the column says of all of them is not said in each cell.
    understood = [best.model, *(twins if len(twins) == 1 else [])]
    wide = [row for _, row in rows[rows.input.isin(ALL_LAYERS)].iterrows()]
    return [
        [(input_name(row) if row.model in understood else f"{row.model} {input_name(row)}",
          judged_gap(results, best, row)) for row in column]
        for column in (*singles, wide)
    ]  # fmt: skip


def difference_cell(metric: str, name: str, gap: Comparison, widest: float) -> Cell:
    """Return a paired difference in words and drawn."""
    return Cell(name, gap_text(metric, gap), difference_bar(gap, widest), gap.difference)


def score_bar(value: float, low: float, high: float, chance: float) -> Markup:
    """Return a score, its interval and the constant answer on a line from 0 to 1."""
    # Of a single class or tag no such answer is known: NaN.
    tick = f'<path class="tick" d="M{place(chance):.1f} 1V{HEIGHT - 1}"/>' if chance == chance else ""
    return drawing(f'<path class="axis" d="M0 {HEIGHT / 2}H{WIDTH}"/>{tick}{mark(value, low, high)}')


def difference_bar(gap: Comparison, widest: float) -> Markup:
    """Return a difference and its interval on a line with 0 in the middle."""
    shares = (0.5 + 0.5 * bound / widest for bound in (gap.difference, gap.low, gap.high))
    return drawing(f'<path class="tick" d="M{WIDTH / 2} 1V{HEIGHT - 1}"/>{mark(*shares)}')


def mark(value: float, low: float, high: float) -> str:
    """Return a dot with its interval, where there is one."""
    line = f'<path class="interval" d="M{place(low):.1f} {HEIGHT / 2}H{place(high):.1f}"/>' if low == low else ""
    return f'{line}<circle cx="{place(value):.1f}" cy="{HEIGHT / 2}" r="3.5"/>' if value == value else line


def place(share: float) -> float:
    """Return where a share of the width lies, in pixels; what is outside lies at the end."""
    return MARGIN + (WIDTH - 2 * MARGIN) * min(1.0, max(0.0, share))


def drawing(content: str) -> Markup:
    """Return a drawing beside a number that says the same."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return Markup(f'<svg class="bar" {size} aria-hidden="true">{content}</svg>')
