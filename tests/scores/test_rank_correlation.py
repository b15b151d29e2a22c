import math

import pytest

from layerscope.scores.rank_correlation import rank_correlation


def test_it_is_that_of_ranks():
    assert rank_correlation([1, 2, 3, 4], [1, 10, 100, 1000]) == pytest.approx(1)
    # 1 - 6 Σd² / (n (n² - 1)), of differences 0, 1, 1, 0.
    assert rank_correlation([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(1 - 6 * 2 / (4 * 15))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("constant", [[2, 2, 2], [float("nan"), 1, 2]])
def test_what_has_no_order_has_no_correlation(constant):
    assert math.isnan(rank_correlation(constant, [1, 2, 3]))
    assert math.isnan(rank_correlation([1, 2, 3], constant))
