import json

import numpy as np
import pandas as pd
import pytest
from made_views import sums_of_rows
from scipy.linalg import subspace_angles
from scipy.spatial import procrustes as scipy_procrustes
from sklearn.cross_decomposition import CCA
from sklearn.neighbors import NearestNeighbors

from layerscope.errors import DataError
from layerscope.similarity.measures import (
    MEASURES,
    Similarities,
    canonical,
    cka,
    debiased_cka,
    frames_needed,
    jackknife,
    nearest,
    procrustes,
    shared_neighbours,
)


def noise(count, dim, seed):
    return np.random.default_rng(seed).normal(size=(count, dim))


def rotation(dim, seed):
    return np.linalg.qr(noise(dim, dim, seed))[0]


def directly(x, y):
    """Linear CKA, plain and debiased, from the kernels between all samples."""
    n = len(x)
    k, m = (view @ view.T for view in (x - x.mean(0), y - y.mean(0)))
    plain = (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)

    def unbiased(a, b):
        return (
            np.trace(a @ b) + a.sum() * b.sum() / ((n - 1) * (n - 2)) - 2 * (a.sum(axis=0) @ b.sum(axis=0)) / (n - 2)
        ) / (n * (n - 3))

    return plain, unbiased(k, m) / np.sqrt(unbiased(k, k) * unbiased(m, m))


@pytest.mark.parametrize("mean", [0.0, 100.0])
@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_cka_is_the_same_as_from_kernels_between_all_samples(mean, scale):
    x = noise(200, 6, 0)
    y = x @ noise(6, 4, 1) + noise(200, 4, 2)
    y *= np.array([1, 10, 0.1, 1])
    x, y = scale * (x + mean), scale * (y - mean)
    plain, debiased = directly(x, y)
    sums = sums_of_rows(x, y)
    assert cka(sums) == pytest.approx(plain, abs=1e-6)
    assert debiased_cka(sums) == pytest.approx(debiased, abs=1e-6)


def test_a_view_is_like_itself_turned_and_scaled():
    x = noise(500, 8, 0)
    y = 3 * x @ rotation(8, 1) + 5
    sums = sums_of_rows(x, y)
    assert cka(sums) == pytest.approx(1, abs=1e-9)
    assert debiased_cka(sums) == pytest.approx(1, abs=1e-9)
    assert procrustes(sums) == pytest.approx(1, abs=1e-9)
    for value in canonical(sums, sums).values():
        assert value == pytest.approx(1, abs=1e-9)


def test_the_cca_family_is_blind_to_every_invertible_map_but_cka_is_not():
    x = noise(2000, 6, 0)
    y = x @ (rotation(6, 1) * np.geomspace(1, 100, 6)) @ rotation(6, 2)
    sums = sums_of_rows(x, y)
    found = canonical(sums, sums_of_rows(noise(500, 6, 5), noise(500, 6, 5) @ np.eye(6)))
    assert canonical(sums, sums)["cca"] == pytest.approx(1, abs=1e-9)
    assert canonical(sums, sums)["pwcca_x"] == pytest.approx(1, abs=1e-9)
    assert cka(sums) < 0.9
    assert found["cca"] < 0.9  # other frames, of another relation


def test_unrelated_views_show_the_known_bias_of_plain_cka_and_none_of_the_debiased():
    # E[CKA] of independent isotropic normals is about dx dy / sqrt((dx n + dx²)(dy n + dy²)), here with d = 20.
    for count in (100, 1000):
        plain, debiased = [], []
        for seed in range(20):
            sums = sums_of_rows(noise(count, 20, 2 * seed), noise(count, 20, 2 * seed + 1))
            plain.append(cka(sums))
            debiased.append(debiased_cka(sums))
        assert np.mean(plain) == pytest.approx(20 / (count + 20), rel=0.1)
        # The mean of 20 values whose own deviation is about 1 / count.
        assert abs(np.mean(debiased)) < 4 / count


@pytest.mark.slow
def test_frames_of_one_clip_are_not_taken_for_independent():
    """Two unrelated views, half of whose variance lies between clips: nothing of it is shared."""

    def view(random, clips):
        return (random.normal(size=(clips, 1, 8)) + random.normal(size=(clips, 50, 8))).reshape(-1, 8)

    values, covered = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        x, y = view(random, 40), view(random, 40)
        clips = [np.arange(2000).reshape(40, 50)[k::8].ravel() for k in range(8)]
        parts = [sums_of_rows(x[rows], y[rows], frames=50, centred=False) for rows in clips]
        found = jackknife(parts[0::2], parts[1::2], lambda fit, score: {"cka": debiased_cka(fit + score)})["cka"]
        values.append(found.value)
        covered.append(found.low <= 0 <= found.high)
    # The mean of 60 studies, each with a deviation of about 0.02; of 60 intervals of 95 % three miss, give or take two.
    assert abs(np.mean(values)) < 0.01
    assert np.mean(covered) >= 0.88


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e6])
def test_a_common_offset_changes_nothing(offset):
    x = noise(300, 5, 0)
    y = x @ noise(5, 5, 1) + noise(300, 5, 2)
    plain, moved = sums_of_rows(x, y), sums_of_rows(x + offset, y)
    # What is left is the rounding of the input itself.
    assert debiased_cka(moved) == pytest.approx(debiased_cka(plain), abs=1e-6)
    assert cka(moved) == pytest.approx(cka(plain), abs=1e-6)


def test_directions_that_are_fitted_on_other_clips_do_not_find_noise_alike():
    fit, score = (sums_of_rows(noise(2000, 20, seed), noise(2000, 20, seed + 1)) for seed in (0, 2))
    # A held-out correlation of noise has deviation 1 / sqrt(2000); the mean is of twenty.
    assert abs(canonical(fit, score)["cca"]) < 0.02
    assert canonical(fit, fit)["cca"] > 0.05  # on the same frames it would seem something


def test_a_shared_subspace_of_known_rank_is_what_cca_finds():
    shared = noise(20_000, 3, 0)
    x = np.concatenate([shared, noise(20_000, 7, 1)], axis=1) @ rotation(10, 2)
    y = np.concatenate([shared, noise(20_000, 7, 3)], axis=1) @ rotation(10, 4)
    found = canonical(sums_of_rows(x[:10_000], y[:10_000]), sums_of_rows(x[10_000:], y[10_000:]))
    # Three of ten correlations are 1, the others 0 within 1 / sqrt(10 000) each.
    assert found["cca"] == pytest.approx(0.3, abs=0.02)


def test_correlations_are_those_of_scikit_learn():
    x = noise(3000, 4, 0)
    y = x[:, :3] @ noise(3, 3, 1) + 0.5 * noise(3000, 3, 2)
    left, right = CCA(n_components=3, max_iter=5000, tol=1e-12).fit_transform(x, y)
    theirs = [np.corrcoef(left[:, i], right[:, i])[0, 1] for i in range(3)]
    sums = sums_of_rows(x, y)
    assert canonical(sums, sums)["cca"] == pytest.approx(np.mean(theirs), abs=1e-6)
    angles = subspace_angles(x - x.mean(0), y - y.mean(0))
    assert canonical(sums, sums)["cca"] == pytest.approx(np.mean(np.cos(angles)), abs=1e-6)


def test_pwcca_weighs_directions_by_what_they_explain_of_each_side():
    shared = noise(5000, 1, 0)
    x = np.concatenate([10 * shared, 0.1 * noise(5000, 1, 1)], axis=1)  # the shared direction is nearly all of x
    y = np.concatenate([0.1 * shared, 10 * noise(5000, 1, 2)], axis=1)  # and next to nothing of y
    found = canonical(sums_of_rows(x, y), sums_of_rows(x, y))
    # Weights are sums of |<h, column>|: about 10 against 0.1 on either side.
    assert found["pwcca_x"] == pytest.approx(1, abs=0.03)
    assert found["pwcca_y"] == pytest.approx(0, abs=0.05)


def test_svcca_leaves_out_what_holds_no_variance():
    shared, other = noise(5000, 2, 0), noise(5000, 2, 1)
    x = np.concatenate([shared, 1e-2 * other], axis=1)
    y = np.concatenate([shared, 1e-2 * noise(5000, 2, 2)], axis=1)
    found = canonical(sums_of_rows(x, y), sums_of_rows(x, y))
    assert found["svcca"] == pytest.approx(1, abs=1e-6)
    assert found["cca"] == pytest.approx(0.5, abs=0.05)


def test_procrustes_is_that_of_scipy():
    x, y = noise(300, 5, 0), noise(300, 5, 1)
    y += x
    # scipy's disparity of unit-norm views is 1 - (sum of singular values)².
    assert procrustes(sums_of_rows(x, y)) == pytest.approx(np.sqrt(1 - scipy_procrustes(x, y)[2]), abs=1e-9)


def test_constant_and_degenerate_views_are_like_nothing_and_break_nothing():
    x, flat = noise(300, 4, 0), np.full((300, 3), 7.0)
    for one, other in ((x, flat), (flat, x), (flat, flat)):
        sums = sums_of_rows(one, other)
        assert cka(sums) == pytest.approx(0, abs=1e-6)
        assert procrustes(sums) == pytest.approx(0, abs=1e-5)
        assert all(np.isfinite(value) for value in canonical(sums, sums).values())
    doubled = np.concatenate([x, x, flat], axis=1)
    assert canonical(sums_of_rows(x, doubled), sums_of_rows(x, doubled))["cca"] == pytest.approx(1, abs=1e-6)


def test_neighbours_are_those_of_scikit_learn():
    x, y = noise(80, 6, 0), noise(80, 6, 1)
    y[:, :3] += 2 * x[:, :3]

    def theirs(view):
        centred = view - view.mean(0)
        found = NearestNeighbors(n_neighbors=11, metric="cosine").fit(centred).kneighbors(centred)[1]
        return [set(row[1:]) for row in found]

    expected = np.mean([len(a & b) / 10 for a, b in zip(theirs(x), theirs(y), strict=True)])
    assert shared_neighbours(nearest(x), nearest(y)) == pytest.approx(expected)
    assert shared_neighbours(nearest(x), nearest(x)) == 1
    with pytest.raises(ValueError, match="more than 20 samples, has 20"):
        nearest(x[:20])


def test_ten_frames_a_dimension_are_needed():
    assert frames_needed(128, 1024) == 10_240


@pytest.mark.slow
def test_intervals_cover_the_truth_when_clips_vary():
    """Clips, not frames, are the source of variation: frames of a clip share its mean."""

    def clips(seed, count):
        random = np.random.default_rng(seed)
        centres = random.normal(size=(count, 1, 6))
        x = centres[..., :3] + 0.3 * random.normal(size=(count, 20, 3))
        y = centres[..., 1:4] + 0.3 * random.normal(size=(count, 20, 3))
        return x, y

    x, y = clips(10**6, 40_000)

    def halves(x, y):
        return sums_of_rows(x.reshape(-1, 3), y.reshape(-1, 3), frames=20, centred=False)  # to be added up

    truth = cka(halves(x, y))
    covered = []
    for seed in range(400):
        x, y = clips(seed, 160)
        parts = [halves(x[k::8], y[k::8]) for k in range(8)]
        estimate = jackknife(parts[0::2], parts[1::2], lambda fit, score: {"cka": debiased_cka(fit + score)})["cka"]
        covered.append(estimate.low <= truth <= estimate.high)
    # 400 draws of a 95 % interval: a deviation of 1.1 points; a delete-a-group jackknife is a little off besides.
    assert 0.92 <= np.mean(covered) <= 0.98


def test_measures_whose_intervals_lie_above_the_truth_of_few_clips_are_called_so():
    # Half of the variance lies between clips.
    views = [noise(8 * 25, 6, seed) + noise(8, 6, seed + 2).repeat(25, axis=0) for seed in (0, 1)]
    eighths = [np.arange(part * 25, part * 25 + 25) for part in range(8)]
    centres = [view.mean(axis=0) for view in views]
    parts = [sums_of_rows(*(view[rows] - centre for view, centre in zip(views, centres, strict=True)), frames=25,
                          centred=False) for rows in eighths]  # fmt: skip
    told = jackknife(parts[::2], parts[1::2], lambda fit, score: {
        "cka": cka(fit + score), "cka_debiased": debiased_cka(fit + score), "procrustes": procrustes(fit + score),
        **canonical(fit, score)})  # fmt: skip
    above = {name for name, estimate in told.items() if estimate.low > 0}  # nothing is alike
    assert above == {name for name, words in MEASURES.items() if "too high" in words} == {"cka", "procrustes"}


def test_tables_read_back(tmp_path):
    row = {"model": "m", "layer": 0, "other": "mel", "other_layer": None, "measure": "cka", "value": 0.5,
           "ci_low": 0.4, "ci_high": 0.6}  # fmt: skip
    table = pd.DataFrame([row]).astype({"layer": "Int64", "other_layer": "Int64"})
    scores = pd.DataFrame({"model": ["m"], "layer": pd.array([0], "Int64"), "score": ["anisotropy"], "value": [0.1],
                           "ci_low": [0.0], "ci_high": [0.2]})  # fmt: skip
    found = Similarities(table, scores, {"clips": 3}, {"a.wav": "too short"})
    found.save(tmp_path)
    again = Similarities.read(tmp_path)
    pd.testing.assert_frame_equal(again.table, table)
    pd.testing.assert_frame_equal(again.scores, scores)
    assert (again.facts, again.skipped, again.measures) == ({"clips": 3}, {"a.wav": "too short"}, ["cka"])
    (tmp_path / "similarity.json").write_text(json.dumps({}))
    with pytest.raises(DataError, match="finished comparison"):
        Similarities.read(tmp_path)
    assert Similarities.read(tmp_path / "elsewhere") is None
