"""Few labels are drawn nested, evenly, of training clips alone and in whole groups."""

from itertools import pairwise

import numpy as np
import pytest

from layerscope.data.label_draws import label_sizes, nested_draws, units_a_class
from layerscope.data.splits import Part
from layerscope.targets import labels_of

NOTHING = np.zeros(0, np.int64)


def drawn(labels, groups, rows, seed=0):
    sizes = label_sizes(labels, groups, [Part(rows, NOTHING, NOTHING)])
    return sizes, nested_draws(labels, groups, rows, sizes, seed)


def test_each_size_has_as_many_of_every_class_and_a_rare_one_gives_all():
    labels = labels_of(["a"] * 30 + ["b"] * 30 + ["c"] * 3)
    sizes, draws = drawn(labels, np.arange(63), np.arange(63))
    assert sizes == ["1", "2", "4", "8", "16", "all"]
    counts = [np.bincount(labels.values[rows]).tolist() for rows in draws]
    assert counts == [[1, 1, 1], [2, 2, 2], [4, 4, 3], [8, 8, 3], [16, 16, 3], [30, 30, 3]]


@pytest.mark.parametrize("kind", ["classes", "tags", "values"])
def test_draws_are_nested_groups_whole_and_of_training_clips(kind):
    random = np.random.default_rng(0)
    groups = np.sort(random.integers(0, 60, 240))
    cells = {
        "classes": ["abc"[value] for value in random.integers(0, 3, 240)],
        "tags": [["x", "y"][: value + 1] for value in random.integers(0, 2, 240)],
        "values": list(random.normal(size=240)),
    }[kind]
    labels, train = labels_of(cells, kind), np.flatnonzero(groups % 4 > 0)
    _, draws = drawn(labels, groups, train)
    assert len(draws) > 2
    for smaller, larger in pairwise(draws):
        assert set(smaller) <= set(larger)
    for rows in draws:
        assert np.isin(rows, train).all()
        assert set(np.flatnonzero(np.isin(groups, groups[rows]))) == set(rows)
    assert draws[-1].tolist() == train.tolist()


def test_with_groups_a_size_counts_groups_and_not_their_clips():
    groups = np.repeat(np.arange(20), 10)  # twenty songs of ten clips, of one class each
    labels = labels_of([f"c{group % 2}" for group in groups])
    sizes, draws = drawn(labels, groups, np.arange(200))
    assert sizes == ["1", "2", "4", "8", "all"]
    assert [units_a_class(labels, groups, rows).tolist() for rows in draws] == [[n, n] for n in (1, 2, 4, 8, 10)]


def test_shares_hold_as_many_clips_as_they_say_and_never_fewer_than_can_be_divided():
    rows = np.arange(200)
    sizes, draws = drawn(labels_of(np.linspace(0.0, 1.0, 200)), rows, rows)
    assert sizes == ["5 %", "10 %", "20 %", "50 %", "100 %"]  # 2 % are four clips, and no penalty is chosen among four
    assert [len(taken) for taken in draws] == [10, 20, 40, 100, 200]


def test_another_seed_is_another_draw_and_the_same_seed_the_same():
    labels, rows = labels_of(["a", "b"] * 50), np.arange(100)
    first, again, other = (drawn(labels, rows, rows, seed)[1][0].tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other
