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
from layerscope.report.words import Advice, advise, metric_name, number
from layerscope.results import Results
from layerscope.store import write_atomically

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
    advice, table = advise(results), overview(results)
    drawn = {probe: layer_curves(results, probe) for probe in results.summary.probe.unique()}
    for probe, figure in drawn.items():
        for suffix in ("png", "pdf"):
            write_atomically(page.parent / "figures" / f"layers-{probe}.{suffix}", as_file(figure, suffix))
    for suffix, text in (("csv", table.to_csv(index=False)), ("md", as_markdown(table)), ("tex", as_latex(table))):
        write_atomically(page.parent / "tables" / f"overview.{suffix}", text.encode())
    write_atomically(page, render(results, advice, table, drawn).encode())


def as_file(figure: Figure, suffix: str) -> bytes:
    """Return a figure as a file's content; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Producer": None, "Creator": None}}[suffix]
    figure.savefig(buffer, format=suffix, dpi=DPI, metadata=metadata, facecolor="white")
    return buffer.getvalue()


def render(results: Results, advice: Advice, table: pd.DataFrame, drawn: dict[str, Figure]) -> str:
    """Return the HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("layerscope", "report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    metric = results.facts["primary"]
    return environment.get_template("page.html").render(
        style=files("layerscope.report").joinpath("page.css").read_text(encoding="utf-8"),
        facts=results.facts,
        metric=metric_name(metric),
        chance=number(metric, results.facts["chance"]),
        advice=advice,
        overview=table,
        curves=[
            {"probe": probe, "svg": as_svg(figure), "text": curve_text(results, probe)}
            for probe, figure in drawn.items()
        ],
        scores=scores_table(results),
        skipped=results.skipped,
        downloads={
            "results.csv": as_link(results.table),
            "summary.csv": as_link(results.summary),
            "overview.csv": as_link(table),
        },
    )


def as_link(table: pd.DataFrame) -> str:
    """Return a table as a link that holds it, so that the page needs no other file."""
    return "data:text/csv;base64," + base64.b64encode(table.to_csv(index=False).encode()).decode()


def curve_text(results: Results, probe: str) -> str:
    """Return what a figure shows, for readers who do not see it."""
    metric = results.facts["primary"]
    parts = []
    for model, own in results.of(probe=probe, metric=metric).groupby("model", sort=False):
        layers = own[own.input.isin(["layer", "mean", "moments"])]
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
