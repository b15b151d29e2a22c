"""Mutated tables are read rightly or refused in words."""

import pytest
from benchmarks.hostile_tables import fuzz


@pytest.mark.parametrize(("seed", "count"), [(0, 30), pytest.param(1, 500, marks=pytest.mark.slow)])
def test_nothing_is_lost_and_nothing_crashes(tmp_path, seed, count):
    told = []
    outcomes = fuzz(tmp_path, seed, count, told.append)
    assert told == []
    assert outcomes["right"] > count / 4
    assert outcomes["named"] > count / 10
