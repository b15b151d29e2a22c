import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.similarity.frame_sums import ARRAYS, Gathering, View, read_moments, squared_steps

VIEWS = (View("m", 0, 5), View("m", 1, 3), View("mel", None, 2))


def gathered(pieces):
    gathering = Gathering(VIEWS)
    for piece in pieces:
        gathering.add(piece, [squared_steps(piece[:, part]) for part in gathering.places], len(piece) - 1)
    return gathering.moments()


def frames(count, seed=0):
    return np.random.default_rng(seed).normal(1.0, 2.0, size=(count, 10)).astype(np.float32)


def test_sums_are_those_of_all_frames_at_once():
    rows = frames(300)
    moments = gathered([rows])
    exact = rows.astype(np.float64)
    # float64 sums of 300 products; BLAS adds them in another order than numpy.
    np.testing.assert_allclose(moments.cross, exact.T @ exact, rtol=1e-12)
    np.testing.assert_allclose(moments.sums, exact.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance(0, 1), np.cov(exact.T, bias=True)[:5, 5:8], rtol=1e-9, atol=1e-12)
    squares = np.stack([np.square(exact[:, part]).sum(axis=1) for part in moments.places], axis=1)
    np.testing.assert_allclose(moments.lengths, squares.T @ squares, rtol=1e-12)
    np.testing.assert_allclose(moments.weighted, squares.T @ exact, rtol=1e-12)
    unit = exact[:, :5] / np.linalg.norm(exact[:, :5], axis=1, keepdims=True)
    np.testing.assert_allclose(moments.directions[:5], unit.sum(axis=0), rtol=1e-9)
    np.testing.assert_allclose(moments.steps[1], np.square(np.diff(exact[:, 5:8], axis=0)).sum(), rtol=1e-6)
    assert (moments.count, moments.pairs) == (300, 299)


@given(st.lists(st.integers(1, 700), min_size=1, max_size=5), st.randoms())
@settings(max_examples=20, deadline=None)
def test_order_and_chunks_of_the_stream_do_not_matter(sizes, random):
    pieces = [frames(size, seed) for seed, size in enumerate(sizes)]
    one = gathered(pieces)
    random.shuffle(pieces)
    parts = [gathered([piece]) for piece in pieces]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged + part
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(merged, name), getattr(one, name), rtol=1e-10, atol=1e-7)


def test_what_is_added_can_be_taken_away():
    first, second = gathered([frames(50, 1)]), gathered([frames(70, 2)])
    back = first + second - second
    np.testing.assert_allclose(back.cross, first.cross, rtol=1e-10)
    assert back.count == 50


def test_a_file_gives_back_all_views_or_some(tmp_path):
    gathering = Gathering(VIEWS)
    gathering.add(frames(40), [1.0, 2.0, 3.0], 39)
    gathering.save(tmp_path / "part.safetensors")
    whole, some = read_moments(tmp_path / "part.safetensors"), read_moments(tmp_path / "part.safetensors", [2, 0])
    np.testing.assert_array_equal(whole.cross, gathering.moments().cross)
    assert some.views == (VIEWS[2], VIEWS[0])
    expected = whole.only(2, 0)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(some, name), getattr(expected, name))


def test_moments_of_different_views_do_not_add_up():
    other = Gathering([View("n", 0, 10)])
    other.add(frames(3))
    with pytest.raises(ValueError, match="different views"):
        gathered([frames(3)]) + other.moments()


def test_silent_frames_have_no_direction():
    gathering = Gathering(VIEWS)
    gathering.add(np.zeros((4, 10), np.float32))
    assert (gathering.moments().directions == 0).all()
