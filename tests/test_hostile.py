from collections import Counter

import pytest
from benchmarks.hostile.__main__ import KINDS, count_outcomes
from benchmarks.hostile.trials import FAULTS


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_inputs_end_in_what_is_there_or_in_a_refusal_by_name(kind):
    said: list[str] = []
    table = count_outcomes(kind, seed=0, count=100, say=said.append)
    assert said == []
    counts = sum(table.values(), Counter())
    assert counts.total() == 100
    assert not any(counts[fault] for fault in FAULTS)
    # Neither all refused nor all taken.
    assert min(counts["right"], counts["named"]) > 20
