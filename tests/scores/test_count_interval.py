import numpy as np
import pytest
from benchmarks.truth.single_clips import FINE, VALUES, attainable, exactly_covered
from scipy.stats import binom, binomtest

from layerscope.scores.count_interval import count_interval


@pytest.mark.parametrize("clips", [15, 20, 40, 100])
def test_coverage_is_the_nearest_to_95_percent_that_counts_allow(clips):
    shares, best = exactly_covered(clips, VALUES), attainable(clips, VALUES)[2]
    assert ((shares >= 0.93) & (shares <= np.maximum(0.97, best + 1e-9))).all()


@pytest.mark.parametrize("clips", [1, 5, 10, 17, 33, 75, 130, 200])
def test_of_no_rate_less_than_93_percent_is_covered(clips):
    shares = exactly_covered(clips, FINE)
    assert shares.min() >= 0.93
    if clips >= 15:
        assert np.mean((shares <= 0.97) | (shares <= attainable(clips, FINE)[2] + 1e-9)) > 0.97


def test_of_many_clips_95_percent_are_covered():
    assert exactly_covered(400, np.linspace(0.2, 0.8, 50)).mean() == pytest.approx(0.95, abs=0.003)


@pytest.mark.parametrize("clips", [15, 60])
def test_right_and_wrong_change_places_and_more_right_answers_are_never_less(clips):
    low, high = np.transpose([count_interval(right, clips) for right in range(clips + 1)])
    np.testing.assert_allclose(low, 1 - high[::-1], atol=1e-12)
    assert (np.diff(low) > 0).all()
    assert (np.diff(high) > 0).all()
    assert (low[0], high[-1]) == (0.0, 1.0)
    rates = np.arange(clips + 1) / clips
    assert ((low <= rates) & (rates <= high)).all()
    # The end of the interval that is not at 0 or 1 leaves out what is not likely.
    assert high[0] < 0.25


@pytest.mark.parametrize(("right", "clips"), [(15, 15), (18, 20), (37, 40), (70, 100), (11, 12)])
def test_rates_at_its_ends_are_those_that_the_two_sided_test_just_keeps(right, clips):
    def kept(rate):
        probability = binomtest(right, clips, rate).pvalue  # of all counts that are no likelier
        return probability - binom.pmf(right, clips, rate) / 2 > 0.05 or probability > 0.07

    low, high = count_interval(right, clips)
    step = 0.002 * (high - low)
    assert kept(low + 2 * step)
    assert not kept(low - step)
    if right < clips:
        assert kept(high - 2 * step)
        assert not kept(high + step)


def test_of_very_many_clips_it_is_the_normal_interval():
    low, high = count_interval(5500, 11_000)
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.5 / 11_000**0.5, 0.5 + 1.96 * 0.5 / 11_000**0.5), abs=1e-4)
