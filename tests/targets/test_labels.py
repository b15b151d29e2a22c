import numpy as np
import pytest
import torch

from layerscope.errors import DataError
from layerscope.targets.labels import key_name, kind_of, labels_of, track_labels


def test_strings_are_classes_in_alphabetical_order():
    labels = labels_of(["rock", "blues", "rock"])
    assert (labels.kind, labels.names) == ("classes", ("blues", "rock"))
    assert labels.values.tolist() == [1, 0, 1]


def test_few_whole_numbers_are_classes_in_numerical_order():
    labels = labels_of([10, 9, 2])
    assert (labels.kind, labels.names, labels.values.tolist()) == ("classes", ("2", "9", "10"), [2, 1, 0])


def test_many_whole_numbers_are_values_unless_said_otherwise():
    assert labels_of(list(range(21))).kind == "values"
    assert labels_of(list(range(21)), "classes").names[10] == "10"


def test_other_numbers_are_values():
    labels = labels_of([0.5, 1.0])
    assert (labels.kind, labels.values.tolist()) == ("values", [[0.5], [1.0]])


def test_lists_of_names_and_bars_are_tags():
    listed = labels_of([["drums", "bass"], [], ["bass"]])
    assert (listed.kind, listed.names, listed.values.tolist()) == ("tags", ("bass", "drums"), [[1, 1], [0, 0], [1, 0]])
    barred = labels_of(["drums|bass", "bass"])
    assert (barred.kind, barred.names, barred.values.tolist()) == ("tags", ("bass", "drums"), [[1, 1], [1, 0]])


def test_lists_of_numbers_are_values():
    labels = labels_of([[-0.25, 0.5], [1.0, 2.0]])
    assert (labels.kind, labels.values.shape) == ("values", (2, 2))


def test_arrays_and_tensors_are_read_alike():
    for array in (np.array([0, 1, 1]), torch.tensor([0, 1, 1]), [0, 1, 1]):
        assert labels_of(array).values.tolist() == [0, 1, 1]
    assert labels_of(np.eye(3)).kind == "tags"
    assert labels_of(np.random.default_rng(0).normal(size=(4, 2))).kind == "values"


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([{"beat": [1.0]}], "said over time"),
        ([["a"], "a"], "some labels are lists and some are not"),
        ([[1.0], [1.0, 2.0]], "said over time"),
        ([[[0.0, 1.5, "C:maj"]], [[0.0, 2.0, "N"]]], "said over time"),
        ([0.5, float("nan")], "not finite"),
        (np.array([[0.5, np.inf]]), "not finite"),
    ],
)
def test_labels_of_no_one_kind_are_refused(cells, words):
    with pytest.raises(DataError, match=words):
        labels_of(cells)


def test_names_that_are_asked_to_be_values_are_refused():
    with pytest.raises(DataError, match="not numbers"):
        labels_of(["a", "b"], "values")


def test_take_keeps_the_names():
    assert labels_of(["a", "b", "c"]).take(np.array([2])).names == ("a", "b", "c")


def test_values_of_different_lengths_are_refused():
    with pytest.raises(DataError, match="from 1 to 2 numbers"):
        labels_of([[1.0], [1.0, 2.0]], "values")


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([{"beat": [0.5, 1.0], "downbeat": [0.5]}], "beats"),
        ([[[0.5, 1.0], [0.5]], [[0.1], []]], "beats"),
        ([[0.5, 1.0], [0.1, 0.2, 0.3]], "beats"),
        ([[[0.0, 1.5, "C:maj"]], [[0.0, 2.0, "N"], [2.0, 3.0, "Bb:min7/b3"]]], "chords"),
        ([[{"start_time": 0.0, "end_time": 0.4, "chord_str": "N"}]], "chords"),
        ([[[0.0, 1.5, "A"], [1.5, 3.0, "B"]]], "segments"),
        ([[[0.0, 1.5, "verse"]]], "segments"),
    ],
)
def test_the_kind_of_what_is_said_over_time_is_worked_out(cells, kind):
    assert kind_of(cells) == kind


@pytest.mark.parametrize(
    ("text", "name"),
    [("Gb:maj", "Gb major"), ("F# major", "Gb major"), ("Eb minor", "Eb minor"), ("cb MAJOR", "B major"),
     ("E#:min", "F minor")],
)  # fmt: skip
def test_keys_are_read_in_their_usual_spellings(text, name):
    assert key_name(text) == name


@pytest.mark.parametrize("text", ["", "H major", "C", "C dorian", "Am", "C  major x"])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(DataError, match="not a major or minor key"):
        key_name(text)


def test_a_chord_that_is_none_names_the_clip():
    with pytest.raises(DataError, match=r"song\.wav: 'Q:maj' is not a chord"):
        track_labels([[[0.0, 1.0, "Q:maj"]]], "chords", ["song.wav"], [0.0])
