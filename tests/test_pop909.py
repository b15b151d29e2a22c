"""Real songs, rendered: plain features and simple probes reach what librosa and scikit-learn reached in a trial.

The trial, on the same 40 test songs: weighted key score 0.81 (chroma, logistic regression), chord frames 0.72 (chroma
with half a second around), beat F 0.62 (librosa's tracker, untrained).
"""

import pytest

from conftest import ONE_PERMUTATION
from layerscope.study.options import make_plan
from layerscope.study.run import run


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a whole study of real songs, or of one that is killed again and again
def test_key_and_chords_from_chroma_and_beats_from_mel(pop909, tmp_path, monkeypatch):
    # Of shuffled labels nothing is asked here, and the linear probe takes as long for them as for the true ones.
    monkeypatch.setattr(*ONE_PERMUTATION)

    def study(baseline, targets, probes):
        plan = make_plan({"data": pop909, "target": targets, "baseline": [baseline], "probe": probes}, "test")
        return run(plan, tmp_path / targets[0])

    def best(results, **wanted):
        rows = results.of(**wanted)
        return float(rows[rows.chosen].value.iloc[0])

    assert best(study("chroma", ["key"], ["closed"]), metric="key_score") >= 0.81
    assert best(study("chroma", ["chords"], ["linear"]), metric="accuracy") >= 0.72
    assert best(study("mel", ["beats,downbeats"], ["closed"]), metric="beat_f") > 0.62
