import importlib
from pathlib import Path

import pytest

NAMES = sorted(path.stem for path in (Path(__file__).parents[1] / "benchmarks").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_finds_what_it_measures(name):
    # They take minutes to hours and are run by hand; that they no longer fit the package should show here.
    assert callable(importlib.import_module(f"benchmarks.{name}").main)
