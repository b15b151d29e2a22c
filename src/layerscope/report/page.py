"""The page: one self-contained HTML file, with the same figures and tables in files beside it."""

from __future__ import annotations

import base64
import io
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from layerscope.atomic_files import write_atomically
from layerscope.report.conclusions import answer_questions, preferred_probe, worth_of_scores
from layerscope.report.figures import as_svg, layer_curves
from layerscope.report.heat_maps import descriptor_curves, label_free_curves, similarity_map, task_map
from layerscope.report.score_tables import as_latex, as_markdown, overview, similarity_overview
from layerscope.report.sentences import advise, metric_name, number
from layerscope.scores.results import SINGLE_INPUTS, Results
from layerscope.similarity.label_free import SCORES
from layerscope.similarity.measures import MEASURES, Similarities
from layerscope.targets import kind_named
from layerscope.tasks import published_rows

__all__ = ["write_report"]

DPI = 200


def write_report(results: Results | None, page: Path, found: Similarities | None = None) -> None:
    """Write the page, ``figures/*.png|pdf`` and ``tables/*.csv|md|tex`` beside it.

    Parameters
    ----------
    results : Results or None
        Of a run; nothing for a comparison alone.
    page : Path
        The HTML file.
    found : Similarities, optional
        Of a comparison.
    """
    drawn = draw_tasks(results) if results else {}
    maps = {"tasks": task_map(results)} if results and len(results.tasks) > 1 and has_layers(results) else {}
    maps |= draw_similarities(found) if found else {}
    named = dict(maps)
    for task, figures in drawn.items():
        start = f"{task}-" if len(drawn) > 1 else ""
        named |= {f"{start}layers-{probe}": figure for probe, figure in figures.items()}
    for name, figure in named.items():
        for suffix in ("png", "pdf"):
            write_atomically(page.parent / "figures" / f"{name}.{suffix}", as_file(figure, suffix))
    tables = tables_of(results, found)
    for name, table in tables.items():
        for suffix, text in (("csv", table.to_csv(index=False)), ("md", as_markdown(table)), ("tex", as_latex(table))):
            write_atomically(page.parent / "tables" / f"{name}.{suffix}", text.encode())
    write_atomically(page, render(results, found, tables, drawn, maps).encode())


def has_layers(results: Results) -> bool:
    """Return whether any model was studied, plain features aside."""
    return any(not told["baseline"] for told in results.facts["models"].values())


def draw_tasks(results: Results) -> dict[str, dict[str, Figure]]:
    """Return the curves of every task and probe."""
    return {
        task: {probe: layer_curves(results.only(task), probe) for probe in results.of(task=task).probe.unique()}
        for task in results.tasks
    }


#: Measures that are drawn; the tables hold all.
DRAWN_MEASURES = ("cka_debiased", "pwcca_x")


def draw_similarities(found: Similarities) -> dict[str, Figure]:
    """Return the pictures of a comparison."""
    shown = [measure for measure in DRAWN_MEASURES if measure in found.measures]
    layers = sum(len(told["layers"]) for told in found.facts["models"].values())
    drawn = {f"similarity-{measure}": similarity_map(found, measure) for measure in shown if layers > 1}
    drawn |= {f"sound-{measure}": descriptor_curves(found, measure) for measure in shown}
    return drawn | {"label-free": label_free_curves(found)}


def tables_of(results: Results | None, found: Similarities | None) -> dict[str, pd.DataFrame]:
    """Return the tables that are written in every form."""
    tables = {"overview": whole_overview(results)} if results else {}
    if found:
        tables["similarity"] = similarity_overview(found)
        worth = worth_of_scores(results, found) if results else pd.DataFrame()
        if len(worth):
            tables["label_free"] = worth.fillna("")
    return tables


def whole_overview(results: Results) -> pd.DataFrame:
    """Return the overviews of all tasks, one below the other; each has its own metric."""
    tables = {task: overview(results.only(task)) for task in results.tasks}
    if len(tables) == 1:
        return next(iter(tables.values()))
    named = []
    for task, table in tables.items():
        metric = metric_name(results.facts["tasks"][task]["primary"])
        renamed = table.rename(columns={metric: "score"})
        renamed.insert(0, "metric", metric)
        renamed.insert(0, "task", task)
        named.append(renamed)
    return pd.concat(named, ignore_index=True).fillna("")


def as_file(figure: Figure, suffix: str) -> bytes:
    """Return a figure as a file's content; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Producer": None, "Creator": None}}[suffix]
    figure.savefig(buffer, format=suffix, dpi=DPI, metadata=metadata, facecolor="white")
    return buffer.getvalue()


def render(
    results: Results | None,
    found: Similarities | None,
    tables: dict[str, pd.DataFrame],
    drawn: dict[str, dict[str, Figure]],
    maps: dict[str, Figure],
) -> str:
    """Return the HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("layerscope", "report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    tasks = [task_section(results.only(task), figures) for task, figures in drawn.items()] if results else []
    downloads = {f"{name}.csv": as_link(table) for name, table in tables.items() if name != "similarity"}
    if results:
        downloads = {"results.csv": as_link(results.table), "summary.csv": as_link(results.summary), **downloads}
    if found:
        downloads |= {"similarity.csv": as_link(found.table), "label_free_scores.csv": as_link(found.scores)}
    return environment.get_template("page.html").render(
        style=files("layerscope.report").joinpath("page.css").read_text(encoding="utf-8"),
        title=title_of(tasks),
        facts=results.facts if results else None,
        tasks=tasks,
        answers=answer_questions(results) if results else [],
        map={"svg": as_svg(maps["tasks"]), "text": map_text(results)} if results and "tasks" in maps else None,
        similarity=similarity_section(found, maps, tables) if found else None,
        scores=scores_table(results) if results else [],
        skipped={**(found.skipped if found else {}), **(results.skipped if results else {})},
        downloads=downloads,
    )


def title_of(tasks: list[dict[str, Any]]) -> str:
    """Return what the page is about."""
    if not tasks:
        return "How alike are the layers?"
    if len(tasks) > 1:
        return "Which layer for which task?"
    first = tasks[0]["facts"]
    return f"{first['title']}: which layer for “{first['target']}”?"


def map_text(results: Results) -> str:
    """Return what the map of tasks shows, for readers who do not see it."""
    told = []
    for task in results.tasks:
        for row in results.only(task).best_layers().itertuples():
            if row.probe == preferred_probe(results, task):
                told.append(f"{results.facts['tasks'][task]['title']}, {row.model}: layer {row.layer}")
    return "Scores of every layer on every task; validation prefers " + "; ".join(told)


def similarity_section(found: Similarities, maps: dict[str, Figure], tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Return what the page says of a comparison."""
    pictures = [
        {"svg": as_svg(figure), "text": similarity_text(found, name)}
        for name, figure in maps.items()
        if name != "tasks"
    ]
    return {
        "facts": found.facts,
        "pictures": pictures,
        "table": tables["similarity"],
        "worth": tables.get("label_free"),
        "measures": {name: MEASURES[name] for name in found.measures},
        "scores": SCORES,
    }


def similarity_text(found: Similarities, name: str) -> str:
    """Return what a picture of a comparison shows, for readers who do not see it."""
    kind, _, measure = name.partition("-")
    if kind == "label":
        return "Label-free scores of every layer; the file label_free_scores.csv below holds the values"
    rows = found.table[found.table.measure == measure]
    rows = rows[rows.other_layer.notna()] if kind == "similarity" else rows[rows.other_layer.isna()]
    top = rows.sort_values("value", ascending=False).head(8)
    told = ", ".join(
        f"{row.model} layer {row.layer} and {row.other}"
        f"{'' if pd.isna(row.other_layer) else f' layer {row.other_layer}'} {100 * row.value:.0f}"
        for row in top.itertuples()
    )
    return f"{MEASURES[measure]}, in percent; the most alike: {told}"


def task_section(results: Results, figures: dict[str, Figure]) -> dict[str, Any]:
    """Return what the page says of one task, given its results alone."""
    facts = results.facts
    metric = facts["primary"]
    return {
        "facts": facts,
        "metric": metric_name(metric),
        "chance": number(metric, facts["chance"]),
        "answer": kind_named(facts["kind"]).words(facts["names"]),
        "advice": advise(results),
        "overview": overview(results),
        "curves": [
            {"probe": probe, "svg": as_svg(figure), "text": curve_text(results, probe)}
            for probe, figure in figures.items()
        ],
        "published": [
            {
                "model": row.model,
                "metric": metric_name(row.metric),
                "value": number(row.metric, row.value),
                "layer": row.layer,
                "source": row.source,
            }
            for row in published_rows()
            if row.task == facts["task"]
        ],
    }


def as_link(table: pd.DataFrame) -> str:
    """Return a table as a link that holds it, so that the page needs no other file."""
    return "data:text/csv;base64," + base64.b64encode(table.to_csv(index=False).encode()).decode()


def curve_text(results: Results, probe: str) -> str:
    """Return what a figure shows, for readers who do not see it."""
    metric = results.facts["primary"]
    parts = []
    for model, own in results.of(probe=probe, metric=metric).groupby("model", sort=False):
        layers = own[own.input.isin(SINGLE_INPUTS)]
        told = ", ".join(
            f"{f'layer {row.layer}' if row.input == 'layer' else row.input} {number(metric, row.value)}"
            for row in layers.itertuples()
        )
        parts.append(f"{model}: {told}")
    return f"{metric_name(metric)} with the {probe} probe. " + "; ".join(parts)


def scores_table(results: Results) -> list[dict[str, Any]]:
    """Return every row of the summary, as it is printed."""
    rows = []
    for row in results.summary.itertuples():
        rows.append(
            {
                "task": row.task,
                "model": row.model,
                "probe": row.probe,
                "input": f"layer {row.layer}" if row.input == "layer" else row.input,
                "metric": metric_name(row.metric),
                "valid": number(row.metric, row.valid),
                "test": number(row.metric, row.value),
                "low": number(row.metric, row.ci_low),
                "high": number(row.metric, row.ci_high),
                "chosen": bool(row.chosen),
                "best": bool(row.in_best_set),
                "mixture": mixture_text(row.mixture, row.mixture_spread),
            }
        )
    return rows


def mixture_text(mixture: str, spread: str) -> str:
    """Return learned weights of layers in percent, with their deviation over trainings."""
    if not mixture:
        return ""
    pairs = zip(json.loads(mixture), json.loads(spread), strict=True)
    return ", ".join(f"{100 * weight:.0f} ± {100 * deviation:.0f}" for weight, deviation in pairs)
