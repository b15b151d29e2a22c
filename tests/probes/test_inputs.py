import numpy as np

from layerscope.features.clip_features import Features
from layerscope.probes import PROBES, Input, assemble, inputs_of, offers

STATES = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
FEATURES = Features.from_arrays(STATES, list("ababa"))


def test_all_inputs_are_offered_and_layer_0_is_among_them():
    assert [str(one) for one in inputs_of(FEATURES)] == [
        "layer 0", "layer 1", "layer 2", "layer 3", "last", "weighted", "weighted[1:]", "concat",
    ]  # fmt: skip


def test_without_layer_0_there_is_one_mixture():
    features = Features.from_arrays(STATES, list("ababa"), layers=[2, 3, 4, 5])
    assert "weighted[1:]" not in [one.name for one in inputs_of(features)]


def test_one_layer_is_one_input():
    assert [str(one) for one in inputs_of(Features.from_arrays(STATES[:, :1], list("ababa")))] == ["layer 0"]


def test_states_are_put_together():
    np.testing.assert_array_equal(assemble(FEATURES, Input("layer", 2)), STATES[:, 2])
    np.testing.assert_array_equal(assemble(FEATURES, Input("last", 3)), STATES[:, 3])
    np.testing.assert_array_equal(assemble(FEATURES, Input("weighted")), STATES)
    np.testing.assert_array_equal(assemble(FEATURES, Input("weighted[1:]")), STATES[:, 1:])
    np.testing.assert_array_equal(assemble(FEATURES, Input("concat")), STATES.reshape(5, -1))


def test_layers_are_found_by_number_not_by_place():
    features = Features.from_arrays(STATES, list("ababa"), layers=[2, 5, 7, 9])
    np.testing.assert_array_equal(assemble(features, Input("layer", 7)), STATES[:, 2])


def test_plain_features_offer_mean_and_moments():
    from dataclasses import replace

    pooled = np.arange(24, dtype=np.float32).reshape(2, 12)
    plain = replace(FEATURES, baseline=True, layers=(0,), read=lambda _: pooled, pooling="moments")
    assert [one.name for one in inputs_of(plain)] == ["mean", "moments"]
    np.testing.assert_array_equal(assemble(plain, Input("mean", 0)), pooled[:, :2])
    np.testing.assert_array_equal(assemble(plain, Input("moments", 0)), pooled)


def test_plain_frames_are_offered_with_and_without_context():
    from dataclasses import replace

    frames = np.arange(42, dtype=np.float32).reshape(3, 14)
    plain = replace(FEATURES, baseline=True, layers=(0,), read=lambda _: frames, pooling="context")
    assert [one.name for one in inputs_of(plain)] == ["frame", "context"]
    np.testing.assert_array_equal(assemble(plain, Input("frame", 0)), frames[:, :2])


def test_a_mixture_has_no_closed_form():
    assert [probe for probe in PROBES if offers(probe, Input("weighted"))] == ["mlp", "linear"]
    assert offers("closed", Input("concat"))
