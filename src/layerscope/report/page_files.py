"""What every page is made of: its template with style and script, links that hold tables, and figures beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from layerscope.atomic_files import write_atomically
from layerscope.report.figure_style import drawing, setting

__all__ = ["as_link", "fill_in", "write_figures"]

#: Of pictures for the screen: sharp at twice their size.
DPI = 200


@cache
def templates() -> jinja2.Environment:
    """Return the templates of the report, which know the look that all pages share."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("layerscope", "report"),
        # In pages, because names of clips and classes are the user's and may hold markup.
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name, file in (("style", "page.css"), ("script", "page.js")):
        environment.globals[name] = files("layerscope.report").joinpath(file).read_text(encoding="utf-8")
    return environment


def fill_in(template: str, **values: Any) -> str:
    """Return a template with its values."""
    return templates().get_template(template).render(**values)


def as_link(table: pd.DataFrame) -> str:
    """Return a table as a link that holds it, so that the page needs no other file."""
    return (
        "data:text/csv;base64," + base64.b64encode(table.to_csv(index=False).encode(errors="backslashreplace")).decode()
    )


def write_figures(figures: Mapping[str, Figure], page: Path) -> None:
    """Write figures, by their names, as ``figures/NAME.png`` and ``.pdf`` beside a page."""
    for name, figure in figures.items():
        for suffix in ("png", "pdf"):
            write_atomically(page.parent / "figures" / f"{name}.{suffix}", as_file(figure, suffix))


def as_file(figure: Figure, suffix: str) -> bytes:
    """Return a figure as a file's content; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Producer": None, "Creator": None}}[suffix]
    # Files go into papers, whose page is white.
    with drawing():
        figure.savefig(buffer, format=suffix, dpi=setting("savefig.dpi", DPI), metadata=metadata, facecolor="white")
    return buffer.getvalue()
