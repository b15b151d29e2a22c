import importlib
from pathlib import Path

import pytest
from benchmarks.truth.__main__ import SECTIONS
from benchmarks.truth.single_clips import attainable, exactly_covered
from benchmarks.truth.tables import judge

NAMES = sorted(path.stem for path in (Path(__file__).parents[1] / "benchmarks").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_finds_what_it_measures(name):
    # They take minutes to hours and are run by hand; that they no longer fit the package should show here.
    assert callable(importlib.import_module(f"benchmarks.{name}").main)


def test_the_tables_of_truth_have_a_section_each():
    files = {path.stem for path in (Path(__file__).parents[1] / "benchmarks" / "truth").glob("[a-z]*.py")}
    # What coverage prints first has a file to itself.
    assert files - {"tables", "single_clips"} == set(SECTIONS)
    assert all(map(callable, SECTIONS.values()))


def test_a_target_that_is_missed_names_what_missed_it(capsys):
    judge("at most 5", {"a": 4.0, "b": 6.0, "too few": float("nan")}, high=5)
    judge("at most 7", {"a": 4.0, "b": 6.0}, high=7)
    assert capsys.readouterr().out == "\nTarget: at most 5: missed by b: 6.\n\nTarget: at most 7: met.\n"


def test_of_single_clips_the_steps_of_coverage_are_the_binomials():
    # Of 15 clips at .97, 15 and 14 right have .633 and .294 of all studies, and 13 a further .064.
    below, above, best = (share.item() for share in attainable(15, [0.97]))
    assert (below, above, best) == pytest.approx((0.927, 0.991, 0.991), abs=5e-4)
    # The interval holds .97 for these three counts alone.
    assert exactly_covered(15, [0.97]).item() == pytest.approx(0.991, abs=5e-4)
