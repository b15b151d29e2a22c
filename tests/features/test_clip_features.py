import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.features.clip_features import Features

STATES = np.random.default_rng(0).normal(size=(6, 3, 4))


def test_arrays_are_read_layer_by_layer():
    features = Features.from_arrays(STATES, list("ababab"), splits=["train"] * 6, groups=list("uvwxyz"))
    np.testing.assert_array_equal(features.read(1), STATES[:, 1].astype(np.float32))
    assert features.layers == (0, 1, 2)
    assert features.window_clip.tolist() == list(range(6))
    assert features.clips.columns.tolist() == ["clip", "split", "group"]
    assert features.labels.names == ("a", "b")


def test_layers_may_have_other_numbers():
    assert Features.from_arrays(STATES, list("ababab"), layers=[4, 8, 12]).layers == (4, 8, 12)


def test_usual_words_for_splits_are_understood():
    words = ["train", "Training", "val", "dev", "test", "testing"]
    features = Features.from_arrays(STATES, list("ababab"), splits=words)
    assert features.clips.split.tolist() == ["train", "train", "valid", "valid", "test", "test"]


def test_fingerprint_follows_the_values():
    changed = STATES.copy()
    changed[0, 0, 0] += 1
    labels = list("ababab")
    assert Features.from_arrays(STATES, labels).fingerprint == Features.from_arrays(STATES.copy(), labels).fingerprint
    assert Features.from_arrays(STATES, labels).fingerprint != Features.from_arrays(changed, labels).fingerprint


@pytest.mark.parametrize(
    ("states", "options", "words"),
    [
        (STATES[0], {}, r"shape \(3, 4\); expected \(clip, layer, dim\)"),
        (STATES[:5], {}, "labels has 6 entries for 5 clips"),
        (STATES, {"splits": ["train"]}, "split has 1 entries for 6 clips"),
        (STATES, {"layers": [0]}, "names 1 layers, states have 3"),
        (STATES, {"splits": ["train"] * 5 + ["holdout"]}, "clip 5: 'split' holdout is none of train, valid, test"),
        (STATES, {"baseline": True}, "a plain feature has one layer, these states 3"),
        (np.where(np.arange(6)[:, None, None] == 2, np.nan, STATES), {}, "clip 2, layer 0 are not finite"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(states, options, words):
    with pytest.raises(DataError, match=words):
        Features.from_arrays(states, list("ababab"), **options)


def test_a_list_of_layers_is_read_by_the_number_of_clips():
    layers = [np.full((6, 5), float(number)) for number in range(3)]
    features = Features.from_arrays(layers, ["a", "b"] * 3)
    assert [float(features.read(position)[0, 0]) for position in range(3)] == [0.0, 1.0, 2.0]
    clips = [np.arange(6.0).reshape(2, 3)] * 4
    assert Features.from_arrays(clips, ["a", "b"] * 2).read(1)[0].tolist() == [3.0, 4.0, 5.0]
    with pytest.raises(DataError, match="may be clips or layers"):
        Features.from_arrays([np.zeros((6, 5))] * 6, ["a", "b"] * 3)
