import numpy as np
from sets_made import made_study

from layerscope.probes import Input, assemble
from layerscope.probes.plain_beside import beside_layers, cut_alike, plain_alone


def test_windows_that_are_alike_stand_side_by_side():
    model, plain = made_study(0)
    both = beside_layers(model, plain, Input("moments", 0))
    rows = assemble(both, Input("plain+layer", 2))
    np.testing.assert_array_equal(rows[:], np.concatenate([plain.read(0)[:], model.read(2)[:]], axis=1))
    narrow = assemble(beside_layers(model, plain, Input("mean", 0)), Input("plain+layer", 2))
    np.testing.assert_array_equal(narrow[:, :2], plain.read(0)[:, :2])


def test_where_windows_differ_the_plain_feature_is_averaged_over_the_clip():
    model, plain = made_study(0, plain_windows=3)
    assert not cut_alike(model, plain)
    rows = assemble(beside_layers(model, plain, Input("moments", 0)), Input("plain+layer", 1))
    means = plain.read(0)[:].reshape(400, 3, -1).mean(axis=1)
    np.testing.assert_allclose(rows[:, :12], means, rtol=1e-6)
    np.testing.assert_array_equal(rows[:, 12:], model.read(1)[:])
    np.testing.assert_allclose(
        assemble(plain_alone(model, plain, Input("moments", 0)), Input("plain", 0)), means, rtol=1e-6
    )


def test_another_feature_summary_or_model_is_another_fingerprint():
    model, plain = made_study(0)
    other = made_study(1)
    prints = {
        beside_layers(features, feature, Input(summary, 0)).fingerprint
        for features, feature, summary in (
            (model, plain, "moments"), (model, plain, "mean"), (other[0], plain, "mean"), (model, other[1], "mean"),
        )
    }  # fmt: skip
    assert len(prints) == 4
