"""The page: one self-contained HTML file, with the same figures and tables in files beside it."""

from __future__ import annotations

import base64
import io
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from layerscope.report.figures import as_svg, layer_curves
from layerscope.report.tables import as_latex, as_markdown, overview
from layerscope.report.words import advise, metric_name, number
from layerscope.results import SINGLE_INPUTS, Results
from layerscope.store import write_atomically
from layerscope.tasks import published_rows

__all__ = ["write_report"]

DPI = 200


def write_report(results: Results, page: Path) -> None:
    """Write the page, ``figures/*.png|pdf`` and ``tables/*.csv|md|tex`` beside it.

    Parameters
    ----------
    results : Results
        What to report.
    page : Path
        The HTML file.
    """
    drawn = {
        task: {probe: layer_curves(results.only(task), probe) for probe in results.of(task=task).probe.unique()}
        for task in results.tasks
    }
    for task, figures in drawn.items():
        start = f"{task}-" if len(drawn) > 1 else ""
        for probe, figure in figures.items():
            for suffix in ("png", "pdf"):
                path = page.parent / "figures" / f"{start}layers-{probe}.{suffix}"
                write_atomically(path, as_file(figure, suffix))
    table = whole_overview(results)
    for suffix, text in (("csv", table.to_csv(index=False)), ("md", as_markdown(table)), ("tex", as_latex(table))):
        write_atomically(page.parent / "tables" / f"overview.{suffix}", text.encode())
    write_atomically(page, render(results, table, drawn).encode())


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


def render(results: Results, table: pd.DataFrame, drawn: dict[str, dict[str, Figure]]) -> str:
    """Return the HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("layerscope", "report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    tasks = [task_section(results.only(task), figures) for task, figures in drawn.items()]
    first = tasks[0]["facts"]
    alone = f"{first['title']}: which layer for “{first['target']}”?"
    return environment.get_template("page.html").render(
        style=files("layerscope.report").joinpath("page.css").read_text(encoding="utf-8"),
        title=alone if len(tasks) == 1 else "Which layer for which task?",
        facts=results.facts,
        tasks=tasks,
        scores=scores_table(results),
        skipped=results.skipped,
        downloads={
            "results.csv": as_link(results.table),
            "summary.csv": as_link(results.summary),
            "overview.csv": as_link(table),
        },
    )


def task_section(results: Results, figures: dict[str, Figure]) -> dict[str, Any]:
    """Return what the page says of one task, given its results alone."""
    facts = results.facts
    metric = facts["primary"]
    return {
        "facts": facts,
        "metric": metric_name(metric),
        "chance": number(metric, facts["chance"]),
        "answer": answer(facts),
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


def answer(facts: dict[str, Any]) -> str:
    """Return what a probe has to say, in words."""
    count = len(facts["names"])
    nouns = {"classes": "classes", "tags": "tags", "values": "values" if count > 1 else "value", "key": "keys"}
    over_time = {"chords": "chords over time", "segments": "kinds of section over time"}
    if facts["kind"] == "beats":
        return "beats and downbeats"
    return f"{count} {nouns.get(facts['kind']) or over_time[facts['kind']]}"


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
                "mixture": row.mixture,
            }
        )
    return rows
