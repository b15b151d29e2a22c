"""Classes: how names are read."""

import pytest

from layerscope.errors import DataError
from layerscope.targets import Column, labels_of, recognise


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


@pytest.mark.parametrize("notation", ["{} bpm", "{}%", "1 0{}", "1'0{}", "2024-01-{}", "1,0{}.5"])
def test_names_most_of_which_occur_once_are_no_classes_unless_somebody_says_so(notation):
    cells = [notation.format(number) for number in (*range(10, 48), 10, 11)]
    with pytest.raises(DataError, match=r"'tempo': 36 of 38 labels occur once, such as .*12.* --kind classes"):
        recognise(Column("tempo", cells))
    assert recognise(Column("tempo", cells), "classes").kind.name == "classes"


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("genre", ["rock"] * 50 + ["jazz"] * 40 + ["Rock", "jaz", "rok"], "classes"),
        ("title", list("abcdefghij"), "classes"),
        ("key", ["C", "G", "D", "A", "E", "B", "F", "Bb", "Eb", "Ab", "Db", "Gb"], "key"),
    ],
)
def test_few_names_that_occur_once_are_no_reason_to_doubt(name, cells, kind):
    assert recognise(Column(name, cells)).kind.name == kind
