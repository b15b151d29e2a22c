from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.features.windows import FRAME_RATE, Cutting, frame_count, window_spans


@pytest.mark.parametrize(
    ("samples", "windows"), [(1, 1), (30, 1), (33, 1), (34, 2), (45, 2), (60, 2), (63, 2), (90, 3)]
)
def test_number_of_windows(samples, windows):
    assert len(window_spans(samples, 30)) == windows


@given(st.integers(1, 100_000), st.integers(1, 5000))
def test_windows_cover_the_clip_and_are_equally_long(samples, longest):
    spans = window_spans(samples, longest)
    assert spans[0][0] == 0
    assert spans[-1][1] == samples
    assert len({stop - first for first, stop in spans}) == 1
    assert all(later[0] <= earlier[1] for earlier, later in pairwise(spans))
    length = spans[0][1]
    assert length <= np.ceil(1.1 * longest)
    # Neighbours share a sample at the most: hardly any sound counts twice.
    assert length * len(spans) - samples < len(spans)


def test_cutting_gives_the_windows_and_where_they_lie():
    windows, spans = Cutting(3.0).cut(np.arange(6, dtype=np.float32), 1)
    np.testing.assert_array_equal(windows, [[0, 1, 2], [3, 4, 5]])
    assert spans == [(0.0, 3.0), (3.0, 6.0)]


@given(st.integers(1, 200_000), st.floats(1.0, 30.0))
def test_overlapping_windows_lie_on_the_grid_of_frames(samples, window):
    cutting, rate = Cutting(window, overlapping=True), 1000
    windows, spans = cutting.cut(np.arange(samples, dtype=np.float32), rate)
    assert len({len(one) for one in windows}) == 1
    for one, (first, stop) in zip(windows, spans, strict=True):
        assert first * FRAME_RATE == pytest.approx(round(first * FRAME_RATE))
        assert one[0] == round(first * rate)
        assert one[-1] >= stop * rate - 2 or len(spans) == 1
    assert round(spans[-1][1] * FRAME_RATE) == frame_count(samples / rate)
    assert cutting.lengths(samples / rate) == pytest.approx([stop - first for first, stop in spans])
