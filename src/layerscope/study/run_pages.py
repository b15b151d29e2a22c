"""The page of a directory again, from what it holds: a run, a comparison or both, a battery, or several runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from layerscope.atomic_files import REQUESTS, owned_directory, read_json, sole_use, sweep
from layerscope.errors import DataError, UsageError
from layerscope.report import write_report
from layerscope.report.concept_page import write_concept_page
from layerscope.scores.combine import combine
from layerscope.scores.concept_scores import ConceptMaps
from layerscope.scores.learning_curve import FewLabels
from layerscope.scores.robustness_table import Robustness
from layerscope.scores.run_names import RunNames, Source, names_of_runs
from layerscope.scores.score_files import write_csv
from layerscope.scores.score_table import Results as ScoreTable
from layerscope.scores.score_table import discard_earlier
from layerscope.similarity.measures import Similarities
from layerscope.study.predictions import read_predictions, read_splits
from layerscope.study.study_results import Results

__all__ = ["write_page", "write_reports"]


def write_reports(runs: Sequence[str], out: Path | None) -> None:
    """Write the report of a run in its place, or of one or several in a directory of its own.

    Parameters
    ----------
    runs : sequence of str
        Directories; ``NAME=DIRECTORY`` calls a run's table otherwise than it is called there.
    out : Path, optional
        Where the report is written.

    Raises
    ------
    UsageError
        If there are several runs, or a name, and no directory for their report.
    DataError
        If a directory is not that of a finished run.
    """
    sources = [source_of(run) for run in runs]
    if out is not None:
        write_report_of_several(sources, out)
    elif len(sources) > 1:
        raise UsageError("give --out: the report of several runs belongs to none of them")
    elif sources[0].name:
        raise UsageError(f"give --out: a name ({runs[0]}) is given in a report beside the run")
    else:
        write_page(Path(sources[0].directory))


def source_of(run: str) -> Source:
    """Return where a run lies, what it was asked, and the name that is given its table before an equals sign."""
    name, equals, directory = run.partition("=")
    # Directories are called lr=0.1 as well, and runs/lr=0.1.
    if not equals or "/" in name or Path(run).is_dir():
        name, directory = "", run
    elif not (name.strip() and directory):
        raise UsageError(f"'{run}': give NAME=DIRECTORY, or the directory of a run")
    return Source(directory, name=name or None)


def asked_of(run: Path) -> dict[str, Any]:
    """Return what a run was asked; nothing where there is no record of it."""
    record = run / REQUESTS["study"]
    return read_json(record) if record.is_file() else {}


def write_report_of_several(sources: Sequence[Source], out: Path) -> None:
    """Write the tables and the page of several runs, or of one, in a directory of its own."""
    read = [ScoreTable.read(source.directory) for source in sources]
    sources = [replace(source, asked=asked_of(Path(source.directory))) for source in sources]
    names = names_of_runs(read, sources)
    combined = combine([each.in_results(run) for each, run in zip(names, read, strict=True)], sources)
    # Not resolved: links stay.
    runs = [Path(os.path.abspath(source.directory)) for source in sources]  # noqa: PTH100
    called = [f"{source.name}={run}" if source.name else run for source, run in zip(sources, runs, strict=True)]
    with owned_directory(out, "report of several runs", {"runs": called}):
        discard_earlier(out)
        write_tables_beside(runs, names, out)
        # After these tables, of which it keeps the digests too.
        combined.save(out)
        draw_page(out)


def write_tables_beside(runs: Sequence[Path], names: Sequence[RunNames], out: Path) -> None:
    """Write what runs hold beside their scores as one, called as `names` say."""
    for file, read, row in (
        ("splits.csv", read_splits, ["task", "clip"]),
        ("predictions.csv", read_predictions, ["task", "model", "input", "layer", "probe", "clip"]),
    ):
        tables = [
            called.in_table(table) for run, called in zip(runs, names, strict=True) if (table := read(run)) is not None
        ]
        if tables:
            write_csv(out / file, pd.concat(tables).drop_duplicates(row))
    for kept in (FewLabels, Robustness):
        read_back = zip(map(kept.read, runs), names, strict=True)
        parts: list[Any] = [each.renamed(called) for each, called in read_back if each]
        if whole := kept.joined(parts):
            whole.save(out)


def write_page(directory: Path) -> None:
    """Write the page of a directory that no other process is writing.

    Raises
    ------
    DataError
        If it holds neither a finished run, nor a comparison, nor a battery of concepts.
    ResourceError
        If another process holds it, or it cannot be written.
    """
    if not any((directory / name).is_file() for name in ("results.csv", "similarity.json", "concepts.csv")):
        raise DataError(f"{directory}: not the directory of a finished run, comparison or battery of concepts")
    with sole_use(directory):
        sweep(directory)
        draw_page(directory)


def draw_page(directory: Path) -> None:
    """Write the page of a directory from all that it holds: a run, a comparison, or both; or a battery of concepts."""
    page = directory / "report.html"
    if maps := ConceptMaps.read(directory):
        write_concept_page(maps.scores, maps.invariance, maps.facts, page)
    elif (directory / "results.csv").is_file():
        Results.read(directory).to_html(page)
    else:
        write_report(None, page, Similarities.read(directory))
