"""Classes: how names are read."""

import pytest

from layerscope.errors import DataError
from layerscope.targets import labels_of


def test_strings_are_classes_in_alphabetical_order():
    labels = labels_of(["rock", "blues", "rock"])
    assert (labels.kind.name, labels.names) == ("classes", ("blues", "rock"))
    assert labels.values.tolist() == [1, 0, 1]


def test_few_whole_numbers_are_classes_in_numerical_order():
    labels = labels_of([10, 9, 2])
    assert (labels.kind.name, labels.names, labels.values.tolist()) == ("classes", ("2", "9", "10"), [2, 1, 0])


def test_a_list_is_no_name():
    with pytest.raises(DataError, match="is a list; a class is one name"):
        labels_of([["a"], ["b"]], "classes")
