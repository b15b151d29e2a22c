"""Values: how numbers are read, and R² of them."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from layerscope.errors import DataError
from layerscope.targets import Values, labels_of, recognise
from layerscope.targets.cells import Column
from layerscope.targets.kind import Labels


def test_many_whole_numbers_are_values_unless_said_otherwise():
    assert labels_of(list(range(21))).kind.name == "values"
    assert labels_of(list(range(21)), "classes").names[10] == "10"


def test_other_numbers_are_values():
    labels = labels_of([0.5, 1.0])
    assert (labels.kind.name, labels.values.tolist()) == ("values", [[0.5], [1.0]])


def test_lists_of_numbers_are_values():
    labels = labels_of([[-0.25, 0.5], [1.0, 2.0]])
    assert (labels.kind.name, labels.values.shape) == ("values", (2, 2))


def test_names_that_are_asked_to_be_values_are_refused():
    with pytest.raises(DataError, match="label 1: 'a' is not a finite number"):
        labels_of(["a", "b"], "values")


def test_values_of_different_lengths_are_refused():
    with pytest.raises(DataError, match=r"label 2: '\[1.0, 2.0\]' holds 2 numbers, most labels 1"):
        labels_of([[1.0], [1.0, 2.0]], "values")


def test_what_does_not_vary_has_no_r2():
    constant = Labels(Values(), ("v",), np.ones((3, 1), np.float32))
    assert np.isnan(constant.score(np.zeros((3, 1)))[0])


def test_r2_of_a_far_mean_keeps_its_digits():
    random = np.random.default_rng(0)
    targets = (1e4 + random.normal(size=(200, 1))).astype(np.float32)
    predictions = targets + 0.5
    expected = sklearn_metrics.r2_score(targets.astype(float), predictions.astype(float))
    assert Labels(Values(), ("v",), targets).score(predictions)[0] == pytest.approx(expected, abs=1e-6)


def test_dimensions_have_their_own_r2():
    random = np.random.default_rng(5)
    scores = random.normal(size=(40, 4))
    weights = random.integers(0, 4, size=(3, 40)).astype(float)
    labels = Labels(Values(), tuple("abcd"), (scores + random.normal(size=(40, 4))).astype(np.float32))
    assert labels.metrics() == ["r2", "r2:a", "r2:b", "r2:c", "r2:d"]
    each = [labels.score(scores, f"r2:{name}", weights) for name in "abcd"]
    np.testing.assert_allclose(np.mean(each, axis=0), labels.score(scores, "r2", weights))


def test_numbers_that_single_precision_cannot_keep_apart_are_refused():
    times = [1_700_000_000 + 10 * number for number in range(50)]
    with pytest.raises(DataError, match=r"'t' \(1700000000 to 1700000490\) .* subtract 1700000000 from each"):
        Values().read(Column("t", times))
    assert Values().read(Column("t", [time - times[0] for time in times])).values[-1] == 490
    # Far from 0, and as far from one another.
    for cells in (
        [1e9 * number for number in range(50)],
        [0.1 + number for number in range(9)],
        [1e38, -1e38],
        [5] * 3,
    ):
        assert len(Values().read(Column("t", cells)).values) == len(cells)


@pytest.mark.parametrize("name", ["mood", "times"])
@pytest.mark.parametrize("cells", [[[1, 2], [2, 1], [2, 2]], [[3], [1], [2]], [[3, 7], [1, 4, 9], [2]], [[40, 52]] * 3])
def test_lists_of_whole_numbers_are_what_the_user_says(name, cells):
    with pytest.raises(DataError, match="may be numbers of tags, measurements or times; say --kind tags"):
        recognise(Column(name, cells))
    assert recognise(Column(name, cells), "tags").faults == {}


def test_lists_with_a_decimal_point_are_measurements_and_whole_times_of_beats_are_beats():
    assert recognise(Column("valence", [[1.0, 2.0], [2.0, 1.0]])).kind.name == "values"
    assert recognise(Column("beats", [[1, 2], [2, 3, 4]])).kind.name == "beats"


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([-1, 0.5, 0.25, -1], "-1 in 2 of 4 numbers may stand for nothing: if so, empty these cells"),
        ([9999, 0.5, 0.25, 9999], "9999 in 2 of 4 numbers may stand for nothing"),
        ([-1, 0.5, 0.25, 0.75], ""),
        ([-1, -1, -0.5, 0.5], ""),
        ([99, 99, 98.5, 60.5], ""),
        ([-1, -1, -1], ""),
    ],
)
def test_a_number_that_may_stand_for_nothing_is_named(cells, words):
    evidence = recognise(Column("tempo", cells), "values").evidence
    assert words in evidence
    assert ("stand for nothing" in evidence) == bool(words)
