import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.data.leaks import find_leaks
from layerscope.data.splits import assign, never_trained, parts_of, refuse_unlearnable
from layerscope.errors import DataError
from layerscope.targets import labels_of


def table(count, **columns):
    return pd.DataFrame({"clip": [f"c{row}" for row in range(count)], **columns})


@given(st.lists(st.integers(0, 30), min_size=60, max_size=150), st.integers(0, 5), st.booleans())
@settings(deadline=None, max_examples=40)
def test_made_splits_keep_groups_whole_and_are_seeded(groups, seed, folds):
    if len(set(groups)) < 5:
        return
    clips = table(len(groups), group=[str(group) for group in groups])
    labels = labels_of(["ab"[row % 2] for row in range(len(groups))])
    assigned = assign(clips, labels, seed, 5 if folds else None)
    column = "fold" if folds else "split"
    assert assigned.groupby("group")[column].nunique().max() == 1
    assert assigned[column].tolist() == assign(clips, labels, seed, 5 if folds else None)[column].tolist()
    assert find_leaks(assigned) == []


def test_made_split_is_stratified_and_of_the_stated_sizes():
    clips = table(300)
    assigned = assign(clips, labels_of([f"class {row % 10}" for row in range(300)]), 0)
    assert assigned.split.value_counts().to_dict() == {"train": 180, "valid": 60, "test": 60}
    classes = np.arange(300) % 10
    for split in ("train", "valid", "test"):
        assert len(set(np.bincount(classes[assigned.split == split]))) == 1
    assert assign(clips, labels_of(["a", "b"] * 150), 1).split.tolist() != assigned.split.tolist()


@pytest.mark.parametrize("cells", [[["a"], ["b"], ["a", "b"], []] * 20, list(np.linspace(0, 1, 80))])
def test_tags_and_values_are_split_too(cells):
    assert set(assign(table(80), labels_of(cells), 0).split) == {"train", "valid", "test"}


def test_a_missing_validation_split_comes_out_of_training():
    clips = table(40, split=["train"] * 30 + ["test"] * 10)
    assigned = assign(clips, labels_of(["a", "b"] * 20), 0)
    assert (assigned.split[30:] == "test").all()
    assert (assigned.split == "valid").sum() == 6


def test_given_splits_are_used_as_they_are():
    split = ["train"] * 6 + ["valid"] * 2 + ["test"] * 2
    assert assign(table(10, split=split), labels_of(["a", "b"] * 5), 0).split.tolist() == split


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"split": ["train"] * 10}, "train and test are needed"),
        ({"split": ["train"] * 9 + [None]}, "1 clips have no 'split'"),
        ({"fold": ["1"] * 9 + [None]}, "1 clips have no 'fold'"),
    ],
)
def test_incomplete_splits_are_refused(columns, words):
    with pytest.raises(DataError, match=words):
        assign(table(10, **columns), labels_of(["a", "b"] * 5), 0)


def test_too_few_groups_are_refused():
    with pytest.raises(DataError, match="3 groups cannot be divided into 5 parts"):
        assign(table(12, group=list("aaaabbbbcccc")), labels_of(["a", "b"] * 6), 0)


def test_duplicate_sounds_are_never_divided():
    sounds = [str(row // 2) for row in range(60)]
    assigned = assign(table(60, clip_sound=sounds), labels_of(["a", "b", "b"] * 20), 0)
    assert assigned.groupby("clip_sound").split.nunique().max() == 1


def test_folds_test_and_choose_every_clip_once():
    parts = parts_of(table(20, fold=[str(row % 4) for row in range(20)]))
    for name in ("valid", "test"):
        rows = np.concatenate([getattr(part, name) for part in parts])
        assert sorted(rows) == list(range(20))
    for part in parts:
        assert len(set(part.train) | set(part.valid) | set(part.test)) == 20
        assert not set(part.train) & (set(part.valid) | set(part.test))


def test_ten_folds_are_in_numerical_order():
    parts = parts_of(table(10, fold=[str(row + 1) for row in range(10)]))
    assert [int(part.test[0]) for part in parts] == list(range(10))


def test_two_folds_are_too_few():
    with pytest.raises(DataError, match="at least 3 are needed"):
        parts_of(table(4, fold=list("abab")))


def test_nothing_can_be_learnt_from_one_class():
    clips = table(6, split=["train", "train", "valid", "valid", "test", "test"])
    with pytest.raises(DataError, match="a single class"):
        refuse_unlearnable(labels_of(list("aaabab")), parts_of(clips))


@pytest.mark.parametrize(
    ("cells", "words"),
    [([0.5, 0.7, 1.0, 1.0, 2.0, 3.0], "'0' is the same for every clip of the valid split"),
     ([["a"], ["b"], ["a"], ["b"], ["a"], ["a"]], "no tag has both answers in the test split")],
)  # fmt: skip
def test_nothing_can_be_scored_where_nothing_varies(cells, words):
    clips = table(6, split=["train", "train", "valid", "valid", "test", "test"])
    with pytest.raises(DataError, match=words):
        refuse_unlearnable(labels_of(cells), parts_of(clips))


def test_classes_that_only_tested_clips_have_are_counted_and_refused_where_all_are():
    splits = ["train"] * 4 + ["valid"] * 2 + ["test"] * 3
    parts = parts_of(table(9, split=splits))
    some = labels_of(["a", "b", "a", "b", "a", "b", "a", "new", "new"])
    refuse_unlearnable(some, parts)
    assert never_trained(some, parts) == {"new": 2}
    with pytest.raises(DataError, match=r"a class that a training clip has \(tested: A, new\); nothing can be right"):
        refuse_unlearnable(labels_of(["a", "b", "a", "b", "a", "b", "A", "new", "new"]), parts)
    assert never_trained(labels_of([[0.1 * row] for row in range(9)]), parts) == {}


def test_a_class_of_a_single_fold_is_never_trained_where_it_is_tested():
    labels = labels_of(["a", "b", "new", "a", "b", "b", "a", "b", "a"])
    assert never_trained(labels, parts_of(table(9, fold=list("111222333")))) == {"new": 1}
