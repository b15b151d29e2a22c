"""The page of a directory again, from what it holds: a run, a comparison or both, a battery, or several runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from layerscope.atomic_files import REQUESTS, discard, owned_directory, read_json, sole_use, sweep
from layerscope.errors import DataError, UsageError
from layerscope.report import write_report
from layerscope.report.concept_page import write_concept_page
from layerscope.scores.combine import combine, names_by_window, renamed
from layerscope.scores.concept_scores import ConceptMaps
from layerscope.scores.learning_curve import FewLabels
from layerscope.scores.robustness_table import ROBUSTNESS_FILES, Robustness
from layerscope.scores.score_files import write_csv
from layerscope.scores.score_table import FEW_LABELS
from layerscope.scores.score_table import Results as ScoreTable
from layerscope.similarity.measures import Similarities
from layerscope.study.predictions import read_predictions
from layerscope.study.study_results import Results

__all__ = ["write_page", "write_reports"]


def write_reports(runs: Sequence[Path], out: Path | None) -> None:
    """Write the report of a run in its place, or of one or several in a directory of its own.

    Raises
    ------
    UsageError
        If there are several runs and no directory for their report.
    DataError
        If a directory is not that of a finished run.
    """
    if out is not None:
        # Not resolved: links stay.
        write_report_of_several([Path(os.path.abspath(run)) for run in runs], out)  # noqa: PTH100
    elif len(runs) > 1:
        raise UsageError("give --out: the report of several runs belongs to none of them")
    else:
        write_page(runs[0])


def write_report_of_several(runs: Sequence[Path], out: Path) -> None:
    """Write the tables and the page of several runs, or of one, in a directory of its own."""
    read = [ScoreTable.read(run) for run in runs]
    # Runs that differ in their window alone are of other states of one model.
    names = names_by_window(read, [window_of(run) for run in runs])
    combined = combine(list(map(renamed, read, names)))
    with owned_directory(out, "report of several runs", {"runs": list(runs)}):
        unfit = ("answer.json", "report.html", "predictions.csv", *FEW_LABELS, *ROBUSTNESS_FILES)
        discard(*(out / name for name in unfit))
        write_tables_beside(runs, names, out)
        # After these tables, of which it keeps the digests too.
        combined.save(out)
        draw_page(out)


def write_tables_beside(runs: Sequence[Path], names: Sequence[Mapping[str, str]], out: Path) -> None:
    """Write what runs hold beside their scores as one, with their models called as `names` say."""
    predictions = [
        table.assign(model=table.model.replace(called))
        for run, called in zip(runs, names, strict=True)
        if (table := read_predictions(run)) is not None
    ]
    if predictions:
        write_csv(out / "predictions.csv", pd.concat(predictions).drop_duplicates())
    few_labels = [
        table.renamed(called)
        for run, called in zip(runs, names, strict=True)
        if (table := FewLabels.read(run)) is not None
    ]
    if learnt := FewLabels.joined(few_labels):
        learnt.save(out)
    if robustness := Robustness.joined(list(map(Robustness.read, runs)), names):
        robustness.save(out)


def window_of(run: Path) -> float | None:
    """Return the longest window that a run was asked for; nothing where it took the models' own."""
    record = run / REQUESTS["study"]
    return read_json(record).get("window") if record.is_file() else None


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
