"""Studies with probes that are asked for: nearest neighbours, and attention to the frames of clips."""

import numpy as np
import pytest

import layerscope as ls
from layerscope.errors import UsageError
from layerscope.study.export import export
from layerscope.study.options import make_plan
from layerscope.study.run import run
from layerscope.toymusic import write_pieces

ASKED = {"model": ["random:small"], "baseline": ["mfcc"], "seeds": 1}


@pytest.mark.slow
def test_each_layer_and_plain_feature_is_pooled_by_attention_and_is_not_exported(tones, tmp_path):
    results = run(
        make_plan({"data": tones, **ASKED, "layers": "0-1", "probe": ["attention", "knn"]}, "test"), tmp_path / "run"
    )
    rows = results.of(probe="attention", metric="accuracy")
    rows = rows[rows.input != "shuffled"]
    named = [(row.model, row.input) for row in rows.itertuples()]
    # No mixture, and not all side by side; the last layer by its other name.
    assert named == [("random:small", "layer")] * 2 + [("random:small", "last"), ("mfcc", "frame")]
    assert rows.value.max() > 0.8
    assert set(results.best_layers().probe) == {"attention", "knn"}
    with pytest.raises(UsageError, match=r"a predictor does not keep; export another: --probe knn"):
        export(tmp_path / "run", tmp_path / "use", probe="attention", insist=True)


def test_features_that_are_summaries_have_no_frames():
    features = ls.Features.from_arrays(np.random.default_rng(0).normal(size=(60, 2, 8)), ["x", "y"] * 30)
    with pytest.raises(UsageError, match="needs the frames of clips"):
        ls.probe(features, probes=["attention"])


def test_over_time_the_other_probes_are_trained_and_that_is_said(tmp_path):
    table = write_pieces(tmp_path, 12, 0, 2.0)
    asked = {"data": table, "target": "beats", **ASKED, "probe": ["attention", "closed"], "baseline": []}
    results = run(make_plan(asked, "test"), tmp_path / "run")
    assert set(results.summary.probe) == {"closed"}
    assert "The attention probe pools the frames of a clip" in (tmp_path / "run" / "report.html").read_text()
