import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from layerscope.probes.sample_sums import Moments


@given(st.integers(1, 50), st.integers(0, 100))
def test_parts_add_up_and_covariances_are_numpys(cut, seed):
    random = np.random.default_rng(seed)
    x, y = random.normal(5, 1, (60, 4)), random.normal(size=(60, 2))
    added = Moments.of(x[:cut], y[:cut])
    added += Moments.of(x[cut:], y[cut:])
    whole = Moments.of(x, y)
    for name in ("count", "x", "y", "xx", "xy"):
        np.testing.assert_allclose(getattr(added, name), getattr(whole, name), rtol=1e-12, atol=1e-11)
    expected = np.cov(np.hstack([x, y]).T, bias=True)
    covariance, cross = added.covariance()
    np.testing.assert_allclose(covariance, expected[:4, :4], atol=1e-10)
    np.testing.assert_allclose(cross, expected[:4, 4:], atol=1e-10)
