import os
import subprocess
import sys

import pytest

from conftest import TWO_WORKERS
from layerscope.probes.workers import FORKS
from layerscope.study.memory_cost import training_bytes


def test_where_workers_are_not_forked_each_imports_all_and_nothing_is_trained():
    assert training_bytes(2e8, 2, divmod, 1, 0) == 6e8


FORKED = """
import sys
import numpy as np
from layerscope.probes.workers import calls_elsewhere, forked_early
from layerscope.study.memory_cost import pages, training_bytes

def train(numbers):
    # Kept, as torch keeps what its threads work with.
    sys.held = np.ones(numbers)

with forked_early():
    little, much = (training_bytes(1e12, 3, train, numbers) for numbers in (1, 2**24))
    whole = pages("Rss")
    with calls_elsewhere(lambda function, calls, order: None, 1):
        assert training_bytes(2e8, 3, train, 1) == 8e8
# What the worker shares with this process, most of what it has, is counted once.
assert little < 1.5 * whole, (little, whole)
assert 0.9 < (much - little) / (3 * 8 * 2**24) < 1.1, (little, much)
"""


@pytest.mark.skipif(not FORKS, reason="a fork is safe on Linux alone")
def test_of_forked_workers_only_what_each_has_of_its_own_is_told():
    call = [sys.executable, "-c", FORKED]
    done = subprocess.run(call, env=os.environ | TWO_WORKERS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
