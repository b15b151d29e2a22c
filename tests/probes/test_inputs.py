import numpy as np
import pytest

from layerscope.errors import UsageError
from layerscope.features.clip_features import Features
from layerscope.probes import PROBES, Input, assemble, inputs_of, offers
from layerscope.probes.inputs import layers_of_set, refuse_sets, set_named

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


def test_sets_are_offered_by_their_mean_and_side_by_side():
    offered = [str(one) for one in inputs_of(FEATURES, ["3+1", "0-2", "mean", "search"])]
    assert offered[8:] == ["mean(1+3)", "concat(1+3)", "mean(0-2)", "concat(0-2)", "mean(0-3)"]
    # All layers are `concat`, and their mean is asked for once.
    assert [str(one) for one in inputs_of(FEATURES, ["mean", "0-3"])][8:] == ["mean(0-3)"]


def test_layers_of_a_set_are_put_together():
    np.testing.assert_allclose(assemble(FEATURES, set_named("mean(1+3)")), STATES[:, [1, 3]].mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(assemble(FEATURES, set_named("concat(1+3)")), STATES[:, [1, 3]].reshape(5, -1))
    renumbered = Features.from_arrays(STATES, list("ababa"), layers=[2, 5, 7, 9])
    np.testing.assert_array_equal(assemble(renumbered, set_named("concat(5+9)")), STATES[:, [1, 3]].reshape(5, -1))


def test_layers_of_two_widths_have_no_mean():
    features = Features.from_arrays([STATES[:, 0], STATES[:, 1, :2], STATES[:, 2]], list("ababa"))
    assert [str(one) for one in inputs_of(features, ["0+1", "0+2"])][5:] == ["concat(0+1)", "mean(0+2)", "concat(0+2)"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("4", "two layers or more"),
        ("4-4", "two layers or more"),
        ("7-4", "goes backwards; give 4-7"),
        ("4+4", "layer 4 is in it twice"),
        ("3+2-5", "layer 3 is in it twice"),
        ("4,7+", "neither layers, such as"),
        ("-1+2", "neither layers, such as"),
        ("max", "nor 'mean' nor 'search'"),
        ("٣+4", "neither layers, such as"),
        ("0-99999999999", "neither layers, such as"),
    ],
)
def test_what_is_no_set_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        layers_of_set(text)


@pytest.mark.parametrize(("text", "words"), [("2+4", "m has no layer 4; it has 0-3"), ("2-9", "m has no layer 4")])
def test_a_layer_that_a_model_has_not_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        refuse_sets([text], "m", range(4))


def test_a_model_of_one_layer_has_no_sets():
    with pytest.raises(UsageError, match="m has one layer"):
        refuse_sets(["search"], "m", [0])
