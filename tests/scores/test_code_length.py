"""Bits of labels: what they are by hand, and that the code is one."""

import numpy as np
import pytest

from layerscope.scores.code_length import Code, bits_of, code_table, has_code, probabilities_of, uniform_bits
from layerscope.targets import labels_of


def told(scores, form="classes", slope=1.0, trained=10, seen=None, logits=False):
    seen = np.ones(np.shape(scores)[1], bool) if seen is None else np.array(seen)
    return probabilities_of(np.array(scores), form, slope, logits=logits, seen=seen, trained=trained)


def test_the_uniform_code_counts_the_answers_that_are_there():
    labels = labels_of(["a", "b", "c", "d"])
    assert uniform_bits(labels) == 2.0
    assert uniform_bits(labels.take(np.array([0, 3, 3]))) == 1.0


def test_probabilities_of_classes_sum_to_one_and_leave_out_what_no_training_clip_has():
    shares = told(np.random.default_rng(0).normal(size=(5, 4)), slope=3.0, seen=[True, True, False, True])
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert not shares[:, 2].any()
    assert (shares[:, [0, 1, 3]] > 0).all()


def test_a_label_costs_what_is_said_by_hand():
    # Softmax of [log 3, 0] is [3/4, 1/4]; with 10 labels seen and half of one added to each of two: 8/11 and 3/11.
    shares = told([[np.log(3.0), 0.0]] * 2)
    np.testing.assert_allclose(bits_of(shares, labels_of(["a", "b"])), np.log2([11 / 8, 11 / 3]))
    # A tag that is said to be there with 0.8: 8.5/11; that it is not costs the rest.
    tags = labels_of([["x"], []], kind="tags")
    np.testing.assert_allclose(bits_of(told([[0.8]] * 2, "tags"), tags), np.log2([11 / 8.5, 11 / 2.5]))
    np.testing.assert_allclose(told([[0.0]], "tags", logits=True), 0.5)


def test_certainty_that_is_wrong_costs_no_more_than_the_labels_seen_allow():
    worst = bits_of(told([[1e9, 0.0, 0.0]], trained=100), labels_of(["b", "a", "c"]).take(np.array([0])))
    assert worst[0] == pytest.approx(np.log2(2 * 100 + 3))


def test_numbers_have_no_code():
    assert [has_code(form) for form in ("classes", "tags", "values")] == [True, True, False]


def code(layer, mean, control=2.0, clips=60, seed=0):
    random = np.random.default_rng(seed + layer)
    label = {"model": "m", "task": "t", "input": "layer", "layer": layer, "probe": "closed"}
    bits, moved = (value + 0.3 * random.normal(size=(5, clips)) for value in (mean, control))
    # Two clips that never train have no cost.
    return Code(label, 2.0, *(np.concatenate([each, np.full((5, 2), np.nan)], axis=1) for each in (bits, moved)))


def test_code_lengths_are_means_over_the_clips_that_train_and_selectivity_is_what_the_control_costs_more():
    codes = [code(0, 2.0), code(1, 1.0)]
    table = code_table(codes, np.arange(62), seed=0)
    assert table.clips.tolist() == [60, 60]
    np.testing.assert_allclose(table.bits, [np.nanmean(each.bits) for each in codes])
    np.testing.assert_allclose(table.compression, 2.0 / table.bits)
    np.testing.assert_allclose(table.selectivity, table.control - table.bits)
    assert table.beats_control.tolist() == [False, True]
    assert table.in_best_set.tolist() == [False, True]
    assert ((table.ci_low < table.bits) & (table.bits < table.ci_high)).all()


def test_of_few_groups_no_interval_of_a_code_is_told():
    table = code_table([code(0, 1.0)], np.arange(62) // 20, seed=0)
    assert table.ci_low.isna().all()
    assert not table.beats_control.any()
