"""Indices of states whose dependence on factors is known in closed form."""

import numpy as np
import pandas as pd
import pytest

from layerscope.similarity.factor_sensitivity import factor_pairs, factor_sensitivity, tells_something

KEY, TEMPO, GROUPS = 4, 3, 12


@pytest.fixture
def design():
    """Every group with every key at every tempo, the group being the tune."""
    groups, keys, tempos = np.indices((GROUPS, KEY, TEMPO)).reshape(3, -1)
    levels = {"key": keys.astype(str), "tempo": tempos.astype(str), "tune": groups.astype(str)}
    return groups, keys, tempos, factor_pairs(levels, np.ones(len(groups), dtype=bool))


def one_hot(column):
    return np.eye(column.max() + 1, dtype=np.float32)[column]


def totals(indices):
    return {name: round(index.total, 9) for name, index in indices.items()}


def mains(indices):
    return {name: round(index.main, 9) for name, index in indices.items()}


def test_what_states_follow_has_all_and_the_rest_nothing(design):
    groups, keys, _, pairs = design
    indices = factor_sensitivity(one_hot(keys), pairs, groups)
    assert totals(indices) == mains(indices) == {"key": 1.0, "tempo": 0.0, "tune": 0.0}
    assert (indices["key"].total_low, indices["key"].total_high) == (pytest.approx(1.0), pytest.approx(1.0))


def test_factors_that_add_up_have_their_shares(design):
    """Standardised columns of 1 in q have the variance (q-1)/q², and two of them change: 2 q² / (q-1) a factor."""
    groups, keys, tempos, pairs = design
    indices = factor_sensitivity(np.concatenate([one_hot(keys), one_hot(tempos)], axis=1), pairs, groups)
    parts = {"key": 2 * KEY**2 / (KEY - 1), "tempo": 2 * TEMPO**2 / (TEMPO - 1)}
    for name, part in parts.items():
        assert indices[name].total == pytest.approx(part / sum(parts.values()))
        assert indices[name].main == pytest.approx(part / sum(parts.values()))
    assert indices["tune"].total == pytest.approx(0.0, abs=1e-9)


def test_a_code_of_all_factors_together_minds_each_and_tells_none(design):
    groups, _, _, pairs = design
    indices = factor_sensitivity(np.eye(len(groups), dtype=np.float32), pairs, groups)
    assert totals(indices) == dict.fromkeys(("key", "tempo", "tune"), 1.0)
    assert mains(indices) == dict.fromkeys(("key", "tempo", "tune"), 0.0)


def test_units_of_columns_do_not_matter(design):
    groups, keys, tempos, pairs = design
    states = np.concatenate([one_hot(keys), one_hot(tempos)], axis=1)
    scaled = states * np.array([1e4] * KEY + [1e-3] * TEMPO, np.float32) + 5
    for name, index in factor_sensitivity(states, pairs, groups).items():
        assert factor_sensitivity(scaled, pairs, groups)[name].total == pytest.approx(index.total, rel=1e-3, abs=1e-3)


def test_changed_clips_are_held_against_their_own_alone():
    levels = {"key": np.array(["C", "D", "C", "D"]), "tempo": np.array(["slow", "fast", "fast", "slow"])}
    pairs = factor_pairs(levels, np.array([True, True, True, False]))
    assert np.argwhere(np.triu(pairs.differing["key"])).tolist() == [[0, 3], [1, 2]]
    assert np.argwhere(np.triu(pairs.everything)).tolist() == [[0, 1]]
    assert np.argwhere(np.triu(pairs.agreeing["key"])).tolist() == [[0, 2]]


def test_states_that_do_not_vary_say_nothing(design):
    groups, _, _, pairs = design
    indices = factor_sensitivity(np.full((len(groups), 3), 7.0, np.float32), pairs, groups)
    assert all(np.isnan(index.total) and np.isnan(index.main) for index in indices.values())
    assert not tells_something(pd.DataFrame([vars(index) for index in indices.values()])).any()


def test_noise_is_told_of_in_few_maps(design):
    groups, _, _, pairs = design
    random = np.random.default_rng(0)
    shown = []
    for _ in range(60):
        noise = random.normal(size=(len(groups), 6)).astype(np.float32)
        indices = factor_sensitivity(noise, pairs, groups)
        shown.append(tells_something(pd.DataFrame([vars(index) for index in indices.values()])).any())
    assert np.mean(shown) <= 0.1


def test_intervals_hold_the_share_under_noise(design):
    """Of states that are the key and noise, half of the variance each, both in expectation."""
    groups, keys, _, pairs = design
    random = np.random.default_rng(1)
    columns = np.sign(keys % 2 - 0.5)[:, None]  # two keys high, two low
    held = []
    for _ in range(60):
        noise = random.normal(size=(len(groups), 8))
        index = factor_sensitivity((columns + noise).astype(np.float32), pairs, groups)["tempo"]
        # Differing in the tempo alone leaves the noise: 2 of 2 + 4 · 2/3, since of keys that differ two in three are
        # of the other side.
        held.append(index.total_low <= 2 / (2 + 8 / 3) <= index.total_high)
    assert np.mean(held) >= 0.85
