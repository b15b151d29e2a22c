"""Tags: how they are read, and which are left out."""

import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.targets import Column, Tags, labels_of, read_labels, recognise
from layerscope.targets.kind import Labels


def test_lists_of_names_and_bars_are_tags():
    listed = labels_of([["drums", "bass"], [], ["bass"]])
    assert (listed.kind.name, listed.names, listed.values.tolist()) == (
        "tags",
        ("bass", "drums"),
        [[1, 1], [0, 0], [1, 0]],
    )
    barred = labels_of(["drums|bass", "bass"])
    assert (barred.kind.name, barred.names, barred.values.tolist()) == ("tags", ("bass", "drums"), [[1, 1], [1, 0]])


def test_tags_without_both_answers_are_named_and_left_out():
    scores = np.array([[0.9, 0.1, 0.5], [0.2, 0.3, 0.6]])
    labels = Labels(Tags(), ("yes", "never", "always"), np.array([[1, 0, 1], [0, 0, 1]], np.float32))
    assert labels.kind.absent(labels) == ["never", "always"]
    assert labels.score(scores, "roc_auc")[0] == 1.0
    assert labels.score(scores, "average_precision")[0] == 1.0


def test_a_ranking_without_both_answers_is_nan_not_zero():
    empty = Labels(Tags(), ("t",), np.zeros((3, 1), np.float32))
    assert np.isnan(empty.score(np.zeros((3, 1)), "roc_auc")[0])


@pytest.mark.parametrize(
    "cells",
    [
        [[1, 0, 1], [0, 1, 1], [0, 0, 0]],
        [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]],
        [[True, False, True], [False, True, True], [False, False, False]],
        [["1", "0", "1"], ["0", "1", "1"], ["0", "0", "0"]],
        [["True", "False", "True"], ["False", "True", "True"], ["False", "False", "False"]],
    ],
)
def test_lists_of_zero_and_one_say_which_tags_a_clip_has_and_are_no_names_0_and_1(cells):
    column = Column("mood", cells)
    recognised = recognise(column)
    assert (recognised.kind.name, recognised.faults) == ("tags", {})
    assert recognised.evidence.endswith("a 0 or 1 for each of 3 tags, which are called by their places")
    labels = labels_of(cells)
    assert labels.names == ("0", "1", "2")
    assert labels.values.tolist() == [[1, 0, 1], [0, 1, 1], [0, 0, 0]]


def test_a_list_of_another_length_among_those_of_zero_and_one_is_the_odd_one():
    faults = recognise(Column("mood", [[1, 0, 1], [0, 1, 1], [0, 0, 1], [1, 1, 2]])).faults
    assert faults == {3: "'[1, 1, 2]' is not a 0 or 1 for each of 3 tags"}


def test_columns_of_zero_and_one_are_tags_or_measurements_by_what_the_user_says():
    column = Column("rock,pop", [[1, 0], [1, 1], [0, 0]])
    with pytest.raises(DataError, match="'rock,pop': columns of 0 and 1 may be tags or measurements; say --kind tags"):
        recognise(column)
    labels = read_labels(column, "tags")
    assert (labels.names, labels.values.tolist()) == (("rock", "pop"), [[1, 0], [1, 1], [0, 0]])
    assert recognise(column, "values").faults == {}


@pytest.mark.parametrize("sign", [",", ";", " / "])
def test_tags_that_another_sign_parts_are_refused_though_they_are_said_to_be_tags(sign):
    cells = [sign.join(["Guitar", "Music"]), sign.join(["Bass", "Guitar"]), "Music", "Bass", "Guitar"] * 2
    with pytest.raises(DataError, match=r"looks like several tags, and so do 4 of 10 cells; write \| between them"):
        recognise(Column("labels", cells), "tags")
    assert recognise(Column("labels", [[cell] for cell in cells]), "tags").faults == {}
    assert recognise(Column("labels", [*cells, "Bass|Music"]), "tags").faults == {}
