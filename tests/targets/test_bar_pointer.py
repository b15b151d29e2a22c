"""The bar-pointer model finds the metre and the beats of activations whose truth is known."""

import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.targets.bar_pointer import bar_pointer, state_space
from layerscope.targets.beats import BeatTimes, beat_targets

RATE = 25.0


def regular(tempo, metre, seconds=20.0, first=0.3):
    beats = np.arange(first, seconds, 60 / tempo)
    return BeatTimes(beats, beats[::metre])


def decoded(activations):
    return [BeatTimes(times, times[down]) for times, down in bar_pointer(activations, RATE)]


def activation(beats, seconds=20.0, noise=0.0, seed=0):
    targets = beat_targets(beats, int(seconds * RATE), RATE).astype(np.float64)
    return np.clip(targets + np.random.default_rng(seed).normal(0, noise, targets.shape), 0, 1)


@given(tempo=st.floats(60, 200), metre=st.sampled_from([3, 4]), first=st.floats(0.05, 0.9))
@settings(deadline=None, max_examples=25)
def test_clean_activations_give_their_beats_back(tempo, metre, first):
    truth = regular(tempo, metre, first=first)
    found = decoded([activation(truth)])[0]
    assert mir_eval.beat.f_measure(truth.beats, found.beats) > 0.95
    assert mir_eval.beat.f_measure(truth.downbeats, found.downbeats) > 0.85


def test_noise_does_not_break_it():
    scores = []
    for seed, tempo in enumerate((72, 95, 120, 150, 188)):
        truth = regular(tempo, 4)
        found = decoded([activation(truth, noise=0.25, seed=seed)])[0]
        scores.append(mir_eval.beat.f_measure(truth.beats, found.beats))
    assert np.mean(scores) > 0.9


def test_a_tempo_may_drift():
    steps = 60 / np.linspace(100, 125, 45)
    truth = BeatTimes(0.2 + np.cumsum(steps), (0.2 + np.cumsum(steps))[::4])
    found = decoded([activation(truth, seconds=27.0)])[0]
    assert mir_eval.beat.f_measure(truth.beats, found.beats) > 0.9


def test_tracks_of_different_lengths_do_not_disturb_each_other():
    pieces = [
        activation(regular(tempo, 4, seconds), seconds) for tempo, seconds in ((80, 9.0), (120, 20.0), (150, 4.0))
    ]
    together = decoded(pieces)
    for piece, found in zip(pieces, together, strict=True):
        np.testing.assert_array_equal(decoded([piece])[0].beats, found.beats)


def test_beats_are_read_between_frames():
    """A parabola through the activation of three frames is finer than a frame of 40 ms."""
    truth = regular(100, 4)
    times = (np.arange(500) + 0.5) / RATE
    bump = np.exp(-0.5 * ((times[:, None] - truth.beats[None]) / 0.03) ** 2).max(axis=1)
    down = np.exp(-0.5 * ((times[:, None] - truth.downbeats[None]) / 0.03) ** 2).max(axis=1)
    found = decoded([np.stack([bump, down], axis=1)])[0]
    assert mir_eval.beat.f_measure(truth.beats, found.beats, f_measure_threshold=0.01) > 0.95


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_activations_give_some_regular_beat_and_no_error(value):
    found = decoded([np.full((250, 2), value)])[0]
    assert len(found.beats) > 3
    assert np.all(np.diff(found.beats) > 0.15)


def test_states_cover_every_tempo_of_both_metres():
    space = state_space(RATE)
    lengths = {int(end - start) + 1 for starts, ends in zip(space.starts, space.ends, strict=True)
               for start, end in zip(starts.ravel(), ends.ravel(), strict=True)}  # fmt: skip
    assert lengths == set(range(6, 29))  # 60 * 25 / 215 and 60 * 25 / 55 frames, rounded outwards
    assert space.size == sum((3 + 4) * length for length in lengths)
