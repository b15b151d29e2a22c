"""A probe as plain arrays says of its own states what it said when it was trained."""

import numpy as np
import pytest
from problems import SHORT, make_problem

from layerscope.features.row_blocks import clip_means
from layerscope.probes import PROBES, Input, apply_probe, offers


@pytest.mark.parametrize("kind", ["classes", "tags", "values"])
@pytest.mark.parametrize("probe", [probe for probe in PROBES if probe != "attention"])  # whose frames no predictor has
@pytest.mark.parametrize("shape", [{"dim": 12}, {"dim": 200}, {"dim": 12, "layers": 3}, {"dim": 12, "windows": 3}])
def test_scores_come_out_as_in_training(kind, probe, shape):
    if "layers" in shape and not offers(probe, Input("weighted")):
        pytest.skip("a mixture is learnt step by step")
    problem = make_problem(kind, clips=90, schedule=SHORT, **shape)
    prediction = PROBES[probe](problem, [0])[0]
    found = clip_means(apply_probe(prediction.weights, problem.states), problem.window_clip, 90)
    # Of clips that trained, scores are of no use.
    rows = np.concatenate([problem.valid, problem.test])
    # The probe worked in a basis of the training windows, or in float64; scores are of unit size.
    np.testing.assert_allclose(found[rows], prediction.scores[rows], rtol=2e-3, atol=2e-3)
