"""What is known of the files of clips before any is decoded: their content, their lengths, and which cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from layerscope.data.audio import FileFacts, file_facts, span_within
from layerscope.data.span_times import cut_already, refuse_other_times
from layerscope.errors import AudioError

__all__ = ["survey_files", "with_facts"]

#: What is said of a span that ends after its file, which is as long as it.
CUT = ", which is as long as the span: where it is that span itself, leave 'start' and 'end' empty"


def survey_files(clips: pd.DataFrame, progress: Callable[[int], None]) -> tuple[dict[str, FileFacts], dict[str, str]]:
    """Look at every distinct file once, and return what is known of each, and why clips cannot be used.

    Parameters
    ----------
    clips : DataFrame
        Columns ``clip``, ``path``, ``start``, ``end``.
    progress : callable
        Called with 1 for each file.

    Returns
    -------
    dict of str to FileFacts, dict of str to str
        By path, of those that can be opened; by name of a clip whose file cannot, or whose span ends after it.

    Raises
    ------
    DataError
        If most spans are no times in their files (`layerscope.data.span_times`).
    """
    paths = list(dict.fromkeys(clips.path))
    facts: dict[str, FileFacts] = {}
    faults: dict[str, str] = {}
    # Reading and hashing release the interpreter's lock, so that threads are enough.
    with ThreadPoolExecutor(max_workers=4) as threads:
        for path, outcome in zip(paths, threads.map(facts_or_fault, paths), strict=True):
            if isinstance(outcome, FileFacts):
                facts[path] = outcome
            else:
                faults[path] = outcome
            progress(1)
    reasons = {row.clip: faults[row.path] for row in clips.itertuples() if row.path in faults}
    opened = clips[~clips.path.isin(faults)]
    lengths = np.array([facts[path].duration for path in opened.path])
    refuse_other_times(list(opened["clip"]), opened.start.to_numpy(), opened.end.to_numpy(), lengths)
    for row, seconds in zip(opened.itertuples(), lengths, strict=True):
        try:
            span_within(seconds, row.start, row.end)
        except AudioError as error:
            hint = CUT if cut_already(row.start, row.end, seconds) else ""
            reasons[row.clip] = f"{row.path}: {error}{hint}"
    return facts, reasons


def facts_or_fault(path: str) -> FileFacts | str:
    """Return the facts of a file, or why there are none."""
    try:
        return file_facts(Path(path))
    except AudioError as error:
        return str(error)


def with_facts(clips: pd.DataFrame, facts: Mapping[str, FileFacts]) -> pd.DataFrame:
    """Return clips, all of which can be used, with ``clip_key``, ``clip_written`` and ``clip_seconds``."""
    rows = [(row, facts[row.path]) for row in clips.itertuples()]
    spans = [span_within(known.duration, row.start, row.end) for row, known in rows]
    return clips.assign(
        clip_key=[f"{known.digest}@{row.start:.10g}-{row.end:.10g}" for row, known in rows],
        clip_written=[known.written for _, known in rows],
        clip_seconds=[end - start for start, end in spans],
    )
