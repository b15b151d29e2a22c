"""Further questions on a cluster: deformed passes, sets of layers, plain features beside layers, and few labels."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is an extra: pip install 'layerscope[ray]'"),
]
ASKED = ["--model", "random:small", "--layers", "0-2", "--baseline", "mel", "--probe", "closed,knn", "--folds", "3",
         "--layers-as", "search,0+1", "--beyond-plain", "--few-labels", "closed", "--deform", "gain:-6"]  # fmt: skip
TABLES = ("results.csv", "summary.csv", "predictions.csv", "few_labels.csv", "code_length.csv", "robustness.csv")


def test_further_questions_are_answered_alike_by_a_cluster_and_go_on_in_one_process(tones, tmp_path):
    def study(name, *more):
        environment = os.environ | {"LOKY_MAX_CPU_COUNT": "2", "LAYERSCOPE_CACHE": str(tmp_path / f"cache-{name}")}
        command = [
            sys.executable,
            "-m",
            "layerscope",
            "run",
            "--data",
            str(tones),
            *ASKED,
            "--out",
            str(tmp_path / name),
        ]
        subprocess.run([*command, *more], env=environment, check=True, capture_output=True)
        return {table: (tmp_path / name / table).read_bytes() for table in TABLES}

    alone, together = study("one"), study("two", "--ray", "local")
    for table in TABLES:
        assert together[table] == alone[table], table
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "two" / "probes").iterdir()}
    assert study("two") == alone
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "two" / "probes").iterdir()} == kept
