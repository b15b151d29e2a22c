import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.similarity.frame_sums import View, ViewSample, sums_of
from layerscope.similarity.measures import hsic

VIEWS = (View("m", 0, 5), View("m", 1, 3), View("mel", None, 2))
WIDTHS = [slice(0, 5), slice(5, 8), slice(8, 10)]


def samples(counts, seed=0):
    """Return frames of clips, 10 columns wide, as three views see them."""
    random = np.random.default_rng(seed)
    clip = np.repeat(np.arange(len(counts)), counts)
    rows = random.normal(1.0, 2.0, (sum(counts), 10)) + random.normal(0.0, 2.0, (len(counts), 10))[clip]
    steps = np.square(random.normal(size=(len(counts), 3)))
    means = np.stack([rows[clip == number].mean(axis=0) for number in range(len(counts))])
    return [
        ViewSample(view, rows[:, place], clip, means[:, place], steps[:, number])
        for number, (view, place) in enumerate(zip(VIEWS, WIDTHS, strict=True))
    ]


def summed(of, centres=None):
    return sums_of(of, centres or [np.zeros(sample.view.width) for sample in of])


def test_clips_of_equal_length_give_numpys_covariance():
    own = samples([7] * 40)
    sums = summed(own)
    rows = np.concatenate([sample.frames for sample in own], axis=1)
    np.testing.assert_allclose(sums.covariance(0, 1), np.cov(rows.T, bias=True)[:5, 5:8], rtol=1e-9, atol=1e-12)
    unit = own[0].frames / np.linalg.norm(own[0].frames, axis=1, keepdims=True)
    np.testing.assert_allclose(sums.directions[:5], unit.sum(axis=0) / 7, rtol=1e-9)
    np.testing.assert_allclose(sums.steps, [sample.steps.sum() for sample in own], rtol=1e-12)
    assert (sums.clips, sums.frames) == (40, 280)


def brute_force(first, second):
    """Return the HSIC of two views by its definition: a mean over every choice of different clips."""
    clips = [(first.frames[first.clip == number], second.frames[second.clip == number])
             for number in range(len(first.means))]  # fmt: skip
    one, two, three = [], [], []
    for (x, y), (u, v) in itertools.permutations(clips, 2):
        one.append(((x @ u.T) * (y @ v.T)).mean())
    for (x, y), (u, _), (_, w) in itertools.permutations(clips, 3):
        three.append(((x @ u.mean(axis=0)) * (y @ w.mean(axis=0))).mean())
    for (x, _), (u, _), (_, y), (_, w) in itertools.permutations(clips, 4):
        two.append((x.mean(axis=0) @ u.mean(axis=0)) * (y.mean(axis=0) @ w.mean(axis=0)))
    return np.mean(one) + np.mean(two) - 2 * np.mean(three)


@pytest.mark.parametrize("counts", [[3, 3, 3, 3, 3], [1, 4, 2, 6, 3, 1], [1] * 6])
def test_hsic_is_the_mean_over_all_choices_of_different_clips(counts):
    own = samples(counts)
    sums = summed(own)
    for first, second in itertools.combinations_with_replacement(range(3), 2):
        assert hsic(sums, first, second) == pytest.approx(brute_force(own[first], own[second]), rel=1e-9)


@given(st.lists(st.integers(1, 9), min_size=4, max_size=9), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_sums_over_parts_are_those_of_the_whole_and_can_be_taken_away(counts, seed):
    own = samples(counts, seed)
    whole = summed(own)
    halves = [np.arange(len(counts) // 2), np.arange(len(counts) // 2, len(counts))]
    parts = [summed([sample.take(half) for sample in own]) for half in halves]
    for name in ("sums", "cross", "between", "within", "turned", "forms", "directions", "steps"):
        np.testing.assert_allclose(getattr(parts[0] + parts[1], name), getattr(whole, name), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(getattr(whole - parts[0], name), getattr(parts[1], name), rtol=1e-7, atol=1e-7)


def test_what_is_taken_off_a_view_changes_no_covariance():
    own = samples([4] * 12)
    moved = summed(own, [np.full(sample.view.width, 3.0) for sample in own])
    np.testing.assert_allclose(moved.covariance(0, 1), summed(own).covariance(0, 1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moved.directions, summed(own).directions)  # of the frames as they are


def test_sums_of_different_views_do_not_add_up():
    own = samples([3] * 4)
    with pytest.raises(ValueError, match="different views"):
        summed(own) + summed(own[:2])


def test_silent_frames_have_no_direction():
    view = View("m", 0, 5)
    sample = ViewSample(view, np.zeros((4, 5)), np.array([0, 0, 1, 1]), np.zeros((2, 5)), np.full(2, np.nan))
    assert (summed([sample]).directions == 0).all()
    assert summed([sample]).stepped == 0
