import pickle
import time

import numpy as np
import pandas as pd
import pytest
import torch

from layerscope import probe
from layerscope.errors import DataError, UsageError
from layerscope.features.clip_features import Features
from layerscope.features.copied_rows import copied_rows
from layerscope.scores.verdict import decide

STATES = np.random.default_rng(0).normal(size=(6, 3, 4))


def test_arrays_are_read_layer_by_layer():
    features = Features.from_arrays(STATES, list("ababab"), splits=["train"] * 6, groups=list("uvwxyz"))
    np.testing.assert_array_equal(features.read(1), STATES[:, 1].astype(np.float32))
    assert features.layers == (0, 1, 2)
    assert features.window_clip.tolist() == list(range(6))
    assert features.clips.columns.tolist() == ["clip", "split", "group"]
    assert features.labels.names == ("a", "b")


def test_features_can_be_sent_to_another_process():
    features = pickle.loads(pickle.dumps(Features.from_arrays(STATES, list("ababab"))))
    np.testing.assert_array_equal(features.read(2), STATES[:, 2].astype(np.float32))


@pytest.mark.parametrize("model", ["", "  "])
def test_a_model_has_a_name(model):
    with pytest.raises(DataError, match="give the features a name"):
        Features.from_arrays(STATES, list("ababab"), model=model)


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
        (STATES, {"splits": ["train"] * 5 + ["elsewhere"]}, "clip 5: 'split' elsewhere is none of train, valid, test"),
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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_tensors_are_converted_whatever_their_precision_and_gradient(dtype):
    states = torch.tensor(STATES, dtype=dtype, requires_grad=True)
    expected = states.detach().float().numpy()
    for given in (states, list(states.unbind(1)), [clip.detach().float().tolist() for clip in states]):
        features = Features.from_arrays(given, torch.tensor([0, 1] * 3))
        np.testing.assert_array_equal(features.read(2), expected[:, 2])
    values = Features.from_arrays(states, torch.arange(6, dtype=torch.float32, requires_grad=True) / 4).labels
    assert (values.kind.name, values.values.ravel().tolist()) == ("values", [0.0, 0.25, 0.5, 0.75, 1.0, 1.25])


def test_a_sparse_tensor_is_read_as_it_stands():
    features = Features.from_arrays(torch.tensor(STATES).to_sparse(), list("ababab"))
    np.testing.assert_array_equal(features.read(2), np.float32(STATES[:, 2]))


@pytest.mark.parametrize(
    ("labels", "kind", "names"),
    [
        ([["drums"], ["drums", "bass"], [], ["bass"], ["bass"], []], "tags", ("bass", "drums")),
        (np.array([[0, 1]] * 3 + [[1, 0]] * 3, dtype=bool), "tags", ("0", "1")),
        (pd.DataFrame({"drums": [0, 1] * 3, "bass": [1, 0] * 3}), "tags", ("drums", "bass")),
        (pd.DataFrame({"valence": np.linspace(0, 1, 6), "x": np.linspace(2, 3, 6)}), "values", ("valence", "x")),
        (pd.Series(["x", "y"] * 3, dtype="category", index=range(5, 11)), "classes", ("x", "y")),
        (np.array([[0], [1]] * 3), "classes", ("0", "1")),
        ([1, "1", 2, 2, 1, 1], "classes", ("1", "2")),
        (["01", "1"] * 3, "classes", ("01", "1")),
    ],
)  # fmt: skip
def test_labels_are_read_as_programs_hold_them(labels, kind, names):
    read = Features.from_arrays(STATES, labels).labels
    assert (read.kind.name, read.names, len(read.values)) == (kind, names, 6)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["a", None, "b", "a", "b", "a"], "the label of clip 1 cannot be used: it is missing; leave the clip out"),
        ([0.5, 0.25, float("nan"), 1.5, 2.0, 3.0], "the label of clip 2 cannot be used: it is missing"),
        (pd.array([1, None, 2, 2, 1, 1], dtype="Int64"), "the label of clip 1 cannot be used"),
        ("ababab", r"labels \(str\) have shape \(\)"),
        ({"a": 1}, r"labels \(dict\) have shape \(\)"),
        ([], "there are no labels"),
        (np.zeros((6, 2, 2)), r"labels \(ndarray\) have shape \(6, 2, 2\)"),
        (np.zeros(6, [("mood", "i4"), ("key", "i4")]), "labels are records with mood, key; give an array of one"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_in_words(labels, words):
    with pytest.raises(DataError, match=words):
        Features.from_arrays(STATES, labels)


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([[[1.0], [2.0, 3.0]]] * 6, "states are no array, or lists of unequal lengths"),
        (STATES.astype(object), "states are of type object; expected real numbers"),
        (STATES.astype(complex), "states are of type complex128"),
        (np.full((6, 1, 2), "x"), "states are of type <U1"),
        (np.full((6, 1, 2), 1e300), "states of clip 0, layer 0 are not finite"),
        (np.zeros((0, 2, 2)), "states are empty"),
        (np.zeros((6, 0, 2)), "states are empty"),
        (np.zeros((6, 2, 0)), "states are empty"),
        ([], r"shape \(0,\)"),
        ({"layer 1": STATES[:, 0]}, "states are of type dict; expected real numbers: one array"),
        (np.zeros((6, 2), [("a", "f4"), ("b", "f4")]), "states are records with a, b"),
        (torch.zeros(6, 2, 2, device="meta"), "states are a tensor that NumPy cannot take"),
        ([np.zeros((6, 2)), np.zeros((5, 3))], "expected \\(clip, width\\) for each layer"),
    ],
)
def test_states_that_are_none_are_refused_in_words(states, words):
    with pytest.raises(DataError, match=words):
        Features.from_arrays(states, list("ababab"))


def test_folds_and_groups_of_any_type_are_names():
    groups = [1, "1", 2.0, "a", None, 2]
    features = Features.from_arrays(STATES, list("ababab"), folds=[1, 1.0, "1", "²", 2, 10], groups=groups)
    assert features.clips.fold.tolist() == ["1", "1", "1", "²", "2", "10"]
    assert features.clips.group.tolist() == ["1", "1", "2", "a", None, "2"]
    with pytest.raises(DataError, match="clip 2 has no 'fold'; give one for each clip, or leave folds out"):
        Features.from_arrays(STATES, list("ababab"), folds=[1, 2, None, 1, 2, 3])


def test_layers_have_numbers_of_their_own():
    states = np.random.default_rng(0).normal(size=(6, 3, 4))
    for layers, words in (([1, 1, 2], "layer 1 is named twice"), (["a", "b", "c"], "whole numbers, not 'a'"),
                          ([-2, -1, 0], "numbered from 0 on, not -2"),
                          ([0, 1, 10**20], "numbered from 0 on, not 1000")):  # fmt: skip
        with pytest.raises(DataError, match=words):
            Features.from_arrays(states, ["x", "y"] * 3, layers=layers)


def test_integers_are_classes_where_that_is_said():
    states, labels = np.random.default_rng(0).normal(size=(90, 1, 4)), np.arange(90) % 30
    assert Features.from_arrays(states, labels).labels.kind.name == "values"
    assert Features.from_arrays(states, labels, kind="classes").labels.kind.name == "classes"


def test_copies_are_one_sound_and_small_or_whole_states_are_not():
    noise = np.random.default_rng(0).normal(size=(10, 1, 16))
    clips = Features.from_arrays(np.repeat(noise, 2, axis=0), ["x", "y"] * 10).clips
    assert clips.clip_sound.nunique() == 10
    for states in (np.repeat(noise[:, :, :4], 2, axis=0), np.ones((20, 1, 16)), noise):
        assert "clip_sound" not in Features.from_arrays(states, (["x", "y"] * 10)[: len(states)]).clips


@pytest.mark.parametrize(("jitter", "offset"), [(1e-9, 0), (1e-7, 0), (1e-7, 100)])
def test_copies_that_differ_by_rounding_are_one_sound(jitter, offset):
    random = np.random.default_rng(0)
    states = np.repeat(random.normal(offset, size=(40, 2, 16)), 5, axis=0)
    order, labels = random.permutation(200), np.repeat(random.permutation(40) % 2, 5)
    states = states * (1 + jitter * random.uniform(-1, 1, states.shape))
    features = Features.from_arrays(states[order], labels[order])
    assert features.clips.clip_sound.value_counts().tolist() == [5] * 40
    # Labels have nothing to do with the states, so that only copies across the split could show anything.
    assert decide(probe(features, probes="closed"), "features").verdict != "layer"


def test_many_clips_are_compared_soon_and_are_no_copies():
    random = np.random.default_rng(0)
    arrays = [random.normal(size=(20_000, 64)).astype(np.float32) for _ in range(2)]
    started = time.process_time()
    assert copied_rows(arrays) is None
    halves = [np.where(np.arange(20_000)[:, None] % 2, array[:1], array[1:2]) for array in arrays]
    assert len(set(copied_rows(halves))) == 2
    assert time.process_time() - started < 2


def test_a_name_of_random_weights_is_the_untrained_twin():
    random = np.random.default_rng(0)
    labels = np.arange(100) % 2
    states = random.normal(size=(100, 2, 8)) + labels[:, None, None]
    twins = [Features.from_arrays(states + number, labels, model=name) for number, name in
             enumerate(("random:A", "random:A#1"))]  # fmt: skip
    trained = Features.from_arrays(random.normal(size=(100, 2, 8)), labels, model="A")
    assert [each.untrained for each in (trained, *twins)] == [False, True, True]
    results = probe([trained, *twins], probes="closed")
    assert (results.models("trained"), results.models("untrained")) == (["A"], ["random:A"])
    assert results.facts["models"]["random:A"]["draws"] == 2
    assert decide(results, "features").model == "A"
    with pytest.raises(DataError, match="'random:A' names an untrained twin, which is no plain feature"):
        Features.from_arrays(states[:, :1], labels, model="random:A", baseline=True)


def test_splits_and_folds_are_not_both_given():
    with pytest.raises(DataError, match="splits or folds, not both"):
        Features.from_arrays(np.zeros((2, 1, 4)), ["x", "y"], splits=["train", "test"], folds=[0, 1])


def test_what_is_masked_is_missing():
    mask = np.zeros(STATES.shape, bool)
    mask[4, 0, 0] = True
    with pytest.raises(DataError, match="states of clip 4 are masked"):
        Features.from_arrays(np.ma.masked_array(STATES, mask), list("ababab"))
    for labels in (np.arange(6) % 2, np.arange(6) / 7):
        with pytest.raises(DataError, match="labels of clip 2 are masked"):
            Features.from_arrays(STATES, np.ma.masked_array(labels, [0, 0, 1, 0, 0, 0]))
    assert Features.from_arrays(np.ma.masked_array(STATES), list("ababab")).layers == (0, 1, 2)


def test_labels_in_bytes_are_texts():
    assert Features.from_arrays(STATES, np.array([b"a", b"b"] * 3)).labels.names == ("a", "b")
    with pytest.raises(DataError, match=r"label of clip 0: .* bytes that are not UTF-8"):
        Features.from_arrays(STATES, [b"\xff", b"b"] * 3)


def test_one_and_one_point_zero_are_one_name_beside_a_text():
    assert Features.from_arrays(STATES, [1, 1.0, "a", "a", 1, "a"]).labels.names == ("1", "a")


@pytest.mark.parametrize(
    ("offset", "scale", "kind"), [(1e6, 1e-3, np.float64), (2.0**40, 1e6, np.int64), (1e3, 1.0, np.float16)]
)
def test_a_large_offset_flattens_nothing(offset, scale, kind):
    rows = np.random.default_rng(1).normal(size=(40, 1, 5))
    states = (offset + scale * rows).astype(kind)
    kept = Features.from_arrays(states, ["a", "b"] * 20).read(0)
    exact = states[:, 0].astype(np.float64)
    exact -= exact.mean(axis=0)
    np.testing.assert_allclose(kept - kept.mean(axis=0, dtype=np.float64), exact, atol=1e-6 * exact.std())


def test_columns_that_single_precision_holds_stay_as_they_are():
    states = np.random.default_rng(1).normal(size=(40, 2, 5))
    states[:, :, 0] += 1e9
    states[:, :, 1] = 0.1 + 1e-17
    kept = Features.from_arrays([states[:, layer] for layer in range(2)], ["a", "b"] * 20).read(1)
    np.testing.assert_array_equal(kept[:, 1:], states[:, 1, 1:].astype(np.float32))
    assert abs(kept[:, 0]).max() < 5


def test_states_that_are_too_small_to_vary_are_refused():
    with pytest.raises(DataError, match=r"states of layer 0 vary by 1\.\d+e-20 at most.*multiply them by a constant"):
        Features.from_arrays(1e-20 * STATES, list("ababab"))
    assert Features.from_arrays(np.zeros((6, 1, 4)), list("ababab")).layers == (0,)


class Raising:
    """An object of someone's own that answers nothing."""

    def raises(self, *_):
        raise RuntimeError("no")

    __str__ = __repr__ = __eq__ = __array__ = __getattr__ = __iter__ = __bool__ = raises
    __hash__ = object.__hash__


@pytest.mark.parametrize("kind", [Raising, object, type("Sub", (str,), {"__str__": Raising.raises})])
def test_objects_that_say_nothing_are_refused_in_words(kind):
    item = kind()
    labels = ["a", "b", item, "a", "b", "a"]
    with pytest.raises(DataError, match=r"label of clip 2: a \S+ has no text that could be written"):
        Features.from_arrays(STATES, labels)
    with pytest.raises(DataError, match=r"label of clip 2: a builtins.list has no text that could be written"):
        Features.from_arrays(STATES, [["a"], ["b"], ["a", item], ["b"], ["a"], ["b"]])
    with pytest.raises(DataError, match=r"group of clip 2: a \S+ has no text that could be written"):
        Features.from_arrays(STATES, list("ababab"), groups=labels)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"folds": np.array(5)}, r"folds are .*; give a sequence of them"),
        ({"folds": ["train", "test", "val"] * 2}, "folds are words for splits, such as 'train'; give them as splits"),
        ({"groups": [["a"], ["a", "b"]] * 3}, r"clip 0: 'group' \['a'\] is no one name"),
        ({"labels": ["rock, pop", "rock", "pop"] * 2}, "'rock, pop' looks like several names"),
        ({"labels": pd.DataFrame(np.eye(2)[[0, 1] * 3], columns=["x", "x"])}, "'x' is the name of columns 1 and 2"),
    ],
)
def test_what_comes_beside_states_is_refused_in_words(options, words):
    with pytest.raises(DataError, match=words):
        Features.from_arrays(STATES, **{"labels": list("ababab"), **options})


def test_labels_and_groups_in_two_orders_of_one_index_are_refused():
    labels = pd.Series(list("ababab"))
    with pytest.raises(DataError, match="groups and labels have the same index in another order"):
        Features.from_arrays(STATES, labels, groups=pd.Series(range(6), index=range(5, -1, -1)))
    layers = [pd.DataFrame(STATES[:, layer]) for layer in range(3)]
    with pytest.raises(DataError, match="labels and states of layer 0 have the same index in another order"):
        Features.from_arrays(layers, labels.sort_index(ascending=False))
    assert Features.from_arrays(layers, labels.set_axis(range(6, 12))).layers == (0, 1, 2)


def test_names_that_are_a_column_are_one_a_clip():
    groups = np.arange(6)[:, None]
    assert Features.from_arrays(STATES, list("ababab"), groups=groups).clips.group.tolist() == list("012345")


@pytest.mark.parametrize(
    ("brought", "word"),
    [({"folds": [0, 1, 2] * 20}, "folds"), ({"splits": ["train", "valid", "test"] * 20}, "splits")],
)
def test_folds_beside_those_of_the_features_are_not_dropped_in_silence(brought, word):
    features = Features.from_arrays(np.zeros((60, 1, 2)), ["a", "b"] * 30, **brought)
    with pytest.raises(UsageError, match=f"'folds' is 5, and features bring {word} of their own; leave one out"):
        probe(features, probes="closed", folds=5)


def test_columns_that_may_have_gaps_and_have_none_are_numbers():
    layers = [pd.DataFrame(STATES[:, place]).convert_dtypes() for place in range(STATES.shape[1])]
    tags = pd.DataFrame({"loud": [True, False] * 3, "slow": [False, False, True] * 2}).convert_dtypes()
    features = Features.from_arrays(layers, tags)
    assert np.array_equal(features.read(0), STATES[:, 0].astype(np.float32))
    assert (features.labels.kind.name, features.labels.names) == ("tags", ("loud", "slow"))
    layers[0].iloc[0, 0] = pd.NA
    with pytest.raises(DataError, match="states are of type object"):
        Features.from_arrays(layers, tags)
