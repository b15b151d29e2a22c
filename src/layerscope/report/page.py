"""The page: one self-contained HTML file, with the same figures and tables in files beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from layerscope.atomic_files import safe_stem, write_atomically, write_text
from layerscope.data.reasons import reasons_by_kind
from layerscope.report.answer_table import VERDICTS, answer_rows, score_bar
from layerscope.report.checkpoints import step_tables
from layerscope.report.comparison import similarity_figures, similarity_section
from layerscope.report.conclusions import answer_questions, answers_by_model, worth_of_scores
from layerscope.report.figures import layer_curves
from layerscope.report.headline import CHECK_ORDER
from layerscope.report.heat_maps import task_map
from layerscope.report.layer_latex import layers_latex
from layerscope.report.layer_panels import layer_panels, rows_beside
from layerscope.report.learning_curves import few_label_section
from layerscope.report.mistakes import mistakes_of
from layerscope.report.model_pairs import model_pairs
from layerscope.report.page_files import as_link, fill_in, write_figures
from layerscope.report.paper_tables import (
    MIXTURE_CAUTION,
    as_latex,
    as_markdown,
    beside_published,
    mixture_rank,
    overview,
    similarity_overview,
    told_columns,
)
from layerscope.report.robustness_panels import deformed_section
from layerscope.report.sentences import Advice, advise, seeds_text
from layerscope.report.sets_and_plain import (
    beyond_record,
    beyond_section,
    beyond_table,
    sets_record,
    sets_section,
    sets_table,
)
from layerscope.report.shaded_tables import agreement_table, task_table
from layerscope.report.wording import input_name, metric_name, number, span
from layerscope.scores.layer_selection import best_plain
from layerscope.scores.learning_curve import FewLabels
from layerscope.scores.robustness_table import Robustness
from layerscope.scores.score_table import Results, Role
from layerscope.similarity.measures import Similarities
from layerscope.targets import kind_named
from layerscope.tasks import published_rows

__all__ = ["write_report"]

#: What is counted at the head of a page.
ROLES: dict[str, tuple[Role, ...]] = {"model": ("trained", "untrained"), "plain feature": ("plain",)}


def write_report(
    results: Results | None,
    page: Path,
    similarities: Similarities | None = None,
    predictions: pd.DataFrame | None = None,
    few_labels: FewLabels | None = None,
    robustness: Robustness | None = None,
) -> None:
    """Write the page, ``answer.json``, ``figures/*.png|pdf`` and ``tables/*.csv|md|tex`` beside it.

    Parameters
    ----------
    results : Results or None
        Of a run; nothing for a comparison alone.
    page : Path
        The HTML file.
    similarities : Similarities, optional
        Of a comparison.
    predictions : DataFrame, optional
        Of the tested clips (see `layerscope.study.predictions`).
    few_labels : FewLabels, optional
        Scores after few labels.
    robustness : Robustness, optional
        Scores on deformed clips.
    """
    maps = similarity_figures(similarities) if similarities else {}
    if results and len(results.tasks) > 1 and results.models("trained", "untrained"):
        maps = {"tasks": task_map(results), **maps}
    write_figures({**maps, **(curves_of(results) if results else {})}, page)
    tasks = [task_section(results.only(task), predictions, page) for task in results.tasks] if results else []
    tables = tables_of(results, similarities)
    names = names_table(tasks)
    tables |= {"by_name": names} if len(names) else {}
    for name, table in tables.items():
        for suffix, text in (("csv", table.to_csv(index=False)), ("md", as_markdown(table)), ("tex", as_latex(table))):
            write_text(page.parent / "tables" / f"{name}.{suffix}", text)
    if results and results.models("trained", "untrained"):
        write_text(page.parent / "tables" / "layers.tex", layers_latex(results))
    if tasks:
        answers = [answer_record(task["advice"], task["results"]) for task in tasks]
        # NaN is no JSON, and strict readers would refuse the file.
        write_atomically(page.parent / "answer.json", json.dumps(answers, indent=1, allow_nan=False).encode())
    for task in tasks:
        task["few_labels"] = few_label_section(task["results"], few_labels)
        task["deformed"] = deformed_section(task["results"], robustness) if robustness else None
    write_text(page, render(results, similarities, tables, tasks))


def answer_record(advice: Advice, results: Results) -> dict[str, Any]:
    """Return what ``answer.json`` says of a task: the verdict, what limits it in words, and what else was asked for."""
    record = {**advice.answer.as_record(), "headline": advice.headline, "cautions": list(advice.cautions)}
    asked = {"layer_sets": sets_record(results), "beyond_plain": beyond_record(results)}
    return record | {name: value for name, value in asked.items() if value is not None}


def curves_of(results: Results) -> dict[str, Figure]:
    """Return the curves of every task and probe, by the names of their files."""
    return {
        f"{safe_stem(task)}-layers-{probe}" if len(results.tasks) > 1 else f"layers-{probe}": layer_curves(own, probe)
        for task, own in ((task, results.only(task)) for task in results.tasks)
        for probe in own.summary.probe.unique()
    }


def tables_of(results: Results | None, similarities: Similarities | None) -> dict[str, pd.DataFrame]:
    """Return the tables that are written in every form."""
    tables = {"overview": whole_overview(results)} if results else {}
    further = {"layer_sets": sets_table(results), "beyond_plain": beyond_table(results)} if results else {}
    tables |= {name: table for name, table in further.items() if len(table)}
    if results and len(results.tasks) > 1 and {row.task for row in published_rows()} & set(results.tasks):
        tables["beside_published"] = beside_published(results)
    if similarities:
        tables["similarity"] = similarity_overview(similarities)
        worth = worth_of_scores(results, similarities) if results else pd.DataFrame()
        if len(worth):
            tables["label_free"] = worth.fillna("")
    return tables


def whole_overview(results: Results) -> pd.DataFrame:
    """Return the overviews of all tasks, one below the other; each has its own metric."""
    metrics = {task: metric_name(results.primary(task)) for task in results.tasks}
    tables = {task: overview(results.only(task)) for task in metrics}
    if len(tables) == 1:
        return told_columns(next(iter(tables.values())))
    renamed = {(task, metrics[task]): table.rename(columns={metrics[task]: "score"}) for task, table in tables.items()}
    return told_columns(pd.concat(renamed, names=["task", "metric"]).reset_index(["task", "metric"]).fillna(""))


def names_table(tasks: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the scores of single classes and tags of all tasks."""
    columns = ["task", "name", "clips", "metric", "score", "95 % interval"]
    rows = [
        [task["facts"]["title"], row.name, row.clips, metric_name(metric), number(metric, row.value),
         span(metric, row.low, row.high)]
        for task in tasks
        if task["mistakes"]
        for metric, table in (("accuracy", task["mistakes"].classes), ("average_precision", task["mistakes"].tags))
        for row in table.itertuples(index=False)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


#: Columns of the first table, and what they hold of a row.
DIFFERENCES = {
    "layer − plain feature": "plain",
    "layer − random weights": "twin",
    "one layer − all layers": "all_layers",
}


def render(
    results: Results | None,
    similarities: Similarities | None,
    tables: dict[str, pd.DataFrame],
    tasks: list[dict[str, Any]],
) -> str:
    """Return the HTML."""
    common = common_cautions(tasks)
    rows = answer_rows([(task["results"], task["advice"].answer) for task in tasks])
    downloads = {f"{name}.csv": as_link(table) for name, table in tables.items() if name != "similarity"}
    if results:
        downloads = {"results.csv": as_link(results.table), "summary.csv": as_link(results.summary), **downloads}
    if similarities:
        downloads |= {
            "similarity.csv": as_link(similarities.table),
            "label_free_scores.csv": as_link(similarities.scores),
        }
    texts = (input_name, metric_name, mixture_text, number, score_bar, seeds_text, span)
    return fill_in(
        "page.html",
        **{text.__name__: text for text in texts},
        nan=math.nan,
        verdicts=VERDICTS,
        title=title_of(tasks),
        facts=results.facts if results else None,
        results=results,
        mixture_caution=MIXTURE_CAUTION,
        tasks=tasks,
        common_cautions=common,
        answer_rows=rows,
        # A study without models, or without twins, has no such column.
        differences={label: name for label, name in DIFFERENCES.items() if any(getattr(row, name) for row in rows)},
        beside=tables.get("beside_published"),
        models={role: len(results.models(*roles)) for role, roles in ROLES.items()} if results else {},
        answers=(answers := answer_questions(results) if results else []),
        by_model=answers_by_model(answers, tasks[0]["facts"]["task"]) if answers and len(tasks) == 1 else None,
        pairs=model_pairs(results) if results else [],
        map=task_table(results) if results and len(tasks) > 1 and results.models("trained", "untrained") else None,
        similarity=similarity_section(similarities, tables, results) if similarities else None,
        scores=list(results.summary.itertuples()) if results else [],
        validated_apart=validated_apart(results) if results else False,
        skipped=skipped_section(
            {**(similarities.skipped if similarities else {}), **(results.skipped if results else {})},
            " and ".join(["skipped.csv"] * bool(results) + ["similarity.json"] * bool(similarities)),
        ),
        downloads=downloads,
    )


def common_cautions(tasks: list[dict[str, Any]]) -> list[str]:
    """Return the cautions that every one of several tasks has, which are said once."""
    if len(tasks) < 2:
        return []
    first, *others = (task["advice"].cautions for task in tasks)
    common = [caution for caution in first if all(caution in cautions for cautions in others)]
    nothing = all(task["advice"].answer.verdict == "nothing" for task in tasks)
    return [*([f"Nothing is shown of any. {CHECK_ORDER}."] if nothing else []), *common]


def validated_apart(results: Results) -> bool:
    """Return whether validation scores of some probes of a task are of other clips than those of others."""
    chosen = results.summary[results.summary.chosen]
    return bool((chosen.groupby("task").valid_n.nunique() > 1).any())


#: Of the clips that were skipped: a copy of which most is absent would else fill megabytes.
MOST_REASONS, MOST_CLIPS = 20, 20


def skipped_section(skipped: Mapping[str, str], file: str) -> dict[str, Any]:
    """Return what the page says of skipped clips: the commonest reasons, the first clips of each, the file of all."""
    kinds = reasons_by_kind(skipped)
    shown = [{"count": len(alike), "clips": list(alike.items())[:MOST_CLIPS]} for alike in kinds[:MOST_REASONS]]
    return {"count": len(skipped), "kinds": shown, "more": len(kinds) - len(shown), "file": file}


def title_of(tasks: list[dict[str, Any]]) -> str:
    """Return what the page is about."""
    if not tasks:
        return "How alike are the layers?"
    if len(tasks) > 1:
        return "Which layer for which task?"
    first = tasks[0]["facts"]
    return f"{first['title']}: which layer for “{first['target']}”?"


def task_section(results: Results, predictions: pd.DataFrame | None, page: Path) -> dict[str, Any]:
    """Return what the page says of one task, given its results alone."""
    advice = advise(results)
    kind = kind_named(results.facts["kind"])
    return {
        "results": results,
        "facts": results.facts,
        "metric": metric_name(results.facts["primary"]),
        "answer": kind.words(results.facts["names"]),
        "advice": advice,
        "agreement": agreement_table(results, advice.answer),
        "mistakes": None
        if predictions is None
        else mistakes_of(predictions, advice.answer, kind, results.facts["names"], page),
        "overview": told_columns(overview(results)),
        "curves": [
            {
                "probe": probe,
                "panels": (panels := layer_panels(results, probe)),
                "floor": any('class="floor"' in each.svg for each in panels),
                "beside": rows_beside(results, probe),
                "twins": bool(results.models("trained") and results.models("untrained")),
                "level": best_plain(results, results.facts["task"], probe=probe) is not None,
            }
            for probe in results.summary.probe.unique()
        ],
        "steps": step_tables(results),
        "further": [section for section in (sets_section(results), beyond_section(results)) if section],
        "published": [row for row in published_rows() if row.task == results.facts["task"]],
    }


def mixture_text(results: Results, row: pd.Series) -> str:
    """Return learned weights of layers in percent, their deviation over trainings, and how they rank layers."""
    if not row.mixture:
        return ""
    pairs = zip(json.loads(row.mixture), json.loads(row.mixture_spread), strict=True)
    weights = ", ".join(f"{100 * weight:.0f} ± {100 * deviation:.0f}" for weight, deviation in pairs)
    return f"{weights} (ρ {mixture_rank(results, row):.2f})".replace("-", "−").replace("ρ nan", "ρ undefined")
