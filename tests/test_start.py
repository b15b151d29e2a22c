"""What is settled before anything else is imported: how threads wait, and how many there are."""

import os
import subprocess
import sys

import pytest

from layerscope.probes.workers import side_by_side

STATE = "import layerscope.encoders, torch, os; print(torch.get_num_threads(), os.environ['OMP_WAIT_POLICY'])"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"OMP_NUM_THREADS": "1"}, "1 passive"),
        # What a user has set stays.
        ({"LOKY_MAX_CPU_COUNT": "1", "OMP_WAIT_POLICY": "active"}, "1 active"),
    ],
)
def test_threads_are_those_that_are_free_and_sleep_while_they_wait(environment, expected):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "LOKY_"))}
    done = subprocess.run([sys.executable, "-c", STATE], env=kept | environment, capture_output=True, text=True)
    assert done.stdout.strip() == expected


def test_workers_have_one_thread_each(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert list(side_by_side(os.getenv, [("OMP_NUM_THREADS",)] * 2, workers=2)) == ["1", "1"]
