"""What is shown of learning curves: only what intervals over draws and clips carry."""

import numpy as np
import pandas as pd
import pytest

from layerscope.scores.learning_curve import Curve, FewLabels, crossings

SIZES = ["1", "2", "all"]


def curve(layer, values, valid=None, spread=0.01, seed=None):
    """Return a curve whose resamples vary by so much, independently of those of other layers."""
    random = np.random.default_rng(layer if seed is None else seed)
    values = np.array(values)
    label = {"model": "m", "dataset": "d", "task": "t", "target": "x", "input": "layer", "layer": layer,
             "probe": "closed", "metric": "accuracy"}  # fmt: skip
    draws = values[:, None] + spread * random.normal(size=(len(values), 1000))
    return Curve(label, np.ones((3, 5)), np.repeat(values[:, None], 5, axis=1), np.array(valid or values), draws)


def test_curves_that_cross_are_told_with_both_layers():
    found = crossings([curve(0, [0.5, 0.6, 0.6]), curve(1, [0.3, 0.7, 0.9])], SIZES, folds=False)
    assert [(each.labels, each.few, each.all, each.shown, each.reversed) for each in found] == [("1", 0, 1, True, True)]
    assert found[0].difference == pytest.approx(0.2)
    assert found[0].low < 0.2 < found[0].high
    assert found[0].later == pytest.approx(0.3)


def test_what_intervals_do_not_carry_is_not_shown():
    found = crossings(
        [curve(0, [0.5, 0.6, 0.6], spread=0.2), curve(1, [0.3, 0.7, 0.65], spread=0.2)], SIZES, folds=False
    )
    assert [(each.shown, each.reversed) for each in found] == [(False, False)]


def test_nothing_is_compared_where_validation_prefers_one_layer_throughout():
    assert crossings([curve(0, [0.5, 0.6, 0.9]), curve(1, [0.3, 0.5, 0.8])], SIZES, folds=False) == []


def test_validation_and_not_the_test_clips_says_which_layer_is_preferred():
    lucky = curve(0, [0.9, 0.6, 0.6], valid=[0.2, 0.2, 0.2])
    assert crossings([lucky, curve(1, [0.3, 0.7, 0.9])], SIZES, folds=False) == []


def test_without_resamples_nothing_is_shown():
    first, second = curve(0, [0.5, 0.6, 0.6], spread=np.nan), curve(1, [0.3, 0.7, 0.9], spread=np.nan)
    assert [(each.shown, each.reversed) for each in crossings([first, second], SIZES, folds=False)] == [(False, False)]


def test_over_folds_the_luckiest_of_many_layers_needs_more():
    layers = [curve(number, [0.50 + 0.001 * number, 0.5, 0.5 + 0.01 * (number == 0)]) for number in range(12)]
    halves = [crossings(layers, SIZES, folds=folds)[0] for folds in (False, True)]
    assert halves[1].high - halves[1].low > 1.2 * (halves[0].high - halves[0].low)


def test_tables_come_back_as_they_were_written_and_those_of_several_runs_stand_once(tmp_path):
    curves = pd.DataFrame({"model": ["2024"], "task": ["t"], "layer": [1], "labels": ["16"], "value": [0.5]})
    few = FewLabels(curves.astype({"layer": "Int64"}), pd.DataFrame(), pd.DataFrame())
    few.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["few_labels.csv"]
    back = FewLabels.read(tmp_path)
    pd.testing.assert_frame_equal(back.curves, few.curves)
    assert len(FewLabels.joined([back, few, None]).curves) == 1
    assert FewLabels.joined([None]) is None
    assert FewLabels.read(tmp_path / "nowhere") is None
