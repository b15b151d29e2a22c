"""Hostile files, tables, annotations and directories end in what is there, or in a refusal by name."""

from collections import Counter
from functools import partial

import pytest
from benchmarks.hostile import audio, directories, tables
from benchmarks.hostile.trials import FAULTS, run_trials

MODELS = ("MuQ and MusicFM", "HuBERT")
SLICES = [
    pytest.param(audio.trials, 100, 20, id="audio"),
    pytest.param(tables.trials, 100, 15, id="tables"),
    pytest.param(partial(directories.trials, subjects=MODELS), 24, 2, id="models"),
    pytest.param(directories.trials, 60, 12, id="directories", marks=[pytest.mark.slow, pytest.mark.timeout(1200)]),
]


@pytest.mark.parametrize(("trials", "count", "fewest"), SLICES)
def test_hostile_inputs_end_in_what_is_there_or_in_a_refusal_by_name(trials, count, fewest, tmp_path):
    ends = [
        (outcome, trial.row, trial.about.get("way", trial.name), words)
        for trial, outcome, words in run_trials(trials(tmp_path, 0, count))
    ]
    assert [end for end in ends if end[0] in FAULTS] == []
    counts = Counter(outcome for outcome, *_ in ends)
    assert counts.total() == count
    # Neither all refused nor all taken.
    assert min(counts["right"], counts["named"]) >= fewest
